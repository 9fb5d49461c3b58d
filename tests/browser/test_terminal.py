"""The classroom display through its day: every state that it has, and back to it after whatever befalls it."""

from __future__ import annotations

import asyncio
import re
import time
from typing import TYPE_CHECKING, Any

import pytest

from classroom.web.crowd import OF_DEVICE
from tests.browser.narrow import narrow_link
from tests.browser.terminals import kiosk, paired, school_day, teaching
from tests.browser.test_lesson import SAMPLE, until_moving, until_phase
from tests.browser.test_paths import change_answer, through, without
from tests.running import LESSON, capturing, serving

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from playwright.async_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

SCREEN = {"width": 1366, "height": 768}
# Everything that is shown and not of the slides, with an area in common with them.
UPON_THE_SLIDES = """() => {
  const slides = document.querySelector("[data-slides]");
  if (slides === null) return ["there are no slides"];
  const shown = element => element.checkVisibility({ opacityProperty: true, visibilityProperty: true });
  const at = slides.getBoundingClientRect();
  return [...document.querySelectorAll("body *")]
    .filter(element => !slides.contains(element) && !element.contains(slides) && shown(element))
    .filter(element => {
      const { left, right, top, bottom } = element.getBoundingClientRect();
      const width = Math.min(right, at.right) - Math.max(left, at.left);
      const height = Math.min(bottom, at.bottom) - Math.max(top, at.top);
      return width > 1 && height > 1;
    })
    .map(element => element.outerHTML.slice(0, 120));
}"""
OPEN_MICROPHONE = """open => {
  const live = window.sent.filter(track => track.kind === "audio" && track.readyState === "live");
  return live.length === 1 && live[0].enabled === open;
}"""
# Keeps the tracks that the page gets from its devices where a test finds them.
REMEMBER_TRACKS = """window.sent = [];
if (navigator.mediaDevices) {
  const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = async constraints => {
    const stream = await ask(constraints);
    window.sent.push(...stream.getTracks());
    return stream;
  };
}"""


async def nothing_upon_the_slides(page: Page) -> None:
    assert await page.evaluate(UPON_THE_SLIDES) == []


async def seconds_until(page: Page, phase: str, cause_gone: Callable[[], Any]) -> float:
    """From the moment that the cause of an outage is gone."""
    await cause_gone()
    began_s = time.monotonic()
    await until_phase(page, phase)
    return time.monotonic() - began_s


async def test_a_terminal_from_its_pairing_to_the_end_of_its_lesson(tmp_path: Path) -> None:
    async with school_day(tmp_path) as (server, operator), kiosk() as browser:
        context = await browser.new_context(viewport=SCREEN)
        await context.add_init_script(REMEMBER_TRACKS)
        page = await paired(operator, context)

        # Ten minutes before the bell it tests itself, and the operator is told.
        await until_phase(page, "standby")
        for part in ("camera", "microphone", "link"):
            await page.wait_for_selector(f'[data-check="{part}"].ok', timeout=30_000)
        # The made-up microphone beeps whatever is played: there is a finding, and it may be any.
        await page.wait_for_selector('[data-check="loudspeaker"]:not(.testing)', timeout=30_000)
        await page.get_by_role("button", name="多一个").click()
        async with asyncio.timeout(30):
            while (report := (await operator.terminal())["report"]) is None or report["children"] != 1:
                await asyncio.sleep(0.1)
        checks = {part: check["ok"] for part, check in report["checks"].items() if check is not None}
        assert checks.pop("loudspeaker", "not told") != "not told"
        assert checks == {"camera": True, "microphone": True, "link": True}

        async with capturing(server, *SAMPLE):
            await asyncio.gather(until_moving(page, "camera"), until_moving(page, "slides"))
            await until_phase(page, "live")
            await page.locator("aside").get_by_text(re.compile("^第 [1-9] 页$")).wait_for()
            await nothing_upon_the_slides(page)
            async with teaching(server) as teacher:
                you = (await operator.terminal())["id"]
                await teacher.until(lambda teacher: teacher.participants.get(you, {}).get("publishing", False))
                await page.wait_for_selector('[data-mic="off"]')
                assert await page.evaluate(OPEN_MICROPHONE, False)

                # One key raises the hand, however nervously it is pressed: all within a moment, however slow we are.
                await asyncio.gather(
                    page.keyboard.down("Space"),
                    page.keyboard.down("Space"),  # repeats
                    page.keyboard.up("Space"),
                    page.keyboard.press("Enter"),
                )
                await teacher.until(lambda teacher: teacher.lesson["hands"] == [you])
                await page.wait_for_selector('[data-hand][aria-pressed="true"]')

                await teacher.command("call_on", participant_id=you)
                await until_phase(page, "called")
                await page.wait_for_selector('[data-mic="open"]')
                await page.wait_for_selector("aside [data-self]")
                assert await page.evaluate(OPEN_MICROPHONE, True)
                await page.wait_for_selector('[data-hand][aria-pressed="false"]')
                await nothing_upon_the_slides(page)

                await teacher.command("return_floor", participant_id=None)
                await until_phase(page, "live")
                assert await page.evaluate(OPEN_MICROPHONE, False)

                await teacher.command("set_mode", mode="discuss")
                await page.wait_for_selector('[data-mic="open"]')
                await teacher.command("mute", participant_id=you, muted=True)
                await page.wait_for_selector('[data-mic="off"]')

                await teacher.command("send_note", text="请山坪小学检查话筒", participant_id=you)
                await page.get_by_text("请山坪小学检查话筒").wait_for()
                await nothing_upon_the_slides(page)

                await teacher.command("set_volume", participant_id=you, volume=35)
                await page.wait_for_function("() => document.querySelector('audio').volume === 0.35")
                await page.keyboard.press("ArrowUp")
                await page.wait_for_function("() => document.querySelector('audio').volume === 0.4")

                await teacher.command("end_lesson")
            await until_phase(page, "over")
        tracks = "() => window.sent.filter(track => track.readyState === 'live').length"
        assert await page.evaluate(tracks) == 0, "no camera is open when no lesson is"


async def test_a_terminal_that_nobody_has_paired_shows_one_code_after_another(tmp_path: Path) -> None:
    async with school_day(tmp_path) as (server, _), kiosk() as browser:
        page = await browser.new_page(viewport=SCREEN)
        await page.goto(f"{server.url}/terminal")
        await until_phase(page, "unpaired")
        code = await page.locator("[data-code]").inner_text()
        assert re.fullmatch(r"[2-9A-Z]{4}-[2-9A-Z]{4}", code)
        loaded = "() => document.querySelector('figure img').naturalWidth > 0"
        await page.wait_for_function(loaded)
        # Codes are in memory: a server that starts anew knows none, and the terminal has another by itself.
        await server.kill()
        await server.start()
        await page.wait_for_function(
            "code => (document.querySelector('[data-code]')?.innerText ?? code) !== code", arg=code
        )


async def test_a_terminal_without_a_lesson_and_one_that_an_operator_takes_out(tmp_path: Path) -> None:
    async with school_day(tmp_path, starts_in_s=7200) as (_, operator), kiosk() as browser:
        context = await browser.new_context(viewport=SCREEN)
        page = await paired(operator, context)
        await until_phase(page, "idle")
        await page.get_by_text("分数的初步认识").wait_for()
        await page.wait_for_selector('[data-light="link"].ok')
        await operator.ask("PUT", f"/api/terminals/{(await operator.terminal())['id']}/volume", {"volume": 20})
        await page.wait_for_function("() => localStorage.getItem('classroom.terminal.volume') === '20'")
        await operator.ask("DELETE", f"/api/terminals/{(await operator.terminal())['id']}")
        await until_phase(page, "unpaired")


async def test_a_terminal_is_back_by_itself_whatever_befalls_it(tmp_path: Path) -> None:
    figures: dict[str, float] = {}
    async with school_day(tmp_path) as (server, operator), kiosk() as browser, capturing(server, *SAMPLE):
        context = await browser.new_context(viewport=SCREEN)
        page = await paired(operator, context)
        await until_phase(page, "live")

        async def reload() -> None:
            await page.reload(wait_until="commit")

        figures["page loaded again"] = await seconds_until(page, "live", reload)

        # A browser that was killed has what its profile kept: the cookie of the device.
        state = await context.storage_state()
        await context.close()
        context = await browser.new_context(viewport=SCREEN, storage_state=state)
        page = await context.new_page()
        figures["browser started again"] = await seconds_until(
            page, "live", lambda: page.goto(f"{server.url}/terminal", wait_until="commit")
        )

        await until_moving(page, "slides")
        await server.kill()
        await until_phase(page, "reconnecting")
        await nothing_upon_the_slides(page)
        figures["server started again"] = await seconds_until(page, "live", server.start)
        await until_moving(page, "slides")
        await page.close()
        print({cause: round(took_s, 1) for cause, took_s in figures.items()})


async def test_a_terminal_that_waits_says_when_its_server_is_away_and_is_back_with_it(tmp_path: Path) -> None:
    async with school_day(tmp_path, starts_in_s=7200) as (server, operator), kiosk() as browser:
        context = await browser.new_context(viewport=SCREEN)
        page = await paired(operator, context)
        await until_phase(page, "idle")
        await server.kill()
        await until_phase(page, "offline")
        await page.get_by_text("连不上服务器").wait_for()
        await page.get_by_text("分数的初步认识").wait_for()
        print(f"server started to idle: {await seconds_until(page, 'idle', server.start):.1f} s")


async def test_a_terminal_that_is_switched_on_before_its_server_shows_its_own_words(tmp_path: Path) -> None:
    async with school_day(tmp_path, starts_in_s=7200) as (server, operator), kiosk() as browser:
        context = await browser.new_context(viewport=SCREEN)
        page = await paired(operator, context)
        await until_phase(page, "idle")
        kept = "async () => (await caches.match('/terminal')) !== undefined"
        opens = "async () => (await navigator.serviceWorker.getRegistration())?.active?.state === 'activated'"
        async with asyncio.timeout(30):
            while not (await page.evaluate(kept) and await page.evaluate(opens)):
                await asyncio.sleep(0.2)
        await page.close()
        await server.kill()
        page = await context.new_page()
        await page.goto(f"{server.url}/terminal")
        await until_phase(page, "offline")
        await page.get_by_text("连不上服务器").wait_for()
        print(f"switched on first, server started to idle: {await seconds_until(page, 'idle', server.start):.1f} s")


async def test_a_weak_link_is_told_beside_the_slides(tmp_path: Path) -> None:
    async with serving(tmp_path) as server, kiosk() as browser, capturing(server, *SAMPLE):
        nat = await narrow_link(server)
        page = await browser.new_page(viewport=SCREEN)
        await page.route(
            "**/whep/**", lambda route: change_answer(route, lambda lines: without("tcp")(through(nat)(lines)))
        )
        await page.goto(await server.page("/terminal", "classroom", "山坪小学"))
        async with teaching(server):  # the server says how links are while somebody looks
            await asyncio.gather(until_moving(page, "camera"), until_moving(page, "slides"))
            nat.narrow = True
            await page.wait_for_selector('[data-phase="weak"] [data-strip="weak"]', timeout=60_000)
            await nothing_upon_the_slides(page)
            nat.narrow = False
            await page.wait_for_selector('[data-phase="live"]', timeout=90_000)
        nat.close()


async def test_two_screens_share_one_terminal(tmp_path: Path) -> None:
    async with school_day(tmp_path) as (server, operator), kiosk() as browser, capturing(server, *SAMPLE):
        context = await browser.new_context(viewport=SCREEN)
        teacher_screen = await paired(operator, context, "/terminal?screen=teacher")
        await until_moving(teacher_screen, "camera")
        slides_screen = await context.new_page()
        await slides_screen.goto(f"{server.url}/terminal?screen=slides")
        await until_moving(slides_screen, "slides")
        assert await slides_screen.locator("audio, [data-hand], aside").count() == 0
        assert await teacher_screen.locator("[data-slides]").count() == 0
        await nothing_upon_the_slides(slides_screen)
        # A remote control reaches the window in front; the hand is that of the classroom.
        await slides_screen.keyboard.press("Enter")
        await teacher_screen.wait_for_selector('[data-hand][aria-pressed="true"]')
        lesson = await server.get(f"/api/lessons/{LESSON}", await server.token("observer"))
        classrooms = [p for p in (lesson or {})["participants"] if p["role"] == "classroom"]
        assert len(classrooms) == 1


async def test_the_second_screen_opens_by_itself(tmp_path: Path) -> None:
    async with (
        school_day(tmp_path) as (server, operator),
        kiosk("--screen-info={1366x768}{1366,0 1920x1080}") as browser,
        capturing(server, *SAMPLE),
    ):
        context = await browser.new_context(no_viewport=True)
        main = await paired(operator, context)
        await until_phase(main, "live")
        # As the policy WindowManagementAllowedForUrls does.
        target = (await (await context.new_cdp_session(main)).send("Target.getTargetInfo"))["targetInfo"]
        permission = {"permissions": ["windowManagement"], "browserContextId": target["browserContextId"]}
        await (await browser.new_browser_cdp_session()).send("Browser.grantPermissions", permission)
        async with context.expect_page() as opened:
            await main.goto(f"{server.url}/terminal?screens=2")
        slides = await opened.value
        await main.wait_for_selector('main[data-screen="teacher"]')
        await asyncio.gather(until_moving(main, "camera"), until_moving(slides, "slides"))
        # Without a frame where AutomaticFullscreenAllowedForUrls says so, which no test can.
        fills = "() => `${[screenX, outerWidth, outerHeight]}` === '1366,1920,1080'"
        await slides.wait_for_function(fills, timeout=30_000)
        # A window that somebody closed comes back.
        async with context.expect_page() as opened_again:
            await slides.close()
        await until_moving(await opened_again.value, "slides")


async def test_of_too_many_pages_of_one_terminal_the_oldest_says_so_and_does_not_fight(tmp_path: Path) -> None:
    async with school_day(tmp_path, starts_in_s=7200) as (server, operator), kiosk() as browser:
        context = await browser.new_context(viewport=SCREEN)
        pages = [await paired(operator, context)]
        await until_phase(pages[0], "idle")
        for _ in range(OF_DEVICE):
            pages.append(await context.new_page())
            await pages[-1].goto(f"{server.url}/terminal")
            await until_phase(pages[-1], "idle")
        await pages[0].get_by_text("这里打开的页面太多").wait_for()
        for page in pages[1:]:
            await until_phase(page, "idle")
        await pages[1].close()
        await pages[0].reload()
        await until_phase(pages[0], "idle")
