"""An Egress that notes bursts and sends many of them, to many peers, in one call of the compiled kernel."""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING

from classroom.sfu.core.down_track import extensions_of
from classroom.sfu.core.send_log import SendLog
from classroom.sfu.transport.egress import Egress
from classroom.sfu.transport.kernel import BURST, PACKET, SENDER, STREAM, Memory, address_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from classroom.sfu.core.down_track import DownTrack
    from classroom.sfu.core.rtp import RtpPacket
    from classroom.sfu.core.sink import Burst
    from classroom.sfu.transport.kernel import Kernel
    from classroom.sfu.transport.sender import Address
    from classroom.sfu.transport.srtp import Buffer, Srtp

MAX_PACKETS = MAX_BURSTS = 1024  # noted before they leave: a fan-out to as many
_COMPLETE = 3
_NOT_STAMPED, _NUMBERED, _TIME_STAMPED = range(3)
_MASK32 = 0xFFFF_FFFF
_pack_burst = BURST.pack_into
_FAMILY, _PORT, _FLOW, _SCOPE = struct.Struct("=H"), struct.Struct("!H"), struct.Struct("!I"), struct.Struct("=I")


class CompiledEgress(Egress):
    """Packets of DownTracks leave at ``flush``, or earlier when there is no room; all else at once.

    Everything that the kernel reads by address is held until it has been sent.
    """

    def __init__(self, sock: socket.socket, buffer: Buffer, kernel: Kernel) -> None:
        super().__init__(sock, buffer)
        self._send_bursts = kernel.send_bursts
        self._sender = Memory(kernel.sender_bytes)
        SENDER.pack_into(self._sender.view, 0, kernel.protect, sock.fileno(), self._gso, 0, 0, 0)
        self._packets = Memory(PACKET.size * MAX_PACKETS)
        self._bursts = Memory(BURST.size * MAX_BURSTS)
        self._packet_count = self._burst_count = 0
        self._noted: dict[int, tuple[object, int, int, int]] = {}  # by id: packets, first, count, payload bytes
        self._streams: list[_Stream] = []
        self._now = 0.0

    def send_burst(self, burst: Burst, srtp: Srtp, address: Address, now: float) -> None:
        """Note packets of a DownTrack to be written, protected and sent."""
        down, packets, seq_offset, ts_offset = burst
        noted = self._noted.get(id(packets)) or self._note(packets)
        if noted is None:
            super().send_burst(burst, srtp, address, now)
            return
        _, first, count, payload_bytes = noted
        down.packets += count
        down.octets += payload_bytes
        self._note_burst(down, srtp, address, now, (first, count, seq_offset & _MASK32, ts_offset))

    def resend(self, down: DownTrack, data: bytes, srtp: Srtp, address: Address, now: float) -> None:
        """Note a complete packet to be stamped, protected and sent."""
        if self._packet_count == MAX_PACKETS:
            self.flush()
        first = self._packet_count
        PACKET.pack_into(self._packets.view, first * PACKET.size, address_of(data), 0, 0, 0, len(data), 0, _COMPLETE, 0)
        self._noted[id(data)] = (data, first, 1, 0)
        self._packet_count += 1
        self._note_burst(down, srtp, address, now, (first, 1, 0, 0))

    def _note(self, packets: Sequence[RtpPacket]) -> tuple[object, int, int, int] | None:
        """Note what all who get these packets have in common; None when they do not fit."""
        count = len(packets)
        if self._packet_count + count > MAX_PACKETS:
            self.flush()
            if count > MAX_PACKETS:
                return None
        view = self._packets.view
        first = self._packet_count
        at = first * PACKET.size
        payload_bytes = 0
        for packet in packets:
            size = packet.payload_end - packet.payload_start
            payload_bytes += size
            PACKET.pack_into(
                view,
                at,
                address_of(packet.data) + packet.payload_start,
                packet.capture_ntp or 0,
                packet.ext_seq & _MASK32,
                packet.ts,
                size,
                0x80 if packet.marker else 0,
                extensions_of(packet),
                0,
            )
            at += PACKET.size
        self._packet_count = first + count
        noted = self._noted[id(packets)] = (packets, first, count, payload_bytes)
        return noted

    def _note_burst(
        self, down: DownTrack, srtp: Srtp, address: Address, now: float, what: tuple[int, int, int, int]
    ) -> None:
        """Note that this track gets (first packet, count, seq offset, ts offset)."""
        stream = down.prepared
        if type(stream) is not _Stream or stream.srtp is not srtp or stream.address is not address:
            stream = down.prepared = _Stream(down, srtp, address)
        stamp = 0
        if (log := stream.log) is not None:
            stamp = log.next_seq & _MASK32
            log.next_seq += what[1]
        elif (clock := stream.clock) is not None:
            stamp = clock.add(now, 0)
        index = self._burst_count
        _pack_burst(self._bursts.view, index * BURST.size, stream.memory_address, *what, stamp, 0)
        self._streams.append(stream)
        self._burst_count = index = index + 1
        self._now = now
        if index == MAX_BURSTS:
            self.flush()

    def flush(self) -> None:
        """Send what was noted."""
        if not self._burst_count:
            return
        self._send_bursts(
            self._sender.address, self._packets.address, self._bursts.address, self._burst_count, self._now
        )
        protect, fd, gso, datagrams, calls, dropped = SENDER.unpack_from(self._sender.view)
        SENDER.pack_into(self._sender.view, 0, protect, fd, gso, 0, 0, 0)
        self.datagrams += datagrams
        self.calls += calls
        self.dropped += dropped
        self._packet_count = self._burst_count = 0
        self._noted.clear()
        self._streams.clear()


class _Stream:
    """What is the same for all packets of a DownTrack on one path, as the kernel reads it."""

    __slots__ = ("_memory", "address", "clock", "log", "memory_address", "srtp")

    def __init__(self, down: DownTrack, srtp: Srtp, address: Address) -> None:
        self.srtp = srtp
        self.address = address
        stamper = down.send_log
        self.log = log = stamper if isinstance(stamper, SendLog) else None
        self.clock = None if isinstance(stamper, SendLog) else stamper
        self._memory = Memory(STREAM.size)
        self.memory_address = self._memory.address
        where = _socket_address(address)
        STREAM.pack_into(
            self._memory.view,
            0,
            srtp.sending_address,
            0 if log is None else log.times_s.buffer_info()[0],
            0 if log is None else log.sizes_bytes.buffer_info()[0],
            _NUMBERED if log is not None else _NOT_STAMPED if self.clock is None else _TIME_STAMPED,
            down.ssrc,
            down.time_at,
            down.pt,
            *map(len, down.extensions),
            *down.extensions,
            len(where),
            where,
        )


def _socket_address(address: Address) -> bytes:
    """A sockaddr_in or sockaddr_in6 of Linux."""
    host, port = address[0], address[1]
    if ":" not in host:
        return _FAMILY.pack(socket.AF_INET) + _PORT.pack(port) + socket.inet_aton(host) + bytes(8)
    flow, scope = (address[2], address[3]) if len(address) == 4 else (0, 0)
    there = socket.inet_pton(socket.AF_INET6, host)
    return _FAMILY.pack(socket.AF_INET6) + _PORT.pack(port) + _FLOW.pack(flow) + there + _SCOPE.pack(scope)
