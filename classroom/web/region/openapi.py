"""The description of the region's doors (OpenAPI 3.1), made from the types that read and write their bodies."""

from __future__ import annotations

from functools import cache
from importlib.metadata import version
from typing import Any

from aiohttp import web
from pydantic import TypeAdapter
from pydantic.json_schema import models_json_schema

from classroom.catalogue.region.plans import Plan
from classroom.catalogue.region.timetable import Meetings
from classroom.catalogue.region.values import CalendarSpan, PlannedLesson
from classroom.web.region.calendar import CalendarQuery
from classroom.web.region.exchange import XLSX, ImportQuery
from classroom.web.region.kinds import RESOURCES, Resource
from classroom.web.region.plans import PlansQuery
from classroom.web.region.things import ListQuery
from classroom.web.responses import json_response

SCHEMAS = "#/components/schemas/"
LOCAL_TIME = r"^([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?$"
_PROBLEM = {
    "type": "object",
    "description": "RFC 9457; `code` is for programs, `detail` for people (Chinese and English).",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string"},
        "field": {"type": "string"},
    },
    "required": ["type", "title", "status", "detail", "code"],
}
_FILENAME = {
    "name": "X-Filename",
    "in": "header",
    "description": "What the file is called, percent-encoded: .xlsx or .csv.",
    "schema": {"type": "string"},
}
_REFUSALS = {
    "400": "The request cannot be understood.",
    "401": "Nobody is signed in.",
    "403": "The account may not do this, has to change its first password, or the CSRF token is missing.",
    "404": "There is none, or it is not within reach.",
    "409": "It is there already (`duplicate`), used by others (`in_use`), or would be in two places (`conflict`).",
    "412": "Somebody else has changed it meanwhile.",
    "413": "The body is too large.",
    "415": "The body is not JSON.",
    "422": "A field is wrong; `field` names it.",
    "503": "The database does not answer; try again.",
}


def routes() -> list[web.RouteDef]:
    """The door."""
    return [web.get("/api/openapi.json", openapi)]


async def openapi(request: web.Request) -> web.Response:
    """The document."""
    return json_response(document())


@cache
def document() -> dict[str, Any]:
    """The whole document."""
    schemas: dict[str, Any] = {"Problem": _PROBLEM}
    paths: dict[str, Any] = {}
    for resource in RESOURCES:
        paths |= _paths_of(resource, schemas)
    paths |= _calendar_paths(schemas)
    paths |= _plan_paths(schemas)
    paths |= _exchange_paths()
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "联体课堂 Lianti Classroom: region and timetable",
            "version": version("lianti-classroom"),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"session": [], "csrf": []}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "session": {"type": "apiKey", "in": "cookie", "name": "session"},
                "csrf": {"type": "apiKey", "in": "header", "name": "X-CSRF", "description": "From GET /api/session."},
            },
        },
    }


def _paths_of(resource: Resource, schemas: dict[str, Any]) -> dict[str, Any]:
    name = resource.kind.type.__name__
    said = _schema(resource.kind.type, "validation", schemas, name)
    stored = _schema_of(resource.kind.type, "serialization", schemas)
    stored["properties"] |= {
        "id": {"type": "integer"},
        "names": {
            "type": "object",
            "description": "What references are called, by their path.",
            "additionalProperties": {"type": "string"},
        },
    }
    stored["required"] = [*stored.get("required", []), "id", "names"]
    schemas[f"Stored{name}"] = stored
    one = {"$ref": f"{SCHEMAS}Stored{name}"}
    tag = resource.name
    narrowing = [
        {"name": column, "in": "query", "schema": _or_empty(TypeAdapter(resource.column_type(column)).json_schema())}
        for column in resource.narrowing
    ]
    identity = {"name": "id", "in": "path", "required": True, "schema": {"type": "integer", "minimum": 1}}
    if_match = {"name": "If-Match", "in": "header", "schema": {"type": "string"}}
    return {
        resource.path: {
            "get": _operation(f"list_{tag}", tag, "One page of those within reach", _page_of(one),
                              parameters=[*_query(ListQuery), *narrowing]),
            "post": _operation(f"add_{tag}", tag, "Add one", one, body=said, status="201"),
        },
        f"{resource.path}/{{id}}": {
            "parameters": [identity],
            "get": _operation(f"read_{tag}", tag, "One of them", one),
            "put": _operation(f"change_{tag}", tag, "All of it anew", one, body=said, parameters=[if_match]),
            "delete": _operation(f"remove_{tag}", tag, "Remove one that nothing refers to", None, status="204"),
        },
    }  # fmt: skip


def _calendar_paths(schemas: dict[str, Any]) -> dict[str, Any]:
    day = {"$ref": f"{SCHEMAS}StoredCalendarDay"}
    days = {"type": "object", "properties": {"items": {"type": "array", "items": day}}, "required": ["items"]}
    said = _schema(CalendarSpan, "validation", schemas, "CalendarSpan")
    meetings = _schema(Meetings, "serialization", schemas, "Meetings")
    return {
        "/api/calendar": {
            "get": _operation("list_calendar_days", "calendar", "What counts on each day: what is said nearest", days,
                              parameters=_query(CalendarQuery)),
            "put": _operation("change_calendar_days", "calendar", "Days in a row: all or none", days, body=said),
        },
        "/api/region/conflicts": {
            "get": _operation("list_conflicts", "timetable", "Lessons of the timetable that meet others", meetings),
        },
    }  # fmt: skip


def _plan_paths(schemas: dict[str, Any]) -> dict[str, Any]:
    said = _schema(PlannedLesson, "validation", schemas, "PlannedLesson")
    plan = _schema(Plan, "serialization", schemas, "Plan")
    local = {"type": "string", "pattern": LOCAL_TIME, "description": "Local time of the schools."}
    schemas["Plan"]["properties"] |= {"starts": local, "ends": local}
    items = {"type": "object", "properties": {"items": {"type": "array", "items": plan}}, "required": ["items"]}
    lesson = {"name": "lesson", "in": "path", "required": True,
              "schema": {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"}}  # fmt: skip
    return {
        "/api/plans": {
            "get": _operation("list_plans", "plans", "What is planned on some days", items,
                              parameters=_query(PlansQuery)),
            "post": _operation("add_plan", "plans", "A lesson that no timetable has", plan, body=said, status="201"),
        },
        "/api/plans/{lesson}": {
            "parameters": [lesson],
            "get": _operation("read_plan", "plans", "One plan", plan),
            "put": _operation("change_plan", "plans", "Another time, room, teacher or audience", plan, body=said),
            "delete": _operation("remove_plan", "plans", "Forget one that was planned by hand", None, status="204"),
        },
        "/api/plans/{lesson}/cancel": {
            "parameters": [lesson],
            "post": _operation("cancel_plan", "plans", "It does not take place", plan),
        },
        "/api/plans/{lesson}/restore": {
            "parameters": [lesson],
            "post": _operation("restore_plan", "plans", "As the timetable has it again", plan),
        },
    }  # fmt: skip


def _exchange_paths() -> dict[str, Any]:
    count = {
        "type": "object",
        "properties": {
            "sheet": {"type": "string"},
            "kind": {"type": "string"},
            "created": {"type": "integer"},
            "changed": {"type": "integer"},
            "same": {"type": "integer"},
        },
    }
    fault = {
        "type": "object",
        "properties": {
            "sheet": {"type": "string"},
            "row": {"type": ["integer", "null"]},
            "column": {"type": ["string", "null"]},
            "text": {"type": "string"},
        },
    }
    outcome = {
        "type": "object",
        "properties": {
            "applied": {"type": "boolean"},
            "kinds": {"type": "array", "items": count},
            "faults_total": {"type": "integer"},
            "faults": {"type": "array", "items": fault},
        },
        "required": ["applied", "kinds", "faults_total", "faults"],
    }
    take_in = _operation("import_region", "exchange", "Check a spreadsheet, or import all of it", outcome,
                         parameters=[*_query(ImportQuery), _FILENAME])  # fmt: skip
    take_in["requestBody"] = {"required": True, "content": {"application/octet-stream": {}}}
    return {
        "/api/region/import": {"post": take_in},
        "/api/region/export.xlsx": {"get": _download("read_export", "Everything within reach, as an import takes it")},
        "/api/region/template.xlsx": {"get": _download("read_template", "An empty workbook with examples and notes")},
    }


def _download(identity: str, summary: str) -> dict[str, Any]:
    operation = _operation(identity, "exchange", summary, None)
    operation["responses"]["200"]["content"] = {XLSX: {}}
    return operation


def _operation(
    identity: str,
    tag: str,
    summary: str,
    answer: dict[str, Any] | None,
    *,
    status: str = "200",
    body: dict[str, Any] | None = None,
    parameters: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    responses: dict[str, Any] = {status: {"description": summary}}
    if answer is not None:
        responses[status]["content"] = {"application/json": {"schema": answer}}
    for refusal, why in _REFUSALS.items():
        problem = {"application/problem+json": {"schema": {"$ref": f"{SCHEMAS}Problem"}}}
        responses[refusal] = {"description": why, "content": problem}
    operation: dict[str, Any] = {"operationId": identity, "tags": [tag], "summary": summary, "responses": responses}
    if identity.startswith(("list_", "read_")):
        operation["security"] = [{"session": []}]  # what only reads needs no CSRF token
    if parameters:
        operation["parameters"] = parameters
    if body is not None:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    return operation


def _page_of(one: dict[str, Any]) -> dict[str, Any]:
    number = {"type": "integer"}
    return {
        "type": "object",
        "properties": {
            "total": number,
            "page": number,
            "page_size": number,
            "items": {"type": "array", "items": one},
        },
        "required": ["total", "page", "page_size", "items"],
    }


def _query(model: Any) -> list[dict[str, Any]]:
    """The query parameters that a model reads."""
    _, described = models_json_schema([(model, "validation")])
    (found,) = described["$defs"].values()
    needed = found.get("required", [])
    return [
        {
            "name": name,
            "in": "query",
            "required": name in needed,
            "schema": schema if name in needed else _or_empty(schema),
        }
        for name, schema in found["properties"].items()
    ]


def _or_empty(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"const": "", "description": "As if it was not there."}]}


def _schema(kind: Any, mode: Any, schemas: dict[str, Any], name: str) -> dict[str, Any]:
    """Put the schema of a type among the components; returns the reference."""
    schemas[name] = _schema_of(kind, mode, schemas)
    return {"$ref": f"{SCHEMAS}{name}"}


def _schema_of(kind: Any, mode: Any, schemas: dict[str, Any]) -> dict[str, Any]:
    """The schema of a type; those that it uses are put among the components."""
    made = TypeAdapter(kind).json_schema(mode=mode, ref_template=f"{SCHEMAS}{{model}}")
    _say_local_times(made)
    for used, schema in made.pop("$defs", {}).items():
        schemas.setdefault(used, schema)
    return made


def _say_local_times(schema: Any) -> None:
    """A bell rings at a local time; what JSON Schema calls a time has a zone."""
    if isinstance(schema, dict):
        if schema.get("format") == "time":
            del schema["format"]
            schema["pattern"] = LOCAL_TIME
        for part in schema.values():
            _say_local_times(part)
    elif isinstance(schema, list):
        for part in schema:
            _say_local_times(part)
