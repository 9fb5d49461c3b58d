"""Where keyframes begin in H.264 payloads; the packetizer of classroom.media makes the packets."""

import pytest

from classroom.media.packetize import packetize_h264
from classroom.sfu.core.payload import NAL_IDR, NAL_SPS, begins_keyframe

AUD, SEI, SPS, PPS = b"\x09\x10", b"\x06\x05", b"\x67\x42\xe0\x1f", b"\x68\xce"
IDR, SLICE = b"\x65" + bytes(40), b"\x41" + bytes(40)


def stap(*nals: bytes) -> bytes:
    return b"\x78" + b"".join(len(nal).to_bytes(2, "big") + nal for nal in nals)


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        pytest.param(b"", 0, id="empty"),
        pytest.param(SPS, NAL_SPS, id="SPS"),
        pytest.param(IDR, NAL_IDR, id="IDR"),
        pytest.param(b"\x25" + bytes(3), NAL_IDR, id="IDR of low importance"),
        pytest.param(SLICE, 0, id="slice"),
        pytest.param(PPS, 0, id="PPS"),
        pytest.param(AUD, 0, id="delimiter"),
        pytest.param(stap(SPS, PPS), NAL_SPS, id="aggregate of SPS and PPS"),
        pytest.param(stap(AUD, SEI, SPS, PPS, IDR), NAL_SPS, id="SPS in the midst of an aggregate"),
        pytest.param(stap(IDR, SPS), NAL_SPS, id="SPS counts more than IDR"),
        pytest.param(stap(SEI, IDR), NAL_IDR, id="IDR in an aggregate"),
        pytest.param(stap(AUD, SLICE), 0, id="aggregate of a slice"),
        pytest.param(b"\x78", 0, id="empty aggregate"),
        pytest.param(b"\x78\x00\x04", 0, id="aggregate that ends after a length"),
        pytest.param(b"\x78\x00\x00\x00\x04" + SPS, NAL_SPS, id="a NAL unit of no bytes is passed over"),
        pytest.param(b"\x78\xff\xff\x41", 0, id="length beyond the packet"),
        pytest.param(b"\x7c\x85" + bytes(9), NAL_IDR, id="first fragment of an IDR"),
        pytest.param(b"\x7c\x87" + bytes(9), NAL_SPS, id="first fragment of an SPS"),
        pytest.param(b"\x7c\x05" + bytes(9), 0, id="a further fragment of an IDR"),
        pytest.param(b"\x7c\x45" + bytes(9), 0, id="last fragment of an IDR"),
        pytest.param(b"\x7c\x81" + bytes(9), 0, id="first fragment of a slice"),
        pytest.param(b"\x7c", 0, id="fragment without its head"),
        pytest.param(b"\x7d\x85\x00\x00", 0, id="FU-B is not in packetization-mode 1"),
    ],
)
def test_begins_keyframe(payload, expected):
    assert begins_keyframe(payload, 0, len(payload)) == expected
    padded = b"\x67\x67" + payload + b"\x67\x67"  # what is around the payload does not count
    assert begins_keyframe(padded, 2, 2 + len(payload)) == expected


def test_of_the_packets_of_a_keyframe_the_first_has_its_sps():
    payloads = packetize_h264([SPS, PPS, b"\x65" + bytes(5000)])
    assert [begins_keyframe(p, 0, len(p)) for p in payloads] == [NAL_SPS, NAL_IDR] + [0] * (len(payloads) - 2)


def test_no_packet_of_an_ordinary_picture_begins_a_keyframe():
    assert not any(begins_keyframe(p, 0, len(p)) for p in packetize_h264([AUD, SEI, b"\x41" + bytes(5000)]))
