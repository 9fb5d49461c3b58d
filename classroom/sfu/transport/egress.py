"""Sends datagrams of one peer in as few system calls as the kernel allows (UDP_SEGMENT, "GSO").

GSO wants segments of one size in one piece of memory, the last one may be shorter. Frames are cut into even
fragments, so that most of a frame leaves in one call. Where the kernel refuses, each datagram leaves by itself.
"""

from __future__ import annotations

import errno
import socket
import struct
import sys
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from classroom.sfu.core.down_track import DownTrack
    from classroom.sfu.core.rtp import RtpPacket
    from classroom.sfu.core.sink import Burst
    from classroom.sfu.transport.sender import Address
    from classroom.sfu.transport.srtp import Buffer, Srtp

UDP_SEGMENT = 103  # linux/udp.h
MAX_SEGMENTS = 64
MAX_BURST_BYTES = 60_000
PACKET_ROOM_BYTES = 2048
BUFFER_BYTES = MAX_BURST_BYTES + PACKET_ROOM_BYTES
_SIZE = struct.Struct("=H")
_UNSUPPORTED = (errno.EIO, errno.ENOPROTOOPT, errno.EOPNOTSUPP)
_TOO_LARGE = (errno.EINVAL, errno.EMSGSIZE)  # a segment exceeds the MTU of this one path; EMSGSIZE since Linux 6.13

T = TypeVar("T")


class Egress:
    """The sending half of a UDP socket. What the kernel cannot take at once is dropped and counted: late is useless."""

    def __init__(self, sock: socket.socket, buffer: Buffer) -> None:
        self._sock = sock
        self._buffer = buffer
        self._gso = sys.platform == "linux"
        self.datagrams = 0
        self.calls = 0
        self.dropped = 0

    def send_burst(self, burst: Burst, srtp: Srtp, address: Address, now: float) -> None:
        """Write, protect and send packets of a DownTrack."""
        down, packets, seq_offset, ts_offset = burst

        def write(packet: RtpPacket, view: memoryview, at: int) -> int:
            size = down.write(packet, seq_offset, ts_offset, view, at)
            down.stamp(view, at, now, size)
            return size

        self._burst(write, packets, srtp, address)

    def resend(self, down: DownTrack, data: bytes, srtp: Srtp, address: Address, now: float) -> None:
        """Stamp, protect and send a complete packet."""

        def write(packet: bytes, view: memoryview, at: int) -> int:
            size = _copy(packet, view, at)
            down.stamp(view, at, now, size)
            return size

        self._burst(write, (data,), srtp, address)

    def send_batch(self, packets: Sequence[bytes], srtp: Srtp, address: Address, *, voice: bool = False) -> None:
        """Protect and send complete plaintext RTP packets; ``voice`` overtakes nothing: no datagram waits here."""
        self._burst(_copy, packets, srtp, address)

    def _burst(
        self, write: Callable[[T, memoryview, int], int], packets: Sequence[T], srtp: Srtp, address: Address
    ) -> None:
        buffer = self._buffer
        view = buffer.view
        protect = srtp.protect
        at = group_start = group_size = count = 0
        for packet in packets:
            size = protect(buffer, at, write(packet, view, at))
            if not size:
                continue
            if count and (size > group_size or count == MAX_SEGMENTS):
                self._flush(group_start, at, group_size, count, address)
                group_start, count = at, 0
            if not count:
                group_size = size
            at += size
            count += 1
            if size < group_size or at > MAX_BURST_BYTES:
                self._flush(group_start, at, group_size, count, address)
                at = group_start = count = 0
        if count:
            self._flush(group_start, at, group_size, count, address)

    def flush(self) -> None:
        """Send what was noted: nothing, for everything has left already."""

    def send_rtcp(self, data: bytes, srtp: Srtp, address: Address) -> None:
        """Protect and send a compound RTCP packet."""
        self._buffer.view[: len(data)] = data
        size = srtp.protect_rtcp(self._buffer, len(data))
        if size:
            self._flush(0, size, size, 1, address)

    def send_plain(self, datagram: bytes, address: Address) -> None:
        """Send a datagram as it is: STUN or DTLS."""
        self._send(datagram, address)

    def _flush(self, start: int, end: int, size: int, count: int, address: Address) -> None:
        view = self._buffer.view
        if count > 1 and self._gso:
            self.calls += 1
            try:
                self._sock.sendmsg([view[start:end]], [(socket.IPPROTO_UDP, UDP_SEGMENT, _SIZE.pack(size))], 0, address)
            except BlockingIOError:
                self.dropped += count
                return
            except OSError as error:
                if error.errno in _UNSUPPORTED:
                    self._gso = False  # this kernel or device cannot: from now on one by one
                elif error.errno not in _TOO_LARGE:
                    self.dropped += count
                    return
            else:
                self.datagrams += count
                return
        at = start
        while at < end:
            self._send(view[at : min(at + size, end)], address)
            at += size

    def _send(self, datagram: bytes | memoryview, address: Address) -> None:
        self.calls += 1
        try:
            self._sock.sendto(datagram, address)
        except OSError:
            self.dropped += 1  # full, unreachable, gone: the peer's feedback or silence will tell
        else:
            self.datagrams += 1


def _copy(packet: bytes, view: memoryview, at: int) -> int:
    size = len(packet)
    view[at : at + size] = packet
    return size
