"""Timetable entries with everything that their lessons are made of: term, bells, names, and all who listen."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from classroom.catalogue.region import schema
from classroom.catalogue.region.calendar import Bell, Bells, dates
from classroom.catalogue.region.conflicts import Booking, Resource, ResourceKind, Span
from classroom.catalogue.region.kinds import TIMETABLE
from classroom.catalogue.region.rows import to_value
from classroom.catalogue.region.storage import bells_of
from classroom.catalogue.region.values import Listener, PlannedLesson, Term, TimetableEntry
from classroom.model import LessonId

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from sqlalchemy import ColumnElement
    from sqlalchemy.ext.asyncio import AsyncConnection

_LESSON_ID = re.compile(r"d(\d{4})(\d\d)(\d\d)-(\d+)")
_ENTRY = "entry "  # the key of its booking
NO_BELLS = Bells(())


@dataclass(frozen=True, slots=True)
class About:
    """What the library says of a lesson: the names of its teacher, class and school."""

    teacher: str
    grade: str
    school: str
    school_code: str
    district: str


@dataclass(frozen=True, slots=True)
class Arrangement:
    """A timetable entry with its term and its school's bells. ``listeners`` are its own, then those who subscribe."""

    id: int
    entry: TimetableEntry
    term: Term
    bells: Bells
    about: About
    listeners: tuple[Listener, ...]

    def lessons(self, since: date, until: date) -> Iterator[tuple[date, Bell]]:
        """The days of its lessons, both ends among them, with their times. A day without its period has no lesson."""
        entry = self.entry
        first, last = max(since, self.term.starts_on), min(until, self.term.ends_on)
        days = dates(self.term.starts_on, last, entry.weekday, entry.weeks, entry.first_week, entry.last_week)
        for day in days:
            bell = self.bells.on(day).get(entry.period) if day >= first else None
            if bell is not None:
                yield day, bell

    def booking(self, since: date, instead: Collection[date] = ()) -> Booking:
        """What it takes from a day on, but for the days on which another plan stands in its place."""
        days: dict[tuple[Any, Any], set[date]] = defaultdict(set)
        for day, bell in self.lessons(since, self.term.ends_on):
            if day not in instead:
                days[bell.starts, bell.ends].add(day)
        return Booking(
            key=f"{_ENTRY}{self.id}",
            spans=tuple(Span(frozenset(on), starts, ends) for (starts, ends), on in days.items()),
            takes=taken(self.entry, self.listeners),
            subject=self.entry.subject,
            teacher=self.about.teacher,
            period=self.entry.period,
        )


def lesson_id(day: date, entry_id: int) -> LessonId:
    """The lesson of an entry on a day is always called the same."""
    return LessonId(f"d{day:%Y%m%d}-{entry_id}")


def origin(lesson: str) -> tuple[date, int] | None:
    """The day and the entry that a lesson was made of, wherever it was moved; None when it was planned by hand."""
    match = _LESSON_ID.fullmatch(lesson)
    if match is None:
        return None
    year, month, day, entry = map(int, match.groups())
    return date(year, month, day), entry


def entry_of(booking: Booking) -> int | None:
    """The entry whose lessons a booking is; None when it is a lesson of one day."""
    return int(booking.key.removeprefix(_ENTRY)) if booking.key.startswith(_ENTRY) else None


def taken(lesson: TimetableEntry | PlannedLesson, listeners: Iterable[Listener]) -> frozenset[Resource]:
    """The classrooms and classes of a lesson, main and listening, and its teacher."""
    took = {Resource(ResourceKind.TEACHER, lesson.teacher_id)}
    for where in (lesson, *listeners):
        took.add(Resource(ResourceKind.CLASSROOM, where.classroom_id))
        if where.class_id is not None:
            took.add(Resource(ResourceKind.CLASS, where.class_id))
    return frozenset(took)


def all_listeners(entry: TimetableEntry, subscribed: Iterable[Listener]) -> tuple[Listener, ...]:
    """Those of the entry, then those who subscribe; a classroom that is both listens as the entry says."""
    found = {listener.classroom_id: listener for listener in entry.listeners}
    for listener in subscribed:
        if listener.classroom_id != entry.classroom_id:
            found.setdefault(listener.classroom_id, listener)
    return tuple(found.values())


async def arrangements(connection: AsyncConnection, *conditions: ColumnElement[bool]) -> list[Arrangement]:
    """Those of the entries that meet the conditions, which may speak of ``timetable_entries`` alone."""
    entries, terms, people = schema.timetable_entries, schema.terms, schema.people
    joined = (
        entries.join(terms, terms.c.id == entries.c.term_id)
        .join(people, people.c.id == entries.c.teacher_id)
        .join(schema.classrooms, schema.classrooms.c.id == entries.c.classroom_id)
        .join(schema.schools, schema.schools.c.id == schema.classrooms.c.school_id)
        .join(schema.districts, schema.districts.c.id == schema.schools.c.district_id)
        .outerjoin(schema.classes, schema.classes.c.id == entries.c.class_id)
    )
    query = (
        select(
            entries,
            terms.c.name.label("term"),
            terms.c.starts_on,
            terms.c.ends_on,
            people.c.name.label("teacher"),
            schema.classrooms.c.school_id,
            schema.schools.c.name.label("school"),
            schema.schools.c.code.label("school_code"),
            schema.districts.c.name.label("district"),
            schema.classes.c.grade,
        )
        .select_from(joined)
        .where(*conditions)
        .order_by(entries.c.id)
    )
    rows = (await connection.execute(query)).all()
    own = await _own_listeners(connection, conditions)
    subscribed = await _subscribed(connection, conditions)
    bells = await bells_of(connection, {row.school_id for row in rows})
    found = []
    for row in rows:
        entry = to_value(TIMETABLE, row, own.get(row.id, ()))
        about = About(row.teacher, row.grade or "", row.school, row.school_code, row.district)
        term = Term(row.term, row.starts_on, row.ends_on)
        listeners = all_listeners(entry, subscribed.get((row.term_id, row.class_id, row.subject), ()))
        found.append(Arrangement(row.id, entry, term, bells.get(row.school_id, NO_BELLS), about, listeners))
    return found


async def _own_listeners(
    connection: AsyncConnection, conditions: Iterable[ColumnElement[bool]]
) -> Mapping[int, list[Any]]:
    entries, listeners = schema.timetable_entries, schema.entry_listeners
    query = select(listeners).where(listeners.c.entry_id.in_(select(entries.c.id).where(*conditions)))
    found: dict[int, list[Any]] = defaultdict(list)
    for row in await connection.execute(query.order_by(*listeners.primary_key)):
        found[row.entry_id].append(row)
    return found


async def _subscribed(
    connection: AsyncConnection, conditions: Iterable[ColumnElement[bool]]
) -> Mapping[tuple[int, int, str], list[Listener]]:
    """Who subscribes to the classes of the entries, by term, class and subject."""
    entries, subscriptions = schema.timetable_entries, schema.subscriptions
    taught = select(entries.c.class_id).where(*conditions)
    query = select(subscriptions).where(subscriptions.c.main_class_id.in_(taught)).order_by(subscriptions.c.id)
    found: dict[tuple[int, int, str], list[Listener]] = defaultdict(list)
    for row in await connection.execute(query):
        listener = Listener(row.classroom_id, row.class_id, row.assistant_id)
        found[row.term_id, row.main_class_id, row.subject].append(listener)
    return found
