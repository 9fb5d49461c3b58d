"""Deliveries of frames that never reached the recording (docs/protocol.md §6)."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections import Counter
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

from aiohttp import web

from classroom.model import Label, LessonId, RecordingState, TrackKind, parse_lesson_id
from classroom.web.auth import DELIVERY_TTL_S, Action, Deliverer, issue_delivery_token
from classroom.web.context import CONTEXT, Context, admit, admit_deliverer
from classroom.web.problem import Refusal
from classroom.web.responses import json_response

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

logger = logging.getLogger(__name__)

MAX_INVENTORY_BYTES = 16 << 20
MAX_FRAMES_BYTES = 4 << 20
AT_ONCE = 2  # requests of a lesson
STALLED_S = 30.0  # no byte came for so long
BODY_S = 600.0
FORMER_EVERY_S, HOUSE_EVERY_S = 60.0, 3600.0
_TRACK = re.compile(r"[A-Za-z0-9_-]{1,64}")
_HOLDING = re.compile(r"\d{4}-\d{2}-\d{1,6}")
_KINDS = {Label.MIC: TrackKind.AUDIO}
_MAX_NTP = (1 << 64) - 1
_BUSY = web.AppKey("deliveries", Counter[LessonId])
# Comparing and splicing, one at a time: the others wait, not their threads.
_HEAVY = web.AppKey("heavy", asyncio.Semaphore)

T = TypeVar("T")


def routes() -> list[web.RouteDef]:
    """Every route of the door."""
    base = "/api/lessons/{lesson}/deliveries"
    return [
        web.post(base, begin),
        web.put(base + "/{track}/inventory", inventory),
        web.post(base + "/{track}/frames", frames),
        web.post(base + "/complete", complete),
    ]


async def begin(request: web.Request) -> web.Response:
    """A token with which a copy can be delivered tomorrow, too."""
    claims = admit(request, Action.DELIVER)
    wall_s = time.time()
    token = issue_delivery_token(request.app[CONTEXT].secret, claims, wall_s)
    expires_at = datetime.fromtimestamp(int(wall_s) + DELIVERY_TTL_S, UTC).isoformat()
    return json_response({"token": token, "expires_at": expires_at}, status=201)


async def inventory(request: web.Request) -> web.Response:
    """What the archive misses of a copy."""
    lesson, deliverer = _admit(request)
    label, kind = _label_and_kind(request)
    track = _track(request, deliverer, label)
    now_ntp = _number(request, "now")
    context = request.app[CONTEXT]
    with _one_of_few(request, lesson):
        data = await _read(request, MAX_INVENTORY_BYTES)
        async with request.app[_HEAVY]:
            wanted = await asyncio.to_thread(
                context.deliveries.take_inventory, lesson, track, label, kind, now_ntp, data
            )
        await _tell(context, lesson)
    return json_response(
        {
            "holding": wanted.holding,
            "wanted": wanted.wanted,
            "wanted_bytes": wanted.wanted_bytes,
            "live": wanted.live,
        }
    )


async def frames(request: web.Request) -> web.Response:
    """Frames that are wanted; answered when they are durable."""
    lesson, deliverer = _admit(request)
    track = _track(request, deliverer, _label_of(request.match_info["track"]))
    holding = _holding(request)
    with _one_of_few(request, lesson):
        body = await _read(request, MAX_FRAMES_BYTES)
        await asyncio.to_thread(request.app[CONTEXT].deliveries.take_frames, lesson, holding, track, body)
    return web.Response(status=204)


async def complete(request: web.Request) -> web.Response:
    """Everything has been delivered: answered when it is in the recording."""
    lesson, _ = _admit(request)
    context = request.app[CONTEXT]
    holding = _holding(request)
    with _one_of_few(request, lesson):
        async with request.app[_HEAVY]:
            done = await asyncio.to_thread(context.deliveries.complete, lesson, holding)
        await _tell(context, lesson)
    return json_response({"state": done.state, "gaps": done.gaps})


async def keep_house(app: web.Application) -> AsyncIterator[None]:
    """While the server runs: end repairs that nobody continues, remove what splices have replaced."""
    app[_BUSY], app[_HEAVY] = Counter(), asyncio.Semaphore(1)
    task = asyncio.create_task(_keep_house(app[CONTEXT]), name="deliveries")
    yield
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def _keep_house(context: Context) -> None:
    next_house_s = 0.0
    while True:
        try:
            if time.monotonic() >= next_house_s:
                next_house_s = time.monotonic() + HOUSE_EVERY_S
                for told in await asyncio.to_thread(context.deliveries.keep_house):
                    await context.service.note_recording(told.lesson, told.state, told.detail)
                for lesson in context.service.lessons():
                    if lesson.recording is RecordingState.REPAIRING:  # it may have ended when the server did
                        await _tell(context, lesson.id)
            await asyncio.to_thread(context.deliveries.remove_former)
        except Exception:
            logger.exception("recordings are not looked after; it is tried again")
        await asyncio.sleep(FORMER_EVERY_S)


async def _tell(context: Context, lesson: LessonId) -> None:
    """Let those who look at the lesson see what its recording is now."""
    told = await asyncio.to_thread(context.deliveries.told, lesson)
    if told is not None:
        await context.service.note_recording(told.lesson, told.state, told.detail)


# --- what comes in ---------------------------------------------------------------------------------------------


def _admit(request: web.Request) -> tuple[LessonId, Deliverer]:
    lesson = parse_lesson_id(request.match_info["lesson"])
    deliverer = admit_deliverer(request)
    deliverer.require(lesson)
    return lesson, deliverer


@contextmanager
def _one_of_few(request: web.Request, lesson: LessonId) -> Iterator[None]:
    busy = request.app[_BUSY]
    if busy[lesson] >= AT_ONCE:
        raise Refusal(
            429,
            "too_many_requests",
            f"同时补传的请求不能超过 {AT_ONCE} 个。 At most {AT_ONCE} requests deliver to a lesson at once.",
            Retry_After="1",
        )
    busy[lesson] += 1
    try:
        yield
    finally:
        busy[lesson] -= 1
        if not busy[lesson]:
            del busy[lesson]


async def _read(request: web.Request, limit: int) -> bytes:
    """The body, inflated if it was compressed; raises Refusal (408, 413)."""
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_S):
            while chunk := await _in_time(request):
                body += chunk
                if len(body) > limit:
                    raise Refusal(
                        413,
                        "too_large",
                        f"内容超过 {limit >> 20} MiB。 The body is over the limit of {limit >> 20} MiB.",
                    )
    except TimeoutError:
        raise Refusal(408, "too_slow", "内容没有及时传完。 The body did not arrive in time.") from None
    return bytes(body)


async def _in_time(request: web.Request) -> bytes:
    async with asyncio.timeout(STALLED_S):
        return await request.content.readany()


def _track(request: web.Request, deliverer: Deliverer, label: Label) -> str:
    track = request.match_info["track"]
    if _TRACK.fullmatch(track) is None or (track != label and not track.startswith(f"{label}-")):
        raise _bad("轨道名称应与 label 一致，如 camera 或 camera-1a2b。 A track is called like its label.")
    deliverer.require_track(track, label)
    return track


def _label_of(track: str) -> Label:
    return _parse(lambda: Label(track.partition("-")[0]), "没有这种轨道。 There is no such track.")


def _label_and_kind(request: web.Request) -> tuple[Label, TrackKind]:
    label = _parse(lambda: Label(request.query["label"]), "label 有误。 The label is wrong.")
    kind = _parse(lambda: TrackKind(request.query["kind"]), "kind 有误。 The kind is wrong.")
    if kind is not _KINDS.get(label, TrackKind.VIDEO):
        raise _bad("label 与 kind 不符。 The label does not go with the kind.")
    return label, kind


def _number(request: web.Request, name: str) -> int:
    number = _parse(lambda: int(request.query[name]), f"{name} 有误。 The {name} is wrong.")
    if not 0 < number <= _MAX_NTP:
        raise _bad(f"{name} 有误。 The {name} is wrong.")
    return number


def _holding(request: web.Request) -> str:
    holding = request.query.get("holding", "")
    if _HOLDING.fullmatch(holding) is None:
        raise _bad("holding 有误，如 2026-11-1。 The holding is wrong; it is like 2026-11-1.")
    return holding


def _parse(read: Callable[[], T], wrong: str) -> T:
    try:
        return read()
    except (KeyError, ValueError):
        raise _bad(wrong) from None


def _bad(text: str) -> Refusal:
    return Refusal(400, "bad_request", text)
