"""``make run``: a server and a capture agent as child processes, one lesson, three addresses to open."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import aiohttp
from rich.console import Console
from rich.rule import Rule

from classroom.model import ClassroomError, LessonId, Role
from classroom.recording.library import find_recording
from classroom.sfu.transport.ports import local_addresses
from classroom.web.auth import issue_operator_token, issue_token, new_claims
from classroom.web.secret import secret_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from classroom.config import Settings

TOKEN_S = 24 * 3600
SERVER_START_S = 60.0  # a slow machine that has to compile everything first
FIRST_PICTURE_S = 60.0
LOOK_S = 0.1
END_S = 60.0
STOP_S = 15.0
LAST_LINES = 25


class DemoFailed(ClassroomError):
    """The demo cannot go on; the text says why."""


@dataclass(frozen=True, slots=True)
class DemoSettings:
    """What ``classroom demo`` was told."""

    server: Settings
    lesson: LessonId
    camera: str | None
    slides: str | None
    mic: str | None
    loop: bool


@dataclass(slots=True)
class Child:
    """A child process and its last lines of output."""

    name: str
    process: asyncio.subprocess.Process
    lines: deque[str] = field(default_factory=lambda: deque(maxlen=LAST_LINES))
    on_line: Callable[[str], object] = field(default=lambda _: None)
    exited: asyncio.Task[int] = field(init=False)

    @classmethod
    async def start(cls, name: str, arguments: list[str], **environment: str) -> Child:
        """Start ``classroom`` with these arguments.

        It is in a process group of its own: Ctrl-C reaches us alone, and we decide what stops first.
        """
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "classroom",
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, **environment},
        )
        child = cls(name, process)
        child.exited = asyncio.create_task(child._read(), name=name)
        return child

    async def _read(self) -> int:
        assert self.process.stdout is not None
        while line := await self.process.stdout.readline():
            text = line.decode(errors="replace").rstrip()
            self.lines.append(text)
            self.on_line(text)
        return await self.process.wait()

    async def stop(self) -> None:
        """SIGTERM, and after STOP_S without effect SIGKILL."""
        if self.process.returncode is None:
            self.process.terminate()
            try:
                await asyncio.wait_for(asyncio.shield(self.exited), STOP_S)
            except TimeoutError:
                self.process.kill()
        await self.exited

    def failure(self) -> DemoFailed:
        """What to say when it has died."""
        last = "\n".join(f"    {line}" for line in self.lines) or "    (…)"
        status = self.process.returncode
        return DemoFailed(
            f"{self.name} 意外退出，状态 {status}。 {self.name} stopped unexpectedly with status {status}. "
            f"最后的输出 Its last lines:\n{last}"
        )


class Demo:
    """One lesson from start to end. Owns its children: none survives ``run``."""

    def __init__(self, settings: DemoSettings) -> None:
        self._settings = settings
        self._lesson = settings.lesson
        self._port = settings.server.port
        self._base = f"http://localhost:{self._port}"
        self._secret = secret_of(settings.server)
        self._teacher = self._token(Role.TEACHER, "主讲教师")
        self._console = Console(highlight=False)
        self._children: list[Child] = []
        self._welcomed = False
        self._first_password: list[str] = []

    async def run(self) -> int:
        """Run until Ctrl-C or a failure; returns the exit status."""
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        began_s = time.monotonic()
        try:
            async with aiohttp.ClientSession() as http:
                return await self._hold(http, stop, began_s)
        except DemoFailed as failure:
            self._complain(failure)
            return 1
        finally:
            for child in reversed(self._children):
                await child.stop()

    async def _hold(self, http: aiohttp.ClientSession, stop: asyncio.Event, began_s: float) -> int:
        stopping = asyncio.create_task(stop.wait(), name="stop")
        try:
            self._console.print("正在启动… Starting…")
            server = await self._start_server()
            capture = await self._start_capture()  # knocks until the server opens
            if not await self._before(stopping, self._healthy(http), SERVER_START_S, "服务器 The server", server):
                return 0
            shown = self._first_publication(http)
            if await self._before(stopping, shown, FIRST_PICTURE_S, "采集端 The capture agent", server, capture):
                self._welcome(time.monotonic() - began_s)
                await self._watch(stopping, server, capture)
            over = capture.exited.done()
            await capture.stop()
            if over and capture.process.returncode != 0:
                self._complain(capture.failure())
            await self._end(http)
            if over and not stopping.done() and capture.process.returncode == 0:
                self._console.print("回放仍可打开，按 Ctrl-C 退出。 The replay stays open; Ctrl-C quits.")
                await self._watch(stopping, server)
            return 1 if over and capture.process.returncode != 0 else 0
        finally:
            stopping.cancel()

    # --- children ----------------------------------------------------------------------------------------------

    async def _start_server(self) -> Child:
        if self._port == 0:  # the agent and the addresses need it before the server has one
            raise DemoFailed("请给出确定的端口，例如 make run PORT=8081。 Name a port: make run PORT=8081")
        self._require_free(socket.SOCK_STREAM, self._port, "TCP", "make run PORT=8081")
        settings = self._settings.server
        self._require_free(socket.SOCK_DGRAM, settings.media_port, "UDP", "classroom demo --media-port 8190")
        self._require_free(socket.SOCK_STREAM, settings.media_port, "TCP", "classroom demo --media-port 8190")
        # One lesson needs one worker, and then one media port that is known to be free.
        arguments = ["serve", "--port", str(self._port), "--media-port", str(settings.media_port), "--workers", "1"]
        child = await Child.start("服务器 server", [*arguments, "--recordings", str(settings.recordings)])
        child.on_line = self._server_said
        self._children.append(child)
        return child

    async def _start_capture(self) -> Child:
        settings = self._settings
        # What is captured here is recorded here: a copy would be on the same disk.
        arguments = ["capture", "--server", self._base, "--lesson", self._lesson, "--copy", "off"]
        for option, source in (("--camera", settings.camera), ("--slides", settings.slides), ("--mic", settings.mic)):
            arguments += [option, source] if source is not None else []
        arguments += ["--loop"] if settings.loop else []
        # Not as an argument: others on this machine can read those.
        token = self._token(Role.CAPTURE, "主讲教室")
        child = await Child.start("采集端 capture agent", arguments, CLASSROOM_TOKEN=token)
        self._children.append(child)
        return child

    def _require_free(self, kind: socket.SocketKind, port: int, protocol: str, advice: str) -> None:
        with socket.socket(socket.AF_INET, kind) as probe:
            if kind is socket.SOCK_STREAM:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("0.0.0.0", port))
            except OSError as error:
                reason = os.strerror(error.errno or 0)
                raise DemoFailed(
                    f"端口 {port}/{protocol} 无法使用（{reason}），请换一个，例如 {advice}。 "
                    f"The port {port}/{protocol} cannot be used ({reason}); choose another: {advice}"
                ) from error

    async def _before(
        self, stopping: asyncio.Task[bool], work: Any, limit_s: float, who: str, *children: Child
    ) -> bool:
        """Wait for work to be done; False when we are asked to stop meanwhile. Raises DemoFailed."""
        task = asyncio.ensure_future(work)
        try:
            watched = {task, stopping, *(child.exited for child in children)}
            await asyncio.wait(watched, timeout=limit_s, return_when=asyncio.FIRST_COMPLETED)
            if stopping.done():
                return False
            if task.done():
                task.result()
                return True
            for child in children:
                if child.exited.done():
                    raise child.failure()
            last = "\n".join(f"    {line}" for line in children[-1].lines)
            raise DemoFailed(f"{who}：{limit_s:g} 秒内没有就绪。 Not ready within {limit_s:g} s:\n{last}")
        finally:
            task.cancel()

    async def _watch(self, stopping: asyncio.Task[bool], server: Child, capture: Child | None = None) -> None:
        """Wait for Ctrl-C or for the agent to be over; raises DemoFailed when the server dies."""
        watched = {stopping, server.exited, *([capture.exited] if capture is not None else [])}
        await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
        if server.exited.done() and not stopping.done():
            raise server.failure()

    # --- the server's doors ------------------------------------------------------------------------------------

    async def _healthy(self, http: aiohttp.ClientSession) -> None:
        while True:
            try:
                async with http.get(f"{self._base}/healthz") as response:
                    if response.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(LOOK_S)

    async def _first_publication(self, http: aiohttp.ClientSession) -> None:
        """Look until something can be watched; whoever only asks is not listed among the participants."""
        url = f"{self._base}/api/lessons/{self._lesson}"
        headers = {"Authorization": f"Bearer {self._teacher}"}
        while True:
            try:
                async with http.get(url, headers=headers) as response:
                    told = await response.json()
            except aiohttp.ClientError as error:
                raise DemoFailed(f"与服务器的连接中断。 The connection to the server was lost: {error}") from error
            if response.status == 200 and any(publication["live"] for publication in told["publications"]):
                return
            await asyncio.sleep(LOOK_S)

    async def _end(self, http: aiohttp.ClientSession) -> None:
        self._console.print("正在结束课程，保存录像… Ending the lesson, completing the recording…")
        url = f"{self._base}/api/lessons/{self._lesson}/end"
        headers = {"Authorization": f"Bearer {self._teacher}"}
        try:
            async with http.post(url, headers=headers, timeout=aiohttp.ClientTimeout(END_S)) as response:
                answer = await response.json()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise DemoFailed(f"课程没能正常结束。 The lesson could not be ended: {error!r}") from error
        if response.status == 404:
            return  # it had not begun
        if response.status != 200:
            raise DemoFailed(f"课程没能正常结束。 The lesson could not be ended: {answer.get('detail')}")
        recording = answer["recording"]
        folder = await asyncio.to_thread(find_recording, self._settings.server.recordings, self._lesson)
        self._console.print(
            f"录像 Recording  {recording['state']}  {recording['duration_s']:.1f} s  {folder}", soft_wrap=True
        )
        if recording["detail"]:
            self._complain(recording["detail"])

    def _complain(self, what: object) -> None:
        self._console.print(str(what), style="red", markup=False, soft_wrap=True)

    # --- texts -------------------------------------------------------------------------------------------------

    def _token(self, role: Role, name: str) -> str:
        return issue_token(self._secret, new_claims(self._lesson, role, TOKEN_S, name, time.time()))

    def _server_said(self, line: str) -> None:
        """Pass on a first password: the server says it once, to us alone, and on a busy machine after the welcome."""
        if "一次性密码" in line or "one-time password" in line:
            self._first_password.append(line)
            if self._welcomed:
                self._console.print(line, soft_wrap=True, markup=False)

    def _welcome(self, took_s: float) -> None:
        """The addresses stand alone on unbroken lines, so that they can be copied and clicked."""
        pages = (
            ("主讲端   Teacher ", "/teacher", self._teacher),
            ("听讲终端 Terminal", "/terminal", self._token(Role.CLASSROOM, "听讲教室")),
            ("回放     Replay  ", f"/replay/{self._lesson}", self._token(Role.OBSERVER, "")),
            ("资源库   Library ", "/library", issue_operator_token(self._secret, time.time(), TOKEN_S)),
        )
        folder = find_recording(self._settings.server.recordings, self._lesson)
        say = self._console.print
        say(Rule("联体课堂 · Lianti Classroom", style="green"))
        for title, path, token in pages:
            say(f"[bold]{title}[/bold]", soft_wrap=True)
            say(f"  {self._base}{path}#token={token}", style="cyan", soft_wrap=True, markup=False)
        say("[bold]登录     Sign in [/bold]", soft_wrap=True)
        say(f"  {self._base}/signin", style="cyan", soft_wrap=True, markup=False)
        for line in self._first_password:
            say(line, soft_wrap=True, markup=False)
        self._welcomed = True
        fill_in = f"classroom demo-data --recordings {self._settings.server.recordings}"
        say(f"课表、教室、人员的演示数据 A district to try: {fill_in}", soft_wrap=True, markup=False)
        say(f"课程 Lesson    {self._lesson}    启动用时 Started in {took_s:.1f} s", soft_wrap=True)
        say(f"录像 Recording {folder or '-'}", soft_wrap=True)
        others = [host for host in local_addresses("0.0.0.0") if ":" not in host and host != "127.0.0.1"]
        if others:
            say(
                f"其他电脑请把 localhost 换成 {others[0]} · On other machines write {others[0]} for localhost",
                soft_wrap=True,
            )
        say("按 Ctrl-C 结束课程。 Ctrl-C ends the lesson.")
        say(Rule(style="green"))
