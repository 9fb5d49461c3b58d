"""A district whose names are as long as they come, with full days and empty ones: what pages must bear."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from aiohttp import ClientSession
from sqlalchemy import insert

from classroom.catalogue.accounts.credentials import hash_of, new_credential
from classroom.catalogue.accounts.schema import accounts, devices
from classroom.catalogue.accounts.sessions import Sessions
from classroom.catalogue.database import Database, database_url
from classroom.catalogue.region import schema
from classroom.catalogue.schema import lessons
from tests.browser.terminals import Operator
from tests.running import LESSON, Server, noon_somewhere, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from aiohttp import ClientWebSocketResponse
    from playwright.async_api import Browser, BrowserContext

TOWN, TEACHERS = 1, ("lihongmei", "abdurehim", "luosang", "zhangwei")
BUSY, ONE, IDLE, DONE = range(1, 5)  # their lessons today: six, one, none, and two that are over
SCHOOLS = [
    ("龙岗小学", "录播教室"),
    ("山坪小学", "三年级教室"),
    ("阿坝藏族羌族自治州松潘县川主寺镇中心小学校", "三年级（2）班多媒体互动教室"),
    ("高升小学", "多媒体室"),
    ("石桥教学点", "复式班"),
    ("凉山彝族自治州美姑县洪溪镇拉木阿觉民族寄宿制小学", "三年级1班"),
    ("曙光小学", "三(1)班"),
    ("龙水镇中心小学", "同步课堂教室"),
    ("千佛村小学", "三年级复式班"),
    ("宝峰小学", "三年级1班"),
    ("阿坝藏族羌族自治州若尔盖县辖曼镇九年一贯制学校", "五年级（1）班多媒体互动教室"),
    ("铁溪小学", "三年级1班"),
    ("双塔小学", "一年级教室"),
]
LISTENING = range(2, 11)  # the rooms of the lesson that is due: nine, as many as have a number key
SOON, LATER, NEVER = 11, 12, 13  # rooms by when they have a lesson
OTHER = 8  # the room from which others teach
NAMES = ["李红梅", "阿卜杜热依木·买买提托合提", "洛桑次仁卓玛央金", "张伟"]


@dataclass
class Place:
    """The server, and who belongs to it."""

    server: Server
    zone: str
    sessions: dict[str, str]
    credentials: dict[int, tuple[str, str]]  # id and credential of the device, by classroom

    async def context(self, browser: Browser, login: str = "", *, room: int = 0, **options: Any) -> BrowserContext:
        """A browser of somebody who has signed in, of a stranger, or of the terminal of a classroom."""
        context = await browser.new_context(timezone_id=self.zone, reduced_motion="reduce", **options)
        if login:
            await context.add_cookies([{"name": "session", "value": self.sessions[login], "url": self.server.url}])
        if room:
            await context.add_cookies([{"name": "device", "value": self.credentials[room][1], "url": self.server.url}])
        return context

    async def token(self, lesson: str, *, login: str = "", room: int = 0) -> str:
        """A token for a lesson, of a teacher or of the device of a classroom."""
        cookie = f"session={self.sessions[login]}" if login else f"device={self.credentials[room][1]}"
        async with ClientSession(self.server.url, headers={"Cookie": cookie}) as http:
            async with http.get("/api/session") as response:
                said = await response.json()
            headers = {"X-CSRF": said["csrf"] if login else said["device"]["csrf"]}
            async with http.post(f"/api/lessons/{lesson}/token", headers=headers) as response:
                assert response.ok, await response.text()
                return str((await response.json())["token"])

    @contextlib.asynccontextmanager
    async def switched_on(self, faults: dict[int, str | None]) -> AsyncIterator[None]:
        """Devices that have tested themselves, by classroom; with what is wrong, if anything is."""
        async with ClientSession(self.server.url) as http, contextlib.AsyncExitStack() as stack:
            for room, fault in faults.items():
                headers = {"Authorization": f"Bearer {self.credentials[room][1]}"}
                socket = await stack.enter_async_context(http.ws_connect("/ws/device", headers=headers))
                camera = {"ok": fault is None, "text": fault or ""}
                checks = {"camera": camera, "microphone": {"ok": True}}
                children = None if room == TOWN else 10 + 3 * room
                report = {"type": "report", "version": "1.0", "checks": checks, "children": children}
                await socket.send_json(report)
                stack.callback(asyncio.create_task(_drained(socket)).cancel)
            yield


async def _drained(socket: ClientWebSocketResponse) -> None:
    async for _ in socket:
        pass


def _plans(now: datetime) -> list[dict[str, Any]]:
    """Today: of the busy teacher two lessons before, one that is due, three after; of the others what fits."""

    def plan(lesson: str, teacher: int, after_min: float, title: str, rooms: Sequence[int], **columns: Any) -> None:
        starts_at = now + timedelta(minutes=after_min)
        about = {"title": title, "subject": "数学", "grade": "三年级", "period": 3, "classroom_id": TOWN, **columns}
        hours = {"starts_at": starts_at, "ends_at": starts_at + timedelta(minutes=40)}
        plans.append({"id": lesson, "teacher_id": teacher, "rooms": rooms, **hours, **about})

    plans: list[dict[str, Any]] = []
    plan("early", BUSY, -150, "混合运算", (2, 4), period=1)
    plan("missed", BUSY, -95, "两位数乘一位数的笔算与估算练习课（第二课时）", (2, 3, 4), period=2)
    plan(LESSON, BUSY, -1, "分数的初步认识", LISTENING)
    plan("next", BUSY, 50, "认识几分之几", (2, 3), period=4)
    plan("later", BUSY, 110, "分数的简单计算", (LATER,), period=5)
    plan("last", BUSY, 165, "整理和复习：分数的意义、比较大小与解决问题的策略", (2,), period=6)
    plan("one", ONE, 6, "草原", (3, 6, SOON), classroom_id=OTHER, subject="语文", grade="五年级")
    for n, lesson in enumerate(("over-1", "over-2")):
        plan(
            lesson, DONE, -170 + 55 * n, "小池", (2,), classroom_id=OTHER, subject="语文", grade="一年级", period=n + 1
        )
    return plans


async def _fill(database: Database, zone: str) -> tuple[dict[str, str], dict[int, tuple[str, str]]]:
    await database.open()
    now = datetime.now(UTC)
    room_ids = range(1, len(SCHOOLS) + 1)
    credentials = {room: (new_credential()[:16], new_credential()) for room in room_ids}
    async with database.writing() as connection:

        async def add(table: Any, rows: list[dict[str, Any]]) -> None:
            await connection.execute(insert(table), rows)

        await add(schema.districts, [{"id": 1, "code": "500111", "name": "大足区", "parent_id": None}])
        await add(schema.schools, [
            {"id": n, "code": f"50011100{n:02}", "name": f"大足区{name}", "short_name": name, "district_id": 1}
            for n, (name, _) in enumerate(SCHOOLS, 1)
        ])  # fmt: skip
        await add(schema.classrooms, [
            {"id": n, "school_id": n, "name": room, "leads": n in (TOWN, OTHER)}
            for n, (_, room) in enumerate(SCHOOLS, 1)
        ])  # fmt: skip
        await add(schema.people, [
            {"id": n, "kind": "staff", "name": name, "school_id": 1, "staff_number": f"{n}"}
            for n, name in enumerate(NAMES, 1)
        ])  # fmt: skip
        for plan in _plans(now):
            about = {name: plan[name] for name in ("id", "title", "grade", "subject")}
            await add(lessons, [{**about, "keywords": []}])
            names = ("period", "starts_at", "ends_at", "classroom_id", "teacher_id", "subject")
            on_date = plan["starts_at"].astimezone(ZoneInfo(zone)).date()
            columns = {name: plan[name] for name in names} | {"on_date": on_date}
            flags = {"interactive": True, "changed": False}
            await add(schema.lesson_plans, [{"lesson_id": plan["id"], **columns, **flags}])
            if plan["rooms"]:
                rows = [{"lesson_id": plan["id"], "classroom_id": room} for room in plan["rooms"]]
                await add(schema.lesson_listeners, rows)
        await add(devices, [
            {"id": device, "credential_hash": hash_of(credential), "classroom_id": room, "paired_at": now,
             "kind": "capture" if room == TOWN else "terminal", "name": "大屏幕"}
            for room, (device, credential) in credentials.items()
        ])  # fmt: skip
        flags = {"must_change": False, "disabled": False, "created_at": now}
        await add(accounts, [
            {"id": n, "login": login, "name": name, "role": "teacher", "person_id": n, "school_id": 1, **flags}
            for n, (login, name) in enumerate(zip(TEACHERS, NAMES, strict=True), 1)
        ])  # fmt: skip
        operator = {"id": 5, "login": "wang", "name": "王管理员", "role": "operator", "district_id": 1, **flags}
        new = {"id": 6, "login": "new", "name": "才来的老师", "role": "teacher", "school_id": 1, **flags}
        await connection.execute(insert(accounts).values(**operator))
        await connection.execute(insert(accounts).values(**{**new, "must_change": True}))
    logins = (*TEACHERS, "wang", "new")
    begin = Sessions(database).begin
    return {login: await begin(n, "127.0.0.1", now) for n, login in enumerate(logins, 1)}, credentials


@contextlib.asynccontextmanager
async def wide_district(folder: Path) -> AsyncIterator[Place]:
    """A server over it, in a time zone in which it is about noon; the lessons that are over have been held."""
    state, zone = folder / ".state", noon_somewhere(datetime.now(UTC))
    state.mkdir(parents=True)
    database = Database(database_url(None, state))
    try:
        sessions, credentials = await _fill(database, zone)
    finally:
        await database.close()
    async with serving(folder, CLASSROOM_TIMEZONE=zone) as server:
        place = Place(server, zone, sessions, credentials)
        await Operator(server, sessions["wang"]).until_open()
        for lesson, login in (("early", "lihongmei"), ("over-1", "zhangwei"), ("over-2", "zhangwei")):
            token = await place.token(lesson, login=login)
            assert await server.post(f"/api/lessons/{lesson}/start", token) == 200
            assert await server.post(f"/api/lessons/{lesson}/end", token) == 200
        yield place
