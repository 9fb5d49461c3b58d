"""Which m-section a packet belongs to, and what an RTX packet repeats; aiortc wraps the RTX packets."""

import pytest
from aiortc.rtp import RtpPacket as OraclePacket
from aiortc.rtp import wrap_rtx

from classroom.model import Label, TrackKind
from classroom.sfu.core.peers import IncomingMedia
from classroom.sfu.core.routing import route, unwrap_rtx
from classroom.sfu.core.rtp import build_extensions, build_rtp, parse_rtp

MID_EXT = 4


def section(mid: str, **options) -> IncomingMedia:
    options = {"pt": 96, "rtx_pt": 97, "mid_ext": MID_EXT} | options
    return IncomingMedia(mid, TrackKind.VIDEO, Label.CAMERA, clock_rate_hz=90_000, **options)


def packet(ssrc: int, pt: int = 96, mid: str | None = None, payload: bytes = b"\x41p"):
    extensions = b"" if mid is None else build_extensions([(MID_EXT, mid.encode())])
    return parse_rtp(build_rtp(pt=pt, seq=1, ts=2, ssrc=ssrc, payload=payload, extensions=extensions))


def sections():
    return [
        section("a", ssrc=10, rtx_ssrc=11),
        section("b", ssrc=20, rtx_ssrc=21),
        section("sound", pt=111, rtx_pt=None),
    ]


@pytest.mark.parametrize(
    ("arrived", "expected"),
    [
        pytest.param(packet(10), "a", id="by SSRC"),
        pytest.param(packet(20), "b", id="by SSRC, another section"),
        pytest.param(packet(11, pt=97), "a", id="by SSRC of the RTX stream"),
        pytest.param(packet(10, mid="b"), "a", id="SSRC counts more than MID"),
        pytest.param(packet(10, pt=97), None, id="media SSRC with the payload type of RTX"),
        pytest.param(packet(11, pt=96), None, id="RTX SSRC with the payload type of media"),
        pytest.param(packet(30, mid="b"), "b", id="by MID"),
        pytest.param(packet(30, pt=97, mid="b"), "b", id="RTX by MID"),
        pytest.param(packet(30, pt=100, mid="b"), None, id="by MID, with a payload type that was not negotiated"),
        pytest.param(packet(30, mid="c"), None, id="unknown MID, payload type of two sections"),
        pytest.param(packet(30, pt=111, mid="c"), "sound", id="unknown MID, payload type of one section"),
        pytest.param(packet(30, pt=111), "sound", id="by payload type"),
        pytest.param(packet(30), None, id="payload type of two sections"),
        pytest.param(packet(30, pt=50), None, id="unknown"),
    ],
)
def test_route(arrived, expected):
    found = route(sections(), arrived)
    assert (None if found is None else found.mid) == expected


def test_no_sections():
    assert route([], packet(1)) is None


def test_a_new_ssrc_is_remembered():
    made = sections()
    assert route(made, packet(30, mid="b")).mid == "b"
    assert made[1].ssrc == 30
    assert route(made, packet(31, pt=97, mid="b")).mid == "b"
    assert made[1].rtx_ssrc == 31
    assert route(made, packet(30)).mid == "b" and route(made, packet(31, pt=97)).mid == "b"


def test_a_section_that_has_its_stream_takes_no_second_one():
    made = sections()
    made[1].track = object()
    assert route(made, packet(30, mid="b")) is None
    assert made[1].ssrc == 20


def test_a_mid_is_only_read_where_it_was_negotiated():
    made = [section("a", mid_ext=0), section("b", mid_ext=0)]
    assert route(made, packet(30, mid="b")) is None


@pytest.mark.parametrize("marker", [0, 1])
def test_an_rtx_packet_repeats_its_original(marker):
    original = OraclePacket(
        payload_type=96, sequence_number=65535, timestamp=2**32 - 1, ssrc=10, marker=marker, payload=b"\x41original"
    )
    repeated = wrap_rtx(original, payload_type=97, sequence_number=5, ssrc=11)
    found = unwrap_rtx(parse_rtp(repeated.serialize()), section("a", ssrc=10, rtx_ssrc=11))
    assert (found.pt, found.seq, found.ts, found.ssrc, found.marker) == (96, 65535, 2**32 - 1, 10, bool(marker))
    assert found.payload == b"\x41original"


@pytest.mark.parametrize("payload", [b"", b"\0", b"\0\1"], ids=["empty", "cut number", "number of nothing"])
def test_an_rtx_packet_that_repeats_nothing(payload):
    assert unwrap_rtx(packet(11, pt=97, payload=payload), section("a", ssrc=10)) is None


def test_an_rtx_packet_before_its_stream_has_begun():
    assert unwrap_rtx(packet(11, pt=97), section("a", ssrc=None)) is None
