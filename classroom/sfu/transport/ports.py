"""The sockets of a media port, UDP or TCP, and the addresses under which others reach them."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import ifaddr

from classroom.model import ClassroomError

if TYPE_CHECKING:
    from collections.abc import Callable

BACKLOG = 256  # connections that nobody has accepted yet: a school that comes all at once
_EVERYWHERE = ("0.0.0.0", "::", "")


class MediaPortTaken(ClassroomError):
    """Something else listens on the media port."""


def bind_port(
    host: str, port: int, kind: socket.SocketKind, prepare: Callable[[socket.socket], None], way_out: tuple[str, str]
) -> list[socket.socket]:
    """Non-blocking sockets bound to one port of ``host``, TCP ones listening.

    "0.0.0.0" and "::" mean every address of both families. ``port`` 0 takes any free one, the same for both.
    ``prepare`` is called with each before it is bound; ``way_out`` says in Chinese and English what to choose instead.
    Raises MediaPortTaken.
    """
    everywhere = host in _EVERYWHERE
    if everywhere:
        wanted = [(socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")]
    else:
        wanted = [(socket.AF_INET6 if ":" in host else socket.AF_INET, host)]
    bound: list[socket.socket] = []
    for family, address in wanted:
        try:
            sock = socket.socket(family, kind)
        except OSError:
            continue  # this machine has no IPv6
        try:
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.setblocking(False)
            prepare(sock)
            sock.bind((address, port))
            if kind is socket.SOCK_STREAM:
                sock.listen(BACKLOG)
        except OSError as error:
            sock.close()
            if everywhere and family == socket.AF_INET6:
                continue
            for other in bound:
                other.close()
            name = "UDP" if kind is socket.SOCK_DGRAM else "TCP"
            raise MediaPortTaken(
                f"媒体端口 {port}/{name} 无法使用({error.strerror}),请换一个 {way_out[0]}。 "
                f"The media port {port}/{name} cannot be used ({error.strerror}); choose another {way_out[1]}."
            ) from error
        port = sock.getsockname()[1]
        bound.append(sock)
    return bound


def local_addresses(host: str) -> tuple[str, ...]:
    """The addresses under which others may reach a socket bound to ``host``; loopback only when there is no other."""
    if host not in _EVERYWHERE:
        return (host,)
    found: list[str] = []
    for adapter in ifaddr.get_adapters():
        for ip in adapter.ips:
            address = ip.ip if isinstance(ip.ip, str) else ip.ip[0]
            if not address.startswith(("127.", "169.254.", "fe80:")) and address != "::1":
                found.append(address)
    found.sort(key=lambda address: ":" in address)
    return tuple(found) or ("127.0.0.1",)
