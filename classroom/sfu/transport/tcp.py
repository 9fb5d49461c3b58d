"""ICE over TCP (RFC 6544) with the framing of RFC 4571: for networks that let no UDP through.

A connection sends as an Egress does. What the kernel does not take at once waits in a bounded Backlog, so that voice
does not stand behind pictures and a slow receiver costs little memory.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
import time
from typing import TYPE_CHECKING

from classroom.sfu.transport.backlog import Backlog, Urgency
from classroom.sfu.transport.egress import MAX_BURST_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from classroom.sfu.core.down_track import DownTrack
    from classroom.sfu.core.sink import Burst
    from classroom.sfu.transport.sender import Address
    from classroom.sfu.transport.srtp import Buffer, Srtp

MAX_FRAME_BYTES = 1500  # as a datagram
MAX_STRANGER_BYTES = 600  # a check has some 100
NOTSENT_LOWAT_BYTES = 16 << 10  # more than this waits with us, where voice can overtake it
USER_TIMEOUT_MS = 10_000  # what is not acknowledged for so long never will be
_READ_BYTES = 32 << 10
_VOICE_CLOCK_HZ = 48_000  # Opus has no other (RFC 7587), pictures never have it
_LENGTH = struct.Struct("!H")
_TCP_NOTSENT_LOWAT, _TCP_USER_TIMEOUT, _TCP_CONGESTION = 25, 18, 13  # linux/tcp.h


class TcpConnection:
    """One connection between two ICE agents. ``address`` is unlike that of any UDP peer.

    ``on_frames`` gets what one wake-up brought. ``on_closed`` is told why the connection broke, in a turn of the event
    loop of its own. Until ``trust`` little is read at a time. A frame that is too large breaks the connection.
    """

    def __init__(
        self,
        sock: socket.socket,
        outgoing: Buffer,
        on_frames: Callable[[TcpConnection, list[bytes]], None],
        on_closed: Callable[[TcpConnection, str], None],
    ) -> None:
        self._sock = sock
        self._buffer = outgoing
        self._on_frames = on_frames
        self._on_closed = on_closed
        self._max_frame_bytes = self._read_bytes = MAX_STRANGER_BYTES
        self._rest = b""
        self._backlog = Backlog()
        self._waiting = False  # for the kernel to take more
        self.opened_s = self.heard_s = time.monotonic()
        self.closed = False
        host, port = sock.getpeername()[:2]
        self.address: Address = (host, port, "tcp")
        _tune(sock)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(sock, self._readable)

    @property
    def waiting_bytes(self) -> int:
        """What the kernel has not taken yet."""
        return self._backlog.size_bytes

    @property
    def dropped(self) -> int:
        """Frames that were not sent because they would have come too late."""
        return sum(self._backlog.dropped)

    # --- incoming ----------------------------------------------------------------------------------------------

    def trust(self) -> None:
        """Read as much as there is: the other end has shown that it belongs to a session."""
        self._max_frame_bytes, self._read_bytes = MAX_FRAME_BYTES, _READ_BYTES

    def _readable(self) -> None:
        try:
            data = self._sock.recv(self._read_bytes)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._break(error.strerror or "reset")
            return
        if not data:
            self._break("closed by the peer")
            return
        self.heard_s = time.monotonic()
        data = self._rest + data
        frames: list[bytes] = []
        at = 0
        while at + 2 <= len(data):
            (size,) = _LENGTH.unpack_from(data, at)
            if not 0 < size <= self._max_frame_bytes:
                self._break("bad framing")
                return
            if at + 2 + size > len(data):
                break
            frames.append(data[at + 2 : at + 2 + size])
            at += 2 + size
        self._rest = data[at:]
        if frames:
            self._on_frames(self, frames)

    # --- outgoing, as an Egress --------------------------------------------------------------------------------

    def send_burst(self, burst: Burst, srtp: Srtp, _: Address, now: float) -> None:
        """Write, number, protect and send packets of a DownTrack."""
        down, packets, seq_offset, ts_offset = burst
        view, urgency = self._buffer.view, _urgency(down)
        at = 0
        for packet in packets:
            size = down.write(packet, seq_offset, ts_offset, view, at + 2)
            down.stamp(view, at + 2, now, size)
            at = self._frame(srtp, at, size, urgency)
        self._send(at, urgency)

    def resend(self, down: DownTrack, data: bytes, srtp: Srtp, _: Address, now: float) -> None:
        """Stamp, protect and send a complete packet."""
        view = self._buffer.view
        view[2 : 2 + len(data)] = data
        down.stamp(view, 2, now, len(data))
        self._send(self._frame(srtp, 0, len(data), _urgency(down)), _urgency(down))

    def send_batch(self, packets: Sequence[bytes], srtp: Srtp, _: Address, *, voice: bool = False) -> None:
        """Protect and send complete plaintext RTP packets."""
        view, urgency = self._buffer.view, Urgency.VOICE if voice else Urgency.PICTURE
        at = 0
        for packet in packets:
            view[at + 2 : at + 2 + len(packet)] = packet
            at = self._frame(srtp, at, len(packet), urgency)
        self._send(at, urgency)

    def send_rtcp(self, data: bytes, srtp: Srtp, _: Address) -> None:
        """Protect and send a compound RTCP packet."""
        self._buffer.view[: len(data)] = data  # SRTCP is protected at the beginning of a buffer
        size = srtp.protect_rtcp(self._buffer, len(data))
        if size:
            self.send_plain(bytes(self._buffer.view[:size]))

    def send_plain(self, datagram: bytes, _: Address | None = None) -> None:
        """Send a frame as it is: STUN or DTLS."""
        end = 2 + len(datagram)
        _LENGTH.pack_into(self._buffer.view, 0, len(datagram))
        self._buffer.view[2:end] = datagram
        self._send(end, Urgency.CONTROL)

    def _frame(self, srtp: Srtp, at: int, size: int, urgency: Urgency) -> int:
        """Protect the packet at ``at + 2`` and put its length before it; return where the next one may stand."""
        size = srtp.protect(self._buffer, at + 2, size)
        if not size:
            return at
        _LENGTH.pack_into(self._buffer.view, at, size)
        at += 2 + size
        if at <= MAX_BURST_BYTES:
            return at
        self._send(at, urgency)
        return 0

    def _send(self, end: int, urgency: Urgency) -> None:
        """Send whole frames of one urgency at the beginning of the buffer; what does not fit waits or is dropped."""
        if self.closed or not end:
            return
        view, backlog = self._buffer.view, self._backlog
        at = 0
        if not self._waiting:
            sent = self._write(view[:end])
            if sent == end or self.closed:
                return
            while at < sent:
                at = min(end, at + 2 + _LENGTH.unpack_from(view, at)[0])
            backlog.begin(bytes(view[sent:at]))
            self._waiting = True
            self._loop.add_writer(self._sock, self._writable)
        now = time.monotonic()
        while at < end:
            size = 2 + _LENGTH.unpack_from(view, at)[0]
            backlog.push(bytes(view[at : at + size]), urgency, now)
            at += size
        if backlog.overflowed:
            self._break("the peer takes nothing")

    def _writable(self) -> None:
        while chunk := self._backlog.chunk():
            sent = self._write(chunk)
            if self.closed:
                return
            self._backlog.sent(sent)
            if sent < len(chunk):
                return
        self._waiting = False
        self._loop.remove_writer(self._sock)

    def _write(self, data: bytes | memoryview) -> int:
        """How many bytes the kernel took; a connection that is broken takes none and is closed."""
        try:
            return self._sock.send(data)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError as error:
            self._break(error.strerror or "reset")
            return 0

    # --- the end -----------------------------------------------------------------------------------------------

    def _break(self, reason: str) -> None:
        if not self.closed:
            self.close()
            # Later: whoever is just sending here is not to find its path gone in the middle of it.
            self._loop.call_soon(self._on_closed, self, reason)

    def close(self) -> None:
        """Close the socket; what waits is not sent."""
        if self.closed:
            return
        self.closed = True
        self._loop.remove_reader(self._sock)
        if self._waiting:
            self._loop.remove_writer(self._sock)
        self._sock.close()
        self._rest = b""

    def __repr__(self) -> str:
        return f"TcpConnection({self.address}, {self.waiting_bytes} B wait)"


def _urgency(down: DownTrack) -> Urgency:
    return Urgency.VOICE if down.clock_rate_hz == _VOICE_CLOCK_HZ else Urgency.PICTURE


def _tune(sock: socket.socket) -> None:
    """Low delay: no Nagle, little in the kernel, a congestion control that keeps queues short where there is one."""
    sock.setblocking(False)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for option, value in (
        (_TCP_NOTSENT_LOWAT, NOTSENT_LOWAT_BYTES),
        (_TCP_USER_TIMEOUT, USER_TIMEOUT_MS),
        (_TCP_CONGESTION, b"bbr"),
    ):
        try:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.EPERM, errno.ENOPROTOOPT, errno.EINVAL):
                raise
