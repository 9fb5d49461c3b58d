"""A whole region as a spreadsheet: check an import, carry it out, give everything out."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from aiohttp import web
from pydantic import Field

from classroom.catalogue.passages import storable
from classroom.catalogue.region.tables import MAX_FILE_BYTES
from classroom.web.bodies import Query, read_query
from classroom.web.context import CONTEXT
from classroom.web.payload import read_bytes
from classroom.web.principal import account_of
from classroom.web.region.consent import require_rooms, rooms_of
from classroom.web.responses import NO_STORE, json_response

if TYPE_CHECKING:
    from classroom.catalogue.region.importing import Outcome

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
UPLOAD_S = 120.0  # 10 MiB from a school with 1 Mbit/s upwards
MAX_FAULTS = 1000  # that are told at once; who has more mends these first


class ImportQuery(Query):
    """``apply``: carry it out, if no row is bad; else it is only checked."""

    apply: bool = Field(False)


def routes() -> list[web.RouteDef]:
    """The doors."""
    return [
        web.post("/api/region/import", take_in),
        web.get("/api/region/export.xlsx", give_out),
        web.get("/api/region/template.xlsx", template),
    ]


async def take_in(request: web.Request) -> web.Response:
    """Check a spreadsheet, or import it: all of it, or nothing when a row is bad.

    The body is the file; the header ``X-Filename`` says what it is called, percent-encoded.
    """
    asked = read_query(request, ImportQuery)
    name = PurePath(storable(unquote(request.headers.get("X-Filename", "")))).name or "import.xlsx"
    files = [(PurePath(name), await read_bytes(request, "application/octet-stream", MAX_FILE_BYTES, UPLOAD_S))]
    context, scope = request.app[CONTEXT], account_of(request).scope
    checked = await context.region.exchange.check(files, scope)
    await require_rooms(request, {room for change in checked.changes for room in rooms_of(change.known.value)})
    if not asked.apply:
        return json_response(describe(checked, applied=False))
    outcome = await context.region.exchange.take_in(files, scope)
    if not outcome.bad:
        counts = {count.sheet.name: [count.created, count.changed] for count in outcome.counts}
        await context.audit.note(request, "region.import", name, counts)
        context.region_changed()
    return json_response(describe(outcome, applied=not outcome.bad))


async def give_out(request: web.Request) -> web.Response:
    """Everything within reach, as an import takes it."""
    context = request.app[CONTEXT]
    book = await context.region.exchange.give_out(account_of(request).scope)
    await context.audit.note(request, "region.export", "lianti-region.xlsx", {"bytes": len(book)})
    return _workbook(book, "lianti-region.xlsx")


async def template(request: web.Request) -> web.Response:
    """An empty workbook with its headers, examples and notes."""
    return _workbook(await request.app[CONTEXT].region.exchange.template(), "lianti-template.xlsx")


def describe(outcome: Outcome, *, applied: bool) -> dict[str, Any]:
    """What an import does or would do, for JSON."""
    return {
        "applied": applied,
        "kinds": [
            {
                "sheet": count.sheet.zh,
                "kind": count.sheet.name,
                "created": count.created,
                "changed": count.changed,
                "same": count.same,
            }
            for count in outcome.counts
        ],
        "faults_total": len(outcome.bad),
        "faults": [
            {"sheet": bad.place, "row": bad.row, "column": bad.column, "text": bad.why}
            for bad in outcome.bad[:MAX_FAULTS]
        ],
    }


def _workbook(data: bytes, name: str) -> web.Response:
    headers = {**NO_STORE, "Content-Disposition": f'attachment; filename="{name}"'}
    return web.Response(body=data, content_type=XLSX, headers=headers)
