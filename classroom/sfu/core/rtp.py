"""RTP packets (RFC 3550 §5.1) and their header extensions (RFC 8285): bytes in, values out."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

HEADER_BYTES = 12
_FIXED = struct.Struct("!BBHII")
_ONE_BYTE_PROFILE = 0xBEDE
_TWO_BYTE_PROFILE = 0x1000


class RtpError(ValueError):
    """The bytes are not an RTP packet."""


class RtpPacket:
    """One received RTP packet, parsed once and shared by everybody it is forwarded to.

    ``data[payload_start:payload_end]`` is the payload without padding. ``ext_seq`` is ``seq`` extended so that it
    never wraps (set by the UpTrack); ``received_at_s`` is monotonic; ``capture_ntp`` is the 64-bit NTP time of
    capture on the clock of the server, set on the first packet of a frame; ``captured_ntp`` is that time as its
    publisher wrote it, on its own clock, 0 where it wrote none; ``audio_level`` is how loud its sound is, 0 (loudest)
    to 127 -dBov, where the publisher says so (RFC 6464).
    """

    __slots__ = (
        "audio_level",
        "capture_ntp",
        "captured_ntp",
        "data",
        "ext_seq",
        "extension_start",
        "frame_start",
        "keyframe_start",
        "marker",
        "payload_end",
        "payload_start",
        "pt",
        "received_at_s",
        "redundant",
        "seq",
        "ssrc",
        "ts",
    )

    def __init__(
        self,
        data: bytes,
        pt: int,
        marker: bool,
        seq: int,
        ts: int,
        ssrc: int,
        extension_start: int,
        payload_start: int,
        payload_end: int,
    ) -> None:
        self.data = data
        self.pt = pt
        self.marker = marker
        self.seq = seq
        self.ts = ts
        self.ssrc = ssrc
        self.extension_start = extension_start  # of the extension block's profile field; 0 when there is none
        self.payload_start = payload_start
        self.payload_end = payload_end
        self.ext_seq = seq
        self.received_at_s = 0.0
        self.frame_start = False
        self.keyframe_start = False
        self.capture_ntp: int | None = None
        self.captured_ntp = 0
        self.audio_level: int | None = None
        self.redundant: dict[tuple[int, tuple[int, ...]], RtpPacket] | None = None  # see red.redundant

    @property
    def payload(self) -> bytes:
        """A copy of the payload."""
        return self.data[self.payload_start : self.payload_end]

    def __repr__(self) -> str:
        return (
            f"RtpPacket(ssrc={self.ssrc}, pt={self.pt}, seq={self.seq}, ts={self.ts}, marker={self.marker}, "
            f"payload={self.payload_end - self.payload_start} bytes)"
        )


def parse_rtp(data: bytes) -> RtpPacket:
    """Parse a packet; raises RtpError when a length does not fit or the version is not 2."""
    size = len(data)
    if size < HEADER_BYTES:
        raise RtpError("shorter than an RTP header")
    first, second, seq, ts, ssrc = _FIXED.unpack_from(data)
    if first >> 6 != 2:
        raise RtpError("not RTP version 2")
    start = HEADER_BYTES + 4 * (first & 0x0F)
    extension_start = 0
    if first & 0x10:
        if start + 4 > size:
            raise RtpError("header extension does not fit")
        extension_start = start
        start += 4 + 4 * int.from_bytes(data[start + 2 : start + 4], "big")
    end = size
    if first & 0x20:
        padding = data[-1]
        if padding == 0:
            raise RtpError("padding of no bytes")
        end -= padding
    if start > end:
        raise RtpError("header or padding longer than the packet")
    return RtpPacket(data, second & 0x7F, second >= 0x80, seq, ts, ssrc, extension_start, start, end)


def header_extensions(packet: RtpPacket) -> Iterator[tuple[int, bytes]]:
    """Yield (id, value) of each header extension element; a malformed rest is ignored (RFC 8285 §4.2, §4.3)."""
    start = packet.extension_start
    if not start:
        return
    data = packet.data
    profile = int.from_bytes(data[start : start + 2], "big")
    at = start + 4
    # By its own length: behind it an RTX packet has the number of the original (RFC 4588 §4).
    end = at + 4 * (data[start + 2] << 8 | data[start + 3])
    if profile == _ONE_BYTE_PROFILE:
        while at < end:
            head = data[at]
            at += 1
            if head == 0:
                continue  # padding
            ext_id, size = head >> 4, (head & 0x0F) + 1
            if ext_id in (0, 15) or at + size > end:
                return
            yield ext_id, data[at : at + size]
            at += size
    elif profile & 0xFFF0 == _TWO_BYTE_PROFILE:
        while at + 1 < end:
            ext_id = data[at]
            if ext_id == 0:
                at += 1
                continue
            size = data[at + 1]
            at += 2
            if at + size > end:
                return
            yield ext_id, data[at : at + size]
            at += size


def extension(packet: RtpPacket, ext_id: int) -> bytes | None:
    """The value of one header extension element; None when the packet has none."""
    return next((value for found, value in header_extensions(packet) if found == ext_id), None)


def build_extensions(elements: Iterable[tuple[int, bytes]]) -> bytes:
    """Build the extension block (profile, length, elements, zero padding) in the one-byte form.

    Ids are 1…14 and values 1…16 bytes; raises ValueError otherwise. No elements give no block: ``b""``.
    """
    body = bytearray()
    for ext_id, value in elements:
        if not 1 <= ext_id <= 14 or not 1 <= len(value) <= 16:
            raise ValueError("does not fit the one-byte form of RFC 8285")
        body.append(ext_id << 4 | len(value) - 1)
        body += value
    if not body:
        return b""
    body += bytes(-len(body) % 4)
    return struct.pack("!HH", _ONE_BYTE_PROFILE, len(body) // 4) + body


def build_rtp(
    *, pt: int, seq: int, ts: int, ssrc: int, payload: bytes, marker: bool = False, extensions: bytes = b""
) -> bytes:
    """Build a packet; ``extensions`` is what build_extensions returned."""
    first = 0x90 if extensions else 0x80
    return _FIXED.pack(first, pt | (0x80 if marker else 0), seq, ts, ssrc) + extensions + payload
