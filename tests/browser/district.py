"""A small district whose lesson is on now, from a spreadsheet as an office makes it, and who belongs to it."""

from __future__ import annotations

import asyncio
import contextlib
import io
import subprocess
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from aiohttp import ClientSession, CookieJar
from openpyxl import Workbook

from tests.browser.terminals import Operator
from tests.running import CLASSROOM, noon_somewhere, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.running import Server

TOWN = "5001110001"
VILLAGES = {"山坪小学": "5001110011", "石篆小学": "5001110012", "铁溪小学": "5001110013"}
ROOM = "多媒体教室"
TITLE = "分数的初步认识"
LESSON_MIN = 40
PASSWORD = "kapok-tree-5001"  # that everybody has chosen after the first one

Rows = list[list[str | int | date | time]]


def workbook(now: datetime) -> bytes:
    """What the office has: the lesson of the first period began a minute ago, local time ``now``."""
    starts = now.replace(second=0, microsecond=0) - timedelta(minutes=1)
    today = now.date()
    bells: Rows = []
    for period, after_min in ((1, 0), (2, 50)):
        begins = starts + timedelta(minutes=after_min)
        ends = begins + timedelta(minutes=LESSON_MIN)
        bells.append([TOWN, "作息", today - timedelta(days=30), period, begins.time(), ends.time()])
    weekday = "一二三四五六日"[today.weekday()]
    sheets: dict[str, tuple[str, Rows]] = {
        "区划": ("区划代码 名称 上级代码", [["500000", "重庆市", ""], ["500111", "大足区", "500000"]]),
        "学校": (
            "学校代码 学校名称 简称 区划代码",
            [[TOWN, "大足区龙岗小学", "龙岗小学", "500111"]]
            + [[code, f"大足区{name}", name, "500111"] for name, code in VILLAGES.items()],
        ),
        "教室": (
            "学校代码 教室名称 可主讲",
            [[TOWN, "录播教室", "是"], *([code, ROOM, "否"] for code in VILLAGES.values())],
        ),
        "班级": (
            "学校代码 年级 班级 人数",
            [[TOWN, "三年级", "2班", 45], *([code, "三年级", "1班", 11] for code in VILLAGES.values())],
        ),
        "教职工": ("学校代码 工号 姓名 学科", [[TOWN, "L101", "李红梅", "数学"]]),
        "学期": ("学期 开始日期 结束日期", [["秋季学期", today - timedelta(days=30), today + timedelta(days=90)]]),
        "作息": ("学校代码 作息名称 启用日期 节次 上课 下课", bells),
        "课表": (
            "学期 星期 节次 学校代码 主讲教室 年级 班级 教师工号 学科 课题 听讲学校代码 听讲教室 听讲年级 听讲班级",
            [
                ["秋季学期", f"周{weekday}", period, TOWN, "录播教室", "三年级", "2班", "L101", "数学", title, code,
                 ROOM, "三年级", "1班"]
                for period, title in ((1, TITLE), (2, "认识几分之几"))
                for code in VILLAGES.values()
            ],
        ),
    }  # fmt: skip
    book = Workbook(write_only=True)
    for name, (headers, rows) in sheets.items():
        sheet = book.create_sheet(name)
        sheet.append(headers.split())
        for row in rows:
            sheet.append(row)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


async def signed_in(server: Server, login: str, first_password: str) -> str:
    """The cookie of the session of somebody who was given a first password, and has chosen another."""
    async with ClientSession(server.url, cookie_jar=CookieJar(unsafe=True)) as http:
        said = {"login": login, "password": first_password}
        async with http.post("/api/session", json=said) as response:
            assert response.status == 204, await response.text()
        async with http.get("/api/session") as response:
            csrf = (await response.json())["csrf"]
        change, headers = {"old": first_password, "new": PASSWORD}, {"X-CSRF": csrf}
        async with http.put("/api/session/password", json=change, headers=headers) as response:
            assert response.status == 204, await response.text()
            return response.cookies["session"].value


class District:
    """A server with the district in it; ``operator`` looks after it."""

    def __init__(self, server: Server, operator: Operator) -> None:
        self.server = server
        self.operator = operator

    async def take_in(self, spreadsheet: bytes) -> None:
        """Import a spreadsheet, after a dry run that found nothing wrong."""
        dry = await self.operator.ask("POST", "/api/region/import", file=spreadsheet)
        assert (dry["applied"], dry["faults"]) == (False, [])
        done = await self.operator.ask("POST", "/api/region/import?apply=true", file=spreadsheet)
        assert done["applied"]

    async def room(self, school_code: str) -> int:
        """The id of the classroom of a school."""
        [school] = await self._found("schools", school_code)
        [room] = (await self.operator.ask("GET", f"/api/region/classrooms?school_id={school['id']}"))["items"]
        return int(room["id"])

    async def teacher(self) -> str:
        """Give the teacher an account; the cookie of the session that began with it."""
        [person] = await self._found("people", "李红梅")
        about = {"name": "李红梅", "role": "teacher", "person_id": person["id"], "school_id": person["school_id"]}
        made = await self.operator.ask("POST", "/api/accounts", {"login": "lihongmei", **about})
        return await signed_in(self.server, "lihongmei", made["password"])

    async def _found(self, kind: str, text: str) -> list[dict[str, Any]]:
        return list((await self.operator.ask("GET", f"/api/region/{kind}?q={text}"))["items"])


@contextlib.asynccontextmanager
async def district(folder: Path, ahead: timedelta = timedelta()) -> AsyncIterator[District]:
    """A server that starts with an account for the office, which then imports its spreadsheet.

    ``ahead``: how much later than a minute ago the first lesson begins.
    """
    zone = noon_somewhere(datetime.now(UTC))
    add = [*CLASSROOM, "account", "add", "wang", "--name", "王管理员", "--role", "operator"]
    made = await asyncio.create_subprocess_exec(*add, "--recordings", str(folder), stdout=subprocess.PIPE)
    out, _ = await made.communicate()
    assert made.returncode == 0
    async with serving(folder, CLASSROOM_TIMEZONE=zone) as server:
        cookie = await signed_in(server, "wang", out.decode().strip())
        found = District(server, Operator(server, cookie))
        await found.take_in(workbook(datetime.now(ZoneInfo(zone)) + ahead))
        yield found
