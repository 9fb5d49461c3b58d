"""The administration as somebody at the office uses it: signing in, choosing, filling in, saving."""

from __future__ import annotations

import asyncio
import re
import subprocess
from typing import TYPE_CHECKING

from playwright.async_api import expect

from tests.running import CLASSROOM

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.async_api import Locator, Page


async def account(folder: Path, login: str, name: str, role: str, *scope: str) -> str:
    """Make an account on disk, as `classroom account add` does; its one-time password."""
    command = [*CLASSROOM, "account", "add", login, "--name", name, "--role", role, *scope, "--recordings", str(folder)]
    made = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    out, _ = await made.communicate()
    assert made.returncode == 0
    return out.decode().strip()


async def sign_in(page: Page, login: str, password: str) -> None:
    """Fill in the page of signing in and send it."""
    await page.get_by_label("账号").fill(login)
    await page.get_by_label("密码", exact=True).fill(password)
    await page.get_by_role("button", name="登录", exact=True).click()


async def choose_password(page: Page, password: str) -> None:
    """The first own password, which everybody has to choose."""
    await page.get_by_label("新密码", exact=True).fill(password)
    await page.get_by_label("再输一遍新密码").fill(password)
    await page.get_by_role("button", name="保存并进入").click()


async def section(page: Page, name: str) -> None:
    """Go to a section by its link."""
    await page.get_by_role("navigation").get_by_role("link", name=name).click()
    await page.get_by_role("heading", name=name, level=1).wait_for()


async def sections(page: Page) -> set[str]:
    """What the navigation offers."""
    await page.get_by_role("navigation").get_by_role("link").first.wait_for()
    return {text.strip() for text in await page.get_by_role("navigation").get_by_role("link").all_inner_texts()}


async def pick(page: Page, field: str, words: str, option: str) -> None:
    """Choose by some words of what a thing is called."""
    box = page.get_by_role("dialog").get_by_label(field, exact=True)
    await box.press("Enter")
    await box.fill(words)
    # The list of the field before may still be fading away, with the same option in it.
    mine = page.locator(f"#{await box.get_attribute('aria-controls')}")
    # What is not meant goes first, or the list moves under the finger.
    await expect(mine.get_by_role("option").filter(has_not_text=words)).to_have_count(0)
    await mine.get_by_role("option", name=option).click()


async def choose(page: Page, field: str, option: str) -> None:
    """Choose among a few values."""
    box = page.get_by_role("dialog").get_by_label(field, exact=True)
    await box.press("Enter")
    await page.locator(f"#{await box.get_attribute('aria-controls')}").get_by_role("option", name=option).click()


async def add(
    page: Page,
    kind: str,
    texts: dict[str, str],
    picks: dict[str, tuple[str, str]] | None = None,
    switches: tuple[str, ...] = (),
) -> None:
    """Add a thing of the region by its form."""
    await page.get_by_role("group", name="基础数据").get_by_role("button", name=kind).click()
    await page.get_by_role("button", name=f"添加{kind}", exact=True).click()
    sheet = page.get_by_role("dialog")
    for field, (words, option) in (picks or {}).items():
        await pick(page, field, words, option)
    for field, text in texts.items():
        await sheet.get_by_label(re.compile(f"^{field}")).first.fill(text)
    for field in switches:
        await sheet.get_by_text(field, exact=True).click()
    await save(page)


async def save(page: Page) -> None:
    """Save the form that is open."""
    await page.get_by_role("dialog").get_by_role("button", name="保存").click()
    await page.get_by_text("已保存：").wait_for()
    await expect(page.get_by_role("dialog")).to_have_count(0)


def row(page: Page, words: str) -> Locator:
    """The row of a table that has these words in it."""
    return page.get_by_role("row", name=re.compile(words))
