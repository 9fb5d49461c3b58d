"""A lesson as people see it: pages in real Chromium, a real server, a real capture agent."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from tests.running import LESSON, capturing, chromium, published, serving

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.async_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

SAMPLE = ("--camera", "sample", "--slides", "sample")
# Whether what is on the screen in a slot moves on and is a picture: not one colour.
SHOWS = """label => {
  const video = document.querySelector(`[data-slot="${label}"] video, video[data-slot="${label}"]`);
  if (!video || video.videoWidth === 0 || video.readyState < 2) return null;
  const canvas = document.createElement("canvas");
  canvas.width = 64; canvas.height = 36;
  const context = canvas.getContext("2d");
  context.drawImage(video, 0, 0, 64, 36);
  const pixels = context.getImageData(0, 0, 64, 36).data;
  const luma = Array.from({ length: 64 * 36 }, (_, i) => pixels[4 * i] + pixels[4 * i + 1] + pixels[4 * i + 2]);
  return { time: video.currentTime, range: Math.max(...luma) - Math.min(...luma) };
}"""


async def until_moving(page: Page, label: str, timeout_s: float = 30) -> None:
    """Wait until the slot shows a picture that goes on."""
    first = None
    async with asyncio.timeout(timeout_s):
        while True:
            shown = await page.evaluate(SHOWS, label)
            if shown is not None and shown["range"] > 100:
                if first is not None and shown["time"] > first:
                    return
                first = shown["time"] if first is None else first
            await asyncio.sleep(0.05)


async def until_phase(page: Page, phase: str) -> None:
    await page.wait_for_selector(f'[data-phase="{phase}"]', timeout=30_000)


def is_held(answer: dict[str, Any] | None) -> bool:
    """Whether all three tracks of SAMPLE come, and the lesson goes on and is recorded."""
    if answer is None or len(published(answer)) != 3:
        return False
    return (answer["lesson"]["state"], answer["lesson"]["recording"]) == ("live", "recording")


def is_long_enough(answer: dict[str, Any] | None) -> bool:
    """Whether who replays the recording still sees it move while a busy machine looks."""
    return answer is not None and answer["duration_s"] > 12


async def test_a_terminal_starts_by_itself_and_shows_teacher_and_slides_with_sound(tmp_path: Path) -> None:
    async with serving(tmp_path) as server, chromium() as browser:
        page = await browser.new_page(viewport={"width": 1920, "height": 1080})
        await page.goto(await server.page("/terminal", "classroom", "大足二小"))
        await until_phase(page, "standby")
        async with capturing(server, *SAMPLE):
            await asyncio.gather(until_moving(page, "camera"), until_moving(page, "slides"))
            await until_phase(page, "live")
            heard = """() => { const audio = document.querySelector('audio[data-slot="mic"]');
                return !audio.paused && !audio.muted && audio.currentTime > 1; }"""
            await page.wait_for_function(heard, timeout=30_000)


async def test_a_terminal_and_its_lesson_survive_the_kill_of_the_server(tmp_path: Path) -> None:
    async with serving(tmp_path) as server, chromium() as browser, capturing(server, *SAMPLE):
        observer = await server.token("observer")
        page = await browser.new_page(viewport={"width": 1366, "height": 768})
        await page.goto(await server.page("/terminal", "classroom", "大足二小"))
        await until_moving(page, "slides")
        started = (await server.get(f"/api/lessons/{LESSON}", observer))["lesson"]["started_at"]
        await server.kill()
        await until_phase(page, "reconnecting")
        shot = await page.locator("main").screenshot()
        assert len(shot) > 40_000, "the last picture stays on the screen: a dead one would compress to little"
        await server.start()
        await asyncio.gather(until_moving(page, "camera"), until_moving(page, "slides"))
        await until_phase(page, "live")
        await server.until(is_held, f"/api/lessons/{LESSON}", observer)
        assert (await server.get(f"/api/lessons/{LESSON}", observer))["lesson"]["started_at"] == started


async def test_a_teacher_ends_the_lesson_and_everybody_sees_it_and_replays_it(tmp_path: Path) -> None:
    async with serving(tmp_path) as server, chromium() as browser, capturing(server, *SAMPLE):
        teacher = await browser.new_page(viewport={"width": 1366, "height": 768})
        terminal = await browser.new_page(viewport={"width": 1366, "height": 768})
        await teacher.goto(await server.page("/teacher", "teacher", "王老师"))
        await terminal.goto(await server.page("/terminal", "classroom", "大足二小"))
        await asyncio.gather(until_moving(teacher, "programme"), until_moving(terminal, "slides"))
        await teacher.get_by_text("大足二小").wait_for()
        observer = await server.token("observer")
        await server.until(is_long_enough, f"/api/lessons/{LESSON}/recording", observer)
        await teacher.get_by_role("button", name="下课").click()
        await teacher.get_by_role("dialog").get_by_role("button", name="下课").click()
        await until_phase(terminal, "over")
        await server.until(
            lambda answer: answer is not None and answer["state"] == "complete",
            f"/api/lessons/{LESSON}/recording",
            observer,
        )
        replay = await browser.new_page(viewport={"width": 1366, "height": 768})
        await replay.goto(f"{server.url}/replay/{LESSON}#token={observer}")
        await replay.wait_for_selector("[data-playing]")
        await replay.keyboard.press("Space")
        await asyncio.gather(until_moving(replay, "camera"), until_moving(replay, "slides"))
        in_sync = """() => { const drift = document.querySelector("[data-drift-ms]")?.dataset.driftMs;
            return drift !== undefined && Math.abs(Number(drift)) <= 80; }"""
        await replay.wait_for_function(in_sync, timeout=30_000)


async def test_pages_speak_chinese_and_english(tmp_path: Path) -> None:
    async with serving(tmp_path) as server, chromium() as browser:
        page = await browser.new_page()
        await page.goto(await server.page("/teacher", "teacher"))
        await page.get_by_role("button", name="开始上课").wait_for()
        await page.get_by_text("English").click()
        await page.get_by_role("button", name="Start").wait_for()
        await page.reload()
        await page.get_by_role("button", name="Start").click()
        await page.get_by_role("button", name="End").wait_for()
        await server.until(
            lambda answer: answer is not None and answer["lesson"]["state"] == "live",
            f"/api/lessons/{LESSON}",
            await server.token("observer"),
        )
