"""A teacher's day in real Chromium: one press starts the lesson, one calls on a classroom, and everybody sees it."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

from tests.browser.classrooms import CAMERA, NOTING, teaching
from tests.running import LESSON, chromium
from tests.unit.web.school_day import HAMLET, VILLAGE

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.async_api import Page, Route

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

# When a tile was pressed, as the page counts.
PRESSES = """window.pressed = [];
addEventListener("pointerdown", () => window.pressed.push(performance.timeOrigin + performance.now()), true);"""
WATCH = """() => {
  window.note(document.querySelector('[data-slot="programme"] video'));
  for (const audio of document.querySelectorAll('audio[data-slot="speaker"]')) {
    window.listen(() => audio.srcObject?.getAudioTracks()[0] ?? null);
  }
}"""


async def shown_after_ms(page: Page, colour: str, since_ms: float) -> float:
    """How long after a moment a colour was first shown."""
    found = "([colour, since]) => window.shown.find(([at, seen]) => at >= since && seen === colour)?.[0]"
    handle = await page.wait_for_function(found, arg=[colour, since_ms], timeout=30_000)
    return float(await handle.json_value()) - since_ms


async def heard_after_ms(page: Page, since_ms: float) -> float:
    """How long after a moment a sound began."""
    found = "since => window.loud.find(([at, is]) => at >= since && is)?.[0]"
    handle = await page.wait_for_function(found, arg=since_ms, timeout=30_000)
    return float(await handle.json_value()) - since_ms


async def until_quiet(page: Page) -> None:
    """Wait until nobody is heard any more: who is heard next begins then."""
    await page.wait_for_function("() => !window.loud.at(-1)?.[1]", timeout=30_000)


async def press(page: Page, room: str) -> float:
    """Press the tile of a classroom; when that was."""
    await page.locator(f'[data-room="{room}"] .call').click()
    return float(await page.evaluate("window.pressed.at(-1)"))


async def test_the_teacher_starts_calls_on_and_ends(tmp_path: Path) -> None:
    async with teaching(tmp_path / "recordings") as lesson, chromium(*CAMERA) as browser:
        context = await lesson.teacher(browser, viewport={"width": 1366, "height": 768})
        teacher = await context.new_page()
        await teacher.add_init_script(NOTING + PRESSES)
        await teacher.goto(lesson.server.url)

        # Nothing is ready, the card says so in words, and the lesson starts all the same.
        card = teacher.locator(f'.now[data-lesson="{LESSON}"]')
        await expect(card).to_contain_text("2 间听讲教室 · 已就绪 0")
        await expect(card.locator('[data-room="main"]')).to_contain_text("采集电脑没有连上")
        began_s = time.monotonic()
        await card.get_by_role("button", name="开始上课").click()
        desk = teacher.locator('.desk[data-state="live"]')
        await desk.wait_for()
        took_s = time.monotonic() - began_s
        await expect(teacher.get_by_text("录制中")).to_be_visible()
        assert teacher.url.endswith(f"/class/{LESSON}")

        await lesson.main_camera(browser)
        village, hamlet = await asyncio.gather(lesson.classroom(browser, VILLAGE), lesson.classroom(browser, HAMLET))
        moving = 'room => document.querySelector(`[data-room="${room}"] video`)?.currentTime > 0.5'
        for room in (village, hamlet):
            await teacher.wait_for_function(moving, arg=room.id, timeout=30_000)
        await expect(teacher.locator(".wall")).to_contain_text("2 / 2 在课堂")
        await teacher.wait_for_selector('[data-layout="programme"]')
        await teacher.evaluate(WATCH)
        await shown_after_ms(teacher, "red", 0)
        await shown_after_ms(hamlet.page, "red", 0)

        # Hands wait in the order of raising.
        await hamlet.say(type="raise_hand", id="h1", raised=True)
        queue = teacher.locator(".queue button")
        await expect(queue).to_have_count(1)
        await village.say(type="raise_hand", id="v1", raised=True)
        await expect(queue).to_have_count(2)
        await expect(queue.first).to_contain_text("高升小学")

        # Tap calls on, tap again returns; who is called on is seen and heard elsewhere.
        pictures_ms, elsewhere_ms, sounds_ms = [], [], []
        tile = teacher.locator(f'[data-room="{village.id}"] .call')
        for _ in range(3):
            at_ms = await press(teacher, village.id)
            pictures_ms.append(await shown_after_ms(teacher, "green", at_ms))
            elsewhere_ms.append(await shown_after_ms(hamlet.page, "green", at_ms))
            sounds_ms.append(await heard_after_ms(hamlet.page, at_ms))
            await heard_after_ms(teacher, at_ms)
            await expect(tile).to_have_attribute("aria-pressed", "true")
            at_ms = await press(teacher, village.id)
            await shown_after_ms(teacher, "red", at_ms)
            await shown_after_ms(hamlet.page, "red", at_ms)
            await expect(tile).to_have_attribute("aria-pressed", "false")
            await asyncio.gather(until_quiet(teacher), until_quiet(hamlet.page))
        await expect(queue).to_have_count(1)  # being called on takes the hand down

        # The digits move the floor, 0 silences, one key opens a discussion.
        await teacher.keyboard.press("1")
        await expect(tile).to_have_attribute("aria-pressed", "true")
        await teacher.keyboard.press("2")
        await expect(tile).to_have_attribute("aria-pressed", "false")
        await expect(teacher.locator(f'[data-room="{hamlet.id}"] .call')).to_have_attribute("aria-pressed", "true")
        await teacher.keyboard.press("t")
        await teacher.wait_for_selector('.desk[data-mode="discuss"]')
        await expect(teacher.locator(f'[data-room="{village.id}"] .mic.open')).to_be_visible()
        await teacher.keyboard.press("0")
        await expect(teacher.locator(".mic.muted")).to_have_count(2)
        await teacher.keyboard.press("t")

        # A word to one classroom, which the other does not get.
        await teacher.locator(f'[data-room="{village.id}"] .more').click()
        await teacher.get_by_role("button", name="请检查话筒").click()
        await expect(teacher.locator(".said")).to_contain_text("山坪小学")  # for some seconds
        assert (await village.until_told("note"))["text"] == "请检查话筒"
        assert not await hamlet.page.evaluate("window.told.some(message => message.type === 'note')")

        # A reload comes back into the same lesson by itself.
        await teacher.reload()
        await desk.wait_for()
        await teacher.wait_for_function(moving, arg=village.id, timeout=30_000)

        await teacher.get_by_role("button", name="下课").click()
        await teacher.get_by_role("dialog").get_by_role("button", name="确定下课").click()
        await teacher.wait_for_selector('.desk[data-state="ended"]')
        await expect(teacher.get_by_role("link", name="看回放")).to_be_visible()

    # Figures for docs; a timing decides no test.
    def rounded(values: list[float]) -> list[int]:
        return [round(value) for value in values]

    print("started in s", round(took_s, 2), "with one press; called on: picture here ms", rounded(pictures_ms),
          "elsewhere ms", rounded(elsewhere_ms), "sound elsewhere ms", rounded(sounds_ms))  # fmt: skip


async def test_an_extra_lesson_takes_two_presses(tmp_path: Path) -> None:
    async with teaching(tmp_path / "recordings", starts_in_s=3600) as lesson, chromium() as browser:
        teacher = await (await lesson.teacher(browser, viewport={"width": 1366, "height": 768})).new_page()
        await teacher.goto(lesson.server.url)
        await expect(teacher.locator(f'.now[data-lesson="{LESSON}"]')).to_contain_text("离上课")
        await teacher.get_by_role("button", name="临时上课").click()
        extra = teacher.locator(".extra")
        await expect(extra.locator('[aria-pressed="true"]')).to_have_count(2)  # with whom the next lesson is
        await extra.get_by_role("button", name="开始上课").click()
        await teacher.wait_for_selector('.desk[data-state="live"]')
        await expect(teacher.get_by_text("录制中")).to_be_visible()
        await expect(teacher.locator(".wall")).to_contain_text("山坪小学")

        # Home now leads back to it; what is not one's own is refused in words.
        await teacher.goto(lesson.server.url)
        await teacher.get_by_role("link", name="进入课堂").click()
        await teacher.wait_for_selector('.desk[data-state="live"]')
        await teacher.goto(f"{lesson.server.url}/class/nowhere")
        await expect(teacher.get_by_role("heading", name="没有找到这堂课")).to_be_visible()


async def test_whose_session_ends_in_class_signs_in_again_and_the_lesson_goes_on(tmp_path: Path) -> None:
    async with teaching(tmp_path / "recordings") as lesson, chromium() as browser:
        context = await lesson.teacher(browser, viewport={"width": 1366, "height": 768})
        teacher = await context.new_page()
        await teacher.goto(lesson.server.url)

        async def swallow(_: Route) -> None:
            """As a server that never answers."""

        await teacher.route("**/api/lessons/*/start", swallow)
        start = teacher.get_by_role("button", name="开始上课")
        await start.first.click()
        await expect(teacher.get_by_text("服务器没有回答，不知道课开了没有")).to_be_visible(timeout=30_000)
        await teacher.unroute("**/api/lessons/*/start")
        await start.first.click()
        desk = teacher.locator('.desk[data-state="live"]')
        await desk.wait_for()

        cookies = await context.cookies()
        await context.clear_cookies()
        again = teacher.get_by_role("link", name="重新登录")
        await expect(again).to_have_attribute("href", f"/signin?next=%2Fclass%2F{LESSON}", timeout=60_000)
        await expect(teacher.get_by_text("课还在上")).to_be_visible()
        await expect(desk).to_be_visible()
        await teacher.keyboard.press("t")  # the connection that stands is still the teacher's
        await teacher.wait_for_selector('.desk[data-mode="discuss"]')
        await again.click()
        await teacher.wait_for_url("**/signin?next=*")
        await context.add_cookies(cookies)
        await teacher.goto(f"{lesson.server.url}/class/{LESSON}")
        await teacher.wait_for_selector('.desk[data-state="live"][data-mode="discuss"]')
        await expect(again).to_have_count(0)


async def test_a_stranger_finds_the_doors_and_is_led_to_sign_in(tmp_path: Path) -> None:
    async with teaching(tmp_path / "recordings") as lesson, chromium() as browser:
        page = await browser.new_page(viewport={"width": 390, "height": 844})
        await page.goto(lesson.server.url)
        await expect(page.get_by_role("link", name="登录").first).to_have_attribute("href", "/signin")
        await page.goto(f"{lesson.server.url}/class/{LESSON}")
        await page.wait_for_url("**/signin?next=%2Fclass%2Fmaths")
