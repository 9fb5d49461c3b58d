"""The doors of devices: their WebSocket, and what operators see and do of them (docs/protocol.md §7)."""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

from aiohttp import WSCloseCode, WSMsgType, web
from pydantic import Field, TypeAdapter, ValidationError

from classroom.catalogue.accounts.credentials import new_credential
from classroom.live import errors as live
from classroom.live.instant import iso
from classroom.model import ParticipantId
from classroom.schoolday.day import UnknownDevice
from classroom.schoolday.feed import DeviceFeedClosed
from classroom.schoolday.messages import (
    DeviceClientMessage,
    DeviceError,
    DevicePing,
    DeviceReport,
    DeviceServerMessage,
    Revoked,
)
from classroom.schoolday.pairing import UnknownCode, parse_code
from classroom.web.bodies import Body, read_body
from classroom.web.context import CONTEXT, too_many_bad_tokens
from classroom.web.crowd import OF_DEVICE, REPLACED, TOO_MANY
from classroom.web.limits import MAX_MESSAGE_BYTES, MESSAGES_BURST, MESSAGES_PER_S, Pace
from classroom.web.origin import network_of
from classroom.web.pairing import be_patient
from classroom.web.principal import DevicePrincipal, account_of
from classroom.web.problem import RETRY_AFTER_S, Refusal
from classroom.web.responses import json_response

if TYPE_CHECKING:
    from classroom.schoolday.day import SchoolDay
    from classroom.schoolday.feed import DeviceFeed
    from classroom.schoolday.presence import KnownDevice
    from classroom.web.context import Context
    from classroom.web.principal import AccountPrincipal

logger = logging.getLogger(__name__)

HEARTBEAT_S = 20.0  # devices ping every 15 s: one that does not is asked, and is gone if it does not answer
READY_S = 8.0  # for the plans of today to be read
UNAUTHORIZED = 4401

OPEN_DEVICES = web.AppKey("open device sockets", set[web.WebSocketResponse])

_CLIENT_MESSAGE: TypeAdapter[DeviceClientMessage] = TypeAdapter(DeviceClientMessage)
_SERVER_MESSAGE: TypeAdapter[DeviceServerMessage] = TypeAdapter(DeviceServerMessage)


class _Assign(Body):
    code: Annotated[str, Field(max_length=20)]
    classroom_id: Annotated[int, Field(ge=1, le=1 << 53)]
    name: Annotated[str, Field(max_length=60)] = ""


class _Volume(Body):
    volume: Annotated[int, Field(ge=0, le=100)] | None


def routes() -> list[web.RouteDef]:
    """The doors."""
    return [
        web.get("/ws/device", device_socket),
        web.get("/api/terminals", terminals),
        web.post("/api/terminals", assign),
        web.delete("/api/terminals/{device}", revoke),
        web.put("/api/terminals/{device}/volume", set_volume),
    ]


# --- the WebSocket -----------------------------------------------------------------------------------------------


async def device_socket(request: web.Request) -> web.StreamResponse:
    """Serve a device until either side has enough.

    Who is no device is told so by the code 4401 on an open socket: a browser shows its page no other answer.
    """
    context, sockets = request.app[CONTEXT], request.app[OPEN_DEVICES]
    if context.service.draining:
        raise live.Draining("服务器正在重启，请稍后再试。 The server is restarting; try again in a moment.")
    if len(sockets) >= context.max_connections:
        raise live.Busy("连接已满，请稍后再试。 The server has as many connections as it may; try again later.")
    await day_is_known(context.day)
    principal = await _device(request)
    if principal is None:
        wait_s = context.bad_tokens.spend(network_of(request), time.monotonic())
        if wait_s is not None:
            raise too_many_bad_tokens(wait_s)
    # What a device is told is short and seldom; a compressor for each would be most of what it costs.
    socket = web.WebSocketResponse(heartbeat=HEARTBEAT_S, max_msg_size=MAX_MESSAGE_BYTES, compress=False)
    sockets.add(socket)
    try:
        await socket.prepare(request)
        try:
            if principal is None:
                raise UnknownDevice("这台设备没有绑定，或已被解除绑定。 This device is not paired, or not any more.")
            known = await context.day.know(principal.device_id)
        except UnknownDevice as error:
            await _send(socket, DeviceError("unauthorized", str(error)))
            await socket.close(code=UNAUTHORIZED, message=b"not paired")
        else:
            await _serve(socket, request, context, known)
    except ConnectionResetError:
        pass  # the device is gone
    finally:
        sockets.discard(socket)
    return socket


async def day_is_known(day: SchoolDay) -> None:
    """Wait: who comes while the server starts is let in as soon as it can be. Raises Refusal (503)."""
    try:
        async with asyncio.timeout(READY_S):
            await day.ready()
    except TimeoutError:
        raise Refusal(
            503,
            "starting",
            "服务器正在启动，请稍后再试。 The server is starting; try again.",
            Retry_After=RETRY_AFTER_S,
        ) from None


async def _device(request: web.Request) -> DevicePrincipal | None:
    identities = request.app[CONTEXT].identities
    return await identities.device(request) if identities.is_ours(request, DevicePrincipal) else None


async def _serve(socket: web.WebSocketResponse, request: web.Request, context: Context, known: KnownDevice) -> None:
    day, whose = context.day, ("device", known.stored.device.id)
    with (
        day.connect(known) as feed,
        context.crowd.place(whose, OF_DEVICE, feed.give_way, request.transport),
    ):
        reader = asyncio.create_task(_read(socket, day, known, feed), name="device reader")
        reader.add_done_callback(lambda _: feed.close())
        try:
            revoked = await _write(socket, feed)
        finally:
            reader.cancel()
            await asyncio.wait([reader])
    if not reader.cancelled():
        reader.result()
    if revoked:
        await socket.close(code=UNAUTHORIZED, message=b"revoked")
    elif feed.gave_way:
        await _send(socket, DeviceError("busy", TOO_MANY))
        await socket.close(code=REPLACED, message=b"too many connections")
    else:
        await socket.close(code=WSCloseCode.SERVICE_RESTART, message=b"the server restarts")


async def _read(socket: web.WebSocketResponse, day: SchoolDay, known: KnownDevice, feed: DeviceFeed) -> None:
    now_s = asyncio.get_running_loop().time
    pace = Pace(MESSAGES_PER_S, MESSAGES_BURST, now_s())
    while True:
        await asyncio.sleep(pace.wait_s(now_s()))
        frame = await socket.receive()
        if frame.type is WSMsgType.BINARY:
            feed.fault("只接受文本帧。 Messages are text frames.")
            continue
        if frame.type is not WSMsgType.TEXT:
            return
        try:
            message = _CLIENT_MESSAGE.validate_json(frame.data)
        except ValidationError as error:
            fault = error.errors(include_url=False, include_context=False, include_input=False)[0]
            where = "".join(f"{part}: " for part in fault["loc"])
            feed.fault(f"消息有误。 The message is wrong: {where}{fault['msg']}.")
            continue
        match message:
            case DevicePing():
                feed.pong()
            case DeviceReport():
                day.presence.report(known, message)


async def _write(socket: web.WebSocketResponse, feed: DeviceFeed) -> bool:
    """Tell the device what is due to it until nothing more is; returns whether it was revoked."""
    revoked = False
    try:
        while True:
            message = await feed.take()
            revoked = isinstance(message, Revoked)
            await _send(socket, message)
    except DeviceFeedClosed:
        return revoked


async def _send(socket: web.WebSocketResponse, message: DeviceServerMessage) -> None:
    await socket.send_str(_SERVER_MESSAGE.dump_json(message).decode())


async def close_all(app: web.Application) -> None:
    """Tell every device that the server stops; the runner waits a moment for the answers."""
    app[CONTEXT].day.close_feeds()


# --- operators ---------------------------------------------------------------------------------------------------


async def terminals(request: web.Request) -> web.Response:
    """All devices within reach."""
    account, day = account_of(request), request.app[CONTEXT].day
    await day_is_known(day)
    seen = [known for known in day.presence.all() if _covers(account, known)]
    return json_response({"terminals": [_terminal(day, known) for known in seen]})


async def assign(request: web.Request) -> web.Response:
    """Give the device that shows a code its classroom: from now on it is one of ours."""
    account, context = account_of(request), request.app[CONTEXT]
    asked = await read_body(request, _Assign)
    now = datetime.now(UTC)
    code = parse_code(asked.code)
    try:
        if code is None:
            raise UnknownCode("配对码是 8 位字母和数字。 A code has 8 letters and digits.")
        pairing = context.pairings.find(code, now)
    except UnknownCode:
        be_patient(context.pairing_guesses, f"account {account.account_id}")
        raise
    room = await context.devices.room(asked.classroom_id)
    account.scope.require_school(room.school_id, room.district_id)
    if pairing.taken:
        raise UnknownCode("这台设备刚刚已被绑定。 The device was paired a moment ago.")
    pairing.taken, credential = True, new_credential()
    try:
        name = asked.name or pairing.name or room.name
        paired = await context.devices.add(pairing.kind, room, name, credential, account.account_id, now)
    except BaseException:
        pairing.taken = False
        raise
    context.day.presence.add(paired)
    pairing.credential = credential  # and not before: the device comes with it at once
    for replaced in context.day.presence.replaced_by(paired.device.id):
        # Not revoked, it may come back; but until then nobody waits for it beside the one that stands in its room now.
        await context.service.expel(replaced, "another device was paired for its room")
    logger.info("device=%s %s paired for classroom %d", paired.device.id, paired.device.kind, room.id)
    detail = {"kind": paired.device.kind, "classroom_id": room.id, "name": name}
    await context.audit.note(request, "device.pair", paired.device.id, detail)
    return json_response(_terminal(context.day, await context.day.know(paired.device.id)), status=201)


async def revoke(request: web.Request) -> web.Response:
    """Let a device be nobody, at once: its connections, its sessions in lessons, its tokens."""
    context, known = request.app[CONTEXT], await _reached(request)
    device_id, now = known.stored.device.id, datetime.now(UTC)
    await context.devices.revoke(device_id, now)
    context.day.presence.revoke(device_id, now)
    await context.service.expel(device_id, "the device was revoked")
    await context.withdrawn.look_at_once()  # so that it is remembered, too
    logger.info("device=%s revoked", device_id)
    await context.audit.note(request, "device.revoke", device_id, {"name": known.stored.device.name})
    return web.Response(status=204)


async def set_volume(request: web.Request) -> web.Response:
    """Set how loud a device is, now or when it comes; null leaves it to the room."""
    context, known = request.app[CONTEXT], await _reached(request)
    asked = await read_body(request, _Volume)
    await context.devices.set_volume(known.stored.device.id, asked.volume)
    context.day.presence.set_volume(known.stored.device.id, asked.volume)
    await context.audit.note(request, "device.volume", known.stored.device.id, {"volume": asked.volume})
    return web.Response(status=204)


async def _reached(request: web.Request) -> KnownDevice:
    """The device in the path; raises Refusal (404), OutOfScope."""
    try:
        known = await request.app[CONTEXT].day.know(ParticipantId(request.match_info["device"]))
    except UnknownDevice as error:
        raise Refusal(404, "unknown_device", str(error)) from None
    room = known.stored.room
    account_of(request).scope.require_school(room.school_id, room.district_id)
    return known


def _covers(account: AccountPrincipal, known: KnownDevice) -> bool:
    return account.scope.covers_school(known.stored.room.school_id, known.stored.room.district_id)


def _terminal(day: SchoolDay, known: KnownDevice) -> dict[str, Any]:
    stored = known.stored
    lesson = day.next_lesson(stored.room.id)
    return {
        "id": stored.device.id,
        "kind": stored.device.kind,
        "name": stored.device.name,
        "classroom_id": stored.room.id,
        "classroom": stored.room.name,
        "school_id": stored.room.school_id,
        "school": stored.room.school,
        "district_id": stored.room.district_id,
        "online": known.online,
        "paired_at": iso(stored.paired_at),
        "seen_at": iso(stored.seen_at),
        "version": stored.version,
        "report": stored.report,
        "volume": stored.volume,
        "lesson": None
        if lesson is None
        else {
            "id": lesson.id,
            "title": lesson.title,
            "subject": lesson.subject,
            "starts_at": lesson.starts_at,
            "ends_at": lesson.ends_at,
            "state": lesson.state,
        },
    }
