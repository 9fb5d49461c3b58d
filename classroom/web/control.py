"""The control WebSocket: one per participant (docs/protocol.md §4)."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING

from aiohttp import WSCloseCode, WSMsgType, web
from pydantic import TypeAdapter, ValidationError

from classroom.live import errors as live
from classroom.live.feed import SUPERSEDED, FeedClosed
from classroom.messages import ClientMessage, ErrorMessage, Hello, Ping, Pong, Report
from classroom.model import InvalidLessonId, parse_lesson_id
from classroom.web.auth import Action, BadToken, Claims, Forbidden
from classroom.web.context import CONTEXT, Context
from classroom.web.crowd import OF_DEVICE, OF_PERSON, REPLACED, TOO_MANY
from classroom.web.limits import HELLO_S, MAX_MESSAGE_BYTES, MESSAGES_BURST, MESSAGES_PER_S, Pace
from classroom.web.line import Line
from classroom.web.origin import network_of
from classroom.web.problem import Refusal
from classroom.web.wire import Wire, text_of

if TYPE_CHECKING:
    from classroom.live.commands import Commands
    from classroom.live.feed import Feed
    from classroom.live.participant import Person
    from classroom.messages import Command
    from classroom.model import LessonId

logger = logging.getLogger(__name__)

MAX_COMMANDS = 8  # of one client at work; it is read on when one is done
LAST_WORD_S = 1.0  # for a farewell that came right before the end of the connection
MAX_STRANGERS = 1000  # who are connected and have shown no token; they take nobody's place
UNAUTHORIZED, FORBIDDEN, UNKNOWN_LESSON, NO_HELLO = 4401, 4403, 4404, 4408
_GAVE_WAY = "too many connections"

_CLIENT_MESSAGE: TypeAdapter[ClientMessage] = TypeAdapter(ClientMessage)


OPEN_SOCKETS = web.AppKey("open control sockets", set[web.WebSocketResponse])
STRANGERS = web.AppKey("sockets without a token", dict[web.WebSocketResponse, "asyncio.Transport | None"])
WIRE = web.AppKey("wire", Wire)


class _Close(Exception):
    """Tell the client why, and close."""

    def __init__(self, close_code: int, code: str, detail: str) -> None:
        super().__init__(detail)
        self.close_code = close_code
        self.error = ErrorMessage(code=code, detail=detail)  # type: ignore[arg-type]


class _BadMessage(Exception):
    """The client sent what is not a message."""


async def control(request: web.Request) -> web.StreamResponse:
    """Serve one connection until either side has enough."""
    context, sockets = request.app[CONTEXT], request.app[OPEN_SOCKETS]
    if context.service.draining:
        raise live.Draining("服务器正在重启，请稍后再试。 The server is restarting; try again in a moment.")
    strangers = request.app[STRANGERS]
    if len(sockets) - len(strangers) >= context.max_connections:
        raise live.Busy("连接已满，请稍后再试。 The server has as many connections as it may; try again later.")
    socket = web.WebSocketResponse(autoping=False, max_msg_size=MAX_MESSAGE_BYTES)
    _make_room(strangers)
    sockets.add(socket)
    strangers[socket] = request.transport
    try:
        await socket.prepare(request)
        try:
            line = Line(socket, request.transport)
            claims, hello = await _greet(request, line, context)
            strangers.pop(socket, None)
            reason = await _serve(socket, line, request, context, claims, hello)
            if reason == _GAVE_WAY:
                raise _Close(REPLACED, "busy", TOO_MANY)
            if reason is not None and reason != SUPERSEDED:  # who has come back elsewhere answers no closing
                await socket.close(code=WSCloseCode.SERVICE_RESTART, message=b"the server restarts")
        except _Close as close:
            await socket.send_str(text_of(close.error))
            await socket.close(code=close.close_code, message=close.error.code.encode())
        except ConnectionResetError:
            pass  # the client is gone
    finally:
        sockets.discard(socket)
        strangers.pop(socket, None)
    return socket


def _make_room(strangers: dict[web.WebSocketResponse, asyncio.Transport | None]) -> None:
    """Who has had the longest to show a token goes first: whoever has one does so at once."""
    while len(strangers) >= MAX_STRANGERS:
        transport = strangers.pop(next(iter(strangers)))
        if transport is not None:
            transport.abort()


async def _greet(request: web.Request, line: Line, context: Context) -> tuple[Claims, Hello]:
    try:
        async with asyncio.timeout(HELLO_S):
            hello = await _receive(line)
    except TimeoutError:
        raise _Close(NO_HELLO, "bad_message", "没有及时收到 hello。 No hello came in time.") from None
    except _BadMessage as error:
        raise _Close(WSCloseCode.POLICY_VIOLATION, "bad_message", str(error)) from None
    if hello is None:
        raise ConnectionResetError
    if not isinstance(hello, Hello):
        raise _Close(WSCloseCode.POLICY_VIOLATION, "bad_message", "第一条消息应为 hello。 The first message is hello.")
    try:
        lesson = parse_lesson_id(request.match_info["lesson"])
        claims = context.verify(hello.token, network_of(request))
        claims.require(Action.FOLLOW, lesson)
    except InvalidLessonId as error:
        raise _Close(UNKNOWN_LESSON, "unknown_lesson", str(error)) from None
    except BadToken as error:
        raise _Close(UNAUTHORIZED, "unauthorized", str(error)) from None
    except Refusal as error:  # too many bad tokens
        raise _Close(UNAUTHORIZED, "busy", str(error)) from None
    except Forbidden as error:
        raise _Close(FORBIDDEN, "forbidden", str(error)) from None
    return claims, hello


async def _serve(
    socket: web.WebSocketResponse, line: Line, request: web.Request, context: Context, claims: Claims, hello: Hello
) -> str | None:
    """Until either side has enough; returns why the feed was closed, None when the client is gone."""
    person = claims.person(hello.name)
    most = OF_PERSON if context.day.presence.find(person.id) is None else OF_DEVICE
    with (
        context.service.connect(claims.lesson, person, hello.stream, hello.seq) as feed,
        context.crowd.place(person.id, most, partial(feed.close, _GAVE_WAY), request.transport),
    ):
        logger.info("lesson=%s control of %s %s", claims.lesson, claims.role, claims.participant)
        client = _Client(context.commands, claims.lesson, person, feed)
        line.on_silence = lambda silent: context.service.hear(claims.lesson, person, feed, silent=silent)
        reader = asyncio.create_task(client.read(line), name="control reader")
        writer = asyncio.create_task(_write(socket, request.app[WIRE], feed), name="control writer")
        try:
            await asyncio.wait({reader, writer}, return_when=asyncio.FIRST_COMPLETED)
            if writer.done() and writer.result() is None:  # nothing can be told any more: what was said is still heard
                await asyncio.wait({reader}, timeout=LAST_WORD_S)
        finally:
            reader.cancel()
            writer.cancel()
            heard, told = await asyncio.gather(reader, writer, return_exceptions=True)
            feed.cut = not line.farewell and not isinstance(told, str)  # else it was us who closed it
            await client.leave()
        if isinstance(heard, Exception):
            raise heard
        return told if isinstance(told, str) else None


class _Client:
    """What one client says, as it comes."""

    def __init__(self, commands: Commands, lesson: LessonId, person: Person, feed: Feed) -> None:
        self._commands = commands
        self._lesson = lesson
        self._person = person
        self._feed = feed
        self._waiting: set[asyncio.Task[None]] = set()
        self._pace = Pace(MESSAGES_PER_S, MESSAGES_BURST, asyncio.get_running_loop().time())

    async def read(self, line: Line) -> None:
        """Take messages until the client is gone."""
        while True:
            await asyncio.sleep(self._pace.wait_s(asyncio.get_running_loop().time()))
            try:
                message = await _receive(line)
            except _BadMessage as error:
                self._feed.put(ErrorMessage("bad_message", str(error)))
                continue
            match message:
                case None:
                    return
                case Ping():
                    self._feed.put(Pong())
                case Report():
                    self._commands.hear(self._lesson, self._person, message)
                case Hello():
                    self._feed.put(ErrorMessage("bad_message", "已经收到过 hello。 There was a hello already."))
                case _:
                    # Beside the reader: ending a lesson takes as long as its recording needs to be closed.
                    task = asyncio.create_task(self._obey(message))
                    self._waiting.add(task)
                    task.add_done_callback(self._waiting.discard)
                    if len(self._waiting) >= MAX_COMMANDS:
                        await asyncio.wait(self._waiting, return_when=asyncio.FIRST_COMPLETED)

    async def leave(self) -> None:
        """Wait for answers no more; what it has commanded is carried out all the same."""
        for task in self._waiting:
            task.cancel()
        await asyncio.gather(*self._waiting, return_exceptions=True)

    async def _obey(self, command: Command) -> None:
        self._feed.put(await self._commands.answer(self._lesson, self._person, command))


async def _receive(line: Line) -> ClientMessage | None:
    """The next message; None when the connection is closed. Raises _BadMessage."""
    frame = await line.receive()
    if frame is None:
        return None
    if frame.type is WSMsgType.BINARY:
        raise _BadMessage("只接受文本帧。 Messages are text frames.")
    if frame.type is not WSMsgType.TEXT:
        return None
    try:
        return _CLIENT_MESSAGE.validate_json(frame.data)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = "".join(f"{part}: " for part in fault["loc"])
        raise _BadMessage(f"消息有误。 The message is wrong: {where}{fault['msg']}.") from None


async def _write(socket: web.WebSocketResponse, wire: Wire, feed: Feed) -> str | None:
    """Tell the client what its feed has; returns why that was closed, None when the client is gone."""
    try:
        while True:
            await socket.send_str(wire.text(await feed.take()))
    except FeedClosed as closed:
        return closed.reason
    except ConnectionResetError:
        return None
    except Exception:
        logger.exception("a control connection cannot be written to")
        return None


async def close_all(app: web.Application) -> None:
    """Close what is left when the server stops."""
    sockets = app[OPEN_SOCKETS]
    for socket in list(sockets):
        await socket.close(code=WSCloseCode.SERVICE_RESTART, message=b"the server restarts")
