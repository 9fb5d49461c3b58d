"""Every page that is no administrator's, in each of its states, one after the other; and the looks that each has."""

from __future__ import annotations

import asyncio
import contextlib
import re
from typing import TYPE_CHECKING

from playwright.async_api import expect

from tests.browser.linked_rooms import LinkedRooms
from tests.browser.narrow import narrow_link
from tests.browser.terminals import Operator, teaching
from tests.browser.test_lesson import SAMPLE, until_moving, until_phase
from tests.browser.test_paths import change_answer, through, without
from tests.browser.wide_district import LATER, NEVER, SOON, TOWN
from tests.running import LESSON, capturing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Browser, Page

    from tests.browser.wide_district import Place

    Faces = AsyncIterator[tuple[str, Page]]

DARK_EVERYWHERE = ".night, .terminal, .notice.dark"
LANGUAGES = ("zh-CN", "en")


async def looks(page: Page) -> AsyncIterator[str]:
    """Chinese and English, light and dark, as far as a page has them; what it looks like then."""
    schemes = ["dark"] if await page.locator(DARK_EVERYWHERE).count() else ["light", "dark"]
    languages = LANGUAGES if await page.locator(".language").count() else (None,)
    for language in languages:
        await speak(page, language)
        for scheme in schemes:
            await page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
            yield f"{language or 'zh-CN'} {scheme}"
    await speak(page, languages[0])


async def speak(page: Page, language: str | None) -> None:
    """Have a page in this language; None leaves it."""
    if language is not None and await page.evaluate("document.documentElement.lang") != language:
        # As a press would, also where a dialog lies over it.
        await page.locator(".language").first.evaluate("button => button.click()")
        await page.wait_for_function("language => document.documentElement.lang === language", arg=language)


async def doors(place: Place, browser: Browser) -> Faces:
    """Where somebody stands who has not signed in, or may not go on."""
    page = await (await place.context(browser)).new_page()
    await page.goto(place.server.url)
    await page.locator("main a").first.wait_for()
    yield "home of a stranger", page
    await page.goto(f"{place.server.url}/signin")
    await page.get_by_role("button", name="登录", exact=True).wait_for()
    yield "signing in", page
    await page.get_by_label("账号").fill("lihongmei")
    await page.get_by_label("密码", exact=True).fill("wrong-password")
    await page.get_by_role("button", name="登录", exact=True).click()
    await page.get_by_role("alert").wait_for()
    yield "a wrong password", page
    await page.goto(f"{place.server.url}/library")
    await page.get_by_role("heading", name="请先登录").wait_for()
    yield "the library of a stranger", page
    await page.goto(f"{place.server.url}/trust")
    yield "trust", page
    nowhere = await page.goto(f"{place.server.url}/nowhere/at/all")
    assert nowhere is not None and nowhere.status == 404
    await page.get_by_role("heading", name="没有这个页面").wait_for()
    await expect(page.get_by_role("link", name="回到首页")).to_have_attribute("href", "/")
    yield "an address where there is nothing", page
    await page.goto(f"{place.server.url}/teacher")
    await page.get_by_role("heading", name="地址").wait_for()
    yield "an address without its token", page
    await page.context.close()
    page = await (await place.context(browser, "new")).new_page()
    await page.goto(f"{place.server.url}/signin")
    await page.get_by_role("heading", name="设置您自己的密码").wait_for()
    yield "a password of one's own", page
    await page.context.close()


async def days(place: Place, browser: Browser) -> Faces:
    """Home of teachers with full and empty days, and of who looks after them; and when the server is away."""
    async with place.switched_on({TOWN: None, 2: None, 3: "摄像头没有画面", 4: None, 5: None, 8: None}):
        for login, face, shown in (
            ("abdurehim", "one lesson today", ".now .fault"),
            ("zhangwei", "the end of a day", ".rest"),
            ("wang", "a day looked after", "tbody tr"),
            ("luosang", "no lesson today", ".rest"),
            ("lihongmei", "six lessons today", ".now .ready"),
        ):
            page = await (await place.context(browser, login)).new_page()
            await page.goto(place.server.url)
            await page.locator(shown).first.wait_for()
            yield face, page
            if login == "zhangwei":
                await page.get_by_role("button", name="临时上课").click()
                await page.locator(".extra [aria-pressed]").first.wait_for()
                yield "an extra lesson", page
            elif login == "lihongmei":
                await place.server.kill()
                await page.locator(".alert").wait_for()
                yield "today without a server", page
                await place.server.start()
                await Operator(place.server, place.sessions["wang"]).until_open()
            await page.context.close()


async def lessons(place: Place, browser: Browser) -> Faces:
    """The class page before, in and after a lesson with nine classrooms."""
    page = await (await place.context(browser, "lihongmei")).new_page()
    await page.goto(f"{place.server.url}/class/nowhere")
    await page.get_by_role("heading", name="没有找到这堂课").wait_for()
    yield "a lesson that is not there", page
    await page.goto(f"{place.server.url}/class/{LESSON}")
    start = page.get_by_role("button", name="开始上课")
    await start.wait_for()
    yield "before class", page
    rooms = await LinkedRooms.opened(place, browser)
    await start.click()
    await page.locator('.desk[data-state="live"]').wait_for()
    yield "in class, nobody here", page
    async with capturing(place.server, *SAMPLE):
        ids = {room: await rooms.enter(room) for room in (2, 3, 4, 6, 7, 8, 10)}
        await expect(page.locator(".wall")).to_contain_text("7 / 9")
        for device in ids.values():
            moving = "id => document.querySelector(`[data-room='${id}'] video`)?.currentTime > 0.5"
            await page.wait_for_function(moving, arg=device)
        await page.wait_for_selector('[data-layout="slides-first"]')
        for room in (6, 3):
            await rooms.say(room, type="raise_hand", id="hand", raised=True)
        await expect(page.locator(".queue button")).to_have_count(2)
        await rooms.leave(8)
        await page.locator(f'[data-room="{ids[8]}"].away').wait_for()
        yield "in class", page
        await page.locator(f'[data-room="{ids[2]}"] .call').click()
        await page.locator(f'[data-room="{ids[2]}"].called').wait_for()
        await page.wait_for_selector(".programme.guest")
        yield "called on", page
        await page.keyboard.press("t")
        await page.locator('.desk[data-mode="discuss"]').wait_for()
        yield "discussing", page
        await page.keyboard.press("t")
        await page.locator('.desk[data-mode="listen"]').wait_for()
        await page.locator(f'[data-room="{ids[3]}"] .more').click()
        await page.locator(".panel .actions").wait_for()
        yield "more of one classroom", page
        await page.keyboard.press("Escape")
        await page.keyboard.press("n")
        await page.locator(".panel input").wait_for()
        yield "a message", page
        await page.keyboard.press("Escape")
        await page.keyboard.press("?")
        await page.locator(".panel kbd").first.wait_for()
        yield "the keys", page
        await page.keyboard.press("Escape")
        await page.get_by_role("button", name="下课").click()
        await page.get_by_role("dialog").wait_for()
        yield "the end is asked", page
        await page.keyboard.press("Escape")
        await place.server.kill()
        await page.locator(".alerts .banner").first.wait_for()
        yield "in class without a server", page
        await place.server.start()
        await page.wait_for_function("() => !document.querySelector('.alerts .banner')")
    await page.get_by_role("button", name="下课").click()
    await page.get_by_role("button", name="确定下课").click()
    await page.locator('.desk[data-state="ended"]').wait_for()
    yield "after class", page
    await page.context.close()


async def terminals(place: Place, browser: Browser) -> Faces:
    """The nine states of the kiosk, and its second screen."""

    async def switched_on(room: int, path: str = "/terminal") -> Page:
        page = await (await place.context(browser, room=room)).new_page()
        await page.goto(place.server.url + path)
        return page

    page = await switched_on(0)
    await until_phase(page, "unpaired")
    await page.wait_for_function("() => document.querySelector('figure img')?.naturalWidth > 0")
    yield "1 unpaired", page
    await page.context.close()
    for room, phase, face in (
        (NEVER, "idle", "2 idle, no lesson"),
        (LATER, "idle", "2 idle"),
        (SOON, "standby", "3 standby"),
        (3, "standby", "3 standby, due"),
    ):
        page = await switched_on(room)
        await until_phase(page, phase)
        if phase == "standby":
            await page.wait_for_selector('[data-check="loudspeaker"]:not(.testing)')
        yield face, page
        await page.context.close()

    device = place.credentials[3][0]
    page = await (await place.context(browser, room=3)).new_page()
    slides = await page.context.new_page()
    async with capturing(place.server, *SAMPLE), teaching(place.server) as teacher:
        await teacher.command("start_lesson")
        await page.goto(f"{place.server.url}/terminal")
        await asyncio.gather(until_moving(page, "camera"), until_moving(page, "slides"))
        await until_phase(page, "live")
        await teacher.until(lambda teacher: teacher.participants.get(device, {}).get("publishing", False))
        yield "4 live", page
        await page.keyboard.press("Space")
        await page.wait_for_selector('[data-hand][aria-pressed="true"]')
        await teacher.command("send_note", text="请山坪小学检查话筒，再把音量调大一点，谢谢", participant_id=device)
        await page.wait_for_selector('[data-strip="note"]')
        yield "4 live, hand up and a note", page
        await teacher.command("call_on", participant_id=device)
        await until_phase(page, "called")
        await page.wait_for_selector('[data-mic="open"]')
        yield "5 called", page
        await slides.goto(f"{place.server.url}/terminal?screen=slides")
        await until_moving(slides, "slides")
        yield "two screens, slides", slides
        await slides.goto(f"{place.server.url}/terminal?screen=teacher")
        await until_moving(slides, "camera")
        yield "two screens, teacher", slides
        await slides.close()
        await teacher.command("return_floor", participant_id=None)
        async with weakly_linked(place, browser) as weak:
            yield "6 weak", weak
        await place.server.kill()
        await until_phase(page, "reconnecting")
        yield "7 reconnecting", page
        await place.server.start()
        await page.wait_for_selector('[data-phase="live"], [data-phase="weak"]')
    async with teaching(place.server) as teacher:
        await teacher.command("end_lesson")
    await until_phase(page, "over")
    yield "8 over", page
    await page.context.close()
    page = await switched_on(LATER)
    await until_phase(page, "idle")
    for language in reversed(LANGUAGES):  # whose words it has to have by then
        await speak(page, language)
    await place.server.kill()
    await until_phase(page, "offline")
    yield "9 offline", page
    await place.server.start()


@contextlib.asynccontextmanager
async def weakly_linked(place: Place, browser: Browser) -> AsyncIterator[Page]:
    """A terminal in the lesson whose link takes less than all of it, while somebody looks."""
    link = await narrow_link(place.server)
    page = await (await place.context(browser)).new_page()
    await page.route("**/whep/**", lambda route: change_answer(route, lambda sdp: without("tcp")(through(link)(sdp))))
    await page.goto(await place.server.page("/terminal", "classroom", "宝峰小学"))
    await asyncio.gather(until_moving(page, "camera"), until_moving(page, "slides"))
    link.narrow = True
    await page.wait_for_selector('[data-phase="weak"] [data-strip="weak"]', timeout=60_000)
    yield page
    await page.context.close()
    link.close()


async def shelf(page: Page, url: str, token: str) -> Faces:
    """The library that has lessons, and a replay."""
    await page.goto(f"{url}/library#token={token}")
    await page.locator("article h3 a").first.wait_for()
    yield "library", page
    title = await page.locator("article h3").first.inner_text()
    await page.locator("aside").get_by_role("button", name=re.compile("^小学")).click()
    await page.locator(".chips button").first.wait_for()
    yield "library, narrowed", page
    await page.get_by_role("searchbox").fill(title[:2])
    await page.locator(".hits mark").first.wait_for()
    yield "library, found", page
    await page.get_by_role("searchbox").fill("没有这样的词")
    await page.get_by_role("heading", name="没有找到").wait_for()
    yield "library, nothing found", page
    await page.goto(f"{url}/library")
    more = page.get_by_role("button", name="更多操作").first
    await more.click()
    await page.get_by_role("menuitem").first.wait_for()
    yield "library, menu", page
    await page.reload()  # whatever closed it
    await more.click()
    await page.get_by_role("menuitem", name="修改信息").click()
    await page.get_by_role("dialog").get_by_label("课题").wait_for()
    yield "library, editor", page
    await page.keyboard.press("Escape")
    await page.get_by_role("dialog").wait_for(state="detached")
    await more.click()
    await page.get_by_role("menuitem", name="复制分享链接").click()
    await page.get_by_text("链接有效到").wait_for()
    yield "library, share", page
    await page.keyboard.press("Escape")
    await page.locator("article h3 a").first.click()
    await page.wait_for_selector("[data-playing]")
    yield "replay", page
    for tab in ("查找", "互动", "简介"):
        await page.get_by_role("tab", name=tab).click()
        yield f"replay, {tab}", page
    await page.keyboard.press("?")
    await page.get_by_role("dialog").wait_for()
    yield "replay, keys", page
    await page.keyboard.press("Escape")
    await page.goto(f"{url}/replay/nowhere#token={token}")
    await page.locator("h1").wait_for()
    yield "a replay that is not there", page
