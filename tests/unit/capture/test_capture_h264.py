"""Taking H.264 out of its containers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classroom.capture.h264 import (
    AccessUnits,
    H264Error,
    is_baseline_or_main,
    parse_avcc,
    split_annexb,
    split_lengths,
)

SPS, PPS = b"\x67\x42\xc0\x1f\x01", b"\x68\xce\x3c"
IDR, SLICE, AUD = b"\x65idr", b"\x41slice", b"\x09\xf0"
AVCC = b"\x01\x42\xc0\x1f\xff\xe1" + b"\x00\x05" + SPS + b"\x01" + b"\x00\x03" + PPS


def with_lengths(*nals: bytes) -> bytes:
    return b"".join(len(nal).to_bytes(4, "big") + nal for nal in nals)


# A NAL unit cannot contain a start code (emulation prevention) nor end in zero.
nal_units = st.binary(min_size=1, max_size=50).map(lambda b: b.replace(b"\0", b"\1"))


@given(st.lists(nal_units, max_size=8), st.lists(st.booleans(), min_size=8, max_size=8))
def test_annexb_is_split_at_long_and_short_start_codes(nals: list[bytes], long: list[bool]) -> None:
    stream = b"".join((b"\0\0\0\1" if wide else b"\0\0\1") + nal for nal, wide in zip(nals, long, strict=False))
    assert split_annexb(stream) == nals


@given(st.lists(nal_units, max_size=8), st.sampled_from([1, 2, 4]))
def test_length_prefixed(nals: list[bytes], length_bytes: int) -> None:
    stream = b"".join(len(nal).to_bytes(length_bytes, "big") + nal for nal in nals)
    assert split_lengths(stream, length_bytes) == nals


def test_a_length_that_lies_is_an_error() -> None:
    with pytest.raises(H264Error):
        split_lengths(b"\0\0\0\x09abc", 4)


@pytest.mark.parametrize("end", range(len(AVCC)))
def test_a_truncated_avcc_is_an_error(end: int) -> None:
    with pytest.raises(H264Error):
        parse_avcc(AVCC[:end])


@pytest.mark.parametrize("extradata", [AVCC, b"\0\0\0\1" + SPS + b"\0\0\1" + PPS])
def test_every_idr_leaves_with_its_parameter_sets_and_without_delimiters(extradata: bytes) -> None:
    units = AccessUnits(extradata)
    wrap = with_lengths if extradata is AVCC else lambda *nals: b"".join(b"\0\0\1" + nal for nal in nals)
    assert units.split(wrap(AUD, IDR)) == (SPS, PPS, IDR)
    assert units.split(wrap(AUD, SLICE)) == (SLICE,)
    assert units.split(wrap(SPS, PPS, IDR)) == (SPS, PPS, IDR), "those in the stream are not doubled"


def test_parameter_sets_of_the_stream_replace_those_of_the_container() -> None:
    units = AccessUnits(AVCC)
    newer = b"\x68new"
    units.split(with_lengths(SPS, newer, IDR))
    assert units.split(with_lengths(IDR)) == (SPS, newer, IDR)


@pytest.mark.parametrize(
    ("sps", "fits"),
    [
        (b"\x67\x42\xc0\x1f", True),  # constrained baseline
        (b"\x67\x42\x00\x1f", False),  # baseline that may use slice groups
        (b"\x67\x4d\x00\x28", True),  # main
        (b"\x67\x64\x00\x28", False),  # high
        (b"\x67", False),
    ],
)
def test_profiles_that_every_receiver_decodes(sps: bytes, fits: bool) -> None:
    assert is_baseline_or_main(sps) is fits
