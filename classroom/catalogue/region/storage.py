"""The region's tables in the database: one writer at a time, and what rules and names are looked up."""

from __future__ import annotations

from collections import defaultdict
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import select, text

from classroom.catalogue.region import schema
from classroom.catalogue.region.beside import beside
from classroom.catalogue.region.calendar import Bell, Bells
from classroom.catalogue.region.rules import Facts, Room, references
from classroom.catalogue.region.school_calendar import SchoolCalendars
from classroom.catalogue.region.values import CalendarDay, District, PersonKind, Term

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Iterator
    from datetime import date

    from sqlalchemy import CursorResult, Row, Select, Table
    from sqlalchemy.ext.asyncio import AsyncConnection

    from classroom.catalogue.database import Database
    from classroom.catalogue.region.values import PlannedLesson, Value

_AT_ONCE = 100  # rows: making them holds the interpreter for less than a millisecond
_LOCK = 0x72656769  # of PostgreSQL: what one writer has checked must still be so when it commits


@asynccontextmanager
async def region_writing(database: Database) -> AsyncIterator[AsyncConnection]:
    """A transaction that no other writer of the region interferes with. Raises CatalogueUnavailable."""
    async with database.writing() as connection:
        if not database.is_sqlite:
            await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        yield connection


@asynccontextmanager
async def region_reading(database: Database) -> AsyncIterator[AsyncConnection]:
    """A connection to read with, by which several queries see the region as it was at one moment.

    Raises CatalogueUnavailable.
    """
    async with database.reading() as connection:
        if not database.is_sqlite:  # which does so anyway
            await connection.execution_options(isolation_level="REPEATABLE READ")
        yield connection


def rows_of(result: CursorResult[Any]) -> Iterator[Row[Any]]:
    """The rows of a result, for a thread: the database has given all of them, and the loop has turns between a few.

    What they are made into of a region with many schools, a thread makes, too: it takes longer than lessons may wait.
    """
    for some in result.partitions(_AT_ONCE):
        yield from some


async def facts_of(connection: AsyncConnection, value: Value | PlannedLesson) -> Facts:
    """What the rules need to know of what a value refers to."""
    wanted: dict[Table, set[int]] = defaultdict(set)
    for reference in references(value):
        wanted[reference.table].add(reference.id)
    rooms = await _rows(connection, schema.classrooms, wanted)
    return Facts(
        districts=await _districts(connection, value, wanted),
        schools={row.id: None for row in await _rows(connection, schema.schools, wanted)},
        classrooms={row.id: Room(row.school_id, row.leads) for row in rooms},
        classes={row.id: row.school_id for row in await _rows(connection, schema.classes, wanted)},
        people={row.id: PersonKind(row.kind) for row in await _rows(connection, schema.people, wanted)},
        terms={
            row.id: Term(row.name, row.starts_on, row.ends_on) for row in await _rows(connection, schema.terms, wanted)
        },
        bells=await bells_of(connection, {row.school_id for row in rooms}),
    )


async def bells_of(connection: AsyncConnection, school_ids: Collection[int] | Select[Any]) -> dict[int, Bells]:
    """The bells of schools by their ids."""
    schedules, bells = schema.bell_schedules, schema.bells
    query = select(schedules.c.school_id, schedules.c.valid_from, bells).join_from(schedules, bells)
    query = query.where(schedules.c.school_id.in_(school_ids))
    return await beside(_bells, await connection.execute(query))


def _bells(result: CursorResult[Any]) -> dict[int, Bells]:
    found: dict[int, dict[Any, list[Bell]]] = defaultdict(lambda: defaultdict(list))
    for row in rows_of(result):
        found[row.school_id][row.valid_from].append(Bell(row.period, row.starts, row.ends))
    return {school: Bells(of_school.items()) for school, of_school in found.items()}


async def calendars_of(connection: AsyncConnection) -> SchoolCalendars:
    """The calendars of all schools."""
    rows = (await connection.execute(select(schema.calendar_days))).all()
    if not rows:
        return SchoolCalendars()
    days = [CalendarDay(row.on_date, row.name, row.follows, row.district_id, row.school_id) for row in rows]
    return SchoolCalendars(
        days,
        {row.id: row.district_id for row in await connection.execute(select(schema.schools))},
        await parents_of_districts(connection),
    )


async def weekdays_on(connection: AsyncConnection, days: Collection[date]) -> set[int]:
    """The days of the week whose lessons may be held on some days: their own, and those which some schools follow."""
    special = schema.calendar_days
    query = select(special.c.follows).distinct().where(special.c.on_date.in_(days), special.c.follows.is_not(None))
    followed = {row.follows for row in await connection.execute(query)}
    return {day.isoweekday() for day in (*days, *followed)}


async def parents_of_districts(connection: AsyncConnection) -> dict[int, int | None]:
    """Every district with the one above it."""
    districts = schema.districts
    return {row.id: row.parent_id for row in await connection.execute(select(districts.c.id, districts.c.parent_id))}


async def _rows(connection: AsyncConnection, table: Table, wanted: dict[Table, set[int]]) -> list[Any]:
    if not wanted[table]:
        return []
    return list(await connection.execute(select(table).where(table.c.id.in_(wanted[table]))))


async def _districts(
    connection: AsyncConnection, value: Value | PlannedLesson, wanted: dict[Table, set[int]]
) -> dict[int, int | None]:
    if isinstance(value, District):  # whose parents are followed upwards
        return await parents_of_districts(connection)
    return {row.id: row.parent_id for row in await _rows(connection, schema.districts, wanted)}
