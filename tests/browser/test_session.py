"""Somebody who is signed in, in real Chromium: the library without a token, under the policy that is in force."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

from tests.running import CLASSROOM, chromium, serving

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.async_api import BrowserContext, Page

    from tests.running import Server

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

LESSONS = 4
GOOD = "山坪 小学 的 桂花树"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with some lessons and an operator, made once."""
    folder = tmp_path_factory.mktemp("signed-in")
    subprocess.run([sys.executable, "-m", "tests.bench.library", str(folder), "--lessons", f"{LESSONS}"], check=True)
    operator = ["account", "add", "admin", "--name", "管理员", "--role", "operator", "--recordings", str(folder)]
    subprocess.run([*CLASSROOM, *operator], check=True, stdout=subprocess.DEVNULL)
    return folder


async def sign_in(context: BrowserContext, server: Server, folder: Path) -> None:
    """As the pages do it, with the password that the machine's owner asks for."""
    command = [*CLASSROOM, "account", "passwd", "admin", "--recordings", str(folder)]
    asked = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    password = (await asked.communicate())[0].decode().strip()
    for said in (password, GOOD):
        response = await context.request.post(f"{server.url}/api/session", data={"login": "admin", "password": said})
        assert response.status == 204
        session = await (await context.request.get(f"{server.url}/api/session")).json()
        if session["account"]["must_change"]:
            response = await context.request.put(
                f"{server.url}/api/session/password",
                data={"old": password, "new": GOOD},
                headers={"X-CSRF": session["csrf"]},
            )
            assert response.status == 204


def violations_of(page: Page) -> list[str]:
    """What the policy has refused, as the console tells it."""
    found: list[str] = []
    page.on("console", lambda said: found.append(said.text) if "Content Security Policy" in said.text else None)
    return found


async def test_staff_who_are_signed_in_need_no_token(folder: Path) -> None:
    async with serving(folder) as server, chromium() as browser:
        context = await browser.new_context(viewport={"width": 1366, "height": 768})
        page = await context.new_page()
        refused = violations_of(page)
        await page.goto(f"{server.url}/library")
        link = page.get_by_role("link", name="登录")
        assert await link.get_attribute("href") == "/signin?next=%2Flibrary"
        await sign_in(context, server, folder)
        async with asyncio.timeout(30):
            while (await (await context.request.get(f"{server.url}/api/library")).json())["total"] < LESSONS:
                await asyncio.sleep(0.1)
        await page.reload()
        await page.get_by_text(f"共 {LESSONS} 堂课").wait_for()
        # Everything that opens, moves, or floats.
        await page.locator(".sort").click()
        await page.get_by_role("option", name="标题").or_(page.get_by_role("option").nth(2)).first.click()
        await page.get_by_role("button", name="更多操作").first.click()
        await page.get_by_role("menuitem", name="修改信息").click()
        await page.get_by_role("dialog").get_by_label("课题").fill("山坪的桂花")
        await page.get_by_role("button", name="保存").click()
        await page.get_by_role("dialog").wait_for(state="detached")
        await page.locator("article h3").get_by_text("山坪的桂花").wait_for()
        await expect(page.get_by_role("menu")).to_have_count(0)  # that of the card before may still be fading away
        await page.get_by_role("button", name="更多操作").first.click()
        await page.get_by_role("menuitem", name="复制分享链接").click()
        await page.get_by_text("链接有效到").wait_for()
        await page.keyboard.press("Escape")
        await page.locator("article h3 a").get_by_text("山坪的桂花").click()
        await page.wait_for_selector("[data-playing]")
        assert "token" not in page.url
        await page.wait_for_function("() => document.querySelector('video')?.readyState >= 2")
        for path in ("/", "/teacher", "/terminal", "/trust", "/nowhere"):
            await page.goto(server.url + path)
            await page.locator("h1, h2, .notice, main").first.wait_for()
        assert refused == []


async def test_styles_that_are_put_into_a_page_are_refused(folder: Path) -> None:
    async with serving(folder) as server, chromium() as browser:
        page = await browser.new_page()
        refused = violations_of(page)
        await page.goto(f"{server.url}/trust")
        assert await page.evaluate("getComputedStyle(document.body).maxWidth") != "none"  # the page's own are let in
        for put_in in (
            "document.body.insertAdjacentHTML('beforeend', '<p id=x style=\"color: red\">x</p>')",
            "document.head.append(Object.assign(document.createElement('style'), {textContent: 'a{}'}))",
        ):
            async with page.expect_console_message(lambda said: "Content Security Policy" in said.text):
                await page.evaluate(put_in)
        assert await page.evaluate("document.querySelector('#x').style.length") in (0, 1)
        assert len(refused) == 2
