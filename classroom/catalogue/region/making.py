"""Timetable entries become planned lessons, again and again: what is there already and as it should be stays.

Left alone is what somebody changed by hand, what has begun, and what has a recording.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import and_, bindparam, delete, exists, insert, or_, select, update

from classroom.catalogue.region.arrangements import lesson_id
from classroom.catalogue.region.beside import beside
from classroom.catalogue.region.calendar import instant
from classroom.catalogue.region.plans import PlanState, default_title
from classroom.catalogue.region.schema import lesson_listeners, lesson_plans
from classroom.catalogue.region.storage import rows_of
from classroom.catalogue.schema import lessons, recordings

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from datetime import date, datetime
    from zoneinfo import ZoneInfo

    from sqlalchemy import ColumnElement, CursorResult, Row
    from sqlalchemy.ext.asyncio import AsyncConnection

    from classroom.catalogue.region.arrangements import About, Arrangement
    from classroom.catalogue.region.values import Listener

T = TypeVar("T")
_MANY = 200  # lessons in one query: the loop has turns between two of them


@dataclass(frozen=True, slots=True)
class Made:
    """How many lessons were planned anew, planned otherwise, and given up."""

    created: int = 0
    changed: int = 0
    removed: int = 0

    def __add__(self, other: Made) -> Made:
        return Made(self.created + other.created, self.changed + other.changed, self.removed + other.removed)


@dataclass(frozen=True, slots=True)
class Lesson:
    """The rows of a planned lesson. ``words`` are what the library says of it."""

    plan: Mapping[str, Any]
    listeners: frozenset[tuple[int, int | None, int | None]]  # classroom, class, assistant
    words: Mapping[str, Any]

    @property
    def id(self) -> str:
        """Of the lesson."""
        return str(self.plan["lesson_id"])


def lesson_words(subject: str, title: str, about: About) -> dict[str, Any]:
    """What the library says of a lesson that nobody has said more about: 三年级数学."""
    return {
        "title": title or default_title(about.grade, subject),
        "subject": subject,
        "grade": about.grade,
        "teacher": about.teacher,
        "school": about.school,
        "school_code": about.school_code,
        "district": about.district,
    }


def heard_by(listeners: Iterable[Listener]) -> frozenset[tuple[int, int | None, int | None]]:
    """Listeners as they are compared."""
    return frozenset((each.classroom_id, each.class_id, each.assistant_id) for each in listeners)


def lessons_of(arrangement: Arrangement, since: date, until: date, zone: ZoneInfo) -> list[Lesson]:
    """The lessons of an entry on the days of a span, both ends among them."""
    entry = arrangement.entry
    words = lesson_words(entry.subject, entry.title, arrangement.about)
    return [
        Lesson(
            plan={
                "lesson_id": lesson_id(day, arrangement.id),
                "entry_id": arrangement.id,
                "on_date": day,
                "period": entry.period,
                "starts_at": instant(day, bell.starts, zone),
                "ends_at": instant(day, bell.ends, zone),
                "classroom_id": entry.classroom_id,
                "class_id": entry.class_id,
                "teacher_id": entry.teacher_id,
                "subject": entry.subject,
                "state": str(PlanState.PLANNED),
                "interactive": True,
                "changed": False,
            },
            listeners=heard_by(arrangement.listening(day)),
            words=words,
        )
        for day, bell in arrangement.lessons(since, until)
    ]


async def make(
    connection: AsyncConnection, wanted: Sequence[Lesson], among: ColumnElement[bool], now: datetime
) -> Made:
    """Make the plans that meet ``among``, and which came of the timetable, those that are wanted."""
    there = await _there(connection, [lesson.id for lesson in wanted], among)
    listening = await _listening(connection, list(there))
    steps = await beside(_steps, wanted, there, listening, now)
    await insert_lessons(connection, steps.new)
    await _update(connection, steps.other)
    await remove_lessons(connection, steps.gone)
    await set_words(connection, steps.there)
    return Made(len(steps.new), len(steps.other), len(steps.gone))


@dataclass(frozen=True, slots=True)
class _Steps:
    """What makes the plans those that are wanted. ``there`` are the lessons that the timetable may say more of."""

    new: Sequence[Lesson]
    other: Sequence[Lesson]
    gone: Sequence[str]
    there: Sequence[Lesson]


def _steps(
    wanted: Sequence[Lesson],
    there: Mapping[str, Row[Any]],
    listening: Mapping[str, set[tuple[int, int | None, int | None]]],
    now: datetime,
) -> _Steps:
    by_id = {lesson.id: lesson for lesson in wanted if lesson.plan["starts_at"] > now}
    free = {identity: row for identity, row in there.items() if not row.fixed and row.starts_at > now}
    kept = {lesson.id for lesson in wanted}
    return _Steps(
        # Who brings a timetable in the middle of a lesson wants that lesson, too.
        new=[lesson for lesson in wanted if lesson.id not in there and lesson.plan["ends_at"] > now],
        other=[
            by_id[identity]
            for identity, row in free.items()
            if identity in by_id and _differs(by_id[identity], row, listening[identity])
        ],
        gone=[identity for identity, row in free.items() if identity not in kept and row.entry_id is not None],
        there=[lesson for lesson in by_id.values() if lesson.id in free],
    )


async def insert_lessons(connection: AsyncConnection, new: Sequence[Lesson]) -> None:
    """Plan lessons that are not planned; something may have been said about them already."""
    for some in _in_parts(new):
        same = select(lessons.c.id).where(lessons.c.id.in_([lesson.id for lesson in some]))
        known = {row.id for row in await connection.execute(same)}
        unknown = [{"id": lesson.id, "keywords": [], **lesson.words} for lesson in some if lesson.id not in known]
        if unknown:
            await connection.execute(insert(lessons), unknown)
        await connection.execute(insert(lesson_plans), [dict(lesson.plan) for lesson in some])
        await _insert_listeners(connection, some)


async def put_listeners(connection: AsyncConnection, changed: Sequence[Lesson]) -> None:
    """Let those listen who should, and nobody else."""
    for some in _in_parts(changed):
        ids = [lesson.id for lesson in some]
        await connection.execute(delete(lesson_listeners).where(lesson_listeners.c.lesson_id.in_(ids)))
        await _insert_listeners(connection, some)


async def remove_lessons(connection: AsyncConnection, ids: Sequence[str]) -> None:
    """Plan them no more; what somebody said about a lesson stays."""
    for some in _in_parts(ids):
        await connection.execute(delete(lesson_plans).where(lesson_plans.c.lesson_id.in_(some)))
        unsaid = and_(lessons.c.id.in_(some), lessons.c.updated_at.is_(None), ~_recorded(lessons.c.id))
        await connection.execute(delete(lessons).where(unsaid))


async def set_words(connection: AsyncConnection, told: Sequence[Lesson]) -> None:
    """Say in the library what the timetable says, of lessons about which nobody has said anything."""
    for some in _in_parts(told):
        ids = [lesson.id for lesson in some]
        unsaid = select(lessons).where(lessons.c.id.in_(ids), lessons.c.updated_at.is_(None))
        other = await beside(_reworded, some, await connection.execute(unsaid))
        if other:
            words: dict[str, Any] = {name: bindparam(name) for name in other[0] if name != "of"}
            await connection.execute(update(lessons).where(lessons.c.id == bindparam("of")).values(words), other)


def _reworded(told: Sequence[Lesson], unsaid: CursorResult[Any]) -> list[dict[str, Any]]:
    said = {row.id: row for row in rows_of(unsaid)}
    return [
        {"of": lesson.id, **lesson.words}
        for lesson in told
        if lesson.id in said and any(getattr(said[lesson.id], name) != word for name, word in lesson.words.items())
    ]


async def _there(connection: AsyncConnection, ids: Sequence[str], among: ColumnElement[bool]) -> dict[str, Row[Any]]:
    """The plans that meet ``among`` and those with these ids; ``fixed`` are the ones to be left alone."""
    recorded = _recorded(lesson_plans.c.lesson_id)
    fixed = or_(lesson_plans.c.changed, lesson_plans.c.state != PlanState.PLANNED, recorded).label("fixed")
    found: dict[str, Row[Any]] = {}

    async def find(condition: ColumnElement[bool]) -> None:
        result = await connection.execute(select(lesson_plans, fixed).where(condition))
        found.update(await beside(_by_lesson, result))

    await find(among)
    for some in _in_parts([identity for identity in ids if identity not in found]):
        await find(lesson_plans.c.lesson_id.in_(some))
    return found


def _by_lesson(result: CursorResult[Any]) -> dict[str, Row[Any]]:
    return {row.lesson_id: row for row in rows_of(result)}


async def _listening(
    connection: AsyncConnection, ids: Sequence[str]
) -> Mapping[str, set[tuple[int, int | None, int | None]]]:
    found: dict[str, set[tuple[int, int | None, int | None]]] = defaultdict(set)
    for some in _in_parts(ids):
        query = select(lesson_listeners).where(lesson_listeners.c.lesson_id.in_(some))
        for row in await beside(lambda result: list(rows_of(result)), await connection.execute(query)):
            found[row.lesson_id].add((row.classroom_id, row.class_id, row.assistant_id))
    return found


def _differs(lesson: Lesson, row: Row[Any], listening: Collection[tuple[int, int | None, int | None]]) -> bool:
    return listening != lesson.listeners or any(getattr(row, name) != said for name, said in lesson.plan.items())


async def _update(connection: AsyncConnection, changed: Sequence[Lesson]) -> None:
    for some in _in_parts(changed):
        names = [name for name in some[0].plan if name != "lesson_id"]
        query = update(lesson_plans).where(lesson_plans.c.lesson_id == bindparam("of"))
        rows = [{"of": lesson.id, **{name: lesson.plan[name] for name in names}} for lesson in some]
        await connection.execute(query.values({name: bindparam(name) for name in names}), rows)
    await put_listeners(connection, changed)


async def _insert_listeners(connection: AsyncConnection, of: Sequence[Lesson]) -> None:
    rows = [
        {"lesson_id": lesson.id, "classroom_id": classroom, "class_id": class_id, "assistant_id": assistant}
        for lesson in of
        for classroom, class_id, assistant in lesson.listeners
    ]
    if rows:
        await connection.execute(insert(lesson_listeners), rows)


def _recorded(lesson: ColumnElement[str]) -> ColumnElement[bool]:
    return exists().where(recordings.c.lesson_id == lesson).correlate_except(recordings)


def _in_parts(all_of: Sequence[T]) -> Iterable[Sequence[T]]:
    return (all_of[at : at + _MANY] for at in range(0, len(all_of), _MANY))
