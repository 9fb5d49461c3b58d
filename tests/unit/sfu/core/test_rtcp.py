"""RTCP; aiortc's classes are the independent oracle in both directions."""

import struct

import pytest
from aiortc import rtp as oracle
from aiortc.rtp import RtcpPacket

from classroom.sfu.core import rtcp
from classroom.sfu.core.rtcp import ReportBlock, RtcpError, SenderReport, parse_rtcp

BLOCK = ReportBlock(0x11111111, 255, -1, 0xFFFF_FFFF, 7, 0x12345678, 65536)


def oracle_block() -> oracle.RtcpReceiverInfo:
    return oracle.RtcpReceiverInfo(
        ssrc=0x11111111,
        fraction_lost=255,
        packets_lost=-1,
        highest_sequence=0xFFFF_FFFF,
        jitter=7,
        lsr=0x12345678,
        dlsr=65536,
    )


ORACLE = [
    pytest.param(
        oracle.RtcpSrPacket(
            ssrc=5, reports=[oracle_block()],
            sender_info=oracle.RtcpSenderInfo(
                ntp_timestamp=2**63 + 1, rtp_timestamp=2**32 - 1, packet_count=3, octet_count=4
            ),
        ),
        SenderReport(5, 2**63 + 1, 2**32 - 1, 3, 4, [BLOCK]), id="sender report",
    ),
    pytest.param(
        oracle.RtcpRrPacket(ssrc=5, reports=[oracle_block()] * 31), rtcp.ReceiverReport(5, [BLOCK] * 31), id="31 blocks"
    ),
    pytest.param(oracle.RtcpRrPacket(ssrc=5, reports=[]), rtcp.ReceiverReport(5, []), id="empty receiver report"),
    pytest.param(
        oracle.RtcpSdesPacket(chunks=[oracle.RtcpSourceInfo(ssrc=1, items=[(2, b"a name"), (1, b"a@b")])]),
        rtcp.SourceDescription({1: "a@b"}), id="source description",
    ),
    pytest.param(oracle.RtcpByePacket(sources=[1, 2]), rtcp.Bye([1, 2]), id="bye"),
    pytest.param(oracle.RtcpByePacket(sources=[]), rtcp.Bye([]), id="bye of nobody"),
    pytest.param(
        oracle.RtcpRtpfbPacket(fmt=1, ssrc=1, media_ssrc=2, lost=[10, 11, 26, 27, 1000]),
        rtcp.Nack(1, 2, [10, 11, 26, 27, 1000]), id="nack",
    ),
    pytest.param(oracle.RtcpPsfbPacket(fmt=1, ssrc=1, media_ssrc=2), rtcp.PictureLoss(1, 2), id="picture loss"),
    pytest.param(
        oracle.RtcpPsfbPacket(fmt=4, ssrc=1, media_ssrc=0, fci=struct.pack("!IB3x", 2, 9)),
        rtcp.PictureLoss(1, 2), id="full intra request",
    ),
    pytest.param(
        oracle.RtcpPsfbPacket(fmt=15, ssrc=1, media_ssrc=0, fci=oracle.pack_remb_fci(4_160_258, [2529072847])),
        rtcp.Remb(1, 4_160_256, [2529072847]), id="remb (18 bits of mantissa)",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("theirs", "ours"), ORACLE)
def test_we_read_what_aiortc_builds(theirs, ours):
    assert parse_rtcp(bytes(theirs)) == [ours]


@pytest.mark.parametrize(("theirs", "ours"), ORACLE)
def test_compound_packets_are_read_one_after_the_other(theirs, ours):
    assert parse_rtcp(bytes(theirs) + rtcp.build_pli(8, 9)) == [ours, rtcp.PictureLoss(8, 9)]


def test_aiortc_reads_what_we_build():
    packets = RtcpPacket.parse(
        rtcp.build_sr(SenderReport(5, 2**63 + 1, 2**32 - 1, 2**32 + 3, 2**32 + 4, [BLOCK]))
        + rtcp.build_rr(6, [BLOCK])
        + rtcp.build_sdes(5, "cname")
        + rtcp.build_nack(1, 2, [65534, 65535, 0, 14, 15, 40])
        + rtcp.build_pli(1, 2)
        + rtcp.build_bye([1, 2])
    )
    sender, receiver, names, nack, pli, bye = packets
    info = sender.sender_info
    assert (sender.ssrc, info.ntp_timestamp, info.rtp_timestamp) == (5, 2**63 + 1, 2**32 - 1)
    assert (info.packet_count, info.octet_count) == (3, 4)  # counters wrap
    assert sender.reports == [oracle_block()] and receiver.reports == [oracle_block()]
    assert names.chunks[0].ssrc == 5 and names.chunks[0].items == [(1, b"cname")]
    assert (nack.fmt, nack.ssrc, nack.media_ssrc) == (1, 1, 2)
    assert [lost & 0xFFFF for lost in nack.lost] == [65534, 65535, 0, 14, 15, 40]  # aiortc counts on beyond the wrap
    assert (pli.fmt, pli.ssrc, pli.media_ssrc) == (1, 1, 2)
    assert bye.sources == [1, 2]


@pytest.mark.parametrize("length", [0, 1, 2, 3, 4, 255])
def test_cnames_of_every_alignment(length):
    name = "n" * length
    assert parse_rtcp(rtcp.build_sdes(1, name) + rtcp.build_pli(1, 2)) == [
        rtcp.SourceDescription({1: name}), rtcp.PictureLoss(1, 2),
    ]  # fmt: skip


def test_source_descriptions_of_several_sources():
    chunks = bytes.fromhex("00000001010361406200000000000002000000000000000301016300")
    data = struct.pack("!BBH", 0x83, rtcp.SDES, len(chunks) // 4) + chunks
    assert parse_rtcp(data) == [rtcp.SourceDescription({1: "a@b", 3: "c"})]


def test_a_cname_that_is_too_long_is_cut():
    assert parse_rtcp(rtcp.build_sdes(1, "n" * 300)) == [rtcp.SourceDescription({1: "n" * 255})]


def test_bytes_of_a_cname_that_are_no_text_do_no_harm():
    data = rtcp.build_sdes(1, "abcd").replace(b"abcd", b"a\xff\xfed")
    assert parse_rtcp(data) == [rtcp.SourceDescription({1: "a\ufffd\ufffdd"})]


@pytest.mark.parametrize(
    ("seqs", "pairs"),
    [
        pytest.param([5], 1, id="one"),
        pytest.param(list(range(100, 117)), 1, id="a full mask"),
        pytest.param(list(range(100, 118)), 2, id="one more than a mask"),
        pytest.param([65530, 65535, 0, 10], 1, id="mask over the wrap"),
        pytest.param([65535, 16], 2, id="first number beyond the mask"),
        pytest.param([0, 100, 200], 3, id="far apart"),
    ],
)
def test_nack_masks(seqs, pairs):
    data = rtcp.build_nack(1, 2, seqs)
    assert len(data) == 12 + 4 * pairs
    assert parse_rtcp(data) == [rtcp.Nack(1, 2, seqs)]


def test_full_intra_requests_of_several_sources():
    data = oracle.RtcpPsfbPacket(fmt=4, ssrc=1, media_ssrc=0, fci=struct.pack("!IB3xIB3x", 2, 9, 3, 1))
    assert parse_rtcp(bytes(data)) == [rtcp.PictureLoss(1, 2), rtcp.PictureLoss(1, 3)]


def test_extended_reports():
    data = rtcp.build_rrtr(1, 2**64 - 1) + rtcp.build_dlrr(2, 3, 4, 5)
    assert parse_rtcp(data) == [rtcp.ReferenceTime(1, 2**64 - 1), rtcp.DelaySinceLastRr(2, 3, 4, 5)]


def xr(blocks: str) -> bytes:
    body = bytes.fromhex("00000007" + blocks)
    return struct.pack("!BBH", 0x80, rtcp.XR, len(body) // 4) + body


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(xr("09000001aaaaaaaa04000002" + "00" * 7 + "01"), [rtcp.ReferenceTime(7, 1)],
                     id="an unknown block before"),
        pytest.param(xr("04000001aaaaaaaa" + "05000000"), [], id="a reference time that is too short"),
        pytest.param(xr("05000006" + "00000001" * 6),
                     [rtcp.DelaySinceLastRr(7, 1, 1, 1), rtcp.DelaySinceLastRr(7, 1, 1, 1)], id="two sub-blocks"),
        pytest.param(xr(""), [], id="no blocks"),
    ],
)  # fmt: skip
def test_blocks_of_extended_reports(data, expected):
    assert parse_rtcp(data) == expected


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(bytes.fromhex("80cc000000"[:8]), id="application packet"),
        pytest.param(bytes.fromhex("8bcd0002" + "0" * 16), id="RFC 8888 feedback (fmt 11)"),
        pytest.param(
            bytes.fromhex("8fce0003" + "0" * 16 + "00000001"), id="application layer feedback that is no REMB"
        ),
        pytest.param(bytes.fromhex("82ce0002" + "0" * 16), id="slice loss"),
    ],
)
def test_what_is_unknown_is_skipped(data):
    assert parse_rtcp(data + rtcp.build_pli(8, 9)) == [rtcp.PictureLoss(8, 9)]


def test_padding_of_the_last_packet():
    nack = bytearray(rtcp.build_nack(1, 2, [3]))
    nack[0] |= 0x20
    nack[3] += 1
    assert parse_rtcp(bytes(nack) + bytes([0, 0, 0, 4])) == [rtcp.Nack(1, 2, [3])]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param("", id="empty"),
        pytest.param("80c9", id="cut header"),
        pytest.param("80c900010000000180", id="cut header of the second"),
        pytest.param("40c9000100000001", id="version 1"),
        pytest.param("80c9000200000001", id="longer than the datagram"),
        pytest.param("80c8000100000001", id="sender report too short"),
        pytest.param("81c9000100000001", id="a block less than counted"),
        pytest.param("80c90000", id="receiver report without its sender"),
        pytest.param("82cb000100000001", id="bye with a source less than counted"),
        pytest.param("81cd000100000001", id="nack without media"),
        pytest.param("81ce000100000001", id="picture loss without media"),
        pytest.param("8fcd0002" + "0" * 16, id="transport-wide feedback without its head"),
        pytest.param("8fcd0005" + "0" * 16 + "0000ffff" + "0" * 8 + "7fff0000", id="transport-wide feedback that lies"),
        pytest.param("89cd000400000001" + "00000000" + "00000002" + "00010000", id="pause that is cut"),
        pytest.param("84ce0000", id="full intra request without sender"),
        pytest.param("8fce0003000000010000000252454d42", id="remb without numbers"),
        pytest.param("8fce0004000000010000000252454d4202000000", id="remb with a source less than counted"),
        pytest.param("81ca00010001", id="source description cut"),
        pytest.param("81ca0000", id="source description without a chunk"),
        pytest.param("81ca00020000000101ff6161", id="cname longer than its packet"),
        pytest.param("82ca00020000000101006161", id="second chunk missing"),
        pytest.param("81ca00020000000101016101", id="item without its length"),
        pytest.param("80cf0000", id="extended report without its sender"),
        pytest.param("80cf00020000000104000002", id="block longer than its packet"),
        pytest.param("a0c9000100000000", id="padding of no bytes"),
        pytest.param("a0c9000100000005", id="padding into the header"),
    ],
)  # fmt: skip
def test_what_is_no_rtcp(data):
    with pytest.raises(RtcpError):
        parse_rtcp(bytes.fromhex(data))


@pytest.mark.parametrize(
    ("second", "expected"),
    [(191, False), (192, True), (200, True), (207, True), (223, True), (224, False), (96, False), (96 | 0x80, False)],
)
def test_rtcp_is_told_from_rtp_by_the_second_byte(second, expected):
    assert rtcp.is_rtcp(bytes([0x80, second]) + bytes(6)) is expected
    assert rtcp.is_rtcp(memoryview(bytes([0x80, second]) + bytes(6))) is expected


def test_less_than_eight_bytes_are_never_rtcp():
    assert not rtcp.is_rtcp(bytes([0x80, 200]) + bytes(5))


def test_the_middle_of_an_ntp_time():
    assert rtcp.ntp_middle(0x0123_4567_89AB_CDEF) == 0x4567_89AB
