"""How a terminal goes, as the others in its lesson see it: shut, or killed."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.browser.terminals import kiosk
from tests.running import LESSON, serving

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]


def is_browser(process: psutil.Process) -> bool:
    """Whether it is one of a Chromium; who is gone or a zombie has no command line any more."""
    try:
        return "--no-sandbox" in process.cmdline()
    except psutil.Error:
        return False


async def test_a_page_that_is_shut_has_left_and_a_browser_that_is_killed_was_cut_off(tmp_path: Path) -> None:
    before = psutil.Process().children(recursive=True)
    async with kiosk() as browser, serving(tmp_path) as server:
        teacher = await server.token("teacher")
        assert await server.post(f"/api/lessons/{LESSON}/start", teacher) == 200

        async def until(name: str, *, online: bool, cut: bool) -> None:
            def is_so(answer: dict | None) -> bool:
                people = (answer or {}).get("participants", [])
                return (name, online, cut) in [(p["name"], p["online"], p["cut"]) for p in people]

            await server.until(is_so, f"/api/lessons/{LESSON}", teacher)

        shut, killed = [await browser.new_page() for _ in range(2)]
        await shut.goto(await server.page("/terminal", "classroom", "大足二小"))
        await killed.goto(await server.page("/terminal", "classroom", "山坪小学"))
        await until("大足二小", online=True, cut=False)
        await until("山坪小学", online=True, cut=False)
        await shut.close()
        await until("大足二小", online=False, cut=False)
        # All of its processes at once: of one that loses its main process the network process still closes with 1001.
        after = psutil.Process().children(recursive=True)
        browsing = [process for process in after if process not in before and is_browser(process)]
        for do in (psutil.Process.suspend, psutil.Process.kill):
            for process in browsing:
                with contextlib.suppress(psutil.NoSuchProcess):  # that of the page that was shut ends by itself
                    do(process)
        await until("山坪小学", online=False, cut=True)
        await until("大足二小", online=False, cut=False)
