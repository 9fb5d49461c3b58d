"""Terminals as an operator sets them up: a region on disk, an account, pairing by the code on the screen."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from aiohttp import ClientSession, ClientWebSocketResponse
from sqlalchemy import insert

from classroom.catalogue.accounts.schema import accounts
from classroom.catalogue.accounts.sessions import Sessions
from classroom.catalogue.database import Database, database_url
from tests.running import LESSON, Server, chromium, noon_somewhere, serving
from tests.unit.web.school_day import VILLAGE, fill_database

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from playwright.async_api import Browser, BrowserContext, Page

CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")


@dataclass
class Operator:
    """Somebody at the district office, by the cookie of a session."""

    server: Server
    cookie: str

    async def ask(
        self, method: str, path: str, json: dict[str, Any] | None = None, file: bytes | None = None
    ) -> dict[str, Any]:
        """What the API answers; it must be a yes."""
        headers = {"Cookie": f"session={self.cookie}"}
        async with ClientSession(self.server.url, headers=headers) as http:
            async with http.get("/api/session") as response:
                csrf = (await response.json())["csrf"]
            async with http.request(method, path, json=json, data=file, headers={"X-CSRF": csrf}) as response:
                assert response.ok, await response.text()
                return dict(await response.json()) if response.content_type == "application/json" else {}

    async def until_open(self) -> None:
        """Wait for the database, which a server may open after its doors."""
        headers = {"Cookie": f"session={self.cookie}"}
        async with ClientSession(self.server.url, headers=headers) as http, asyncio.timeout(30):
            while (await http.get("/api/session")).status != 200:
                await asyncio.sleep(0.1)

    async def terminal(self) -> dict[str, Any]:
        """The only terminal there is, as the operator sees it."""
        [terminal] = (await self.ask("GET", "/api/terminals"))["terminals"]
        return dict(terminal)


@contextlib.asynccontextmanager
async def school_day(folder: Path, starts_in_s: float = 300, **columns: Any) -> AsyncIterator[tuple[Server, Operator]]:
    """A server whose region has one lesson, and somebody who may pair terminals."""
    state = folder / ".state"
    state.mkdir(parents=True)
    database, now = Database(database_url(None, state)), datetime.now(UTC)
    try:
        await fill_database(database, starts_in_s, on_date=now.date(), **columns)
        account = {"login": "wang", "name": "王管理员", "role": "operator", "must_change": False, "disabled": False}
        async with database.writing() as connection:
            statement = insert(accounts).values(**account, created_at=now).returning(accounts.c.id)
            account_id = await connection.scalar(statement)
        cookie = await Sessions(database).begin(account_id, "127.0.0.1", now)
    finally:
        await database.close()
    async with serving(folder, CLASSROOM_TIMEZONE=noon_somewhere(now)) as server:
        yield server, Operator(server, cookie)


async def paired(
    operator: Operator, context: BrowserContext, path: str = "/terminal", room: int = VILLAGE, url: str = ""
) -> Page:
    """A terminal that an operator has just given its classroom; ``url`` is the server as the terminal reaches it."""
    page = await context.new_page()
    await page.goto((url or operator.server.url) + path)
    code = await page.locator("[data-code]").inner_text()
    await operator.ask("POST", "/api/terminals", {"code": code, "classroom_id": room, "name": "大屏幕"})
    return page


@contextlib.asynccontextmanager
async def kiosk(*flags: str) -> AsyncIterator[Browser]:
    """A Chromium that gives camera and microphone, both made up, as its policy would."""
    async with chromium(*CAMERA, *flags) as browser:
        yield browser


class Teacher:
    """A teacher in the lesson, over the control WebSocket: what is known of it, and commands."""

    def __init__(self, socket: ClientWebSocketResponse) -> None:
        self._socket = socket
        self._commands = 0
        self.lesson: dict[str, Any] = {}
        self.participants: dict[str, dict[str, Any]] = {}

    async def until(self, condition: Callable[[Teacher], bool]) -> None:
        """Take in what comes until this is so."""
        async with asyncio.timeout(30):
            while not condition(self):
                self._learn(await self._socket.receive_json())

    async def command(self, kind: str, **fields: Any) -> None:
        """Carried out when it returns."""
        self._commands += 1
        name = f"command-{self._commands}"
        await self._socket.send_json({"type": kind, "id": name, **fields})
        async with asyncio.timeout(30):
            while (message := await self._socket.receive_json()).get("id") != name:
                self._learn(message)
        assert message["type"] == "ack", message

    def _learn(self, message: dict[str, Any]) -> None:
        if message["type"] == "snapshot":
            self.participants = {participant["id"]: participant for participant in message["participants"]}
        if "lesson" in message:
            self.lesson = message["lesson"]
        if message["type"] == "participant_changed":
            self.participants[message["participant"]["id"]] = message["participant"]


@contextlib.asynccontextmanager
async def teaching(server: Server) -> AsyncIterator[Teacher]:
    """The teacher of the lesson, who has its state."""
    token = await server.token("teacher", "李老师")
    async with ClientSession(server.url) as http, http.ws_connect(f"/ws/{LESSON}") as socket:
        await socket.send_json({"type": "hello", "token": token})
        teacher = Teacher(socket)
        await teacher.until(lambda teacher: bool(teacher.lesson))
        alive = asyncio.create_task(_stay(socket))
        try:
            yield teacher
        finally:
            alive.cancel()


async def _stay(socket: ClientWebSocketResponse) -> None:
    """Say that somebody is there, as a page does, while nothing else is said."""
    while True:
        await asyncio.sleep(5)
        await socket.send_json({"type": "ping"})
