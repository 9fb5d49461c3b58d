"""Terminals as a process: each with its WebSocket, its pings and reports, and a way back when the server is gone."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import time
from dataclasses import dataclass
from typing import Any

from aiohttp import ClientError, ClientSession, TCPConnector, WSMsgType

from tests.bench.process import Answers, run

PING_S = 15.0
REPORT_S = 60.0
FIRST_BACKOFF_S, LAST_BACKOFF_S, SPREAD_S = 0.5, 1.5, 1.0  # as ui/src/protocol/device.ts
KNOCK_S = 1.0  # as ui/src/protocol/door.ts
WITHIN_S = 120.0


@dataclass
class Terminal:
    """One, and what it was told last: ``at_s`` is when (Unix time), ``told`` how often."""

    credential: str
    phase: str = ""
    at_s: float = 0.0
    told: int = 0
    connected: bool = False

    async def live(self, http: ClientSession) -> None:
        """Be connected, again and again."""
        failures = 0
        while True:
            try:
                headers = {"Authorization": f"Bearer {self.credential}"}
                async with http.ws_connect("/ws/device", headers=headers, compress=0) as socket:
                    talking = asyncio.create_task(self._talk(socket))
                    try:
                        async for frame in socket:
                            if frame.type is not WSMsgType.TEXT:
                                break
                            message = json.loads(frame.data)
                            if message["type"] == "agenda":
                                failures, self.connected = 0, True
                                self.phase, self.at_s, self.told = message["phase"], time.time(), self.told + 1
                    finally:
                        talking.cancel()
                        await asyncio.gather(talking, return_exceptions=True)
            except (ClientError, OSError):
                pass
            self.connected = False
            delay_s = min(LAST_BACKOFF_S, FIRST_BACKOFF_S * 2 ** min(failures, 8))
            failures += 1
            await asyncio.sleep(delay_s * random.uniform(0.8, 1.2))
            await self._knock(http)
            await asyncio.sleep(SPREAD_S * random.random())

    @staticmethod
    async def _knock(http: ClientSession) -> None:
        """Ask whether the server is there until it answers."""
        while True:
            with contextlib.suppress(ClientError, OSError):
                async with http.get("/healthz") as response:
                    if response.status == 200:
                        return
            await asyncio.sleep(KNOCK_S * random.uniform(0.8, 1.2))

    async def _talk(self, socket: Any) -> None:
        checks = {"camera": {"ok": True}, "microphone": {"ok": True}, "loudspeaker": {"ok": True}}
        elapsed_s = 0.0
        while True:
            if elapsed_s % REPORT_S == 0:
                link = {"ok": True, "rtt_ms": random.randrange(5, 80), "down_kbps": random.randrange(1000, 20_000)}
                await socket.send_json({"type": "report", "version": "1", "checks": {**checks, "link": link}})
            await asyncio.sleep(PING_S)
            elapsed_s += PING_S
            await socket.send_json({"type": "ping"})


class Crowd:
    """All of them."""

    def __init__(self) -> None:
        self._terminals: list[Terminal] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._http: ClientSession | None = None

    def answers(self) -> Answers:
        return {"open": self.open, "back": self.back, "heard": self.heard, "told": self.told, "close": self.close}

    async def open(self, url: str, credentials: list[str]) -> dict[str, Any]:
        """Switch all on at once; answered when each has its agenda."""
        self._http = ClientSession(url, connector=TCPConnector(limit=0))
        self._terminals = [Terminal(credential) for credential in credentials]
        self._tasks = [asyncio.create_task(terminal.live(self._http)) for terminal in self._terminals]
        return await self.back(since=time.time())

    async def back(self, since: float) -> dict[str, Any]:
        """When all have got an agenda since then."""
        await self._until(lambda terminal: terminal.connected and terminal.at_s >= since)
        return {"after_s": sorted(terminal.at_s - since for terminal in self._terminals)}

    async def heard(self, phase: str, of: list[int], since: float) -> dict[str, Any]:
        """How long after ``since`` these were told that phase."""
        some = [self._terminals[number] for number in of]
        await self._until(lambda terminal: terminal.phase == phase or terminal not in some)
        return {"after_s": sorted(terminal.at_s - since for terminal in some)}

    async def told(self) -> dict[str, Any]:
        """How many agendas there were so far."""
        return {"agendas": sum(terminal.told for terminal in self._terminals)}

    async def close(self) -> dict[str, Any]:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._http is not None:
            await self._http.close()
        return {}

    async def _until(self, condition: Any) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(WITHIN_S):
                while not all(map(condition, self._terminals)):
                    await asyncio.sleep(0.05)
                return
        missing = sum(not condition(terminal) for terminal in self._terminals)
        raise RuntimeError(f"{missing} of {len(self._terminals)} terminals have not heard of it")


if __name__ == "__main__":
    run(lambda: Crowd().answers())
