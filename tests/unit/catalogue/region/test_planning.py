"""Conflicts of the timetable, and how its lessons are planned, on SQLite and on PostgreSQL."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import pytest
from sqlalchemy import insert, select

from classroom.catalogue.catalogue import Catalogue
from classroom.catalogue.database import Database
from classroom.catalogue.metadata import DatedMetadata, Metadata
from classroom.catalogue.region import schema
from classroom.catalogue.region.calendar import Weeks
from classroom.catalogue.region.errors import BadValue, Conflict, NotFound
from classroom.catalogue.region.making import Made
from classroom.catalogue.region.planning import as_said
from classroom.catalogue.region.plans import PlanState
from classroom.catalogue.region.region import Region
from classroom.catalogue.region.values import BellSchedule, Listener, SchoolClass
from classroom.catalogue.schema import lessons
from classroom.catalogue.scope import of_school
from classroom.model import LessonId
from tests.unit.catalogue.entries import DATABASES, entry
from tests.unit.catalogue.region.town import NOW, SECRET, WEDNESDAY, ZONE, bells, open_town

WEEK = timedelta(days=7)
LAST_DAY = date(2026, 12, 9)  # of the horizon, a Wednesday


@pytest.fixture(params=DATABASES)
async def town(request, tmp_path):
    async with open_town(request.param, tmp_path) as town:
        yield town


async def planned(town, day=WEDNESDAY, **scope):
    return await town.region.plans.plans_of(day, **scope)


async def everything(town):
    return await town.region.plans.plans_of_classrooms(None, NOW - timedelta(days=99), NOW + timedelta(days=99))


def local(day, hour, minute):
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=ZONE).astimezone(UTC)


# --- conflicts of the timetable -----------------------------------------------------------------------------------


async def test_a_room_a_teacher_and_a_class_are_in_one_lesson_only(town):
    timetable, ids = town.region.timetable, town.ids
    await timetable.create(town.entry(listeners=(town.listener("bijia room", "bijia 3.1"),)))
    studio_2, wang = ids["studio 2"], ids["wang"]
    for reason, clash in [
        ("教室冲突：龙岗小学 录播教室1", town.entry(teacher_id=wang, class_id=None)),
        ("教师冲突：李红梅", town.entry(classroom_id=studio_2, class_id=None)),
        ("班级冲突：龙岗小学 三年级1班", town.entry(classroom_id=studio_2, teacher_id=wang)),
        (
            "教室冲突：璧山区壁家小学 多媒体教室",
            town.entry(classroom_id=studio_2, teacher_id=wang, class_id=None, listeners=(town.listener("bijia room"),)),
        ),
        (
            "班级冲突：璧山区壁家小学 三年级1班",
            town.entry(
                classroom_id=studio_2,
                teacher_id=wang,
                class_id=None,
                listeners=(Listener(ids["shanping room"], ids["bijia 3.1"]),),
            ),
        ),
    ]:
        with pytest.raises(Conflict) as refused:
            await timetable.create(clash)
        assert str(refused.value).startswith(f"{reason} 周三第2节（09:20–10:00，2026-11-25）已有《语文》李红梅老师")
        assert "already has “语文” of 李红梅 on Wednesday, period 2" in str(refused.value)
    assert (await timetable.find()).total == 1
    assert len(await everything(town)) == 3  # nothing was planned of what was refused
    await timetable.create(town.entry(classroom_id=studio_2, teacher_id=wang, class_id=ids["town 3.2"]))


async def test_weeks_that_alternate_do_not_meet(town):
    timetable = town.region.timetable
    await timetable.create(town.entry(weeks=Weeks.ODD))
    even = await timetable.create(town.entry(weeks=Weeks.EVEN, subject="书法"))
    with pytest.raises(Conflict):
        await timetable.update(even.id, town.entry(weeks=Weeks.ALL, subject="书法"))
    with pytest.raises(Conflict):
        await timetable.create(town.entry(first_week=15, last_week=15))
    assert [plan.subject for plan in await planned(town)] == ["语文"]  # the 13th week
    assert [plan.subject for plan in await planned(town, WEDNESDAY + WEEK)] == ["书法"]


async def test_schools_with_other_bells_meet_by_their_times(town):
    ids, timetable = town.ids, town.region.timetable
    # 龙岗's second period is 9:20 to 10:00; 山坪's first ends at 9:30 and meets it, until 龙岗 has winter bells.
    studio = await town.region.classrooms.get(ids["shanping room"])
    await town.region.classrooms.update(studio.id, replace(studio.value, leads=True))
    await timetable.create(town.entry(period=2, last_week=13))
    village = town.entry(period=1, classroom_id=ids["shanping room"], class_id=None)
    with pytest.raises(Conflict, match="李红梅"):
        await timetable.create(village)
    await timetable.create(replace(village, first_week=14))


async def test_winter_bells_make_a_conflict_of_december(town):
    ids, timetable = town.ids, town.region.timetable
    # In summer 龙岗's first period is 8:30 to 9:10 and 壁家's 9:00 to 9:40; in winter it is 9:00 to 9:40.
    await timetable.create(town.entry(period=2, listeners=(town.listener("bijia room"),), last_week=12))
    room = await town.region.classrooms.get(ids["bijia room"])
    await town.region.classrooms.update(room.id, replace(room.value, leads=True))
    there = town.entry(period=2, classroom_id=ids["bijia room"], teacher_id=ids["wang"], class_id=None)
    mine = await timetable.create(replace(there, subject="数学"))  # 9:50 to 10:30; the first is over after week 12
    with pytest.raises(Conflict, match=r"2026-12-02\）已有《数学》王建华"):
        await timetable.create(town.entry(period=2, first_week=14, listeners=(town.listener("bijia room"),)))
    await timetable.delete(mine.id)
    await timetable.create(town.entry(period=2, first_week=14, listeners=(town.listener("bijia room"),)))


async def test_a_subscription_that_meets_another_lesson_is_refused(town):
    ids, region = town.ids, town.region
    await region.timetable.create(town.entry())
    other = town.entry(
        classroom_id=ids["studio 2"],
        teacher_id=ids["wang"],
        class_id=ids["town 3.2"],
        subject="数学",
        listeners=(town.listener("shanping room"),),
    )
    await region.timetable.create(other)
    with pytest.raises(Conflict, match=r"教室冲突：山坪小学 多媒体教室 .*已有《数学》王建华老师"):
        await region.subscriptions.create(town.subscription())
    assert (await region.subscriptions.find()).total == 0
    assert all(not plan.listeners for plan in await everything(town) if plan.subject == "语文")


async def test_two_classes_in_one_room_cannot_both_subscribe(town):
    await town.region.subscriptions.create(town.subscription())
    another = await town.region.classes.create(SchoolClass(town.ids["shanping"], "四年级", "1班"))
    with pytest.raises(Conflict, match="山坪小学 三年级1班已在山坪小学 多媒体教室听这门课"):
        await town.region.subscriptions.create(town.subscription(class_id=another.id))


async def test_bells_are_a_fact_and_what_then_meets_is_told(town):
    ids, region = town.ids, town.region
    mine = await region.timetable.create(town.entry(period=2, listeners=(town.listener("bijia room"),)))
    room = await region.classrooms.get(ids["bijia room"])
    await region.classrooms.update(room.id, replace(room.value, leads=True))
    there = town.entry(period=3, classroom_id=ids["bijia room"], teacher_id=ids["wang"], class_id=None, subject="数学")
    theirs = await region.timetable.create(there)  # 10:40; the other is over at 10:30 at the latest
    assert (await region.timetable.conflicts()).items == []
    winter = BellSchedule(ids["bijia"], "冬季作息", date(2026, 12, 1), bells("08:40"))
    await region.bells.create(winter)
    told = (await region.timetable.conflicts()).items
    assert [meeting.entry_id for meeting in told] == [mine.id, theirs.id]
    assert "2026-12-02）已有《数学》王建华老师" in told[0].text
    assert [each.entry_id for each in (await region.timetable.conflicts(of_school(ids["shanping"]))).items] == []
    assert (await region.timetable.conflicts(of_school(ids["bijia"]))).total == 2


async def test_two_who_write_at_once_do_not_both_get_the_room(town):
    other = Database(town.region.database.url)  # of another process
    await other.open()
    try:
        regions = [town.region, Region(other, SECRET, ZONE, town.clock)]
        tried = await asyncio.gather(
            *(regions[n % 2].timetable.create(town.entry(title=str(n))) for n in range(6)), return_exceptions=True
        )
        assert sorted(type(each).__name__ for each in tried) == ["Conflict"] * 5 + ["Stored"]
    finally:
        await other.close()


# --- plans of the timetable ---------------------------------------------------------------------------------------


async def test_an_entry_is_planned_for_two_weeks_with_all_who_listen(town):
    await town.region.subscriptions.create(town.subscription())
    stored = await town.region.timetable.create(
        town.entry(title="秋天的雨", listeners=(town.listener("bijia room", "bijia 3.1"),))
    )
    plans = await everything(town)
    assert [plan.on_date for plan in plans] == [WEDNESDAY, WEDNESDAY + WEEK, LAST_DAY]
    assert [plan.lesson_id for plan in plans] == [f"d2026{day}-{stored.id}" for day in ("1125", "1202", "1209")]
    first, second, _ = plans
    assert (first.starts_at, first.ends_at) == (local(WEDNESDAY, 9, 20), local(WEDNESDAY, 10, 0))
    assert second.starts_at == local(WEDNESDAY + WEEK, 9, 50)  # by the winter bells
    assert (first.title, first.subject, first.grade, first.class_name) == ("秋天的雨", "语文", "三年级", "三年级1班")
    assert [(each.place.short_name, each.children, each.assistant) for each in first.listeners] == [
        ("山坪小学", 12, "陈志强"),
        ("璧山区壁家小学", 9, ""),
    ]
    async with town.region.database.reading() as connection:
        row = (await connection.execute(select(lessons).where(lessons.c.id == first.lesson_id))).one()
    assert (row.title, row.subject, row.grade, row.teacher) == ("秋天的雨", "语文", "三年级", "李红梅")
    assert (row.school, row.school_code, row.district) == ("大足区龙岗小学", "5001110001", "大足区")
    assert row.updated_at is None


async def test_planning_again_changes_nothing_and_time_brings_new_lessons(town):
    await town.region.timetable.create(town.entry())
    before = await everything(town)
    assert await town.region.planning.materialise() == Made()
    assert await everything(town) == before
    town.clock.now += WEEK
    assert await town.region.planning.materialise() == Made(created=1)
    assert len(await everything(town)) == 4


async def test_a_change_of_the_timetable_rewrites_what_is_to_come(town):
    timetable, ids = town.region.timetable, town.ids
    stored = await timetable.create(town.entry())
    town.clock.now += timedelta(hours=2)  # 10:00: the first lesson is over
    await timetable.update(stored.id, town.entry(teacher_id=ids["wang"], subject="数学", weekday=4, period=3))
    plans = await everything(town)
    assert [(plan.on_date.isoweekday(), plan.subject, plan.teacher) for plan in plans] == [
        (3, "语文", "李红梅"),
        (4, "数学", "王建华"),
        (4, "数学", "王建华"),
    ]
    assert plans[1].title == "三年级数学"
    async with town.region.database.reading() as connection:
        assert len((await connection.execute(select(lessons.c.id))).all()) == 3  # what is not planned is forgotten
    await timetable.delete(stored.id)
    (past,) = await everything(town)
    assert (past.on_date, past.entry_id) == (WEDNESDAY, None)


async def test_a_lesson_that_is_on_when_its_entry_comes_is_planned_and_then_left_alone(town):
    timetable = town.region.timetable
    town.clock.now += timedelta(hours=1, minutes=30)  # 9:30, in the second period
    stored = await timetable.create(town.entry())
    (today,) = await planned(town)
    assert (today.subject, today.starts_at) == ("语文", local(WEDNESDAY, 9, 20))
    await timetable.update(stored.id, town.entry(subject="数学"))
    assert [plan.subject for plan in await everything(town)] == ["语文", "数学", "数学"]


async def test_an_id_of_an_entry_is_not_given_twice(town):
    timetable = town.region.timetable
    first = await timetable.create(town.entry())
    town.clock.now += timedelta(hours=2)
    await timetable.delete(first.id)
    second = await timetable.create(town.entry(period=4))
    assert second.id > first.id
    assert [plan.period for plan in await planned(town)] == [2, 4]


async def test_what_has_a_recording_or_was_changed_by_hand_stays(town):
    timetable, region = town.region.timetable, town.region
    stored = await timetable.create(town.entry())
    today, second, third = await everything(town)
    async with region.database.writing() as connection:
        await connection.execute(insert(schema.lesson_listeners).values(lesson_id=today.lesson_id, classroom_id=3))
    catalogue = Catalogue(region.database)
    await catalogue.put(entry(today.lesson_id))  # it was begun early
    await region.planning.change(second.lesson_id, replace(as_said(second, ZONE), teacher_id=town.ids["wang"]))
    await timetable.update(stored.id, town.entry(subject="书法"))
    assert [(plan.subject, plan.teacher) for plan in await everything(town)] == [
        ("语文", "李红梅"),
        ("语文", "王建华"),
        ("书法", "李红梅"),
    ]
    await timetable.delete(stored.id)
    assert [plan.lesson_id for plan in await everything(town)] == [today.lesson_id, second.lesson_id]
    assert third.lesson_id not in {row.lesson_id for row in await everything(town)}


async def test_bells_terms_and_subscriptions_move_what_is_planned(town):
    region, ids = town.region, town.ids
    await region.timetable.create(town.entry())
    subscription = await region.subscriptions.create(town.subscription())
    assert [len(plan.listeners) for plan in await everything(town)] == [1, 1, 1]
    summer = BellSchedule(ids["town"], "夏季作息", date(2026, 9, 1), bells("08:00"))
    await region.bells.update(ids["town summer"], summer)
    (plan,) = await planned(town)
    assert plan.starts_at == local(WEDNESDAY, 8, 50)
    await region.subscriptions.delete(subscription.id)
    assert [len(plan.listeners) for plan in await everything(town)] == [0, 0, 0]
    term = (await region.terms.get(ids["term"])).value
    await region.terms.update(ids["term"], replace(term, ends_on=date(2026, 12, 3)))
    assert [plan.on_date for plan in await everything(town)] == [WEDNESDAY, WEDNESDAY + WEEK]
    await region.bells.delete(ids["town winter"])
    assert (await planned(town, WEDNESDAY + WEEK))[0].starts_at == local(WEDNESDAY + WEEK, 8, 50)
    await region.bells.delete(ids["town summer"])
    assert await everything(town) == []


async def test_what_somebody_said_about_a_lesson_stays(town):
    stored = await town.region.timetable.create(town.entry())
    first, second, _ = await everything(town)
    catalogue = Catalogue(town.region.database)
    await catalogue.set_metadata(first.lesson_id, Metadata(title="秋天的雨", teacher="李红梅、周校长"), NOW)
    await town.region.timetable.update(stored.id, town.entry(subject="书法"))
    said = await catalogue.metadata(first.lesson_id)
    assert (said.metadata.title, said.metadata.teacher) == ("秋天的雨", "李红梅、周校长")
    assert (await town.region.plans.plan(first.lesson_id)).subject == "书法"
    await town.region.timetable.delete(stored.id)
    assert (await catalogue.metadata(first.lesson_id)).metadata.title == "秋天的雨"
    assert await catalogue.metadata(second.lesson_id) is None


async def test_a_recording_takes_what_the_timetable_says_of_its_lesson(town):
    await town.region.timetable.create(town.entry(title="秋天的雨"))
    (plan,) = await planned(town)
    catalogue = Catalogue(town.region.database)
    recorded = entry(plan.lesson_id)
    said = await catalogue.put(recorded)
    expected = Metadata(
        title="秋天的雨",
        grade="三年级",
        subject="语文",
        teacher="李红梅",
        school="大足区龙岗小学",
        school_code="5001110001",
        district="大足区",
    )
    assert said == DatedMetadata(expected, recorded.started_at)
    assert await catalogue.metadata(plan.lesson_id) == said


# --- by hand ------------------------------------------------------------------------------------------------------


async def test_a_lesson_by_hand_is_planned_changed_and_removed(town):
    planning = town.region.planning
    plan = await planning.plan(town.lesson(class_id=town.ids["town 3.1"], listeners=(town.listener("bijia room"),)))
    assert (plan.title, plan.entry_id, plan.period) == ("三年级美术", None, None)
    assert (plan.starts_at, plan.ends_at) == (local(WEDNESDAY, 15, 0), local(WEDNESDAY, 15, 40))
    assert await planned(town) == [plan]
    by_bells = await planning.plan(town.lesson(starts=None, ends=None, period=3))
    assert by_bells.starts_at == local(WEDNESDAY, 10, 10)
    changed = await planning.change(plan.lesson_id, replace(as_said(plan, ZONE), subject="音乐", interactive=False))
    assert (changed.title, changed.interactive, changed.changed) == ("三年级音乐", False, True)
    await planning.remove(plan.lesson_id)
    with pytest.raises(NotFound):
        await town.region.plans.plan(plan.lesson_id)
    for wrong in (
        town.lesson(ends=time(14)),
        town.lesson(ends=None),
        town.lesson(starts=None, ends=None),
        town.lesson(starts=None, ends=None, period=9),
        town.lesson(on_date=WEDNESDAY - WEEK),
        town.lesson(classroom_id=town.ids["bijia room"]),
    ):
        with pytest.raises(BadValue):
            await planning.plan(wrong)


async def test_a_lesson_by_hand_meets_what_is_planned_and_what_will_be(town):
    timetable, planning = town.region.timetable, town.region.planning
    await timetable.create(town.entry())
    for day in (WEDNESDAY, date(2026, 12, 30)):  # planned; far beyond the horizon
        at_that_time = town.lesson(on_date=day, starts=time(9, 55), ends=time(10, 30))
        with pytest.raises(Conflict, match="已有《语文》李红梅"):
            await planning.plan(at_that_time)
    await planning.plan(town.lesson(on_date=date(2026, 12, 30)))
    with pytest.raises(Conflict, match="已有《美术》李红梅"):
        await planning.plan(town.lesson(on_date=date(2026, 12, 30), starts=time(15, 30), ends=time(16)))


async def test_the_timetable_gives_way_to_nobody(town):
    await town.region.planning.plan(town.lesson(starts=time(9), ends=time(9, 30)))
    with pytest.raises(Conflict, match="已有《美术》李红梅老师"):
        await town.region.timetable.create(town.entry())
    await town.region.timetable.create(town.entry(first_week=14))


async def test_a_moved_lesson_leaves_its_place_and_is_not_made_again(town):
    planning = town.region.planning
    await town.region.timetable.create(town.entry())
    (plan,) = await planned(town)
    thursday = WEDNESDAY + timedelta(days=1)
    moved = await planning.change(plan.lesson_id, replace(as_said(plan, ZONE), on_date=thursday))
    assert (moved.lesson_id, moved.on_date, moved.entry_id) == (plan.lesson_id, thursday, None)
    assert await planning.materialise() == Made()
    assert await planned(town) == []
    await planning.plan(town.lesson(starts=time(9, 20), ends=time(10)))  # its place is free
    with pytest.raises(Conflict):
        await planning.restore(plan.lesson_id)
    with pytest.raises(Conflict):
        await planning.plan(town.lesson(on_date=thursday, starts=time(9, 20), ends=time(10)))


async def test_a_lesson_may_be_moved_to_the_day_of_the_next_one(town):
    await town.region.timetable.create(town.entry())
    (plan,) = await planned(town)
    said = replace(as_said(plan, ZONE), on_date=WEDNESDAY + WEEK, starts=None, ends=None)
    with pytest.raises(Conflict):
        await town.region.planning.change(plan.lesson_id, said)
    await town.region.planning.change(plan.lesson_id, replace(said, period=4))
    assert [each.period for each in await planned(town, WEDNESDAY + WEEK)] == [2, 4]


async def test_a_cancelled_lesson_takes_nothing_until_it_is_restored(town):
    planning = town.region.planning
    await town.region.timetable.create(town.entry())
    (plan,) = await planned(town)
    cancelled = await planning.cancel(plan.lesson_id)
    assert (cancelled.state, cancelled.changed) == (PlanState.CANCELLED, True)
    assert await planning.materialise() == Made()
    instead = await planning.plan(town.lesson(starts=time(9, 30), ends=time(10)))
    with pytest.raises(Conflict):
        await planning.restore(plan.lesson_id)
    await planning.remove(instead.lesson_id)
    assert await planning.restore(plan.lesson_id) == plan
    with pytest.raises(BadValue):
        await planning.remove(plan.lesson_id)
    by_hand = await planning.plan(town.lesson())
    await planning.cancel(by_hand.lesson_id)
    assert (await planning.restore(by_hand.lesson_id)).state is PlanState.PLANNED


async def test_a_timetable_may_be_changed_where_one_of_its_lessons_gave_way(town):
    planning, timetable = town.region.planning, town.region.timetable
    stored = await timetable.create(town.entry())
    (plan,) = await planned(town)
    await planning.cancel(plan.lesson_id)
    await planning.plan(town.lesson(starts=time(9, 30), ends=time(10)))
    await timetable.update(stored.id, town.entry(title="秋天的雨"))


async def test_what_is_over_cannot_be_changed(town):
    await town.region.timetable.create(town.entry())
    (plan,) = await planned(town)
    town.clock.now = plan.ends_at
    for change in (
        town.region.planning.change(plan.lesson_id, as_said(plan, ZONE)),
        town.region.planning.cancel(plan.lesson_id),
        town.region.planning.restore(plan.lesson_id),
    ):
        with pytest.raises(BadValue):
            await change


async def test_a_plan_is_changed_by_those_whose_classroom_leads(town):
    planning, ids = town.region.planning, town.ids
    await town.region.timetable.create(town.entry(listeners=(town.listener("bijia room"),)))
    (plan,) = await planned(town)
    with pytest.raises(NotFound):
        await planning.cancel(plan.lesson_id, of_school(ids["bijia"]))
    with pytest.raises(NotFound):
        await planning.plan(town.lesson(), of_school(ids["bijia"]))
    await planning.cancel(plan.lesson_id, of_school(ids["town"]))
    with pytest.raises(NotFound):
        await planning.cancel(LessonId("nothing"))
