"""With whom a teacher holds a lesson that is in no timetable, and how long it may take."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from classroom.catalogue.region.plans import Place, Plan, PlanListener, PlanState
from classroom.model import LessonId
from classroom.schoolday.extra import as_usual, planned_now

ZONE = ZoneInfo("Asia/Shanghai")
NOW = datetime(2026, 11, 26, 2, 15, 40, tzinfo=UTC)  # 10:15:40 there


def place(room: int) -> Place:
    return Place(room, f"教室 {room}", room, f"学校 {room}", f"学校 {room}", 1)


def plan(hours: float, rooms: tuple[int, ...], subject: str = "数学", state: PlanState = PlanState.PLANNED) -> Plan:
    starts_at = NOW + timedelta(hours=hours)
    return Plan(
        LessonId(f"l{hours}"), 1, starts_at.date(), 1, starts_at, starts_at + timedelta(minutes=40),
        place(1), "大足区", 5, "三年级", "三年级1班", 40, 7, "李红梅", subject, "", state, True, False,
        tuple(PlanListener(place(room), None, "", 0, None, "") for room in rooms),
    )  # fmt: skip


def test_it_is_as_the_nearest_lesson_and_offers_the_rooms_of_the_others():
    extra = as_usual([plan(-20, (2, 3), "科学"), plan(1, (4, 2)), plan(30, (5,))], NOW)
    assert extra is not None
    assert (extra.subject, extra.main.classroom_id, extra.class_id) == ("数学", 1, 5)
    assert [one.classroom_id for one in extra.listeners] == [4, 2, 3, 5]
    assert extra.usual == {4, 2}


def test_who_has_no_lessons_has_nothing_to_go_by():
    assert as_usual([], NOW) is None
    assert as_usual([plan(1, (2,), state=PlanState.CANCELLED)], NOW) is None


def test_it_begins_now_and_makes_way_for_the_next_lesson():
    plans = [plan(-20, (2, 3)), plan(0.5, (2,))]
    extra = as_usual(plans, NOW)
    assert extra is not None
    value = planned_now(extra, 7, {2}, plans, NOW, ZONE)
    assert (value.on_date, value.starts, value.ends) == (date(2026, 11, 26), time(10, 15), time(10, 45))
    assert [listener.classroom_id for listener in value.listeners] == [2]
    cancelled = [plans[0], replace(plans[1], state=PlanState.CANCELLED)]
    assert planned_now(extra, 7, {2}, cancelled, NOW, ZONE).ends == time(10, 55)


def test_it_ends_on_its_day():
    plans = [plan(-20, (2,))]
    extra = as_usual(plans, NOW)
    assert extra is not None
    late = datetime(2026, 11, 26, 15, 40, tzinfo=UTC)  # 23:40 there
    value = planned_now(extra, 7, set(), plans, late, ZONE)
    assert (value.on_date, value.starts, value.ends) == (date(2026, 11, 26), time(23, 40), time(23, 59))
