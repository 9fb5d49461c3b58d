"""The calendar: which days have lessons and those of which day, on SQLite and on PostgreSQL."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, time, timedelta

import pytest
from sqlalchemy import insert, text

from classroom.catalogue.catalogue import Catalogue
from classroom.catalogue.database import CatalogueUnavailable
from classroom.catalogue.region import schema
from classroom.catalogue.region.calendar import Weeks
from classroom.catalogue.region.errors import BadValue, Conflict, Duplicate, NotFound
from classroom.catalogue.region.planning import as_said
from classroom.catalogue.region.plans import PlanState
from classroom.catalogue.region.school_calendar import Area, SchoolCalendar, SchoolCalendars, days_of, nearest
from classroom.catalogue.region.storage import region_writing
from classroom.catalogue.region.values import CalendarDay, CalendarSpan
from classroom.catalogue.scope import EVERYTHING, Scope, of_school
from tests.unit.catalogue.entries import DATABASES, entry
from tests.unit.catalogue.region.town import WEDNESDAY, ZONE, open_town

DAY = timedelta(days=1)
SATURDAY, SUNDAY = WEDNESDAY + 3 * DAY, WEDNESDAY + 4 * DAY
NEXT_WEDNESDAY = WEDNESDAY + 7 * DAY


@pytest.fixture(params=DATABASES)
async def town(request, tmp_path):
    async with open_town(request.param, tmp_path) as town:
        yield town


async def subjects(town, day) -> list[str]:
    return [plan.subject for plan in await town.region.plans.plans_of(day)]


async def listening(town, day) -> list[str]:
    (plan,) = await town.region.plans.plans_of(day)
    return sorted(each.place.short_name for each in plan.listeners)


# --- pure ---------------------------------------------------------------------------------------------------------


def test_the_nearest_counts():
    everybody = CalendarDay(WEDNESDAY, "放假")
    city = CalendarDay(WEDNESDAY, "全市", district_id=1)
    district = CalendarDay(WEDNESDAY, "全区", SATURDAY, district_id=2)
    school = CalendarDay(WEDNESDAY, "照常", WEDNESDAY, school_id=7)
    calendars = SchoolCalendars(
        [school, everybody, district, city], {7: 2, 8: 2, 9: 1, 10: 3}, {1: None, 2: 1, 3: None}
    )
    assert calendars.of(7).held([WEDNESDAY]) == [WEDNESDAY]
    assert (calendars.of(8).held([WEDNESDAY]), calendars.of(8).held([SATURDAY])) == ([], [WEDNESDAY, SATURDAY])
    assert not calendars.of(9).has_lessons(WEDNESDAY) and not calendars.of(10).has_lessons(WEDNESDAY)
    areas = [Area(district_id=2), Area(district_id=1), Area()]
    assert nearest([everybody, city, school], areas) == [city]
    assert nearest([everybody, school], areas) == [everybody]


def test_a_day_follows_the_timetable_of_the_other_one_not_its_calendar():
    # The Friday whose lessons are held on Sunday is itself off: its lessons are held once.
    friday, sunday = date(2026, 10, 2), date(2026, 9, 27)
    calendar = SchoolCalendar({friday: None, sunday: friday})
    assert calendar.held([date(2026, 9, 25), friday]) == [date(2026, 9, 25), sunday]
    assert calendar.has_lessons(sunday) and not calendar.has_lessons(friday)


def test_a_span_has_both_its_ends_and_at_most_92_days():
    first = date(2026, 7, 1)
    assert days_of(CalendarSpan(first, first, "放假", school_id=7)) == [CalendarDay(first, "放假", school_id=7)]
    days = days_of(CalendarSpan(first, date(2026, 9, 30), "暑假", as_usual=True))
    assert (len(days), days[-1]) == (92, CalendarDay(date(2026, 9, 30), "暑假", date(2026, 9, 30)))
    for last, why in [(date(2026, 10, 1), "一次最多设 92 天"), (date(2026, 6, 30), "不能早于第一天")]:
        with pytest.raises(BadValue, match=why):
            days_of(CalendarSpan(first, last, "暑假"))


# --- plans follow -------------------------------------------------------------------------------------------------


async def test_a_holiday_takes_the_lessons_of_its_day_and_gives_them_back(town):
    await town.region.timetable.create(town.entry())
    assert await subjects(town, NEXT_WEDNESDAY) == ["语文"]
    day = await town.region.calendar.create(CalendarDay(NEXT_WEDNESDAY, "国庆节"))
    assert await subjects(town, NEXT_WEDNESDAY) == []
    assert await subjects(town, WEDNESDAY) == ["语文"]
    await town.region.planning.materialise()
    assert await subjects(town, NEXT_WEDNESDAY) == []
    await town.region.calendar.update(day.id, replace(day.value, on_date=NEXT_WEDNESDAY + DAY))
    assert await subjects(town, NEXT_WEDNESDAY) == ["语文"]
    await town.region.calendar.update(day.id, day.value)
    await town.region.calendar.delete(day.id)
    assert await subjects(town, NEXT_WEDNESDAY) == ["语文"]


async def test_a_span_is_said_whole_or_not_at_all(town):
    region, school = town.region, town.ids["town"]
    await region.timetable.create(town.entry())
    before = await region.calendar.create(CalendarDay(SUNDAY, "运动会", school_id=school))
    span = CalendarSpan(WEDNESDAY, NEXT_WEDNESDAY, "放假", school_id=school)
    with pytest.raises(NotFound):
        await region.calendar.say(span, of_school(town.ids["bijia"]))
    # The database refuses the last of the days.
    await region.calendar.create(CalendarDay(NEXT_WEDNESDAY, "停电", school_id=town.ids["bijia"]))
    only = text(f"CREATE UNIQUE INDEX only_one ON calendar_days (on_date) WHERE on_date = '{NEXT_WEDNESDAY}'")
    async with region_writing(region.database) as connection:
        await connection.execute(only)
    with pytest.raises(CatalogueUnavailable):
        await region.calendar.say(span)
    async with region_writing(region.database) as connection:
        await connection.execute(text("DROP INDEX only_one"))
    with pytest.raises(BadValue):
        await region.calendar.say(replace(span, school_id=999_999))
    assert (await region.calendar.get(before.id)).value.name == "运动会"
    assert [await subjects(town, day) for day in (WEDNESDAY, NEXT_WEDNESDAY)] == [["语文"], ["语文"]]

    said = await region.calendar.say(span, of_school(school))
    assert [day.value.on_date for day in said] == [WEDNESDAY + number * DAY for number in range(8)]
    assert said[4].id == before.id and {day.value.name for day in said} == {"放假"}
    assert [await subjects(town, day) for day in (WEDNESDAY, NEXT_WEDNESDAY)] == [[], []]


async def test_a_swapped_day_has_the_lessons_of_the_other_week_at_its_own_bells(town):
    await town.region.timetable.create(town.entry(weeks=Weeks.ODD))  # this week is the 13th
    await town.region.timetable.create(town.entry(weeks=Weeks.EVEN, subject="书法"))
    await town.region.timetable.create(town.entry(weekday=6, subject="社团", weeks=Weeks.ODD))
    assert await subjects(town, SATURDAY) == ["社团"]
    saturday = await town.region.calendar.create(CalendarDay(SATURDAY, "补课", NEXT_WEDNESDAY))
    (plan,) = await town.region.plans.plans_of(SATURDAY)
    assert (plan.subject, plan.period, plan.lesson_id) == ("书法", 2, f"d{SATURDAY:%Y%m%d}-{plan.entry_id}")
    # In December the school has winter bells; the lesson is held in November.
    assert plan.starts_at.astimezone(ZONE).time() == time(9, 20)
    await town.region.calendar.update(saturday.id, replace(saturday.value, follows=WEDNESDAY))
    assert await subjects(town, SATURDAY) == ["语文"]
    await town.region.calendar.update(saturday.id, replace(saturday.value, follows=date(2026, 11, 24)))
    assert await subjects(town, SATURDAY) == []
    await town.region.calendar.delete(saturday.id)
    assert await subjects(town, SATURDAY) == ["社团"]


async def test_a_new_entry_is_planned_by_the_calendar_also_beyond_the_term(town):
    ids, region = town.ids, town.region
    term = await region.terms.get(ids["term"])
    await region.terms.update(term.id, replace(term.value, ends_on=NEXT_WEDNESDAY))
    await region.calendar.create(CalendarDay(NEXT_WEDNESDAY, "放假", district_id=ids["city"]))
    late = NEXT_WEDNESDAY + 3 * DAY
    await region.calendar.create(CalendarDay(late, "补课", NEXT_WEDNESDAY, school_id=ids["town"]))
    await region.timetable.create(town.entry())
    assert [await subjects(town, day) for day in (WEDNESDAY, NEXT_WEDNESDAY, late)] == [["语文"], [], ["语文"]]


async def test_what_was_changed_by_hand_or_held_stays(town):
    ids, region = town.ids, town.region
    for period, subject in enumerate(("语文", "调课", "停课", "录了", "散课"), 1):
        await region.timetable.create(town.entry(period=period, subject=subject))
    lessons = {plan.subject: plan for plan in await region.plans.plans_of(WEDNESDAY)}
    changed = replace(as_said(lessons["调课"], ZONE), teacher_id=ids["wang"])
    await region.planning.change(lessons["调课"].lesson_id, changed)
    await region.planning.cancel(lessons["停课"].lesson_id)
    await region.planning.plan(town.lesson())
    await Catalogue(region.database).put(entry(lessons["录了"].lesson_id))
    town.clock.now = lessons["语文"].starts_at  # it has begun
    await region.calendar.create(CalendarDay(WEDNESDAY, "突然放假"))
    kept = {plan.subject: plan.state for plan in await region.plans.plans_of(WEDNESDAY)}
    assert kept == {
        "语文": PlanState.PLANNED,
        "调课": PlanState.PLANNED,
        "停课": PlanState.CANCELLED,
        "录了": PlanState.PLANNED,
        "美术": PlanState.PLANNED,
    }
    # To be as the timetable has it again is not possible on a day that has no lessons.
    with pytest.raises(NotFound, match="放假"):
        await region.planning.restore(lessons["停课"].lesson_id)


async def test_a_school_that_has_a_day_off_does_not_listen(town):
    ids, region = town.ids, town.region
    await region.timetable.create(town.entry(listeners=(town.listener("bijia room"),)))
    await region.subscriptions.create(town.subscription())
    assert await listening(town, NEXT_WEDNESDAY) == ["山坪小学", "璧山区壁家小学"]
    sports = await region.calendar.create(CalendarDay(NEXT_WEDNESDAY, "运动会", school_id=ids["shanping"]))
    assert await listening(town, NEXT_WEDNESDAY) == ["璧山区壁家小学"]
    assert await listening(town, WEDNESDAY) == ["山坪小学", "璧山区壁家小学"]
    district = await region.calendar.create(CalendarDay(NEXT_WEDNESDAY, "停电", district_id=ids["bishan"]))
    assert await listening(town, NEXT_WEDNESDAY) == []
    await region.calendar.delete(sports.id)
    await region.calendar.delete(district.id)
    assert await listening(town, NEXT_WEDNESDAY) == ["山坪小学", "璧山区壁家小学"]


async def test_plans_follow_a_school_that_is_moved_to_another_district_and_a_district_to_another_city(town):
    ids, region = town.ids, town.region
    await region.timetable.create(town.entry())
    await region.subscriptions.create(town.subscription())
    await region.calendar.create(CalendarDay(NEXT_WEDNESDAY, "停电", district_id=ids["bishan"]))
    listens = await region.schools.get(ids["shanping"])
    moved = replace(listens.value, district_id=ids["bishan"])
    await region.schools.update(listens.id, moved)
    assert (await listening(town, NEXT_WEDNESDAY), await listening(town, WEDNESDAY)) == ([], ["山坪小学"])
    await region.schools.update(listens.id, listens.value)
    assert await listening(town, NEXT_WEDNESDAY) == ["山坪小学"]
    leads = await region.schools.get(ids["town"])
    await region.schools.update(leads.id, replace(leads.value, district_id=ids["bishan"]))
    assert (await subjects(town, NEXT_WEDNESDAY), await subjects(town, WEDNESDAY)) == ([], ["语文"])
    await region.schools.update(leads.id, leads.value)
    district = await region.districts.get(ids["dazu"])
    await region.districts.update(district.id, replace(district.value, parent_id=ids["bishan"]))
    assert (await subjects(town, NEXT_WEDNESDAY), await subjects(town, WEDNESDAY)) == ([], ["语文"])
    await region.districts.update(district.id, district.value)
    assert await subjects(town, NEXT_WEDNESDAY) == ["语文"]


# --- conflicts ----------------------------------------------------------------------------------------------------


async def test_schools_that_hold_different_days_meet_and_are_told(town):
    ids, region = town.ids, town.region
    room = await region.classrooms.get(ids["shanping room"])
    await region.classrooms.update(room.id, replace(room.value, leads=True))
    mine = await region.timetable.create(town.entry(weekday=1, listeners=(town.listener("shanping room"),)))
    theirs = town.entry(
        weekday=2, classroom_id=ids["shanping room"], teacher_id=ids["chen"], class_id=None, subject="数学"
    )
    other = await region.timetable.create(theirs)
    monday, tuesday = date(2026, 11, 30), date(2026, 12, 1)
    assert (await region.timetable.conflicts()).total == 0
    await region.calendar.create(CalendarDay(SUNDAY, "补周一", monday, school_id=ids["town"]))
    sunday = await region.calendar.create(CalendarDay(SUNDAY, "补周二", tuesday, school_id=ids["shanping"]))
    found = await region.timetable.conflicts()
    assert [(each.entry_id, each.on_date) for each in found.items] == [(mine.id, SUNDAY), (other.id, SUNDAY)]
    assert found.items[0].text.startswith(
        "教室冲突：山坪小学 多媒体教室 周日第2节（09:40–10:20，2026-11-29）已有《数学》陈志强老师"
    )
    assert (await region.timetable.conflicts(most=1)).items == found.items[:1]
    # A lesson by hand is refused where the calendar has put another one.
    with pytest.raises(Conflict, match=r"周日第2节.*已有《数学》陈志强老师"):
        at_ten = {"on_date": SUNDAY, "starts": time(10), "ends": time(10, 10), "teacher_id": ids["chen"]}
        await region.planning.plan(town.lesson(**at_ten, classroom_id=ids["studio 2"]))
    # Who has a day off is in nobody's way.
    await region.calendar.update(sunday.id, replace(sunday.value, follows=None))
    assert (await region.timetable.conflicts()).total == 0


async def test_an_entry_is_refused_for_a_day_that_the_calendar_made(town):
    ids, region = town.ids, town.region
    await region.calendar.create(CalendarDay(SUNDAY, "补课", NEXT_WEDNESDAY, district_id=ids["dazu"]))
    await region.timetable.create(town.entry())
    club = town.entry(weekday=7, subject="社团")
    await region.timetable.create(club)  # on this Sunday it gives way, in the same room with the same teacher
    assert (await subjects(town, SUNDAY), (await region.timetable.conflicts()).total) == (["语文"], 0)
    room = await region.classrooms.get(ids["shanping room"])
    await region.classrooms.update(room.id, replace(room.value, leads=True))
    await region.calendar.create(CalendarDay(SUNDAY, "照常", SUNDAY, school_id=ids["shanping"]))
    there = replace(club, classroom_id=room.id, class_id=None, first_week=13, last_week=13)
    with pytest.raises(Conflict, match="教师冲突：李红梅 周日第2节（09:20–10:00，2026-11-29）已有《语文》"):
        await region.timetable.create(there)


# --- keeping days -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("area", [{}, {"district_id": "dazu"}, {"school_id": "town"}])
async def test_an_area_says_one_thing_of_a_day(town, area):
    of = {field: town.ids[name] for field, name in area.items()}
    day = await town.region.calendar.create(CalendarDay(SUNDAY, "一", **of))
    with pytest.raises(Duplicate, match="一"):
        await town.region.calendar.create(CalendarDay(SUNDAY, "二", **of))
    other = await town.region.calendar.create(CalendarDay(SATURDAY, "三", **of))
    with pytest.raises(Duplicate):
        await town.region.calendar.update(other.id, replace(other.value, on_date=SUNDAY))
    assert (await town.region.calendar.get(day.id)).value.name == "一"
    with pytest.raises(CatalogueUnavailable):  # nor does the database keep two
        async with region_writing(town.region.database) as connection:
            await connection.execute(insert(schema.calendar_days).values(on_date=SUNDAY, name="四", **of))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("school_id", CalendarDay(SUNDAY, "两个", district_id=1, school_id=1)),
        ("follows", CalendarDay(SUNDAY, "去年", date(2025, 11, 29))),
        ("name", CalendarDay(SUNDAY, " ")),
        ("school_id", CalendarDay(SUNDAY, "没有", school_id=99)),
    ],
)
async def test_what_no_day_can_be_is_refused(town, field, value):
    with pytest.raises(BadValue) as refused:
        await town.region.calendar.create(value)
    assert refused.value.field == field


async def test_everybody_says_only_what_is_theirs(town):
    ids, calendar = town.ids, town.region.calendar
    school = of_school(ids["shanping"])
    district = Scope(frozenset({ids["dazu"]}))
    national = await calendar.create(CalendarDay(SUNDAY, "国庆节"), EVERYTHING)
    local = await calendar.create(CalendarDay(SUNDAY, "区", district_id=ids["dazu"]), district)
    own = await calendar.create(CalendarDay(SUNDAY, "运动会", school_id=ids["shanping"]), school)
    for scope, value in [
        (school, CalendarDay(SATURDAY, "x")),
        (school, CalendarDay(SATURDAY, "x", district_id=ids["dazu"])),
        (school, CalendarDay(SATURDAY, "x", school_id=ids["town"])),
        (district, CalendarDay(SATURDAY, "x")),
        (district, CalendarDay(SATURDAY, "x", district_id=ids["city"])),
        (district, CalendarDay(SATURDAY, "x", school_id=ids["bijia"])),
    ]:
        with pytest.raises(NotFound):
            await calendar.create(value, scope)
    for scope, stored in [(school, national), (school, local), (district, national)]:
        with pytest.raises(NotFound):
            await calendar.update(stored.id, replace(stored.value, name="我的"), scope)
        with pytest.raises(NotFound):
            await calendar.delete(stored.id, scope)
    with pytest.raises(NotFound):  # nor may what is theirs become everybody's
        await calendar.update(own.id, replace(own.value, on_date=SATURDAY, school_id=None), school)
    assert (await calendar.find(of_school(ids["bijia"]))).total == 2
    await calendar.update(own.id, replace(own.value, name="秋季运动会"), district)


async def test_what_counts_is_told_for_a_month(town):
    ids, calendar = town.ids, town.region.calendar
    for value in [
        CalendarDay(SATURDAY, "国庆节"),
        CalendarDay(SUNDAY, "国庆节"),
        CalendarDay(SUNDAY, "区里补课", NEXT_WEDNESDAY, district_id=ids["dazu"]),
        CalendarDay(NEXT_WEDNESDAY, "运动会", school_id=ids["shanping"]),
        CalendarDay(NEXT_WEDNESDAY, "家长会", school_id=ids["town"]),
    ]:
        await calendar.create(value)

    async def told(area, until=NEXT_WEDNESDAY):
        return [stored.value.name for stored in await calendar.that_count(area, WEDNESDAY, until)]

    assert await told(Area()) == ["国庆节", "国庆节"]
    assert await told(Area(district_id=ids["dazu"])) == ["国庆节", "区里补课"]
    assert await told(Area(school_id=ids["shanping"])) == ["国庆节", "区里补课", "运动会"]
    assert await told(Area(school_id=ids["bijia"])) == ["国庆节", "国庆节"]
    assert await told(Area(school_id=ids["shanping"]), SATURDAY) == ["国庆节"]


async def test_days_go_with_their_school(town):
    ids, region = town.ids, town.region
    school = await region.schools.get(ids["shanping"])
    new = await region.schools.create(replace(school.value, code="5001110099", name="新学校", short_name=""))
    await region.calendar.create(CalendarDay(SUNDAY, "校庆", school_id=new.id))
    await region.schools.delete(new.id)
    assert (await region.calendar.find()).total == 0
