"""A server that is killed in the middle of a lesson: lesson, floor, hands and meters are there when it is back."""

import asyncio
import contextlib
import json
from pathlib import Path

from aiohttp import ClientError, ClientSession

from classroom.recording.happenings import read_page_turns
from tests.running import LESSON, serving


class Follower:
    """A client of the control WebSocket that keeps the latest state of the lesson."""

    def __init__(self, server, token: str, http: ClientSession) -> None:
        self.server, self.token, self.http = server, token, http

    async def join(self) -> dict:
        """Come in as soon as the server is there."""
        async with asyncio.timeout(30):
            while True:
                with contextlib.suppress(ClientError):
                    self.socket = await self.http.ws_connect(f"{self.server.url}/ws/{LESSON}")
                    await self.socket.send_json({"type": "hello", "token": self.token})
                    return await self.hear("snapshot")
                await asyncio.sleep(0.05)

    async def hear(self, kind: str) -> dict:
        async with asyncio.timeout(30):
            while (message := json.loads(await self.socket.receive_str()))["type"] != kind:
                pass
        return message

    async def command(self, kind: str, **fields) -> None:
        await self.socket.send_json({"type": kind, "id": kind, **fields})
        assert (await self.hear("ack"))["id"] == kind


def minutes_in(folder: Path) -> str:
    """What has been written of the lesson so far."""
    return "".join(file.read_text() for file in folder.rglob("events.jsonl"))


async def test_lesson_floor_and_hands_survive_kill_9(tmp_path):
    async with serving(tmp_path / "data") as server, ClientSession() as http:
        teacher = Follower(server, await server.token("teacher", "王老师"), http)
        east = Follower(server, await server.token("classroom", "大足二小"), http)
        west = Follower(server, await server.token("classroom", "山坪小学"), http)
        await teacher.join()
        names = {(await classroom.join())["you"]: classroom for classroom in (east, west)}
        east_id, west_id = names
        await teacher.command("start_lesson")
        await teacher.command("call_on", participant_id=east_id)
        await west.command("raise_hand", raised=True)
        await teacher.command("mute", participant_id=west_id, muted=True)
        await west.socket.close()
        while (await teacher.hear("participant_changed"))["participant"]["online"]:
            pass
        await teacher.command("send_note", text="请检查麦克风", participant_id=west_id)
        await teacher.command("turn_page", page=7)
        async with asyncio.timeout(30):
            while '"page": 7' not in await asyncio.to_thread(minutes_in, tmp_path):  # written in their own time
                await asyncio.sleep(0.05)
        await server.kill()
        await server.start()
        snapshot = await teacher.join()
        lesson = snapshot["lesson"]
        assert (lesson["state"], lesson["floor"], lesson["hands"]) == ("live", [east_id], [west_id])
        assert (lesson["muted"], lesson["page"]) == ([west_id], 7)
        people = {view["id"]: view for view in snapshot["participants"]}
        assert (people[east_id]["name"], people[east_id]["online"], people[east_id]["asked"]) == ("大足二小", False, 1)
        told = await east.join()
        assert told["lesson"]["floor"] == [east_id]
        while not (await teacher.hear("participant_changed"))["participant"]["online"]:
            pass
        await west.join()
        assert (await west.hear("note"))["text"] == "请检查麦克风"
        await east.command("return_floor")
        await teacher.command("end_lesson")
        for follower in (teacher, east, west):
            await follower.socket.close()
    record = next((tmp_path / "data").rglob("events.jsonl"))
    told = [json.loads(line) for line in record.read_text().splitlines()]
    happened = [(line["event"], line.get("raised")) for line in told]
    assert [turn.page for turn in read_page_turns(record.parent)] == [7], "said again after the start, it is one turn"
    assert [it for it in happened if it[0] in ("hand", "floor")] == [
        ("floor", None),
        ("hand", True),
        ("floor", None),
        ("hand", False),
    ]


async def test_whatever_was_acknowledged_a_moment_before_kill_9_is_there_afterwards(tmp_path):
    async with serving(tmp_path / "data") as server, ClientSession() as http:
        teacher = Follower(server, await server.token("teacher", "王老师"), http)
        room = Follower(server, await server.token("classroom", "大足二小"), http)
        await teacher.join()
        room_id = (await room.join())["you"]
        await teacher.command("start_lesson")
        for page in range(1, 4):
            await room.command("raise_hand", raised=page % 2 == 1)
            await teacher.command("turn_page", page=page)
            await server.kill()
            await server.start()
            lesson = (await teacher.join())["lesson"]
            assert (lesson["page"], lesson["hands"]) == (page, [room_id] if page % 2 == 1 else [])
            await room.join()
        for follower in (teacher, room):
            await follower.socket.close()
