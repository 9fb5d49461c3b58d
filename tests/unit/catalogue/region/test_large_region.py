"""What a large region keeps the loop with: counted in calls between two of its turns, so no machine is too slow."""

from __future__ import annotations

import asyncio
import sys
from contextlib import contextmanager
from dataclasses import replace
from pathlib import PurePath
from typing import TYPE_CHECKING

import pytest

from tests.unit.catalogue.region.county import COUNTY, OTHER_CITY, fill_county
from tests.unit.catalogue.region.town import open_region

if TYPE_CHECKING:
    from collections.abc import Iterator

TOWNS = 6  # with 1,980 entries
MOST_CALLS = 20_000  # some milliseconds; 1,980 entries made on the loop are 120,000, whatever the machine


class Turns:
    """Counts the calls, of Python and of C, which the thread of the loop makes in each of its turns."""

    def __init__(self) -> None:
        self.turns = 0
        self.most_calls = 0
        self._calls = 0
        self._handle: asyncio.Handle | None = None

    def turn(self) -> None:
        self.turns += 1
        self.most_calls = max(self.most_calls, self._calls)
        self._calls = 0
        self._handle = asyncio.get_running_loop().call_soon(self.turn)

    def called(self, frame: object, event: str, argument: object) -> None:
        self._calls += event in ("call", "c_call")

    def stop(self) -> None:
        assert self._handle is not None
        self._handle.cancel()
        self.most_calls = max(self.most_calls, self._calls)


@contextmanager
def counted() -> Iterator[Turns]:
    turns = Turns()
    turns.turn()
    sys.setprofile(turns.called)
    try:
        yield turns
    finally:
        sys.setprofile(None)
        turns.stop()


@pytest.fixture
async def region(tmp_path):
    async with open_region("sqlite", tmp_path) as (region, _):
        await fill_county(region.database, region.planning.today, TOWNS)
        await region.planning.materialise()
        yield region


async def test_the_count_sees_what_keeps_the_loop(region):
    with counted() as turns:
        await asyncio.sleep(0)
        assert sum(map(abs, range(10))) == 45
        for number in range(MOST_CALLS):
            abs(number)
        await asyncio.sleep(0)
    assert turns.most_calls > MOST_CALLS


async def test_the_conflicts_of_all_entries_are_found_beside_the_loop(region):
    with counted() as turns:
        found = await region.timetable.conflicts(most=10)
    assert found.total > 0
    assert turns.most_calls < MOST_CALLS


async def test_a_district_that_moves_has_its_lessons_planned_anew_beside_the_loop(region):
    county = await region.districts.get(COUNTY)
    with counted() as turns:
        await region.districts.update(COUNTY, replace(county.value, parent_id=OTHER_CITY))
    assert turns.most_calls < MOST_CALLS


async def test_a_day_is_planned_beside_the_loop(region):
    with counted() as turns:
        made = await region.planning.materialise()
    assert (made.created, made.changed, made.removed) == (0, 0, 0)
    assert turns.most_calls < MOST_CALLS


async def test_the_lessons_of_a_day_are_told_beside_the_loop(region):
    with counted() as turns:
        plans = await region.plans.plans_of(region.planning.today)
    assert len(plans) == len({plan.lesson_id for plan in plans}) > 300
    assert turns.most_calls < MOST_CALLS


async def test_a_region_is_given_out_and_checked_beside_the_loop(region):
    with counted() as turns:
        book = await region.exchange.give_out()
        outcome = await region.exchange.check([(PurePath("region.xlsx"), book)])
    assert not outcome.bad and not outcome.changes
    assert turns.most_calls < MOST_CALLS
