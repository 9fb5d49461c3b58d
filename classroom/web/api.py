"""The HTTP API (docs/protocol.md §5)."""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from aiohttp import web

from classroom.model import LessonState
from classroom.web.auth import Action
from classroom.web.context import CONTEXT, Context, admit
from classroom.web.problem import RETRY_AFTER_S, Refusal, problem
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
        web.get("/api/lessons/{lesson}/recording", recording),
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


async def recording(request: web.Request) -> web.Response:
    """The manifest for the replay page."""
    claims = admit(request, Action.FOLLOW)
    manifest = await _manifest(request.app[CONTEXT], claims.lesson)
    if manifest is None:
        raise Refusal(404, "unknown_recording", "这节课没有录像。 There is no recording of this lesson.")
    return json_response(manifest)


async def _describe(context: Context, lesson_id: LessonId) -> web.Response:
    lesson = context.service.find(lesson_id)
    manifest = await _manifest(context, lesson_id) or {"duration_s": 0.0, "tracks": []}
    return json_response(
        {
            "lesson": asdict(lesson.view()),
            "participants": [asdict(view) for view in lesson.participants()],
            "publications": [asdict(view) for view in lesson.publications()],
            "recording": {
                "state": lesson.recording,
                "detail": lesson.recording_detail,
                "duration_s": manifest["duration_s"],
                "tracks": manifest["tracks"],
            },
        }
    )


async def _manifest(context: Context, lesson_id: LessonId) -> dict[str, object] | None:
    """The manifest with its playlists as addresses of this server."""
    found = await asyncio.to_thread(context.recordings.manifest, lesson_id)
    if found is None:
        return None
    manifest = dict(found)
    base = f"/media/{lesson_id}/"

    def address(path: object) -> str | None:
        return urljoin(base, path) if isinstance(path, str) else None

    tracks = manifest["tracks"]
    assert isinstance(tracks, list)
    manifest["tracks"] = [{**track, "playlist": address(track["playlist"])} for track in tracks]
    manifest["master"] = address(manifest["master"])
    return manifest
