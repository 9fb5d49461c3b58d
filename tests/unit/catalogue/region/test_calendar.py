"""The weeks of a term and the bells of a school."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

import pytest

from classroom.catalogue.region.calendar import Bell, Bells, Weeks, dates, instant, period_times, week_of

STARTS, ENDS = date(2026, 9, 1), date(2027, 1, 22)  # a Tuesday, a Friday
SHANGHAI = ZoneInfo("Asia/Shanghai")


@pytest.mark.parametrize(
    ("day", "week"),
    [
        (date(2026, 8, 31), 1),  # Monday of the first week, before the term
        (date(2026, 9, 1), 1),
        (date(2026, 9, 6), 1),
        (date(2026, 9, 7), 2),
        (date(2026, 11, 25), 13),
        (date(2027, 1, 22), 21),
        (date(2026, 8, 30), 0),
    ],
)
def test_the_first_week_is_that_of_the_first_day(day, week):
    assert week_of(STARTS, day) == week


def test_every_week_has_its_day_but_for_those_outside_the_term():
    mondays, tuesdays = dates(STARTS, ENDS, 1), dates(STARTS, ENDS, 2)
    assert (mondays[0], tuesdays[0]) == (date(2026, 9, 7), date(2026, 9, 1))
    assert (len(mondays), len(tuesdays)) == (20, 21)
    assert dates(STARTS, ENDS, 5)[-1] == ENDS
    assert dates(STARTS, ENDS, 6)[-1] == date(2027, 1, 16)


def test_odd_and_even_weeks_are_all_weeks():
    odd, even = (dates(STARTS, ENDS, 3, weeks) for weeks in (Weeks.ODD, Weeks.EVEN))
    assert {week_of(STARTS, day) % 2 for day in odd} == {1}
    assert tuple(sorted([*odd, *even])) == dates(STARTS, ENDS, 3)
    assert dates(STARTS, ENDS, 1, Weeks.ODD)[0] == date(2026, 9, 14)  # the Monday of week 1 is before the term


def test_weeks_from_and_to():
    found = dates(STARTS, ENDS, 3, Weeks.EVEN, 3, 8)
    assert [week_of(STARTS, day) for day in found] == [4, 6, 8]
    assert [week_of(STARTS, day) for day in dates(STARTS, ENDS, 3, Weeks.ALL, 20)] == [20, 21]
    assert dates(STARTS, ENDS, 3, Weeks.EVEN, 5, 5) == ()


def test_the_bells_of_a_day_are_those_of_the_latest_schedule():
    summer, winter = Bell(1, time(8, 30), time(9, 10)), Bell(1, time(9), time(9, 40))
    late = Bell(2, time(9, 50), time(10, 30))
    bells = Bells([(date(2026, 12, 1), [winter, late]), (date(2026, 9, 1), [summer])])
    assert dict(bells.on(date(2026, 8, 31))) == {}
    assert dict(bells.on(date(2026, 9, 1))) == {1: summer}
    assert dict(bells.on(date(2026, 11, 30))) == {1: summer}
    assert dict(bells.on(date(2026, 12, 1))) == {1: winter, 2: late}
    assert period_times(bells, date(2026, 11, 30), 2, SHANGHAI) is None


def test_periods_are_in_utc():
    bells = Bells([(date(2026, 1, 1), [Bell(1, time(7, 30), time(8, 10))])])
    times = period_times(bells, date(2026, 11, 25), 1, SHANGHAI)
    assert times == (datetime(2026, 11, 24, 23, 30, tzinfo=UTC), datetime(2026, 11, 25, 0, 10, tzinfo=UTC))


def test_a_zone_with_summer_time_is_followed():
    berlin = ZoneInfo("Europe/Berlin")
    assert instant(date(2026, 7, 1), time(9), berlin) == datetime(2026, 7, 1, 7, 0, tzinfo=UTC)
    assert instant(date(2026, 12, 1), time(9), berlin) == datetime(2026, 12, 1, 8, 0, tzinfo=UTC)
