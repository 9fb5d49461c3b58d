"""What those are called whose ids are in the audit log: schools, rooms, people, lessons. Who is gone has no name."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

from classroom.catalogue.accounts.schema import devices
from classroom.catalogue.region import schema
from classroom.catalogue.region.naming import names
from classroom.catalogue.region.rules import FIELD_TABLES
from classroom.catalogue.region.storage import region_reading
from classroom.catalogue.schema import lessons

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlalchemy import Table

    from classroom.catalogue.accounts.audit import Entry
    from classroom.catalogue.database import Database

OBJECT = "object"  # the path of what was done something to
_FIELDS = {**FIELD_TABLES, "person_id": schema.people}
_OBJECTS = {  # by the beginning of the action; those of the region end in their number: 学校 12
    "bells": schema.bell_schedules,
    "calendar": schema.calendar_days,
    "classes": schema.classes,
    "classrooms": schema.classrooms,
    "districts": schema.districts,
    "people": schema.people,
    "schools": schema.schools,
    "subscriptions": schema.subscriptions,
    "terms": schema.terms,
    "timetable": schema.timetable_entries,
}
_BY_TEXT = {"device": devices, "plan": lessons}


class _Named(NamedTuple):
    path: str
    table: Table
    id: Any


async def names_in(database: Database, entries: Sequence[Entry]) -> list[dict[str, str]]:
    """For each entry what its ids are called, by their path in ``detail``: ``school_id``, ``listeners.0.class_id``.

    What was done something to is under OBJECT. One query for each kind of thing. Raises CatalogueUnavailable.
    """
    found = [list(_ids(entry)) for entry in entries]
    wanted: dict[Table, set[Any]] = defaultdict(set)
    for ids in found:
        for named in ids:
            wanted[named.table].add(named.id)
    async with region_reading(database) as connection:
        called = {table: await names(connection, table, ids) for table, ids in wanted.items()}
    return [{path: called[table][of] for path, table, of in ids if of in called[table]} for ids in found]


def _ids(entry: Entry) -> Iterator[_Named]:
    yield from _in_detail("", entry.detail)
    about = entry.action.partition(".")[0]
    number = entry.object.rpartition(" ")[2]
    if about in _BY_TEXT:
        yield _Named(OBJECT, _BY_TEXT[about], entry.object)
    elif about in _OBJECTS and number.isascii() and number.isdigit():
        yield _Named(OBJECT, _OBJECTS[about], int(number))


def _in_detail(prefix: str, detail: Mapping[str, Any]) -> Iterator[_Named]:
    for name, value in detail.items():
        if name in _FIELDS and isinstance(value, int):
            yield _Named(prefix + name, _FIELDS[name], value)
        elif isinstance(value, list):
            for number, part in enumerate(value):
                if isinstance(part, dict):
                    yield from _in_detail(f"{prefix}{name}.{number}.", part)
