"""What the network says of UDP datagrams that found nobody (ICMP port unreachable; ip(7), IP_RECVERR). Linux only."""

from __future__ import annotations

import errno
import socket
import struct
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from classroom.sfu.transport.sender import Address

_IP_RECVERR, _IPV6_RECVERR = 11, 25
_MSG_ERRQUEUE = 0x2000
_EXTENDED_ERROR = struct.Struct("=IBBBxII")  # sock_extended_err: ee_errno first
_MAX_WAITING = 64


def ask_for_refusals(sock: socket.socket) -> None:
    """Let a socket hear of what could not be delivered; the event loop then calls its reader."""
    if sys.platform == "linux":
        if sock.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVERR, 1)
        else:
            sock.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)


def take_refusals(sock: socket.socket) -> list[Address]:
    """The addresses at which nobody listens, as told since the last call; other troubles are passed over."""
    refused: list[Address] = []
    for _ in range(_MAX_WAITING):
        try:
            _, ancillary, _, address = sock.recvmsg(1, 256, _MSG_ERRQUEUE)
        except OSError:
            break
        for _, _, data in ancillary:
            if len(data) >= _EXTENDED_ERROR.size and _EXTENDED_ERROR.unpack_from(data)[0] == errno.ECONNREFUSED:
                refused.append(address)
    return refused
