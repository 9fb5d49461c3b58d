"""A region that waits for the bell: a thousand terminals on one server, the bell, a start, a power cut."""

from __future__ import annotations

import asyncio
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
from sqlalchemy import insert

from classroom.catalogue.accounts.credentials import hash_of, new_credential
from classroom.catalogue.accounts.schema import devices
from classroom.catalogue.database import Database, database_url
from classroom.catalogue.region import schema
from classroom.catalogue.schema import lessons
from classroom.schoolday.agenda import STANDBY
from tests.bench.figures import percentile
from tests.bench.process import LineProcess
from tests.running import LESSON, Server

if TYPE_CHECKING:
    from tests.bench.servers import Cores

ROOMS = 4  # that listen to one lesson
LESSONS_A_DAY = 6
LEAD_S = 90.0  # from filling the database to the bell's standby
SETTLE_S = 3.0


async def measure(terminals: int, idle_s: float, cores: Cores) -> dict[str, Any]:
    """One row."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "data"
        due = datetime.now(UTC) + timedelta(seconds=LEAD_S)
        credentials = await _fill(folder, terminals, due)
        server, crowd = Server(folder), LineProcess("tests.bench.terminal_crowd", cores.load)
        try:
            return await _measure(server, crowd, credentials, idle_s, due.timestamp(), cores)
        finally:
            crowd.close()
            await server.kill()


async def _measure(
    server: Server, crowd: LineProcess, credentials: list[str], idle_s: float, due_s: float, cores: Cores
) -> dict[str, Any]:
    process = await _start(server, cores)
    await asyncio.sleep(SETTLE_S)
    rss_bytes, cpu_s = process.memory_info().rss, _cpu_s(process)
    opened = await crowd.ask("open", url=server.url, credentials=credentials)
    opening_cpu_s = _cpu_s(process) - cpu_s
    await asyncio.sleep(SETTLE_S)
    cpu_s = _cpu_s(process)
    await asyncio.sleep(idle_s)
    idle_percent = (_cpu_s(process) - cpu_s) / idle_s * 100
    each_bytes = (process.memory_info().rss - rss_bytes) / len(credentials)
    if time.time() > due_s:
        raise RuntimeError("the bell has rung before the measurement of idle terminals was over")
    cpu_s = _cpu_s(process)
    bell = await crowd.ask("heard", phase="standby", of=list(range(len(credentials))), since=due_s)
    bell_cpu_s = _cpu_s(process) - cpu_s
    teacher = await server.token("teacher")
    began_s = time.time()
    starting = asyncio.create_task(server.post(f"/api/lessons/{LESSON}/start", teacher))
    start = await crowd.ask("heard", phase="live", of=list(range(ROOMS)), since=began_s)
    await starting
    await server.kill()
    process = await _start(server, cores)
    back_s = time.time()
    back = await crowd.ask("back", since=back_s - 1.0)  # some are faster than the question whether it answers
    back_cpu_s = _cpu_s(process)
    await crowd.ask("close")
    return {
        "terminals": len(credentials),
        "rss_mib": rss_bytes / (1 << 20),
        "kib_each": each_bytes / 1024,
        "idle_cpu_percent": idle_percent,
        "all_in_s": opened["after_s"][-1],
        "cpu_ms_each": opening_cpu_s / len(credentials) * 1e3,
        "bell_p50_ms": percentile(bell["after_s"], 50) * 1e3,
        "bell_p99_ms": percentile(bell["after_s"], 99) * 1e3,
        "bell_cpu_s": bell_cpu_s,
        "start_ms": start["after_s"][-1] * 1e3,
        "back_p50_s": percentile(back["after_s"], 50) - 1.0,
        "back_all_s": back["after_s"][-1] - 1.0,
        "back_cpu_s": back_cpu_s,
    }


async def _start(server: Server, cores: Cores) -> psutil.Process:
    await server.start()
    assert server.process is not None
    process = psutil.Process(server.process.pid)
    for one in (process, *process.children(recursive=True)):
        one.cpu_affinity(sorted(cores.server))
    return process


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


async def _fill(folder: Path, terminals: int, due: datetime) -> list[str]:
    """Rooms of four that listen to lessons of a fifth, all day long; returns the credentials of the terminals."""
    database = Database(database_url(None, folder / ".state"))
    await database.open()
    groups = range(1, terminals // ROOMS + 1)
    credentials = [new_credential() for _ in range(len(groups) * ROOMS)]
    listening = {group: range(group * 10 + 1, group * 10 + 1 + ROOMS) for group in groups}
    planned = [
        (LESSON if (group, number) == (1, 0) else f"lesson-{group}-{number}", group, number)
        for group in groups
        for number in range(LESSONS_A_DAY)
    ]
    rows: dict[Any, list[dict[str, Any]]] = {
        schema.districts: [{"id": 1, "code": "500111", "name": "大足区", "parent_id": None}],
        schema.schools: [
            {"id": group, "code": f"{5_001_110_000 + group}", "name": f"第{group}小学", "district_id": 1}
            for group in groups
        ],
        schema.classrooms: [
            {"id": room, "school_id": group, "name": f"教室{room}", "leads": room % 10 == 0}
            for group in groups
            for room in (group * 10, *listening[group])
        ],
        schema.people: [
            {"id": group, "kind": "staff", "name": "李老师", "school_id": group, "staff_number": str(group)}
            for group in groups
        ],
        lessons: [{"id": lesson, "title": "分数的初步认识", "keywords": []} for lesson, _, _ in planned],
        schema.lesson_plans: [
            {
                "lesson_id": lesson,
                "on_date": due.date(),
                "period": number + 1,
                "starts_at": due + STANDBY + timedelta(minutes=50 * number),
                "ends_at": due + STANDBY + timedelta(minutes=50 * number + 40),
                "classroom_id": group * 10,
                "teacher_id": group,
                "subject": "数学",
                "interactive": True,
                "changed": False,
            }
            for lesson, group, number in planned
        ],
        schema.lesson_listeners: [
            {"lesson_id": lesson, "classroom_id": room} for lesson, group, _ in planned for room in listening[group]
        ],
        devices: [
            {
                "id": f"{room:016x}",
                "kind": "terminal",
                "name": "一体机",
                "classroom_id": room,
                "credential_hash": hash_of(credentials[(group - 1) * ROOMS + place]),
                "paired_at": due,
            }
            for group in groups
            for place, room in enumerate(listening[group])
        ],
    }
    async with database.writing() as connection:
        for table, values in rows.items():
            await connection.execute(insert(table), values)
    await database.close()
    return credentials
