"""Agendas, tokens and revocation of devices over real sockets."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import WSMsgType

from classroom.catalogue.accounts.devices import Devices
from classroom.schoolday.agenda import STANDBY
from classroom.schoolday.day import SchoolDay
from classroom.web.context import CONTEXT
from classroom.web.crowd import OF_DEVICE, OF_PERSON
from tests.databases import Postgres
from tests.unit.web.people import opened, signed_in
from tests.unit.web.running_node import make_offer, running
from tests.unit.web.school_day import (
    HAMLET,
    LESSON,
    NOON,
    TEACHER,
    TOWN,
    VILLAGE,
    cancel,
    connect,
    fill,
    media_token,
    operator,
    pair,
    plan_lesson,
    start,
)


@pytest.fixture
async def doors(tmp_path):
    async with running(tmp_path, timezone=NOON) as doors:
        await fill(doors)
        yield doors


async def end(doors, lesson=LESSON) -> None:
    assert (await doors.ask("POST", f"/api/lessons/{lesson}/end", doors.token("teacher", lesson))).status == 200


async def test_a_terminal_is_paired_finds_its_lesson_and_gets_its_media(doors):
    terminal = await pair(doors, await operator(doors), VILLAGE)
    device = await connect(doors, terminal)
    agenda = await device.phase("standby")
    assert agenda["you"] == terminal["id"]
    assert agenda["classroom"] == {"id": VILLAGE, "name": "三年级教室", "school": "山坪小学"}
    lesson = agenda["lesson"]
    assert (lesson["id"], lesson["title"], lesson["teacher"]) == (LESSON, "分数的初步认识", "李红梅")
    assert (lesson["role"], lesson["state"], lesson["interactive"]) == ("linked", "planned", True)
    assert [listener["school"] for listener in lesson["listeners"]] == ["山坪小学", "高升小学"]

    await start(doors)
    assert (await device.phase("live"))["lesson"]["state"] == "live"
    token = await (await media_token(doors, terminal)).json()
    assert (token["role"], token["participant"], token["ttl_s"]) == ("classroom", terminal["id"], 900)
    answer = await doors.offer("whep", token["token"], await make_offer())
    assert answer.status == 201
    seen = await (await doors.ask("GET", f"/api/lessons/{LESSON}", token["token"])).json()
    assert [view["name"] for view in seen["participants"]] == ["山坪小学"]

    await end(doors)
    assert (await device.phase("over"))["lesson"]["id"] == LESSON


async def test_everybody_in_the_lesson_sees_who_is_ready_and_why_not(doors):
    by = await operator(doors)
    town = await connect(doors, await pair(doors, by, TOWN, "capture"))
    village_device = await pair(doors, by, VILLAGE)

    def village_is(agenda, **state):
        if agenda["lesson"] is None:
            return False
        listener = agenda["lesson"]["listeners"][0]
        return all(listener[name] == value for name, value in state.items())

    await town.agenda_with(lambda agenda: village_is(agenda, device_id=village_device["id"], online=False))
    village = await connect(doors, village_device)
    await town.agenda_with(lambda agenda: village_is(agenda, online=True, ready=False))
    await village.report(ok=False)
    await town.agenda_with(lambda agenda: village_is(agenda, ready=False, faults=["摄像头没有画面"]))
    await village.report(children=17)
    await town.agenda_with(lambda agenda: village_is(agenda, ready=True, faults=[], children=17))
    await town.report()
    await village.agenda_with(lambda agenda: agenda["lesson"]["main"]["ready"])
    await village.socket.close()
    await town.agenda_with(lambda agenda: village_is(agenda, online=False, ready=False))


async def test_of_two_terminals_in_a_room_one_counts_whichever_reports(doors):
    by = await operator(doors)
    town = await connect(doors, await pair(doors, by, TOWN, "capture"))
    former, latter = await pair(doors, by, VILLAGE), await pair(doors, by, VILLAGE)
    old, new = await connect(doors, former), await connect(doors, latter)
    await new.report(children=17)
    await old.report(children=3)
    await old.send(type="ping")
    await old.hear("pong")
    await new.report(children=18)

    def listener(agenda):
        return agenda["lesson"]["listeners"][0] if agenda["lesson"] else {"children": None}

    seen = []
    await town.agenda_with(lambda agenda: seen.append(listener(agenda)) or listener(agenda)["children"] == 18)
    counted = [(one["device_id"], one["children"]) for one in seen if one["children"] is not None]
    assert set(counted) <= {(latter["id"], 17), (latter["id"], 18)}
    await new.socket.close()
    await town.agenda_with(lambda agenda: listener(agenda)["device_id"] == former["id"])


async def test_a_report_outlives_the_server(tmp_path):
    async with running(tmp_path, timezone=NOON) as doors:
        await fill(doors)
        by = await operator(doors)
        terminal = await pair(doors, by, VILLAGE)
        device = await connect(doors, terminal)
        await device.report(children=17)
        await device.send(type="ping")
        await device.hear("pong")
    async with running(tmp_path, timezone=NOON) as doors:
        by = await operator(doors)
        await (await connect(doors, terminal)).phase("standby")
        [seen] = (await (await by.ask("GET", "/api/terminals")).json())["terminals"]
    assert (seen["version"], seen["report"]["children"], seen["online"]) == ("1.0", 17, True)
    assert (seen["school"], seen["classroom"], seen["lesson"]["id"]) == ("山坪小学", "三年级教室", LESSON)


async def test_a_server_that_starts_anew_finds_every_room_in_its_phase(tmp_path):
    async with running(tmp_path, timezone=NOON) as doors:
        await fill(doors)
        by = await operator(doors)
        terminal = await pair(doors, by, VILLAGE)
        device = await connect(doors, terminal)
        await start(doors)
        await device.phase("live")
        await doors.node.service.drain()
    async with running(tmp_path, timezone=NOON) as doors:
        await opened(doors)
        device = await connect(doors, terminal)
        assert (await device.phase("live"))["lesson"]["id"] == LESSON
        token = await (await media_token(doors, terminal)).json()
        assert (await doors.offer("whep", token["token"], await make_offer())).status == 201


async def test_a_change_of_the_plan_is_told_at_once(doors):
    device = await connect(doors, await pair(doors, await operator(doors), VILLAGE))
    await device.phase("standby")
    await cancel(doors)
    agenda = await device.phase("idle")
    assert (agenda["lesson"], agenda["next"]) == (None, None)
    await plan_lesson(doors.node.database, "art", 1800)
    doors.node.day.plans_changed()
    assert (await device.agenda_with(lambda agenda: agenda["next"]))["next"]["id"] == "art"


@pytest.mark.parametrize("days_ago", [0.1, 3])
async def test_a_lesson_that_is_held_long_after_its_end_has_its_title_and_a_bell(doors, days_ago):
    await plan_lesson(doors.node.database, "art", -days_ago * 86_400, title="剪纸")
    doors.node.day.plans_changed()
    terminal = await connect(doors, await pair(doors, await operator(doors), HAMLET))
    token = doors.token("teacher", "art")
    await start(doors, "art")
    async with asyncio.timeout(30):
        while (told := (await (await doors.ask("GET", "/api/lessons/art", token)).json())["lesson"])["title"] != "剪纸":
            await asyncio.sleep(0.05)
        agenda = await terminal.phase("live")
    lasts = datetime.fromisoformat(told["ends_at"]) - datetime.fromisoformat(told["started_at"])
    assert lasts == timedelta(minutes=40)
    assert agenda["lesson"]["id"] == "art"
    await end(doors, "art")


async def test_the_clock_alone_leads_into_standby(tmp_path):
    async with running(tmp_path, timezone=NOON) as doors:
        now = datetime.now(UTC)  # stands still until the device has been told what comes next
        doors.node.day._wall = lambda: now
        await fill(doors, starts_in_s=STANDBY.total_seconds() + 1.0)
        device = await connect(doors, await pair(doors, await operator(doors), VILLAGE))
        agenda = await device.agenda_with(lambda agenda: agenda["next"])
        assert (agenda["phase"], agenda["next"]["id"]) == ("idle", LESSON)
        now = datetime.fromisoformat(agenda["next"]["starts_at"]) - STANDBY + timedelta(seconds=1)
        assert (await device.phase("standby"))["lesson"]["id"] == LESSON


async def test_who_is_revoked_is_out_at_once(doors):
    by = await operator(doors)
    terminal, capture = await pair(doors, by, VILLAGE), await pair(doors, by, TOWN, "capture")
    device = await connect(doors, terminal)
    await device.phase("standby")
    await start(doors)
    token = (await (await media_token(doors, terminal)).json())["token"]
    control = await doors.client.ws_connect(f"/ws/{LESSON}")
    await control.send_json({"type": "hello", "token": token, "name": ""})
    assert (await control.receive_json())["type"] == "snapshot"
    assert (await doors.offer("whep", token, await make_offer())).status == 201
    assert doors.node.service.sessions(publishing=False) == 1

    assert (await by.ask("DELETE", f"/api/terminals/{terminal['id']}")).status == 204
    await device.hear("revoked")
    assert await device.closed() == 4401
    while (await control.receive()).type is WSMsgType.TEXT:
        pass
    assert doors.node.service.sessions(publishing=False) == 0
    assert (await doors.offer("whep", token, await make_offer())).status == 401
    assert (await media_token(doors, terminal)).status == 401
    again = await connect(doors, terminal)
    assert (await again.hear("error"))["code"] == "unauthorized"
    assert await again.closed() == 4401
    control = await doors.client.ws_connect(f"/ws/{LESSON}")
    await control.send_json({"type": "hello", "token": token, "name": ""})
    assert (await control.receive_json())["code"] == "unauthorized"
    left = (await (await by.ask("GET", "/api/terminals")).json())["terminals"]
    assert [known["id"] for known in left] == [capture["id"]]


async def test_a_terminal_that_another_stands_in_for_leaves_the_lesson_at_once(doors):
    by = await operator(doors)
    gone, stays = await pair(doors, by, VILLAGE), await pair(doors, by, HAMLET)
    await start(doors)
    device = await connect(doors, gone)
    for terminal in (gone, stays):
        control = await doors.client.ws_connect(f"/ws/{LESSON}")
        token = (await (await media_token(doors, terminal)).json())["token"]
        await control.send_json({"type": "hello", "token": token, "name": ""})
        assert (await control.receive_json())["type"] == "snapshot"
        await control.close()

    async def shown() -> set[str]:
        told = await (await doors.ask("GET", f"/api/lessons/{LESSON}", doors.token("teacher"))).json()
        return {participant["id"] for participant in told["participants"]}

    second = await pair(doors, by, VILLAGE)
    assert await shown() == {gone["id"], stays["id"]}, "a room may have two that are there"
    assert (await by.ask("DELETE", f"/api/terminals/{second['id']}")).status == 204
    await device.socket.close()
    async with asyncio.timeout(30):
        while doors.node.day.presence.find(gone["id"]).online:
            await asyncio.sleep(0.05)
    await pair(doors, by, VILLAGE)
    assert await shown() == {stays["id"]}


async def test_what_was_revoked_stays_so_when_the_server_starts_anew(tmp_path):
    async with running(tmp_path, timezone=NOON) as doors:
        await fill(doors)
        by = await operator(doors)
        terminal = await pair(doors, by, VILLAGE)
        await (await connect(doors, terminal)).phase("standby")
        await start(doors)
        token = (await (await media_token(doors, terminal)).json())["token"]
        assert (await by.ask("DELETE", f"/api/terminals/{terminal['id']}")).status == 204
    async with running(tmp_path, timezone=NOON) as doors:
        other = await pair(doors, await operator(doors), HAMLET)
        await (await connect(doors, other)).phase("live")
        assert (await doors.offer("whep", token, await make_offer())).status == 401


async def test_a_page_of_another_site_gets_no_device_socket(doors):
    terminal = await pair(doors, await operator(doors), VILLAGE)
    cookie = {"Cookie": f"device={terminal['credential']}"}
    host = f"{doors.client.host}:{doors.client.port}"
    assert await (await connect(doors, None, **cookie, Origin="https://evil.example")).closed() == 4401
    assert await (await connect(doors, None, **cookie)).closed() == 4401
    assert await (await connect(doors, None, **cookie, Origin="http://[")).closed() == 4401
    assert await (await connect(doors, None, Origin=f"http://{host}")).closed() == 4401
    await (await connect(doors, None, **cookie, Origin=f"http://{host}")).phase("standby")


async def test_who_is_no_device_cannot_try_without_end(tmp_path):
    async with running(tmp_path, bad_tokens_per_minute=2, timezone=NOON) as doors:
        await fill(doors)
        terminal = await pair(doors, await operator(doors), VILLAGE)
        for _ in range(2):
            assert await (await connect(doors, None)).closed() == 4401
        assert (await doors.ask("GET", "/ws/device")).status == 429
        await (await connect(doors, terminal)).phase("standby")  # a good one is always let in


async def test_a_credential_is_told_when_it_is_good_and_not_before(doors):
    by = await operator(doors)
    begun = await (await doors.ask("POST", "/api/pairing", json={"kind": "capture"})).json()
    desk = doors.client.app[CONTEXT].pairings
    async with doors.node.database.writing():  # whoever writes now has to wait
        given = {"code": begun["code"], "classroom_id": TOWN}
        assigning = asyncio.create_task(by.ask("POST", "/api/terminals", json=given))
        while not desk.poll(begun["poll"], datetime.now(UTC)).taken:
            await asyncio.sleep(0.01)
        assert (await doors.ask("POST", "/api/pairing/poll", json={"poll": begun["poll"]})).status == 202
    assert (await assigning).status == 201
    assert (await doors.ask("POST", "/api/pairing/poll", json={"poll": begun["poll"]})).status == 200


@pytest.mark.parametrize(
    ("method", "where", "changes"),
    [
        ("PUT", "", {"disabled": True}),
        ("PUT", "", {"person_id": None}),
        ("POST", "/password", None),
        ("DELETE", "/oidc", None),
        ("DELETE", "", None),
    ],
)
async def test_whose_account_is_not_what_it_was_is_out_of_the_lesson_at_once(doors, method, where, changes):
    by = await operator(doors)
    teacher = await signed_in(doors, "teacher", person_id=TEACHER, school_id=1, name="李红梅")
    token = (await (await teacher.ask("POST", f"/api/lessons/{LESSON}/token")).json())["token"]
    control = await doors.client.ws_connect(f"/ws/{LESSON}")
    await control.send_json({"type": "hello", "token": token, "name": ""})
    assert (await control.receive_json())["type"] == "snapshot"
    path = f"/api/accounts/{teacher.id}"
    account = await (await by.ask("GET", path)).json()
    renamed = {**{name: account[name] for name in ("role", "person_id", "school_id")}, "name": "李小梅"}
    assert (await by.ask("PUT", path, json=renamed)).status == 200
    assert (await doors.ask("GET", f"/api/lessons/{LESSON}", token)).status == 404  # a name is not what it is about
    body = None if changes is None else {**renamed, **changes}
    assert (await by.ask(method, path + where, json=body)).status in (200, 204)
    while (await control.receive()).type is WSMsgType.TEXT:
        pass
    assert (await doors.ask("POST", f"/api/lessons/{LESSON}/start", token)).status == 401


@pytest.mark.parametrize("command", ["disable", "passwd"])
async def test_what_is_done_on_the_machine_is_known_to_the_server_within_seconds(doors, command):
    """``classroom account`` is another process: it ends sessions; connections and tokens are the server's."""
    teacher = await signed_in(doors, "teacher", login="li", person_id=TEACHER, school_id=1)
    answer = await (await teacher.ask("POST", f"/api/lessons/{LESSON}/token")).json()
    token = answer["token"]
    assert (await doors.ask("POST", f"/api/lessons/{LESSON}/start", token)).status == 200
    async with doors.client.ws_connect(f"/ws/{LESSON}") as socket:
        await socket.send_json({"type": "hello", "token": token})
        assert (await socket.receive_json())["type"] == "snapshot"
        folder = doors.node._root
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "classroom", "account", command, "li", "--recordings", folder
        )
        assert await process.wait() == 0
        async with asyncio.timeout(30):
            while (await socket.receive()).type is WSMsgType.TEXT:
                pass
        assert (await doors.ask("GET", f"/api/lessons/{LESSON}", token)).status == 401
    assert (await teacher.ask("GET", "/api/today")).status == 401


async def test_what_was_withdrawn_stays_so_when_the_server_starts_anew(tmp_path, monkeypatch):
    monkeypatch.setattr("classroom.composition.FIRST_LOOK_S", 30)
    async with running(tmp_path, timezone=NOON) as doors:
        await fill(doors)
        teacher = await signed_in(doors, "teacher", person_id=TEACHER, school_id=1)
        boss = await signed_in(doors, "operator")
        token = (await (await teacher.ask("POST", f"/api/lessons/{LESSON}/token")).json())["token"]
        assert (await doors.ask("POST", f"/api/lessons/{LESSON}/start", token)).status == 200
        assert (await boss.ask("DELETE", f"/api/accounts/{teacher.id}")).status == 204
    async with running(tmp_path, timezone=NOON) as doors:
        assert (await doors.ask("GET", f"/api/lessons/{LESSON}", token)).status == 401
    (tmp_path / ".state/withdrawn.json").unlink()  # as if it had been done while the server was stopped
    async with running(tmp_path, timezone=NOON) as doors:
        assert (await doors.ask("GET", f"/api/lessons/{LESSON}", token)).status == 401


async def test_without_its_database_a_server_goes_on_with_lessons_and_lets_nobody_in_who_was_shown_out(tmp_path):
    database = await asyncio.to_thread(Postgres)
    try:
        url = await asyncio.to_thread(database.new_database)
        async with running(tmp_path, database_url=url, timezone=NOON) as doors:
            await fill(doors)
            boss = await operator(doors)
            teacher = await signed_in(doors, "teacher", person_id=TEACHER, school_id=1)
            device = await pair(doors, boss, VILLAGE)
            stays = (await (await boss.ask("POST", f"/api/lessons/{LESSON}/token")).json())["token"]
            gone = [
                (await (await teacher.ask("POST", f"/api/lessons/{LESSON}/token")).json())["token"],
                (await (await media_token(doors, device)).json())["token"],
            ]
            assert (await doors.ask("POST", f"/api/lessons/{LESSON}/start", stays)).status == 200
            assert (await boss.ask("DELETE", f"/api/accounts/{teacher.id}")).status == 204
            assert (await boss.ask("DELETE", f"/api/terminals/{device['id']}")).status == 204
        await asyncio.to_thread(database.stop)
        async with running(tmp_path, database_url=url, timezone=NOON) as doors:
            assert [(await doors.ask("GET", f"/api/lessons/{LESSON}", token)).status for token in gone] == [401, 401]
            answer = await doors.ask("GET", f"/api/lessons/{LESSON}", stays)
            assert (await answer.json())["lesson"]["state"] == "live"
    finally:
        await asyncio.to_thread(database.close)


async def test_a_memory_that_cannot_be_read_keeps_no_server_from_starting(tmp_path):
    async with running(tmp_path, timezone=NOON) as doors:
        await fill(doors)
    for damage in ("", "{", "[]", '{"a1": "yesterday"}', '{"a1": 1e300}'):
        (tmp_path / ".state/withdrawn.json").write_text(damage)
        async with running(tmp_path, timezone=NOON) as doors:
            assert (await doors.ask("GET", f"/api/lessons/{LESSON}", doors.token("teacher", LESSON))).status == 404


async def close_code(socket) -> int:
    async with asyncio.timeout(30):
        while (await socket.receive()).type is WSMsgType.TEXT:
            pass
    return socket.close_code


async def test_of_too_many_sockets_of_a_device_the_oldest_gives_way(doors):
    device = await pair(doors, await operator(doors), VILLAGE)
    headers = {"Authorization": f"Bearer {device['credential']}"}
    sockets = []
    for _ in range(OF_DEVICE + 2):
        sockets.append(await doors.client.ws_connect("/ws/device", headers=headers))
        assert (await sockets[-1].receive_json())["type"] == "agenda"
    assert [await close_code(socket) for socket in sockets[:2]] == [4409, 4409]
    for socket in sockets[2:]:
        await socket.send_json({"type": "ping"})
        assert (await socket.receive_json())["type"] == "pong"
        await socket.close()
    late = await doors.client.ws_connect("/ws/device", headers=headers)
    assert (await late.receive_json())["type"] == "agenda"


@pytest.mark.parametrize("who", ["person", "device"])
async def test_of_too_many_connections_to_lessons_the_oldest_gives_way(doors, who):
    if who == "person":
        visitor = await signed_in(doors, "teacher", person_id=TEACHER, school_id=1)
        token, most = (await (await visitor.ask("POST", f"/api/lessons/{LESSON}/token")).json())["token"], OF_PERSON
    else:
        device = await pair(doors, await operator(doors), VILLAGE)
        token, most = (await (await media_token(doors, device)).json())["token"], OF_DEVICE
    sockets = []
    for _ in range(most + 1):
        socket = await doors.client.ws_connect(f"/ws/{LESSON}")
        await socket.send_json({"type": "hello", "token": token})
        assert (await socket.receive_json())["type"] == "snapshot"
        sockets.append(socket)
    assert await close_code(sockets[0]) == 4409
    for socket in sockets[1:]:
        await socket.send_json({"type": "ping"})
        while (await socket.receive_json())["type"] != "pong":
            pass


async def test_bad_messages_are_told_and_the_socket_lives_on(doors):
    device = await connect(doors, await pair(doors, await operator(doors), VILLAGE))
    await device.phase("standby")
    for text in ("no json", '{"type": "report"}', '{"type": "report", "version": "1", "checks": {}, "children": -1}'):
        await device.socket.send_str(text)
        assert (await device.hear("error"))["code"] == "bad_message"
    await device.socket.send_bytes(b"1")
    await device.hear("error")
    await device.send(type="ping")
    await device.hear("pong")


async def test_the_volume_is_told_now_and_to_who_comes_later(doors):
    by = await operator(doors)
    terminal = await pair(doors, by, VILLAGE)
    path = f"/api/terminals/{terminal['id']}/volume"
    assert (await by.ask("PUT", path, json={"volume": 30})).status == 204
    device = await connect(doors, terminal)
    assert (await device.hear("configure"))["volume"] == 30
    assert (await by.ask("PUT", path, json={"volume": 80})).status == 204
    assert (await device.hear("configure"))["volume"] == 80
    assert (await by.ask("PUT", path, json={"volume": None})).status == 204
    assert (await device.hear("configure"))["volume"] is None
    for wrong in ({"volume": 101}, {"volume": "30"}, {}):
        assert (await by.ask("PUT", path, json=wrong)).status == 422
    assert (await by.ask("PUT", "/api/terminals/nobody/volume", json={"volume": 1})).status == 404


# --- pairing -----------------------------------------------------------------------------------------------------


async def test_what_was_planned_before_is_told_while_new_plans_are_made(doors):
    terminal = await pair(doors, await operator(doors), VILLAGE)
    node, planned = doors.node, asyncio.Event()
    day = SchoolDay(node.region.plans, Devices(node.database), node.service, node.region.zone, planned.wait)
    following = asyncio.create_task(day.follow())
    try:
        async with asyncio.timeout(30):
            await day.ready()
        with day.connect(await day.know(terminal["id"])) as feed:
            agenda = await feed.take()
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
    assert agenda.lesson.id == LESSON and not planned.is_set()
