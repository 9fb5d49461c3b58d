"""What part each has in a lesson, and what today is to each."""

from __future__ import annotations

import asyncio

import pytest

from tests.unit.web.people import signed_in
from tests.unit.web.running_node import running
from tests.unit.web.school_day import (
    ASSISTANT,
    DISTRICT,
    ELSEWHERE,
    HAMLET,
    LESSON,
    NOON,
    OTHER_DISTRICT,
    TEACHER,
    TOWN,
    VILLAGE,
    cancel,
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


async def roles(doors, lesson=LESSON):
    """What everybody gets who could ask."""
    by = await operator(doors)
    people = {
        "teacher": await signed_in(doors, "teacher", person_id=TEACHER, school_id=1),
        "another teacher": await signed_in(doors, "teacher", school_id=1),
        "assistant": await signed_in(doors, "assistant", person_id=ASSISTANT, school_id=2),
        "school admin": await signed_in(doors, "school_admin", school_id=1),
        "listening admin": await signed_in(doors, "school_admin", school_id=2),
        "operator": by,
        "other operator": await operator(doors, district_id=OTHER_DISTRICT),
        "researcher": await signed_in(doors, "researcher", district_id=DISTRICT),
        "other researcher": await signed_in(doors, "researcher", district_id=OTHER_DISTRICT),
    }
    devices = {
        "terminal": await pair(doors, by, VILLAGE),
        "main terminal": await pair(doors, by, TOWN),
        "capture": await pair(doors, by, TOWN, "capture"),
        "listening capture": await pair(doors, by, VILLAGE, "capture"),
        "other terminal": await pair(doors, by, ELSEWHERE),
    }
    path = f"/api/lessons/{lesson}/token"
    answers = {name: await person.ask("POST", path) for name, person in people.items()}
    answers |= {name: await media_token(doors, device, lesson) for name, device in devices.items()}
    told = {name: await answer.json() for name, answer in answers.items()}
    return {name: body.get("role", body.get("code")) for name, body in told.items()}


async def test_each_has_the_part_that_is_theirs(doors):
    await start(doors)
    assert await roles(doors) == {
        "teacher": "teacher",
        "another teacher": "forbidden",
        "assistant": "observer",
        "school admin": "teacher",
        "listening admin": "forbidden",
        "operator": "teacher",
        "other operator": "forbidden",
        "researcher": "observer",
        "other researcher": "forbidden",
        "terminal": "classroom",
        "main terminal": "capture",
        "capture": "capture",
        "listening capture": "forbidden",
        "other terminal": "forbidden",
    }


async def test_who_could_start_the_lesson_by_sending_waits_for_the_teacher(doors):
    told = await roles(doors)
    assert (told["capture"], told["main terminal"]) == ("not_started", "not_started")
    assert (told["teacher"], told["terminal"]) == ("teacher", "classroom")
    teacher = await signed_in(doors, "teacher", person_id=TEACHER, school_id=1)
    await cancel(doors)
    async with asyncio.timeout(30):  # until the day has been read again
        while (await teacher.ask("POST", f"/api/lessons/{LESSON}/token")).status == 200:
            await asyncio.sleep(0.1)
    assert set((await roles(doors)).values()) == {"lesson_cancelled", "forbidden"}


async def test_a_person_is_the_same_participant_each_time_and_a_lesson_must_be_planned(doors):
    teacher = await signed_in(doors, "teacher", person_id=TEACHER, name="李红梅")
    told = [await (await teacher.ask("POST", f"/api/lessons/{LESSON}/token")).json() for _ in range(2)]
    assert [one["participant"] for one in told] == [f"a{teacher.id}"] * 2
    assert (await teacher.ask("POST", "/api/lessons/other/token")).status == 404
    assert (await doors.ask("POST", f"/api/lessons/{LESSON}/token")).status == 401


# --- today -------------------------------------------------------------------------------------------------------


async def test_an_operator_sees_the_figures_of_lessons_within_reach(doors):
    await plan_lesson(doors.node.database, "far", 300, (), classroom_id=ELSEWHERE, period=2)
    await plan_lesson(doors.node.database, "both", 300, (VILLAGE,), classroom_id=ELSEWHERE, period=3)
    for lesson in (LESSON, "far", "both", "unplanned"):
        assert (await doors.ask("POST", f"/api/lessons/{lesson}/start", doors.token("teacher", lesson))).status == 200

    async def seen(district: int | None) -> list[str]:
        by = await operator(doors, district_id=district)
        told = await (await by.ask("GET", "/api/stats")).json()
        return sorted(lesson["id"] for lesson in told["lessons"])

    assert await seen(DISTRICT) == ["both", LESSON]
    assert await seen(OTHER_DISTRICT) == ["both", "far"]
    assert await seen(None) == ["both", "far", LESSON, "unplanned"]


async def test_today_is_what_concerns_the_person(doors):
    await plan_lesson(doors.node.database, "art", 3 * 3600, listening=(HAMLET,), zone=doors.node.region.zone)
    doors.node.day.plans_changed()

    async def seen(person):
        told = await (await person.ask("GET", "/api/today")).json()
        return [(lesson["id"], lesson["role"]) for lesson in told["lessons"]], told["current"]

    both = [(LESSON, "main"), ("art", "main")]
    assert await seen(await signed_in(doors, "teacher", person_id=TEACHER, school_id=1)) == (both, LESSON)
    assert await seen(await operator(doors)) == (both, LESSON)
    assert await seen(await signed_in(doors, "assistant", person_id=ASSISTANT)) == ([(LESSON, "linked")], LESSON)
    linked = [(LESSON, "linked"), ("art", "linked")]
    assert await seen(await signed_in(doors, "school_admin", school_id=3)) == (linked, LESSON)
    assert await seen(await operator(doors, district_id=OTHER_DISTRICT)) == ([], None)
    assert await seen(await signed_in(doors, "teacher")) == ([], None)
    teacher = await signed_in(doors, "teacher", person_id=TEACHER)
    told = await (await teacher.ask("GET", "/api/today?date=2001-01-01")).json()
    assert (told["date"], told["lessons"]) == ("2001-01-01", [])
    assert (await teacher.ask("GET", "/api/today?date=nonsense")).status == 400
