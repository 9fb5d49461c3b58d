"""A region by spreadsheet, in real Chromium: what is wrong is told row by row, and what is given out can be opened."""

from __future__ import annotations

import asyncio
import io
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from openpyxl import Workbook, load_workbook
from playwright.async_api import expect

from tests.browser.district import PASSWORD, TOWN, VILLAGES, district, workbook
from tests.browser.office import account, choose_password, row, section, sign_in
from tests.running import chromium, noon_somewhere, serving

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.async_api import FilePayload, Page, Route

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def file(name: str, data: bytes) -> FilePayload:
    return {"name": name, "mimeType": XLSX, "buffer": data}


def with_mistakes() -> bytes:
    """A spreadsheet as it comes from a school: a short code, a district that nobody knows, a name that is missing."""
    book = Workbook()
    book.remove(book.worksheets[0])
    districts, schools = book.create_sheet("区划"), book.create_sheet("学校")
    districts.append(["区划代码", "名称"])
    districts.append(["500111", "大足区"])
    schools.append(["学校代码", "学校名称", "简称", "区划代码"])
    schools.append(["50011", "大足区一小", "一小", "500111"])
    schools.append(["5001110077", "大足区二小", "二小", "999999"])
    schools.append(["5001110078", "", "三小", "500111"])
    made = io.BytesIO()
    book.save(made)
    return made.getvalue()


async def downloaded(page: Page, button: str) -> bytes:
    """What a click on a link saves to the disk."""
    async with page.expect_download() as told:
        await page.get_by_role("link", name=button).click()
    return (await (await told.value).path()).read_bytes()


async def test_a_spreadsheet_is_checked_imported_and_given_out_again(tmp_path: Path) -> None:
    zone = noon_somewhere(datetime.now(UTC))
    password = await account(tmp_path, "wang", "王管理员", "operator")
    async with serving(tmp_path, CLASSROOM_TIMEZONE=zone) as server, chromium() as browser:
        page = await browser.new_page()
        page.set_default_timeout(30_000)
        await page.goto(f"{server.url}/signin?next=/admin/exchange")
        await sign_in(page, "wang", password)
        await choose_password(page, PASSWORD)
        await page.get_by_role("heading", name="导入导出", level=1).wait_for()

        template = load_workbook(io.BytesIO(await downloaded(page, "下载模板")))
        assert {"学校", "教职工", "课表"} <= set(template.sheetnames)
        assert "学校代码" in str(template["学校"].cell(1, 1).value)

        chooser = page.locator("input[type=file]")
        await chooser.set_input_files(file("错.xlsx", with_mistakes()))
        await page.get_by_role("alert").get_by_text("处要改").wait_for()
        for number, column in ((2, "学校代码"), (3, "区划代码"), (4, "学校名称")):
            fault = page.get_by_role("row").filter(has=page.get_by_role("cell", name=str(number), exact=True))
            await expect(fault).to_contain_text(column)
        await expect(page.get_by_role("button", name="确认导入")).to_have_count(0)

        # A slow line: what is going on is told until the answer comes.
        held: asyncio.Queue[Route] = asyncio.Queue()
        await page.route("**/api/region/import**", held.put_nowait)
        spreadsheet = workbook(datetime.now(ZoneInfo(zone)))
        await chooser.set_input_files(file("大足.xlsx", spreadsheet))
        await page.get_by_role("status").get_by_text("正在检查文件").wait_for()
        await expect(page.get_by_role("progressbar")).to_be_visible()
        await expect(chooser).to_be_disabled()
        await (await asyncio.wait_for(held.get(), 30)).continue_()
        await page.get_by_text("检查通过，将新增或修改").wait_for()
        await expect(row(page, "^学校")).to_contain_text(str(1 + len(VILLAGES)))
        await page.get_by_role("button", name="确认导入").click()
        await page.get_by_role("status").get_by_text("正在导入").wait_for()
        await (await asyncio.wait_for(held.get(), 30)).continue_()
        await page.get_by_text("已导入，新增或修改了").wait_for()
        await page.unroute("**/api/region/import**")

        given = await downloaded(page, "导出全部数据")
        schools = load_workbook(io.BytesIO(given))["学校"]
        codes = {str(cells[0].value) for cells in schools.iter_rows(min_row=2)}
        assert codes == {TOWN, *VILLAGES.values()}
        # What is given out is what would be taken in: nothing new.
        await chooser.set_input_files(file("导出.xlsx", given))
        await page.get_by_text("和现有数据完全一样").wait_for()
        await section(page, "基础数据")
        await row(page, "山坪小学").wait_for()


async def test_a_list_that_does_not_come_says_so_and_comes_when_it_can(tmp_path: Path) -> None:
    async with district(tmp_path) as town, chromium() as browser:
        page = await browser.new_page()
        page.set_default_timeout(30_000)
        await page.goto(f"{town.server.url}/signin?next=/admin/region")
        await sign_in(page, "wang", PASSWORD)
        await row(page, "山坪小学").wait_for()
        await town.server.kill()
        kinds = page.get_by_role("group", name="基础数据")
        await kinds.get_by_role("button", name="教室").click()
        await page.get_by_role("alert").get_by_text("没有收到服务器的回答").wait_for()
        await town.server.start()
        await town.operator.until_open()  # or what is tried again says that the database does not answer yet
        await page.get_by_role("button", name="再试一次").click()
        await row(page, "山坪小学").get_by_text("多媒体教室").wait_for()
