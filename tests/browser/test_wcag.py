"""WCAG 2.2 AA on every page that is no administrator's, in each of its states, languages and colours."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import TYPE_CHECKING

import pytest

from classroom.config import load_settings
from classroom.web.auth import issue_operator_token
from classroom.web.secret import secret_of
from tests.browser import faces
from tests.browser.operable import TARGET_PX, lost_by_tab, small_targets, unreadable_from_afar
from tests.browser.terminals import kiosk
from tests.browser.wcag import violations
from tests.browser.wide_district import wide_district
from tests.running import chromium, serving

if TYPE_CHECKING:
    from pathlib import Path

    from tests.browser.faces import Faces

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


async def found_on(shown: Faces, least_px: float = 0) -> list[str]:
    """What breaks a rule on any of these, is smaller than a target may be, or out of the reach of Tab."""
    found: list[str] = []
    async for face, page in shown:
        async for look in faces.looks(page):
            wrong = await violations(page) + (await small_targets(page, least_px) if least_px else [])
            wrong += await unreadable_from_afar(page) if await page.locator(".terminal").count() else []
            found += [f"{face} ({look}): {each}" for each in wrong]
        if await page.locator('[role="menu"]:visible').count() == 0:  # which Tab closes
            found += [f"{face}: {each}" for each in await lost_by_tab(page)]
    return found


async def test_the_doors(tmp_path: Path) -> None:
    async with wide_district(tmp_path) as place, chromium() as browser:
        assert await found_on(faces.doors(place, browser), TARGET_PX) == []


async def test_the_day(tmp_path: Path) -> None:
    async with wide_district(tmp_path) as place, chromium() as browser:
        assert await found_on(faces.days(place, browser), TARGET_PX) == []


async def test_the_class_page(tmp_path: Path) -> None:
    async with wide_district(tmp_path) as place, chromium() as browser:
        assert await found_on(faces.lessons(place, browser), TARGET_PX) == []


async def test_the_terminal(tmp_path: Path) -> None:
    async with wide_district(tmp_path) as place, kiosk() as browser:
        assert await found_on(faces.terminals(place, browser)) == []


async def test_the_library_and_a_replay(tmp_path: Path) -> None:
    make = [sys.executable, "-m", "tests.bench.library", str(tmp_path), "--lessons", "12"]
    assert await (await asyncio.create_subprocess_exec(*make)).wait() == 0
    token = issue_operator_token(secret_of(load_settings(None, recordings=tmp_path)), time.time(), 3600)
    async with serving(tmp_path) as server, chromium() as browser:
        await server.until(lambda answer: answer is not None and answer["total"] == 12, "/api/library", token)
        page = await browser.new_page(viewport={"width": 1366, "height": 768})
        assert await found_on(faces.shelf(page, server.url, token)) == []
