"""The library: finding recordings, and saying what lessons are about (docs/protocol.md §5)."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from classroom.catalogue.library import FACETS, MAX_PAGE_SIZE, LibraryItem, LibraryQuery, Sort
from classroom.catalogue.metadata import DatedMetadata, Metadata, parse_metadata
from classroom.catalogue.passages import storable
from classroom.live.instant import iso
from classroom.model import LessonId, parse_lesson_id
from classroom.web.context import CONTEXT, admit_editor, admit_operator, admit_reader
from classroom.web.days import midnight
from classroom.web.payload import read_text
from classroom.web.problem import Refusal
from classroom.web.replay import media_key
from classroom.web.responses import json_response

if TYPE_CHECKING:
    from collections.abc import Callable
    from zoneinfo import ZoneInfo

MAX_QUERY_CHARS = 200
MAX_PAGE = 100_000


class _Asked(BaseModel):
    """The query of ``GET /api/library``."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    since: date | None = Field(None, alias="from")
    until: date | None = Field(None, alias="to")
    q: str = Field("", max_length=MAX_QUERY_CHARS)
    sort: Sort | None = None
    page: int = Field(1, ge=1, le=MAX_PAGE)
    page_size: int = Field(24, ge=1, le=MAX_PAGE_SIZE)


def routes() -> list[web.RouteDef]:
    """The doors of the library."""
    return [
        web.get("/api/library", library),
        web.get("/api/lessons/{lesson}/metadata", metadata),
        web.put("/api/lessons/{lesson}/metadata", put_metadata),
    ]


async def library(request: web.Request) -> web.Response:
    """One page of the recordings that are wanted."""
    operator = admit_operator(request)
    context = request.app[CONTEXT]
    query = parse_query(dict(request.query), context.region.zone)
    page = await context.catalogue.library(query)

    def key(lesson: LessonId) -> str:
        return media_key(context, lesson, None, operator)

    return json_response(
        {
            "total": page.total,
            "page": query.page,
            "page_size": query.page_size,
            "facets": {
                facet: [{"value": found.value, "count": found.count} for found in values]
                for facet, values in page.facets.items()
            },
            "items": [_item(item, key) for item in page.items],
        }
    )


def parse_query(asked: dict[str, str], zone: ZoneInfo) -> LibraryQuery:
    """What a query string asks for; days are those of the schools' ``zone``, ``to`` included. Raises Refusal (400)."""
    filters = {facet: storable(value) for facet in FACETS if (value := asked.pop(facet, "")) != ""}
    try:
        told = _Asked.model_validate({name: value for name, value in asked.items() if value != ""})
        since = None if told.since is None else midnight(told.since, zone)
        until = None if told.until is None else midnight(told.until + timedelta(days=1), zone)
    except ValidationError as error:
        name = ".".join(map(str, error.errors(include_url=False)[0]["loc"]))
        raise _bad_query(name) from None
    except (OverflowError, ValueError):
        raise _bad_query("from, to") from None
    return LibraryQuery(filters, since, until, told.q, told.sort, told.page, told.page_size)


def _bad_query(name: str) -> Refusal:
    return Refusal(400, "bad_query", f"查询条件 {name} 不对。 The query parameter {name} is wrong.")


def _item(item: LibraryItem, key: Callable[[LessonId], str]) -> dict[str, Any]:
    lesson = parse_lesson_id(item.lesson)
    cover = None
    if item.cover is not None:
        cover = f"/media/{lesson}/{item.holding}/{item.cover}?key={key(lesson)}"
    return {
        "lesson": lesson,
        "holding": item.holding,
        "title": item.title,
        "stage": item.stage,
        "grade": item.grade,
        "subject": item.subject,
        "edition": item.edition,
        "volume": item.volume,
        "chapter": item.chapter,
        "teacher": item.teacher,
        "school": item.school,
        "district": item.district,
        "started_at": iso(item.started_at),
        "duration_s": item.duration_s,
        "state": item.state,
        "detail": item.detail,
        "progress": item.progress,
        "gaps": item.gaps,
        "cover": cover,
        "hits": [
            {"kind": hit.kind.name.lower(), "at_s": hit.at_s, "text": hit.text, "marks": hit.marks} for hit in item.hits
        ],
    }


async def metadata(request: web.Request) -> web.Response:
    """What is said about a lesson: empty fields when nobody has said anything."""
    admit_reader(request, None)
    said = await request.app[CONTEXT].catalogue.metadata(LessonId(request.match_info["lesson"]))
    return _told(Metadata() if said is None else said.metadata)


async def put_metadata(request: web.Request) -> web.Response:
    """Say what a lesson is about, all of it at once; it need not have been recorded yet.

    ``If-Match`` with the tag of what was read keeps one of two who edit at once from undoing what the other said.
    """
    lesson = await admit_editor(request)
    context = request.app[CONTEXT]
    told = parse_metadata(await read_text(request, "application/json", "bad_request"))
    now = datetime.now(UTC)
    said = DatedMetadata(told, now.replace(microsecond=now.microsecond // 1000 * 1000))  # as precise as the files
    match = request.if_match
    over = None if match is None or any(tag.value == "*" for tag in match) else {tag.value for tag in match}
    await context.catalogue.set_metadata(lesson, said.metadata, said.updated_at, over)
    await asyncio.to_thread(context.recordings.put_metadata, lesson, said)
    await context.look_at(lesson)
    return _told(told)


def _told(metadata: Metadata) -> web.Response:
    response = json_response(metadata.as_json())
    response.etag = metadata.tag
    return response
