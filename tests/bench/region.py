"""How long a large region keeps the event loop: ``python -m tests.bench.region``.

A whole server in this process, SQLite, 440 schools whose timetable has 13,200 entries. While a door is asked, a timer
of the same loop is due each millisecond: told is how late it was at most, and how much of the processor the loop's
own thread took at most between two times, which says what the door does where a busy machine is late by itself.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import tempfile
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from rich.console import Console

from classroom.catalogue.database import Database, database_url
from classroom.catalogue.region.region import Region
from tests.bench.figures import make_table
from tests.unit.catalogue.region.county import COUNTY, ENTRIES, FIRST_TOWN, OTHER_CITY, fill_county, main_school
from tests.unit.web.people import Visitor, opened, signed_in
from tests.unit.web.running_node import running

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

TOWNS = 40  # of eleven schools
TICK_S = 0.001
SETTLE_S = 1.0  # what follows a change belongs to it: the school day is read again
COLUMNS = {
    "asked": "{}", "longest_gap_ms": "{:.0f}", "most_cpu_ms": "{:.0f}", "took_s": "{:.2f}", "after_ms": "{:.0f}",
    "after_cpu_ms": "{:.0f}", "status": "{}",
}  # fmt: skip


class LoopWatch:
    """The longest time for which the running loop did not turn since ``reset``, and the most CPU of its thread then."""

    def __init__(self) -> None:
        self.longest_ms = 0.0
        self.most_cpu_ms = 0.0
        self._ticked = asyncio.Event()
        self._task = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        was_s, was_cpu_s = time.perf_counter(), time.thread_time()
        while True:
            await asyncio.sleep(TICK_S)
            now_s, cpu_s = time.perf_counter(), time.thread_time()
            self.longest_ms = max(self.longest_ms, (now_s - was_s - TICK_S) * 1e3)
            self.most_cpu_ms = max(self.most_cpu_ms, (cpu_s - was_cpu_s) * 1e3)
            was_s, was_cpu_s = now_s, cpu_s
            self._ticked.set()

    async def seen(self) -> None:
        """Until what kept the loop just now has been noticed."""
        self._ticked.clear()
        await self._ticked.wait()

    def reset(self) -> tuple[float, float]:
        """Begin anew; what both were so far, in milliseconds."""
        found = self.longest_ms, self.most_cpu_ms
        self.longest_ms = self.most_cpu_ms = 0.0
        return found

    async def close(self) -> None:
        """Watch no more."""
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task


async def measure(towns: int) -> list[dict[str, Any]]:
    """A row for each door: the longest gap while it was asked, and in the second after it."""
    rows = []
    with tempfile.TemporaryDirectory() as name:
        async with running(Path(name)) as doors:
            await opened(doors)
            region = doors.node.region
            await fill_county(doors.node.database, region.planning.today, towns)
            gc.collect()
            watch = LoopWatch()
            try:
                visitor = await signed_in(doors, "operator")
                for asked, ask in _questions(visitor, region):
                    await asyncio.sleep(SETTLE_S)
                    watch.reset()
                    began_s = time.perf_counter()
                    status = await ask()
                    took_s = time.perf_counter() - began_s
                    await watch.seen()
                    longest_ms, cpu_ms = watch.reset()
                    await asyncio.sleep(SETTLE_S)
                    after_ms, after_cpu_ms = watch.reset()
                    rows.append(
                        {
                            "asked": asked,
                            "longest_gap_ms": longest_ms,
                            "most_cpu_ms": cpu_ms,
                            "took_s": took_s,
                            "after_ms": after_ms,
                            "after_cpu_ms": after_cpu_ms,
                            "status": status,
                        }
                    )
            finally:
                await watch.close()
    return rows


def _questions(visitor: Visitor, region: Region) -> list[tuple[str, Callable[[], Awaitable[int]]]]:
    workday = region.planning.today
    while workday.isoweekday() > 5 or workday == region.planning.today:
        workday += timedelta(days=1)

    async def ask(method: str, path: str, **options: Any) -> int:
        response = await visitor.ask(method, path, **options)
        return response.status

    async def change(path: str, **values: Any) -> int:
        """As the pages do it: what was read, with something else in it."""
        told = await (await visitor.ask("GET", path)).json()
        body = {name: said for name, said in told.items() if name not in ("id", "names")} | values
        return await ask("PUT", path, json=body)

    async def take_in() -> int:
        book = await region.exchange.give_out()
        return await ask("POST", "/api/region/import", data=book, headers=_FILE)

    async def take_in_anew() -> int:
        files = [(PurePath("region.xlsx"), await region.exchange.give_out())]
        with tempfile.TemporaryDirectory() as name:
            database = Database(database_url(None, Path(name)))
            await database.open()
            outcome = await Region(database, "s" * 32, region.zone).exchange.take_in(files)
            await database.close()
        return len(outcome.changes)

    async def materialise() -> int:
        await region.planning.materialise()
        return 0

    holiday = {"on_date": str(workday), "name": "放假"}
    town = f"/api/region/schools/{main_school(0)}"
    return [
        ("planning 15 days anew", materialise),
        ("planning 15 days again", materialise),
        ("GET /api/region/conflicts", lambda: ask("GET", "/api/region/conflicts")),
        ("a school to another district", lambda: change(town, district_id=FIRST_TOWN + 1)),
        (
            "a district to another city",
            lambda: change(f"/api/region/districts/{COUNTY}", parent_id=OTHER_CITY),
        ),
        ("a holiday of everybody", lambda: ask("POST", "/api/region/calendar", json=holiday)),
        ("GET /api/today of an operator", lambda: ask("GET", "/api/today")),
        ("GET /api/today, a working day", lambda: ask("GET", f"/api/today?date={workday + timedelta(days=7)}")),
        (
            "GET /api/plans of a week",
            lambda: ask("GET", f"/api/plans?from={workday}&to={workday + timedelta(days=6)}"),
        ),
        ("GET /api/region/timetable", lambda: ask("GET", "/api/region/timetable?page_size=500")),
        ("export", lambda: ask("GET", "/api/region/export.xlsx")),
        ("export, and its import checked", take_in),
        ("export, and its import elsewhere", take_in_anew),
    ]


_FILE = {"Content-Type": "application/octet-stream", "X-Filename": "region.xlsx"}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--towns", type=int, default=TOWNS, help="of eleven schools")
    towns = parser.parse_args().towns
    rows = asyncio.run(measure(towns))
    title = f"{towns * 11} schools, {towns * ENTRIES} entries, SQLite"
    Console(width=120).print(make_table(title, COLUMNS, rows))


if __name__ == "__main__":
    main()
