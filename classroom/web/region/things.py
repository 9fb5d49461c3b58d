"""List, read, add, change and remove what a region is made of: the same five doors for every kind."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, cast

from aiohttp import web
from pydantic import Field, TypeAdapter, ValidationError

from classroom.catalogue.passages import storable
from classroom.catalogue.region.values import parsed
from classroom.web.bodies import Query, number_in, read_query
from classroom.web.context import CONTEXT
from classroom.web.payload import read_text
from classroom.web.principal import account_of
from classroom.web.problem import Refusal
from classroom.web.region.consent import require_rooms, rooms_of
from classroom.web.region.kinds import RESOURCES, Resource
from classroom.web.responses import json_response

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from classroom.catalogue.region.repository import Stored

MAX_PAGE_SIZE = 500
_ADAPTERS = {resource.name: TypeAdapter[Any](resource.kind.type) for resource in RESOURCES}


class ListQuery(Query):
    """What every list takes; the columns that narrow it are beside."""

    q: Annotated[str, Field(max_length=60)] = ""
    page: Annotated[int, Field(ge=1, le=100_000)] = 1
    page_size: Annotated[int, Field(ge=1, le=MAX_PAGE_SIZE)] = 100


def routes() -> list[web.RouteDef]:
    """Five doors for each kind."""
    found: list[web.RouteDef] = []
    for resource in RESOURCES:
        one = f"{resource.path}/{{id}}"
        found += [
            web.get(resource.path, _door(several, resource)),
            web.post(resource.path, _door(add, resource)),
            web.get(one, _door(read, resource)),
            web.put(one, _door(change, resource)),
            web.delete(one, _door(remove, resource)),
        ]
    return found


def _door(
    handler: Callable[[Resource, web.Request], Awaitable[web.Response]], resource: Resource
) -> Callable[[web.Request], Awaitable[web.Response]]:
    return partial(handler, resource)


async def several(resource: Resource, request: web.Request) -> web.Response:
    """One page of those within reach."""
    asked = read_query(request, ListQuery, beside=resource.narrowing)
    said = {name: storable(request.query.get(name, "")) for name in resource.narrowing}
    where = {name: _narrowed(resource, name, text) for name, text in said.items() if text}
    also = [about(where.pop(name)) for name, about in resource.involving.items() if name in where]
    repository = resource.of(request.app[CONTEXT].region)
    page = await repository.find(
        account_of(request).scope, text=asked.q, where=where, also=also, page=asked.page, page_size=asked.page_size
    )
    return json_response(
        {
            "total": page.total,
            "page": asked.page,
            "page_size": asked.page_size,
            "items": [describe(resource, stored) for stored in page.items],
        }
    )


async def read(resource: Resource, request: web.Request) -> web.Response:
    """One of them; its ETag is to be said by who changes it."""
    stored = await resource.of(request.app[CONTEXT].region).get(number_in(request, "id"), account_of(request).scope)
    return _told(resource, stored)


async def add(resource: Resource, request: web.Request) -> web.Response:
    """A new one."""
    value = parsed(resource.kind.type, await read_object(request))
    await require_rooms(request, rooms_of(value))
    context = request.app[CONTEXT]
    stored = await resource.of(context.region).create(value, account_of(request).scope)
    await context.audit.note(
        request, f"{resource.name}.add", f"{resource.kind.zh} {stored.id}", _said(resource, stored)
    )
    context.region_changed()
    response = _told(resource, stored, status=201)
    response.headers["Location"] = f"{resource.path}/{stored.id}"
    return response


async def change(resource: Resource, request: web.Request) -> web.Response:
    """All of it anew. ``If-Match`` with the tag of what was read keeps one of two editors from undoing the other."""
    value = parsed(resource.kind.type, await read_object(request))
    context, identity, scope = request.app[CONTEXT], number_in(request, "id"), account_of(request).scope
    repository = resource.of(context.region)
    if rooms := rooms_of(value):
        await require_rooms(request, rooms, rooms_of((await repository.get(identity, scope)).value))
    stored = await repository.update(identity, value, scope, over=tags_of(request))
    await context.audit.note(
        request, f"{resource.name}.change", f"{resource.kind.zh} {stored.id}", _said(resource, stored)
    )
    context.region_changed()
    return _told(resource, stored)


async def remove(resource: Resource, request: web.Request) -> web.Response:
    """Remove one that nothing refers to."""
    context = request.app[CONTEXT]
    repository, identity, scope = resource.of(context.region), number_in(request, "id"), account_of(request).scope
    gone = await repository.get(identity, scope)
    await repository.delete(identity, scope)
    await context.audit.note(
        request, f"{resource.name}.remove", f"{resource.kind.zh} {identity}", _said(resource, gone)
    )
    context.region_changed()
    return web.Response(status=204)


async def read_object(request: web.Request) -> dict[str, Any]:
    """The JSON object of a body. Raises Refusal (400, 408, 413, 415)."""
    text = await read_text(request, "application/json", "bad_request")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise Refusal(400, "bad_request", "内容应为 JSON 对象。 The body must be a JSON object.")
    return found


def tags_of(request: web.Request) -> list[str] | None:
    """The tags of ``If-Match``; None when whatever is there may be written over (no header, or ``*``)."""
    if "If-Match" not in request.headers:
        return None
    tags = request.if_match or ()
    return None if any(tag.value == "*" for tag in tags) else [tag.value for tag in tags if not tag.is_weak]


def describe(resource: Resource, stored: Stored[Any]) -> dict[str, Any]:
    """A value for JSON, with its id and with what its references are called."""
    return {"id": stored.id, **_said(resource, stored), "names": dict(stored.names)}


def _said(resource: Resource, stored: Stored[Any]) -> dict[str, Any]:
    return cast("dict[str, Any]", _ADAPTERS[resource.name].dump_python(stored.value, mode="json"))


def _told(resource: Resource, stored: Stored[Any], status: int = 200) -> web.Response:
    response = json_response(describe(resource, stored), status=status)
    response.etag = stored.tag
    return response


def _narrowed(resource: Resource, name: str, text: str) -> Any:
    """A column's value as the query says it. Raises Refusal (400)."""
    try:
        return TypeAdapter(resource.column_type(name)).validate_python(text)
    except ValidationError:
        raise Refusal(400, "bad_query", f"查询条件 {name} 不对。 The query parameter {name} is wrong.") from None
