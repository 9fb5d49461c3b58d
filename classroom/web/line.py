"""The line to one client of the control WebSocket: what comes over it, and whether anything does."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiohttp import WSCloseCode, WSMsgType

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp import WSMessage, web

# Who says nothing for so long is asked, by a ping of the WebSocket: that is answered by the network stack of a browser,
# also for a page whose timers it slows down. What is lost on the way a TCP of 600 ms sends again in time for the third.
ASK_S = 1.3
SILENT_ASKS = 3  # without an answer: after 3.9 s the client is shown as cut off; it is not, if it is heard again
GONE_ASKS = 15  # 19.5 s: the connection is given up

# Who closes with one of these has left: pages do so when they are done or shut (RFC 6455 §7.4.1; 0 is a frame without a
# code). The system of who is killed or crashes closes without a frame.
_FAREWELLS = frozenset({0, WSCloseCode.OK, WSCloseCode.GOING_AWAY})
_OVER = frozenset({WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR})  # not said by the client, as CLOSE is


class Line:
    """Reads a socket that was made with ``autoping=False``; ``on_silence`` hears True, and False when it is over.

    ``farewell`` is whether the client has said that it leaves; a line that ended without was cut.

    Asks are counted, not seconds: a loop that was held up finds what has come meanwhile before it asks again.
    """

    def __init__(self, socket: web.WebSocketResponse, transport: asyncio.Transport | None) -> None:
        self._socket = socket
        self._transport = transport
        self._unanswered = 0
        self.farewell = False
        self.on_silence: Callable[[bool], object] = lambda silent: None

    async def receive(self) -> WSMessage | None:
        """The next frame that is none of the line's own; None when nothing is heard any more, which ends the line."""
        while True:
            try:
                frame = await self._socket.receive(timeout=ASK_S)
            except TimeoutError:
                self._miss()
                if self._unanswered >= GONE_ASKS:
                    if self._transport is not None:
                        self._transport.abort()  # a farewell would wait for who is not there
                    return None
                await self._ask()
                continue
            if frame.type in _OVER:
                return frame
            if self._unanswered >= SILENT_ASKS:
                self.on_silence(False)
            self._unanswered = 0
            if frame.type is WSMsgType.CLOSE:
                self.farewell = frame.data in _FAREWELLS
            if frame.type is WSMsgType.PING:
                await self._socket.pong(frame.data)
            elif frame.type is not WSMsgType.PONG:
                return frame

    async def _ask(self) -> None:
        try:
            async with asyncio.timeout(ASK_S):
                await self._socket.ping()
        except TimeoutError:  # the line takes nothing more: what waits on it already will be answered, or nothing
            self._miss()

    def _miss(self) -> None:
        self._unanswered += 1
        if self._unanswered == SILENT_ASKS:
            self.on_silence(True)
