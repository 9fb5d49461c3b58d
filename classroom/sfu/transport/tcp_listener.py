"""The media port over TCP: takes connections in and finds the peers that they belong to.

A connection is worth nothing until its first frame is an authentic check (RFC 6544 §7.2): until then it may take little
time, few bytes and one of few places.
"""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import socket
from collections import Counter
from typing import TYPE_CHECKING

from classroom.sfu.transport.egress import BUFFER_BYTES
from classroom.sfu.transport.ports import bind_port
from classroom.sfu.transport.srtp import Buffer
from classroom.sfu.transport.tcp import TcpConnection

if TYPE_CHECKING:
    from collections.abc import Callable

    from classroom.sfu.transport.mux import MuxPeer, UdpMux

FIRST_CHECK_S = 4.0  # connect and check at once, a lost segment or two on a long path included
IDLE_S = 60.0  # a browser checks the paths that it does not use every 25 s
MAX_STRANGERS = 512  # when there are more, those who have said nothing for longest go
MAX_STRANGERS_PER_HOST = 64  # a school behind one address may come all at once
MAX_PER_PEER = 4
_ACCEPTS = 32  # per wake-up
_PAUSE_S = 1.0
_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class TcpListener:
    """Owns the listening sockets and all connections; the server calls ``handle_timeout`` and ``close``.

    ``on_batch`` is called after each wake-up that brought frames. What was refused is counted in ``refused`` by reason.
    """

    def __init__(self, mux: UdpMux, on_batch: Callable[[], None]) -> None:
        self._mux = mux
        self._outgoing = Buffer(BUFFER_BYTES)
        self._incoming = Buffer(2048)
        self._on_batch = on_batch
        self._listening: list[socket.socket] = []
        self._paused: asyncio.TimerHandle | None = None
        self._strangers: dict[TcpConnection, str] = {}  # with their host, oldest first
        self._strangers_of: Counter[str] = Counter()
        self._owners: dict[TcpConnection, MuxPeer] = {}
        self._connections_of: dict[MuxPeer, list[TcpConnection]] = {}
        self.refused: Counter[str] = Counter()
        self.frames_received = 0
        self._frames_dropped = 0  # of connections that are closed

    def open(self, host: str, port: int) -> int:
        """Listen on ``host`` as UdpMux.open does; return the port. Raises MediaPortTaken."""
        way_out = "--media-tcp-port,或用 --no-media-tcp", "--media-tcp-port, or --no-media-tcp"
        self._listening = bind_port(host, port, socket.SOCK_STREAM, _reuse_address, way_out)
        self._accept_again()
        return int(self._listening[0].getsockname()[1])

    # --- connections -------------------------------------------------------------------------------------------

    def _accept_again(self) -> None:
        self._paused = None
        for sock in self._listening:
            asyncio.get_running_loop().add_reader(sock, self._acceptable, sock)

    def _acceptable(self, listening: socket.socket) -> None:
        for _ in range(_ACCEPTS):
            try:
                sock, address = listening.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                if error.errno in _EXHAUSTED:
                    self._pause()
                    return
                continue  # it was reset before we took it
            self._take(sock, _network_of(address[0]))

    def _pause(self) -> None:
        """Nothing can be accepted now, and trying again at once would do nothing else."""
        self.refused["no more files"] += 1
        loop = asyncio.get_running_loop()
        for sock in self._listening:
            loop.remove_reader(sock)
        if self._paused is None:
            self._paused = loop.call_later(_PAUSE_S, self._accept_again)

    def _take(self, sock: socket.socket, host: str) -> None:
        if self._strangers_of[host] >= MAX_STRANGERS_PER_HOST:
            self.refused["too many of one address"] += 1
            sock.close()
            return
        try:
            connection = TcpConnection(sock, self._outgoing, self._receive, self._closed)
        except OSError:
            sock.close()  # it is gone already
            return
        if len(self._strangers) >= MAX_STRANGERS:
            self._refuse(next(iter(self._strangers)), "too many")
        self._strangers[connection] = host
        self._strangers_of[host] += 1

    def _receive(self, connection: TcpConnection, frames: list[bytes]) -> None:
        owner = self._owners.get(connection)
        for frame in frames:
            if owner is None:
                owner = self._mux.check(frame, connection.address, connection)
                if owner is None:
                    self._refuse(connection, "no authentic check")
                    return
                self._admit(connection, owner)
            elif not connection.closed:
                self._dispatch(connection, owner, frame)
        self.frames_received += len(frames)
        self._on_batch()

    def _admit(self, connection: TcpConnection, peer: MuxPeer) -> None:
        self._forget_stranger(connection)
        connection.trust()
        self._owners[connection] = peer
        siblings = self._connections_of.setdefault(peer, [])
        siblings.append(connection)
        if len(siblings) > MAX_PER_PEER:
            unused = (c for c in siblings if self._mux.receiver_at(c.address) is not peer)
            self._drop(next(unused, siblings[0]), "superseded")

    def _dispatch(self, connection: TcpConnection, owner: MuxPeer, frame: bytes) -> None:
        """By the first byte, as RFC 7983 has it."""
        first = frame[0]
        receiver = self._mux.receiver_at(connection.address)
        if first <= 3:
            self._mux.check(frame, connection.address, connection, only=owner)
        elif receiver is not None and 128 <= first <= 191:
            self._incoming.view[: len(frame)] = frame
            receiver.receive_srtp(self._incoming, len(frame))
        elif receiver is not None and 20 <= first <= 63:
            self._mux.hand_shake(receiver, frame)
        else:
            self._mux.dropped["unknown address" if receiver is None else "unknown protocol"] += 1

    def _forget_stranger(self, connection: TcpConnection) -> None:
        host = self._strangers.pop(connection, None)
        if host is not None:
            self._strangers_of[host] -= 1
            if not self._strangers_of[host]:
                del self._strangers_of[host]

    def _refuse(self, connection: TcpConnection, reason: str) -> None:
        self.refused[reason] += 1
        connection.close()
        self._forget_stranger(connection)

    def _drop(self, connection: TcpConnection, reason: str) -> None:
        connection.close()
        self._closed(connection, reason)

    def _closed(self, connection: TcpConnection, _: str) -> None:
        self._forget_stranger(connection)
        self._frames_dropped += connection.dropped
        peer = self._owners.pop(connection, None)
        if peer is not None:
            siblings = self._connections_of[peer]
            siblings.remove(connection)
            if not siblings:
                del self._connections_of[peer]
            peer.lose_path(connection)

    # --- time and the end --------------------------------------------------------------------------------------

    def handle_timeout(self, now: float) -> None:
        """Close connections that say nothing, and those of peers that are over."""
        while self._strangers:
            oldest = next(iter(self._strangers))
            if now - oldest.opened_s < FIRST_CHECK_S:
                break
            self._refuse(oldest, "no check in time")
        for connection, peer in list(self._owners.items()):
            if peer.over is not None or now - connection.heard_s > IDLE_S:
                self._drop(connection, "idle")

    def close(self) -> None:
        """Close everything."""
        loop = asyncio.get_running_loop()
        if self._paused is not None:
            self._paused.cancel()
            self._paused = None
        for sock in self._listening:
            loop.remove_reader(sock)
            sock.close()
        self._listening.clear()
        for connection in [*self._strangers, *self._owners]:
            self._drop(connection, "the server stops")

    def stats(self) -> dict[str, float]:
        """Counters since the start and present sizes, by Prometheus-like names."""
        return {
            "tcp_connections": len(self._owners),
            "tcp_strangers": len(self._strangers),
            "tcp_refused_total": self.refused.total(),
            "tcp_frames_received_total": self.frames_received,
            "tcp_frames_dropped_total": self._frames_dropped + sum(c.dropped for c in self._owners),
            "tcp_waiting_bytes": sum(c.waiting_bytes for c in self._owners),
        }


def _network_of(host: str) -> str:
    """Whom to count together: an IPv4 address, or the /64 that one machine behind IPv6 has all of (RFC 6177)."""
    address = ipaddress.ip_address(host.partition("%")[0])
    return host if address.version == 4 else str(ipaddress.ip_network((address, 64), strict=False))


def _reuse_address(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
