"""Lessons that are planned, as pages and devices are told of them: one value has every name that is shown."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime  # noqa: TC003 - pydantic reads annotations at run time
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from sqlalchemy import exists, or_, select, true

from classroom.catalogue.region.beside import beside
from classroom.catalogue.region.errors import NotFound
from classroom.catalogue.region.schema import (
    classes,
    classrooms,
    districts,
    lesson_listeners,
    lesson_plans,
    people,
    schools,
)
from classroom.catalogue.region.storage import region_reading, rows_of
from classroom.catalogue.schema import lessons
from classroom.catalogue.scope import EVERYTHING, Scope, within
from classroom.model import LessonId

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sqlalchemy import ColumnElement, CursorResult, Row, Select
    from sqlalchemy.ext.asyncio import AsyncConnection

    from classroom.catalogue.database import Database


class PlanState(StrEnum):
    """What became of a plan."""

    PLANNED = "planned"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Place:
    """A classroom and its school. ``short_name`` is the school's, for tiles; never empty."""

    classroom_id: int
    classroom: str
    school_id: int
    school: str
    short_name: str
    district_id: int


@dataclass(frozen=True, slots=True)
class PlanListener:
    """A classroom that listens. Without a class there are 0 children and ``class_name`` is empty."""

    place: Place
    class_id: int | None
    class_name: str  # 三年级2班
    children: int
    assistant_id: int | None
    assistant: str


@dataclass(frozen=True, slots=True)
class Plan:
    """A planned lesson. Times are aware and in UTC; ``on_date`` and ``period`` are local, of the main school."""

    lesson_id: LessonId
    entry_id: int | None  # of the timetable; None: planned by hand, or moved to another day
    on_date: date
    period: int | None
    starts_at: datetime
    ends_at: datetime
    main: Place
    district: str
    class_id: int | None
    grade: str
    class_name: str  # 三年级2班
    children: int  # in the main classroom
    teacher_id: int
    teacher: str
    subject: str
    title: str
    state: PlanState
    interactive: bool  # linked classrooms send picture and sound, too
    changed: bool  # by hand
    listeners: tuple[PlanListener, ...]  # by the name of their school


def default_title(grade: str, subject: str) -> str:
    """What a lesson is called when nobody gave it a title: 三年级数学."""
    return f"{grade}{subject}"


class Plans:
    """What is planned. Every method may raise CatalogueUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def plan(self, lesson: LessonId, scope: Scope = EVERYTHING, person_id: int | None = None) -> Plan:
        """The plan of a lesson that touches the scope, or that this person teaches or assists in. Raises NotFound."""
        theirs = _touches(scope)
        if person_id is not None:
            theirs = or_(theirs, lesson_plans.c.teacher_id == person_id, _assisted_by(person_id))
        async with region_reading(self._database) as connection:
            return await read_plan(connection, lesson, theirs)

    async def plans_of(self, day: date, scope: Scope = EVERYTHING, person_id: int | None = None) -> list[Plan]:
        """The lessons of a local day in which a classroom of the scope teaches or listens, in order of their times.

        With ``person_id`` only those which this person teaches or assists in. Cancelled ones are among them.
        """
        conditions = [lesson_plans.c.on_date == day, _touches(scope)]
        if person_id is not None:
            conditions.append(or_(lesson_plans.c.teacher_id == person_id, _assisted_by(person_id)))
        async with region_reading(self._database) as connection:
            return await _plans(connection, *conditions)

    async def taught_by(self, person_id: int, since: date, until: date) -> list[Plan]:
        """The lessons that this person teaches on local days, both ends among them, in order of their times."""
        when = lesson_plans.c.on_date.between(since, until)
        async with self._database.reading() as connection:
            return await _plans(connection, when, lesson_plans.c.teacher_id == person_id)

    async def plans_of_classrooms(
        self, classroom_ids: Collection[int] | None, since: datetime, until: datetime
    ) -> list[Plan]:
        """The lessons that take place between two instants and in which one of these classrooms teaches or listens.

        None means every classroom. In order of their times; cancelled ones are among them.
        """
        conditions = [lesson_plans.c.starts_at < until, lesson_plans.c.ends_at > since]
        if classroom_ids is not None:
            listens = lesson_listeners.c.classroom_id.in_(classroom_ids)
            conditions.append(or_(lesson_plans.c.classroom_id.in_(classroom_ids), _listened(listens)))
        async with region_reading(self._database) as connection:
            return await _plans(connection, *conditions)


async def read_plan(connection: AsyncConnection, lesson: LessonId, *conditions: ColumnElement[bool]) -> Plan:
    """The plan of a lesson, if it meets the conditions, which may speak of ``lesson_plans`` alone. Raises NotFound."""
    found = await _plans(connection, lesson_plans.c.lesson_id == lesson, *conditions)
    if not found:
        raise NotFound(
            f"没有这节课的计划，或者不归您管：{lesson}。 No lesson {lesson} is planned, or it is not yours to see."
        )
    return found[0]


def _touches(scope: Scope) -> ColumnElement[bool]:
    if scope.everything:
        return true()
    inside = select(classrooms.c.id).where(within(scope, classrooms.c.school_id))
    return or_(lesson_plans.c.classroom_id.in_(inside), _listened(lesson_listeners.c.classroom_id.in_(inside)))


def _assisted_by(person_id: int) -> ColumnElement[bool]:
    return _listened(lesson_listeners.c.assistant_id == person_id)


def _listened(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    heard = exists().where(lesson_listeners.c.lesson_id == lesson_plans.c.lesson_id, condition)
    return heard.correlate(lesson_plans)


async def _plans(connection: AsyncConnection, *conditions: ColumnElement[bool]) -> list[Plan]:
    """The plans that meet the conditions, which may speak of ``lesson_plans`` alone."""
    heard = await connection.execute(_listener_rows(conditions))
    return await beside(_read, await connection.execute(_plan_rows(conditions)), heard)


def _read(told: CursorResult[Any], heard: CursorResult[Any]) -> list[Plan]:
    listening: dict[str, list[PlanListener]] = {}
    for row in rows_of(heard):
        listening.setdefault(row.lesson_id, []).append(_listener(row))
    return [_plan(row, listening.get(row.lesson_id, ())) for row in rows_of(told)]


def _plan_rows(conditions: Sequence[ColumnElement[bool]]) -> Select[Any]:
    joined = (
        lesson_plans.join(lessons, lessons.c.id == lesson_plans.c.lesson_id)
        .join(classrooms, classrooms.c.id == lesson_plans.c.classroom_id)
        .join(schools, schools.c.id == classrooms.c.school_id)
        .join(districts, districts.c.id == schools.c.district_id)
        .join(people, people.c.id == lesson_plans.c.teacher_id)
        .outerjoin(classes, classes.c.id == lesson_plans.c.class_id)
    )
    return (
        select(
            lesson_plans,
            lessons.c.title,
            lessons.c.grade.label("lesson_grade"),
            districts.c.name.label("district"),
            people.c.name.label("teacher"),
            *_CLASS,
            *_PLACE,
        )
        .select_from(joined)
        .where(*conditions)
        .order_by(lesson_plans.c.starts_at, lesson_plans.c.lesson_id)
    )


def _listener_rows(conditions: Sequence[ColumnElement[bool]]) -> Select[Any]:
    joined = (
        lesson_listeners.join(classrooms, classrooms.c.id == lesson_listeners.c.classroom_id)
        .join(schools, schools.c.id == classrooms.c.school_id)
        .outerjoin(classes, classes.c.id == lesson_listeners.c.class_id)
        .outerjoin(people, people.c.id == lesson_listeners.c.assistant_id)
    )
    return (
        select(lesson_listeners, people.c.name.label("assistant"), *_CLASS, *_PLACE)
        .select_from(joined)
        .where(lesson_listeners.c.lesson_id.in_(select(lesson_plans.c.lesson_id).where(*conditions)))
        .order_by(schools.c.name, classrooms.c.name, classrooms.c.id)
    )


_CLASS = (classes.c.grade, classes.c.name.label("class_name"), classes.c.children)
_PLACE = (
    classrooms.c.name.label("classroom"),
    classrooms.c.school_id,
    schools.c.name.label("school"),
    schools.c.short_name,
    schools.c.district_id,
)


def _place(row: Row[Any]) -> Place:
    return Place(
        row.classroom_id, row.classroom, row.school_id, row.school, row.short_name or row.school, row.district_id
    )


def _listener(row: Row[Any]) -> PlanListener:
    return PlanListener(
        place=_place(row),
        class_id=row.class_id,
        class_name="" if row.class_id is None else row.grade + row.class_name,
        children=row.children or 0,
        assistant_id=row.assistant_id,
        assistant=row.assistant or "",
    )


def _plan(row: Row[Any], listeners: Sequence[PlanListener]) -> Plan:
    return Plan(
        lesson_id=LessonId(row.lesson_id),
        entry_id=row.entry_id,
        on_date=row.on_date,
        period=row.period,
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        main=_place(row),
        district=row.district,
        class_id=row.class_id,
        grade=row.grade or row.lesson_grade,
        class_name="" if row.class_id is None else row.grade + row.class_name,
        children=row.children or 0,
        teacher_id=row.teacher_id,
        teacher=row.teacher,
        subject=row.subject,
        title=row.title,
        state=PlanState(row.state),
        interactive=row.interactive,
        changed=row.changed,
        listeners=tuple(listeners),
    )
