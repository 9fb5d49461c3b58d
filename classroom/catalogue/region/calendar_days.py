"""The calendar (校历): whoever changes a day of it, the plans of that day follow.

Like bells a holiday is a fact: what meets because two schools hold the lessons of different days is no reason to refuse
it; it is listed with the timetable's conflicts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import and_, insert, or_, select, update

from classroom.catalogue.region.kinds import CALENDAR, DISTRICTS, SCHOOLS
from classroom.catalogue.region.repository import Repository, Stored, not_found
from classroom.catalogue.region.rows import to_row
from classroom.catalogue.region.rules import fit
from classroom.catalogue.region.schema import calendar_days, schools
from classroom.catalogue.region.school_calendar import Area, area_of, areas_of_district, days_of, nearest
from classroom.catalogue.region.storage import facts_of, parents_of_districts, region_reading, region_writing
from classroom.catalogue.region.values import CalendarDay, CalendarSpan, checked
from classroom.catalogue.scope import EVERYTHING, Scope

if TYPE_CHECKING:
    from datetime import date

    from sqlalchemy import ColumnElement
    from sqlalchemy.ext.asyncio import AsyncConnection

    from classroom.catalogue.database import Database
    from classroom.catalogue.region.planning import Planning
    from classroom.catalogue.region.student_numbers import StudentNumbers


class CalendarDays(Repository[CalendarDay]):
    """The days that are not as the timetable has them."""

    def __init__(self, database: Database, numbers: StudentNumbers, planning: Planning) -> None:
        super().__init__(database, CALENDAR, numbers)
        self._planning = planning

    async def that_count(
        self, area: Area, since: date, until: date, scope: Scope = EVERYTHING
    ) -> list[Stored[CalendarDay]]:
        """What counts for an area on the days of a span, both ends among them: of each day what is said nearest to it.

        A day that is not told is as the timetable has it. Raises NotFound when there is no such school or district.
        """
        async with region_reading(self._database) as connection:
            areas = await _outwards(connection, area)
            said = or_(*map(_said_for, areas))
            query = select(calendar_days).where(
                calendar_days.c.on_date.between(since, until), said, self.kind.sees(scope)
            )
            found = await self._stored(connection, (await connection.execute(query)).all())
        by_value = {stored.value: stored for stored in found}
        return [by_value[day] for day in nearest(by_value, areas)]

    async def say(self, span: CalendarSpan, scope: Scope = EVERYTHING) -> list[Stored[CalendarDay]]:
        """Say what the days of a span are, all of them or none; what was said of one for the same area is said anew.

        Their lessons are planned again afterwards, day by day. Raises BadValue; NotFound when they would be out of the
        scope.
        """
        days = days_of(checked(span))
        dates = [day.on_date for day in days]
        mine = and_(calendar_days.c.on_date.between(dates[0], dates[-1]), _said_for(area_of(days[0])))
        async with region_writing(self._database) as connection:
            fit(days[0], await facts_of(connection, days[0]))  # the others differ by their dates alone
            there = set(await connection.scalars(select(calendar_days.c.on_date).where(mine)))
            follows = calendar_days.c.on_date if span.as_usual else None
            await connection.execute(update(calendar_days).where(mine).values(name=days[0].name, follows=follows))
            new = [to_row(self.kind, day, self._numbers) for day in days if day.on_date not in there]
            if new:
                await connection.execute(insert(calendar_days), new)
            query = select(calendar_days).where(mine, self.kind.owns(scope)).order_by(calendar_days.c.on_date)
            said = await self._stored(connection, (await connection.execute(query)).all())
            if not said:  # nothing of an area is owned but all of it
                raise not_found(self.kind)
        await self._planning.plan_again(dates)
        return said

    async def _saved(
        self, connection: AsyncConnection, before: Stored[CalendarDay] | None, after: Stored[CalendarDay]
    ) -> None:
        days = {stored.value.on_date for stored in (before, after) if stored is not None}
        await self._planning.follow_days(connection, days)

    async def _left(self, connection: AsyncConnection, before: Stored[CalendarDay]) -> None:
        await self._planning.follow_days(connection, {before.value.on_date})


def _said_for(area: Area) -> ColumnElement[bool]:
    """The condition that a day is said for this area itself."""
    return and_(
        calendar_days.c.district_id.is_not_distinct_from(area.district_id),
        calendar_days.c.school_id.is_not_distinct_from(area.school_id),
    )


async def _outwards(connection: AsyncConnection, area: Area) -> list[Area]:
    """An area, then those that it is in. Raises NotFound."""
    parents = await parents_of_districts(connection)
    if area.school_id is None:
        if area.district_id is not None and area.district_id not in parents:
            raise not_found(DISTRICTS)
        return areas_of_district(area.district_id, parents)
    school = (await connection.execute(select(schools.c.district_id).where(schools.c.id == area.school_id))).first()
    if school is None:
        raise not_found(SCHOOLS)
    return [area, *areas_of_district(school.district_id, parents)]
