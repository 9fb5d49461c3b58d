"""The WebSocket of page turns, against a server of its own kind."""

from __future__ import annotations

import asyncio
import json
import time

from aiohttp import ClientSession
from pydantic import TypeAdapter
from websockets.asyncio.server import serve

from classroom.capture import turn_link
from classroom.capture.tokens import GivenToken
from classroom.capture.turn_link import TurnLink
from classroom.messages import LessonView, Snapshot
from classroom.model import LessonState, RecordingState
from classroom.slides.turns import Turn
from tests.running import LESSON

LIVE = LessonView(LESSON, "", LessonState.LIVE, None, None, RecordingState.RECORDING, None)
SNAPSHOT = Snapshot(1, "s", "capture-1", "2026-11-25T00:00:00Z", LIVE)


async def test_a_turn_that_is_refused_for_now_is_not_overtaken_by_the_next(monkeypatch):
    monkeypatch.setattr(turn_link, "REFUSED_RETRY_S", 0.2)
    heard: list[int] = []
    obeyed: list[int] = []
    all_obeyed = asyncio.Event()

    async def door(socket) -> None:
        await socket.recv()
        await socket.send(TypeAdapter(Snapshot).dump_json(SNAPSHOT).decode())
        async for text in socket:
            command = json.loads(text)
            heard.append(command["page"])
            if len(heard) == 1:
                answer = {"type": "error", "code": "internal", "detail": "", "id": command["id"]}
            else:
                answer = {"type": "ack", "id": command["id"]}
                obeyed.append(command["page"])
            await socket.send(json.dumps(answer))
            if len(obeyed) == 3:
                all_obeyed.set()

    async with serve(door, "127.0.0.1", 0) as server, ClientSession() as http:
        port = server.sockets[0].getsockname()[1]
        link = TurnLink(f"http://127.0.0.1:{port}", LESSON, GivenToken("t"))
        for page in (1, 2, 3):
            link.turned(Turn(page, time.monotonic()))
        running = asyncio.create_task(link.run(http))
        async with asyncio.timeout(30):
            await all_obeyed.wait()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert obeyed == [1, 2, 3]
