"""Opens connections to the TCP candidates of a server (RFC 6544, the active side)."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

from classroom.sfu.transport.egress import BUFFER_BYTES
from classroom.sfu.transport.srtp import Buffer
from classroom.sfu.transport.tcp import TcpConnection

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

CONNECT_TIMEOUT_S = 3.0
RETRY_S = 0.5


class TcpDialler:
    """At most one connection to each candidate; ``dial`` may be called as often as one likes.

    A connection that stands is in ``connections``, unless it broke: of that ``on_closed`` is told.
    """

    def __init__(
        self,
        candidates: Sequence[tuple[str, int]],
        on_frames: Callable[[TcpConnection, list[bytes]], None],
        on_closed: Callable[[TcpConnection, str], None],
    ) -> None:
        self._candidates = candidates
        self._on_frames = on_frames
        self._on_closed = on_closed
        self._dialling: dict[tuple[str, int], asyncio.Task[None]] = {}
        self.connections: dict[tuple[str, int], TcpConnection] = {}

    def dial(self) -> None:
        """Begin to connect to every candidate to which there is no connection."""
        for candidate in self._candidates:
            if candidate not in self._dialling and candidate not in self.connections:
                self._dialling[candidate] = asyncio.create_task(self._connect(candidate), name="TCP candidate")

    async def _connect(self, candidate: tuple[str, int]) -> None:
        try:
            sock = socket.socket(socket.AF_INET6 if ":" in candidate[0] else socket.AF_INET, socket.SOCK_STREAM)
        except OSError:
            return  # not on this machine, now or later: it stays among those that are dialled
        try:
            sock.setblocking(False)
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await asyncio.get_running_loop().sock_connect(sock, candidate)
            connection = TcpConnection(sock, Buffer(BUFFER_BYTES), self._on_frames, self._lost)
        except (OSError, TimeoutError):
            sock.close()
            await asyncio.sleep(RETRY_S)
        except BaseException:
            sock.close()
            raise
        else:
            connection.trust()
            self.connections[candidate] = connection
        del self._dialling[candidate]

    def _lost(self, connection: TcpConnection, reason: str) -> None:
        self._forget(connection)
        self._on_closed(connection, reason)

    def _forget(self, connection: TcpConnection) -> None:
        for candidate, known in list(self.connections.items()):
            if known is connection:
                del self.connections[candidate]

    def close(self, but: object = None) -> list[asyncio.Task[None]]:
        """Give up every attempt and every connection but one; return the tasks that are ending."""
        ending = list(self._dialling.values())
        for task in ending:
            task.cancel()
        self._dialling.clear()
        for connection in list(self.connections.values()):
            if connection is not but:
                connection.close()
                self._forget(connection)
        return ending
