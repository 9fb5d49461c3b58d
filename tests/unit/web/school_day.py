"""A region with a lesson, and devices that are paired in it as people do it, for tests of the doors."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from aiohttp import WSMsgType
from sqlalchemy import insert, update

from classroom.catalogue.region import schema
from classroom.catalogue.schema import lessons
from classroom.config import Settings
from tests.unit.web.people import signed_in

if TYPE_CHECKING:
    from classroom.catalogue.database import Database
    from tests.unit.web.people import Visitor
    from tests.unit.web.running_node import Doors

SCHOOLS = ZoneInfo(Settings.model_fields["timezone"].default)
# A zone in which it is about noon when tests begin: what they plan for the next hours is of today, whenever they run.
_AHEAD_H = 12 - datetime.now(UTC).hour
NOON = f"Etc/GMT{-_AHEAD_H:+d}"  # in which "-8" is eight hours ahead

LESSON = "maths"
TOWN, VILLAGE, HAMLET, ELSEWHERE = 1, 2, 3, 4  # classrooms; and their schools
TEACHER, ASSISTANT = 1, 2  # people
DISTRICT, OTHER_DISTRICT = 2, 3

REGION: dict[Any, list[dict[str, Any]]] = {
    schema.districts: [
        {"id": 1, "code": "500000", "name": "重庆市", "parent_id": None},
        {"id": 2, "code": "500111", "name": "大足区", "parent_id": 1},
        {"id": 3, "code": "500120", "name": "璧山区", "parent_id": 1},
    ],
    schema.schools: [
        {"id": 1, "code": "5001110001", "name": "大足区龙岗小学", "short_name": "龙岗小学", "district_id": 2},
        {"id": 2, "code": "5001110002", "name": "大足区山坪小学", "short_name": "山坪小学", "district_id": 2},
        {"id": 3, "code": "5001110003", "name": "大足区高升小学", "short_name": "高升小学", "district_id": 2},
        {"id": 4, "code": "5001200001", "name": "璧山区实验小学", "short_name": "", "district_id": 3},
    ],
    schema.classrooms: [
        {"id": TOWN, "school_id": 1, "name": "录播教室", "leads": True},
        {"id": VILLAGE, "school_id": 2, "name": "三年级教室", "leads": False},
        {"id": HAMLET, "school_id": 3, "name": "多媒体室", "leads": False},
        {"id": ELSEWHERE, "school_id": 4, "name": "三年级1班", "leads": False},
    ],
    schema.people: [
        {"id": TEACHER, "kind": "staff", "name": "李红梅", "school_id": 1, "staff_number": "101"},
        {"id": ASSISTANT, "kind": "staff", "name": "陈志强", "school_id": 2, "staff_number": "201"},
    ],
}


async def fill(doors: Doors, starts_in_s: float = 300, **columns: Any) -> None:
    """The region, and one lesson in it: the town teaches, village and hamlet listen."""
    await fill_database(doors.node.database, starts_in_s, zone=doors.node.region.zone, **columns)
    doors.node.day.plans_changed()


async def fill_database(database: Database, starts_in_s: float = 300, **columns: Any) -> None:
    """The same where no server runs yet."""
    await database.open()
    async with database.writing() as connection:
        for table, rows in REGION.items():
            await connection.execute(insert(table), rows)
    await plan_lesson(database, LESSON, starts_in_s, **columns)


async def plan_lesson(
    database: Database,
    lesson: str,
    starts_in_s: float,
    listening: tuple[int, ...] = (VILLAGE, HAMLET),
    title: str = "分数的初步认识",
    zone: ZoneInfo = SCHOOLS,
    **columns: Any,
) -> None:
    """Another lesson of 40 minutes; ``zone`` is the server's."""
    starts_at = datetime.now(UTC) + timedelta(seconds=starts_in_s)
    values = {
        "lesson_id": lesson,
        "on_date": starts_at.astimezone(zone).date(),
        "period": 1,
        "starts_at": starts_at,
        "ends_at": starts_at + timedelta(minutes=40),
        "classroom_id": TOWN,
        "teacher_id": TEACHER,
        "subject": "数学",
        "interactive": True,
        "changed": False,
    }
    async with database.writing() as connection:
        about = {"id": lesson, "title": title, "grade": "三年级", "subject": "数学", "keywords": []}
        await connection.execute(insert(lessons), [about])
        await connection.execute(insert(schema.lesson_plans), [{**values, **columns}])
        rooms = [
            {"lesson_id": lesson, "classroom_id": room, "assistant_id": ASSISTANT if room == VILLAGE else None}
            for room in listening
        ]
        if rooms:
            await connection.execute(insert(schema.lesson_listeners), rooms)


async def cancel(doors: Doors, lesson: str = LESSON) -> None:
    """As an operator does it."""
    async with doors.node.database.writing() as connection:
        plan = schema.lesson_plans
        await connection.execute(update(plan).where(plan.c.lesson_id == lesson).values(state="cancelled"))
    doors.node.day.plans_changed()


async def operator(doors: Doors, **columns: Any) -> Visitor:
    """Somebody who may pair devices, everywhere unless ``columns`` say of which district."""
    return await signed_in(doors, "operator", **columns)


async def pair(doors: Doors, by: Visitor, classroom: int, kind: str = "terminal") -> dict[str, Any]:
    """Pair a device with its screen and an operator: its ``id`` and ``credential``."""
    begun = await (await doors.ask("POST", "/api/pairing", json={"kind": kind, "name": "一体机"})).json()
    poll = {"poll": begun["poll"]}
    assert (await doors.ask("POST", "/api/pairing/poll", json=poll)).status == 202
    given = await by.ask("POST", "/api/terminals", json={"code": begun["code"], "classroom_id": classroom})
    assert given.status == 201, await given.text()
    device = await given.json()
    answer = await doors.ask("POST", "/api/pairing/poll", json=poll)
    assert answer.status == 200
    cookie = answer.cookies.get("device")
    doors.client.session.cookie_jar.clear()  # it belongs to the terminal, not to whoever asks next
    device["credential"] = (await answer.json())["credential"] if cookie is None else cookie.value
    return device


class DeviceSocket:
    """A device that listens."""

    def __init__(self, socket: Any) -> None:
        self.socket = socket

    async def send(self, **message: Any) -> None:
        await self.socket.send_json(message)

    async def report(self, ok: bool = True, children: int | None = None) -> None:
        """What a self-test found."""
        camera = {"ok": ok, "text": "" if ok else "摄像头没有画面"}
        checks = {"camera": camera, "microphone": {"ok": True}}
        await self.send(type="report", version="1.0", checks=checks, children=children)

    async def hear(self, kind: str) -> dict[str, Any]:
        """The next message of this type."""
        async with asyncio.timeout(30):
            while True:
                message = json.loads(await self.socket.receive_str())
                if message["type"] == kind:
                    return message

    async def phase(self, phase: str) -> dict[str, Any]:
        """The first agenda with this phase."""
        while (agenda := await self.hear("agenda"))["phase"] != phase:
            pass
        return agenda

    async def agenda_with(self, condition: Any) -> dict[str, Any]:
        """The first agenda that is so."""
        while not condition(agenda := await self.hear("agenda")):
            pass
        return agenda

    async def closed(self) -> int:
        """The code with which the server has closed."""
        async with asyncio.timeout(30):
            while True:
                frame = await self.socket.receive()
                if frame.type in (WSMsgType.CLOSE, WSMsgType.CLOSED, WSMsgType.CLOSING):
                    return self.socket.close_code


async def connect(doors: Doors, device: dict[str, Any] | None, **headers: str) -> DeviceSocket:
    """The socket of a device, by its credential."""
    given = {} if device is None else {"Authorization": f"Bearer {device['credential']}"}
    return DeviceSocket(await doors.client.ws_connect("/ws/device", headers={**given, **headers}))


async def media_token(doors: Doors, device: dict[str, Any], lesson: str = LESSON) -> Any:
    """The answer to a device that asks for a token."""
    return await doors.ask("POST", f"/api/lessons/{lesson}/token", device["credential"])


async def start(doors: Doors, lesson: str = LESSON) -> None:
    """Start a lesson as its teacher does."""
    assert (await doors.ask("POST", f"/api/lessons/{lesson}/start", doors.token("teacher", lesson))).status == 200
