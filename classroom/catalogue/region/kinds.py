"""The kinds of things that a region keeps: their tables and keys, what they refer to, and whose they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic

from sqlalchemy import exists, false, or_, select, true

from classroom.catalogue.region import schema
from classroom.catalogue.region.values import (
    BellSchedule,
    CalendarDay,
    Classroom,
    District,
    Person,
    School,
    SchoolClass,
    Subscription,
    T,
    Term,
    TimetableEntry,
)
from classroom.catalogue.scope import Scope, within

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy import ColumnElement, Table


@dataclass(frozen=True, slots=True)
class Part:
    """Rows of another table that belong to a value: a tuple in its field ``field``; ``owner`` is their column."""

    field: str
    table: Table
    owner: str


@dataclass(frozen=True, slots=True)
class Kind(Generic[T]):
    """``keys`` are the columns that no two have alike; in those ``searched`` words are looked for.

    Who ``sees`` a value may read it, who ``owns`` it may change it.
    """

    type: type[T]
    table: Table
    zh: str
    en: str
    keys: tuple[tuple[str, ...], ...]
    references: Mapping[str, Table]
    order: tuple[ColumnElement[Any], ...]
    searched: tuple[ColumnElement[Any], ...]
    sees: Callable[[Scope], ColumnElement[bool]]
    owns: Callable[[Scope], ColumnElement[bool]]
    part: Part | None = None
    above: str | None = None  # the field that names the district which it is in or below
    empty_is_key: bool = False  # two are alike, too, where both have nothing in a column of a key

    def moves(self, before: T, after: T) -> tuple[int | None, ...]:
        """The districts from and to which a change moves a value: both are to be within reach of who does it."""
        if self.above is None or getattr(before, self.above) == getattr(after, self.above):
            return ()
        return getattr(before, self.above), getattr(after, self.above)


def _of_school(table: Table) -> Callable[[Scope], ColumnElement[bool]]:
    return lambda scope: within(scope, table.c.school_id)


def _district_seen(scope: Scope) -> ColumnElement[bool]:
    own = select(schema.schools.c.district_id).where(within(scope, schema.schools.c.id))
    return or_(_district_owned(scope), schema.districts.c.id.in_(own))


def _district_owned(scope: Scope) -> ColumnElement[bool]:
    if scope.districts is None:
        return true()
    # One that is new below these is theirs, too, though the scope does not have it yet.
    return or_(schema.districts.c.id.in_(scope.districts), schema.districts.c.parent_id.in_(scope.districts))


def _term_owned(scope: Scope) -> ColumnElement[bool]:
    return true() if scope.everything else false()  # a term has the lessons of every district


def _day_seen(scope: Scope) -> ColumnElement[bool]:
    days = schema.calendar_days  # those of a region or a district are no secret
    return or_(days.c.school_id.is_(None), within(scope, days.c.school_id))


def _day_owned(scope: Scope) -> ColumnElement[bool]:
    if scope.districts is None:
        return true()
    days = schema.calendar_days
    return or_(days.c.district_id.in_(scope.districts), within(scope, days.c.school_id))


def _subscribed(scope: Scope) -> ColumnElement[bool]:
    inside = select(schema.classes.c.id).where(within(scope, schema.classes.c.school_id))
    return or_(schema.subscriptions.c.class_id.in_(inside), schema.subscriptions.c.main_class_id.in_(inside))


def _taught(scope: Scope) -> ColumnElement[bool]:
    inside = select(schema.classrooms.c.id).where(within(scope, schema.classrooms.c.school_id))
    return schema.timetable_entries.c.classroom_id.in_(inside)


def _taught_or_heard(scope: Scope) -> ColumnElement[bool]:
    entries, listeners, subscriptions = schema.timetable_entries, schema.entry_listeners, schema.subscriptions
    inside = select(schema.classrooms.c.id).where(within(scope, schema.classrooms.c.school_id))
    return or_(
        _taught(scope),
        exists().where(listeners.c.entry_id == entries.c.id, listeners.c.classroom_id.in_(inside)).correlate(entries),
        exists().where(subscribes(), subscriptions.c.classroom_id.in_(inside)).correlate(entries),
    )


def subscribes() -> ColumnElement[bool]:
    """The condition that a row of ``subscriptions`` is for a row of ``timetable_entries``."""
    entries, subscriptions = schema.timetable_entries, schema.subscriptions
    # A term has all subscriptions, a class has a few: SQLite is kept from going by the index of the term.
    return (
        (subscriptions.c.term_id + 0 == entries.c.term_id)
        & (subscriptions.c.main_class_id == entries.c.class_id)
        & (subscriptions.c.subject == entries.c.subject)
    )


def _everybody(_: Scope) -> ColumnElement[bool]:
    return true()


_s = schema
DISTRICTS = Kind(
    District, _s.districts, "区划", "district", (("code",),), {"parent_id": _s.districts},
    (_s.districts.c.code,), (_s.districts.c.code, _s.districts.c.name), _district_seen, _district_owned,
    above="parent_id",
)  # fmt: skip
SCHOOLS = Kind(
    School, _s.schools, "学校", "school", (("code",),), {"district_id": _s.districts},
    (_s.schools.c.code,), (_s.schools.c.code, _s.schools.c.name, _s.schools.c.short_name),
    lambda scope: within(scope, _s.schools.c.id), lambda scope: within(scope, _s.schools.c.id),
    above="district_id",
)  # fmt: skip
CLASSROOMS = Kind(
    Classroom, _s.classrooms, "教室", "classroom", (("school_id", "name"),), {"school_id": _s.schools},
    (_s.classrooms.c.school_id, _s.classrooms.c.name), (_s.classrooms.c.name,),
    _of_school(_s.classrooms), _of_school(_s.classrooms),
)  # fmt: skip
CLASSES = Kind(
    SchoolClass, _s.classes, "班级", "class", (("school_id", "grade", "name"),),
    {"school_id": _s.schools, "classroom_id": _s.classrooms},
    (_s.classes.c.school_id, _s.classes.c.grade, _s.classes.c.name), (_s.classes.c.grade, _s.classes.c.name),
    _of_school(_s.classes), _of_school(_s.classes),
)  # fmt: skip
PEOPLE = Kind(
    Person, _s.people, "人员", "person", (("school_id", "staff_number"), ("student_hash",)),
    {"school_id": _s.schools, "class_id": _s.classes},
    (_s.people.c.school_id, _s.people.c.kind.desc(), _s.people.c.class_id, _s.people.c.staff_number),
    (_s.people.c.name, _s.people.c.staff_number),
    _of_school(_s.people), _of_school(_s.people),
)  # fmt: skip
TERMS = Kind(
    Term, _s.terms, "学期", "term", (("name",),), {}, (_s.terms.c.starts_on.desc(),), (_s.terms.c.name,),
    _everybody, _term_owned,
)  # fmt: skip
CALENDAR = Kind(
    CalendarDay, _s.calendar_days, "校历日", "calendar day", (("on_date", "district_id", "school_id"),),
    {"district_id": _s.districts, "school_id": _s.schools},
    (_s.calendar_days.c.on_date, _s.calendar_days.c.district_id, _s.calendar_days.c.school_id),
    (_s.calendar_days.c.name,), _day_seen, _day_owned, empty_is_key=True,
)  # fmt: skip
BELLS = Kind(
    BellSchedule, _s.bell_schedules, "作息", "bell schedule", (("school_id", "valid_from"),), {"school_id": _s.schools},
    (_s.bell_schedules.c.school_id, _s.bell_schedules.c.valid_from), (_s.bell_schedules.c.name,),
    _of_school(_s.bell_schedules), _of_school(_s.bell_schedules), Part("bells", _s.bells, "schedule_id"),
)  # fmt: skip
SUBSCRIPTIONS = Kind(
    Subscription, _s.subscriptions, "订阅", "subscription", (("term_id", "class_id", "main_class_id", "subject"),),
    {
        "term_id": _s.terms, "class_id": _s.classes, "main_class_id": _s.classes, "classroom_id": _s.classrooms,
        "assistant_id": _s.people,
    },
    (_s.subscriptions.c.term_id.desc(), _s.subscriptions.c.main_class_id, _s.subscriptions.c.subject),
    (_s.subscriptions.c.subject,), _subscribed, _subscribed,
)  # fmt: skip
TIMETABLE = Kind(
    TimetableEntry, _s.timetable_entries, "课表", "timetable entry", (),
    {
        "term_id": _s.terms, "classroom_id": _s.classrooms, "class_id": _s.classes, "teacher_id": _s.people,
        "assistant_id": _s.people,
    },
    (_s.timetable_entries.c.term_id.desc(), _s.timetable_entries.c.weekday, _s.timetable_entries.c.period),
    (_s.timetable_entries.c.subject, _s.timetable_entries.c.title), _taught_or_heard, _taught,
    Part("listeners", _s.entry_listeners, "entry_id"),
)  # fmt: skip

KINDS: tuple[Kind[Any], ...] = (
    DISTRICTS, SCHOOLS, CLASSROOMS, CLASSES, PEOPLE, TERMS, CALENDAR, BELLS, SUBSCRIPTIONS, TIMETABLE,
)  # fmt: skip
