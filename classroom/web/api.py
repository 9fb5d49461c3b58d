"""The HTTP API (docs/protocol.md §5)."""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict
from typing import TYPE_CHECKING

from aiohttp import web

from classroom.model import LessonState
from classroom.web.auth import Action
from classroom.web.context import CONTEXT, Context, admit
from classroom.web.problem import RETRY_AFTER_S, problem
from classroom.web.replay import with_addresses
from classroom.web.responses import json_response

if TYPE_CHECKING:
    from classroom.model import LessonId


def routes() -> list[web.RouteDef]:
    """Every route of the API."""
    return [
        web.get("/healthz", health),
        web.get("/api/lessons/{lesson}", lesson_state),
        web.post("/api/lessons/{lesson}/start", start_lesson),
        web.post("/api/lessons/{lesson}/end", end_lesson),
    ]


async def health(request: web.Request) -> web.Response:
    """Whether the server takes anybody in."""
    context = request.app[CONTEXT]
    if context.service.draining:
        return problem(503, "draining", "服务器正在停止。 The server is stopping.", {"Retry-After": RETRY_AFTER_S})
    lessons = [lesson for lesson in context.service.lessons() if lesson.state is LessonState.LIVE]
    uptime_s = round(time.monotonic() - context.started_s, 1)
    return json_response({"status": "ok", "version": context.version, "lessons": len(lessons), "uptime_s": uptime_s})


async def lesson_state(request: web.Request) -> web.Response:
    """The lesson as in a snapshot, and its recording."""
    claims = admit(request, Action.FOLLOW)
    return await _describe(request.app[CONTEXT], claims.lesson)


async def start_lesson(request: web.Request) -> web.Response:
    """Start the lesson, again if it had ended."""
    claims = admit(request, Action.CONDUCT)
    context = request.app[CONTEXT]
    await context.service.start(claims.lesson)
    return await _describe(context, claims.lesson)


async def end_lesson(request: web.Request) -> web.Response:
    """End the lesson; answered when its recording is complete."""
    claims = admit(request, Action.CONDUCT)
    context = request.app[CONTEXT]
    await context.service.end(claims.lesson)
    return await _describe(context, claims.lesson)


async def _describe(context: Context, lesson_id: LessonId) -> web.Response:
    lesson = context.service.find(lesson_id)
    manifest = await asyncio.to_thread(context.recordings.manifest, lesson_id)
    told = {"duration_s": 0.0, "tracks": []} if manifest is None else with_addresses(manifest, "")
    return json_response(
        {
            "lesson": asdict(lesson.view()),
            "participants": [asdict(view) for view in lesson.participants()],
            "publications": [asdict(view) for view in lesson.publications()],
            "recording": {
                "state": lesson.recording,
                "detail": lesson.recording_detail,
                "duration_s": told["duration_s"],
                "tracks": told["tracks"],
            },
        }
    )
