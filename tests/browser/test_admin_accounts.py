"""Who may sign in, and what each then finds: accounts from their first password to their end, in real Chromium."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

from tests.browser.district import PASSWORD, district
from tests.browser.office import account, choose, choose_password, pick, row, save, section, sections, sign_in
from tests.running import Server, chromium, free_port, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

CLIENTS = Path(__file__).parents[1] / "clients"
OWN = "海棠花开满了南山-1"
OPEN = "可以用大足教育登录"
FOR_EVERYBODY = {"课表", "每日安排"}
FOR_ADMINS = {"教室终端", "基础数据", "导入导出", "账号", "操作记录"}


async def noted(page: Page) -> str:
    """The one-time password of the dialog, which is closed: it is not told again."""
    password = await page.locator("[data-password]").inner_text()
    await page.get_by_role("button", name="记下了").click()
    await expect(page.locator("dialog[open]")).to_have_count(0)
    assert password not in await page.content()
    return password


async def switched(page: Page, login: str, field: str) -> None:
    """Turn a switch of an account's form."""
    await row(page, login).get_by_role("button", name="修改").click()
    await page.get_by_role("dialog").get_by_text(field, exact=True).click()
    await save(page)


async def test_an_account_from_its_first_password_to_its_end(tmp_path: Path) -> None:
    async with district(tmp_path) as town, chromium() as browser:
        url = town.server.url
        office = await (await browser.new_context()).new_page()
        zhao = await (await browser.new_context()).new_page()
        for page in (office, zhao):
            page.set_default_timeout(30_000)
        await office.goto(f"{url}/signin?next=/admin/accounts")
        await sign_in(office, "wang", PASSWORD)

        await office.get_by_role("button", name="添加账号").click()
        sheet = office.get_by_role("dialog")
        await sheet.get_by_label("账号", exact=True).fill("zhao01")
        await sheet.get_by_label("姓名").fill("赵明")
        await choose(office, "角色", "学校管理员")
        await pick(office, "学校", "山坪", "山坪小学")
        await sheet.get_by_role("button", name="保存").click()
        first = await noted(office)
        await expect(row(office, "zhao01")).to_contain_text("还没换密码")

        # Whoever has a first password finds nothing open before they have chosen their own.
        await zhao.goto(f"{url}/signin")
        await sign_in(zhao, "zhao01", first)
        await zhao.get_by_role("heading", name="设置您自己的密码").wait_for()
        await zhao.goto(f"{url}/admin/accounts")
        await zhao.get_by_role("heading", name="设置您自己的密码").wait_for()
        await zhao.get_by_label("一次性密码").fill(first)
        await choose_password(zhao, OWN)
        await zhao.wait_for_url(f"{url}/admin/accounts")

        # A school's administrator is offered what the school needs, and no more.
        assert await sections(zhao) >= FOR_EVERYBODY | FOR_ADMINS
        await zhao.get_by_role("button", name="添加账号").click()
        await zhao.get_by_role("dialog").get_by_label("角色", exact=True).press("Enter")
        await zhao.get_by_role("option", name="主讲教师").wait_for()
        await expect(zhao.get_by_role("option", name="区县管理员")).to_have_count(0)
        await zhao.keyboard.press("Escape")
        await zhao.get_by_role("dialog").get_by_role("button", name="取消").click()
        await section(zhao, "基础数据")
        await expect(row(zhao, "山坪小学").get_by_role("button", name="修改")).to_be_visible()
        await expect(zhao.get_by_role("button", name=re.compile("^添加学校|^删除"))).to_have_count(0)
        await zhao.get_by_role("group", name="基础数据").get_by_role("button", name="学期").click()
        await row(zhao, "秋季学期").wait_for()
        await expect(zhao.get_by_role("main").get_by_role("button", name=re.compile("^添加|^修改"))).to_have_count(0)
        await section(zhao, "课表")
        await zhao.get_by_text("数学").first.wait_for()
        # The lesson is another school's: this one listens to it.
        await expect(zhao.get_by_role("button", name=re.compile("数学"))).to_have_count(0)

        await row(office, "zhao01").get_by_role("button", name="重置密码").click()
        await office.get_by_role("dialog").get_by_role("button", name="重置密码").click()
        second = await noted(office)
        await expect(row(office, "zhao01").get_by_role("button", name="重置密码")).to_be_focused()
        assert second != first
        await zhao.get_by_role("link", name="账号").click()  # the session is over
        await zhao.wait_for_url(re.compile("/signin"))
        await sign_in(zhao, "zhao01", OWN)
        await zhao.get_by_role("alert").get_by_text("账号或密码不对").wait_for()
        await sign_in(zhao, "zhao01", second)
        await choose_password(zhao, OWN)
        await zhao.wait_for_url(f"{url}/admin/accounts")

        await row(office, "zhao01").get_by_role("button", name="修改").click()
        await choose(office, "角色", "教研员")
        await save(office)
        await expect(row(office, "zhao01")).to_contain_text("教研员")
        await zhao.reload()
        found = await sections(zhao)
        assert found >= FOR_EVERYBODY and found.isdisjoint(FOR_ADMINS)

        await switched(office, "zhao01", "停用这个账号")
        await expect(row(office, "zhao01")).to_contain_text("已停用")
        await zhao.reload()
        await zhao.wait_for_url(re.compile("/signin"))
        await sign_in(zhao, "zhao01", OWN)
        await zhao.get_by_role("alert").get_by_text("停用").wait_for()

        await row(office, "zhao01").get_by_role("button", name="删除").click()
        await office.get_by_role("dialog").get_by_role("button", name="删除").click()
        await office.get_by_text("已删除：zhao01 赵明").wait_for()
        await expect(row(office, "zhao01")).to_have_count(0)

        # All of it is in the log, in words, at the time of the schools.
        await section(office, "操作记录")
        for said in ("重置密码", "修改账号", "删除账号"):
            await expect(row(office, said).first).to_contain_text("zhao01")


async def test_a_teacher_and_a_researcher_see_and_change_nothing(tmp_path: Path) -> None:
    async with district(tmp_path) as town, chromium() as browser:
        url = town.server.url
        await town.teacher()
        watcher = await account(tmp_path, "yan", "严教研", "researcher", "--district", "500111")
        for login, password in (("lihongmei", PASSWORD), ("yan", watcher)):
            page = await (await browser.new_context()).new_page()
            page.set_default_timeout(30_000)
            await page.goto(f"{url}/signin?next=/admin/exchange")
            await sign_in(page, login, password)
            if login == "yan":
                await choose_password(page, OWN)
            # The section is none of theirs: they are led to the first one that is.
            await page.wait_for_url(re.compile("/admin/timetable"))
            found = await sections(page)
            assert found >= FOR_EVERYBODY and found.isdisjoint(FOR_ADMINS)
            await page.get_by_role("main").get_by_text("分数的初步认识").or_(page.get_by_text("数学")).first.wait_for()
            await expect(page.get_by_role("main").get_by_role("button", name=re.compile("添加|数学"))).to_have_count(0)
            await section(page, "每日安排")
            await row(page, "分数的初步认识").wait_for()
            changing = re.compile("添加|加课|调整|停课|恢复|删除")
            await expect(page.get_by_role("main").get_by_role("button", name=changing)).to_have_count(0)


async def test_a_guesser_is_told_how_long_to_wait(tmp_path: Path) -> None:
    await account(tmp_path, "wang", "王管理员", "operator")
    async with serving(tmp_path) as server, chromium() as browser:
        page = await browser.new_page()
        await page.goto(f"{server.url}/signin")
        countdown = page.get_by_role("alert").get_by_text("后可以再试")
        status = 401
        while status == 401:  # then the button rests as long as it is told to
            async with page.expect_response(lambda response: response.request.method == "POST") as answered:
                await sign_in(page, "wang", "wrong")
            status = (await answered.value).status
        assert status == 423
        await expect(page.get_by_role("button", name="登录", exact=True)).to_be_disabled()
        before = await countdown.inner_text()
        await expect(countdown).not_to_have_text(before)  # it counts


@contextlib.asynccontextmanager
async def provider(port: int, server: Server) -> AsyncIterator[None]:
    """The OpenID provider of tests/clients, which sends browsers back to the server."""
    command = ["node", "oidc.mjs", str(port), f"{server.url}/api/oidc/callback"]
    process = await asyncio.create_subprocess_exec(
        *command, cwd=CLIENTS, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(30):
            while b"listening" not in (line := await process.stdout.readline()):
                assert line, "the provider stopped"
        yield
    finally:
        process.kill()
        await process.wait()


async def over_there(page: Page, login: str) -> None:
    """Press the button of the provider, and sign in at its pages."""
    await page.get_by_role("link", name="用大足教育登录").click()
    await page.locator("[name=login]").fill(login)
    await page.locator("[name=password]").fill("any")
    await page.locator("[type=submit]").click()
    await page.locator("[name=prompt][value=consent]").wait_for(state="attached")
    await page.locator("[type=submit]").click()


async def test_the_district_signs_in_at_its_own_provider(tmp_path: Path) -> None:
    await account(tmp_path, "wang", "王管理员", "operator", "--sso")
    await account(tmp_path, "zhao", "赵管理员", "operator")
    port = free_port(socket.SOCK_STREAM)
    async with (
        serving(
            tmp_path,
            CLASSROOM_OIDC_ISSUER=f"http://127.0.0.1:{port}",
            CLASSROOM_OIDC_CLIENT_SECRET="a secret between the two",
            CLASSROOM_OIDC_NAME="大足教育",
        ) as server,
        provider(port, server),
        chromium() as browser,
    ):
        page = await browser.new_page()
        page.set_default_timeout(30_000)
        await page.goto(f"{server.url}/admin/accounts")
        await over_there(page, "wang")
        # Back where they wanted to go, with no password to choose.
        await page.wait_for_url(f"{server.url}/admin/accounts")
        await expect(row(page, "wang")).to_contain_text("只用统一身份认证")

        # Whose account has a password gets it from over there only if an administrator says so.
        await page.context.clear_cookies()
        await page.goto(f"{server.url}/signin")
        await over_there(page, "zhao")
        await page.get_by_text("没有与它绑定的账号").wait_for()
        await page.context.clear_cookies()
        await page.goto(f"{server.url}/signin?next=/admin/accounts")
        await over_there(page, "wang")
        await switched(page, "zhao", OPEN)
        await page.context.clear_cookies()
        await page.goto(f"{server.url}/signin?next=/admin/audit")
        await over_there(page, "zhao")
        await page.wait_for_url(f"{server.url}/admin/audit")
        for said, whom in (("允许绑定统一身份认证", "zhao"), ("首次登录，绑定统一身份认证", "wang")):
            await expect(row(page, said).filter(has_text=whom).first).to_be_visible()

        # What was allowed is taken back.
        await section(page, "账号")
        await switched(page, "wang", OPEN)
        await section(page, "操作记录")
        await expect(row(page, "解除统一身份认证绑定")).to_contain_text("wang")
        await page.context.clear_cookies()
        await page.goto(f"{server.url}/signin")
        await over_there(page, "wang")
        await page.get_by_text("没有与它绑定的账号").wait_for()
