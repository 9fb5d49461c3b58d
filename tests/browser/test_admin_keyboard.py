"""The administration with nothing but a keyboard: Tab, Enter, Escape and the arrows, in real Chromium."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from playwright.async_api import expect

from tests.browser.district import PASSWORD, district, workbook
from tests.browser.office import row
from tests.running import chromium

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.async_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

MOST_TABS = 80
FOCUS = """() => {
  const at = document.activeElement;
  const names = [at.ariaLabel, ...[...(at.labels ?? [])].map(label => label.textContent), at.textContent];
  // What can be seen of the focus is on the element, or on what is drawn around it.
  const around = ["label", ".el-select__wrapper", ".el-input__wrapper", ".el-switch"].map(each => at.closest(each));
  const seen = [at, ...around]
    .filter(Boolean)
    .map(each => getComputedStyle(each))
    .some(({ outlineStyle, outlineWidth, boxShadow }) =>
      (outlineStyle !== "none" && parseFloat(outlineWidth) > 0) || boxShadow !== "none");
  return { name: names.find(Boolean)?.trim() ?? "", tag: at.tagName, seen };
}"""


async def tab_to(page: Page, name: str) -> None:
    """Press Tab until something of this name has the focus; wherever it comes by can be seen."""
    for _ in range(MOST_TABS):
        await page.keyboard.press("Tab")
        at = await page.evaluate(FOCUS)
        assert at["seen"] or at["tag"] == "BODY", at
        if at["name"].startswith(name):
            return
    raise AssertionError(f"Tab does not come to {name}")


async def test_a_school_is_added_and_found_and_a_file_imported_by_keyboard(tmp_path: Path) -> None:
    async with district(tmp_path) as town, chromium() as browser:
        page = await browser.new_page(viewport={"width": 1366, "height": 768})
        page.set_default_timeout(30_000)
        press, words = page.keyboard.press, page.keyboard.type
        await page.goto(f"{town.server.url}/signin?next=/admin/region")
        await expect(page.get_by_label("账号")).to_be_focused()
        await words("wang")
        await tab_to(page, "密码")
        await words(PASSWORD)
        await press("Enter")
        await row(page, "山坪小学").wait_for()

        # A form that is left with Escape gives the focus back to its button.
        await tab_to(page, "添加学校")
        await press("Enter")
        sheet = page.get_by_role("dialog")
        await sheet.get_by_label("名称").wait_for()
        await press("Escape")
        await expect(sheet).to_have_count(0)
        await expect(page.get_by_role("button", name="添加学校")).to_be_focused()

        await press("Enter")
        await sheet.get_by_label("名称").wait_for()
        await tab_to(page, "名称")
        await words("大足区木棉路小学")
        await tab_to(page, "简称")
        await words("木棉路小学")
        await tab_to(page, "代码")
        await words("5001110099")
        await tab_to(page, "区县")
        await words("大足")
        await page.get_by_role("option", name="大足区").wait_for()
        await press("ArrowDown")
        await press("Enter")
        await tab_to(page, "保存")
        await press("Enter")
        await page.get_by_text("已保存：木棉路小学").wait_for()
        await expect(page.get_by_role("button", name="添加学校")).to_be_focused()

        await tab_to(page, "搜名称、代码")
        await words("木棉路")
        await expect(page.get_by_role("row")).to_have_count(2)  # with the headers
        await row(page, "5001110099").wait_for()
        await tab_to(page, "删除")
        await press("Enter")
        await expect(page.get_by_role("dialog").get_by_role("button", name="取消")).to_be_focused()
        await press("Escape")
        await expect(row(page, "5001110099").get_by_role("button", name="删除")).to_be_focused()

        await page.reload()  # the focus is at the top again
        await row(page, "5001110099").wait_for()
        await tab_to(page, "导入导出")
        await press("Enter")
        await page.get_by_role("heading", name="导入导出", level=1).wait_for()
        await tab_to(page, "选择文件")
        async with page.expect_file_chooser() as chosen:
            # Nothing says when Chromium has been told to hand the chooser over, and a key may overtake that: a headless
            # one then cancels it. What is asked of the page comes after it.
            await expect(page.get_by_role("button", name="选择文件")).to_be_focused()
            await press("Enter")
        zone = ZoneInfo((await town.operator.ask("GET", "/api/session"))["timezone"])
        spreadsheet = {"name": "大足.xlsx", "mimeType": "", "buffer": workbook(datetime.now(UTC).astimezone(zone))}
        await (await chosen.value).set_files(spreadsheet)  # type: ignore[arg-type]
        await page.get_by_role("status").get_by_text("检查通过").wait_for()
