"""A lesson without a mouse: begun, led and ended by the keys alone, and a message typed that has digits in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

from tests.browser.linked_rooms import LinkedRooms
from tests.browser.wide_district import wide_district
from tests.running import chromium

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.async_api import Locator, Page

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]


async def tab_to(page: Page, goal: Locator) -> None:
    """Press Tab until it has the focus."""
    for _ in range(80):
        await page.keyboard.press("Tab")
        if await goal.evaluate("one => one === document.activeElement"):
            return
    raise AssertionError("Tab does not lead there")


async def test_a_lesson_by_the_keys_alone(tmp_path: Path) -> None:
    async with wide_district(tmp_path) as place, chromium() as browser:
        page = await (await place.context(browser, "lihongmei")).new_page()
        await page.goto(place.server.url)
        start = page.locator(".now").get_by_role("button", name="开始上课")
        await start.wait_for()
        await tab_to(page, start)
        await page.keyboard.press("Enter")
        await page.locator('.desk[data-state="live"]').wait_for()
        rooms = await LinkedRooms.opened(place, browser)
        first, second = [page.locator(f'[data-room="{await rooms.enter(room)}"]') for room in (2, 4)]
        await expect(page.locator(".wall")).to_contain_text("2 / 9")
        digit = await first.locator(".place").inner_text()

        # What is typed into a message is no command, and Escape gives the keys back to the desk.
        await page.keyboard.press("n")
        words = f"请看第 {digit}0 页 123 nth?"
        field = page.get_by_role("dialog").get_by_role("textbox")
        await tab_to(page, field)
        await page.keyboard.type(words)
        await expect(field).to_have_value(words)
        await page.keyboard.press("Escape")
        await expect(page.get_by_role("dialog")).to_have_count(0)
        await expect(page.locator(".tile.called, .mic.muted")).to_have_count(0)
        await expect(page.locator('.desk[data-mode="listen"]')).to_be_visible()
        await page.keyboard.press(digit)
        await expect(page.locator(".tile.called")).to_have_count(1)
        await expect(first.locator(".call")).to_have_attribute("aria-pressed", "true")

        # More of a classroom, and back to where one was.
        more = second.locator(".more")
        await tab_to(page, more)
        await page.keyboard.press("Enter")
        await tab_to(page, page.get_by_role("dialog").get_by_role("button", name="请保持安静"))
        await page.keyboard.press("Enter")
        await expect(page.locator(".said")).to_contain_text("请保持安静")
        await expect(more).to_be_focused()

        # The end is asked beside the slides, and the safe answer has the focus.
        end = page.get_by_role("button", name="下课", exact=True)
        await tab_to(page, end)
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("button", name="继续上课")).to_be_focused()
        await page.keyboard.press("Escape")
        await expect(end).to_be_focused()
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("button", name="继续上课")).to_be_focused()
        await page.keyboard.press("Tab")
        await expect(page.get_by_role("button", name="确定下课")).to_be_focused()
        await page.keyboard.press("Enter")
        await page.locator('.desk[data-state="ended"]').wait_for()
