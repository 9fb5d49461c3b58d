"""How fast the pages of recordings are, and how well the replay keeps in step: ``python -m tests.bench.pages``.

A lesson is held with a real capture agent and replayed in Chromium, all on this machine. With ``--library DIR`` (made
by ``python -m tests.bench.library``) the library page is measured on it, too.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from classroom.config import load_settings
from classroom.web.auth import issue_operator_token
from classroom.web.secret import secret_of
from tests.bench.figures import make_table
from tests.browser.replaying import drifts_s, opened, recorded, seek_ms
from tests.running import LESSON, chromium, serving

if TYPE_CHECKING:
    from playwright.async_api import Browser

    from tests.running import Server

FRAMES = 80
COLUMNS = {"figure": "{}", "p50": "{:.0f}", "p95": "{:.0f}", "max": "{:.0f}", "wanted": "{:.0f}", "of": "{}"}
SEEKS = (3, 7, 1, 8, 5, 2, 9, 4, 6, 0)


def percentile(values: list[float], share: float) -> float:
    """The value that so great a share of all does not exceed."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def row(name: str, values: list[float], wanted: float) -> dict[str, object]:
    """One line of the table; milliseconds."""
    spread = {"p50": statistics.median(values), "p95": percentile(values, 0.95), "max": max(values)}
    return {"figure": name, **spread, "wanted": wanted, "of": len(values)}


async def replay_rows(server: Server, browser: Browser, token: str, rounds: int) -> list[dict[str, object]]:
    """Startup, seeks and drift of the replay page."""
    address = f"{server.url}/replay/{LESSON}#token={token}"
    digits = [SEEKS[i % len(SEEKS)] for i in range(rounds)]
    startup_ms = []
    for _ in range(rounds):
        page = await opened(browser, address)
        startup_ms.append(float(await page.evaluate("() => Math.max(...Object.values(replayProbe.first_ms))")))
        await page.close()
    page = await opened(browser, address)
    still_ms = [await seek_ms(page, digit) for digit in digits]
    await page.keyboard.press("Space")
    rows = [row("startup: navigation to both pictures", startup_ms, 1000), row("seek, standing", still_ms, 500)]
    for name, speed_keys in (("1×", ""), ("2×", ">>>")):
        for key in speed_keys:
            await page.keyboard.press(key)
        await seek_ms(page, 0)
        steady_ms = [abs(drift) * 1000 for drift in await drifts_s(page, FRAMES)]
        moving_ms, after_ms = [], []
        for digit in digits:
            moving_ms.append(await seek_ms(page, digit))
            after_ms += [abs(drift) * 1000 for drift in await drifts_s(page, 10)]
        rows.append(row(f"drift at {name}", steady_ms, 80))
        rows.append(row(f"seek, playing at {name}", moving_ms, 500))
        rows.append(row(f"drift at {name}, the 10 slides frames after a seek", after_ms, 80))
    return rows


async def library_rows(folder: Path, browser: Browser, rounds: int) -> list[dict[str, object]]:
    """Opening the library, and the answer to words."""
    token = issue_operator_token(secret_of(load_settings(None, recordings=folder)), time.time(), 3600)
    opened_ms, found_ms = [], []
    async with serving(folder) as server:
        while not ((await server.get("/api/library", token)) or {}).get("total"):
            await asyncio.sleep(0.5)  # until the catalogue has seen the folder
        page = await browser.new_page(viewport={"width": 1920, "height": 1080})
        for words in ("分数", "乘法", "listening", "空气", "面积")[:rounds]:
            await page.goto("about:blank")
            await page.goto(f"{server.url}/library#token={token}")
            await page.wait_for_selector("article")
            opened_ms.append(float(await page.evaluate("() => performance.now()")))
            begun = time.perf_counter()
            await page.get_by_role("searchbox").fill(words)
            await page.wait_for_selector(".hits mark")
            found_ms.append((time.perf_counter() - begun) * 1000)
    return [
        row("library: navigation to cards", opened_ms, 1000),
        row("library: words to hits (300 ms debounce)", found_ms, 1000),
    ]


async def measure(seconds: float, rounds: int, library: Path | None, console: Console) -> None:
    """Measure and print, the replay first."""
    async with chromium() as browser:
        with tempfile.TemporaryDirectory() as folder:
            async with serving(Path(folder)) as server:
                token = await recorded(server, seconds)
                console.print(make_table("replay (ms)", COLUMNS, await replay_rows(server, browser, token, rounds)))
        if library is not None:
            console.print(make_table("library (ms)", COLUMNS, await library_rows(library, browser, rounds)))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="length of the lesson")
    parser.add_argument("--rounds", type=int, default=5, help="how often a page is opened, and how often one seeks")
    parser.add_argument("--library", type=Path, help="a data directory with lessons")
    arguments = parser.parse_args()
    asyncio.run(measure(arguments.seconds, arguments.rounds, arguments.library, Console()))


if __name__ == "__main__":
    main()
