"""Takes datagrams off a UDP socket, several in one system call where they came together (UDP_GRO).

A publisher paces its packets in bursts. Who takes a whole burst at once also sends it on at once.
"""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING

from classroom.sfu.transport.srtp import Buffer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from classroom.sfu.transport.sender import Address

UDP_GRO = 104  # linux/udp.h
_READ_BYTES = 65_536
_SIZE = struct.Struct("=i")
_CONTROL_BYTES = socket.CMSG_SPACE(_SIZE.size)


class Ingress:
    """The receiving half of a UDP socket."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._read = Buffer(_READ_BYTES)
        self._segment = Buffer(_READ_BYTES)
        self._views = [self._read.view]
        try:
            sock.setsockopt(socket.IPPROTO_UDP, UDP_GRO, 1)
        except OSError:
            pass  # an older kernel or another system: one by one

    def datagrams(self, calls: int) -> Iterator[tuple[Buffer, int, Address]]:
        """What has arrived, in order, with so many system calls at most: (buffer, size, address).

        The datagram is at the beginning of the buffer until the next one is asked for; it may be changed there.
        """
        receive, views, read, segment = self._sock.recvmsg_into, self._views, self._read, self._segment
        for _ in range(calls):
            try:
                size, control, _, address = receive(views, _CONTROL_BYTES)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                continue  # an ICMP error of an earlier datagram: the peer's silence will tell
            if not control:
                yield read, size, address
                continue
            (segment_bytes,) = _SIZE.unpack(control[0][2])
            yield read, min(size, segment_bytes), address
            for start in range(segment_bytes, size, segment_bytes):
                end = min(start + segment_bytes, size)
                segment.view[: end - start] = read.view[start:end]
                yield segment, end - start, address
