"""What a region keeps and what it refuses, on SQLite and on PostgreSQL: the same tests, the same answers."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time

import pytest
from sqlalchemy import select, text

from classroom.catalogue.accounts.credentials import new_credential
from classroom.catalogue.accounts.devices import Devices
from classroom.catalogue.region import schema
from classroom.catalogue.region.calendar import Bell, Weeks
from classroom.catalogue.region.errors import BadValue, Duplicate, InUse, NotFound, ValueChanged
from classroom.catalogue.region.kinds import KINDS, TERMS
from classroom.catalogue.region.repository import Repository
from classroom.catalogue.region.values import (
    BellSchedule,
    Classroom,
    District,
    Person,
    PersonKind,
    School,
    SchoolClass,
    Term,
    TimetableEntry,
    parsed,
)
from classroom.catalogue.scope import NOTHING, OutOfScope, Scope, of_school
from classroom.model import DeviceKind
from tests.unit.catalogue.entries import DATABASES
from tests.unit.catalogue.region.town import SECRET, bells, open_town

NOW = datetime(2026, 11, 25, tzinfo=UTC)
NUMBER = "G50011120160101123X"


@pytest.fixture(params=DATABASES)
async def town(request, tmp_path):
    async with open_town(request.param, tmp_path) as town:
        yield town


def values(page) -> list[str]:
    return [item.value.name for item in page.items]


async def test_a_value_is_kept_found_changed_and_removed(town):
    schools = town.region.schools
    value = School("5001110009", " 大足区高升小学 ", town.ids["dazu"], "高升小学")
    created = await schools.create(value)
    assert created.value == replace(value, name="大足区高升小学")
    assert created.names == {"district_id": "大足区"}
    assert await schools.get(created.id) == created
    changed = replace(created.value, short_name="高升")
    assert (await schools.update(created.id, changed)).value == changed
    assert values(await schools.find(text="高升")) == ["大足区高升小学"]
    await schools.delete(created.id)
    with pytest.raises(NotFound):
        await schools.get(created.id)


async def test_pages_words_and_columns_narrow_what_is_found(town):
    schools, classes = town.region.schools, town.region.classes
    assert values(await schools.find()) == ["大足区龙岗小学", "大足区山坪小学", "璧山区壁家小学"]  # by code
    page = await schools.find(page=2, page_size=2)
    assert (page.total, values(page)) == (3, ["璧山区壁家小学"])
    assert values(await schools.find(text="500120")) == ["璧山区壁家小学"]
    assert values(await schools.find(text="%")) == []
    assert (await classes.find(where={"school_id": town.ids["town"]})).total == 2
    assert (await classes.find(where={"school_id": town.ids["town"], "name": "2班"})).total == 1
    with pytest.raises(BadValue):
        await classes.find(where={"student_hash": "x"})


async def test_a_scope_hides_what_is_not_in_it(town):
    region, ids = town.region, town.ids
    district, school = Scope(frozenset({ids["dazu"]})), of_school(ids["shanping"])
    city = Scope(frozenset(ids[name] for name in ("city", "dazu", "bishan")))
    assert values(await region.districts.find(city)) == ["重庆市", "大足区", "璧山区"]
    assert values(await region.districts.find(district)) == ["大足区"]
    assert values(await region.schools.find(district)) == ["大足区龙岗小学", "大足区山坪小学"]
    assert values(await region.schools.find(school)) == ["大足区山坪小学"]
    assert values(await region.classrooms.find(school)) == ["多媒体教室"]
    assert values(await region.terms.find(school)) == ["2026年秋"]
    with pytest.raises(NotFound):
        await region.schools.get(ids["bijia"], district)
    with pytest.raises(NotFound):
        await region.classrooms.create(Classroom(ids["town"], "又一间"), school)
    assert (await region.classrooms.find(text="又一间")).total == 0  # nothing was kept
    room = (await region.classrooms.get(ids["shanping room"], school)).value
    with pytest.raises(NotFound):
        await region.classrooms.update(ids["shanping room"], replace(room, school_id=ids["town"]), school)
    with pytest.raises(NotFound):
        await region.terms.update(ids["term"], Term("x", date(2026, 9, 1), date(2027, 1, 1)), school)
    with pytest.raises(NotFound):
        await region.schools.delete(ids["bijia"], district)


async def test_who_reaches_nothing_sees_and_changes_nothing(town):
    await town.region.timetable.create(town.entry())
    for kind in KINDS:
        found = await Repository(town.region.database, kind, town.region.numbers).find(NOTHING)
        assert found.total == (1 if kind is TERMS else 0), kind.en
    for district in (None, town.ids["dazu"]):
        with pytest.raises(NotFound):
            await town.region.districts.create(District("500999", "又一区", district), NOTHING)
    with pytest.raises(NotFound):
        await town.region.schools.delete(town.ids["bijia"], NOTHING)


async def test_a_district_may_have_new_ones_below_it_and_none_beside(town):
    ids, districts = town.ids, town.region.districts
    dazu = Scope(frozenset({ids["dazu"]}))
    assert (await districts.create(District("500111001", "龙岗街道", ids["dazu"]), dazu)).value.parent_id == ids["dazu"]
    for above in (None, ids["city"], ids["bishan"]):
        with pytest.raises(NotFound):
            await districts.create(District("500112", "渝北区", above), dazu)


async def test_the_terms_of_all_are_not_for_one_district_to_change(town):
    dazu, terms = Scope(frozenset({town.ids["dazu"]})), town.region.terms
    with pytest.raises(NotFound):
        await terms.update(town.ids["term"], Term("x", date(2026, 9, 1), date(2026, 9, 30)), dazu)
    with pytest.raises(NotFound):
        await terms.create(Term("2030年秋", date(2030, 9, 1), date(2031, 1, 20)), dazu)


async def test_nobody_takes_a_school_or_a_district_away_from_those_above(town):
    ids, region = town.ids, town.region
    school = (await region.schools.get(ids["shanping"])).value
    for scope in (of_school(ids["shanping"]), Scope(frozenset({ids["dazu"]}))):
        with pytest.raises(OutOfScope):
            await region.schools.update(ids["shanping"], replace(school, district_id=ids["bishan"]), scope)
        renamed = replace(school, short_name="山坪")
        assert (await region.schools.update(ids["shanping"], renamed, scope)).value == renamed
    dazu = (await region.districts.get(ids["dazu"])).value
    for above in (None, ids["bishan"]):
        with pytest.raises(OutOfScope):
            await region.districts.update(ids["dazu"], replace(dazu, parent_id=above), Scope(frozenset({ids["dazu"]})))
    city = Scope(frozenset(ids[name] for name in ("city", "dazu", "bishan")))
    await region.schools.update(ids["shanping"], replace(school, district_id=ids["bishan"]), city)


async def test_an_entry_is_seen_where_it_is_heard_and_owned_where_it_is_taught(town):
    ids, timetable = town.ids, town.region.timetable
    entry = await timetable.create(town.entry(listeners=(town.listener("bijia room"),)))
    assert entry.names["listeners.0.classroom_id"] == "璧山区壁家小学 多媒体教室"
    assert entry.names["class_id"] == "龙岗小学 三年级1班"
    await town.region.subscriptions.create(town.subscription())
    for school, total in [("town", 1), ("bijia", 1), ("shanping", 1)]:
        assert (await timetable.find(of_school(ids[school]))).total == total
    with pytest.raises(NotFound):
        await timetable.delete(entry.id, of_school(ids["bijia"]))


async def test_the_same_key_is_refused_and_named(town):
    region, ids = town.region, town.ids
    with pytest.raises(Duplicate, match="大足区"):
        await region.districts.create(District("500111", "另一个"))
    with pytest.raises(Duplicate, match="山坪小学"):
        await region.schools.update(ids["bijia"], School("5001110002", "壁家小学", ids["bishan"]))
    with pytest.raises(Duplicate, match="龙岗小学 三年级1班"):
        await region.classes.create(SchoolClass(ids["town"], "三年级", "1班"))
    with pytest.raises(Duplicate, match="李红梅"):
        await region.people.create(Person(PersonKind.STAFF, "另一位", ids["town"], "101"))
    with pytest.raises(Duplicate):
        await region.subscriptions.create((await region.subscriptions.create(town.subscription())).value)


async def test_what_others_refer_to_stays_and_they_are_named(town):
    region, ids = town.region, town.ids
    await region.timetable.create(town.entry(listeners=(town.listener("bijia room"),)))
    await region.subscriptions.create(town.subscription())
    for repository, name, others in [
        (region.districts, "city", "区划 2（大足区、璧山区）"),
        (region.schools, "bijia", "教室 1（璧山区壁家小学 多媒体教室）"),
        (region.classrooms, "studio", "课表 1（周三第2节语文）"),
        (region.classrooms, "bijia room", "课表听讲 1（语文）"),
        (region.classes, "town 3.1", "订阅 1（山坪小学 三年级1班 语文）"),
        (region.people, "li", "课程 3（三年级语文、三年级语文、三年级语文）"),
        (region.terms, "term", "课表 1"),
    ]:
        with pytest.raises(InUse) as refused:
            await repository.delete(ids[name])
        assert others in str(refused.value), name
        await repository.get(ids[name])


async def test_accounts_and_devices_keep_what_they_belong_to(town):
    async with town.region.database.writing() as connection:
        await connection.execute(
            text(
                "INSERT INTO devices (id, kind, name, classroom_id, credential_hash, paired_at) "
                "VALUES ('d1', 'terminal', '讲台电脑', :room, 'x', '2026-11-25 00:00:00')"
            ),
            {"room": town.ids["bijia room"]},
        )
    with pytest.raises(InUse, match="终端 1（讲台电脑）"):
        await town.region.classrooms.delete(town.ids["bijia room"])


async def test_a_device_that_was_revoked_keeps_no_classroom(town):
    devices = Devices(town.region.database)
    room = (await town.region.classrooms.create(Classroom(town.ids["bijia"], "旧教室"))).id
    used, gone = [
        (await devices.add(DeviceKind.TERMINAL, await devices.room(room), name, new_credential(), None, NOW)).device.id
        for name in ("在用的", "拆掉的")
    ]
    await devices.revoke(gone, NOW)
    with pytest.raises(InUse, match="终端 1（在用的）"):
        await town.region.classrooms.delete(room)
    assert gone in await devices.revoked_since(NOW)  # nothing was done
    await devices.revoke(used, NOW)
    await town.region.classrooms.delete(room)


async def test_a_school_takes_its_bells_with_it(town):
    region = town.region
    school = await region.schools.create(School("5001110009", "高升小学", town.ids["dazu"]))
    schedule = await region.bells.create(BellSchedule(school.id, "夏季", date(2026, 9, 1), bells("08:30")))
    await region.schools.delete(school.id)
    with pytest.raises(NotFound):
        await region.bells.get(schedule.id)


async def test_a_teacher_who_helped_may_leave(town):
    await town.region.subscriptions.create(town.subscription())
    await town.region.people.delete(town.ids["chen"])
    page = await town.region.subscriptions.find()
    assert page.items[0].value.assistant_id is None


async def test_who_changes_what_another_has_changed_is_told(town):
    schools, identity = town.region.schools, town.ids["bijia"]
    seen = await schools.get(identity)
    await schools.update(identity, replace(seen.value, short_name="壁家"), over=[seen.tag])
    with pytest.raises(ValueChanged):
        await schools.update(identity, replace(seen.value, short_name="璧家"), over=[seen.tag])
    assert (await schools.get(identity)).value.short_name == "壁家"


async def test_a_student_number_is_not_kept_but_recognised(town):
    people, ids = town.region.people, town.ids
    child = Person(PersonKind.STUDENT, "张小雨", ids["shanping"], student_number=NUMBER, class_id=ids["shanping 3.1"])
    stored = await people.create(child)
    assert stored.value.student_number == "G5001**********123X"
    async with town.region.database.reading() as connection:
        row = (await connection.execute(select(schema.people).where(schema.people.c.id == stored.id))).one()
    assert NUMBER not in repr(row)
    assert len(row.student_hash) == 64
    with pytest.raises(Duplicate, match="张小雨"):
        await people.create(replace(child, name="同一个人", student_number=NUMBER.lower()))
    renamed = await people.update(stored.id, replace(stored.value, name="张晓雨"))  # the masked number stays
    async with town.region.database.reading() as connection:
        query = select(schema.people.c.student_hash).where(schema.people.c.id == stored.id)
        assert await connection.scalar(query) == row.student_hash
    assert renamed.value.student_number == stored.value.student_number
    with pytest.raises(BadValue):
        await people.create(replace(child, student_number="G5001**********1234"))
    assert SECRET not in repr(row)


async def test_a_number_of_another_student_is_taken_when_it_is_whole(town):
    people, ids = town.region.people, town.ids
    child = Person(PersonKind.STUDENT, "张小雨", ids["shanping"], student_number=NUMBER)
    stored = await people.create(child)
    changed = await people.update(stored.id, replace(child, student_number="L1234567"))
    assert changed.value.student_number == "L*****67"
    await people.create(replace(child, name="后来的人"))  # whose number nobody has any more


BAD = [
    ("schools", "code", lambda town: School("123", "x", town.ids["dazu"])),
    ("schools", "name", lambda town: School("5001110009", " ", town.ids["dazu"])),
    ("schools", "name", lambda town: School("5001110009", "x\ny", town.ids["dazu"])),
    ("schools", "district_id", lambda town: School("5001110009", "x", 99999)),
    ("districts", "code", lambda town: District("５０011", "x")),
    ("classes", "classroom_id", lambda town: SchoolClass(town.ids["town"], "一年级", "1班", 1, town.ids["bijia room"])),
    ("classes", "children", lambda town: SchoolClass(town.ids["town"], "一年级", "1班", -1)),
    ("people", "staff_number", lambda town: Person(PersonKind.STAFF, "x", town.ids["town"])),
    ("people", "student_number", lambda town: Person(PersonKind.STUDENT, "x", town.ids["town"])),
    ("people", "class_id", lambda town: Person(PersonKind.STAFF, "x", town.ids["town"], "9", class_id=1)),
    (
        "people",
        "class_id",
        lambda town: Person(
            PersonKind.STUDENT, "x", town.ids["town"], student_number=NUMBER, class_id=town.ids["bijia 3.1"]
        ),
    ),
    ("terms", "ends_on", lambda town: Term("x", date(2026, 9, 1), date(2026, 9, 1))),
    ("terms", "ends_on", lambda town: Term("x", date(2026, 9, 1), date(2028, 9, 1))),
    ("bells", "bells", lambda town: BellSchedule(town.ids["town"], "x", date(2027, 1, 1))),
    (
        "bells",
        "bells",
        lambda town: BellSchedule(town.ids["town"], "x", date(2027, 1, 1), (Bell(1, time(9), time(8)),)),
    ),
    (
        "bells",
        "bells",
        lambda town: BellSchedule(
            town.ids["town"], "x", date(2027, 1, 1), (Bell(1, time(8), time(9)), Bell(2, time(8, 59), time(10)))
        ),
    ),
    ("subscriptions", "main_class_id", lambda town: town.subscription(class_id=town.ids["town 3.1"])),
    ("timetable", "weekday", lambda town: town.entry(weekday=8)),
    ("timetable", "period", lambda town: town.entry(period=7)),
    ("timetable", "classroom_id", lambda town: town.entry(classroom_id=town.ids["bijia room"])),
    ("timetable", "teacher_id", lambda town: town.entry(teacher_id=99999)),
    ("timetable", "last_week", lambda town: town.entry(first_week=5, last_week=4)),
    ("timetable", "weeks", lambda town: town.entry(weeks=Weeks.EVEN, first_week=3, last_week=3)),
    ("timetable", "listeners.0.classroom_id", lambda town: town.entry(listeners=(town.listener("studio"),))),
    (
        "timetable",
        "listeners.1.classroom_id",
        lambda town: town.entry(listeners=(town.listener("bijia room"), town.listener("bijia room"))),
    ),
]


async def test_what_cannot_be_is_refused_and_says_where_and_why(town):
    for name, field, make in BAD:
        with pytest.raises(BadValue) as refused:
            await getattr(town.region, name).create(make(town))
        assert refused.value.field == field, str(refused.value)
        chinese, _, english = str(refused.value).partition("。 ")
        assert chinese.startswith("“"), chinese
        assert english.endswith("."), english


async def test_a_district_is_not_below_itself(town):
    districts, ids = town.region.districts, town.ids
    with pytest.raises(BadValue):
        await districts.update(ids["city"], District("500000", "重庆市", ids["dazu"]))
    with pytest.raises(BadValue):
        await districts.update(ids["city"], District("500000", "重庆市", ids["city"]))


def test_what_is_said_in_json_becomes_a_value():
    said = {"term_id": 1, "weekday": 3, "period": 2, "classroom_id": 1, "teacher_id": 1, "subject": "语文"}
    entry = parsed(TimetableEntry, {**said, "weeks": "odd", "listeners": [{"classroom_id": 2}]})
    assert (entry.weeks, entry.listeners[0].classroom_id) == (Weeks.ODD, 2)
    schedule = {"school_id": 1, "name": "夏", "valid_from": "2026-09-01"}
    told = parsed(BellSchedule, {**schedule, "bells": [{"period": 1, "starts": "08:30", "ends": "09:10"}]})
    assert told.bells == (Bell(1, time(8, 30), time(9, 10)),)
    for wrong, field in [({"weekday": 0}, "weekday"), ({"colour": 1}, "colour"), ({"weeks": "third"}, "weeks")]:
        with pytest.raises(BadValue) as refused:
            parsed(TimetableEntry, {**said, **wrong})
        assert refused.value.field == field
