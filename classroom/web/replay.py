"""Recordings as their viewers get them: manifest, captions, links (docs/protocol.md §5)."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from classroom.catalogue.database import CatalogueUnavailable
from classroom.live.instant import iso
from classroom.web.auth import ViewerKey, issue_viewer_key
from classroom.web.context import CONTEXT, admit_editor, admit_reader
from classroom.web.payload import read_bytes, read_text
from classroom.web.problem import Refusal
from classroom.web.responses import json_response

if TYPE_CHECKING:
    from classroom.model import LessonId
    from classroom.web.context import Context, Reader

MEDIA_KEY_S = 6 * 3600  # a page that was left open longer asks for the manifest again
_SAME_KEY_S = 3600  # for so long the keys of an address are the same, so that a browser need not load pictures again
DAY_S = 86_400
MAX_CAPTIONS_BYTES = 2 << 20


class LinkRequest(BaseModel):
    """What a link is asked for: how long it is good, and for which holding (None: whichever is the latest)."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    ttl_s: Annotated[int, Field(ge=60, le=366 * DAY_S)] = 7 * DAY_S
    holding: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{1,9}$")] | None = None


def routes() -> list[web.RouteDef]:
    """The doors of one recording."""
    return [
        web.get("/api/lessons/{lesson}/recording", latest),
        web.get("/api/lessons/{lesson}/recordings/{holding}", one),
        web.put("/api/lessons/{lesson}/recordings/{holding}/captions/{language}", put_captions),
        web.post("/api/lessons/{lesson}/links", make_link),
    ]


async def latest(request: web.Request) -> web.Response:
    """The manifest of the latest recording."""
    return await _manifest(request, None)


async def one(request: web.Request) -> web.Response:
    """The manifest of a recording by its holding."""
    return await _manifest(request, request.match_info["holding"])


async def _manifest(request: web.Request, holding: str | None) -> web.Response:
    reader = admit_reader(request, holding)
    context = request.app[CONTEXT]
    lesson = request.match_info["lesson"]
    told = await asyncio.to_thread(context.recordings.manifest, lesson, holding)  # type: ignore[arg-type]
    if told is None:
        raise unknown_recording()
    narrow = reader.holding if isinstance(reader, ViewerKey) else None
    key = media_key(context, lesson, narrow, reader)  # type: ignore[arg-type]
    return json_response(with_addresses(told, key))


def with_addresses(told: Any, key: str) -> dict[str, Any]:
    """A manifest with its paths as addresses of this server, with the key where a page can send no header."""

    def media(path: str | None) -> str | None:
        return None if path is None else f"/media/{told['lesson']}/{path}"

    def keyed(path: str | None) -> str | None:
        return None if path is None else f"{media(path)}?key={key}"

    strip = told["strip"]
    return {
        **told,
        "key": key,
        "tracks": [{**track, "playlist": media(track["playlist"])} for track in told["tracks"]],
        "master": media(told["master"]),
        "cover": keyed(told["cover"]),
        "chapters": [{**chapter, "thumbnail": keyed(chapter["thumbnail"])} for chapter in told["chapters"]],
        "strip": None if strip is None else {**strip, "sheets": [keyed(sheet) for sheet in strip["sheets"]]},
        "captions": [{**captions, "url": keyed(captions["url"])} for captions in told["captions"]],
    }


def media_key(context: Context, lesson: LessonId, holding: str | None, reader: Reader) -> str:
    """A viewer key for media, good for some hours and no longer than what the reader came with."""
    begins_s = int(time.time()) // _SAME_KEY_S * _SAME_KEY_S
    expires_at_s = min(begins_s + MEDIA_KEY_S, reader.expires_at_s)
    return issue_viewer_key(context.secret, ViewerKey(lesson, holding, expires_at_s))


async def put_captions(request: web.Request) -> web.Response:
    """Keep captions that somebody made."""
    lesson = await admit_editor(request)
    data = await read_bytes(request, "text/vtt", MAX_CAPTIONS_BYTES)
    context = request.app[CONTEXT]
    holding, language = request.match_info["holding"], request.match_info["language"]
    if not await asyncio.to_thread(context.recordings.put_captions, lesson, holding, language, data):
        raise unknown_recording()
    try:
        await context.look_at(lesson)
    except CatalogueUnavailable:
        pass  # they are kept; the catalogue comes to them when it is back
    return web.Response(status=204)


async def make_link(request: web.Request) -> web.Response:
    """A link that opens this lesson and nothing else, for a time."""
    lesson = await admit_editor(request)
    context = request.app[CONTEXT]
    body = await read_text(request, "application/json", "bad_request")
    try:
        wanted = LinkRequest.model_validate_json(body)
    except ValidationError:
        raise Refusal(
            422,
            "bad_link",
            "ttl_s 应为 60 秒到 366 天，holding 形如 2026-11-1。 "
            "ttl_s must be 60 s to 366 days, holding like 2026-11-1 or null.",
        ) from None
    if wanted.holding is not None:
        told = await asyncio.to_thread(context.recordings.manifest, lesson, wanted.holding)
        if told is None:
            raise unknown_recording()
    expires_at_s = int(time.time()) + wanted.ttl_s
    key = issue_viewer_key(context.secret, ViewerKey(lesson, wanted.holding, expires_at_s))
    page = f"/replay/{lesson}" if wanted.holding is None else f"/replay/{lesson}/{wanted.holding}"
    answer = {"url": f"{page}#key={key}", "expires_at": iso(datetime.fromtimestamp(expires_at_s, UTC))}
    return json_response(answer, status=201)


def unknown_recording() -> Refusal:
    """There is no such recording."""
    return Refusal(404, "unknown_recording", "这节课没有录像。 There is no recording of this lesson.")
