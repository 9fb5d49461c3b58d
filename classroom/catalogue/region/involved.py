"""Whose timetable an entry stands in: that of who teaches it, and of who listens by the entry or by a subscription."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import exists, or_, select

from classroom.catalogue.region.kinds import subscribes
from classroom.catalogue.region.schema import (
    classrooms,
    districts,
    entry_listeners,
    schools,
    subscriptions,
    timetable_entries,
)
from classroom.catalogue.scope import with_below

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy import ColumnElement

    Condition = ColumnElement[bool]


def _involved(
    main: str, listening: str, is_asked_for: Callable[[ColumnElement[int]], ColumnElement[bool]]
) -> Condition:
    entries = timetable_entries
    return or_(
        is_asked_for(entries.c[main]),
        exists()
        .where(entry_listeners.c.entry_id == entries.c.id, is_asked_for(entry_listeners.c[listening]))
        .correlate(entries),
        exists().where(subscribes(), is_asked_for(subscriptions.c[listening])).correlate(entries),
    )


def with_classroom(identity: int) -> Condition:
    """The condition that this classroom leads or listens."""
    return _involved("classroom_id", "classroom_id", lambda column: column == identity)


def with_class(identity: int) -> Condition:
    """The condition that this class is taught or listens."""
    return _involved("class_id", "class_id", lambda column: column == identity)


def with_person(identity: int) -> Condition:
    """The condition that this person teaches, or helps a class that listens."""
    return _involved("teacher_id", "assistant_id", lambda column: column == identity)


def with_school(identity: int) -> Condition:
    """The condition that a classroom of this school leads or listens."""
    return _with_schools(classrooms.c.school_id == identity)


def with_district(identity: int) -> Condition:
    """The condition that a classroom of this district, or of one below it, leads or listens."""
    below = select(districts.c.id).where(with_below(identity))
    return _with_schools(classrooms.c.school_id.in_(select(schools.c.id).where(schools.c.district_id.in_(below))))


def _with_schools(theirs: Condition) -> Condition:
    inside = select(classrooms.c.id).where(theirs)
    return _involved("classroom_id", "classroom_id", lambda column: column.in_(inside))


INVOLVED: Mapping[str, Callable[[int], Condition]] = {
    "with_classroom": with_classroom,
    "with_class": with_class,
    "with_person": with_person,
    "with_school": with_school,
}
"""The conditions by the names under which a list asks for them."""
