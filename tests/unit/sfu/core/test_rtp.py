"""RTP packets and header extensions; aiortc's parser and serialiser are the independent oracle."""

import pytest
from aiortc.rtcrtpparameters import RTCRtpHeaderExtensionParameters, RTCRtpParameters
from aiortc.rtp import HeaderExtensionsMap, RtpPacket

from classroom.sfu.core.rtp import RtpError, build_extensions, build_rtp, header_extensions, parse_rtp

FIXED = bytes.fromhex("80e0abcd0102030411223344")


def extended(profile: int, body: bytes, payload: bytes = b"xyz") -> bytes:
    assert len(body) % 4 == 0
    head = bytes([0x90]) + FIXED[1:]
    return head + profile.to_bytes(2, "big") + (len(body) // 4).to_bytes(2, "big") + body + payload


def test_the_fields_of_a_plain_packet():
    packet = parse_rtp(FIXED + b"hello")
    assert (packet.pt, packet.marker, packet.seq, packet.ts, packet.ssrc) == (
        0x60,
        True,
        0xABCD,
        0x01020304,
        0x11223344,
    )
    assert packet.payload == b"hello" and packet.extension_start == 0
    assert list(header_extensions(packet)) == []
    assert "seq=43981" in repr(packet) and "payload=5 bytes" in repr(packet)


@pytest.mark.parametrize(
    ("data", "payload"),
    [
        pytest.param(FIXED, b"", id="no payload"),
        pytest.param(bytes([0x82]) + FIXED[1:] + bytes(8) + b"p", b"p", id="two contributing sources"),
        pytest.param(bytes([0x8F]) + FIXED[1:] + bytes(60) + b"p", b"p", id="fifteen contributing sources"),
        pytest.param(bytes([0xA0]) + FIXED[1:] + b"p\0\0\x03", b"p", id="padding"),
        pytest.param(bytes([0xA0]) + FIXED[1:] + b"p\x01", b"p", id="padding of one byte"),
        pytest.param(bytes([0xA0]) + FIXED[1:] + bytes(254) + b"\xff", b"", id="nothing but padding"),
        pytest.param(extended(0xBEDE, b""), b"xyz", id="empty extension block"),
        pytest.param(extended(0x1234, bytes(8)), b"xyz", id="extension of an unknown profile"),
        pytest.param(
            bytes([0xB1]) + FIXED[1:] + b"CSRC" + bytes.fromhex("bede000110ff0000") + b"p\x01",
            b"p", id="everything at once",
        ),
    ],
)  # fmt: skip
def test_payload(data, payload):
    assert parse_rtp(data).payload == payload


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(b"", "shorter", id="empty"),
        pytest.param(FIXED[:11], "shorter", id="one byte short of a header"),
        pytest.param(bytes([0x40]) + FIXED[1:], "version", id="version 1"),
        pytest.param(bytes([0xC0]) + FIXED[1:], "version", id="version 3"),
        pytest.param(bytes([0x81]) + FIXED[1:] + bytes(3), "longer than the packet", id="contributing source cut"),
        pytest.param(bytes([0x90]) + FIXED[1:] + bytes(3), "extension", id="extension header cut"),
        pytest.param(extended(0xBEDE, bytes(8), b"")[:-1], "longer than the packet", id="extension body cut"),
        pytest.param(bytes([0xA0]) + FIXED[1:] + b"\0", "padding of no", id="padding of no bytes"),
        pytest.param(bytes([0xA0]) + FIXED[1:] + b"\x02", "longer than", id="padding into the header"),
    ],
)
def test_what_is_no_rtp_packet(data, message):
    with pytest.raises(RtpError, match=message):
        parse_rtp(data)


@pytest.mark.parametrize(
    ("profile", "body", "elements"),
    [
        pytest.param(0xBEDE, "10aa0000", [(1, "aa")], id="one byte form"),
        pytest.param(0xBEDE, "12aabbcc", [(1, "aabbcc")], id="three bytes"),
        pytest.param(0xBEDE, "10aa20bb", [(1, "aa"), (2, "bb")], id="two elements"),
        pytest.param(0xBEDE, "000010aa00002fbb" + "cc" * 15 + "00", [(1, "aa"), (2, "bb" + "cc" * 15)],
                     id="padding between, longest value"),
        pytest.param(0xBEDE, "10aaf0bb20cc0000", [(1, "aa")], id="id 15 ends it (RFC 8285 4.2)"),
        pytest.param(0xBEDE, "10aa01bb30cc0000", [(1, "aa")], id="id 0 with a length ends it (RFC 8285 4.2)"),
        pytest.param(0xBEDE, "10aa23bb", [(1, "aa")], id="value beyond the block"),
        pytest.param(0xBEDE, "000000e0", [], id="head at the end without a value"),
        pytest.param(0x1000, "0102aabb", [(1, "aabb")], id="two byte form"),
        pytest.param(0x100F, "01000000", [(1, "")], id="two byte form with appbits, empty value"),
        pytest.param(0x1000, "0000ff01aa000000", [(255, "aa")], id="two byte form, padding, id 255"),
        pytest.param(0x1000, "0101aa02", [(1, "aa")], id="two byte form, id without length at the end"),
        pytest.param(0x1000, "0101aa0205bb0000", [(1, "aa")], id="two byte form, value beyond the block"),
        pytest.param(0x1010, "0101aa00", [], id="unknown profile"),
    ],
)  # fmt: skip
def test_header_extensions(profile, body, elements):
    packet = parse_rtp(extended(profile, bytes.fromhex(body)))
    assert [(ext_id, value.hex()) for ext_id, value in header_extensions(packet)] == elements


@pytest.mark.parametrize(
    "elements",
    [
        pytest.param([(1, b"a")], id="one"),
        pytest.param([(14, bytes(16))], id="largest"),
        pytest.param([(1, b"abc"), (2, b"d"), (3, bytes(8))], id="three"),
    ],
)
def test_built_extensions_are_read_back(elements):
    block = build_extensions(elements)
    assert len(block) % 4 == 0
    packet = parse_rtp(build_rtp(pt=96, seq=1, ts=2, ssrc=3, payload=b"p", extensions=block))
    assert list(header_extensions(packet)) == elements and packet.payload == b"p"


def test_no_elements_make_no_block():
    assert build_extensions([]) == b""


@pytest.mark.parametrize("element", [(0, b"a"), (15, b"a"), (1, b""), (1, bytes(17))], ids=str)
def test_what_the_one_byte_form_cannot_hold(element):
    with pytest.raises(ValueError, match="one-byte"):
        build_extensions([element])


def test_aiortc_reads_what_we_build():
    block = build_extensions([(3, b"video0")])
    data = build_rtp(pt=111, seq=65535, ts=2**32 - 1, ssrc=2**32 - 1, payload=b"opus", marker=True, extensions=block)
    names = HeaderExtensionsMap()
    names.configure(
        RTCRtpParameters(
            headerExtensions=[RTCRtpHeaderExtensionParameters(id=3, uri="urn:ietf:params:rtp-hdrext:sdes:mid")]
        )
    )
    packet = RtpPacket.parse(data, names)
    assert (packet.payload_type, packet.sequence_number, packet.timestamp, packet.ssrc, packet.marker) == (
        111, 65535, 2**32 - 1, 2**32 - 1, 1,
    )  # fmt: skip
    assert packet.payload == b"opus" and packet.extensions.mid == "video0"


def test_we_read_what_aiortc_builds():
    packet = RtpPacket(payload_type=96, marker=1, sequence_number=7, timestamp=8, ssrc=9, payload=b"payload")
    packet.csrc, packet.padding_size = [1, 2], 5
    ours = parse_rtp(packet.serialize())
    assert (ours.pt, ours.marker, ours.seq, ours.ts, ours.ssrc, ours.payload) == (96, True, 7, 8, 9, b"payload")
