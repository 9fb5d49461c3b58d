"""The control WebSocket: one per participant (docs/protocol.md §4)."""

from __future__ import annotations

import asyncio
import json
import logging
from dataclasses import asdict
from typing import TYPE_CHECKING

from aiohttp import WSCloseCode, WSMsgType, web
from pydantic import TypeAdapter, ValidationError

from classroom.live import errors as live
from classroom.live.feed import FeedClosed
from classroom.messages import Ack, ClientMessage, Direct, EndLesson, ErrorMessage, Hello, Ping, Pong, StartLesson
from classroom.model import ClassroomError, InvalidLessonId, parse_lesson_id
from classroom.web.auth import Action, BadToken, Claims, Forbidden
from classroom.web.context import CONTEXT, Context, address_of
from classroom.web.limits import HELLO_S, MAX_MESSAGE_BYTES
from classroom.web.problem import Refusal

if TYPE_CHECKING:
    from classroom.live.feed import Feed
    from classroom.messages import ServerMessage

logger = logging.getLogger(__name__)

HEARTBEAT_S = 15.0  # a client that does not answer a WebSocket ping within half of it is gone
MAX_COMMANDS = 8  # of one client at work; more are refused
UNAUTHORIZED, FORBIDDEN, UNKNOWN_LESSON, NO_HELLO = 4401, 4403, 4404, 4408

_CLIENT_MESSAGE: TypeAdapter[ClientMessage] = TypeAdapter(ClientMessage)


OPEN_SOCKETS = web.AppKey("open control sockets", set[web.WebSocketResponse])


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
    if len(sockets) >= context.max_connections:
        raise live.Busy("连接已满，请稍后再试。 The server has as many connections as it may; try again later.")
    socket = web.WebSocketResponse(heartbeat=HEARTBEAT_S, max_msg_size=MAX_MESSAGE_BYTES)
    sockets.add(socket)
    try:
        await socket.prepare(request)
        try:
            claims, name = await _greet(request, socket, context)
            await _serve(socket, context, claims, name)
        except _Close as close:
            await _send(socket, close.error)
            await socket.close(code=close.close_code, message=close.error.code.encode())
        except ConnectionResetError:
            pass  # the client is gone
    finally:
        sockets.discard(socket)
    return socket


async def _greet(request: web.Request, socket: web.WebSocketResponse, context: Context) -> tuple[Claims, str]:
    try:
        async with asyncio.timeout(HELLO_S):
            hello = await _receive(socket)
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
        claims = context.verify(hello.token, address_of(request))
        claims.require(Action.FOLLOW, lesson)
    except InvalidLessonId as error:
        raise _Close(UNKNOWN_LESSON, "unknown_lesson", str(error)) from None
    except BadToken as error:
        raise _Close(UNAUTHORIZED, "unauthorized", str(error)) from None
    except Refusal as error:  # too many bad tokens
        raise _Close(UNAUTHORIZED, "busy", str(error)) from None
    except Forbidden as error:
        raise _Close(FORBIDDEN, "forbidden", str(error)) from None
    return claims, hello.name


async def _serve(socket: web.WebSocketResponse, context: Context, claims: Claims, name: str) -> None:
    with context.service.connect(claims.lesson, claims.person(name)) as feed:
        logger.info("lesson=%s control of %s %s", claims.lesson, claims.role, claims.participant)
        commands: set[asyncio.Task[None]] = set()
        reader = asyncio.create_task(_read(socket, context, claims, feed, commands), name="control reader")
        writer = asyncio.create_task(_write(socket, feed), name="control writer")
        try:
            await asyncio.wait({reader, writer}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            reader.cancel()
            writer.cancel()
            heard, told, *_ = await asyncio.gather(reader, writer, *commands, return_exceptions=True)
        if isinstance(heard, Exception):
            raise heard
        if told is True:
            await socket.close(code=WSCloseCode.SERVICE_RESTART, message=b"the server restarts")


async def _read(
    socket: web.WebSocketResponse, context: Context, claims: Claims, feed: Feed, commands: set[asyncio.Task[None]]
) -> None:
    """Take messages until the client is gone. What it has commanded is carried out all the same: see ``commands``."""
    while True:
        try:
            message = await _receive(socket)
        except _BadMessage as error:
            feed.put(ErrorMessage("bad_message", str(error)))
            continue
        match message:
            case None:
                return
            case Ping():
                feed.put(Pong())
            case StartLesson() | EndLesson() | Direct() if len(commands) < MAX_COMMANDS:
                # Beside the reader: ending a lesson takes as long as its recording needs to be closed.
                task = asyncio.create_task(_obey(context, claims, message, feed))
                commands.add(task)
                task.add_done_callback(commands.discard)
            case StartLesson() | EndLesson() | Direct():
                feed.put(ErrorMessage("busy", "命令太多。 Too many commands at once.", message.id))
            case Hello():
                feed.put(ErrorMessage("bad_message", "已经收到过 hello。 There was a hello already."))


async def _receive(socket: web.WebSocketResponse) -> ClientMessage | None:
    """The next message; None when the connection is closed. Raises _BadMessage."""
    frame = await socket.receive()
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


async def _write(socket: web.WebSocketResponse, feed: Feed) -> bool:
    """Tell the client what its feed has; True when that was closed, False when the client is gone."""
    try:
        while True:
            await _send(socket, await feed.take())
    except FeedClosed:
        return True
    except ConnectionResetError:
        return False
    except Exception:
        logger.exception("a control connection cannot be written to")
        return False


async def _send(socket: web.WebSocketResponse, message: ServerMessage) -> None:
    await socket.send_str(json.dumps(asdict(message), ensure_ascii=False))


async def _obey(context: Context, claims: Claims, command: StartLesson | EndLesson | Direct, feed: Feed) -> None:
    service = context.service
    try:
        claims.require(Action.CONDUCT, claims.lesson)
        match command:
            case StartLesson():
                await service.start(claims.lesson)
            case EndLesson():
                await service.end(claims.lesson)
            case Direct(_, programme, floor):
                await service.direct(claims.lesson, programme, floor)
    except ClassroomError as error:
        codes = {Forbidden: "forbidden", live.UnknownLesson: "unknown_lesson", live.Draining: "busy"}
        code = codes.get(type(error), "internal")
        feed.put(ErrorMessage(code, str(error), command.id))  # type: ignore[arg-type]
    except Exception:
        logger.exception("lesson=%s %s failed", claims.lesson, command.type)
        feed.put(ErrorMessage("internal", "服务器内部错误。 The server has a fault; its log says more.", command.id))
    else:
        feed.put(Ack(command.id))


async def close_all(app: web.Application) -> None:
    """Close what is left when the server stops."""
    sockets = app[OPEN_SOCKETS]
    for socket in list(sockets):
        await socket.close(code=WSCloseCode.SERVICE_RESTART, message=b"the server restarts")
