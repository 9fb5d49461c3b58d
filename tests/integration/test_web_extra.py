"""A lesson that is in no timetable, over real sockets and a real database."""

from __future__ import annotations

import pytest

from tests.unit.web.people import signed_in
from tests.unit.web.running_node import running
from tests.unit.web.school_day import ASSISTANT, ELSEWHERE, HAMLET, LESSON, NOON, TEACHER, VILLAGE, fill, operator


@pytest.fixture
async def doors(tmp_path):
    async with running(tmp_path, timezone=NOON) as doors:
        await fill(doors)
        yield doors


async def test_a_teacher_holds_a_lesson_that_is_in_no_timetable(doors):
    teacher = await signed_in(doors, "teacher", person_id=TEACHER, school_id=1)
    extra = (await (await teacher.ask("GET", "/api/today/extra")).json())["extra"]
    assert (extra["subject"], extra["main"]["classroom"]) == ("数学", "录播教室")
    assert {(room["classroom_id"], room["usual"]) for room in extra["listeners"]} == {(VILLAGE, True), (HAMLET, True)}
    elsewhere = await teacher.ask("POST", "/api/today/extra", json={"listeners": [ELSEWHERE]})
    assert elsewhere.status == 403, "a room that has never listened to this teacher"

    held = await teacher.ask("POST", "/api/today/extra", json={"listeners": [VILLAGE]})
    assert held.status == 201, await held.text()
    lesson = (await held.json())["id"]
    token = await (await teacher.ask("POST", f"/api/lessons/{lesson}/token")).json()
    assert token["role"] == "teacher"
    lessons = (await (await teacher.ask("GET", "/api/today")).json())["lessons"]
    by_id = {one["id"]: one for one in lessons}
    assert (by_id[lesson]["period"], [room["school"] for room in by_id[lesson]["listeners"]]) == (None, ["山坪小学"])
    assert by_id[lesson]["ends_at"] <= by_id[LESSON]["starts_at"], "it makes way for the next one"

    again = await teacher.ask("POST", "/api/today/extra", json={"listeners": []})
    assert again.status == 409, "the teacher is in one lesson at a time"
    assert "冲突" in (await again.json())["detail"]


async def test_who_teaches_nothing_holds_no_lesson(doors):
    for visitor in (await operator(doors), await signed_in(doors, "assistant", person_id=ASSISTANT)):
        assert (await (await visitor.ask("GET", "/api/today/extra")).json()) == {"extra": None}
        assert (await visitor.ask("POST", "/api/today/extra", json={"listeners": []})).status == 403
