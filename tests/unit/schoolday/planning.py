"""Plans for the tests of the school day."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

from classroom.catalogue.region.plans import Place, Plan, PlanListener, PlanState
from classroom.model import LessonId

DAY = date(2026, 9, 1)
NINE = datetime(2026, 9, 1, 1, 0, tzinfo=UTC)  # at 9 in Chongqing
PLACES = {
    1: Place(1, "录播教室", 1, "大足区龙岗小学", "龙岗小学", 2),
    2: Place(2, "三年级教室", 2, "大足区山坪小学", "山坪小学", 2),
    3: Place(3, "多媒体室", 3, "大足区高升小学", "高升小学", 2),
    4: Place(4, "三年级1班", 4, "璧山区实验小学", "璧山实验小学", 3),
}
TEACHER, ASSISTANT = 11, 21


def listener(room: int, children: int = 20) -> PlanListener:
    return PlanListener(PLACES[room], None, "", children, ASSISTANT if room == 2 else None, "")


def plan(
    lesson: str,
    minutes: float = 0,
    length: float = 40,
    main: int = 1,
    listening: tuple[int, ...] = (2, 3),
    **other: Any,
) -> Plan:
    """A lesson that begins so many minutes after nine."""
    starts_at = NINE + timedelta(minutes=minutes)
    values: dict[str, Any] = {
        "lesson_id": LessonId(lesson),
        "entry_id": None,
        "on_date": DAY,
        "period": 1,
        "starts_at": starts_at,
        "ends_at": starts_at + timedelta(minutes=length),
        "main": PLACES[main],
        "district": "大足区",
        "class_id": None,
        "grade": "三年级",
        "class_name": "三年级2班",
        "children": 40,
        "teacher_id": TEACHER,
        "teacher": "李老师",
        "subject": "语文",
        "title": f"课文{lesson}",
        "state": PlanState.PLANNED,
        "interactive": True,
        "changed": False,
        "listeners": tuple(listener(room) for room in listening),
        **other,
    }
    return Plan(**values)
