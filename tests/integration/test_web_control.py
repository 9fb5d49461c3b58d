"""The control WebSocket over a real socket."""

import asyncio
import json
import time
from datetime import timedelta

import pytest

from classroom.web.control import OPEN_SOCKETS
from tests.integration.control_client import Control, join, knock
from tests.unit.web.running_node import make_offer, running


def close_frame(code: int | None) -> bytes:
    """As a client sends it (RFC 6455 §5.5.1), masked with zeros."""
    payload = b"" if code is None else code.to_bytes(2, "big")
    return bytes((0x88, 0x80 | len(payload))) + bytes(4) + payload


@pytest.fixture
async def doors(tmp_path):
    async with running(tmp_path) as doors:
        yield doors


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


EAST = "classroom-of-maths"
COMMANDS = {
    "start_lesson": {},
    "end_lesson": {},
    "direct": {"programme": None, "floor": []},
    "call_on": {"participant_id": EAST},
    "return_floor": {},
    "set_mode": {"mode": "discuss"},
    "mute": {"participant_id": EAST, "muted": False},
    "spotlight": {"programme": None},
    "raise_hand": {"raised": True},
    "send_note": {"text": "请检查麦克风"},
    "turn_page": {"page": 2},
    "set_volume": {"participant_id": EAST, "volume": 40},
}
MAY = {
    "teacher": set(COMMANDS) - {"raise_hand"},
    "classroom": {"raise_hand", "return_floor"},
    "capture": {"turn_page"},
    "observer": set(),
}


@pytest.mark.parametrize("role", MAY)
async def test_each_role_may_what_the_table_says_and_no_more(doors, role):
    teacher, _ = await join(doors, "teacher")
    await join(doors, "classroom", participant=EAST)
    await teacher.send(type="start_lesson", id="begin")
    await teacher.hear("ack")
    control, _ = await join(doors, role, participant=EAST if role == "classroom" else "")
    allowed = set()
    for command, fields in sorted(COMMANDS.items(), key=lambda item: item[0] == "end_lesson"):
        before = doors.node.service.lessons()[0].view()
        await control.send(type=command, id=command, **fields)
        answers = [m for m in await until_answered(control, command) if m.get("id") == command]
        assert [answer.get("code", "forbidden") for answer in answers] == ["forbidden"]
        if answers[0]["type"] == "ack":
            allowed.add(command)
        else:
            assert doors.node.service.lessons()[0].view() == before
    assert allowed == MAY[role]


async def until_answered(control, command) -> list[dict]:
    heard = []
    while not any(message.get("id") == command for message in heard):
        heard += await control.hear_until_pong()
    return heard


async def test_a_classroom_raises_its_own_hand_alone(doors):
    teacher, _ = await join(doors, "teacher")
    await teacher.send(type="start_lesson", id="1")
    await teacher.hear("ack")
    east, snapshot = await join(doors, "classroom")
    west, _ = await join(doors, "classroom")
    await west.send(type="raise_hand", id="2", raised=True, participant_id=snapshot["you"])
    assert (await west.hear("error"))["code"] == "forbidden"
    await west.send(type="return_floor", id="3", participant_id=snapshot["you"])
    assert (await west.hear("error"))["code"] == "forbidden"
    await east.send(type="raise_hand", id="4", raised=True)
    await east.hear("ack")
    await teacher.send(type="raise_hand", id="5", raised=False, participant_id=snapshot["you"])
    await teacher.hear("ack")
    assert doors.node.service.lessons()[0].view().hands == []


async def test_a_call_shows_and_counts_until_the_floor_is_returned(doors):
    teacher, _ = await join(doors, "teacher")
    await teacher.send(type="start_lesson", id="1")
    await teacher.hear("ack")
    east, snapshot = await join(doors, "classroom")
    await east.send(type="raise_hand", id="2", raised=True)
    await east.hear("ack")
    for number in ("3", "3", "4"):  # said again, and pressed again
        await teacher.send(type="call_on", id=number, participant_id=snapshot["you"])
        assert (await teacher.hear("ack"))["id"] == number
    while not (told := (await east.hear("lesson_changed"))["lesson"])["floor"]:
        pass
    assert (told["floor"], told["hands"]) == ([snapshot["you"]], [])
    await east.send(type="return_floor", id="5")
    while (await east.hear("lesson_changed"))["lesson"]["floor"]:
        pass
    _, snapshot_after = await join(doors, "observer")
    [shown] = [p for p in snapshot_after["participants"] if p["id"] == snapshot["you"]]
    assert shown["asked"] == 1 and shown["last_asked_at"] is not None
    await teacher.send(type="call_on", id="6", participant_id="nobody")
    assert (await teacher.hear("error"))["code"] == "unknown_participant"


async def test_who_comes_back_hears_what_it_missed_and_nothing_twice(doors):
    teacher, _ = await join(doors, "teacher")
    await teacher.send(type="start_lesson", id="1")
    await teacher.hear("ack")
    token = doors.token("classroom")
    east, snapshot = await join(doors, token=token)
    await east.hear_until_pong()
    seq = east.seq
    for page in (2, 3):
        await teacher.send(type="turn_page", id=f"page{page}", page=page)
        await teacher.hear("ack")
    await teacher.send(type="send_note", id="note", text="请看课件", participant_id=snapshot["you"])
    await teacher.hear("ack")
    # Its link is dead, and the server does not know yet: what it sent is on its way nowhere.
    again = await knock(doors)
    await again.send(type="hello", token=token, stream=east.stream, seq=seq)
    heard = await again.hear_until_pong()
    assert heard[0] == {"stream": east.stream, "type": "resumed"}
    assert [m["seq"] for m in heard[1:]] == list(range(seq + 1, seq + len(heard)))
    assert [m["lesson"]["page"] for m in heard if m["type"] == "lesson_changed"] == [2, 3]
    assert [m["text"] for m in heard if m["type"] == "note"] == ["请看课件"]
    await again.socket.close()
    third = await knock(doors)
    await third.send(type="hello", token=token, stream=east.stream, seq=again.seq)
    heard = await third.hear_until_pong()
    assert heard[0]["type"] == "resumed"
    assert {m["type"] for m in heard[1:]} == {"participant_changed"}, "that it was away for a moment"


async def test_who_falls_silent_is_shown_as_cut_off_until_something_is_heard(doors, monkeypatch):
    monkeypatch.setattr("classroom.web.line.ASK_S", 0.2)
    monkeypatch.setattr("classroom.web.line.GONE_ASKS", 1000)  # however long it takes until it reads again
    teacher, _ = await join(doors, "teacher")
    await teacher.send(type="start_lesson", id="1")
    east, snapshot = await join(doors, "classroom")
    await hear_presence(teacher, snapshot["you"], online=True, cut=False)
    # It reads nothing from here on: pings of the server are not answered, as on a cable that was pulled.
    await hear_presence(teacher, snapshot["you"], online=False, cut=True)
    await teacher.send(type="send_note", id="note", text="请检查网线", participant_id=snapshot["you"])
    await teacher.hear("ack")
    heard = await east.hear_until_pong()
    await hear_presence(teacher, snapshot["you"], online=True, cut=False)
    heard += await east.hear_until_pong()
    assert [message["text"] for message in heard if message["type"] == "note"] == ["请检查网线"]
    await east.socket.close()
    await hear_presence(teacher, snapshot["you"], online=False, cut=False)


async def test_a_connection_on_which_nothing_is_heard_for_long_is_given_up(doors, monkeypatch):
    monkeypatch.setattr("classroom.web.line.ASK_S", 0.1)
    teacher, _ = await join(doors, "teacher")
    token = doors.token("classroom")
    east, snapshot = await join(doors, token=token)
    await hear_presence(teacher, snapshot["you"], online=False, cut=True)
    async with asyncio.timeout(30):
        while len(doors.client.app[OPEN_SOCKETS]) > 1:
            await teacher.hear_until_pong()
            await asyncio.sleep(0.05)
    again = await knock(doors)
    await again.send(type="hello", token=token, stream=east.stream, seq=east.seq)
    assert (await again.hear_until_pong())[0]["type"] == "resumed"
    await hear_presence(teacher, snapshot["you"], online=True, cut=False)


@pytest.mark.parametrize("how", ["abort", "close"])
async def test_whose_process_dies_is_cut_off_and_has_not_left(doors, how):
    """Its system ends the connection at once, with RST or FIN, and no frame says goodbye."""
    teacher, _ = await join(doors, "teacher")
    east, snapshot = await join(doors, "classroom")
    await hear_presence(teacher, snapshot["you"], online=True, cut=False)
    getattr(east.socket._conn.transport, how)()
    await hear_presence(teacher, snapshot["you"], online=False, cut=True)


@pytest.mark.parametrize(
    ("frame", "cut"),
    [
        (close_frame(1000), False),  # a page that is done
        (close_frame(1001), False),  # one that is shut
        (close_frame(None), False),
        (close_frame(1011), True),  # a client that has failed
        (b"\x82", True),  # half a frame
    ],
)
async def test_who_says_goodbye_has_left(doors, frame, cut):
    teacher, _ = await join(doors, "teacher")
    await teacher.send(type="start_lesson", id="1")
    east, snapshot = await join(doors, "classroom")
    await hear_presence(teacher, snapshot["you"], online=True, cut=False)
    for page in range(1, 20):  # much is being told to it when it goes
        await teacher.send(type="turn_page", id=f"page {page}", page=page)
    transport = east.socket._conn.transport
    transport.write(frame)
    transport.close()  # behind it, as a browser that is shut does, without waiting for an answer
    await hear_presence(teacher, snapshot["you"], online=False, cut=cut)


async def test_a_server_that_was_held_up_itself_takes_nobody_for_silent(doors, monkeypatch):
    monkeypatch.setattr("classroom.web.line.ASK_S", 0.2)
    teacher, _ = await join(doors, "teacher")
    east, _ = await join(doors, "classroom")
    listening = asyncio.create_task(east.hear("note"))
    await teacher.hear_until_pong()
    time.sleep(2)  # noqa: ASYNC251 as a machine that does too much at once
    async with asyncio.timeout(30):
        for _ in range(10):
            heard = await teacher.hear_until_pong()
            assert [message for message in heard if message["type"] == "participant_changed"] == []
            await asyncio.sleep(0.05)
    listening.cancel()


async def hear_presence(control: Control, who: str, *, online: bool, cut: bool) -> None:
    async with asyncio.timeout(30):
        while True:
            told = (await control.hear("participant_changed"))["participant"]
            if told["id"] == who and (told["online"], told["cut"]) == (online, cut):
                return


async def test_after_a_minute_everything_is_told_anew(doors, monkeypatch):
    token = doors.token("classroom")
    east, _ = await join(doors, token=token)
    await east.socket.close()
    observer, _ = await join(doors, "observer")  # the lesson is not forgotten meanwhile
    monkeypatch.setattr("classroom.live.streams.RESUME_FOR", timedelta(0))
    again = await knock(doors)
    await again.send(type="hello", token=token, stream=east.stream, seq=east.seq)
    told = await again.hear("snapshot")
    assert told["seq"] == 1 and told["stream"] != east.stream
    await observer.socket.close()


async def test_a_command_said_again_in_another_connection_is_done_once(doors):
    token = doors.token("teacher")
    teacher, _ = await join(doors, token=token)
    await teacher.send(type="start_lesson", id="1")
    await teacher.hear("ack")
    _, east = await join(doors, "classroom")
    _, west = await join(doors, "classroom")
    for participant in (east["you"], west["you"]):
        await teacher.send(type="call_on", id=participant, participant_id=participant)
        await teacher.hear("ack")
    await teacher.socket.close()
    again, _ = await join(doors, token=token)
    await again.send(type="call_on", id=east["you"], participant_id=east["you"])
    assert (await again.hear("ack"))["id"] == east["you"]
    assert doors.node.service.lessons()[0].view().floor == [west["you"]], "the older call is not made again"


async def test_a_note_waits_for_who_is_away_and_a_volume_is_told(doors):
    teacher, _ = await join(doors, "teacher")
    token = doors.token("classroom")
    east, snapshot = await join(doors, token=token)
    await teacher.send(type="set_volume", id="1", participant_id=snapshot["you"], volume=40)
    assert (await east.hear("volume_set"))["volume"] == 40
    await east.socket.close()
    while (await teacher.hear("participant_changed"))["participant"]["online"]:
        pass
    await teacher.send(type="send_note", id="2", text="请检查麦克风")
    await teacher.hear("ack")
    again, _ = await join(doors, token=token)
    assert (await again.hear("note"))["text"] == "请检查麦克风"
    await teacher.send(type="send_note", id="3", text="x" * 121)
    assert (await teacher.hear("error"))["code"] == "bad_message"


async def test_what_a_terminal_says_of_itself_is_told_to_the_teacher_and_to_no_classroom(doors):
    teacher, _ = await join(doors, "teacher")
    east, snapshot = await join(doors, "classroom")
    west, _ = await join(doors, "classroom")
    await east.send(type="report", children=31, camera=True, faults=["麦克风没有声音 No sound"])
    while (told := (await teacher.hear("participant_changed"))["participant"])["report"] is None:
        pass
    assert (told["id"], told["report"]["children"], told["report"]["faults"][0][:3]) == (snapshot["you"], 31, "麦克风")
    await teacher.send(type="report", children=1)  # of itself, which is nobody's business
    heard = await west.hear_until_pong()
    assert not [m for m in heard if m["type"] == "participant_changed" and m["participant"]["report"]]


async def test_who_reads_nothing_holds_up_nobody(doors, monkeypatch):
    monkeypatch.setattr("classroom.web.control.MESSAGES_PER_S", 1e6)
    monkeypatch.setattr("classroom.web.line.GONE_ASKS", 1000)  # however long the 1500 pages take
    teacher, _ = await join(doors, "teacher")
    await teacher.send(type="start_lesson", id="1")
    await teacher.hear("ack")
    deaf, _ = await join(doors, "classroom")
    deaf.socket._conn.transport.pause_reading()
    east, _ = await join(doors, "classroom")
    for page in range(1, 1501):
        await teacher.send(type="turn_page", id=str(page), page=page)
        await teacher.hear("ack")
    while (await east.hear("lesson_changed"))["lesson"]["page"] != 1500:
        pass
    deaf.socket._conn.transport.resume_reading()
    heard = await deaf.hear_until_pong()
    assert [m for m in heard if m["type"] == "lesson_changed" or m["type"] == "snapshot"][-1]["lesson"]["page"] == 1500


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
        first, _ = await join(doors, "classroom")
        response = await doors.ask("GET", "/ws/maths")
        assert (response.status, json.loads(response._body)["code"]) == (503, "busy")
        await first.socket.close()
        control, _ = await join(doors, "classroom")
        assert not control.socket.closed


async def test_strangers_who_say_nothing_take_nobodys_place(tmp_path, monkeypatch):
    monkeypatch.setattr("classroom.web.control.MAX_STRANGERS", 2)
    async with running(tmp_path, max_connections=1) as doors:
        strangers = [await knock(doors) for _ in range(3)]
        assert await strangers[0].closed() == 1006  # the one that had the longest to speak
        control, _ = await join(doors, "classroom")
        assert not control.socket.closed and not strangers[2].socket.closed


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
