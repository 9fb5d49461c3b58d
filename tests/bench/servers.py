"""The servers that are measured: ours, and Janus where it is installed. Each is one process on one core."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import subprocess
import sysconfig
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import psutil

from tests.bench.process import LineProcess, pin

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

OURS = "ours"
JANUS = "Janus as shipped"
JANUS_ONE_LOOP = "Janus, one event loop"
JANUS_FOLDER = Path("/usr/lib", sysconfig.get_config_var("MULTIARCH") or "x86_64-linux-gnu", "janus")
START_S = 10.0


class Measured(NamedTuple):
    """A running server. ``door`` is where sessions are opened."""

    name: str
    door: str
    process: psutil.Process

    def cpu_s(self) -> float:
        """User and system time so far."""
        times = self.process.cpu_times()
        return float(times.user + times.system)

    def rss_bytes(self) -> int:
        """Resident memory."""
        return int(self.process.memory_info().rss)


class Cores(NamedTuple):
    """Who runs where: the server has one core for itself."""

    server: set[int]
    load: set[int]


def share_cores() -> Cores:
    """The first core is the server's, the others are the load's; with one core both share it."""
    first, *others = sorted(os.sched_getaffinity(0))
    return Cores({first}, set(others) or {first})


def available() -> list[str]:
    """What can be measured here."""
    return [OURS, *([JANUS, JANUS_ONE_LOOP] if shutil.which("janus") else [])]


@contextlib.asynccontextmanager
async def serving(name: str, cores: Cores) -> AsyncIterator[Measured]:
    """Start a server of ``available()``."""
    with tempfile.TemporaryDirectory() as folder:
        async with _ours(Path(folder), cores) if name == OURS else _janus(name, Path(folder), cores) as measured:
            yield measured


@contextlib.asynccontextmanager
async def _ours(folder: Path, cores: Cores) -> AsyncIterator[Measured]:
    path = folder / "door"
    server = LineProcess("tests.bench.sfu_process", cores.server, str(path), hurried=True)
    try:
        await _until(path.exists)
        yield Measured(OURS, str(path), psutil.Process(server.pid))
    finally:
        server.close()


@contextlib.asynccontextmanager
async def _janus(name: str, folder: Path, cores: Cores) -> AsyncIterator[Measured]:
    port = _free_port()
    (folder / "janus.jcfg").write_text(_janus_settings(folder, event_loops=1 if name == JANUS_ONE_LOOP else None))
    (folder / "janus.transport.websockets.jcfg").write_text(
        f'general: {{ json = "compact"\n ws = true\n ws_port = {port}\n ws_ip = "127.0.0.1"\n wss = false }}\n'
    )
    process = subprocess.Popen(  # noqa: ASYNC220 - starting takes no time that counts
        ["janus", "--configs-folder", str(folder), "--config", str(folder / "janus.jcfg"), "--disable-colors"],
        stdin=subprocess.DEVNULL,
        stdout=(folder / "log").open("w"),
        stderr=subprocess.STDOUT,
        preexec_fn=lambda: pin(cores.server, hurried=True),
    )
    try:
        await _until(lambda: _accepts(port))
        yield Measured(name, f"ws://127.0.0.1:{port}", psutil.Process(process.pid))
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _janus_settings(folder: Path, event_loops: int | None) -> str:
    """Debian's defaults, with that alone loaded which is measured."""
    loops = f"event_loops = {event_loops}" if event_loops else ""
    return f"""
general: {{
    configs_folder = "{folder}"
    plugins_folder = "{JANUS_FOLDER}/plugins"
    transports_folder = "{JANUS_FOLDER}/transports"
    debug_level = 2
    session_timeout = 0
    {loops}
}}
media: {{ ipv6 = false }}
plugins: {{
    disable = "{_all_but("plugins", "libjanus_videoroom.so")}"
}}
transports: {{ disable = "{_all_but("transports", "libjanus_websockets.so")}" }}
"""


def _all_but(kind: str, wanted: str) -> str:
    return ",".join(sorted(path.name for path in (JANUS_FOLDER / kind).glob("*.so") if path.name != wanted))


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def _accepts(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


async def _until(ready: Callable[[], bool]) -> None:
    async with asyncio.timeout(START_S):
        while not ready():
            await asyncio.sleep(0.02)
