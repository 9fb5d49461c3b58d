"""The doors of the region over real sockets: what they keep, refuse and describe."""

from __future__ import annotations

import asyncio
import json
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from classroom.web.region.openapi import document
from classroom.web.rights import ROUTES
from tests.unit.catalogue.entries import DATABASES, new_url
from tests.unit.catalogue.entries import entry as recording
from tests.unit.web.people import Visitor, opened, signed_in
from tests.unit.web.running_node import running

# What no schema says: that what is referred to exists, that a period has its bell, that a teacher is free.
SEMANTIC = [positive_data_acceptance]


@pytest.fixture(params=DATABASES)
async def operator(request, tmp_path):
    url = new_url(request.param)
    async with running(tmp_path, **({} if url is None else {"database_url": url})) as doors:
        await opened(doors)
        yield await signed_in(doors, "operator")


@pytest.fixture
async def here(tmp_path):
    async with running(tmp_path) as doors:
        await opened(doors)
        yield await signed_in(doors, "operator")


async def told(response, status: int = 200):
    assert response.status == status, response._body
    return json.loads(response._body) if response._body else None


async def refused(response) -> tuple[int, str, str | None]:
    body = json.loads(response._body)
    assert any("\u4e00" <= char <= "\u9fff" for char in body["detail"]), "in Chinese"
    return response.status, body["code"], body.get("field")


async def add(visitor: Visitor, kind: str, /, **value) -> int:
    return (await told(await visitor.ask("POST", f"/api/region/{kind}", json=value), 201))["id"]


async def town(visitor: Visitor) -> dict[str, int]:
    """A school with a main classroom and a teacher, one that listens, this year's term and bells."""
    city = await add(visitor, "districts", code="500000", name="重庆市")
    district = await add(visitor, "districts", code="500111", name="大足区", parent_id=city)
    ids = {"city": city, "district": district}
    for number, (key, short) in enumerate((("main", "龙岗一小"), ("far", "山坪小学")), 1):
        ids[key] = school = await add(
            visitor, "schools", code=f"311100000{number}", name=f"大足区{short}", short_name=short, district_id=district
        )
        ids[f"{key} room"] = await add(visitor, "classrooms", school_id=school, name="同步教室", leads=key == "main")
        ids[f"{key} class"] = await add(
            visitor, "classes", school_id=school, grade="三年级", name="1班", children=30 + number
        )
        bells = [{"period": 1, "starts": "08:30", "ends": "09:10"}, {"period": 2, "starts": "09:20", "ends": "10:00"}]
        await add(visitor, "bells", school_id=school, name="作息", valid_from="2026-01-01", bells=bells)
    ids["teacher"] = await add(
        visitor, "people", kind="staff", name="王秀英", school_id=ids["main"], staff_number="1001", subject="数学"
    )
    today = visitor.doors.node.region.planning.today
    begins, ends = (str(today + timedelta(days=days)) for days in (-30, 120))
    ids["term"] = await add(visitor, "terms", name="本学期", starts_on=begins, ends_on=ends)
    return ids


def lesson(ids: dict[str, int], **other) -> dict:
    return {
        "term_id": ids["term"],
        "weekday": 3,
        "period": 1,
        "classroom_id": ids["main room"],
        "class_id": ids["main class"],
        "teacher_id": ids["teacher"],
        "subject": "数学",
        "listeners": [{"classroom_id": ids["far room"], "class_id": ids["far class"]}],
        **other,
    }


async def test_a_region_is_kept_listed_changed_and_removed(operator):
    ids = await town(operator)
    page = await told(await operator.ask("GET", "/api/region/schools?q=山坪"))
    assert (page["total"], page["items"][0]["short_name"]) == (1, "山坪小学")
    assert page["items"][0]["names"]["district_id"] == "大足区"
    rooms = await told(await operator.ask("GET", f"/api/region/classrooms?school_id={ids['main']}&leads=true"))
    assert [room["id"] for room in rooms["items"]] == [ids["main room"]]
    one = f"/api/region/schools/{ids['far']}"
    read = await operator.ask("GET", one)
    school, tag = json.loads(read._body), read.headers["ETag"]
    said = {key: school[key] for key in ("code", "name", "short_name", "district_id")}
    changed = await operator.ask("PUT", one, json={**said, "short_name": "山坪"}, headers={"If-Match": tag})
    assert (await told(changed))["short_name"] == "山坪"
    again = await operator.ask("PUT", one, json=said, headers={"If-Match": tag})
    assert await refused(again) == (412, "changed", None)
    assert await refused(await operator.ask("DELETE", one)) == (409, "in_use", None)
    room = await add(operator, "classrooms", school_id=ids["far"], name="备用教室")
    assert (await operator.ask("DELETE", f"/api/region/classrooms/{room}")).status == 204
    assert await refused(await operator.ask("GET", f"/api/region/classrooms/{room}")) == (404, "not_found", None)


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("schools", {"code": "31", "name": "短", "district_id": 1}, (422, "bad_value", "code")),
        ("schools", {"code": "3111000001", "name": "又", "district_id": 2}, (409, "duplicate", None)),
        ("schools", {"code": "3111000009", "name": "无", "district_id": 99}, (422, "bad_value", "district_id")),
        ("schools", {"code": "3111000009", "name": "多", "district_id": 2, "x": 1}, (422, "bad_value", "x")),
        ("schools", [], (400, "bad_request", None)),
    ],
)
async def test_what_cannot_be_kept_is_refused_with_the_field(here, kind, value, expected):
    await town(here)
    assert await refused(await here.ask("POST", f"/api/region/{kind}", json=value)) == expected


async def test_two_lessons_of_one_teacher_are_refused_and_the_other_is_named(operator):
    ids = await town(operator)
    await add(operator, "timetable", **lesson(ids))
    other = await add(operator, "classrooms", school_id=ids["main"], name="二号教室", leads=True)
    clash = await operator.ask(
        "POST", "/api/region/timetable", json=lesson(ids, classroom_id=other, class_id=None, listeners=[])
    )
    assert await refused(clash) == (409, "conflict", None)
    assert "数学" in json.loads(clash._body)["detail"] and "王秀英" in json.loads(clash._body)["detail"]
    assert await add(operator, "timetable", **lesson(ids, period=2))


async def test_a_timetable_is_narrowed_to_who_teaches_or_listens(operator):
    ids = await town(operator)
    helper = await add(
        operator, "people", kind="staff", name="赵明", school_id=ids["far"], staff_number="2001", subject="数学"
    )
    subscribed = {"term_id": ids["term"], "class_id": ids["far class"], "main_class_id": ids["main class"]}
    heard = await add(operator, "timetable", **lesson(ids, listeners=[]))
    await add(
        operator, "subscriptions", **subscribed, subject="数学", classroom_id=ids["far room"], assistant_id=helper
    )
    own = await add(operator, "timetable", **lesson(ids, period=2, class_id=None, subject="会议", listeners=[]))

    async def found(**asked: int) -> set[int]:
        query = "&".join(f"{name}={value}" for name, value in asked.items())
        return {
            each["id"] for each in (await told(await operator.ask("GET", f"/api/region/timetable?{query}")))["items"]
        }

    assert await found(with_classroom=ids["main room"]) == await found(with_person=ids["teacher"]) == {heard, own}
    assert await found(with_class=ids["main class"]) == {heard}
    # What is listened to by a subscription is in the weeks of its listeners.
    for listening in ({"with_classroom": ids["far room"]}, {"with_class": ids["far class"]}, {"with_person": helper}):
        assert await found(**listening) == {heard}
    assert await found(with_school=ids["far"]) == {heard}
    assert await found(with_school=ids["main"], period=2) == {own}
    # And by what the entry itself says.
    by_entry = await add(operator, "timetable", **lesson(ids, weekday=5))
    assert await found(with_school=ids["far"], weekday=5) == {by_entry}
    assert await found(with_person=helper + 99) == set()


async def test_a_plan_is_moved_cancelled_and_restored(operator):
    ids = await town(operator)
    await add(operator, "timetable", **lesson(ids))
    await operator.doors.node.region.planning.materialise()
    today = operator.doors.node.region.planning.today
    span = f"/api/plans?from={today}&to={today.replace(year=today.year + 1)}"
    assert await refused(await operator.ask("GET", span)) == (400, "bad_query", None)
    plans = []
    for week in range(2):
        day = today.toordinal() + 7 * week
        first, last = (today.fromordinal(n) for n in (day, day + 6))
        plans += (await told(await operator.ask("GET", f"/api/plans?from={first}&to={last}")))["items"]
    plan = plans[-1]
    assert (plan["teacher"], plan["listeners"][0]["place"]["short_name"]) == ("王秀英", "山坪小学")
    assert (plan["starts"], plan["ends"]) == ("08:30", "09:10")
    one = f"/api/plans/{plan['lesson_id']}"
    assert (await told(await operator.ask("POST", f"{one}/cancel")))["state"] == "cancelled"
    assert (await told(await operator.ask("POST", f"{one}/restore")))["state"] == "planned"
    said = {key: plan[key] for key in ("on_date", "subject", "class_id", "teacher_id")}
    moved = {**said, "classroom_id": ids["main room"], "starts": "14:00", "ends": "14:40", "title": "公开课"}
    assert (await told(await operator.ask("PUT", one, json=moved)))["title"] == "公开课"
    assert await refused(await operator.ask("DELETE", one)) == (422, "bad_value", "lesson_id")
    extra = await told(
        await operator.ask("POST", "/api/plans", json={**moved, "starts": "15:00", "ends": "15:40"}), 201
    )
    assert (await operator.ask("DELETE", f"/api/plans/{extra['lesson_id']}")).status == 204


async def test_a_holiday_takes_the_lessons_of_its_day_and_is_told_to_all_below(operator):
    ids = await town(operator)
    region = operator.doors.node.region
    await add(operator, "timetable", **lesson(ids, weekday=region.planning.today.isoweekday()))
    day = str(region.planning.today + timedelta(days=7))

    async def planned() -> list[str]:
        return [plan["subject"] for plan in (await told(await operator.ask("GET", f"/api/plans?from={day}")))["items"]]

    assert await planned() == ["数学"]
    head = await signed_in(operator.doors, "school_admin", school_id=ids["far"])
    month = f"/api/calendar?from={day}&to={day}&school_id={ids['far']}"
    holiday = await add(operator, "calendar", on_date=day, name="国庆节", district_id=ids["district"])
    assert await planned() == []
    (seen,) = (await told(await head.ask("GET", month)))["items"]
    assert (seen["id"], seen["follows"], seen["names"]) == (holiday, None, {"district_id": "大足区"})
    one = f"/api/region/calendar/{holiday}"
    assert await refused(await head.ask("DELETE", one)) == (404, "not_found", None)
    # The village says that it is as usual; whether the town has lessons is the town's to say.
    await add(head, "calendar", on_date=day, name="照常上课", follows=day, school_id=ids["far"])
    assert [each["name"] for each in (await told(await head.ask("GET", month)))["items"]] == ["照常上课"]
    assert await planned() == []
    assert (await operator.ask("DELETE", one)).status == 204
    assert await planned() == ["数学"]
    assert await refused(await head.ask("GET", f"{month}&district_id=1")) == (400, "bad_query", None)
    assert await refused(await head.ask("GET", "/api/calendar?from=2026-01-01&to=2027-01-02")) == (
        400, "bad_query", None,
    )  # fmt: skip
    for nowhere in ("school_id=999999", "district_id=999999"):
        unknown = f"/api/calendar?from={day}&to={day}&{nowhere}"
        assert await refused(await operator.ask("GET", unknown)) == (404, "not_found", None)


async def test_a_holiday_of_several_days_is_said_at_once(operator):
    ids = await town(operator)
    today = operator.doors.node.region.planning.today
    first, last = today + timedelta(days=1), today + timedelta(days=7)
    await add(operator, "timetable", **lesson(ids, weekday=(today + timedelta(days=3)).isoweekday(), listeners=[]))
    before = await add(operator, "calendar", on_date=f"{first}", name="运动会", school_id=ids["main"])
    span = {"first_day": f"{first}", "last_day": f"{last}", "name": "国庆节", "school_id": ids["main"]}
    said = await told(await operator.ask("PUT", "/api/calendar", json=span))
    assert [(day["on_date"], day["name"], day["follows"]) for day in said["items"]] == [
        (f"{first + timedelta(days=number)}", "国庆节", None) for number in range(7)
    ]
    assert said["items"][0]["id"] == before
    mine = f"/api/calendar?from={first}&to={last}&school_id={ids['main']}"
    assert await told(await operator.ask("GET", mine)) == said
    assert (await told(await operator.ask("GET", f"/api/plans?from={first}&to={last}")))["items"] == []
    (newest,) = (await told(await operator.ask("GET", "/api/audit?page_size=1")))["items"]
    assert (newest["action"], newest["object"]) == ("calendar.change", f"校历日 {first}")
    assert (newest["detail"]["last_day"], newest["names"]) == (f"{last}", {"school_id": "龙岗一小"})

    # Nothing is changed by what is refused, for whichever of its days.
    head = await signed_in(operator.doors, "school_admin", school_id=ids["far"])
    later = last + timedelta(days=9)
    for visitor, other, expected in [
        (head, {"last_day": f"{later}"}, (404, "not_found", None)),
        (operator, {"last_day": f"{first - timedelta(days=1)}"}, (422, "bad_value", "last_day")),
        (operator, {"last_day": f"{first + timedelta(days=92)}"}, (422, "bad_value", "last_day")),
        (operator, {"district_id": ids["district"]}, (422, "bad_value", "school_id")),
    ]:
        body = {**span, "name": "停电", **other}
        assert await refused(await visitor.ask("PUT", "/api/calendar", json=body)) == expected
    assert await told(await operator.ask("GET", mine.replace(f"to={last}", f"to={later}"))) == said
    usual = {**span, "first_day": f"{last}", "as_usual": True}
    (day,) = (await told(await operator.ask("PUT", "/api/calendar", json=usual)))["items"]
    assert (day["follows"], day["id"]) == (f"{last}", said["items"][-1]["id"])


async def test_what_new_bells_bring_together_is_told(operator):
    ids = await town(operator)
    assert await told(await operator.ask("GET", "/api/region/conflicts")) == {"total": 0, "items": []}
    first = await add(operator, "timetable", **lesson(ids))
    other = await add(operator, "classrooms", school_id=ids["far"], name="二号教室", leads=True)
    second = await add(
        operator, "timetable", **lesson(ids, period=2, classroom_id=other, class_id=None, listeners=[])
    )  # the same teacher, afterwards
    early = [{"period": 2, "starts": "08:40", "ends": "09:20"}]
    today = str(operator.doors.node.region.planning.today)
    await add(operator, "bells", school_id=ids["far"], name="新作息", valid_from=today, bells=early)
    found = await told(await operator.ask("GET", "/api/region/conflicts"))
    assert (found["total"], [each["entry_id"] for each in found["items"]]) == (2, [first, second])
    assert found["items"][1]["text"].startswith("教师冲突：王秀英 周三第1节（08:30–09:10")
    assert (found["items"][1]["subject"], found["items"][1]["period"]) == ("数学", 2)
    nobody = await signed_in(operator.doors, "school_admin", school_id=ids["far"])
    assert (await told(await nobody.ask("GET", "/api/region/conflicts")))["total"] == 2


async def test_a_large_timetable_is_narrowed_and_paged(operator):
    ids = await town(operator)
    for weekday in (1, 2, 3):
        await add(operator, "timetable", **lesson(ids, weekday=weekday, listeners=[]))
    heard = await add(operator, "timetable", **lesson(ids, weekday=4, subject="英语"))

    async def asked(query: str) -> tuple[int, list[int]]:
        page = await told(await operator.ask("GET", f"/api/region/timetable?term_id={ids['term']}&{query}"))
        return page["total"], [entry["id"] for entry in page["items"]]

    everything = (await asked("page_size=500"))[1]
    assert await asked(f"with_school={ids['main']}&page_size=3") == (4, everything[:3])
    assert await asked(f"with_school={ids['main']}&page_size=3&page=2") == (4, everything[3:])
    assert await asked(f"with_school={ids['far']}") == (1, [heard])
    assert await asked(f"with_school={ids['far']}&subject=数学") == (0, [])
    assert await asked("with_school=999") == (0, [])
    wrong = await operator.ask("GET", "/api/region/timetable?with_school=far")
    assert await refused(wrong) == (400, "bad_query", None)


async def test_the_audit_log_says_what_its_ids_are_called(operator):
    ids = await town(operator)
    entry = await add(operator, "timetable", **lesson(ids))
    day = str(operator.doors.node.region.planning.today + timedelta(days=1))
    await add(operator, "calendar", on_date=day, name="运动会", school_id=ids["far"])
    gone = await add(operator, "classrooms", school_id=ids["far"], name="旧教室")
    assert (await operator.ask("DELETE", f"/api/region/classrooms/{gone}")).status == 204
    log = (await told(await operator.ask("GET", "/api/audit?page_size=4")))["items"]
    assert [(each["action"], each["object"]) for each in log] == [
        ("classrooms.remove", f"教室 {gone}"), ("classrooms.add", f"教室 {gone}"),
        ("calendar.add", log[2]["object"]), ("timetable.add", f"课表 {entry}"),
    ]  # fmt: skip
    assert log[0]["names"] == {"school_id": "山坪小学"}, "it is gone; what is said of it stays"
    assert log[2]["names"] == {"object": "运动会", "school_id": "山坪小学"}
    assert log[3]["names"] == {
        "object": "周三第1节数学", "term_id": "本学期", "classroom_id": "龙岗一小 同步教室",
        "class_id": "龙岗一小 三年级1班", "teacher_id": "王秀英", "listeners.0.classroom_id": "山坪小学 同步教室",
        "listeners.0.class_id": "山坪小学 三年级1班",
    }  # fmt: skip
    said = {
        key: value for key, value in lesson(ids, listeners=[]).items() if key not in ("term_id", "weekday", "period")
    }
    plan = {**said, "on_date": day, "starts": "14:00", "ends": "14:40", "title": "公开课"}
    made = await told(await operator.ask("POST", "/api/plans", json=plan), 201)
    (newest,) = (await told(await operator.ask("GET", "/api/audit?page_size=1")))["items"]
    assert (newest["object"], newest["names"]) == (made["lesson_id"], {"object": "公开课"})


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago"])
async def test_days_are_those_of_the_schools_in_the_log_and_in_the_library(tmp_path, zone):
    """In these zones, 25 hours apart, it is never the same day."""
    async with running(tmp_path, timezone=zone) as doors:
        await opened(doors)
        visitor = await signed_in(doors, "operator")
        await add(visitor, "districts", code="500000", name="重庆市")
        today = datetime.now(ZoneInfo(zone)).date()
        assert doors.node.region.planning.today == today
        for query, total in [
            (f"from={today}&to={today}", 1),
            (f"to={today - timedelta(days=1)}", 0),
            (f"from={today + timedelta(days=1)}", 0),
        ]:
            log = await told(await visitor.ask("GET", f"/api/audit?action=districts.add&{query}"))
            assert log["total"] == total, query
        far = f"from={date.min}&to={date.max}&action=districts"
        assert (await told(await visitor.ask("GET", f"/api/audit?{far}")))["total"] == 1
        began = datetime.combine(today, time(0, 30), ZoneInfo(zone))
        await doors.node.catalogue.put(recording("lesson", started_at=began))
        for query, total in [(f"from={today}&to={today}", 1), (f"to={today - timedelta(days=1)}", 0)]:
            assert (await told(await visitor.ask("GET", f"/api/library?{query}")))["total"] == total, query


async def test_everybody_sees_and_changes_what_is_in_reach(here):
    ids = await town(here)
    head = await signed_in(here.doors, "school_admin", school_id=ids["far"])
    seen = await told(await head.ask("GET", "/api/region/schools"))
    assert [school["id"] for school in seen["items"]] == [ids["far"]]
    foreign = {"school_id": ids["main"], "name": "不是我的"}
    assert await refused(await head.ask("POST", "/api/region/classrooms", json=foreign)) == (404, "not_found", None)
    assert await add(head, "classrooms", school_id=ids["far"], name="我的")
    nobody = await signed_in(here.doors, "teacher")
    assert (await told(await nobody.ask("GET", "/api/region/schools")))["total"] == 0
    assert (await nobody.ask("POST", "/api/region/classrooms", json=foreign)).status == 403
    assert (await nobody.ask("GET", "/api/region/export.xlsx")).status == 403


async def test_a_plan_is_for_those_whom_it_concerns(operator):
    ids = await town(operator)
    other = await add(operator, "schools", code="3111000009", name="别的小学", district_id=ids["district"])
    day = str(operator.doors.node.region.planning.today + timedelta(days=1))
    said = {key: value for key, value in lesson(ids).items() if key not in ("term_id", "weekday", "period")}
    body = {**said, "on_date": day, "starts": "14:00", "ends": "14:40"}
    plan = await told(await operator.ask("POST", "/api/plans", json=body), 201)
    for columns, status in [
        ({"school_id": ids["main"]}, 200),
        ({"school_id": ids["far"]}, 200),
        ({"school_id": other, "person_id": ids["teacher"]}, 200),
        ({"school_id": other}, 404),
        ({}, 404),
    ]:
        teacher = await signed_in(operator.doors, "teacher", **columns)
        assert (await teacher.ask("GET", f"/api/plans/{plan['lesson_id']}")).status == status, columns


async def test_an_export_is_imported_and_a_bad_row_is_told(operator):
    await town(operator)
    exported = await operator.ask("GET", "/api/region/export.xlsx")
    assert exported.status == 200 and "attachment" in exported.headers["Content-Disposition"]
    headers = {"Content-Type": "application/octet-stream", "X-Filename": "%E5%AD%A6%E6%A0%A1.csv"}
    bad = "学校代码,学校名称,区划代码\n31,错,500111\n".encode()
    checked = await told(await operator.ask("POST", "/api/region/import", data=bad, headers=headers))
    assert not checked["applied"] and checked["faults_total"] == len(checked["faults"]) >= 1
    assert checked["faults"][0]["row"] == 2
    headers["X-Filename"] = "all.xlsx"
    same = await operator.ask("POST", "/api/region/import?apply=true", data=exported._body, headers=headers)
    told_same = await told(same)
    assert told_same["applied"] and not any(kind["created"] or kind["changed"] for kind in told_same["kinds"])
    nonsense = await operator.ask("POST", "/api/region/import", data=b"PK nonsense", headers=headers)
    assert await refused(nonsense) == (422, "bad_file", None)
    assert (await operator.ask("GET", "/api/region/template.xlsx")).status == 200


async def test_whose_rooms_listen_is_said_by_their_school_or_their_district(here):
    ids = await town(here)
    teaches = await signed_in(here.doors, "school_admin", school_id=ids["main"])
    listens = await signed_in(here.doors, "school_admin", school_id=ids["far"])
    refused_entry = await teaches.ask("POST", "/api/region/timetable", json=lesson(ids))
    assert await refused(refused_entry) == (403, "forbidden", None)
    assert "山坪小学" in json.loads(refused_entry._body)["detail"]
    subscription = {
        "term_id": ids["term"], "class_id": ids["far class"], "main_class_id": ids["main class"], "subject": "数学",
        "classroom_id": ids["far room"],
    }  # fmt: skip
    assert (await teaches.ask("POST", "/api/region/subscriptions", json=subscription)).status == 403
    assert await add(listens, "subscriptions", **subscription)
    alone = await add(teaches, "timetable", **lesson(ids, listeners=[]))
    one = f"/api/region/timetable/{alone}"
    assert (await teaches.ask("PUT", one, json=lesson(ids))).status == 403
    assert (await here.ask("PUT", one, json=lesson(ids))).status == 200
    assert (await teaches.ask("PUT", one, json=lesson(ids, title="公开课"))).status == 200, "it listened before"


def test_every_door_is_described_and_every_description_has_a_door():
    described = {
        (method.upper(), path)
        for path, operations in document()["paths"].items()
        for method in operations
        if method != "parameters"
    }
    doors = {
        (method, path) for method, path in ROUTES if path.startswith(("/api/region", "/api/plans", "/api/calendar"))
    }
    assert described == doors


@pytest.mark.timeout(180)
async def test_the_description_is_true(here):
    """Whatever the description allows is answered as described, and what it forbids is refused."""
    await town(here)
    schema = schemathesis.openapi.from_dict(document())
    given_to = {"cookies": here.cookies, "headers": {"X-CSRF": here.csrf}}
    url = str(here.doors.client.make_url("/")).rstrip("/")
    limits = hypothesis_settings(
        max_examples=6, deadline=None, database=None, derandomize=True,
        suppress_health_check=list(HealthCheck), phases=[Phase.generate],
    )  # fmt: skip

    def hammer() -> int:
        operations = [found.ok() for found in schema.get_all_operations()]
        with requests.Session() as session:
            for operation in operations:
                for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):

                    @limits
                    @given(case=operation.as_strategy(generation_mode=mode, **given_to))
                    def answered_as_described(case) -> None:
                        case.call_and_validate(base_url=url, session=session, excluded_checks=SEMANTIC)

                    try:
                        answered_as_described()
                    except Unsatisfiable:  # nothing is said of it that could be said wrongly
                        assert mode is GenerationMode.NEGATIVE and operation.method == "get"
        return len(operations)

    assert await asyncio.to_thread(hammer) == 63
