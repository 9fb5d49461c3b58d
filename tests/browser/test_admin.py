"""The administration in real Chromium: from the one-time password of a new server to its first planned lesson."""

from __future__ import annotations

import asyncio
import re
import sys
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from aiohttp import ClientSession
from playwright.async_api import expect

from tests.browser.office import add, choose_password, pick, save, section, sign_in
from tests.running import chromium, serving

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

PASSWORD = "三个词连起来-2026"
MAKE_FIRST = """
import asyncio, sys
from datetime import UTC, datetime
from pathlib import Path
from classroom.catalogue.accounts.accounts import Accounts
from classroom.catalogue.accounts.passwords import Passwords
from classroom.composition import open_database
from classroom.config import load_settings

async def make():
    database = open_database(load_settings(None, recordings=Path(sys.argv[1])))
    await database.open()
    print(await Accounts(database, Passwords()).first(datetime.now(UTC)))
    await database.close()

asyncio.run(make())
"""


async def one_time_password(folder: Path) -> str:
    """That of `admin`, made as a server does at its first start."""
    made = await asyncio.create_subprocess_exec(
        sys.executable, "-c", MAKE_FIRST, str(folder), stdout=asyncio.subprocess.PIPE
    )
    out, _ = await made.communicate()
    assert made.returncode == 0
    return out.decode().split()[-1]


async def test_from_the_first_password_to_a_planned_lesson(tmp_path: Path) -> None:
    password = await one_time_password(tmp_path)
    today = datetime.now(ZoneInfo("Asia/Shanghai")).date()
    # A day on which the lesson is not over yet, whatever the time is.
    day = today + timedelta(days=1)
    async with serving(tmp_path) as server, chromium() as browser:
        page = await browser.new_page(viewport={"width": 1366, "height": 768})
        page.set_default_timeout(30_000)

        await page.goto(f"{server.url}/admin/region")
        await sign_in(page, "admin", "not it")
        await page.get_by_role("alert").get_by_text("账号或密码不对").wait_for()
        await sign_in(page, "admin", password)
        await choose_password(page, PASSWORD)
        await page.wait_for_url(f"{server.url}/admin/region")

        await add(page, "区划", {"名称": "大足区", "代码": "500111"})
        school = {"区县": ("大足", "大足区")}
        await add(page, "学校", {"名称": "大足区海棠路小学", "简称": "海棠路小学", "代码": "3150011101"}, school)
        await add(page, "学校", {"名称": "大足区山坪小学", "简称": "山坪小学", "代码": "3150011111"}, school)
        town, village = {"学校": ("海棠", "海棠路小学")}, {"学校": ("山坪", "山坪小学")}
        await add(page, "教室", {"名称": "录播室"}, town, ("可以主讲",))
        await add(page, "教室", {"名称": "多媒体教室"}, village)
        await add(page, "人员", {"名称": "周涛", "工号": "h001"}, town)
        await add(page, "学期", {"名称": "本学期", "开始日期": f"{today}", "结束日期": f"{today + timedelta(days=60)}"})

        async with ClientSession() as device:
            begun = await device.post(f"{server.url}/api/pairing", json={"kind": "terminal", "name": ""})
            code = (await begun.json())["code"]
            await page.goto(f"{server.url}/admin/terminals?code={code}")
            await expect(page.get_by_label("配对码")).to_have_value(code)
            await pick(page, "教室", "山坪", "山坪小学 多媒体教室")
            await page.get_by_role("button", name="绑定", exact=True).click()
            await page.get_by_text("已绑定到 山坪小学 多媒体教室").wait_for()
            await expect(page.locator("main h3")).to_have_text(["山坪小学 多媒体教室"])  # which is asked for anew

        await section(page, "基础数据")
        await page.get_by_role("group", name="基础数据").get_by_role("button", name="作息").click()
        await page.get_by_role("button", name="添加作息").click()
        await pick(page, "学校", "海棠", "海棠路小学")
        await page.get_by_role("dialog").get_by_label("名称").fill("秋季作息")
        await page.get_by_role("dialog").get_by_label("启用日期").fill("2020-09-01")
        for _ in range(2):
            await page.get_by_role("dialog").get_by_role("button", name="加一节").click()
        await save(page)

        await section(page, "课表")
        weekday = "周" + "一二三四五六日"[day.weekday()]
        for subject, refusal in (("音乐", None), ("美术", "教师冲突|教室冲突")):
            await page.get_by_role("button", name="添加课程", exact=True).click()
            sheet = page.get_by_role("dialog")
            await sheet.get_by_label("星期").press("Enter")
            await page.get_by_role("option", name=weekday).click()
            await sheet.get_by_label("学科").fill(subject)
            await pick(page, "教师", "周", "周涛")
            await pick(page, "主讲教室", "录播", "海棠路小学 录播室")
            await sheet.get_by_role("button", name="加一间听讲教室").click()
            await pick(page, "听讲教室 1", "山坪", "山坪小学 多媒体教室")
            if refusal is None:
                await save(page)
                continue
            await sheet.get_by_role("button", name="保存").click()
            told = page.get_by_role("alert").get_by_text(re.compile(refusal))
            await expect(told).to_contain_text("已有《音乐》周涛老师")
            await sheet.get_by_role("button", name="取消").click()
        await page.get_by_role("button", name="音乐").wait_for()

        await section(page, "每日安排")
        await page.get_by_label("日期").fill(f"{day}")
        row = page.get_by_role("row", name=re.compile("音乐"))
        await expect(row).to_contain_text("山坪小学")
        await row.get_by_role("button", name="停课").click()
        await page.get_by_role("dialog").get_by_role("button", name="停课").click()
        await expect(row).to_contain_text("已停课")
        await row.get_by_role("button", name="恢复").click()
        await expect(row).not_to_contain_text("已停课")

        await page.get_by_role("button", name="退出登录").click()
        await page.get_by_label("账号").wait_for()
        await page.goto(f"{server.url}/admin/accounts")
        await page.wait_for_url(f"{server.url}/signin?next=/admin/accounts")
