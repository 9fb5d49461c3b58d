"""The calendar in real Chromium: a person sets a holiday, and the lessons of that day go, also from a display."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

from tests.browser.district import TITLE, VILLAGES, district
from tests.browser.terminals import paired
from tests.running import chromium

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.async_api import Locator, Page

    from tests.browser.district import District

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]


def cell(page: Page, day: date) -> Locator:
    """A day in the month that is shown."""
    return page.get_by_role("button", name=re.compile(f"^{day.month}月{day.day}日"))


async def open_day(page: Page, day: date) -> None:
    """Open the form of a day, in the month that has it."""
    await page.goto(f"{page.url.partition('?')[0]}?month={day:%Y-%m}")
    await cell(page, day).click()
    await page.get_by_role("dialog").get_by_role("radio").first.wait_for()


async def planned(place: District, day: date) -> int:
    """How many lessons there are on a day."""
    return len((await place.operator.ask("GET", f"/api/plans?from={day}"))["items"])


async def test_a_holiday_is_set_and_its_lessons_go(tmp_path: Path) -> None:
    # The first lesson begins in half an hour: no display is awake for it yet.
    async with district(tmp_path, timedelta(minutes=30)) as place, chromium() as browser:
        today = date.fromisoformat((await place.operator.ask("GET", "/api/today"))["date"])
        next_week = today + timedelta(days=7)
        assert (await planned(place, today), await planned(place, next_week)) == (2, 2)

        room = await place.room(VILLAGES["山坪小学"])
        display = await paired(place.operator, await browser.new_context(), room=room)
        display.set_default_timeout(30_000)
        await display.get_by_text(TITLE).wait_for()
        await display.get_by_text("分钟后上课").wait_for()

        office = await browser.new_context(viewport={"width": 1366, "height": 768})
        url = str(place.server.url)
        await office.add_cookies([{"name": "session", "value": place.operator.cookie, "url": url}])
        page = await office.new_page()
        page.set_default_timeout(30_000)
        await page.goto(f"{url}/admin/calendar")

        await open_day(page, today)
        sheet = page.get_by_role("dialog")
        await sheet.get_by_text("已经排好的 2 节课会停上").wait_for()
        await sheet.get_by_role("button", name="运动会").click()
        await sheet.get_by_role("button", name="保存").click()
        await page.get_by_text("已保存：").wait_for()
        await expect(cell(page, today)).to_contain_text("运动会")
        assert (await planned(place, today), await planned(place, next_week)) == (0, 2)
        await display.get_by_text("今天没有课了").wait_for()

        # The lessons are made up for on the day after.
        await open_day(page, today + timedelta(days=1))
        await sheet.get_by_text("按另一天的课表上课").click()
        await expect(sheet.get_by_label("名称")).to_have_value("调休")
        await sheet.get_by_label("按哪天的课表").fill(f"{today}")
        await sheet.get_by_text("周（").wait_for()  # which week of the term that is
        await sheet.get_by_role("button", name="保存").click()
        await page.get_by_text("已保存：").wait_for()
        assert await planned(place, today + timedelta(days=1)) == 2

        # Taken back, the day is as the timetable has it.
        await open_day(page, today)
        await sheet.get_by_role("button", name="取消设置").click()
        await page.get_by_text("已取消：").wait_for()
        assert await planned(place, today) == 2
        await display.get_by_text("分钟后上课").wait_for()

        # A holiday of three days is one request, as many days as it has.
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.method) if request.method != "GET" else None)
        first, last = next_week - timedelta(days=1), next_week + timedelta(days=1)
        await open_day(page, first)
        await sheet.get_by_role("button", name="国庆节").click()
        await sheet.get_by_label("到哪一天").fill(f"{last}")
        await sheet.get_by_text("共 3 天").wait_for()
        await sheet.get_by_role("button", name="保存").click()
        await page.get_by_text("已保存：").wait_for()
        assert (asked, await planned(place, next_week)) == (["PUT"], 0)
        said = await place.operator.ask("GET", f"/api/calendar?from={first}&to={last}")
        assert [day["name"] for day in said["items"]] == ["国庆节"] * 3
