"""The plan of the coming days: made of the timetable, changed by hand (调课, 代课, 停课)."""

from __future__ import annotations

import logging
import secrets
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select, update

from classroom.catalogue.database import CatalogueUnavailable
from classroom.catalogue.region.arrangements import About, arrangements, origin, taken
from classroom.catalogue.region.beside import beside
from classroom.catalogue.region.calendar import instant, period_times
from classroom.catalogue.region.conflicts import Booking, Span
from classroom.catalogue.region.errors import BadValue, NotFound
from classroom.catalogue.region.making import (
    Lesson,
    Made,
    heard_by,
    insert_lessons,
    lesson_words,
    lessons_of,
    make,
    put_listeners,
    remove_lessons,
    set_words,
)
from classroom.catalogue.region.occupancy import refuse_conflicts_of_plan
from classroom.catalogue.region.plans import Plan, PlanState, default_title, read_plan
from classroom.catalogue.region.rules import fit
from classroom.catalogue.region.schema import classes, classrooms, districts, lesson_plans, people, schools
from classroom.catalogue.region.schema import timetable_entries as entries
from classroom.catalogue.region.storage import bells_of, facts_of, region_writing, weekdays_on
from classroom.catalogue.region.values import Listener, PlannedLesson, checked
from classroom.catalogue.scope import EVERYTHING, Scope, within
from classroom.model import LessonId

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from datetime import date, datetime
    from zoneinfo import ZoneInfo

    from sqlalchemy import ColumnElement
    from sqlalchemy.ext.asyncio import AsyncConnection

    from classroom.catalogue.database import Database
    from classroom.catalogue.region.arrangements import Arrangement

logger = logging.getLogger(__name__)

HORIZON_DAYS = 14  # how far ahead lessons are planned
_AT_ONCE = 500  # entries: with the lessons of thousands in memory, a garbage collection would take a tenth of a second


def as_said(plan: Plan, zone: ZoneInfo) -> PlannedLesson:
    """A plan as it would be said by hand: what to start from when something of it is to be changed."""
    return PlannedLesson(
        on_date=plan.on_date,
        classroom_id=plan.main.classroom_id,
        teacher_id=plan.teacher_id,
        subject=plan.subject,
        class_id=plan.class_id,
        period=plan.period,
        starts=plan.starts_at.astimezone(zone).time(),
        ends=plan.ends_at.astimezone(zone).time(),
        title=plan.title,
        interactive=plan.interactive,
        listeners=tuple(Listener(each.place.classroom_id, each.class_id, each.assistant_id) for each in plan.listeners),
    )


class Planning:
    """Makes and changes plans. Every method may raise CatalogueUnavailable."""

    def __init__(self, database: Database, zone: ZoneInfo, now: Callable[[], datetime]) -> None:
        self._database = database
        self._zone = zone
        self._now = now

    @property
    def today(self) -> date:
        """The present day, in local time."""
        return self._now().astimezone(self._zone).date()

    async def materialise(self, since: date | None = None, until: date | None = None) -> Made:
        """Plan the lessons of a span of days, both ends among them: today and the HORIZON_DAYS after it by default.

        To be called at the start and every hour or so; what is planned already stays. A day is a transaction.
        """
        day = since or self.today
        last = until or self.today + timedelta(days=HORIZON_DAYS)
        made = Made()
        while day <= last:
            async with region_writing(self._database) as connection:
                made += await self._make_day(connection, day)
            day += timedelta(days=1)
        return made

    async def follow_days(self, connection: AsyncConnection, days: Collection[date]) -> None:
        """Plan the lessons of these days again, if they are planned by now, in a transaction of the caller's."""
        last = await self._planned_until(connection, lesson_plans.c.entry_id.is_not(None))
        for day in sorted(days):
            if self.today <= day <= last:
                await self._make_day(connection, day)

    async def plan_again(self, days: Collection[date]) -> None:
        """Plan the lessons of these days again, if they are planned by now.

        A day is a transaction, for others have to write meanwhile; what is not reached is planned within the hour.
        """
        try:
            for day in sorted(days):
                async with region_writing(self._database) as connection:
                    await self.follow_days(connection, [day])
        except CatalogueUnavailable as error:
            logger.warning("lessons are planned again with the next round: %s", error)

    async def follow_entries(self, connection: AsyncConnection, condition: ColumnElement[bool]) -> None:
        """Plan the lessons of these entries again, in a transaction of the caller's.

        The condition may speak of ``timetable_entries`` alone.
        """
        mine = lesson_plans.c.entry_id.in_(select(entries.c.id).where(condition))
        first, last = self.today, await self._planned_until(connection, mine)
        found = await arrangements(connection, condition)
        for at in range(0, len(found), _AT_ONCE):
            some = found[at : at + _AT_ONCE]
            ids = [each.id for each in some]
            await self._make(connection, some, first, last, lesson_plans.c.entry_id.in_(ids))

    async def _planned_until(self, connection: AsyncConnection, among: ColumnElement[bool]) -> date:
        last = await connection.scalar(select(func.max(lesson_plans.c.on_date)).where(among))
        return max(self.today + timedelta(days=HORIZON_DAYS), last or self.today)

    async def _make_day(self, connection: AsyncConnection, day: date) -> Made:
        weekdays = await weekdays_on(connection, [day])
        found = await arrangements(connection, entries.c.weekday.in_(weekdays))
        return await self._make(connection, found, day, day, lesson_plans.c.on_date == day)

    async def _make(
        self,
        connection: AsyncConnection,
        found: Sequence[Arrangement],
        since: date,
        until: date,
        among: ColumnElement[bool],
    ) -> Made:
        def lessons() -> list[Lesson]:
            return [lesson for each in found for lesson in lessons_of(each, since, until, self._zone)]

        return await make(connection, await beside(lessons), among, self._now())

    async def give_up(self, connection: AsyncConnection, entry_id: int) -> None:
        """Plan no more lessons of an entry that is about to be removed; what was changed by hand stays."""
        await make(connection, [], lesson_plans.c.entry_id == entry_id, self._now())

    async def plan(self, value: PlannedLesson, scope: Scope = EVERYTHING) -> Plan:
        """Plan a lesson that is not in the timetable. Raises BadValue, Conflict, NotFound."""
        value = checked(value)
        lesson = LessonId(f"p{value.on_date:%Y%m%d}-{secrets.token_hex(4)}")
        async with region_writing(self._database) as connection:
            rows = await self._rows(connection, lesson, value, None)
            await insert_lessons(connection, [rows])
            return await self._owned(connection, lesson, scope)

    async def change(self, lesson: LessonId, value: PlannedLesson, scope: Scope = EVERYTHING) -> Plan:
        """Change a lesson that is not over; the timetable will leave it alone. Raises as ``plan`` does."""
        value = checked(value)
        async with region_writing(self._database) as connection:
            before = await self._changeable(connection, lesson, scope)
            if value.title == default_title(before.grade, before.subject):
                value = replace(value, title="")  # it follows the subject
            # An entry has one lesson a day: on another day this one is nobody's, and its id tells where it is from.
            entry_id = before.entry_id if value.on_date == before.on_date else None
            rows = await self._rows(connection, lesson, value, entry_id)
            await connection.execute(
                update(lesson_plans).where(lesson_plans.c.lesson_id == lesson).values({**rows.plan, "changed": True})
            )
            await put_listeners(connection, [rows])
            await set_words(connection, [rows])
            return await self._owned(connection, lesson, scope)

    async def cancel(self, lesson: LessonId, scope: Scope = EVERYTHING) -> Plan:
        """Let a lesson not take place (停课). Raises NotFound, BadValue when it is over."""
        async with region_writing(self._database) as connection:
            await self._changeable(connection, lesson, scope)
            cancelled = {"state": str(PlanState.CANCELLED), "changed": True}
            await connection.execute(update(lesson_plans).where(lesson_plans.c.lesson_id == lesson).values(cancelled))
            return await self._owned(connection, lesson, scope)

    async def restore(self, lesson: LessonId, scope: Scope = EVERYTHING) -> Plan:
        """Let a lesson be as the timetable says, or take place again if it was planned by hand.

        Raises NotFound, also when the timetable has no such lesson any more; BadValue when it is over; Conflict.
        """
        async with region_writing(self._database) as connection:
            before = await self._changeable(connection, lesson, scope)
            made = origin(lesson)
            if made is None:
                rows = await self._rows(connection, lesson, as_said(before, self._zone), None)
            else:
                day, entry_id = made
                found = await arrangements(connection, entries.c.id == entry_id)
                wanted = [rows for each in found for rows in lessons_of(each, day, day, self._zone)]
                if not wanted:
                    raise NotFound(
                        "课表里这一天已经没有这节课（课表改了，或者放假），可以直接改它的时间。 "
                        "The timetable has no such lesson on this day any more; change its time instead."
                    )
                (rows,) = wanted
                self._not_over(rows.plan["ends_at"])
                (booking,) = found[0].bookings(day, day)
                await refuse_conflicts_of_plan(connection, replace(booking, key=lesson), self._zone)
            await connection.execute(
                update(lesson_plans).where(lesson_plans.c.lesson_id == lesson).values(dict(rows.plan))
            )
            await put_listeners(connection, [rows])
            await set_words(connection, [rows])
            return await self._owned(connection, lesson, scope)

    async def remove(self, lesson: LessonId, scope: Scope = EVERYTHING) -> None:
        """Forget a lesson that was planned by hand and is not over. Raises NotFound, BadValue."""
        async with region_writing(self._database) as connection:
            await self._changeable(connection, lesson, scope)
            if origin(lesson) is not None:
                raise BadValue(
                    "lesson_id",
                    "这节课来自课表，只能停课。 This lesson is of the timetable; it can be cancelled, not removed.",
                )
            await remove_lessons(connection, [lesson])

    # --- one lesson ----------------------------------------------------------------------------------------------

    async def _changeable(self, connection: AsyncConnection, lesson: LessonId, scope: Scope) -> Plan:
        found = await self._owned(connection, lesson, scope)
        self._not_over(found.ends_at)
        return found

    def _not_over(self, ends_at: datetime) -> None:
        if ends_at <= self._now():
            raise BadValue("on_date", "这个时间已经过去，不能再改。 This time is over; nothing of it can be changed.")

    async def _owned(self, connection: AsyncConnection, lesson: LessonId, scope: Scope) -> Plan:
        inside = select(classrooms.c.id).where(within(scope, classrooms.c.school_id))
        return await read_plan(connection, lesson, lesson_plans.c.classroom_id.in_(inside))

    async def _rows(
        self, connection: AsyncConnection, lesson: LessonId, value: PlannedLesson, entry_id: int | None
    ) -> Lesson:
        """The rows of a lesson as it is said by hand, if it may be so."""
        fit(value, await facts_of(connection, value))
        about, starts_at, ends_at = await self._about(connection, value)
        self._not_over(ends_at)
        starts, ends = (at.astimezone(self._zone).time() for at in (starts_at, ends_at))
        span = Span(frozenset([value.on_date]), starts, ends)
        takes = taken(value, value.listeners)
        booking = Booking(lesson, (span,), takes, value.subject, about.teacher, value.period)
        await refuse_conflicts_of_plan(connection, booking, self._zone)
        plan: dict[str, Any] = {
            "lesson_id": lesson,
            "entry_id": entry_id,
            "on_date": value.on_date,
            "period": value.period,
            "starts_at": starts_at,
            "ends_at": ends_at,
            "classroom_id": value.classroom_id,
            "class_id": value.class_id,
            "teacher_id": value.teacher_id,
            "subject": value.subject,
            "state": str(PlanState.PLANNED),
            "interactive": value.interactive,
            "changed": False,
        }
        return Lesson(plan, heard_by(value.listeners), lesson_words(value.subject, value.title, about))

    async def _about(self, connection: AsyncConnection, value: PlannedLesson) -> tuple[About, datetime, datetime]:
        query = (
            select(
                schools.c.id,
                schools.c.name.label("school"),
                schools.c.code,
                districts.c.name.label("district"),
                people.c.name.label("teacher"),
            )
            .select_from(classrooms.join(schools).join(districts).join(people, people.c.id == value.teacher_id))
            .where(classrooms.c.id == value.classroom_id)
        )
        row = (await connection.execute(query)).one()
        grade = await connection.scalar(select(classes.c.grade).where(classes.c.id == value.class_id))
        about = About(row.teacher, grade or "", row.school, row.code, row.district)
        if value.starts is not None and value.ends is not None:
            day = value.on_date
            return about, instant(day, value.starts, self._zone), instant(day, value.ends, self._zone)
        bells = (await bells_of(connection, [row.id]))[row.id]
        times = period_times(bells, value.on_date, value.period or 0, self._zone)
        assert times is not None  # the rules have looked
        return about, *times
