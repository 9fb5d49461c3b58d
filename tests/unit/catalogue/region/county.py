"""A large region for tests and the bench: of each eleven schools one leads in eleven classrooms, the others listen."""

from __future__ import annotations

from datetime import date, time, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert

from classroom.catalogue.region import schema
from classroom.catalogue.region.storage import region_writing

if TYPE_CHECKING:
    from classroom.catalogue.database import Database

CITY, OTHER_CITY, COUNTY = 1, 2, 3  # districts; the county is below the first city, and the towns are below the county
FIRST_TOWN = 4
VILLAGES = 10  # schools of a town that listen, each to another class
MAINS = 11  # classrooms of the school that leads
ENTRIES = MAINS * 5 * 6  # of a town: five days of six periods
_SCHOOLS = VILLAGES + 1
_SUBJECTS = ("语文", "数学", "英语", "音乐", "美术", "科学")
_TERM = 1
Rows = dict[Any, list[dict[str, Any]]]


async def fill_county(database: Database, today: date, towns: int) -> None:
    """The towns with their timetable, ``ENTRIES`` each, in the middle of a term; nothing is planned yet.

    The last village of a town listens to two classes in one room, now and then at once.
    """
    rows: Rows = {
        schema.districts: [
            {"id": CITY, "code": "500000", "name": "重庆市", "parent_id": None},
            {"id": OTHER_CITY, "code": "510000", "name": "成都市", "parent_id": None},
            {"id": COUNTY, "code": "500111", "name": "大足区", "parent_id": CITY},
        ],
        schema.terms: [
            {
                "id": _TERM,
                "name": "本学期",
                "starts_on": today - timedelta(weeks=8),
                "ends_on": today + timedelta(weeks=12),
            }
        ],
        schema.calendar_days: [{"on_date": today + timedelta(weeks=4), "name": "放假", "district_id": CITY}],
    }
    for town in range(towns):
        for table, more in _town(town).items():
            rows.setdefault(table, []).extend(more)
    async with region_writing(database) as connection:
        for table, values in rows.items():
            await connection.execute(insert(table), values)


def main_school(town: int) -> int:
    """The id of the school of a town that leads; towns count from 0."""
    return town * _SCHOOLS + 1


def _town(town: int) -> Rows:
    first_school, first_room = main_school(town), town * (MAINS + VILLAGES) + 1
    mains = range(first_room, first_room + MAINS)
    villages = range(VILLAGES)
    schools = range(first_school, first_school + _SCHOOLS)
    heard = [(village, main, _SUBJECTS[:2]) for village, main in zip(villages, mains, strict=False)]
    heard.append((villages[-1], mains[-1], _SUBJECTS[2:3]))
    rooms = [(room, first_school) for room in mains]
    rooms += [(mains[-1] + 1 + village, schools[village + 1]) for village in villages]
    return {
        schema.districts: [
            {"id": FIRST_TOWN + town, "code": f"{500_111_000 + town}", "name": f"第{town}镇", "parent_id": COUNTY}
        ],
        schema.schools: [
            {
                "id": school,
                "code": f"{5_001_110_000 + school}",
                "name": f"第{school}小学",
                "district_id": FIRST_TOWN + town,
            }
            for school in schools
        ],
        schema.classrooms: [
            {"id": room, "school_id": school, "name": f"教室{room}", "leads": room in mains} for room, school in rooms
        ],
        schema.classes: [  # called after their rooms
            {"id": room, "school_id": school, "grade": "三年级", "name": f"{room}班", "children": 20}
            for room, school in rooms
        ],
        schema.people: [
            {"id": room, "kind": "staff", "name": f"李{room}", "school_id": school, "staff_number": f"{room}"}
            for room, school in rooms
        ],
        schema.bell_schedules: [
            {"id": school, "school_id": school, "name": "作息", "valid_from": date(2020, 1, 1)} for school in schools
        ],
        schema.bells: [
            {"schedule_id": school, "period": period, "starts": time(7 + period, 30), "ends": time(8 + period, 10)}
            for school in schools
            for period in range(1, 7)
        ],
        schema.subscriptions: [
            {
                "term_id": _TERM,
                "class_id": mains[-1] + 1 + village,
                "main_class_id": main,
                "subject": subject,
                "classroom_id": mains[-1] + 1 + village,
            }
            for village, main, subjects in heard
            for subject in subjects
        ],
        schema.timetable_entries: [
            {
                "term_id": _TERM,
                "weekday": weekday,
                "period": period,
                "classroom_id": main,
                "class_id": main,
                "teacher_id": main,
                "subject": _SUBJECTS[(weekday + period + main) % 6],
            }
            for main in mains
            for weekday in range(1, 6)
            for period in range(1, 7)
        ],
    }
