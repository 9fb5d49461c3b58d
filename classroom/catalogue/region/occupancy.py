"""Whether a lesson would meet another one in the same room, with the same teacher or the same class."""

from __future__ import annotations

from collections import defaultdict
from itertools import chain
from typing import TYPE_CHECKING, Any

from sqlalchemy import exists, or_, select

from classroom.catalogue.region import schema
from classroom.catalogue.region.arrangements import arrangements, lesson_id, origin
from classroom.catalogue.region.beside import beside
from classroom.catalogue.region.conflicts import Booking, Bookings, Resource, ResourceKind, Span, explain
from classroom.catalogue.region.errors import Conflict
from classroom.catalogue.region.kinds import subscribes
from classroom.catalogue.region.naming import names
from classroom.catalogue.region.plans import PlanState
from classroom.catalogue.region.storage import rows_of, weekdays_on

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date
    from zoneinfo import ZoneInfo

    from sqlalchemy import ColumnElement, CursorResult
    from sqlalchemy.ext.asyncio import AsyncConnection

    from classroom.catalogue.region.arrangements import Arrangement
    from classroom.catalogue.region.conflicts import Clash

_TABLES = {
    ResourceKind.CLASSROOM: schema.classrooms,
    ResourceKind.TEACHER: schema.people,
    ResourceKind.CLASS: schema.classes,
}


async def refuse_conflicts(
    connection: AsyncConnection, condition: ColumnElement[bool], since: date, zone: ZoneInfo
) -> None:
    """Raises Conflict when the lessons of these entries, from a day on, meet one another or those of anybody else.

    The condition may speak of ``timetable_entries`` alone.
    """
    entries = schema.timetable_entries
    instead = await gave_way(connection, since)
    found = await arrangements(connection, condition)
    for booking in (each for mine in found for each in mine.bookings(since, instead=instead[mine.id])):
        weekdays = await weekdays_on(connection, {day for span in booking.spans for day in span.dates})
        others = await arrangements(connection, entries.c.weekday.in_(weekdays), _entry_takes(booking.takes))
        bookings = Bookings(each for other in others for each in other.bookings(since, instead=instead[other.id]))
        for plan in await planned_by_hand(connection, zone, since, _plan_takes(booking.takes)):
            bookings.add(plan)
        await _refuse(connection, bookings, booking)


async def all_conflicts(
    connection: AsyncConnection, condition: ColumnElement[bool], since: date, zone: ZoneInfo
) -> list[tuple[int, Clash]]:
    """Every clash of these entries from a day on, with the entry, by the day; two of them that clash are there twice.

    The condition may speak of ``timetable_entries`` alone.
    """
    instead = await gave_way(connection, since)
    by_hand = await planned_by_hand(connection, zone, since)
    asked_for = await connection.execute(select(schema.timetable_entries.c.id).where(condition))
    return await beside(_clashes, await arrangements(connection), asked_for, by_hand, since, instead)


def _clashes(
    found: Iterable[Arrangement],
    asked_for: CursorResult[Any],
    by_hand: Iterable[Booking],
    since: date,
    instead: Mapping[int, set[date]],
) -> list[tuple[int, Clash]]:
    bookings = {each.id: each.bookings(since, instead=instead.get(each.id, ())) for each in found}
    everything = Bookings([*chain.from_iterable(bookings.values()), *by_hand])
    mine = (row.id for row in rows_of(asked_for))
    clashes = [(identity, clash) for identity in mine for clash in everything.clashes(*bookings[identity])]
    return sorted(clashes, key=lambda each: (each[1].day, each[0]))


async def refuse_conflicts_of_plan(connection: AsyncConnection, booking: Booking, zone: ZoneInfo) -> None:
    """Raises Conflict when a planned lesson of one day, whose key is its id, meets another one."""
    (span,) = booking.spans
    (day,) = span.dates
    plans = schema.lesson_plans
    bookings = Bookings(await _plans(connection, zone, plans.c.on_date == day, _plan_takes(booking.takes)))
    # Beyond what has been planned the timetable counts; where a lesson has a plan, wherever that is now, the plan does.
    entries = schema.timetable_entries
    weekdays = await weekdays_on(connection, [day])
    others = await arrangements(connection, entries.c.weekday.in_(weekdays), _entry_takes(booking.takes))
    made = {other.id: lesson_id(day, other.id) for other in others}
    query = select(plans.c.lesson_id).where(plans.c.lesson_id.in_(made.values()))
    planned = {row.lesson_id for row in await connection.execute(query)}
    for other in others:
        if made[other.id] not in planned and made[other.id] != booking.key:
            for each in other.bookings(day, day):
                bookings.add(each)
    await _refuse(connection, bookings, booking)


async def planned_by_hand(
    connection: AsyncConnection, zone: ZoneInfo, since: date, *conditions: ColumnElement[bool]
) -> list[Booking]:
    """The lessons from a day on that do not follow the timetable."""
    plans = schema.lesson_plans
    by_hand = or_(plans.c.changed, plans.c.entry_id.is_(None))
    return await _plans(connection, zone, plans.c.on_date >= since, by_hand, *conditions)


async def told(connection: AsyncConnection, clashes: Sequence[Clash]) -> list[str]:
    """Clashes in the words of people."""
    called: dict[Resource, str] = {}
    for kind, table in _TABLES.items():
        ids = {clash.resource.id for clash in clashes if clash.resource.kind is kind}
        found = await names(connection, table, ids)
        called |= {Resource(kind, identity): found.get(identity, "") for identity in ids}
    return [explain(clash, called) for clash in clashes]


async def _refuse(connection: AsyncConnection, bookings: Bookings, booking: Booking) -> None:
    clashes = bookings.clashes(booking)
    if clashes:
        raise Conflict((await told(connection, clashes[:1]))[0])


async def gave_way(connection: AsyncConnection, since: date) -> Mapping[int, set[date]]:
    """By entry the days whose lesson somebody changed, moved or cancelled: its plan counts, not the timetable."""
    plans = schema.lesson_plans
    # A lesson is called after the day it was made for, which may be later than the day it was moved to.
    query = select(plans.c.lesson_id).where(plans.c.changed)
    found: dict[int, set[date]] = defaultdict(set)
    for row in await connection.execute(query):
        made = origin(row.lesson_id)
        if made is not None and made[0] >= since:
            found[made[1]].add(made[0])
    return found


async def _plans(connection: AsyncConnection, zone: ZoneInfo, *conditions: ColumnElement[bool]) -> list[Booking]:
    """The lessons that are planned, not cancelled, as bookings in local time."""
    plans, listeners = schema.lesson_plans, schema.lesson_listeners
    wanted = (plans.c.state == PlanState.PLANNED, *conditions)
    takes: dict[str, set[Resource]] = defaultdict(set)
    query = select(listeners).where(listeners.c.lesson_id.in_(select(plans.c.lesson_id).where(*wanted)))
    for row in await connection.execute(query):
        takes[row.lesson_id] |= _taken(row)
    joined = select(plans, schema.people.c.name.label("teacher")).join(
        schema.people, schema.people.c.id == plans.c.teacher_id
    )
    found = []
    for row in await connection.execute(joined.where(*wanted)):
        starts, ends = row.starts_at.astimezone(zone).time(), row.ends_at.astimezone(zone).time()
        took = takes[row.lesson_id] | _taken(row) | {Resource(ResourceKind.TEACHER, row.teacher_id)}
        span = Span(frozenset([row.on_date]), starts, ends)
        found.append(Booking(row.lesson_id, (span,), frozenset(took), row.subject, row.teacher, row.period))
    return found


def _taken(row: Any) -> set[Resource]:
    room = {Resource(ResourceKind.CLASSROOM, row.classroom_id)}
    return room if row.class_id is None else room | {Resource(ResourceKind.CLASS, row.class_id)}


def _entry_takes(takes: Iterable[Resource]) -> ColumnElement[bool]:
    """The condition that an entry has one of these, itself or through who listens."""
    entries, listeners, subscriptions = schema.timetable_entries, schema.entry_listeners, schema.subscriptions
    rooms, teachers, classes = _sorted(takes)
    return or_(
        entries.c.classroom_id.in_(rooms),
        entries.c.teacher_id.in_(teachers),
        entries.c.class_id.in_(classes),
        exists()
        .where(
            listeners.c.entry_id == entries.c.id,
            or_(listeners.c.classroom_id.in_(rooms), listeners.c.class_id.in_(classes)),
        )
        .correlate(entries),
        exists()
        .where(subscribes(), or_(subscriptions.c.classroom_id.in_(rooms), subscriptions.c.class_id.in_(classes)))
        .correlate(entries),
    )


def _plan_takes(takes: Iterable[Resource]) -> ColumnElement[bool]:
    plans, listeners = schema.lesson_plans, schema.lesson_listeners
    rooms, teachers, classes = _sorted(takes)
    return or_(
        plans.c.classroom_id.in_(rooms),
        plans.c.teacher_id.in_(teachers),
        plans.c.class_id.in_(classes),
        exists()
        .where(
            listeners.c.lesson_id == plans.c.lesson_id,
            or_(listeners.c.classroom_id.in_(rooms), listeners.c.class_id.in_(classes)),
        )
        .correlate(plans),
    )


def _sorted(takes: Iterable[Resource]) -> tuple[list[int], list[int], list[int]]:
    wanted = list(takes)
    rooms, teachers, classes = (
        [resource.id for resource in wanted if resource.kind is kind]
        for kind in (ResourceKind.CLASSROOM, ResourceKind.TEACHER, ResourceKind.CLASS)
    )
    return rooms, teachers, classes
