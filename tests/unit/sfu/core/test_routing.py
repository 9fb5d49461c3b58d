"""Which m-section a packet belongs to, and what an RTX packet repeats; aiortc wraps the RTX packets."""

from types import SimpleNamespace

import pytest
from aiortc.rtp import RtpPacket as OraclePacket
from aiortc.rtp import wrap_rtx

from classroom.model import Label, TrackKind
from classroom.sfu.core.peers import IncomingMedia
from classroom.sfu.core.routing import SSRC_SILENT_S, Route, Routes, unwrap_rtx
from classroom.sfu.core.rtp import build_extensions, build_rtp, header_extensions, parse_rtp

MID_EXT = 4


def section(mid: str, **options) -> IncomingMedia:
    options = {"pt": 96, "rtx_pt": 97, "mid_ext": MID_EXT} | options
    return IncomingMedia(mid, TrackKind.VIDEO, Label.CAMERA, clock_rate_hz=90_000, **options)


def repair(media: IncomingMedia) -> Route:
    return Route(media, media.encodings[0], repair=True)


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
    found = Routes(sections()).find(arrived, 0.0)
    assert (None if found is None else found.media.mid) == expected


def test_no_sections():
    assert Routes([]).find(packet(1), 0.0) is None


def test_a_new_ssrc_is_remembered():
    made = sections()
    routes = Routes(made)
    (encoding,) = made[1].encodings
    assert routes.find(packet(30, mid="b"), 0.0) == Route(made[1], encoding, False)
    assert encoding.ssrc == 30
    assert routes.find(packet(31, pt=97, mid="b"), 0.0) == Route(made[1], encoding, True)
    assert encoding.rtx_ssrc == 31
    assert routes.find(packet(30), 0.0).media.mid == "b" and routes.find(packet(31, pt=97), 0.0).repair
    assert routes.find(packet(20), 0.0) is None, "the former one is forgotten"


def test_a_section_that_has_its_stream_takes_no_second_one():
    made = sections()
    (encoding,) = made[1].encodings
    encoding.track = SimpleNamespace(last_received_at_s=5.0)
    routes = Routes(made)
    assert routes.find(packet(30, mid="b"), 5.0 + SSRC_SILENT_S - 0.01) is None
    assert encoding.ssrc == 20


def test_unless_that_has_fallen_silent_the_ssrc_was_changed():
    made = sections()
    (encoding,) = made[1].encodings
    encoding.track = SimpleNamespace(last_received_at_s=5.0)
    routes = Routes(made)
    assert routes.find(packet(30, mid="b"), 5.0 + SSRC_SILENT_S) == Route(made[1], encoding, False)
    assert encoding.ssrc == 30


def test_a_mid_is_only_read_where_it_was_negotiated():
    made = [section("a", mid_ext=0), section("b", mid_ext=0)]
    assert Routes(made).find(packet(30, mid="b"), 0.0) is None


RID_EXT, RRID_EXT = 5, 6


def layered(mid: str = "a", **options) -> IncomingMedia:
    return section(mid, rids=("h", "m"), rid_ext=RID_EXT, rrid_ext=RRID_EXT, **options)


def named(ssrc: int, ext_id: int, rid: bytes, pt: int = 96, mid: str = "a"):
    extensions = build_extensions([(MID_EXT, mid.encode()), (ext_id, rid)])
    return parse_rtp(build_rtp(pt=pt, seq=1, ts=2, ssrc=ssrc, payload=b"\x41p", extensions=extensions))


def test_layers_are_told_apart_by_rid():
    routes = Routes([layered(), section("b")])
    assert routes.find(named(30, RID_EXT, b"m"), 0.0).encoding.rid == "m"
    assert routes.find(named(31, RID_EXT, b"h"), 0.0).encoding.rid == "h"
    assert routes.find(named(32, RRID_EXT, b"h", pt=97), 0.0) == (
        routes.find(packet(31), 0.0).media,
        routes.find(packet(31), 0.0).encoding,
        True,
    )
    assert routes.find(packet(30), 0.0).encoding.rid == "m", "later packets need not say it"
    assert routes.find(packet(32, pt=97), 0.0).encoding.rid == "h"


@pytest.mark.parametrize(
    "arrived",
    [
        pytest.param(named(30, RID_EXT, b"x"), id="a RID that was not negotiated"),
        pytest.param(named(30, RRID_EXT, b"m"), id="a repaired RID on media"),
        pytest.param(named(30, RID_EXT, b"m", pt=97), id="a RID on RTX"),
        pytest.param(named(30, RID_EXT, b"\xff"), id="not ASCII"),
        pytest.param(packet(30, mid="a"), id="no RID"),
    ],
)
def test_no_layer_without_its_name(arrived):
    assert Routes([layered()]).find(arrived, 0.0) is None


@pytest.mark.parametrize("marker", [0, 1])
def test_an_rtx_packet_repeats_its_original(marker):
    original = OraclePacket(
        payload_type=96, sequence_number=65535, timestamp=2**32 - 1, ssrc=10, marker=marker, payload=b"\x41original"
    )
    repeated = wrap_rtx(original, payload_type=97, sequence_number=5, ssrc=11)
    found = unwrap_rtx(parse_rtp(repeated.serialize()), repair(section("a", ssrc=10, rtx_ssrc=11)))
    assert (found.pt, found.seq, found.ts, found.ssrc, found.marker) == (96, 65535, 2**32 - 1, 10, bool(marker))
    assert found.payload == b"\x41original"


def test_the_extensions_of_an_rtx_packet_are_those_of_its_original():
    captured = bytes(range(1, 9))
    block = build_extensions([(4, captured)])
    # The number of the original, 0x4701, would pass for an element of id 4.
    data = build_rtp(pt=97, seq=5, ts=9, ssrc=11, payload=b"\x47\x01" + b"\x41" + bytes(9), extensions=block)
    found = unwrap_rtx(parse_rtp(data), repair(section("a", ssrc=10, rtx_ssrc=11)))
    assert (found.seq, found.payload) == (0x4701, b"\x41" + bytes(9))
    assert list(header_extensions(found)) == [(4, captured)]


@pytest.mark.parametrize("payload", [b"", b"\0", b"\0\1"], ids=["empty", "cut number", "number of nothing"])
def test_an_rtx_packet_that_repeats_nothing(payload):
    assert unwrap_rtx(packet(11, pt=97, payload=payload), repair(section("a", ssrc=10))) is None


def test_an_rtx_packet_before_its_stream_has_begun():
    assert unwrap_rtx(packet(11, pt=97), repair(section("a", ssrc=None))) is None
