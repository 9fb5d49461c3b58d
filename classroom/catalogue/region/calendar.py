"""The weeks of a term and the bells of a school: which days a lesson is on, and when. Pure.

Dates and times of day are local; only ``instant`` knows the zone.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from zoneinfo import ZoneInfo

_WEEK = timedelta(days=7)


class Weeks(StrEnum):
    """In which weeks of a term (单双周)."""

    ALL = "all"
    ODD = "odd"
    EVEN = "even"


@dataclass(frozen=True, slots=True)
class Bell:
    """When a period begins and ends."""

    period: int
    starts: time
    ends: time


class Bells:
    """The bell schedules of one school, each valid from a day on until the next."""

    def __init__(self, schedules: Iterable[tuple[date, Iterable[Bell]]]) -> None:
        self._schedules: list[tuple[date, dict[int, Bell]]] = sorted(
            ((valid_from, {bell.period: bell for bell in bells}) for valid_from, bells in schedules),
            key=lambda schedule: schedule[0],
        )

    def on(self, day: date) -> Mapping[int, Bell]:
        """The bells of a day by their period; none before the first schedule."""
        found: Mapping[int, Bell] = {}
        for valid_from, bells in self._schedules:
            if valid_from > day:
                break
            found = bells
        return found


def monday(day: date) -> date:
    """The Monday of a day's week."""
    return day - timedelta(days=day.weekday())


def week_of(starts_on: date, day: date) -> int:
    """The week of a term that a day is in: 1 for the week of its first day."""
    return (monday(day) - monday(starts_on)) // _WEEK + 1


@lru_cache(maxsize=1024)  # a timetable has thousands of entries, which differ in little else than the day of the week
def dates(
    starts_on: date,
    ends_on: date,
    weekday: int,
    weeks: Weeks = Weeks.ALL,
    first_week: int | None = None,
    last_week: int | None = None,
) -> tuple[date, ...]:
    """The days of a term, both ends among them, that are this day of the week (1 is Monday) in these weeks."""
    day = monday(starts_on) + timedelta(days=weekday - 1)
    found: list[date] = []
    week = 1
    while day <= ends_on and (last_week is None or week <= last_week):
        if day >= starts_on and week >= (first_week or 1) and _in(weeks, week):
            found.append(day)
        day += _WEEK
        week += 1
    return tuple(found)


def instant(day: date, at: time, zone: ZoneInfo) -> datetime:
    """A local time of a day, in UTC."""
    return datetime.combine(day, at, zone).astimezone(UTC)


def period_times(bells: Bells, day: date, period: int, zone: ZoneInfo) -> tuple[datetime, datetime] | None:
    """When a period of a day begins and ends, in UTC; None when the school has no such period then."""
    bell = bells.on(day).get(period)
    return None if bell is None else (instant(day, bell.starts, zone), instant(day, bell.ends, zone))


def _in(weeks: Weeks, week: int) -> bool:
    return weeks is Weeks.ALL or (week % 2 == 1) == (weeks is Weeks.ODD)
