"""The control WebSocket of the lesson, for page turns (docs/protocol.md §4): each is told once, however often the
connection breaks.
"""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from pydantic import TypeAdapter, ValidationError
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from classroom.capture.reconnecting import FIRST_BACKOFF_S, delays, worth_trying
from classroom.capture.refusals import LessonNotOpen, Refused, WhipError
from classroom.messages import Ack, ErrorMessage, Hello, ServerMessage, Snapshot, TurnPage

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp import ClientSession

    from classroom.capture.tokens import Tokens
    from classroom.slides.turns import Turn

logger = logging.getLogger(__name__)

TURNS_WAITING = 64  # for the server to be there: then the oldest is dropped, only the replay would have shown it
PING_S, SILENCE_S = 5.0, 10.0
REFUSED_RETRY_S = 1.0  # to a server that is busy
UNAUTHORIZED, FORBIDDEN, UNKNOWN_LESSON, REPLACED = 4401, 4403, 4404, 4409
REPLACED_S = 60.0  # another has our place: an agent that fought for it would only throw the other out

_FROM_SERVER: TypeAdapter[ServerMessage] = TypeAdapter(ServerMessage)
_TO_SERVER: TypeAdapter[Hello | TurnPage] = TypeAdapter(Hello | TurnPage)


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A turn that the server has not confirmed; it is the same command whenever it is said again."""

    turn: Turn
    id: str


class TurnLink:
    """Tells the server of page turns, in order. ``on_joined`` hears what page the lesson shows, at each connection.

    A server that was killed may have forgotten what it confirmed in its last second, and a lesson that was begun anew
    has no page: a page that differs from the one that is shown is put right.
    """

    def __init__(self, server: str, lesson: str, tokens: Tokens) -> None:
        scheme, _, rest = server.rstrip("/").partition("://")
        self._address = f"{'wss' if scheme == 'https' else 'ws'}://{rest}/ws/{quote(lesson, safe='')}"
        self._tokens = tokens
        self.on_joined: Callable[[int | None], None] = lambda page: None
        self._waiting: deque[_Waiting] = deque(maxlen=TURNS_WAITING)
        self._latest: Turn | None = None
        self._due = asyncio.Event()
        # The one in this connection whose answer is awaited: none overtakes one that is refused for now.
        self._said = ""

    def turned(self, turn: Turn) -> None:
        """A page was turned: tell it now, or when there is a connection."""
        logger.info("第 %d 页 / page %d", turn.page, turn.page)
        self._latest = turn
        self._wait_with(turn)

    async def run(self, http: ClientSession) -> None:
        """Be connected until cancelled, or until the server wants nothing of us in this lesson."""
        connections = connect(
            self._address,
            compression=None,
            proxy=None,
            open_timeout=10,
            ping_interval=PING_S,
            ping_timeout=SILENCE_S,
            close_timeout=1,
            process_exception=worth_trying,
            reconnect_delays=delays,
        )
        async for socket in connections:
            token = ""
            try:
                token = await self._tokens.token(http)
                await self._serve(socket, token)
            except (WhipError, LessonNotOpen) as error:
                logger.info("page turns: %s", error)
            except Refused as error:
                logger.warning("翻页信息没有送出 / page turns are not told: %s", error)
                return
            except ConnectionClosed as closed:
                code = closed.rcvd.code if closed.rcvd is not None else None
                final = code in (FORBIDDEN, UNKNOWN_LESSON)
                if final or (code == UNAUTHORIZED and not self._tokens.refused(token)):
                    logger.warning("翻页信息没有送出 / page turns are not told: %s", closed)
                    return
                if code == REPLACED:
                    await asyncio.sleep(random.uniform(0.8, 1.2) * REPLACED_S)
            await asyncio.sleep(FIRST_BACKOFF_S)

    async def _serve(self, socket: ClientConnection, token: str) -> None:
        self._said = ""
        await socket.send(_TO_SERVER.dump_json(Hello(token)).decode())
        telling: asyncio.Task[None] | None = None
        try:
            async for text in socket:
                try:
                    message = _FROM_SERVER.validate_json(text)
                except ValidationError:
                    continue  # a newer server says more than we know
                match message:
                    case Snapshot():
                        self._joined(message.lesson.page)
                        telling = telling or asyncio.create_task(self._tell(socket), name="tell page turns")
                    case Ack(id):
                        self._settle(id)
                    case ErrorMessage(code, detail, str(id)):
                        self._refused(id, code, detail)
        finally:
            if telling is not None:
                telling.cancel()
                await asyncio.gather(telling, return_exceptions=True)

    def _joined(self, page: int | None) -> None:
        self.on_joined(page)
        if not self._waiting and self._latest is not None and self._latest.page != page:
            self._wait_with(self._latest)

    async def _tell(self, socket: ClientConnection) -> None:
        while True:
            self._due.clear()
            if self._waiting and self._waiting[0].id != self._said:
                first = self._waiting[0]
                self._said = first.id
                ago_s = max(0.0, time.monotonic() - first.turn.at_s)
                command = TurnPage(first.id, first.turn.page, round(ago_s, 3))
                await socket.send(_TO_SERVER.dump_json(command).decode())
            await self._due.wait()

    def _wait_with(self, turn: Turn) -> None:
        self._waiting.append(_Waiting(turn, secrets.token_hex(8)))
        self._due.set()

    def _settle(self, command: str) -> None:
        if self._waiting and self._waiting[0].id == command:
            self._waiting.popleft()
            self._due.set()

    def _refused(self, command: str, code: str, detail: str) -> None:
        if code in ("busy", "internal"):
            asyncio.get_running_loop().call_later(REFUSED_RETRY_S, self._say_again, command)
            return
        logger.warning("翻页信息没有送出 / a page turn was refused: %s", detail)
        self._settle(command)

    def _say_again(self, command: str) -> None:
        if self._said == command:
            self._said = ""
            self._due.set()
