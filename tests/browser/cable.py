"""The network cable of one classroom: all that its page and the server exchange, until it is pulled.

What TCP carries waits meanwhile, as it does on a line that is dead; datagrams are lost.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from tests.browser.delay import DatagramPath, datagram_path

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.running import Server

# Before any script of a page: media go to our port instead of the server's, and never over TCP.
_MEDIA_THROUGH = """(port => {{
  const set = RTCPeerConnection.prototype.setRemoteDescription;
  RTCPeerConnection.prototype.setRemoteDescription = function ({{ type, sdp }}) {{
    const lines = sdp.split("\\r\\n").filter(line => !/^a=candidate:.* tcp /.test(line));
    const through = line => line.replace(/^(a=candidate:\\S+ 1 udp \\S+) \\S+ \\d+/, `$1 127.0.0.1 ${{port}}`);
    return set.call(this, {{ type, sdp: lines.map(through).join("\\r\\n") }});
  }};
}})({port})"""


class Cable:
    """``url`` is the server behind it; pages need ``script``, too."""

    def __init__(self, media: DatagramPath, server_port: int) -> None:
        self._media = media
        self._server_port = server_port
        self._plugged = asyncio.Event()
        self._plugged.set()
        self.script = _MEDIA_THROUGH.format(port=media.port)
        self.url = ""

    def pull(self) -> None:
        """Nothing passes from now on."""
        self._media.dead = True
        self._plugged.clear()

    def plug_in(self) -> None:
        """It works again."""
        self._media.dead = False
        self._plugged.set()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One TCP connection from a page, until either end closes it."""
        with contextlib.suppress(OSError):
            await self._plugged.wait()
            there, back = await asyncio.open_connection("127.0.0.1", self._server_port)
            await asyncio.gather(self._pump(reader, back), self._pump(there, writer))
        writer.close()

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(1 << 16):
                await self._plugged.wait()
                sink.write(data)
                await sink.drain()
        finally:
            await self._plugged.wait()
            sink.close()


@contextlib.asynccontextmanager
async def cable(server: Server) -> AsyncIterator[Cable]:
    """A classroom's way to the server."""
    async with datagram_path(server.media_port) as media:
        made = Cable(media, server.port)
        doors = await asyncio.start_server(made.carry, "127.0.0.1", 0)
        made.url = f"http://127.0.0.1:{doors.sockets[0].getsockname()[1]}"
        try:
            yield made
        finally:
            made.plug_in()
            doors.close()
