"""The control WebSocket over a real socket."""

import asyncio
import json

import pytest
from aiohttp import WSMsgType

from tests.unit.web.running_node import make_offer, running


class Control:
    """One client; checks the numbering of what it hears."""

    def __init__(self, socket) -> None:
        self.socket = socket
        self.seq = 0

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
                if message["type"] == kind:
                    return message

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


@pytest.fixture
async def doors(tmp_path):
    async with running(tmp_path) as doors:
        yield doors


async def knock(doors, lesson="maths") -> Control:
    return Control(await doors.client.ws_connect(f"/ws/{lesson}"))


async def join(doors, role, name="") -> tuple[Control, dict]:
    control = await knock(doors)
    await control.send(type="hello", token=doors.token(role), name=name)
    return control, await control.hear("snapshot")


async def test_a_terminal_waits_before_the_lesson_exists_and_is_told_of_its_start(doors):
    terminal, snapshot = await join(doors, "classroom")
    assert snapshot["lesson"]["state"] == "planned"
    assert [participant["id"] for participant in snapshot["participants"]] == [snapshot["you"]]
    teacher, _ = await join(doors, "teacher")
    told = await terminal.hear("participant_changed")
    assert (told["participant"]["role"], told["participant"]["online"]) == ("teacher", True)
    await teacher.send(type="start_lesson", id="1")
    assert (await teacher.hear("ack"))["id"] == "1"
    lesson = await terminal.hear_state("live")
    assert lesson["started_at"].endswith("Z")
    await teacher.socket.close()
    told = await terminal.hear("participant_changed")
    assert (told["participant"]["role"], told["participant"]["online"]) == ("teacher", False)


async def test_the_end_is_told_and_the_recording_becomes_complete(doors):
    teacher, _ = await join(doors, "teacher")
    terminal, _ = await join(doors, "classroom")
    for number in ("1", "2"):  # repeating it does nothing
        await teacher.send(type="start_lesson", id=number)
        assert (await teacher.hear("ack"))["id"] == number
    while (told := await terminal.hear("lesson_changed"))["lesson"]["recording"] != "recording":
        pass
    for number in ("3", "4"):
        await teacher.send(type="end_lesson", id=number)
        assert (await teacher.hear("ack"))["id"] == number
    await terminal.hear_state("ended")
    told = await terminal.hear("lesson_changed")
    assert (told["lesson"]["state"], told["lesson"]["recording"]) == ("ended", "complete")


async def test_publishing_starts_the_lesson_and_shows_the_publisher(doors):
    terminal, _ = await join(doors, "classroom")
    assert (await doors.offer("whip", doors.token("capture"), await make_offer(sending=True))).status == 201
    await terminal.hear_state("live")
    told = await terminal.hear("participant_changed")
    assert (told["participant"]["role"], told["participant"]["online"]) == ("capture", False)  # not connected yet


@pytest.mark.parametrize("role", ["classroom", "observer", "capture"])
@pytest.mark.parametrize("command", ["start_lesson", "end_lesson", "direct"])
async def test_only_a_teacher_conducts(doors, role, command):
    control, _ = await join(doors, role)
    await control.send(type=command, id="7", **({"programme": None, "floor": []} if command == "direct" else {}))
    told = await control.hear("error")
    assert (told["code"], told["id"]) == ("forbidden", "7")
    assert doors.node.service.lessons()[0].state == "planned"


async def test_what_the_teacher_directs_is_told_to_all(doors):
    teacher, _ = await join(doors, "teacher")
    terminal, _ = await join(doors, "classroom")
    await teacher.send(type="direct", id="1", programme=None, floor=["east"])
    assert (await teacher.hear("error"))["code"] == "unknown_lesson", "it has not begun"
    await teacher.send(type="start_lesson", id="2")
    await teacher.hear("ack")
    for number in ("3", "4"):  # repeating it does nothing
        await teacher.send(type="direct", id=number, programme="camera-east", floor=["west", "east"])
        assert (await teacher.hear("ack"))["id"] == number
    while (told := (await terminal.hear("lesson_changed"))["lesson"])["programme"] is None:
        pass
    assert (told["programme"], told["floor"]) == ("camera-east", ["east", "west"])
    _, snapshot = await join(doors, "observer")
    assert snapshot["lesson"]["programme"] == "camera-east"
    await teacher.send(type="direct", id="5", programme="x" * 300, floor=[])
    assert (await teacher.hear("error"))["code"] == "bad_message"


async def test_ending_what_nobody_started_is_an_error(doors):
    teacher, _ = await join(doors, "teacher")
    await teacher.send(type="end_lesson", id="1")
    assert (await teacher.hear("error"))["code"] == "unknown_lesson"


async def test_ping_is_answered(doors):
    control, _ = await join(doors, "observer")
    await control.send(type="ping")
    await control.hear("pong")


async def test_the_name_that_is_given_is_shown_unless_the_token_has_one(doors):
    _, snapshot = await join(doors, "classroom", "三小")
    assert snapshot["participants"][0]["name"] == "classroom of maths"


@pytest.mark.parametrize(
    ("token", "lesson", "close_code", "code"),
    [
        (lambda doors: "nonsense", "maths", 4401, "unauthorized"),
        (lambda doors: doors.token("teacher", ttl_s=-60), "maths", 4401, "unauthorized"),
        (lambda doors: doors.token("teacher"), "music", 4403, "forbidden"),
        (lambda doors: doors.token("teacher"), "a.b", 4404, "unknown_lesson"),
    ],
)
async def test_who_may_not_come_in_is_told_why(doors, token, lesson, close_code, code):
    control = await knock(doors, lesson)
    await control.send(type="hello", token=token(doors))
    told = await control.hear("error")
    assert (told["code"], told["id"]) == (code, None)
    assert told["detail"]
    assert await control.closed() == close_code


async def test_too_many_bad_tokens(tmp_path):
    async with running(tmp_path, bad_tokens_per_minute=1) as doors:
        for expected in ("unauthorized", "busy"):
            control = await knock(doors)
            await control.send(type="hello", token="bad")
            assert (await control.hear("error"))["code"] == expected
            assert await control.closed() == 4401


async def test_who_says_nothing_is_closed(doors, monkeypatch):
    monkeypatch.setattr("classroom.web.control.HELLO_S", 0.05)
    assert await (await knock(doors)).closed() == 4408


async def test_hello_comes_first(doors):
    control = await knock(doors)
    await control.send(type="ping")
    assert (await control.hear("error"))["code"] == "bad_message"
    assert await control.closed() == 1008


async def test_a_bad_message_is_an_error_and_not_the_end(doors):
    control, _ = await join(doors, "classroom")
    for text in ("{", "[]", '{"type": "fly"}', '{"type": "start_lesson"}'):
        await control.socket.send_str(text)
        assert (await control.hear("error"))["code"] == "bad_message"
    await control.socket.send_bytes(b"{}")
    assert (await control.hear("error"))["code"] == "bad_message"
    await control.send(type="hello", token="again")
    assert (await control.hear("error"))["code"] == "bad_message"
    await control.send(type="ping")
    await control.hear("pong")


async def test_a_message_over_the_limit_closes_the_connection(doors):
    control, _ = await join(doors, "classroom")
    await control.socket.send_str(" " * (64 * 1024 + 1))
    assert await control.closed() == 1009


async def test_connections_are_limited(tmp_path):
    async with running(tmp_path, max_connections=1) as doors:
        first = await knock(doors)
        response = await doors.ask("GET", "/ws/maths")
        assert (response.status, json.loads(response._body)["code"]) == (503, "busy")
        await first.socket.close()
        control, _ = await join(doors, "classroom")
        assert not control.socket.closed


async def test_a_server_that_stops_says_come_back(doors):
    greeted, _ = await join(doors, "classroom")
    await doors.node.service.drain()
    assert await greeted.closed() == 1012


async def test_a_client_that_goes_away_during_a_command_interrupts_nothing(doors):
    teacher, _ = await join(doors, "teacher")
    watcher, _ = await join(doors, "classroom")
    await teacher.send(type="start_lesson", id="1")
    await teacher.socket.close()
    while (await watcher.hear("lesson_changed"))["lesson"]["recording"] != "recording":
        pass


async def test_a_lesson_that_was_only_waited_for_is_forgotten(doors):
    control, _ = await join(doors, "classroom")
    assert len(doors.node.service.lessons()) == 1
    await control.socket.close()
    async with asyncio.timeout(30):
        while doors.node.service.lessons():
            await asyncio.sleep(0.01)
