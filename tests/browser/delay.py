"""A path to the server that takes its time: datagrams are held up for as long as a real link would."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

Address = tuple[str, int]


class _End(asyncio.DatagramProtocol):
    """One socket of the path; what it receives goes on ``delay_s`` later."""

    def __init__(self, path: DatagramPath, client: Address | None) -> None:
        self.path, self.client = path, client

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Address) -> None:
        loop = asyncio.get_running_loop()
        if self.client is None:
            loop.call_later(self.path.delay_s, self.path.to_server, data, addr)
        else:
            loop.call_later(self.path.delay_s, self.path.to_client, data, self.client)


class DatagramPath:
    """From any number of clients to one server; nothing passes, either way, while it is ``dead``."""

    def __init__(self, server: Address, delay_s: float) -> None:
        self.server, self.delay_s = server, delay_s
        self.dead = False
        self.front: asyncio.DatagramTransport | None = None
        self.backs: dict[Address, asyncio.DatagramTransport] = {}
        self.opening: dict[Address, asyncio.Task[None]] = {}

    def to_server(self, data: bytes, client: Address) -> None:
        back = self.backs.get(client)
        if self.dead:
            return
        if back is not None:
            back.sendto(data, self.server)
        elif client not in self.opening:  # an ICE check that is lost comes again
            self.opening[client] = asyncio.create_task(self._open(client))

    def to_client(self, data: bytes, client: Address) -> None:
        if self.front is not None and not self.front.is_closing() and not self.dead:
            self.front.sendto(data, client)

    async def _open(self, client: Address) -> None:
        loop = asyncio.get_running_loop()
        back, _ = await loop.create_datagram_endpoint(lambda: _End(self, client), local_addr=("127.0.0.1", 0))
        self.backs[client] = back

    @property
    def port(self) -> int:
        """The one to send to instead of the server's."""
        assert self.front is not None
        return int(self.front.get_extra_info("sockname")[1])


@contextlib.asynccontextmanager
async def datagram_path(server_port: int, delay_s: float = 0) -> AsyncIterator[DatagramPath]:
    """A path to a port of this machine; ``delay_s`` each way."""
    path = DatagramPath(("127.0.0.1", server_port), delay_s)
    loop = asyncio.get_running_loop()
    front, _ = await loop.create_datagram_endpoint(lambda: _End(path, None), local_addr=("127.0.0.1", 0))
    path.front = front
    try:
        yield path
    finally:
        await asyncio.gather(*path.opening.values(), return_exceptions=True)
        for transport in (front, *path.backs.values()):
            transport.close()


@contextlib.asynccontextmanager
async def delayed(server_port: int, delay_s: float) -> AsyncIterator[int]:
    """The port to send to instead; ``delay_s`` each way."""
    async with datagram_path(server_port, delay_s) as path:
        yield path.port
