"""The calendar in files, on SQLite and on PostgreSQL."""

from __future__ import annotations

from datetime import date
from pathlib import PurePath

import pytest

from classroom.catalogue.scope import of_school
from tests.unit.catalogue.entries import DATABASES
from tests.unit.catalogue.region.town import open_region
from tests.unit.catalogue.region.workbooks import REGION, book, cells, faults, sheet

CALENDAR = [
    ["日期", "名称", "按哪天的课表", "区划代码", "学校代码"],
    ["2026/12/2", "放假", "", "", ""],
    ["2026-12-05", "补课", "2026年12月2日", "500111", ""],
    ["2026-12-09", "运动会", "", "", "5001110002"],
]


@pytest.fixture(params=DATABASES)
async def region(request, tmp_path):
    async with open_region(request.param, tmp_path) as (region, _):
        yield region


async def test_the_calendar_is_imported_with_the_region_and_exported_again(region):
    outcome = await region.exchange.take_in([book({**REGION, "校历": CALENDAR})])
    assert outcome.bad == []
    days = [(stored.value.on_date, stored.value.name) for stored in (await region.calendar.find()).items]
    assert days == [(date(2026, 12, 2), "放假"), (date(2026, 12, 5), "补课"), (date(2026, 12, 9), "运动会")]
    planned = [len(await region.plans.plans_of(day)) for day, _ in days]
    assert planned == [0, 1, 1]  # the lessons of Wednesday are held on Saturday
    (held,) = await region.plans.plans_of(date(2026, 12, 9))
    assert held.listeners == ()  # 山坪小学 has its sports day
    exported = await region.exchange.give_out()
    again = await region.exchange.take_in([(PurePath("again.xlsx"), exported)])
    assert (again.bad, again.changes) == ([], [])
    changed = await region.exchange.take_in([sheet("校历", [CALENDAR[0], ["2026-12-02", "国庆节", "", "", ""]])])
    assert [change.fields for change in changed.changes] == [("name",)]


@pytest.mark.parametrize(
    ("row", "column"),
    [
        (["昨天", "放假", "", "", ""], "日期"),
        (["2026-12-02", "", "", "", ""], "名称"),
        (["2026-12-02", "补课", "2025-12-05", "", ""], "按哪天的课表"),
        (["2026-12-02", "放假", "", "999999", ""], "区划代码"),
        (["2026-12-02", "放假", "", "500111", "5001110002"], "学校代码"),
    ],
)
async def test_a_bad_day_is_told_and_nothing_is_imported(region, row, column):
    await region.exchange.take_in([book(REGION)])
    outcome = await region.exchange.take_in([sheet("校历", [CALENDAR[0], row])])
    assert faults(outcome) == [("校历.csv", 2, column)]
    assert (await region.calendar.find()).total == 0


async def test_a_school_imports_its_own_days_only(region):
    await region.exchange.take_in([book(REGION)])
    school = (await region.schools.find(text="山坪")).items[0].id
    outcome = await region.exchange.take_in([sheet("校历", CALENDAR)], of_school(school))
    assert faults(outcome) == [("校历.csv", 2, None), ("校历.csv", 3, None)]
    assert (await region.exchange.take_in([sheet("校历", [CALENDAR[0], CALENDAR[3]])], of_school(school))).bad == []
    exported = cells(await region.exchange.give_out(of_school(school)))
    assert exported["校历"][1:] == [("2026-12-09", "运动会", None, None, "5001110002")]


async def test_an_import_is_refused_for_lessons_that_only_the_calendar_brings_together(region):
    club = ["2026年秋", "星期六", "2", "", "5001110001", "录播教室", "三年级", "1班", "101", "社团"]
    both = {**REGION, "课表": [*REGION["课表"], club]}
    assert (await region.exchange.check([book(both)])).bad == []
    swapped = [CALENDAR[0], ["2026-12-05", "补课", "2026-12-02", "", "5001110001"]]
    assert (await region.exchange.check([book({**both, "校历": swapped})])).bad == []  # 社团 gives way
    other = {
        "教室": [["学校代码", "教室名称", "可主讲"], ["5001110002", "录播教室", "是"]],
        "作息": [REGION["作息"][0], ["5001110002", "夏季作息", "2026-09-01", "2", "9:30", "10:10"]],
        "课表": [
            [*REGION["课表"][0], "教师学校代码"],
            ["2026年秋", "星期六", "2", "", "5001110002", "录播教室", "", "", "101", "社团", "5001110001"],
        ],
        "校历": swapped,
    }
    await region.exchange.take_in([book(REGION)])
    outcome = await region.exchange.check([book(other)])
    assert faults(outcome) == [("大足.xlsx / 课表", 2, None)]
    assert "教师冲突：李红梅 周六第2节（09:30–10:10，2026-12-05）已有《语文》" in outcome.bad[0].why
    assert (await region.exchange.check([book({**other, "校历": [CALENDAR[0]]})])).bad == []
