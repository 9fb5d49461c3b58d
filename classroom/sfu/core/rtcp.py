"""RTCP (RFC 3550 §6, RFC 4585, RFC 5104, RFC 3611 §4.4–4.5): compound packets to values and back.

Transport-wide feedback and PAUSE have modules of their own.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from classroom.sfu.core.pause import FMT_PAUSE, PauseResume, parse_pause
from classroom.sfu.core.twcc import (
    FMT_TRANSPORT_FEEDBACK,
    FeedbackError,
    TransportFeedback,
    parse_transport_feedback,
)

SR, RR, SDES, BYE, RTPFB, PSFB, XR = 200, 201, 202, 203, 205, 206, 207
FMT_NACK, FMT_PLI, FMT_FIR, FMT_AFB = 1, 1, 4, 15
XR_RRTR, XR_DLRR = 4, 5
_CNAME = 1


class RtcpError(ValueError):
    """The bytes are not a compound RTCP packet."""


@dataclass(slots=True)
class ReportBlock:
    """What a receiver says of one source (RFC 3550 §6.4.1). ``dlsr`` and ``lsr`` in 1/65536 s."""

    ssrc: int
    fraction_lost: int  # 0…255 of 256
    cumulative_lost: int  # signed 24 bit
    highest_ext_seq: int
    jitter: int  # RTP ticks
    lsr: int
    dlsr: int


@dataclass(slots=True)
class SenderReport:
    """Ties an RTP timestamp to the 64-bit NTP time of the sender's clock."""

    ssrc: int
    ntp: int
    rtp_ts: int
    packets: int
    octets: int
    blocks: list[ReportBlock] = field(default_factory=list)


@dataclass(slots=True)
class ReceiverReport:
    """Report blocks of a participant that sends no media."""

    ssrc: int
    blocks: list[ReportBlock] = field(default_factory=list)


@dataclass(slots=True)
class SourceDescription:
    """CNAME of each source."""

    cnames: dict[int, str]


@dataclass(slots=True)
class Bye:
    """Sources that stop."""

    ssrcs: list[int]


@dataclass(slots=True)
class Nack:
    """Generic NACK (RFC 4585 §6.2.1): sequence numbers of ``media_ssrc`` that are missing."""

    sender_ssrc: int
    media_ssrc: int
    seqs: list[int]


@dataclass(slots=True)
class PictureLoss:
    """PLI (RFC 4585 §6.3.1) or FIR (RFC 5104 §4.3.1) for ``media_ssrc``: a keyframe is wanted."""

    sender_ssrc: int
    media_ssrc: int


@dataclass(slots=True)
class Remb:
    """Receiver estimated maximum bitrate (draft-alvestrand-rmcat-remb-03)."""

    sender_ssrc: int
    bitrate_bps: int
    ssrcs: list[int]


@dataclass(slots=True)
class ReferenceTime:
    """XR receiver reference time (RFC 3611 §4.4): asks for a DLRR block."""

    ssrc: int
    ntp: int


@dataclass(slots=True)
class DelaySinceLastRr:
    """XR DLRR sub-block (RFC 3611 §4.5): answers a ReferenceTime of ``ssrc``."""

    sender_ssrc: int
    ssrc: int
    lrr: int
    dlrr: int


Rtcp = (
    SenderReport
    | ReceiverReport
    | SourceDescription
    | Bye
    | Nack
    | PictureLoss
    | Remb
    | ReferenceTime
    | DelaySinceLastRr
    | TransportFeedback
    | PauseResume
)


def is_rtcp(data: bytes | memoryview) -> bool:
    """Tell RTCP from RTP on one port (RFC 5761 §4)."""
    return len(data) >= 8 and 192 <= data[1] <= 223


def ntp_middle(ntp: int) -> int:
    """The middle 32 bits of an NTP time, as reports echo it."""
    return (ntp >> 16) & 0xFFFF_FFFF


def parse_rtcp(data: bytes) -> list[Rtcp]:
    """Parse a compound or reduced-size packet; unknown types are skipped. Raises RtcpError when a length lies."""
    packets: list[Rtcp] = []
    at, size = 0, len(data)
    if size < 4:
        raise RtcpError("shorter than an RTCP header")
    while at < size:
        if at + 4 > size:
            raise RtcpError("truncated header")
        first, kind, length = struct.unpack_from("!BBH", data, at)
        if first >> 6 != 2:
            raise RtcpError("not RTCP version 2")
        end = at + 4 + 4 * length
        if end > size:
            raise RtcpError("packet longer than the datagram")
        body_end = end
        if first & 0x20:
            padding = data[end - 1]
            if padding == 0 or padding > end - at - 4:
                raise RtcpError("bad padding")
            body_end -= padding
        try:
            _parse_one(kind, first & 0x1F, data[at + 4 : body_end], packets)
        except struct.error:
            raise RtcpError(f"packet type {kind} is too short") from None
        except FeedbackError as error:
            raise RtcpError(str(error)) from None
        at = end
    return packets


def _parse_one(kind: int, count: int, body: bytes, packets: list[Rtcp]) -> None:
    if kind == SR:
        ssrc, ntp, rtp_ts, sent, octets = struct.unpack_from("!IQIII", body)
        packets.append(SenderReport(ssrc, ntp, rtp_ts, sent, octets, _parse_blocks(body, 24, count)))
    elif kind == RR:
        (ssrc,) = struct.unpack_from("!I", body)
        packets.append(ReceiverReport(ssrc, _parse_blocks(body, 4, count)))
    elif kind == SDES:
        packets.append(SourceDescription(_parse_cnames(body, count)))
    elif kind == BYE:
        packets.append(Bye(list(struct.unpack_from(f"!{count}I", body))))
    elif kind == RTPFB and count == FMT_NACK:
        sender, media = struct.unpack_from("!II", body)
        packets.append(Nack(sender, media, _parse_nacks(body)))
    elif kind == RTPFB and count == FMT_TRANSPORT_FEEDBACK:
        packets.append(parse_transport_feedback(body))
    elif kind == RTPFB and count == FMT_PAUSE:
        packets += parse_pause(body)
    elif kind == PSFB and count == FMT_PLI:
        sender, media = struct.unpack_from("!II", body)
        packets.append(PictureLoss(sender, media))
    elif kind == PSFB and count == FMT_FIR:
        (sender,) = struct.unpack_from("!I", body)
        for at in range(8, len(body) - 7, 8):
            (media,) = struct.unpack_from("!I", body, at)
            packets.append(PictureLoss(sender, media))
    elif kind == PSFB and count == FMT_AFB and body[8:12] == b"REMB":
        (sender,) = struct.unpack_from("!I", body)
        ssrc_count, exponent, mantissa = struct.unpack_from("!BBH", body, 12)
        mantissa |= (exponent & 3) << 16
        ssrcs = list(struct.unpack_from(f"!{ssrc_count}I", body, 16))
        packets.append(Remb(sender, mantissa << (exponent >> 2), ssrcs))
    elif kind == XR:
        _parse_xr(body, packets)


def _parse_blocks(body: bytes, at: int, count: int) -> list[ReportBlock]:
    blocks = []
    for index in range(count):
        ssrc, lost, highest, jitter, lsr, dlsr = struct.unpack_from("!IIIIII", body, at + 24 * index)
        cumulative = lost & 0xFF_FFFF
        if cumulative & 0x80_0000:
            cumulative -= 0x100_0000
        blocks.append(ReportBlock(ssrc, lost >> 24, cumulative, highest, jitter, lsr, dlsr))
    return blocks


def _parse_cnames(body: bytes, count: int) -> dict[int, str]:
    cnames: dict[int, str] = {}
    at = 0
    for _ in range(count):
        (ssrc,) = struct.unpack_from("!I", body, at)
        at += 4
        while at < len(body) and body[at] != 0:
            kind = body[at]
            (size,) = struct.unpack_from("!B", body, at + 1)
            if at + 2 + size > len(body):
                raise RtcpError("SDES item longer than its packet")
            if kind == _CNAME:
                cnames[ssrc] = body[at + 2 : at + 2 + size].decode("utf-8", "replace")
            at += 2 + size
        at += 4 - at % 4
    return cnames


def _parse_nacks(body: bytes) -> list[int]:
    seqs = []
    for at in range(8, len(body) - 3, 4):
        pid, blp = struct.unpack_from("!HH", body, at)
        seqs.append(pid)
        seqs.extend((pid + bit + 1) & 0xFFFF for bit in range(16) if blp >> bit & 1)
    return seqs


def _parse_xr(body: bytes, packets: list[Rtcp]) -> None:
    (sender,) = struct.unpack_from("!I", body)
    at = 4
    while at + 4 <= len(body):
        kind, _, length = struct.unpack_from("!BBH", body, at)
        at += 4
        end = at + 4 * length
        if end > len(body):
            raise RtcpError("XR block longer than its packet")
        if kind == XR_RRTR and length >= 2:
            (ntp,) = struct.unpack_from("!Q", body, at)
            packets.append(ReferenceTime(sender, ntp))
        elif kind == XR_DLRR:
            for sub in range(at, end - 11, 12):
                ssrc, lrr, dlrr = struct.unpack_from("!III", body, sub)
                packets.append(DelaySinceLastRr(sender, ssrc, lrr, dlrr))
        at = end


def _packet(count: int, kind: int, body: bytes) -> bytes:
    return struct.pack("!BBH", 0x80 | count, kind, len(body) // 4) + body


def _build_blocks(blocks: list[ReportBlock]) -> bytes:
    return b"".join(
        struct.pack(
            "!IIIIII",
            block.ssrc,
            block.fraction_lost << 24 | block.cumulative_lost & 0xFF_FFFF,
            block.highest_ext_seq & 0xFFFF_FFFF,
            min(block.jitter, 0xFFFF_FFFF),
            block.lsr,
            block.dlsr,
        )
        for block in blocks
    )


def build_sr(report: SenderReport) -> bytes:
    """Build a sender report; at most 31 report blocks."""
    head = struct.pack(
        "!IQIII",
        report.ssrc,
        report.ntp,
        report.rtp_ts,
        report.packets & 0xFFFF_FFFF,
        report.octets & 0xFFFF_FFFF,
    )
    return _packet(len(report.blocks), SR, head + _build_blocks(report.blocks))


def build_rr(ssrc: int, blocks: list[ReportBlock]) -> bytes:
    """Build a receiver report; at most 31 report blocks."""
    return _packet(len(blocks), RR, struct.pack("!I", ssrc) + _build_blocks(blocks))


def build_sdes(ssrc: int, cname: str) -> bytes:
    """Build a source description with one CNAME (at most 255 bytes of UTF-8)."""
    name = cname.encode()[:255]
    chunk = struct.pack("!IBB", ssrc, _CNAME, len(name)) + name
    return _packet(1, SDES, chunk + bytes(4 - len(chunk) % 4))


def build_bye(ssrcs: list[int]) -> bytes:
    """Build a BYE for at most 31 sources."""
    return _packet(len(ssrcs), BYE, struct.pack(f"!{len(ssrcs)}I", *ssrcs))


def build_nack(sender_ssrc: int, media_ssrc: int, seqs: list[int]) -> bytes:
    """Build a generic NACK; ``seqs`` in ascending order of the stream (they may wrap)."""
    pairs = bytearray()
    at = 0
    while at < len(seqs):
        pid, blp = seqs[at], 0
        at += 1
        while at < len(seqs) and 1 <= (seqs[at] - pid) & 0xFFFF <= 16:
            blp |= 1 << (((seqs[at] - pid) & 0xFFFF) - 1)
            at += 1
        pairs += struct.pack("!HH", pid, blp)
    return _packet(FMT_NACK, RTPFB, struct.pack("!II", sender_ssrc, media_ssrc) + bytes(pairs))


def build_pli(sender_ssrc: int, media_ssrc: int) -> bytes:
    """Build a picture loss indication."""
    return _packet(FMT_PLI, PSFB, struct.pack("!II", sender_ssrc, media_ssrc))


def build_rrtr(ssrc: int, ntp: int) -> bytes:
    """Build an XR packet with a receiver reference time."""
    return _packet(0, XR, struct.pack("!IBBHQ", ssrc, XR_RRTR, 0, 2, ntp))


def build_dlrr(sender_ssrc: int, ssrc: int, lrr: int, dlrr: int) -> bytes:
    """Build an XR packet that answers a receiver reference time."""
    return _packet(0, XR, struct.pack("!IBBHIII", sender_ssrc, XR_DLRR, 0, 3, ssrc, lrr, dlrr))
