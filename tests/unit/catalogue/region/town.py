"""A small region for tests: a town school that leads, two village schools that listen, and the bells of each."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from classroom.catalogue.database import SQLITE_FILE, Database, database_url
from classroom.catalogue.region.calendar import Bell
from classroom.catalogue.region.region import Region
from classroom.catalogue.region.values import (
    BellSchedule,
    Classroom,
    District,
    Listener,
    Person,
    PersonKind,
    PlannedLesson,
    School,
    SchoolClass,
    Subscription,
    Term,
    TimetableEntry,
)
from tests.databases import postgres
from tests.unit.catalogue.entries import new_url

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SECRET = "s" * 32
ZONE = ZoneInfo("Asia/Shanghai")
WEDNESDAY = date(2026, 11, 25)  # of the 13th week
NOW = datetime(2026, 11, 25, 0, 0, tzinfo=UTC)  # 8:00
TERM = Term("2026年秋", date(2026, 9, 1), date(2027, 1, 22))


def bells(first: str, minutes: int = 40, pause: int = 10, periods: int = 6) -> tuple[Bell, ...]:
    """Periods one after the other."""
    at = int(first[:2]) * 60 + int(first[3:])
    found = []
    for period in range(1, periods + 1):
        found.append(Bell(period, time(*divmod(at, 60)), time(*divmod(at + minutes, 60))))
        at += minutes + pause
    return tuple(found)


@dataclass
class Clock:
    """What time it is."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Town:
    """A region with the ids of what is in it, by short names."""

    region: Region
    clock: Clock
    ids: dict[str, int] = field(default_factory=dict)

    def entry(self, **changed: Any) -> TimetableEntry:
        """三年级1班 语文 of 李红梅, on Wednesdays in the second period, in the town's first studio."""
        values: dict[str, Any] = {
            "term_id": self.ids["term"],
            "weekday": 3,
            "period": 2,
            "classroom_id": self.ids["studio"],
            "teacher_id": self.ids["li"],
            "subject": "语文",
            "class_id": self.ids["town 3.1"],
        }
        return TimetableEntry(**{**values, **changed})

    def listener(self, room: str, class_id: str | None = None) -> Listener:
        return Listener(self.ids[room], None if class_id is None else self.ids[class_id])

    def subscription(self, **changed: Any) -> Subscription:
        """山坪小学 三年级1班 listens to 三年级1班 of the town in 语文."""
        values: dict[str, Any] = {
            "term_id": self.ids["term"],
            "class_id": self.ids["shanping 3.1"],
            "main_class_id": self.ids["town 3.1"],
            "subject": "语文",
            "classroom_id": self.ids["shanping room"],
            "assistant_id": self.ids["chen"],
        }
        return Subscription(**{**values, **changed})

    def lesson(self, **changed: Any) -> PlannedLesson:
        """A lesson by hand, this Wednesday at 15:00."""
        values: dict[str, Any] = {
            "on_date": WEDNESDAY,
            "classroom_id": self.ids["studio"],
            "teacher_id": self.ids["li"],
            "subject": "美术",
            "starts": time(15, 0),
            "ends": time(15, 40),
        }
        return PlannedLesson(**{**values, **changed})


@asynccontextmanager
async def open_region(kind: str, state: Path) -> AsyncIterator[tuple[Region, Clock]]:
    """An empty region in a database of its own."""
    async with _open(new_url(kind), state) as opened:
        yield opened


@asynccontextmanager
async def open_town(kind: str, state: Path) -> AsyncIterator[Town]:
    """The small region, in a copy of its own: it is filled once for all tests of a process."""
    if kind not in _FILLED:
        url = new_url(kind)
        place = Path(tempfile.mkdtemp(prefix="classroom-town-"))
        atexit.register(shutil.rmtree, place, ignore_errors=True)
        async with _open(url, place) as (region, clock):
            town = Town(region, clock)
            await _fill(town)
        _FILLED[kind] = place, url, town.ids
    place, url, ids = _FILLED[kind]
    if url is None:
        shutil.copy(place / SQLITE_FILE, state)
    else:
        url = postgres().new_database(like=url)
    async with _open(url, state) as (region, clock):
        yield Town(region, clock, dict(ids))


_FILLED: dict[str, tuple[Path, str | None, dict[str, int]]] = {}


@asynccontextmanager
async def _open(url: str | None, state: Path) -> AsyncIterator[tuple[Region, Clock]]:
    database = Database(database_url(url, state))
    clock = Clock()
    try:
        await database.open()
        yield Region(database, SECRET, ZONE, clock), clock
    finally:
        await database.close()


async def _fill(town: Town) -> None:
    region, ids = town.region, town.ids

    async def keep(name: str, repository: Any, value: Any) -> None:
        ids[name] = (await repository.create(value)).id

    await keep("city", region.districts, District("500000", "重庆市"))
    await keep("dazu", region.districts, District("500111", "大足区", ids["city"]))
    await keep("bishan", region.districts, District("500120", "璧山区", ids["city"]))
    await keep("town", region.schools, School("5001110001", "大足区龙岗小学", ids["dazu"], "龙岗小学"))
    await keep("shanping", region.schools, School("5001110002", "大足区山坪小学", ids["dazu"], "山坪小学"))
    await keep("bijia", region.schools, School("5001200001", "璧山区壁家小学", ids["bishan"]))
    await keep("studio", region.classrooms, Classroom(ids["town"], "录播教室1", leads=True))
    await keep("studio 2", region.classrooms, Classroom(ids["town"], "录播教室2", leads=True))
    await keep("shanping room", region.classrooms, Classroom(ids["shanping"], "多媒体教室"))
    await keep("bijia room", region.classrooms, Classroom(ids["bijia"], "多媒体教室"))
    await keep("town 3.1", region.classes, SchoolClass(ids["town"], "三年级", "1班", 45))
    await keep("town 3.2", region.classes, SchoolClass(ids["town"], "三年级", "2班", 44))
    room = ids["shanping room"]
    await keep("shanping 3.1", region.classes, SchoolClass(ids["shanping"], "三年级", "1班", 12, room))
    await keep("bijia 3.1", region.classes, SchoolClass(ids["bijia"], "三年级", "1班", 9))
    await keep("li", region.people, Person(PersonKind.STAFF, "李红梅", ids["town"], "101", subject="语文"))
    await keep("wang", region.people, Person(PersonKind.STAFF, "王建华", ids["town"], "102", subject="数学"))
    await keep("chen", region.people, Person(PersonKind.STAFF, "陈志强", ids["shanping"], "201"))
    await keep("term", region.terms, TERM)
    for name, first in [("town", "08:30"), ("shanping", "08:50"), ("bijia", "09:00")]:
        schedule = BellSchedule(ids[name], "夏季作息", date(2026, 9, 1), bells(first))
        await keep(f"{name} summer", region.bells, schedule)
    winter = BellSchedule(ids["town"], "冬季作息", date(2026, 12, 1), bells("09:00"))
    await keep("town winter", region.bells, winter)
