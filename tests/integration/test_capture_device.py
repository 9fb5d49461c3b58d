"""A paired capture agent and its server, as processes: standby, start, end, restart, revocation."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import stat
import subprocess
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import ClientSession
from sqlalchemy import insert

from classroom.catalogue.accounts.schema import accounts
from classroom.catalogue.accounts.sessions import Sessions
from classroom.catalogue.database import Database, database_url
from tests.running import CLASSROOM, LESSON, Server, published, serving
from tests.unit.web.school_day import TOWN, fill_database, plan_lesson

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

SAMPLE = ("--camera", "sample", "--slides", "sample", "--mic", "sample")


class Site:
    """A server with a region, an operator who is signed in, and a computer that can be paired."""

    def __init__(self, server: Server, database: Database, http: ClientSession, home: Path) -> None:
        self.server = server
        self.database = database
        self.http = http
        self.environment = {**os.environ, "XDG_DATA_HOME": str(home)}
        self.credentials = home / "lianti" / "devices.json"
        self.path = f"/api/lessons/{LESSON}"
        self._tokens: dict[str, str] = {}

    async def token(self, role: str) -> str:
        """Of a role in the lesson; made once, because that starts a process."""
        if role not in self._tokens:
            self._tokens[role] = await self.server.token(role)
        return self._tokens[role]

    async def ask(self, method: str, path: str, **body: Any) -> Any:
        headers = {"X-CSRF": await self.csrf()}
        async with self.http.request(method, self.server.url + path, headers=headers, json=body or None) as response:
            assert response.status < 300, await response.text()
            return None if response.status == 204 else await response.json()

    async def csrf(self) -> str:
        """Once the server has opened its database."""
        async with asyncio.timeout(30):
            while True:
                async with self.http.get(f"{self.server.url}/api/session") as response:
                    if response.status == 200:
                        return str((await response.json())["csrf"])
                await asyncio.sleep(0.05)

    async def capture(self, *options: str) -> Agent:
        process = await asyncio.create_subprocess_exec(
            *CLASSROOM, "capture", "--server", self.server.url, *options,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=self.environment,
        )  # fmt: skip
        return Agent(process)

    async def pair(self) -> None:
        async with running_agent(self, "--pair", "--name", "主讲机") as agent:
            code = (await agent.said(r"code\s+(\S{4}-\S{4})"))[1]
            await self.ask("POST", "/api/terminals", code=code, classroom_id=TOWN)
            assert await agent.ended() == 0

    async def device(self) -> dict[str, Any]:
        [device] = (await self.ask("GET", "/api/terminals"))["terminals"]
        return device

    async def device_is(self, condition: Any) -> dict[str, Any]:
        async with asyncio.timeout(30):
            while not condition(device := await self.device()):
                await asyncio.sleep(0.05)
        return device

    async def sends(self, *labels: str) -> None:
        """Until packets of exactly these tracks come."""
        watcher = await self.token("observer")
        await self.server.until(lambda answer: set(published(answer)) == set(labels), self.path, watcher)

    async def conduct(self, what: str) -> None:
        assert await self.server.post(f"{self.path}/{what}", await self.token("teacher")) == 200


class Agent:
    """`classroom capture`, and what it says."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.text = ""

    async def said(self, pattern: str) -> re.Match[str]:
        """Until it has said so."""
        assert self.process.stdout is not None
        async with asyncio.timeout(30):
            while (found := re.search(pattern, self.text)) is None:
                line = await self.process.stdout.readline()
                assert line, f"it has ended without a word of {pattern}:\n{self.text}"
                self.text += line.decode()
        return found

    async def ended(self) -> int:
        assert self.process.stdout is not None
        async with asyncio.timeout(30):
            self.text += (await self.process.stdout.read()).decode()
            return await self.process.wait()


@contextlib.asynccontextmanager
async def running_agent(site: Site, *options: str) -> AsyncIterator[Agent]:
    agent = await site.capture(*options)
    try:
        yield agent
    finally:
        if agent.process.returncode is None:
            agent.process.kill()
            await agent.process.wait()


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    folder = tmp_path / "data"
    database = Database(database_url(None, folder / ".state"))
    await fill_database(database)
    await plan_lesson(database, "art", 330)
    async with database.writing() as connection:
        values = {"login": "op", "name": "管理员", "role": "operator", "must_change": False, "disabled": False}
        added = insert(accounts).values(**values, created_at=datetime.now(UTC)).returning(accounts.c.id)
        account_id = await connection.scalar(added)
    assert account_id is not None
    cookie = await Sessions(database).begin(account_id, "127.0.0.1", datetime.now(UTC))
    async with serving(folder) as server, ClientSession(headers={"Cookie": f"session={cookie}"}) as http:
        yield Site(server, database, http, tmp_path / "home")
    await database.close()


async def test_a_paired_agent_is_in_the_lesson_when_it_begins_and_out_when_it_is_over(site: Site) -> None:
    await site.pair()
    assert stat.S_IMODE(site.credentials.stat().st_mode) == 0o600
    async with running_agent(site, *SAMPLE) as agent:
        await agent.said("standby")
        device = await site.device_is(lambda device: device["online"] and device["report"])
        assert (device["kind"], device["name"]) == ("capture", "主讲机")
        parts = ("camera", "slides", "microphone", "link")  # each is known when it is
        checks = (await site.device_is(lambda d: all(d["report"]["checks"][part] for part in parts)))["report"][
            "checks"
        ]
        assert [checks[part]["ok"] for part in parts] == [True] * 4
        assert await site.server.get(site.path, await site.token("observer")) is None, "it starts no lesson"
        await site.token("teacher")
        began_s = time.monotonic()
        await site.conduct("start")
        await site.sends("camera", "slides", "mic")
        print(f"picture, slides and voice {time.monotonic() - began_s:.2f} s after the start")

        await site.conduct("end")
        await agent.said("over")
        await site.conduct("start")  # by mistake it was ended too early
        await site.sends("camera", "slides", "mic")
        await site.conduct("end")
        agent.process.terminate()
        assert await agent.ended() == 0
    copies = list((site.credentials.parent / "copies").glob(f"{LESSON}*"))
    assert copies, "what it captured is kept until it was delivered"


async def test_server_and_agent_come_back_into_the_lesson_from_a_power_cut(site: Site) -> None:
    await site.pair()
    async with running_agent(site, "--camera", "sample") as agent:
        await agent.said("standby")
        await site.conduct("start")
        await site.sends("camera", "mic")
        await site.server.kill()
        await site.server.start()
        began_s = time.monotonic()
        await site.sends("camera", "mic")
        await site.device_is(lambda device: device["online"])
        print(f"server back: sends again after {time.monotonic() - began_s:.2f} s")
        agent.process.kill()
        await agent.process.wait()
    await site.sends()
    began_s = time.monotonic()
    async with running_agent(site, "--camera", "sample"):
        await site.sends("camera", "mic")
        print(f"agent back: sends {time.monotonic() - began_s:.2f} s after it was started")


async def test_a_camera_that_does_not_work_is_told_in_words(site: Site, tmp_path: Path) -> None:
    await site.pair()
    missing = tmp_path / "nothing.mp4"
    async with running_agent(site, "--camera", str(missing), "--mic", "sample"):
        device = await site.device_is(
            lambda d: d["report"] and (d["report"]["checks"]["camera"] or {}).get("ok") is False
        )
        assert "nothing.mp4" in device["report"]["checks"]["camera"]["text"]
        await site.conduct("start")
        await site.sends("mic")


async def test_two_lessons_one_after_the_other(site: Site) -> None:
    await site.pair()
    async with running_agent(site, "--camera", "sample") as agent:
        await agent.said("standby")
        await site.conduct("start")
        await site.sends("camera", "mic")
        await site.conduct("end")
        await agent.said("over")
        teacher, watcher = await art_tokens(site)
        assert await site.server.post("/api/lessons/art/start", teacher) == 200
        await site.server.until(lambda answer: set(published(answer)) == {"camera", "mic"}, "/api/lessons/art", watcher)


async def art_tokens(site: Site) -> tuple[str, str]:
    made = []
    for role in ("teacher", "observer"):
        command = [*CLASSROOM, "token", "--lesson", "art", "--role", role, "--recordings", str(site.server.folder)]
        process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
        made.append((await process.communicate())[0].decode().strip())
    return made[0], made[1]


async def test_an_agent_that_is_revoked_stops_sending_and_ends(site: Site) -> None:
    await site.pair()
    async with running_agent(site, "--camera", "sample") as agent:
        await agent.said("standby")
        await site.conduct("start")
        await site.sends("camera", "mic")
        await site.ask("DELETE", f"/api/terminals/{(await site.device())['id']}")
        assert await agent.ended() == 2
        assert "not paired" in agent.text
        await site.sends()
    async with running_agent(site, "--camera", "sample") as agent:
        assert await agent.ended() == 2


async def test_an_agent_that_was_never_paired_says_how_to(site: Site) -> None:
    async with running_agent(site, "--camera", "sample") as agent:
        assert await agent.ended() == 1
        assert "--pair" in agent.text
    async with running_agent(site, "--camera", "sample", "--lesson", LESSON) as agent:
        assert await agent.ended() == 1
        assert "--token" in agent.text
