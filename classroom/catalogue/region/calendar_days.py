"""The calendar (校历): whoever changes a day of it, the plans of that day follow.

Like bells a holiday is a fact: what meets because two schools hold the lessons of different days is no reason to refuse
it; it is listed with the timetable's conflicts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import and_, or_, select

from classroom.catalogue.region.kinds import CALENDAR
from classroom.catalogue.region.repository import Repository, Stored
from classroom.catalogue.region.schema import calendar_days, schools
from classroom.catalogue.region.school_calendar import Area, areas_of_district, nearest
from classroom.catalogue.region.storage import parents_of_districts, region_reading
from classroom.catalogue.region.values import CalendarDay
from classroom.catalogue.scope import EVERYTHING, Scope

if TYPE_CHECKING:
    from datetime import date

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

        A day that is not told is as the timetable has it.
        """
        async with region_reading(self._database) as connection:
            areas = await _outwards(connection, area)
            said = or_(
                *(
                    and_(
                        calendar_days.c.district_id.is_not_distinct_from(each.district_id),
                        calendar_days.c.school_id.is_not_distinct_from(each.school_id),
                    )
                    for each in areas
                )
            )
            query = select(calendar_days).where(
                calendar_days.c.on_date.between(since, until), said, self.kind.sees(scope)
            )
            found = await self._stored(connection, (await connection.execute(query)).all())
        by_value = {stored.value: stored for stored in found}
        return [by_value[day] for day in nearest(by_value, areas)]

    async def _saved(
        self, connection: AsyncConnection, before: Stored[CalendarDay] | None, after: Stored[CalendarDay]
    ) -> None:
        days = {stored.value.on_date for stored in (before, after) if stored is not None}
        await self._planning.follow_days(connection, days)

    async def _left(self, connection: AsyncConnection, before: Stored[CalendarDay]) -> None:
        await self._planning.follow_days(connection, {before.value.on_date})


async def _outwards(connection: AsyncConnection, area: Area) -> list[Area]:
    """An area, then those that it is in."""
    parents = await parents_of_districts(connection)
    if area.school_id is None:
        return areas_of_district(area.district_id, parents)
    district = await connection.scalar(select(schools.c.district_id).where(schools.c.id == area.school_id))
    return [area, *areas_of_district(district, parents)]
