"""WCAG 2.2 AA in the administration: every section, its forms and questions, in both languages and colours."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

from tests.browser import faces
from tests.browser.district import PASSWORD, district
from tests.browser.office import row, section, sign_in
from tests.browser.wcag import violations
from tests.running import chromium

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from playwright.async_api import Page

    from tests.browser.faces import Faces

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

BAD_SHEET = "学校代码,学校名称,简称,区划代码\n123,山坪小学,,500111\n".encode()


async def form(page: Page, opener: str, *, within: str = "") -> None:
    """Open a form by its button, that of a row if ``within`` says of which."""
    if within:  # buttons of rows say of which
        await row(page, within).get_by_role("button", name=opener).first.click()
    else:
        await page.get_by_role("main").get_by_role("button", name=opener, exact=True).first.click()
    await page.get_by_role("dialog").get_by_role("button", name="取消").wait_for()


async def closed(page: Page) -> None:
    """Close the form without saving it."""
    await page.get_by_role("dialog").get_by_role("button", name="取消").click()
    await expect(page.get_by_role("dialog")).to_have_count(0)


async def of_the_days(page: Page) -> Faces:
    """Terminals, timetable, plans, calendar."""
    await section(page, "教室终端")
    await page.get_by_text("还没有终端").wait_for()
    yield "no terminals", page
    await form(page, "添加终端")
    yield "pairing a terminal", page
    await closed(page)
    await section(page, "课表")
    await page.get_by_text("数学").first.wait_for()
    yield "the timetable of a room", page
    await page.get_by_role("group", name="看谁的课表").get_by_text("全部课程").click()
    await row(page, "分数的初步认识").wait_for()
    yield "all lessons", page
    await form(page, "添加课程")
    yield "a lesson of the timetable", page
    await closed(page)
    await section(page, "每日安排")
    await row(page, "分数的初步认识").wait_for()
    yield "the plans of a day", page
    await form(page, "调整", within="认识几分之几")
    yield "another teacher for a lesson", page
    await closed(page)
    await section(page, "校历")
    days = page.get_by_role("button", name=re.compile("月.*日星期"))
    await days.first.wait_for()
    yield "a month of the calendar", page
    await days.nth(10).click()
    await page.get_by_role("dialog").get_by_role("radio").first.wait_for()
    yield "a day of the calendar", page
    await closed(page)


async def of_the_region(page: Page) -> Faces:
    """Things of the region, and their import."""
    await section(page, "基础数据")
    kinds = page.get_by_role("group", name="基础数据")
    for kind in await kinds.get_by_role("button").all_inner_texts():
        await kinds.get_by_role("button", name=kind).click()
        await form(page, f"添加{kind.strip()}")
        yield f"a form: {kind}", page
        await closed(page)
        yield f"a table: {kind}", page
    await section(page, "导入导出")
    yield "before an import", page
    sheet = {"name": "schools.csv", "mimeType": "text/csv", "buffer": BAD_SHEET}
    await page.locator("input[type=file]").set_input_files(files=[sheet])
    await page.get_by_text("处要改").wait_for()
    yield "a bad row", page


async def of_the_people(page: Page) -> Faces:
    """Accounts, and the log of what is done."""
    await section(page, "账号")
    await row(page, "lihongmei").wait_for()
    yield "accounts", page
    await form(page, "添加账号")
    yield "a new account", page
    await closed(page)
    await form(page, "修改", within="lihongmei")
    yield "an account", page
    await closed(page)
    await form(page, "重置密码", within="lihongmei")
    yield "a question", page
    await page.get_by_role("dialog").get_by_role("button", name="重置密码").click()
    await page.locator("[data-password]").wait_for()
    yield "a one-time password", page
    await page.get_by_role("button", name="记下了").click()
    await page.get_by_text("已重置密码").wait_for()
    yield "what was done", page
    await page.get_by_label("搜账号、姓名").fill("没有这个人")
    await page.get_by_text("换一个说法").wait_for()
    yield "nobody found", page
    await section(page, "操作记录")
    await row(page, "重置密码").first.wait_for()
    yield "the log", page


async def shown(page: Page) -> AsyncIterator[tuple[str, Page]]:
    """All of it."""
    for part in (of_the_days, of_the_region, of_the_people):
        async for face in part(page):
            yield face


@pytest.mark.parametrize("width", [1366, 390])
async def test_no_section_breaks_a_rule(tmp_path: Path, width: int) -> None:
    async with district(tmp_path) as town, chromium() as browser:
        await town.teacher()
        page = await browser.new_page(viewport={"width": width, "height": 768}, reduced_motion="reduce")
        page.set_default_timeout(30_000)
        await page.goto(f"{town.server.url}/signin?next=/admin/accounts")
        await sign_in(page, "wang", PASSWORD)
        await row(page, "wang").wait_for()
        found: list[str] = []
        async for face, _ in shown(page):
            async for look in faces.looks(page):
                found += [f"{face} ({look}): {each}" for each in await violations(page)]
        assert found == []
