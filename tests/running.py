"""A real server, agents and Chromium, as processes of their own; for tests that see what a user sees."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import psutil
from aiohttp import ClientError, ClientSession
from playwright.async_api import Browser, async_playwright, expect

from classroom.config import load_settings
from classroom.model import Role, parse_lesson_id
from classroom.web.auth import issue_token, new_claims
from classroom.web.secret import secret_of
from tests.ports import free_port, free_ports

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from datetime import datetime
    from pathlib import Path

CLASSROOM = [sys.executable, "-m", "classroom"]
LESSON = "maths"
TOKEN_S = 7200.0
expect.set_options(timeout=30_000)  # as all else waits that asks a page: its own 5 s are few on a busy machine
CHROMIUM = next((p for p in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if p), None)


class Server:
    """`classroom serve` with a data directory of its own; it can be killed and started again."""

    def __init__(self, folder: Path, workers: int = 1, index: bool = False, **environment: str) -> None:
        self.folder = folder
        self.environment = {**os.environ, "CLASSROOM_INDEX": str(index), **environment}
        self.workers = workers
        self.port, self.media_port = free_port(socket.SOCK_STREAM), free_ports(workers)
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        self.process = await asyncio.create_subprocess_exec(
            *CLASSROOM, "serve", "--port", str(self.port), "--media-port", str(self.media_port),
            "--workers", str(self.workers), "--recordings", str(self.folder),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=self.environment,
        )  # fmt: skip
        await self.until(lambda answer: answer is not None, "/healthz")

    async def kill(self) -> None:
        """As a power cut would, for the process."""
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()

    def media_processes(self) -> list[psutil.Process]:
        """Its workers, those that were started first in front."""
        assert self.process is not None
        children = psutil.Process(self.process.pid).children()
        return sorted((child for child in children if "worker" in child.cmdline()), key=lambda p: p.create_time())

    async def token(self, role: str, name: str = "") -> str:
        """What `classroom token` prints, without half a second for a process to print it."""
        secret = await asyncio.to_thread(secret_of, load_settings(None, recordings=self.folder))
        return issue_token(secret, new_claims(parse_lesson_id(LESSON), Role(role), TOKEN_S, name, time.time()))

    async def page(self, path: str, role: str, name: str = "") -> str:
        return f"{self.url}{path}#token={await self.token(role, name)}"

    async def get(self, path: str, token: str = "") -> dict[str, Any] | None:
        async with ClientSession(headers={"Authorization": f"Bearer {token}"}) as http:
            with contextlib.suppress(ClientError):
                async with http.get(self.url + path) as response:
                    if response.status == 200:
                        return json.loads(await response.read())
        return None

    async def post(self, path: str, token: str) -> int:
        headers = {"Authorization": f"Bearer {token}"}
        async with ClientSession(headers=headers) as http, http.post(self.url + path) as response:
            return response.status

    async def until(self, condition: Callable[[dict[str, Any] | None], bool], path: str, token: str = "") -> None:
        async with asyncio.timeout(30):
            while not condition(await self.get(path, token)):
                await asyncio.sleep(0.05)


def noon_somewhere(now: datetime) -> str:
    """A time zone in which it is about noon: a lesson of now, and one after it, are on the same day, that of UTC."""
    ahead_h = 12 - now.hour
    return f"Etc/GMT{-ahead_h:+d}" if ahead_h else "Etc/GMT"


def published(answer: dict[str, Any] | None) -> dict[str, str]:
    """Label and id of every publication whose packets are coming."""
    publications = (answer or {}).get("publications", [])
    return {publication["label"]: publication["id"] for publication in publications if publication["live"]}


@contextlib.asynccontextmanager
async def serving(folder: Path, workers: int = 1, index: bool = False, **environment: str) -> AsyncIterator[Server]:
    """A server that is gone afterwards."""
    server = Server(folder, workers, index, **environment)
    try:
        await server.start()
        yield server
    finally:
        await server.kill()


@contextlib.asynccontextmanager
async def capturing(server: Server, *options: str, token: str = "") -> AsyncIterator[asyncio.subprocess.Process]:
    """A capture agent that is gone afterwards; one token is one participant. What it says is on its stderr."""
    command = [*CLASSROOM, "capture", "--server", server.url, "--lesson", LESSON]
    command += ["--copy", str(server.folder.with_name(f"{server.folder.name}-copies")), *options]
    command += ["--token", token or await server.token("capture")]
    agent = await asyncio.create_subprocess_exec(*command, stderr=subprocess.PIPE)
    try:
        yield agent
    finally:
        if agent.returncode is None:
            agent.kill()
            await agent.wait()


@contextlib.asynccontextmanager
async def chromium(*flags: str) -> AsyncIterator[Browser]:
    """Headless Chromium as a kiosk runs it: sound may start by itself."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=[
                "--no-sandbox", "--autoplay-policy=no-user-gesture-required", "--disable-background-networking",
                "--disable-component-update", "--disable-sync", *flags,
            ],
        )  # fmt: skip
        try:
            yield browser
        finally:
            await browser.close()
