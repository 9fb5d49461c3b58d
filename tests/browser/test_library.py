"""The library in real Chromium, on a real catalogue of lessons."""

from __future__ import annotations

import asyncio
import re
import sys
import time
from typing import TYPE_CHECKING

import pytest

from classroom.config import load_settings
from classroom.web.auth import issue_operator_token
from classroom.web.secret import secret_of
from tests.running import chromium, serving

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.async_api import Page

    from tests.running import Server

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

LESSONS = 40


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with some lessons, made once."""
    folder = tmp_path_factory.mktemp("library")
    command = [sys.executable, "-m", "tests.bench.library", str(folder), "--lessons", str(LESSONS)]

    async def make() -> None:
        made = await asyncio.create_subprocess_exec(*command)
        assert await made.wait() == 0

    asyncio.run(make())
    return folder


async def shelf(page: Page, server: Server, folder: Path) -> None:
    """Open the library as an operator, when all of it has been catalogued."""
    token = issue_operator_token(secret_of(load_settings(None, recordings=folder)), time.time(), 3600)
    await server.until(lambda answer: answer is not None and answer["total"] == LESSONS, "/api/library", token)
    await page.goto(f"{server.url}/library#token={token}")
    await page.get_by_text(f"共 {LESSONS} 堂课").wait_for()


async def test_filters_narrow_each_other_and_the_address_keeps_them(folder: Path) -> None:
    async with serving(folder) as server, chromium() as browser:
        page = await browser.new_page(viewport={"width": 1366, "height": 768})
        await shelf(page, server, folder)
        assert "token" not in page.url, "an operator's token does not stay in the address"
        headings = await page.locator("aside h3").all_inner_texts()
        assert headings == ["学段", "年级", "学科", "版本", "册次", "章节", "学校", "教师", "上课时间"]
        facets = page.locator("aside")
        chosen = facets.get_by_role("button", name=re.compile("^小学"))
        count = int(await chosen.locator("i").inner_text())
        await chosen.click()
        await page.get_by_text(f"共 {count} 堂课").wait_for()
        maths = facets.get_by_role("button", name=re.compile("^数学"))
        fewer = int(await maths.locator("i").inner_text())
        assert 0 < fewer < count
        await maths.click()
        await page.get_by_text(f"共 {fewer} 堂课").wait_for()
        await page.reload()
        await page.get_by_text(f"共 {fewer} 堂课").wait_for()
        await page.go_back()
        await page.get_by_text(f"共 {count} 堂课").wait_for()


async def test_a_hit_jumps_to_its_second(folder: Path) -> None:
    async with serving(folder) as server, chromium() as browser:
        page = await browser.new_page(viewport={"width": 390, "height": 844}, has_touch=True)
        await shelf(page, server, folder)
        title = await page.locator("article h3").first.inner_text()
        await page.get_by_role("searchbox").fill(title[:2])
        await page.locator(".hits mark").first.wait_for()
        hit = page.locator(".hits a[href*='t=']").first
        at_s = int(re.search(r"t=(\d+)", await hit.get_attribute("href") or "")[1])  # type: ignore[index]
        await hit.click()
        there = f"() => Math.abs(Number(document.querySelector('[data-position]')?.dataset.position) - {at_s}) < 0.5"
        await page.wait_for_function(there, timeout=30_000)
        assert "token" not in page.url


async def test_what_an_operator_writes_is_found(folder: Path) -> None:
    async with serving(folder) as server, chromium() as browser:
        page = await browser.new_page(viewport={"width": 1366, "height": 768})
        await shelf(page, server, folder)
        await page.get_by_role("button", name="更多操作").first.click()
        await page.get_by_role("menuitem", name="修改信息").click()
        await page.get_by_role("dialog").get_by_label("课题").fill("折一折，认识几分之一")
        await page.get_by_role("button", name="保存").click()
        await page.get_by_role("dialog").wait_for(state="detached")
        await page.get_by_role("searchbox").fill("折一折")
        await page.locator("article h3").get_by_text("折一折，认识几分之一").wait_for()
        await page.get_by_role("searchbox").fill("没有这样的词")
        await page.get_by_role("heading", name="没有找到").wait_for()


async def test_a_link_opens_its_lesson_and_nothing_else(folder: Path) -> None:
    async with serving(folder) as server, chromium() as browser:
        page = await browser.new_page(viewport={"width": 1366, "height": 768})
        await shelf(page, server, folder)
        await page.get_by_role("button", name="更多操作").first.click()
        await page.get_by_role("menuitem", name="复制分享链接").click()
        field = page.get_by_role("dialog").get_by_label("链接")
        await page.get_by_text("链接有效到").wait_for()
        link = await field.input_value()
        stranger = await (await browser.new_context()).new_page()
        await stranger.goto(link)
        await stranger.wait_for_selector("[data-playing]")
        key = link.split("#")[1]
        other = await page.locator("article h3 a").nth(1).get_attribute("href")
        assert other is not None
        await stranger.goto("about:blank")
        await stranger.goto(f"{server.url}{other.split('#')[0]}#{key}")
        await stranger.get_by_text("这个地址不能用在这里").wait_for()
        await stranger.goto("about:blank")
        await stranger.goto(f"{server.url}/library#{key}")
        await stranger.get_by_text("请先登录").wait_for()


async def test_sound_survives_a_browser_that_stops_web_audio(folder: Path) -> None:
    async with serving(folder) as server, chromium() as browser:
        page = await browser.new_page(viewport={"width": 1366, "height": 768})
        keep = """(() => { window.audioContexts = []; const Real = AudioContext;
            window.AudioContext = class extends Real {
                constructor(...options) { super(...options); audioContexts.push(this); } }; })()"""
        await page.add_init_script(keep)
        # A loudness that needs a gain, whatever the lesson has.
        louder = """(() => { const fetched = fetch; window.fetch = async (...asked) => {
            const response = await fetched(...asked);
            if (!/recordings\\/[^/]+$/.test(new URL(response.url).pathname)) return response;
            return new Response(JSON.stringify({ ...(await response.json()), loudness: { gain_db: 9 } })); }; })()"""
        await page.add_init_script(louder)
        await shelf(page, server, folder)
        await page.locator("article h3 a").first.click()
        await page.wait_for_selector("[data-playing]")
        await page.keyboard.press("Space")
        moves = "(from_s) => Number(document.querySelector('[data-position]').dataset.position) > from_s"
        await page.wait_for_function("() => audioContexts[0]?.state === 'running'")
        await page.wait_for_function(moves, arg=1)
        await page.evaluate(
            "async () => { audioContexts[0].resume = () => new Promise(() => {}); await audioContexts[0].suspend(); }"
        )
        at_s = float(await page.evaluate("() => document.querySelector('[data-position]').dataset.position"))
        await page.wait_for_function(moves, arg=at_s + 2, timeout=30_000)
