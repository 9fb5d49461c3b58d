"""Ports that nobody else takes, for servers that tests start, kill and start again."""

from __future__ import annotations

import contextlib
import os
import random
import socket

# Below those that the kernel gives to outgoing connections: what is free here stays so until somebody binds it, also
# while a server that was killed is away. Processes that run tests side by side have their own shares of them.
_PROCESSES = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
_PROCESS = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_FIRST = 10_100  # above 10 080, which browsers refuse
_SHARE = 21_900 // _PROCESSES
_PORTS = range(_FIRST + _PROCESS * _SHARE, _FIRST + (_PROCESS + 1) * _SHARE)
_given: set[int] = set()  # never again: that of a server's pages is still free while one for its media is sought


def free_port(kind: socket.SocketKind) -> int:
    """A port on which a server can be started, and started again; nobody else is given it."""
    return _free(1, (kind,))


def free_ports(count: int) -> int:
    """The first of so many neighbouring ports for media, UDP and TCP."""
    return _free(count, (socket.SOCK_DGRAM, socket.SOCK_STREAM))


def _free(count: int, kinds: tuple[socket.SocketKind, ...]) -> int:
    families = [(socket.AF_INET, "0.0.0.0"), *([(socket.AF_INET6, "::")] if socket.has_dualstack_ipv6() else [])]
    while True:
        first = random.choice(_PORTS[:-count])
        ports = range(first, first + count)
        if not _given.isdisjoint(ports):
            continue
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            for port in ports:
                for kind in kinds:
                    for family, address in families:
                        sock = stack.enter_context(socket.socket(family, kind))
                        if family == socket.AF_INET6:
                            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                        sock.bind((address, port))
            _given.update(ports)
            return first
