"""The school day as a whole: from a spreadsheet to the replay, with people, screens and a network that fails."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import subprocess
import time
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

from tests.browser.cable import Cable, cable
from tests.browser.classrooms import CAMERA, NOTING
from tests.browser.district import TITLE, TOWN, VILLAGES, District, district
from tests.browser.terminals import paired
from tests.browser.test_class_page import PRESSES
from tests.browser.test_lesson import until_moving, until_phase
from tests.browser.voice import voice
from tests.integration.test_capture_device import Agent
from tests.running import CLASSROOM, chromium

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator
    from pathlib import Path

    from playwright.async_api import Browser, Locator, Page

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

SCREEN = {"width": 1366, "height": 768}
PATIENT_MS = 60_000
# The made-up microphone says the same whatever is played, so the chime of the self-test may be heard or not.
READY = re.compile("已就绪|没有听到提示音")
PAGE = re.compile("第 [1-9] 页")
# Looks at what is shown in a slot and listens to those who speak, from now on.
WATCH = """slot => {
  window.note(document.querySelector(`[data-slot="${slot}"] video`));
  for (const audio of document.querySelectorAll('audio[data-slot^="speaker"]')) {
    window.listen(() => audio.srcObject?.getAudioTracks()[0] ?? null);
  }
}"""
# The picture of a linked classroom is green, as Chromium's made-up camera is; the teacher's is not.
SINCE = "([green, since]) => window.shown.find(([at, seen]) => at >= since && (seen === 'green') === green)?.[0]"
WIDEST_SINCE = """since => {
  const seen = window.shown.filter(([at, colour]) => at >= since && colour === "green");
  const most = Math.max(...seen.map(([, , width]) => width));
  return [seen.find(([, , width]) => width === most)[0], most];
}"""
LOUD_SINCE = "since => window.loud.find(([at, is]) => at >= since && is)?.[0]"
HEARS_THE_TEACHER = """() => { const audio = document.querySelector('audio[data-slot="mic"]');
  return !audio.paused && !audio.muted && audio.currentTime > 1; }"""
PAGES_TOLD = """async () => {
  const lesson = location.pathname.split("/")[2];
  const recording = await (await fetch(`/api/lessons/${lesson}/recording`)).json();
  return recording.events.filter(event => event.kind === "page").map(event => event.page);
}"""
TILE_MOVES = 'device => document.querySelector(`[data-room="${device}"] video`)?.currentTime > 0.5'


class Times:
    """What took how long: for the docs, never for a verdict."""

    def __init__(self) -> None:
        self._began_s = time.monotonic()

    @contextlib.contextmanager
    def of(self, what: str) -> Iterator[None]:
        """Print how long something took."""
        began_s = time.monotonic()
        yield
        now_s = time.monotonic()
        print(f"{now_s - self._began_s:6.1f} s  {what}: {now_s - began_s:.2f} s")


class Terminal:
    """A classroom of a village, with a cable of its own."""

    def __init__(self, school: str, page: Page, line: Cable, device: str) -> None:
        self.school, self.page, self.line, self.device = school, page, line, device


async def shown_after_ms(page: Page, green: bool, since_ms: float) -> float:
    """How long after a moment the large picture was that of a classroom, or was it no more."""
    handle = await page.wait_for_function(SINCE, arg=[green, since_ms], timeout=PATIENT_MS)
    return float(await handle.json_value()) - since_ms


async def heard_after_ms(page: Page, since_ms: float) -> float:
    """How long after a moment a classroom was heard."""
    handle = await page.wait_for_function(LOUD_SINCE, arg=since_ms, timeout=PATIENT_MS)
    return float(await handle.json_value()) - since_ms


async def sharp_after(page: Page, since_ms: float) -> str:
    """How long after a moment the widest picture of a classroom so far was shown first, and how wide that is."""
    at_ms, width_px = await page.evaluate(WIDEST_SINCE, since_ms)
    return f"{at_ms - since_ms:.0f} ({width_px} px)"


@contextlib.asynccontextmanager
async def capture_agent(place: District, home: Path) -> AsyncIterator[None]:
    """The computer of the main classroom: paired by its code, then started as its service does it."""
    command = [*CLASSROOM, "capture", "--server", place.server.url]
    environment = {**os.environ, "XDG_DATA_HOME": str(home)}
    pairing = Agent(await asyncio.create_subprocess_exec(
        *command, "--pair", "--name", "主讲机", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment
    ))  # fmt: skip
    code = (await pairing.said(r"code\s+(\S{4}-\S{4})"))[1]
    await place.operator.ask("POST", "/api/terminals", {"code": code, "classroom_id": await place.room(TOWN)})
    assert await pairing.ended() == 0
    sources = ("--camera", "sample", "--slides", "sample", "--mic", "sample")
    agent = await asyncio.create_subprocess_exec(*command, *sources, stderr=subprocess.DEVNULL, env=environment)
    try:
        yield
    finally:
        agent.kill()
        await agent.wait()


async def switched_on(place: District, browser: Browser, school: str, line: Cable) -> Terminal:
    """A terminal, paired by the code on its screen with the classroom of a school."""
    context = await browser.new_context(viewport=SCREEN)
    await context.add_init_script(line.script + NOTING)
    room = await place.room(VILLAGES[school])
    page = await paired(place.operator, context, room=room, url=line.url)
    terminals = (await place.operator.ask("GET", "/api/terminals"))["terminals"]
    [device] = [each["id"] for each in terminals if each["classroom_id"] == room]
    return Terminal(school, page, line, device)


class Desk:
    """The page of the teacher, who has signed in."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def tile(self, terminal: Terminal) -> Locator:
        """What is pressed to call on a classroom."""
        return self.page.locator(f'[data-room="{terminal.device}"] .call')

    async def press_tile(self, terminal: Terminal) -> float:
        """Call on a classroom, or take the word back; when that was, in milliseconds of this machine's clock."""
        await self.tile(terminal).click()
        return float(await self.page.evaluate("window.pressed.at(-1)"))


async def test_a_school_day(tmp_path: Path) -> None:
    times = Times()
    async with contextlib.AsyncExitStack() as stack:
        with times.of("server, accounts, a district from a spreadsheet"):
            place = await stack.enter_async_context(district(tmp_path / "data"))
        browser = await stack.enter_async_context(chromium(*CAMERA, voice(tmp_path)))
        with times.of("three terminals and the capture computer paired by their codes"):
            lines = [await stack.enter_async_context(cable(place.server)) for _ in VILLAGES]
            terminals = [
                await switched_on(place, browser, school, line) for school, line in zip(VILLAGES, lines, strict=True)
            ]
            await stack.enter_async_context(capture_agent(place, tmp_path / "home"))
        context = await browser.new_context(viewport=SCREEN)
        session = {"name": "session", "value": await place.teacher(), "url": place.server.url}
        await context.add_cookies([session])
        teacher = await context.new_page()
        await teacher.add_init_script(NOTING + PRESSES)
        desk = Desk(teacher)

        await a_lesson_begins_by_one_press(times, place, desk, terminals)
        await a_hand_is_raised_and_called_on(times, desk, terminals)
        await all_discuss_and_are_silenced(times, desk, terminals)
        await a_network_fails_and_the_server_too(times, place, desk, terminals)
        await it_ends_and_is_replayed(times, desk, terminals)


async def a_lesson_begins_by_one_press(times: Times, place: District, desk: Desk, terminals: list[Terminal]) -> None:
    teacher = desk.page
    await teacher.goto(place.server.url)
    card = teacher.locator(".now[data-lesson]")
    await expect(card).to_contain_text(TITLE, timeout=PATIENT_MS)
    with times.of("all have tested themselves, as today's card says"):
        await asyncio.gather(*(until_phase(terminal.page, "standby") for terminal in terminals))
        await expect(card).to_contain_text("3 间听讲教室")
        for terminal in terminals:
            row = card.locator("[data-room]", has_text=terminal.school)
            await expect(row).to_contain_text(READY, timeout=PATIENT_MS)
        await expect(card.locator('[data-room="main"]')).to_contain_text("设备正常", timeout=PATIENT_MS)
    await expect(card.locator("[data-room]", has_text="山坪小学")).to_contain_text("11 人", timeout=PATIENT_MS)
    with times.of("from the press to the last of three classrooms with picture, slides and sound"):
        with times.of("from the press to live and recorded"):
            await card.get_by_role("button", name="开始上课").click()
            await teacher.locator('.desk[data-state="live"]').wait_for(timeout=PATIENT_MS)
            await expect(teacher.get_by_text("录制中")).to_be_visible(timeout=PATIENT_MS)
        await asyncio.gather(*(sees_and_hears(terminal) for terminal in terminals), until_moving(teacher, "programme"))
    await expect(teacher.locator('[data-source="slides"]')).to_contain_text(PAGE, timeout=PATIENT_MS)
    with times.of("the pictures of all classrooms on the wall"):
        for terminal in terminals:
            await teacher.wait_for_function(TILE_MOVES, arg=terminal.device, timeout=PATIENT_MS)
        await expect(teacher.locator(".wall")).to_contain_text("3 / 3 在课堂", timeout=PATIENT_MS)


async def until_in_lesson(terminal: Terminal) -> None:
    """The lesson is on the screen; a machine that is busy may make its link weak."""
    await terminal.page.wait_for_selector('[data-phase="live"], [data-phase="weak"]', timeout=PATIENT_MS)


async def sees_and_hears(terminal: Terminal) -> None:
    await asyncio.gather(until_moving(terminal.page, "camera", 60), until_moving(terminal.page, "slides", 60))
    await until_in_lesson(terminal)
    await terminal.page.wait_for_function(HEARS_THE_TEACHER, timeout=PATIENT_MS)


async def a_hand_is_raised_and_called_on(times: Times, desk: Desk, terminals: list[Terminal]) -> None:
    asking, *others = terminals
    await desk.page.evaluate(WATCH, "programme")
    for terminal in others:
        await terminal.page.evaluate(WATCH, "camera")
    queue = desk.page.locator(".queue button")
    with times.of("a hand, from the key to the desk"):
        await asking.page.keyboard.press("Space")
        await expect(queue).to_have_count(1, timeout=PATIENT_MS)
    await expect(queue.first).to_contain_text(asking.school)

    at_ms = await desk.press_tile(asking)
    seen_ms = await asyncio.gather(*(shown_after_ms(page, True, at_ms) for page in pages(desk, others)))
    heard_ms = await asyncio.gather(*(heard_after_ms(page, at_ms) for page in pages(desk, others)))
    print("called on: picture at the desk, elsewhere ms", rounded(seen_ms), "sound ms", rounded(heard_ms))
    await until_phase(asking.page, "called")
    await asking.page.wait_for_selector('[data-mic="open"]', timeout=PATIENT_MS)
    await expect(queue).to_have_count(0)  # who is called on has no hand up
    await asyncio.sleep(1)
    print("called on: best picture ms", [await sharp_after(page, at_ms) for page in pages(desk, others)])

    at_ms = await desk.press_tile(asking)
    gone_ms = await asyncio.gather(*(shown_after_ms(page, False, at_ms) for page in pages(desk, others)))
    print("returned: the teacher's picture ms", rounded(gone_ms))
    await until_in_lesson(asking)
    await asking.page.wait_for_selector('[data-mic="off"]', timeout=PATIENT_MS)


async def all_discuss_and_are_silenced(times: Times, desk: Desk, terminals: list[Terminal]) -> None:
    async def microphones(state: str) -> None:
        await asyncio.gather(*(terminal.page.wait_for_selector(f'[data-mic="{state}"]') for terminal in terminals))

    with times.of("讨论 and all microphones open"):
        await desk.page.keyboard.press("t")
        await microphones("open")
    await desk.page.wait_for_selector('.desk[data-mode="discuss"]')
    with times.of("all muted"):
        await desk.page.keyboard.press("0")
        await microphones("off")
    await desk.page.keyboard.press("t")
    await desk.page.wait_for_selector('.desk[data-mode="listen"]')


async def a_network_fails_and_the_server_too(
    times: Times, place: District, desk: Desk, terminals: list[Terminal]
) -> None:
    teacher, (asking, failing, speaking) = desk.page, terminals
    await asking.page.keyboard.press("Space")
    await expect(teacher.locator(".queue button")).to_have_count(1, timeout=PATIENT_MS)
    await desk.press_tile(speaking)
    await until_phase(speaking.page, "called")

    with times.of("a cable pulled, until its classroom says so"):
        failing.line.pull()
        await until_phase(failing.page, "reconnecting")
    with times.of("until its tile says so"):
        await expect(desk.tile(failing)).to_contain_text("断线了", timeout=PATIENT_MS)
    with times.of("plugged in again, until the lesson is back"):
        failing.line.plug_in()
        await until_in_lesson(failing)
        await until_moving(failing.page, "slides")
    with times.of("until its picture is back on the wall"):
        await expect(teacher.locator(".wall")).to_contain_text("3 / 3 在课堂", timeout=PATIENT_MS)
        await teacher.wait_for_function(TILE_MOVES, arg=failing.device, timeout=PATIENT_MS)

    await place.server.kill()
    await asyncio.gather(*(until_phase(terminal.page, "reconnecting") for terminal in terminals))
    with times.of("the server killed and started again, from its start until all have the lesson"):
        with times.of("until its doors are open"):
            await place.server.start()
        with times.of("until all have a picture"):
            await asyncio.gather(*(until_in_lesson(terminal) for terminal in (asking, failing)))
            await until_phase(speaking.page, "called")
        with times.of("until all have slides that move"):
            await asyncio.gather(*(until_moving(terminal.page, "slides") for terminal in terminals))
    with times.of("until the desk has all of it"):
        await expect(teacher.locator(".wall")).to_contain_text("3 / 3 在课堂", timeout=PATIENT_MS)
        await expect(desk.tile(speaking)).to_have_attribute("aria-pressed", "true", timeout=PATIENT_MS)
        await expect(teacher.locator(".queue button")).to_have_count(1, timeout=PATIENT_MS)
        await expect(teacher.get_by_text("录制中")).to_be_visible(timeout=PATIENT_MS)


async def it_ends_and_is_replayed(times: Times, desk: Desk, terminals: list[Terminal]) -> None:
    teacher = desk.page
    await teacher.get_by_role("button", name="下课").click()
    with times.of("ended, until all say so"):
        await teacher.get_by_role("dialog").get_by_role("button", name="确定下课").click()
        await teacher.locator('.desk[data-state="ended"]').wait_for(timeout=PATIENT_MS)
        await asyncio.gather(*(until_phase(terminal.page, "over") for terminal in terminals))
    await expect(teacher.locator(".desk")).to_contain_text("录制完成", timeout=PATIENT_MS)
    with times.of("its replay, with what happened"):
        await teacher.get_by_role("link", name="看回放").click()
        await teacher.wait_for_selector("[data-playing]", timeout=PATIENT_MS)
        await teacher.get_by_role("tab", name="互动").click()
        asking, _, speaking = (terminal.school for terminal in terminals)
        moments = teacher.get_by_role("tabpanel")
        for words in (f"{asking} 举手", f"{asking} 发言", "开始讨论", "讨论结束", f"{speaking} 发言"):
            await expect(moments).to_contain_text(words, timeout=PATIENT_MS)
    told = await teacher.evaluate(PAGES_TOLD)
    assert told[:2] == [1, 2]
    assert all(page != following for page, following in pairwise(told)), told


def pages(desk: Desk, terminals: list[Terminal]) -> list[Page]:
    return [desk.page, *(terminal.page for terminal in terminals)]


def rounded(values: Iterable[float]) -> list[int]:
    return [round(value) for value in values]
