"""How long a control message takes to all terminals of a lesson, next to a bare broadcast of the same size.

The whole server runs, on a core of its own; the terminals are light: raw sockets that stamp what comes. Loopback.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from classroom.model import LessonId, Role
from classroom.web.auth import issue_token, new_claims
from classroom.web.secret import load_secret
from tests.bench.figures import percentile
from tests.bench.process import pin
from tests.running import free_port, free_ports

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tests.bench.servers import Cores

OURS, PEER = "ours", "websockets.broadcast"
LESSON = "maths"
WARM_UP = 20
PAUSE_S = 0.06  # faster a server does not listen to one client
PING, PONG = b"\x89\x00", b"\x8a\x80" + bytes(4)
DEFLATE = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"  # as Chromium offers it


class Client(asyncio.Protocol):
    """One WebSocket, as much of it as is needed here. ``on_data`` is called with the time of arrival in ns."""

    def __init__(self, on_data: Callable[[int, bytes], None]) -> None:
        self._on_data = on_data
        self._transport: asyncio.Transport | None = None

    @classmethod
    async def open(cls, port: int, path: str, on_data: Callable[[int, bytes], None], *, deflate: bool) -> Client:
        _, client = await asyncio.get_running_loop().create_connection(lambda: cls(on_data), "127.0.0.1", port)
        key = base64.b64encode(bytes(16)).decode()
        client._write(
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n{DEFLATE if deflate else ''}\r\n".encode()
        )
        return client

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        at_ns = time.monotonic_ns()
        if PING in data:
            self._write(PONG)
        if data != PING:
            self._on_data(at_ns, data)

    def send(self, text: str) -> None:
        """A text frame; the masking key is zero."""
        data = text.encode()
        length = bytes([0x80 | len(data)]) if len(data) < 126 else b"\xfe" + len(data).to_bytes(2, "big")
        self._write(b"\x81" + length + bytes(4) + data)

    def _write(self, data: bytes) -> None:
        assert self._transport is not None
        self._transport.write(data)

    def close(self) -> None:
        assert self._transport is not None
        self._transport.abort()


async def measure(terminals: int, commands: int, cores: Cores) -> list[dict[str, Any]]:
    """A row for each server, plain and compressed."""
    rows = []
    for name, serving in ((OURS, _ours), (PEER, _peer)):
        async with serving(cores) as (port, path, hello, pid):
            for deflate in (False, True):
                crowd = _Crowd(port, path, hello, deflate=deflate)
                delays_ms, cpu_s = await crowd.run(terminals, commands, psutil.Process(pid))
                rows.append(
                    {
                        "server": name,
                        "compressed": "yes" if deflate else "no",
                        "terminals": terminals,
                        "p50_ms": percentile(delays_ms, 50),
                        "p95_ms": percentile(delays_ms, 95),
                        "max_ms": delays_ms[-1],
                        "cpu_us_each": cpu_s * 1e6 / (terminals * commands),
                    }
                )
    for row in rows:
        peer = next(it for it in rows if (it["server"], it["compressed"]) == (PEER, row["compressed"]))
        row["p95_to_peer"] = row["p95_ms"] / peer["p95_ms"]
    return rows


class _Crowd:
    """A teacher who turns pages, and terminals that are told of it."""

    def __init__(self, port: int, path: str, hello: Callable[[str], str], *, deflate: bool) -> None:
        self._port, self._path, self._hello, self._deflate = port, path, hello, deflate
        self._clients: list[Client] = []
        self._told: dict[int, int] = {}  # when each terminal was told of the present page
        self._last_ns = 0

    async def run(self, terminals: int, commands: int, server: psutil.Process) -> tuple[list[float], float]:
        """Delays in ascending order, in ms, and the CPU time that the server took."""
        try:
            teacher = await self._join("teacher", lambda *_: None)
            for number in range(terminals):
                await self._join("classroom", lambda at_ns, _, number=number: self._tell(number, at_ns))
            teacher.send(f'{{"type": "start_lesson", "id": "{secrets.token_hex(4)}"}}')
            await self._rest()
            delays_ms: list[float] = []
            for page in range(1, WARM_UP + commands + 1):
                if page == WARM_UP + 1:
                    began_s, delays_ms = _cpu_s(server), []
                self._told.clear()
                sent_ns = time.monotonic_ns()
                teacher.send(f'{{"type": "turn_page", "id": "{secrets.token_hex(4)}", "page": {page}}}')
                async with asyncio.timeout(10):
                    while len(self._told) < terminals:
                        await asyncio.sleep(0.001)
                delays_ms += [(at_ns - sent_ns) / 1e6 for at_ns in self._told.values()]
                await asyncio.sleep(PAUSE_S)
            return sorted(delays_ms), _cpu_s(server) - began_s
        finally:
            for client in self._clients:
                client.close()

    async def _join(self, role: str, on_data: Callable[[int, bytes], None]) -> Client:
        greeted = asyncio.Event()

        def heard(at_ns: int, data: bytes) -> None:
            if not greeted.is_set():
                assert b" 101 " in data, data
                greeted.set()
            on_data(at_ns, data)

        client = await Client.open(self._port, self._path, heard, deflate=self._deflate)
        self._clients.append(client)
        async with asyncio.timeout(10):
            await greeted.wait()
        client.send(self._hello(role))
        return client

    def _tell(self, number: int, at_ns: int) -> None:
        self._told.setdefault(number, at_ns)
        self._last_ns = at_ns

    async def _rest(self) -> None:
        """Until nothing has come for a while."""
        async with asyncio.timeout(60):
            while time.monotonic_ns() - self._last_ns < 1e9:
                await asyncio.sleep(0.1)


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


@contextlib.asynccontextmanager
async def _ours(cores: Cores) -> AsyncIterator[tuple[int, str, Callable[[str], str], int]]:
    with tempfile.TemporaryDirectory() as folder:
        port = free_port(socket.SOCK_STREAM)
        command = [sys.executable, "-m", "classroom", "serve", "--port", str(port), "--recordings", folder]
        command += ["--media-port", str(free_ports(1)), "--workers", "1"]
        async with _process(command, cores, port, CLASSROOM_INDEX="false") as pid:
            secret = load_secret(Path(folder) / ".state")

            def hello(role: str) -> str:
                claims = new_claims(LessonId(LESSON), Role(role), 3600, f"{role} 大足二小", time.time())
                return f'{{"type": "hello", "token": "{issue_token(secret, claims)}"}}'

            yield port, f"/ws/{LESSON}", hello, pid


@contextlib.asynccontextmanager
async def _peer(cores: Cores) -> AsyncIterator[tuple[int, str, Callable[[str], str], int]]:
    port = free_port(socket.SOCK_STREAM)
    async with _process([sys.executable, "-m", "tests.bench.control_peer", str(port)], cores, port) as pid:
        yield port, "/", lambda _: "{}", pid


@contextlib.asynccontextmanager
async def _process(command: list[str], cores: Cores, port: int, **environment: str) -> AsyncIterator[int]:
    process = subprocess.Popen(  # noqa: ASYNC220 - starting takes no time that counts
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **environment},
        preexec_fn=lambda: pin(cores.server, hurried=True),
    )
    try:
        async with asyncio.timeout(30):
            while True:
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.close()
                    break
                await asyncio.sleep(0.05)
        yield process.pid
    finally:
        process.terminate()
        await asyncio.to_thread(process.wait, 20)
