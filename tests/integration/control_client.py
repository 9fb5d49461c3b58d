"""A client of the control WebSocket, for tests that speak it by hand."""

import asyncio
import json

from aiohttp import WSMsgType


class Control:
    """One client; checks the numbering of what it hears."""

    def __init__(self, socket) -> None:
        self.socket = socket
        self.seq = 0
        self.stream: str | None = None

    async def send(self, **message) -> None:
        await self.socket.send_json(message)

    async def hear(self, kind: str) -> dict:
        """The next message of this type; others before it are passed over."""
        async with asyncio.timeout(30):
            while True:
                message = json.loads(await self.socket.receive_str())
                if "seq" in message:
                    self.seq += 1
                    assert message["seq"] == self.seq
                    self.stream = message.get("stream", self.stream)
                if message["type"] == kind:
                    return message

    async def hear_until_pong(self) -> list[dict]:
        """Everything that is on its way."""
        await self.send(type="ping")
        heard = []
        async with asyncio.timeout(30):
            while (message := json.loads(await self.socket.receive_str()))["type"] != "pong":
                heard.append(message)
                self.seq = message.get("seq", self.seq)
        return heard

    async def hear_state(self, state: str) -> dict:
        while (told := await self.hear("lesson_changed"))["lesson"]["state"] != state:
            pass
        return told["lesson"]

    async def closed(self) -> int:
        async with asyncio.timeout(30):
            while True:
                frame = await self.socket.receive()
                if frame.type in (WSMsgType.CLOSE, WSMsgType.CLOSED, WSMsgType.CLOSING):
                    return self.socket.close_code


async def knock(doors, lesson="maths") -> Control:
    return Control(await doors.client.ws_connect(f"/ws/{lesson}"))


async def join(doors, role="", name="", *, token="", participant="") -> tuple[Control, dict]:
    control = await knock(doors)
    await control.send(type="hello", token=token or doors.token(role, participant=participant), name=name)
    return control, await control.hear("snapshot")
