"""Takes datagrams off a UDP socket, several in one system call where they came together (UDP_GRO).

A publisher paces its packets in bursts. Who takes a whole burst at once also sends it on at once.
"""

from __future__ import annotations

import fcntl
import socket
import struct
import time
from typing import TYPE_CHECKING

from classroom.sfu.transport.srtp import Buffer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from classroom.sfu.transport.sender import Address

UDP_GRO = 104  # linux/udp.h
_SIOCGSTAMPNS = 0x8907  # linux/sockios.h: when the datagram that was read last had arrived
_LONGEST_WAIT_S = 10.0  # more is no wait: the machine's clock was put forward meanwhile
_TIMESPEC = struct.Struct("qq")
_READ_BYTES = 65_536
_SIZE = struct.Struct("=i")
_CONTROL_BYTES = socket.CMSG_SPACE(_SIZE.size)


class Ingress:
    """The receiving half of a UDP socket.

    ``arrived_s`` is when the first datagram of the latest wake-up had come to the machine, in monotonic seconds.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._read = Buffer(_READ_BYTES)
        self._segment = Buffer(_READ_BYTES)
        self._views = [self._read.view]
        self._stamp = bytearray(_TIMESPEC.size)
        self.arrived_s: float | None = None
        try:
            sock.setsockopt(socket.IPPROTO_UDP, UDP_GRO, 1)
        except OSError:
            pass  # an older kernel or another system: one by one

    def datagrams(self, calls: int) -> Iterator[tuple[Buffer, int, Address]]:
        """What has arrived, in order, with so many system calls at most: (buffer, size, address).

        The datagram is at the beginning of the buffer until the next one is asked for; it may be changed there.
        """
        receive, views, read, segment = self._sock.recvmsg_into, self._views, self._read, self._segment
        self.arrived_s = None
        for call in range(calls):
            try:
                size, control, _, address = receive(views, _CONTROL_BYTES)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                continue  # an ICMP error of an earlier datagram: the peer's silence will tell
            if call == 0:
                self.arrived_s = time.monotonic() - self._waited_s()
            if not control:
                yield read, size, address
                continue
            (segment_bytes,) = _SIZE.unpack(control[0][2])
            yield read, min(size, segment_bytes), address
            for start in range(segment_bytes, size, segment_bytes):
                end = min(start + segment_bytes, size)
                segment.view[: end - start] = read.view[start:end]
                yield segment, end - start, address

    def _waited_s(self) -> float:
        """How long the datagram that was read last had waited in the kernel; asking costs 2 µs."""
        try:
            fcntl.ioctl(self._sock, _SIOCGSTAMPNS, self._stamp)
        except OSError:
            return 0.0  # the kernel begins to note the time when it is first asked; other systems do not
        seconds, nanoseconds = _TIMESPEC.unpack(self._stamp)
        waited_s: float = time.time() - seconds - nanoseconds * 1e-9
        return waited_s if 0.0 <= waited_s < _LONGEST_WAIT_S else 0.0
