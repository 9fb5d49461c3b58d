"""Calling on one classroom after the other, in a whole school day: ``python -m tests.bench.calling [lessons]``.

Each lesson is begun anew, with three terminals and a desk in Chromium, a capture agent and a server on this machine;
three classrooms are called on and returned from. Every page tells when it showed them.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from rich.console import Console

from tests.bench.figures import make_table
from tests.browser.cable import cable
from tests.browser.classrooms import CAMERA, NOTING
from tests.browser.district import VILLAGES, district
from tests.browser.test_class_page import PRESSES
from tests.browser.test_lesson import until_phase
from tests.browser.test_school_day import (
    SCREEN,
    WATCH,
    Desk,
    Times,
    a_lesson_begins_by_one_press,
    capture_agent,
    heard_after_ms,
    shown_after_ms,
    switched_on,
    until_in_lesson,
)
from tests.browser.voice import voice
from tests.running import chromium

if TYPE_CHECKING:
    from playwright.async_api import Page

    from tests.bench.figures import Row
    from tests.browser.test_school_day import Terminal

BETWEEN_S = 1.5
BAR_MS = 300

#: what was waited for, and after how many milliseconds which page had it
Measured = dict[str, list[float]]


async def call_on(desk: Desk, asking: Terminal, others: list[Terminal], measured: Measured) -> None:
    """Call on a classroom and return."""
    pages: list[Page] = [desk.page, *(terminal.page for terminal in others)]
    pressed_ms = await desk.press_tile(asking)
    at_desk_ms, *elsewhere_ms = await asyncio.gather(*(shown_after_ms(page, True, pressed_ms) for page in pages))
    measured["picture at the desk"].append(at_desk_ms)
    measured["picture elsewhere"] += elsewhere_ms
    measured["sound"] += await asyncio.gather(*(heard_after_ms(page, pressed_ms) for page in pages))
    await until_phase(asking.page, "called")
    await asyncio.sleep(BETWEEN_S)
    pressed_ms = await desk.press_tile(asking)
    measured["return"] += await asyncio.gather(*(shown_after_ms(page, False, pressed_ms) for page in pages))
    await until_in_lesson(asking)
    await asyncio.sleep(BETWEEN_S)


async def lesson(folder: Path, measured: Measured) -> None:
    """A lesson in which each classroom is called on once."""
    async with AsyncExitStack() as stack:
        place = await stack.enter_async_context(district(folder / "data"))
        browser = await stack.enter_async_context(chromium(*CAMERA, voice(folder)))
        lines = [await stack.enter_async_context(cable(place.server)) for _ in VILLAGES]
        terminals = [await switched_on(place, browser, *each) for each in zip(VILLAGES, lines, strict=True)]
        await stack.enter_async_context(capture_agent(place, folder / "home"))
        context = await browser.new_context(viewport=SCREEN)
        await context.add_cookies([{"name": "session", "value": await place.teacher(), "url": place.server.url}])
        desk = Desk(await context.new_page())
        await desk.page.add_init_script(NOTING + PRESSES)
        await a_lesson_begins_by_one_press(Times(), place, desk, terminals)
        await desk.page.evaluate(WATCH, "programme")
        for terminal in terminals:
            await terminal.page.evaluate(WATCH, "camera")
        for asking in terminals:
            await call_on(desk, asking, [other for other in terminals if other is not asking], measured)


async def main(lessons: int) -> None:
    """Print a table of all lessons."""
    measured: Measured = {"picture at the desk": [], "picture elsewhere": [], "sound": [], "return": []}
    for _ in range(lessons):
        with tempfile.TemporaryDirectory() as folder:
            await lesson(Path(folder), measured)
    rows: list[Row] = []
    for what, took_ms in measured.items():
        took_ms.sort()
        within = sum(each <= BAR_MS for each in took_ms) / len(took_ms)
        p95_ms = took_ms[int(len(took_ms) * 0.95)]
        rows.append({"ms_after_the_finger": what, "n": len(took_ms), "p50": median(took_ms), "p95": p95_ms,
                     "most": took_ms[-1], "within_300": within})  # fmt: skip
    columns = {"ms_after_the_finger": "{}", "n": "{:d}", "p50": "{:.0f}", "p95": "{:.0f}", "most": "{:.0f}",
               "within_300": "{:.0%}"}  # fmt: skip
    Console().print(make_table("calling on a classroom", columns, rows))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 7))
