"""Import and export of a region, on SQLite and on PostgreSQL."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from datetime import date, time
from pathlib import PurePath

import pytest
from openpyxl import load_workbook

from classroom.catalogue.region.calendar import Weeks
from classroom.catalogue.region.cells import MAX_CELL_CHARS
from classroom.catalogue.region.sheets import SHEETS
from classroom.catalogue.region.tables import MAX_FILE_BYTES, MAX_ROWS, MAX_UNPACKED_BYTES, BadFile
from classroom.catalogue.region.values import Classroom, Listener, Person, PersonKind
from classroom.catalogue.region.workbook import read_tables, write_template
from classroom.catalogue.scope import Scope, of_school
from tests.unit.catalogue.entries import DATABASES
from tests.unit.catalogue.region.town import ZONE, bells, open_region, open_town
from tests.unit.catalogue.region.workbooks import NUMBER, REGION, book, cells, faults, sheet


@pytest.fixture(params=DATABASES)
async def region(request, tmp_path):
    async with open_region(request.param, tmp_path) as (region, _):
        yield region


@pytest.fixture(params=DATABASES)
async def town(request, tmp_path):
    async with open_town(request.param, tmp_path) as town:
        yield town


async def totals(region):
    repositories = (
        region.districts, region.schools, region.classrooms, region.classes, region.people, region.terms,
        region.bells, region.subscriptions, region.timetable,
    )  # fmt: skip
    return [(await repository.find()).total for repository in repositories]


async def test_a_dry_run_tells_what_would_be_and_does_nothing(region):
    outcome = await region.exchange.check([book(REGION)])
    assert outcome.bad == []
    assert [(count.sheet.zh, count.created) for count in outcome.counts] == [
        ("区划", 2), ("学校", 2), ("教室", 2), ("班级", 2), ("教职工", 2), ("学生", 1), ("学期", 1), ("作息", 1),
        ("订阅", 1), ("课表", 1),
    ]  # fmt: skip
    assert [change.name for change in outcome.changes][:3] == ["重庆市", "大足区", "大足区龙岗小学"]  # the city first
    assert await totals(region) == [0] * 9


async def test_an_import_is_there_is_planned_and_changes_nothing_the_second_time(region):
    await region.exchange.take_in([book(REGION)])
    assert await totals(region) == [2, 2, 2, 2, 3, 1, 1, 1, 1]
    (plan, *_) = await region.plans.plans_of(date(2026, 11, 25))
    assert (plan.subject, plan.teacher, plan.class_name) == ("语文", "李红梅", "三年级1班")
    assert plan.starts_at.astimezone(ZONE).time() == time(9, 30)
    (listener,) = plan.listeners
    assert (listener.place.short_name, listener.children, listener.assistant) == ("山坪小学", 12, "陈志强")
    again = await region.exchange.take_in([book(REGION)])
    assert (again.bad, again.changes) == ([], [])
    assert {count.same for count in again.counts} == {1, 2}
    assert await region.plans.plan(plan.lesson_id) == plan


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
async def test_a_file_of_each_kind_does_the_same_in_every_encoding(tmp_path, encoding):
    async with open_region("sqlite", tmp_path) as (region, _):
        files = [sheet(f"大足区{name}", rows, encoding) for name, rows in REGION.items()]
        outcome = await region.exchange.take_in(files[::-1])  # the order of files does not matter
        assert outcome.bad == []
        assert await totals(region) == [2, 2, 2, 2, 3, 1, 1, 1, 1]


async def test_headers_and_names_may_be_english_and_files_are_known_by_their_headers(region):
    tables = {
        "districts": [["District Code*", "Name"], [500111, "Dazu"]],
        "Sheet1": [["school code", "school name", "district code"], [5001110001, "Longgang", 500111]],
        "terms": [["term", "first day", "last day"], ["autumn", date(2026, 9, 1), date(2027, 1, 22)]],
        "bells": [
            ["school code", "bell schedule", "valid from", "period", "starts", "ends"],
            [5001110001, "summer", date(2026, 9, 1), 1, time(8, 30), time(9, 10)],
        ],
    }
    outcome = await region.exchange.take_in([book(tables)])
    assert outcome.bad == []
    assert await totals(region) == [1, 1, 0, 0, 0, 1, 1, 0, 0]
    assert (await region.bells.find()).items[0].value.bells == bells("08:30", periods=1)


async def test_what_differs_is_changed_and_named(region):
    await region.exchange.take_in([book(REGION)])
    rows = [REGION["班级"][0], ["5001110002", "三年级", "1班", "13", ""], ["5001110002", "四年级", "1班", "9", ""]]
    outcome = await region.exchange.take_in([sheet("班级", rows)])
    assert [(change.name, change.is_new, change.fields) for change in outcome.changes] == [
        ("三年级1班", False, ("children", "classroom_id")),
        ("四年级1班", True, ()),
    ]
    found = await region.classes.find(where={"grade": "三年级", "children": 13})
    assert [item.value.classroom_id for item in found.items] == [None]


async def test_bells_and_listeners_of_a_value_are_replaced_as_a_whole(region):
    await region.exchange.take_in([book(REGION)])
    rows = [REGION["作息"][0], ["5001110001", "夏季作息", "2026-09-01", "2", "10:00", "10:40"]]
    await region.exchange.take_in([sheet("作息", rows)])
    (schedule,) = (await region.bells.find()).items
    assert [(bell.period, bell.starts) for bell in schedule.value.bells] == [(2, time(10, 0))]
    (plan, *_) = await region.plans.plans_of(date(2026, 11, 25))
    assert plan.starts_at.astimezone(ZONE).time() == time(10, 0)


async def test_a_student_who_moves_is_recognised_by_the_number(region):
    await region.exchange.take_in([book(REGION)])
    rows = [REGION["学生"][0], ["5001110001", NUMBER.lower(), "张小雨", "三年级", "1班"]]
    outcome = await region.exchange.take_in([sheet("学生", rows)])
    assert [change.fields for change in outcome.changes] == [("school_id", "class_id")]
    assert (await region.people.find(where={"kind": "student"})).total == 1


async def test_every_bad_row_is_told_and_nothing_is_imported(region):
    bad = {
        "区划": [*REGION["区划"], ["5001", "短", ""]],
        "学校": [*REGION["学校"], ["500111000", "少一位", "", "500111"], ["5001110003", "", "", "500111"]],
        "教室": [*REGION["教室"], ["5001119999", "没有这个学校", "是"], ["5001110001", "又一间", "也许"]],
        "班级": [*REGION["班级"], ["5001110001", "三年级", "1班", "46", ""],
                 ["5001110001", "四年级", "1班", "多", "无"]],
        "教职工": REGION["教职工"],
        "学生": [*REGION["学生"], ["5001110002", "G5001**********1234", "李小明", "", ""],
                 ["5001110002", "G50011120160101124X", "李小明", "三年级", ""]],
        "学期": [*REGION["学期"], ["2027年春", "2027-02-30", "2027-07-01"], ["2027年秋", "2027-09-01", "2027-08-01"]],
        "作息": [*REGION["作息"], ["5001110002", "夏", "2026-09-01", "1", "9:00", "8:00"],
                 ["5001110002", "冬", "2026-12-01", "1", "9:00", "9:40"],
                 ["5001110002", "夏", "2026-12-01", "2", "14:00", "14:40"]],
        "课表": [
            [*REGION["课表"][0], "听讲学校代码", "听讲教室"],
            REGION["课表"][1],
            ["2026年秋", "周八", "2", "", "5001110001", "录播教室", "", "", "101", "语文"],
            ["2026年秋", "周四", "9", "", "5001110001", "录播教室", "", "", "101", "语文"],
            ["2026年秋", "周五", "1", "", "5001110001", "录播教室", "", "", "999", "语文"],
            ["2026年秋", "周五", "2", "", "5001110002", "多媒体教室", "", "", "201", "语文"],
            ["2026年秋", "周五", "3", "", "5001110001", "录播教室", "", "", "101", "语文", "5001110002"],
        ],
        "通知": [["请各校认真填写"]],
    }  # fmt: skip
    file, data = book(bad)
    for told in (await region.exchange.check([(file, data)]), await region.exchange.take_in([(file, data)])):
        assert faults(told) == [
            ("大足.xlsx / 通知", None, None),
            ("大足.xlsx / 区划", 4, "区划代码"),
            ("大足.xlsx / 学校", 4, "学校代码"),
            ("大足.xlsx / 学校", 5, "学校名称"),
            ("大足.xlsx / 教室", 4, "学校代码"),
            ("大足.xlsx / 教室", 5, "可主讲"),
            ("大足.xlsx / 班级", 4, None),
            ("大足.xlsx / 班级", 5, "人数"),
            ("大足.xlsx / 学生", 3, "学籍号"),
            ("大足.xlsx / 学生", 4, "班级"),
            ("大足.xlsx / 学期", 3, "开始日期"),
            ("大足.xlsx / 学期", 4, "结束日期"),
            ("大足.xlsx / 作息", 5, "节次"),
            ("大足.xlsx / 作息", 7, "作息名称"),
            ("大足.xlsx / 课表", 3, "星期"),
            ("大足.xlsx / 课表", 4, "节次"),
            ("大足.xlsx / 课表", 5, "教师工号"),
            ("大足.xlsx / 课表", 6, "主讲教室"),
            ("大足.xlsx / 课表", 7, "听讲教室"),
        ]
        for row in told.bad:
            chinese, _, english = row.why.partition("。 ")
            assert chinese, row
            assert english.endswith("."), row
    assert await totals(region) == [0] * 9


async def test_conflicts_are_told_at_their_rows(region):
    rows = [
        *REGION["课表"],
        ["2026年秋", "周三", "2", "单周", "5001110001", "录播教室", "", "", "101", "书法"],
        ["2026年秋", "周四", "2", "单周", "5001110001", "录播教室", "", "", "101", "书法"],
        ["2026年秋", "周四", "2", "双周", "5001110001", "录播教室", "", "", "101", "美术"],
    ]
    outcome = await region.exchange.take_in([book({**REGION, "课表": rows})])
    assert faults(outcome) == [("大足.xlsx / 课表", 2, None), ("大足.xlsx / 课表", 3, None)]
    assert outcome.bad[1].why == (
        "教室冲突：龙岗小学 录播教室 周三第2节（09:30–10:10，2026-11-25）已有《语文》李红梅老师，请换时间、教室或教师"
        "（大足.xlsx / 课表 第 2 行）。 "
        "The classroom 龙岗小学 录播教室 already has “语文” of 李红梅 on Wednesday, period 2 (09:30–10:10, 2026-11-25)"
        "; choose another time, classroom or teacher. It is row 2 of 大足.xlsx / 课表."
    )
    assert await totals(region) == [0] * 9


async def test_an_import_gives_way_to_lessons_planned_by_hand_and_to_the_timetable(town):
    await town.region.planning.plan(town.lesson(starts=time(9), ends=time(9, 30)))
    await town.region.timetable.create(town.entry(weekday=4))
    head = [*REGION["课表"][0]]
    rows = [
        head,
        ["2026年秋", "周三", "2", "", "5001110001", "录播教室1", "", "", "101", "语文"],
        ["2026年秋", "周四", "2", "单周", "5001110001", "录播教室1", "", "", "102", "语文"],
    ]
    outcome = await town.region.exchange.take_in([sheet("课表", rows)])
    assert [(row.row, row.why.partition("（")[0]) for row in outcome.bad] == [
        (2, "教室冲突：龙岗小学 录播教室1 周三"),
        (3, "教室冲突：龙岗小学 录播教室1 周四第2节"),
    ]


async def test_who_sees_a_part_may_change_no_more_than_it(region):
    await region.exchange.take_in([book(REGION)])
    village = (await region.schools.find(text="山坪")).items[0].id
    rows = [
        REGION["班级"][0],
        REGION["班级"][1],  # as it is: nobody minds
        ["5001110002", "三年级", "1班", "11", ""],
        ["5001110001", "三年级", "1班", "46", ""],
        ["5001110001", "五年级", "1班", "46", ""],
    ]
    outcome = await region.exchange.check([sheet("班级", rows)], of_school(village))
    assert [row.row for row in outcome.bad] == [4, 5]
    outcome = await region.exchange.check([sheet("学期", REGION["学期"])], of_school(village))
    assert outcome.bad == []
    outcome = await region.exchange.check(
        [sheet("学期", [*REGION["学期"][:1], ["x", "2028-9-1", "2029-1-1"]])], of_school(village)
    )
    assert [row.row for row in outcome.bad] == [2]
    district = (await region.districts.find(text="大足")).items[0].id
    rows = [REGION["学校"][0], ["5001110003", "新的", "", "500111"], ["5001110004", "新的", "", "500000"]]
    outcome = await region.exchange.check([sheet("学校", rows)], Scope(frozenset({district})))
    assert [row.row for row in outcome.bad] == [3]
    moved = [REGION["学校"][0], ["5001110002", "大足区山坪小学", "山坪小学", "500000"]]
    for scope in (of_school(village), Scope(frozenset({district}))):
        outcome = await region.exchange.check([sheet("学校", moved)], scope)
        assert [row.row for row in outcome.bad] == [2]


async def fill_strangely(town):
    """Whatever may be in a region and might not survive a journey through a table."""
    region, ids = town.region, town.ids
    await region.subscriptions.create(town.subscription())
    await region.subscriptions.create(
        town.subscription(subject="数学", classroom_id=ids["bijia room"], assistant_id=ids["wang"])
    )
    formula = await region.classrooms.create(Classroom(ids["bijia"], '=HYPERLINK("http://x")', leads=True))
    await region.classrooms.create(Classroom(ids["bijia"], "'=1"))
    await region.classrooms.create(Classroom(ids["bijia"], "@A1"))
    await region.classrooms.create(Classroom(ids["bijia"], "007"))
    await region.people.create(
        Person(PersonKind.STUDENT, "张小雨", ids["bijia"], student_number=NUMBER, class_id=ids["bijia 3.1"])
    )
    await region.people.create(Person(PersonKind.STUDENT, "+1", ids["bijia"], student_number="L20160101"))
    await region.timetable.create(
        town.entry(
            weeks=Weeks.EVEN,
            first_week=2,
            last_week=9,
            classroom_id=formula.id,
            class_id=ids["shanping 3.1"],
            teacher_id=ids["chen"],
            title="-1 的意义",
            listeners=(
                Listener(ids["studio"], ids["shanping 3.1"], ids["wang"]),
                Listener(ids["shanping room"], None, ids["chen"]),
            ),
        )
    )
    await region.timetable.create(town.entry())


async def test_what_is_exported_and_imported_elsewhere_is_exported_the_same(town, tmp_path):
    await fill_strangely(town)
    exported = await town.region.exchange.give_out()
    (tmp_path / "other").mkdir()
    kind = "sqlite" if town.region.database.is_sqlite else "postgresql"
    async with open_region(kind, tmp_path / "other") as (other, _):
        outcome = await other.exchange.take_in([(PurePath("export.xlsx"), exported)])
        assert outcome.bad == []
        assert cells(await other.exchange.give_out()) == cells(exported)
        again = await other.exchange.take_in([(PurePath("export.xlsx"), exported)])
        assert (again.bad, again.changes) == ([], [])
    again = await town.region.exchange.take_in([(PurePath("export.xlsx"), exported)])
    assert (again.bad, again.changes) == ([], [])


async def test_an_export_has_no_formulas_and_no_student_numbers(town):
    await fill_strangely(town)
    data = await town.region.exchange.give_out()
    for page in load_workbook(io.BytesIO(data)).worksheets:
        for row in page.iter_rows():
            for cell in row:
                assert cell.data_type in ("s", "n"), cell.value
                assert cell.value is None or str(cell.value)[0] not in "=+-@", cell.value
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        everything = b"".join(archive.read(name) for name in archive.namelist())
    assert NUMBER.encode() not in everything
    assert b"G5001**********123X" in everything
    assert b"<f>" not in everything


async def test_an_export_has_what_somebody_owns(town):
    await town.region.timetable.create(town.entry())
    pages = cells(await town.region.exchange.give_out(Scope(frozenset({town.ids["bishan"]}))))
    assert [row[0] for row in pages["学校"]] == ["学校代码*", "5001200001"]
    assert len(pages["课表"]) == 1
    assert len(pages["学期"]) == 2


def test_the_template_has_every_column_and_imports_nothing():
    data = write_template()
    tables = read_tables([(PurePath("template.xlsx"), data)])
    assert list(tables.faults) == []
    assert [raw.sheet for raw in tables.sheets] == list(SHEETS)
    assert all(not raw.rows for raw in tables.sheets)
    pages = cells(data)
    assert next(iter(pages)) == "说明 Notes"
    for each in SHEETS:
        header, example = pages[each.zh]
        assert [name.strip("*") for name in header] == [column.zh for column in each.columns]
        assert [name.endswith("*") for name in header] == [column.required for column in each.columns]
        for cell, column in zip(example, each.columns, strict=True):
            assert not column.required or column.read(cell) is not None


# --- files that are not what they should be ------------------------------------------------------------------------


def test_a_file_that_is_too_large_is_refused():
    with pytest.raises(BadFile, match="10 MB"):
        read_tables([(PurePath("x.csv"), b"x" * (MAX_FILE_BYTES + 1))])


async def test_a_cell_without_end_is_told_and_not_carried_along(region):
    rows = f"学校代码,学校名称,区划代码\n5001110009,{'长' * 100_000},500111\n".encode()
    (found,) = read_tables([(PurePath("学校.csv"), rows)]).sheets
    assert len(found.rows[0].cells["name"]) == MAX_CELL_CHARS + 1
    outcome = await region.exchange.check([(PurePath("学校.csv"), rows)])
    assert [(row.row, row.column) for row in outcome.bad] == [(2, "学校名称")]


def test_too_many_rows_are_refused():
    rows = "区划代码,名称\n".encode() + b"500111,x\n" * (MAX_ROWS // 2)
    assert len(read_tables([(PurePath("区划.csv"), rows)] * 2).sheets) == 2
    with pytest.raises(BadFile, match="50000"):
        read_tables([(PurePath("区划.csv"), rows)] * 2 + [(PurePath("区划.csv"), "区划代码,名称\n1,x".encode())])


def test_a_bomb_is_not_unpacked():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", b"0" * (MAX_UNPACKED_BYTES + 1))
    assert len(out.getvalue()) < MAX_FILE_BYTES
    with pytest.raises(BadFile, match="解压后太大"):
        read_tables([(PurePath("x.xlsx"), out.getvalue())])


def test_a_bomb_that_lies_about_its_size_is_not_unpacked():
    # The directory says 10 bytes: no more of it is read than that.
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", b"<" * 20_000_000)
    size = (20_000_000).to_bytes(4, "little")
    data = out.getvalue().replace(size, (10).to_bytes(4, "little"))
    with pytest.raises(BadFile, match="无法读取"):
        read_tables([(PurePath("x.xlsx"), data)])


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("x.xlsx", b"not a zip"),
        ("x.xlsx", b""),
        ("x.xls", b"\xd0\xcf\x11\xe0"),
        ("x.csv", b"\xff\xfe\x00\x81"),
        ("x.csv", b"a\0b"),
        ("x", b""),
    ],
)
def test_what_is_no_table_is_refused(name, data):
    with pytest.raises(BadFile):
        read_tables([(PurePath(name), data)])


async def test_a_broken_file_is_refused_and_the_server_has_read_none_of_it(tmp_path):
    async with open_region("sqlite", tmp_path) as (region, _):
        with pytest.raises(BadFile, match="无法读取"):
            await region.exchange.check([(PurePath("x.xlsx"), b"not a zip")])
        assert cells(await region.exchange.template()) == cells(write_template())


def test_a_server_that_has_a_region_loads_no_spreadsheets():
    code = "import sys, classroom.catalogue.region.region; print('openpyxl' in sys.modules, 'numpy' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).split() == ["False", "False"]


def test_headers_that_are_missing_unknown_or_twice_are_told():
    tables = read_tables([sheet("学校", [["学校代码", "名字", "简称", "简称"], ["1", "2"]])])
    assert [(fault.column, fault.zh[:6]) for fault in tables.faults] == [
        ("名字", "没有这一列；"),
        ("简称", "这一列出现了"),
        ("学校名称", "缺少这一列，"),
        ("区划代码", "缺少这一列，"),
    ]


def test_rows_are_counted_as_people_see_them():
    (raw,) = read_tables([sheet("区划", [[], ["区划代码", "名称"], [], ["500111", "x"], ["", " "]])]).sheets
    assert [(row.number, dict(row.cells)) for row in raw.rows] == [(4, {"code": "500111", "name": "x"})]
