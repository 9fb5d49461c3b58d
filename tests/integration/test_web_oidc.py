"""Signing in through an OpenID provider: a certified one, as a process of its own (tests/clients/oidc.mjs)."""

from __future__ import annotations

import asyncio
import re
import socket
import subprocess
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
import pytest
from aiohttp import ClientSession, CookieJar
from pydantic import SecretStr
from sqlalchemy import select

from classroom.catalogue.accounts.schema import accounts, audit
from classroom.web.context import CONTEXT
from classroom.web.oidc import _key
from tests.ports import free_port
from tests.unit.web.people import signed_in
from tests.unit.web.running_node import running

CLIENTS = Path(__file__).parents[1] / "clients"
SECRET_OF_CLIENT = "a secret between the two"


class Browser:
    """Somebody's browser, and the two servers."""

    def __init__(self, doors, http: ClientSession) -> None:
        self.doors, self.http = doors, http
        self.base = str(doors.client.make_url("")).rstrip("/")

    async def start(self, after: str = "/library") -> str:
        """The address at the provider."""
        query = urlencode({"next": after})
        async with self.http.get(f"{self.base}/api/oidc/start?{query}", allow_redirects=False) as response:
            assert response.status == 302, await response.text()
            return response.headers["Location"]

    async def sign_in_over_there(self, address: str, name: str) -> str:
        """Fill in what the provider asks for, until it sends the browser back: the address of that."""
        form = None
        async with asyncio.timeout(30):
            while True:
                ask = self.http.get(address) if form is None else self.http.post(address, data=form)
                async with ask as response:
                    text = await response.text()
                    # Redirects are followed by hand: the last one leads back to us.
                    assert response.status == 200, text
                prompt = re.search(r'name="prompt" value="(\w+)"', text)
                assert prompt, text
                address = re.search(r'action="([^"]+)"', text)[1]
                form = {"prompt": prompt[1], "login": name, "password": "any"}
                if prompt[1] == "consent":
                    break
            async with self.http.post(address, data=form, allow_redirects=False) as response:
                resume = response.headers["Location"]
            async with self.http.get(resume, allow_redirects=False) as response:
                back = response.headers["Location"]
        assert back.startswith(f"{self.base}/api/oidc/callback?")
        return back

    async def back(self, address: str):
        async with self.http.get(address, allow_redirects=False) as response:
            await response.read()
            return response

    async def session(self):
        async with self.http.get(f"{self.base}/api/session") as response:
            return await response.json()

    def cookie(self, name: str) -> str:
        return next((cookie.value for cookie in self.http.cookie_jar if cookie.key == name), "")

    def say_else(self, **changed: str) -> None:
        """Change what the browser was sent away with, as only the server could."""
        key = _key(self.doors.client.app[CONTEXT])
        waiting = jwt.decode(self.cookie("oidc"), key, algorithms=["HS256"])
        forged = jwt.encode({**waiting, **changed}, key, algorithm="HS256")
        self.http.cookie_jar.update_cookies(
            {"oidc": f"{forged}; Path=/api/oidc"}, self.doors.client.make_url("/api/oidc/start")
        )


@asynccontextmanager
async def provider_for(folder, code_ttl_s: int = 60, secret: str = SECRET_OF_CLIENT):
    port = free_port(socket.SOCK_STREAM)
    settings = {"oidc_issuer": f"http://127.0.0.1:{port}", "oidc_client_secret": SecretStr(secret)}
    async with running(folder, **settings) as doors, ClientSession(cookie_jar=CookieJar(unsafe=True)) as http:
        browser = Browser(doors, http)
        callback = f"{browser.base}/api/oidc/callback"
        process = await asyncio.create_subprocess_exec(
            "node", "oidc.mjs", str(port), callback, str(code_ttl_s), cwd=CLIENTS,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            async with asyncio.timeout(30):
                while b"listening" not in (line := await process.stdout.readline()):
                    assert line, "the provider stopped"
            await signed_in(doors, "teacher", login="wang", name="王秀英", may_bind=True)
            yield browser
        finally:
            process.kill()
            await process.wait()


def refused(response, status: int = 403) -> str:
    """The page that says why."""
    assert (response.status, response.content_type) == (status, "text/html")
    assert "Location" not in response.headers and "session" not in response.cookies
    return response._body.decode()


async def test_a_teacher_signs_in_over_there_and_is_here(tmp_path):
    async with provider_for(tmp_path) as browser:
        assert (await browser.session())["oidc"] == "统一身份认证"
        address = await browser.start()
        query = parse_qs(urlsplit(address).query)
        assert query["code_challenge_method"] == ["S256"] and query["response_type"] == ["code"]
        assert len(query["nonce"][0]) == len(query["state"][0]) == 32
        back = await browser.sign_in_over_there(address, "wang")
        response = await browser.back(back)
        assert (response.status, response.headers["Location"]) == (302, "/library")
        assert browser.cookie("oidc") == ""
        account = (await browser.session())["account"]
        assert (account["login"], account["must_change"]) == ("wang", False)
        async with browser.doors.node.database.reading() as connection:
            columns = accounts.c.oidc_subject, accounts.c.password_hash, accounts.c.may_bind
            assert tuple((await connection.execute(select(*columns))).one()) == ("wang", None, False)
            assert (await connection.scalars(select(audit.c.action))).all() == ["account.bind", "session.begin"]
        # The code was good once, and so was what the browser was sent away with.
        assert "没有成功" in refused(await browser.back(back))


async def test_somebody_else_who_is_called_the_same_over_there_is_refused(tmp_path):
    async with provider_for(tmp_path) as browser:
        await browser.back(await browser.sign_in_over_there(await browser.start(), "wang"))
        browser.http.cookie_jar.clear()
        response = await browser.back(await browser.sign_in_over_there(await browser.start(), "as-wang"))
        assert "没有与它绑定的账号" in refused(response)


async def test_nobody_gets_an_account_by_what_the_provider_calls_them_unless_an_administrator_lets_them(tmp_path):
    """People may choose what they are called over there: ``admin``, for example."""
    async with provider_for(tmp_path) as browser:
        boss = await signed_in(browser.doors, "operator", login="admin", password_hash="x")
        response = await browser.back(await browser.sign_in_over_there(await browser.start(), "admin"))
        page = refused(response)
        assert "有密码请用密码登录" in page and "let yours be bound" in page
        assert (await browser.session())["account"] is None
        one = f"/api/accounts/{boss.id}"
        account = await (await boss.ask("GET", one)).json()
        assert (account["has_password"], account["has_oidc"], account["may_bind"]) == (True, False, False)

        assert (await boss.ask("PUT", f"{one}/oidc")).status == 204
        browser.http.cookie_jar.clear()
        response = await browser.back(await browser.sign_in_over_there(await browser.start(), "admin"))
        assert response.status == 302
        assert (await browser.session())["account"]["login"] == "admin"
        account = await (await boss.ask("GET", one)).json()
        assert (account["has_password"], account["has_oidc"], account["may_bind"]) == (True, True, False)

        assert (await boss.ask("DELETE", f"{one}/oidc")).status == 204
        browser.http.cookie_jar.clear()
        response = await browser.back(await browser.sign_in_over_there(await browser.start(), "admin"))
        assert "没有与它绑定的账号" in refused(response)


async def test_a_first_password_that_was_never_used_is_void_when_its_owner_comes_from_over_there(tmp_path):
    async with provider_for(tmp_path) as browser:
        await signed_in(browser.doors, "teacher", login="li", password_hash="x", must_change=True, may_bind=True)
        await browser.back(await browser.sign_in_over_there(await browser.start(), "li"))
        assert not (await browser.session())["account"]["must_change"]
        async with browser.doors.node.database.reading() as connection:
            of_li = select(accounts.c.password_hash).where(accounts.c.login == "li")
            assert await connection.scalar(of_li) is None


async def test_who_has_no_account_here_is_told_so(tmp_path):
    async with provider_for(tmp_path) as browser:
        response = await browser.back(await browser.sign_in_over_there(await browser.start(), "nobody"))
        page = refused(response)
        assert "没有与它绑定的账号" in page and "no account here is bound" in page
        assert (await browser.session())["account"] is None
        async with browser.doors.node.database.reading() as connection:
            row = (await connection.execute(select(audit.c.action, audit.c.actor))).one()
        assert tuple(row) == ("session.refused", "oidc nobody")


async def test_a_subject_that_is_longer_than_there_are_is_refused(tmp_path):
    async with provider_for(tmp_path) as browser:
        back = await browser.sign_in_over_there(await browser.start(), "x" * 256)
        assert "没有成功" in refused(await browser.back(back))


@pytest.mark.parametrize("what", ["nonce", "state", "verifier", "cookie", "code", "iss", "no code"])
async def test_what_does_not_fit_is_refused(tmp_path, what):
    async with provider_for(tmp_path) as browser:
        back = await browser.sign_in_over_there(await browser.start(), "wang")
        query = {name: values[0] for name, values in parse_qs(urlsplit(back).query).items()}
        match what:
            case "nonce" | "verifier":
                browser.say_else(**{what: "x" * 64})
            case "state" | "code" | "iss":
                query[what] = "x" * 32
            case "no code":
                del query["code"]
                query["error"] = "access_denied"
            case "cookie":
                browser.http.cookie_jar.clear()
        response = await browser.back(f"{browser.base}/api/oidc/callback?{urlencode(query)}")
        assert "没有成功" in refused(response)
        assert (await browser.session())["account"] is None


async def test_a_code_that_has_expired_is_refused(tmp_path):
    async with provider_for(tmp_path, code_ttl_s=1) as browser:
        back = await browser.sign_in_over_there(await browser.start(), "wang")
        await asyncio.sleep(2.5)  # what it waits for is that this is over
        assert "没有成功" in refused(await browser.back(back))


async def test_a_wrong_secret_of_ours_lets_nobody_in(tmp_path):
    async with provider_for(tmp_path, secret="another") as browser:
        response = await browser.back(await browser.sign_in_over_there(await browser.start(), "wang"))
        assert "没有成功" in refused(response)


@pytest.mark.parametrize(
    ("after", "to"),
    [("/replay/maths?t=3", "/replay/maths?t=3"), ("//evil.example", "/"), ("https://evil.example/", "/"),
     ("/\\evil.example", "/"), ("/\r\nX: y", "/"), ("", "/")],
)  # fmt: skip
async def test_nobody_is_sent_to_another_site(tmp_path, after, to):
    async with provider_for(tmp_path) as browser:
        await browser.start(after)
        waiting = jwt.decode(browser.cookie("oidc"), options={"verify_signature": False})
        assert waiting["next"] == to


async def test_without_a_provider_there_is_no_such_door_and_a_dead_one_is_told(tmp_path):
    async with running(tmp_path) as doors:
        for path in ("/api/oidc/start", "/api/oidc/callback"):
            assert (await doors.ask("GET", path)).status == 404
        assert (await (await doors.ask("GET", "/api/session")).json())["oidc"] is None
    port = free_port(socket.SOCK_STREAM)
    async with running(tmp_path, oidc_issuer=f"http://127.0.0.1:{port}") as doors:
        response = await doors.ask("GET", "/api/oidc/start")
        assert (response.status, (await response.json())["code"]) == (503, "oidc_unreachable")
