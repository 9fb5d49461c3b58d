"""Parameter sets: what libx264 writes, read back; the decoder configuration record as FFmpeg writes it."""

import io
from fractions import Fraction

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from classroom.media.h264 import ParameterSets, build_avcc, to_length_prefixed
from classroom.sfu.core.sps import BadParameterSet, parse_sps


def encode(width, height, profile, rate=30, pixel_format="yuv420p", options=None):
    """(NAL units of one keyframe, avcC that FFmpeg makes of the stream)."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=rate)
        stream.width, stream.height, stream.pix_fmt = width, height, pixel_format
        stream.options = {"preset": "veryfast", "profile": profile, **(options or {})}
        frame = av.VideoFrame.from_ndarray(np.full((height, width, 3), 90, np.uint8), format="rgb24")
        frame.pts, frame.time_base = 0, Fraction(1, rate)
        for packet in [*stream.encode(frame.reformat(format=pixel_format)), *stream.encode(None)]:
            container.mux(packet)
    data = file.getvalue()
    at = data.index(b"avcC")
    avcc = data[at + 4 : at - 4 + int.from_bytes(data[at - 4 : at], "big")]
    sps_size = int.from_bytes(avcc[6:8], "big")
    sps = avcc[8 : 8 + sps_size]
    pps_at = 8 + sps_size + 1
    pps = avcc[pps_at + 2 : pps_at + 2 + int.from_bytes(avcc[pps_at : pps_at + 2], "big")]
    return sps, pps, avcc


@pytest.mark.parametrize(
    ("width", "height", "profile", "number"),
    [
        (640, 480, "baseline", 66),
        (1920, 1080, "main", 77),
        (1280, 720, "high", 100),
        (322, 182, "baseline", 66),
        (176, 144, "high", 100),
    ],
)
def test_size_and_profile_of_what_x264_writes(width, height, profile, number):
    sps, pps, avcc = encode(width, height, profile, rate=25)
    parsed = parse_sps(sps)
    assert (parsed.width_px, parsed.height_px) == (width, height)
    assert parsed.profile == number
    assert parsed.codec == f"avc1.{avcc[1]:02X}{avcc[2]:02X}{avcc[3]:02X}"
    assert parsed.frame_rate_hz == 25
    assert build_avcc(ParameterSets((sps,), (pps,))) == avcc


def test_other_chroma_and_bit_depth():
    sps, pps, avcc = encode(322, 182, "high444", pixel_format="yuv444p")
    parsed = parse_sps(sps)
    assert (parsed.width_px, parsed.height_px, parsed.chroma_format) == (322, 182, 3)
    sps, pps, avcc = encode(320, 182, "high422", pixel_format="yuv422p10le")
    parsed = parse_sps(sps)
    assert (parsed.width_px, parsed.height_px, parsed.chroma_format, parsed.luma_bits) == (320, 182, 2, 10)
    assert build_avcc(ParameterSets((sps,), (pps,))) == avcc


def test_interlaced_pictures_are_twice_as_high_as_their_fields():
    sps, _, _ = encode(720, 576, "high", options={"x264-params": "interlaced=1"})
    parsed = parse_sps(sps)
    assert (parsed.width_px, parsed.height_px) == (720, 576)


def test_scaling_lists_are_stepped_over():
    sps, _, _ = encode(640, 360, "high", options={"x264-params": "cqm=jvt"})
    assert (parse_sps(sps).width_px, parse_sps(sps).height_px) == (640, 360)


def test_the_picture_rate_is_unknown_when_the_encoder_does_not_say():
    # Constrained baseline 3.0, 640x480, no VUI, as OpenH264 in browsers writes it.
    parsed = parse_sps(bytes.fromhex("6742c01e8c8d40501ed00f08846a"))
    assert parsed.frame_rate_hz is None
    assert parsed.codec == "avc1.42C01E"
    assert (parsed.width_px, parsed.height_px) == (640, 480)


@given(st.binary(max_size=60))
def test_bad_bytes_are_bad_parameter_sets(data):
    for nal in (data, b"\x67" + data):
        try:
            parsed = parse_sps(nal)
        except BadParameterSet:
            continue
        assert parsed.width_px > 0 and parsed.height_px > 0


def test_sets_change_only_when_they_do():
    a, b, p = b"\x67a", b"\x67b", b"\x68p"
    empty = ParameterSets()
    sets = empty.updated([a, p, b"\x65slice"])
    assert sets == ParameterSets((a,), (p,)) and sets.complete and not empty.complete
    assert sets.updated([a, p, a]) is sets
    assert sets.updated([b"\x65slice"]) is sets
    assert sets.updated([b, p]) == ParameterSets((b,), (p,))
    with pytest.raises(BadParameterSet):
        build_avcc(empty)


def test_samples_have_lengths_instead_of_start_codes():
    assert to_length_prefixed([b"ab", b"c"]) == b"\x00\x00\x00\x02ab\x00\x00\x00\x01c"
