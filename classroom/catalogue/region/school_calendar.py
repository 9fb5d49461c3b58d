"""On which days a school holds lessons, and those of which day: holidays (放假), swapped days (调休), days of its own.

Pure. What a school says of a day counts, else what its district says, else those above it, else what is said for all.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from classroom.catalogue.region.values import MAX_SPAN_DAYS, CalendarDay, CalendarSpan, bad

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date


class Area(NamedTuple):
    """For whom a day is said: a school, a district with those below it, or with neither everybody."""

    district_id: int | None = None
    school_id: int | None = None


class SchoolCalendar:
    """The days of one school that are not as its timetable has them."""

    def __init__(self, special: Mapping[date, date | None] | None = None) -> None:
        self._special = special or {}
        self.holidays = frozenset(day for day, follows in self._special.items() if follows is None)

    def has_lessons(self, day: date) -> bool:
        """Whether there may be lessons on a day: not in the holidays."""
        return day not in self.holidays

    def held(self, regular: Iterable[date]) -> list[date]:
        """The days on which the lessons are held that the timetable has on these ``regular`` days, in order."""
        days = set(regular)
        followed = {day for day, follows in self._special.items() if follows in days}
        return sorted((days - self._special.keys()) | followed)


class SchoolCalendars:
    """The calendars of all schools, made of what is said for each area.

    ``schools`` have their district, ``districts`` the one above them.
    """

    def __init__(
        self,
        days: Iterable[CalendarDay] = (),
        schools: Mapping[int, int] | None = None,
        districts: Mapping[int, int | None] | None = None,
    ) -> None:
        self._days = list(days)
        self._schools = schools or {}
        self._districts = districts or {}
        self._calendars: dict[int, SchoolCalendar] = {}

    def of(self, school_id: int) -> SchoolCalendar:
        """The calendar of a school."""
        found = self._calendars.get(school_id)
        if found is None:
            areas = [Area(school_id=school_id), *areas_of_district(self._schools.get(school_id), self._districts)]
            special = {day.on_date: day.follows for day in nearest(self._days, areas)}
            found = self._calendars[school_id] = SchoolCalendar(special)
        return found


def areas_of_district(district_id: int | None, districts: Mapping[int, int | None]) -> list[Area]:
    """What counts for a district (None: for all), the nearest first: its own, of those above it, of everybody."""
    found: list[Area] = []
    while district_id is not None:
        found.append(Area(district_id=district_id))
        district_id = districts.get(district_id)
    return [*found, Area()]


def nearest(days: Iterable[CalendarDay], areas: Sequence[Area]) -> list[CalendarDay]:
    """Of each date what is said for the nearest of the areas, which come nearest first; in order of dates."""
    rank = {area: number for number, area in enumerate(areas)}
    found: dict[date, CalendarDay] = {}
    for day in days:
        mine = rank.get(area_of(day))
        other = found.get(day.on_date)
        if mine is not None and (other is None or mine < rank[area_of(other)]):
            found[day.on_date] = day
    return [found[day] for day in sorted(found)]


def area_of(day: CalendarDay) -> Area:
    """For whom a day is said."""
    return Area(day.district_id, day.school_id)


def days_of(span: CalendarSpan) -> list[CalendarDay]:
    """Each day of a span, in order. Raises BadValue when it ends before it begins or is longer than MAX_SPAN_DAYS."""
    count = (span.last_day - span.first_day).days + 1
    if count < 1:
        raise bad("last_day", "不能早于第一天", "it must not be before the first day")
    if count > MAX_SPAN_DAYS:
        zh = f"一次最多设 {MAX_SPAN_DAYS} 天，请分几次设"
        raise bad("last_day", zh, f"at most {MAX_SPAN_DAYS} days are said at once; say them in several parts")
    dates = [span.first_day + timedelta(days=number) for number in range(count)]
    return [
        CalendarDay(day, span.name, day if span.as_usual else None, span.district_id, span.school_id) for day in dates
    ]
