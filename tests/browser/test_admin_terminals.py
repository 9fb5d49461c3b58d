"""A display in a classroom from its code to its end, as the office does it, in real Chromium."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from playwright.async_api import expect

from tests.browser.district import PASSWORD, ROOM, district
from tests.browser.office import pick, row, sign_in
from tests.browser.terminals import CAMERA
from tests.running import chromium

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]


async def test_a_display_is_paired_by_its_code_and_unpaired(tmp_path: Path) -> None:
    async with district(tmp_path) as town, chromium(*CAMERA) as browser:
        url = town.server.url
        display = await (await browser.new_context()).new_page()
        await display.goto(f"{url}/terminal")
        code = await display.locator("[data-code]").inner_text(timeout=30_000)

        # The office is somewhere else: what it reads is the time of the schools all the same.
        office = await (await browser.new_context(timezone_id="Pacific/Kiritimati")).new_page()
        office.set_default_timeout(30_000)
        await office.goto(f"{url}/signin?next=/admin/terminals")
        await sign_in(office, "wang", PASSWORD)
        await office.get_by_role("heading", name="还没有终端").wait_for()
        await office.get_by_role("main").get_by_role("button", name="添加终端").first.click()
        await office.get_by_label("配对码").fill(code.replace("-", "").lower())
        await expect(office.get_by_label("配对码")).to_have_value(code)
        await pick(office, "学校", "山坪", "山坪小学")
        await pick(office, "教室", "多媒体", f"山坪小学 {ROOM}")
        await office.get_by_role("button", name="绑定", exact=True).click()
        await office.get_by_text(f"已绑定到 山坪小学 {ROOM}").wait_for()
        await expect(display.locator("[data-code]")).to_have_count(0, timeout=30_000)

        paired = row(office, f"山坪小学 {ROOM}")
        await expect(paired).to_contain_text("在线", timeout=30_000)
        [plan, *_] = (await town.operator.ask("GET", "/api/today"))["lessons"]
        zone = ZoneInfo((await town.operator.ask("GET", "/api/session"))["timezone"])
        begins = datetime.fromisoformat(plan["starts_at"]).astimezone(zone)
        await expect(paired).to_contain_text(f"{begins:%H:%M}–")

        await paired.get_by_role("button", name="解除绑定").click()
        dialog = office.get_by_role("dialog")
        await expect(dialog).to_contain_text("这台设备会立刻退出")
        await dialog.get_by_role("button", name="取消").click()
        await expect(paired.get_by_role("button", name="解除绑定")).to_be_focused()
        await paired.get_by_role("button", name="解除绑定").click()
        await dialog.get_by_role("button", name="解除绑定").click()
        await office.get_by_text(f"已解除 山坪小学 {ROOM} 的绑定").wait_for()
        await expect(paired).to_have_count(0)
        # Its button is gone with its row: the keyboard goes on at what was told.
        await expect(office.get_by_role("button", name="知道了")).to_be_focused()
        await expect(display.locator("[data-code]")).not_to_have_text(re.compile(code), timeout=30_000)
