"""The WebSocket of a paired agent, against a server of its own kind."""

from __future__ import annotations

import asyncio

import pytest
from websockets.asyncio.server import serve

from classroom.capture.device import link
from classroom.capture.device.link import DeviceLink, NotPaired


async def test_an_agent_does_not_fight_for_a_place_that_another_has_taken(monkeypatch):
    monkeypatch.setattr(link, "REPLACED_S", 1.0)
    came_s: list[float] = []

    async def door(socket) -> None:
        came_s.append(asyncio.get_running_loop().time())
        await socket.close(4409 if len(came_s) == 1 else 4401)

    async with serve(door, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with asyncio.timeout(30):
            with pytest.raises(NotPaired):
                await DeviceLink(f"http://127.0.0.1:{port}", "A" * 43).run()
    assert came_s[1] - came_s[0] > 0.8  # a lost one is looked for after 0.3 s at most
