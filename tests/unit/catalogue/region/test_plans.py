"""What pages and devices are told of planned lessons, on SQLite and on PostgreSQL."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import insert

from classroom.catalogue.database import Database, database_url
from classroom.catalogue.region import schema
from classroom.catalogue.region.errors import NotFound
from classroom.catalogue.region.plans import Plans, PlanState
from classroom.catalogue.schema import lessons
from classroom.catalogue.scope import Scope, of_school
from classroom.model import LessonId
from tests.unit.catalogue.entries import DATABASES, new_url

DAY = date(2026, 11, 25)
NINE = datetime(2026, 11, 25, 1, 0, tzinfo=UTC)  # at 9 in Chongqing
ROWS = {
    schema.districts: [
        {"id": 1, "code": "500000", "name": "重庆市", "parent_id": None},
        {"id": 2, "code": "500111", "name": "大足区", "parent_id": 1},
        {"id": 3, "code": "500120", "name": "璧山区", "parent_id": 1},
    ],
    schema.schools: [
        {"id": 1, "code": "5001110001", "name": "大足区龙岗小学", "short_name": "龙岗小学", "district_id": 2},
        {"id": 2, "code": "5001110002", "name": "大足区山坪小学", "short_name": "山坪小学", "district_id": 2},
        {"id": 3, "code": "5001200001", "name": "璧山实验小学", "short_name": "", "district_id": 3},
    ],
    schema.classrooms: [
        {"id": 1, "school_id": 1, "name": "录播室", "leads": True},
        {"id": 2, "school_id": 2, "name": "三年级教室", "leads": False},
        {"id": 3, "school_id": 3, "name": "多媒体室", "leads": False},
    ],
    schema.classes: [
        {"id": 1, "school_id": 1, "grade": "三年级", "name": "1班", "children": 45, "classroom_id": 1},
        {"id": 2, "school_id": 2, "grade": "三年级", "name": "2班", "children": 12, "classroom_id": 2},
    ],
    schema.people: [
        {"id": 1, "kind": "staff", "name": "李红梅", "school_id": 1, "staff_number": "101"},
        {"id": 2, "kind": "staff", "name": "陈志强", "school_id": 2, "staff_number": "201"},
    ],
    lessons: [
        {"id": lesson, "title": title, "grade": grade, "subject": "语文", "keywords": []}
        for lesson, title, grade in [("early", "秋天的雨", "三年级"), ("late", "", "四年级"), ("next", "", "")]
    ],
    schema.lesson_plans: [
        {
            "lesson_id": lesson,
            "on_date": (NINE + timedelta(hours=hours)).date(),
            "period": 1,
            "starts_at": NINE + timedelta(hours=hours),
            "ends_at": NINE + timedelta(hours=hours, minutes=40),
            "classroom_id": classroom,
            "class_id": class_id,
            "teacher_id": 1,
            "subject": "语文",
            "state": state,
            "interactive": True,
            "changed": False,
        }
        for lesson, hours, classroom, class_id, state in [
            ("late", 2, 1, None, "cancelled"),
            ("early", 0, 1, 1, "planned"),
            ("next", 24, 3, None, "planned"),
        ]
    ],
    schema.lesson_listeners: [
        {"lesson_id": "early", "classroom_id": 3, "class_id": None, "assistant_id": None},
        {"lesson_id": "early", "classroom_id": 2, "class_id": 2, "assistant_id": 2},
        {"lesson_id": "late", "classroom_id": 3, "class_id": None, "assistant_id": None},
    ],
}


@pytest.fixture(params=DATABASES)
async def plans(request, tmp_path):
    database = Database(database_url(new_url(request.param), tmp_path))
    await database.open()
    async with database.writing() as connection:
        for table, rows in ROWS.items():
            await connection.execute(insert(table), rows)
    yield Plans(database)
    await database.close()


def ids(found) -> list[str]:
    return [plan.lesson_id for plan in found]


async def test_a_plan_has_all_that_a_page_shows(plans):
    plan = await plans.plan(LessonId("early"))
    assert (plan.starts_at, plan.ends_at) == (NINE, NINE + timedelta(minutes=40))
    assert (plan.on_date, plan.period, plan.state) == (DAY, 1, PlanState.PLANNED)
    assert (plan.title, plan.subject, plan.grade, plan.class_name) == ("秋天的雨", "语文", "三年级", "三年级1班")
    assert (plan.teacher, plan.district, plan.children) == ("李红梅", "大足区", 45)
    assert (plan.main.classroom, plan.main.school, plan.main.short_name) == ("录播室", "大足区龙岗小学", "龙岗小学")
    village, other = plan.listeners
    assert (village.place.short_name, village.class_name, village.children) == ("山坪小学", "三年级2班", 12)
    assert village.assistant == "陈志强"
    assert (other.place.short_name, other.class_name, other.children, other.assistant) == ("璧山实验小学", "", 0, "")


async def test_a_plan_without_a_class_has_the_grade_of_its_lesson(plans):
    plan = await plans.plan(LessonId("late"))
    assert (plan.grade, plan.class_name, plan.children, plan.state) == ("四年级", "", 0, PlanState.CANCELLED)


async def test_what_is_not_planned_is_not_found(plans):
    with pytest.raises(NotFound):
        await plans.plan(LessonId("nothing"))


async def test_a_day_is_told_in_its_order_and_within_a_scope(plans):
    assert ids(await plans.plans_of(DAY)) == ["early", "late"]
    assert ids(await plans.plans_of(DAY, Scope(frozenset({1, 2, 3})))) == ["early", "late"]
    assert ids(await plans.plans_of(DAY, Scope(frozenset({3})))) == ["early", "late"]  # a classroom there listens
    assert ids(await plans.plans_of(DAY, of_school(2))) == ["early"]
    assert ids(await plans.plans_of(DAY, Scope(frozenset({3}), 1))) == ["early", "late"]
    assert ids(await plans.plans_of(DAY + timedelta(days=1), of_school(1))) == []
    assert ids(await plans.plans_of(DAY, person_id=1)) == ["early", "late"]
    assert ids(await plans.plans_of(DAY, person_id=2)) == ["early"]


async def test_classrooms_are_told_of_what_takes_place_in_a_span(plans):
    day = timedelta(days=1)
    assert ids(await plans.plans_of_classrooms(None, NINE, NINE + 2 * day)) == ["early", "late", "next"]
    assert ids(await plans.plans_of_classrooms([2], NINE, NINE + 2 * day)) == ["early"]
    assert ids(await plans.plans_of_classrooms([3], NINE, NINE + 2 * day)) == ["early", "late", "next"]
    assert ids(await plans.plans_of_classrooms([], NINE, NINE + 2 * day)) == []
    under_way = NINE + timedelta(minutes=39)
    assert ids(await plans.plans_of_classrooms([1], under_way, under_way + timedelta(seconds=1))) == ["early"]
    over = NINE + timedelta(minutes=40)
    assert ids(await plans.plans_of_classrooms([1], over, over + timedelta(minutes=80))) == []
