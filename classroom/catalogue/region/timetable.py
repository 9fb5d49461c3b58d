"""What changes the timetable: it is checked for conflicts, and the plans of the coming days follow it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date  # noqa: TC003 - pydantic reads annotations at run time
from typing import TYPE_CHECKING

from sqlalchemy import select

from classroom.catalogue.region.errors import Conflict
from classroom.catalogue.region.involved import with_district, with_school
from classroom.catalogue.region.kinds import BELLS, DISTRICTS, SCHOOLS, SUBSCRIPTIONS, TERMS, TIMETABLE
from classroom.catalogue.region.naming import names
from classroom.catalogue.region.occupancy import all_conflicts, refuse_conflicts, told
from classroom.catalogue.region.repository import Repository, Stored
from classroom.catalogue.region.schema import classes, classrooms, subscriptions, timetable_entries
from classroom.catalogue.region.storage import region_reading
from classroom.catalogue.region.values import (
    BellSchedule,
    District,
    School,
    Subscription,
    T,
    Term,
    TimetableEntry,
)
from classroom.catalogue.scope import EVERYTHING

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from sqlalchemy import ColumnElement
    from sqlalchemy.ext.asyncio import AsyncConnection

    from classroom.catalogue.database import Database
    from classroom.catalogue.region.kinds import Kind
    from classroom.catalogue.region.planning import Planning
    from classroom.catalogue.region.student_numbers import StudentNumbers
    from classroom.catalogue.scope import Scope


@dataclass(frozen=True, slots=True)
class Meeting:
    """An entry of the timetable whose lesson meets another one, on ``on_date`` for the first time, and how in words."""

    entry_id: int
    on_date: date
    period: int | None
    subject: str
    teacher: str
    text: str


@dataclass(frozen=True, slots=True)
class Meetings:
    """Those that come first; ``total`` is the number of all."""

    total: int
    items: list[Meeting]


class _Followed(Repository[T]):
    """Values on which lessons depend."""

    def __init__(
        self, database: Database, kind: Kind[T], numbers: StudentNumbers, planning: Planning, zone: ZoneInfo
    ) -> None:
        super().__init__(database, kind, numbers)
        self._planning = planning
        self._zone = zone

    async def _follow(self, connection: AsyncConnection, condition: ColumnElement[bool], *, check: bool) -> None:
        """Plan the lessons of these entries again; with ``check`` none of them may meet another. Raises Conflict."""
        if check:
            await refuse_conflicts(connection, condition, self._planning.today, self._zone)
        await self._planning.follow_entries(connection, condition)


class Timetable(_Followed[TimetableEntry]):
    """The entries of the timetable."""

    def __init__(self, database: Database, numbers: StudentNumbers, planning: Planning, zone: ZoneInfo) -> None:
        super().__init__(database, TIMETABLE, numbers, planning, zone)

    async def _saved(
        self, connection: AsyncConnection, before: Stored[TimetableEntry] | None, after: Stored[TimetableEntry]
    ) -> None:
        await self._follow(connection, timetable_entries.c.id == after.id, check=True)

    async def conflicts(self, scope: Scope = EVERYTHING, most: int | None = None) -> Meetings:
        """Entries that meet another lesson, from today on, by the day: those which come first, ``most`` of them.

        There are none, unless bells, terms or the calendar were changed since.
        """
        async with region_reading(self._database) as connection:
            theirs = await all_conflicts(connection, self.kind.sees(scope), self._planning.today, self._zone)
            first = theirs[:most]
            texts = await told(connection, [clash for _, clash in first])
        meetings = [
            Meeting(entry, clash.day, clash.booking.period, clash.booking.subject, clash.booking.teacher, text)
            for (entry, clash), text in zip(first, texts, strict=True)
        ]
        return Meetings(len(theirs), meetings)

    async def _leaving(self, connection: AsyncConnection, before: Stored[TimetableEntry]) -> None:
        await self._planning.give_up(connection, before.id)


class Subscriptions(_Followed[Subscription]):
    """Who listens to whom."""

    def __init__(self, database: Database, numbers: StudentNumbers, planning: Planning, zone: ZoneInfo) -> None:
        super().__init__(database, SUBSCRIPTIONS, numbers, planning, zone)

    async def _saved(
        self, connection: AsyncConnection, before: Stored[Subscription] | None, after: Stored[Subscription]
    ) -> None:
        await self._refuse_shared(connection, after)
        if before is not None:
            await self._follow(connection, _subscribed_by(before.value), check=False)
        await self._follow(connection, _subscribed_by(after.value), check=True)

    async def _left(self, connection: AsyncConnection, before: Stored[Subscription]) -> None:
        await self._follow(connection, _subscribed_by(before.value), check=False)

    async def _refuse_shared(self, connection: AsyncConnection, after: Stored[Subscription]) -> None:
        """A lesson tells one class of each of its classrooms."""
        said = after.value
        query = select(subscriptions.c.class_id).where(
            subscriptions.c.id != after.id,
            subscriptions.c.term_id == said.term_id,
            subscriptions.c.main_class_id == said.main_class_id,
            subscriptions.c.subject == said.subject,
            subscriptions.c.classroom_id == said.classroom_id,
        )
        other = await connection.scalar(query)
        if other is not None:
            room = (await names(connection, classrooms, [said.classroom_id]))[said.classroom_id]
            name = (await names(connection, classes, [other]))[other]
            raise Conflict(
                f"教室冲突：{name}已在{room}听这门课，请换一间教室。 "
                f"{name} listens to these lessons in {room} already; choose another classroom."
            )


class BellSchedules(_Followed[BellSchedule]):
    """The bells of schools. They are a fact: a conflict that comes of new bells is not a reason to refuse them."""

    def __init__(self, database: Database, numbers: StudentNumbers, planning: Planning, zone: ZoneInfo) -> None:
        super().__init__(database, BELLS, numbers, planning, zone)

    async def _saved(
        self, connection: AsyncConnection, before: Stored[BellSchedule] | None, after: Stored[BellSchedule]
    ) -> None:
        for school_id in {after.value.school_id} | ({before.value.school_id} if before else set()):
            await self._follow(connection, _at_school(school_id), check=False)

    async def _left(self, connection: AsyncConnection, before: Stored[BellSchedule]) -> None:
        await self._follow(connection, _at_school(before.value.school_id), check=False)


class Terms(_Followed[Term]):
    """The terms."""

    def __init__(self, database: Database, numbers: StudentNumbers, planning: Planning, zone: ZoneInfo) -> None:
        super().__init__(database, TERMS, numbers, planning, zone)

    async def _saved(self, connection: AsyncConnection, before: Stored[Term] | None, after: Stored[Term]) -> None:
        await self._follow(connection, timetable_entries.c.term_id == after.id, check=False)


class Schools(_Followed[School]):
    """The schools. One that comes to another district has the calendar of that one."""

    def __init__(self, database: Database, numbers: StudentNumbers, planning: Planning, zone: ZoneInfo) -> None:
        super().__init__(database, SCHOOLS, numbers, planning, zone)

    async def _saved(self, connection: AsyncConnection, before: Stored[School] | None, after: Stored[School]) -> None:
        if before is not None and self.kind.moves(before.value, after.value):
            await self._follow(connection, with_school(after.id), check=False)


class Districts(_Followed[District]):
    """The districts. One that comes below another one has the calendar of that one, too."""

    def __init__(self, database: Database, numbers: StudentNumbers, planning: Planning, zone: ZoneInfo) -> None:
        super().__init__(database, DISTRICTS, numbers, planning, zone)

    async def _saved(
        self, connection: AsyncConnection, before: Stored[District] | None, after: Stored[District]
    ) -> None:
        if before is not None and self.kind.moves(before.value, after.value):
            await self._follow(connection, with_district(after.id), check=False)


def _subscribed_by(said: Subscription) -> ColumnElement[bool]:
    entries = timetable_entries
    return (
        (entries.c.term_id == said.term_id)
        & (entries.c.class_id == said.main_class_id)
        & (entries.c.subject == said.subject)
    )


def _at_school(school_id: int) -> ColumnElement[bool]:
    rooms = select(classrooms.c.id).where(classrooms.c.school_id == school_id)
    return timetable_entries.c.classroom_id.in_(rooms)
