"""Whose rooms may be made to listen.

A room that listens wakes its display, which sends the picture and the voices of children. A school says so itself, or
its district does: nobody else's administrator.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from classroom.catalogue.region.errors import NotFound
from classroom.catalogue.region.values import PlannedLesson, Subscription, TimetableEntry
from classroom.web.auth import Forbidden
from classroom.web.context import CONTEXT
from classroom.web.principal import account_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from aiohttp import web


def rooms_of(value: object) -> set[int]:
    """The classrooms that a value makes listen."""
    match value:
        case TimetableEntry() | PlannedLesson():
            return {listener.classroom_id for listener in value.listeners}
        case Subscription():
            return {value.classroom_id}
    return set()


async def require_rooms(request: web.Request, rooms: Iterable[int], before: Collection[int] = ()) -> None:
    """Raise Forbidden when rooms beyond reach are to listen that did not ``before``."""
    scope, classrooms = account_of(request).scope, request.app[CONTEXT].region.classrooms
    if scope.everything:
        return
    for room in set(rooms) - set(before):
        try:
            stored = await classrooms.get(room)
        except NotFound:
            continue  # who keeps the value says so
        try:
            await classrooms.get(room, scope)
        except NotFound:
            school = stored.names.get("school_id", "")
            raise Forbidden(
                f"{school}{stored.value.name} 不归您管：请由该校订阅，或请区县管理员安排。 "
                f"{school} {stored.value.name} is not yours: let that school subscribe, or its district arrange it."
            ) from None
