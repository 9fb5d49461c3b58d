"""Timetable entries with everything that their lessons are made of: term, bells, names, and all who listen."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from classroom.catalogue.region import schema
from classroom.catalogue.region.beside import beside
from classroom.catalogue.region.calendar import Bell, Bells, dates
from classroom.catalogue.region.conflicts import Booking, Resource, ResourceKind, Span
from classroom.catalogue.region.kinds import TIMETABLE
from classroom.catalogue.region.rows import to_value
from classroom.catalogue.region.storage import bells_of, calendars_of, rows_of
from classroom.catalogue.region.values import Listener, PlannedLesson, Term, TimetableEntry
from classroom.model import LessonId

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from sqlalchemy import ColumnElement, CursorResult, Select
    from sqlalchemy.ext.asyncio import AsyncConnection

    from classroom.catalogue.region.school_calendar import SchoolCalendar, SchoolCalendars

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
class Held:
    """What lessons are held by: the term, the bells and the calendar of the main school.

    ``elsewhere`` are the calendars of the schools that listen, by their classrooms.
    """

    term: Term
    bells: Bells
    calendar: SchoolCalendar
    elsewhere: Mapping[int, SchoolCalendar]


@dataclass(frozen=True, slots=True)
class Arrangement:
    """A timetable entry with what its lessons are held by. ``listeners`` are its own, then those who subscribe."""

    id: int
    entry: TimetableEntry
    held: Held
    about: About
    listeners: tuple[Listener, ...]

    def lessons(self, since: date, until: date) -> Iterator[tuple[date, Bell]]:
        """The days of its lessons, both ends among them, with their times. A day without its period has no lesson."""
        entry, term = self.entry, self.held.term
        regular = dates(term.starts_on, term.ends_on, entry.weekday, entry.weeks, entry.first_week, entry.last_week)
        for day in self.held.calendar.held(regular):
            bell = self.held.bells.on(day).get(entry.period) if since <= day <= until else None
            if bell is not None:
                yield day, bell

    def listening(self, day: date) -> tuple[Listener, ...]:
        """Those whose own school has no holiday on a day."""
        calendars = self.held.elsewhere
        return tuple(each for each in self.listeners if calendars[each.classroom_id].has_lessons(day))

    def bookings(self, since: date, until: date = date.max, instead: Collection[date] = ()) -> list[Booking]:
        """What it takes on the days of a span, but for those on which another plan stands in its place.

        There is one for all days, unless some who listen have holidays then.
        """
        days: dict[Any, dict[tuple[Any, Any], set[date]]] = defaultdict(lambda: defaultdict(set))
        holidays: frozenset[date] = frozenset().union(*(calendar.holidays for calendar in self.held.elsewhere.values()))
        for day, bell in self.lessons(since, until):
            if day not in instead:
                listening = self.listening(day) if day in holidays else self.listeners
                days[listening][bell.starts, bell.ends].add(day)
        return [
            Booking(
                key=f"{_ENTRY}{self.id}",
                spans=tuple(Span(frozenset(on), starts, ends) for (starts, ends), on in at.items()),
                takes=taken(self.entry, listening),
                subject=self.entry.subject,
                teacher=self.about.teacher,
                period=self.entry.period,
            )
            for listening, at in days.items()
        ]


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
    told = await connection.execute(query)
    own = await connection.execute(_own_listeners(conditions))
    subscribed = await connection.execute(_subscribed(conditions))
    bells = await bells_of(connection, select(schema.classrooms.c.school_id).join(entries).where(*conditions))
    return await beside(_arranged, told, own, subscribed, bells, await calendars_of(connection))


def _arranged(
    told: CursorResult[Any],
    own: CursorResult[Any],
    subscribed: CursorResult[Any],
    bells: Mapping[int, Bells],
    calendars: SchoolCalendars,
) -> list[Arrangement]:
    schools: dict[int, int] = {}  # of the classrooms that listen
    parts: dict[int, list[Any]] = defaultdict(list)
    for row in rows_of(own):
        parts[row.entry_id].append(row)
        schools[row.classroom_id] = row.school_id
    subscribers: dict[tuple[int, int, str], list[Listener]] = defaultdict(list)
    for row in rows_of(subscribed):
        listener = Listener(row.classroom_id, row.class_id, row.assistant_id)
        subscribers[row.term_id, row.main_class_id, row.subject].append(listener)
        schools[row.classroom_id] = row.school_id
    found = []
    for row in rows_of(told):
        entry = to_value(TIMETABLE, row, parts.get(row.id, ()))
        about = About(row.teacher, row.grade or "", row.school, row.school_code, row.district)
        term = Term(row.term, row.starts_on, row.ends_on)
        listeners = all_listeners(entry, subscribers.get((row.term_id, row.class_id, row.subject), ()))
        elsewhere = {each.classroom_id: calendars.of(schools[each.classroom_id]) for each in listeners}
        held = Held(term, bells.get(row.school_id, NO_BELLS), calendars.of(row.school_id), elsewhere)
        found.append(Arrangement(row.id, entry, held, about, listeners))
    return found


def _own_listeners(conditions: Iterable[ColumnElement[bool]]) -> Select[Any]:
    entries, listeners = schema.timetable_entries, schema.entry_listeners
    return (
        select(listeners, schema.classrooms.c.school_id)
        .join(schema.classrooms, schema.classrooms.c.id == listeners.c.classroom_id)
        .where(listeners.c.entry_id.in_(select(entries.c.id).where(*conditions)))
        .order_by(*listeners.primary_key)
    )


def _subscribed(conditions: Iterable[ColumnElement[bool]]) -> Select[Any]:
    """Who subscribes to the classes of the entries, with the schools of their classrooms."""
    entries, subscriptions = schema.timetable_entries, schema.subscriptions
    taught = select(entries.c.class_id).where(*conditions)
    return (
        select(subscriptions, schema.classrooms.c.school_id)
        .join(schema.classrooms, schema.classrooms.c.id == subscriptions.c.classroom_id)
        .where(subscriptions.c.main_class_id.in_(taught))
        .order_by(subscriptions.c.id)
    )
