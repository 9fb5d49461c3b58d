"""The tables in which a region is imported and exported: their names, columns, examples. Values only.

A timetable entry has a row for each classroom that listens, and a bell schedule one for each period.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from unicodedata import normalize

from classroom.catalogue.region import cells

if TYPE_CHECKING:
    from collections.abc import Callable

    from classroom.catalogue.region.cells import Cell


@dataclass(frozen=True, slots=True)
class Column:
    """``name`` is used in the code; ``fields`` are those of the value that it fills, to say where an error is."""

    name: str
    zh: str
    en: str
    read: Callable[[Cell], object]
    example: str
    required: bool = False
    fields: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Sheet:
    """One kind of rows."""

    name: str
    zh: str
    columns: tuple[Column, ...]

    def column(self, name: str) -> Column:
        """The column that the code calls so."""
        return next(column for column in self.columns if column.name == name)

    def column_of(self, field: str) -> Column | None:
        """The column that fills a field: ``listeners.0.class_id`` is filled by that of the class that listens."""
        parts = field.split(".")
        told = "listeners." + parts[-1] if parts[0] == "listeners" and len(parts) > 1 else parts[0]
        return next((column for column in self.columns if told in column.fields), None)


def key_of(header: str) -> str:
    """Headers are the same whatever their width, case and spaces, with or without the star of what is required."""
    return "".join(normalize("NFKC", header).casefold().split()).strip("*")


_c, _t = cells.code, cells.text
_SCHOOL = Column("school", "学校代码", "school code", _c, "0000000001", True, ("school_id",), "10 位数字 10 digits")
_ELSEWHERE = "不在本校时才填 Only when it is another school"

DISTRICTS = Sheet("districts", "区划", (
    Column("code", "区划代码", "district code", _c, "000001", True, ("code",), "GB/T 2260"),
    Column("name", "名称", "name", _t, "示例区", True, ("name",)),
    Column("parent", "上级代码", "parent code", _c, "000000", False, ("parent_id",), "区县所属的市 Its city"),
))  # fmt: skip
SCHOOLS = Sheet("schools", "学校", (
    Column("code", "学校代码", "school code", _c, "0000000001", True, ("code",), "10 位数字 10 digits"),
    Column("name", "学校名称", "school name", _t, "示例区示例小学", True, ("name",)),
    Column("short_name", "简称", "short name", _t, "示例小学", False, ("short_name",), "显示在画面上 Shown on tiles"),
    Column("district", "区划代码", "district code", _c, "000001", True, ("district_id",)),
))  # fmt: skip
CLASSROOMS = Sheet("classrooms", "教室", (
    _SCHOOL,
    Column("name", "教室名称", "classroom", _t, "录播教室", True, ("name",)),
    Column("leads", "可主讲", "leads", cells.yes_no, "是", False, ("leads",), "是/否 yes/no"),
))  # fmt: skip
CLASSES = Sheet("classes", "班级", (
    _SCHOOL,
    Column("grade", "年级", "grade", _t, "三年级", True, ("grade",)),
    Column("name", "班级", "class", _t, "1班", True, ("name",)),
    Column("children", "人数", "children", cells.number, "45", False, ("children",)),
    Column("classroom", "常用教室", "usual classroom", _t, "录播教室", False, ("classroom_id",), "本校 Its own"),
))  # fmt: skip
STAFF = Sheet("staff", "教职工", (
    _SCHOOL,
    Column("number", "工号", "staff number", _c, "T001", True, ("staff_number",)),
    Column("name", "姓名", "name", _t, "张示例", True, ("name",)),
    Column("subject", "学科", "subject", _t, "语文", False, ("subject",)),
))  # fmt: skip
STUDENTS = Sheet("students", "学生", (
    _SCHOOL,
    Column("number", "学籍号", "student number", _c, "G000000000000000001X", True, ("student_number",),
           "导出时被遮盖 Masked in exports"),
    Column("name", "姓名", "name", _t, "李示例", True, ("name",)),
    Column("grade", "年级", "grade", _t, "三年级", False, ("class_id",)),
    Column("class", "班级", "class", _t, "1班", False),
    Column("hash", "学籍号散列", "student number hash", _c, "", False, (), "仅导出文件有，请勿填写 Of exports only"),
))  # fmt: skip
TERMS = Sheet("terms", "学期", (
    Column("name", "学期", "term", _t, "示例学期", True, ("name",)),
    Column("starts_on", "开始日期", "first day", cells.day, "2000-09-01", True, ("starts_on",), "在第 1 周 In week 1"),
    Column("ends_on", "结束日期", "last day", cells.day, "2001-01-20", True, ("ends_on",)),
))  # fmt: skip
CALENDAR = Sheet("calendar", "校历", (
    Column("on_date", "日期", "date", cells.day, "2000-10-01", True, ("on_date",), "每天一行 A row for each day"),
    Column("name", "名称", "name", _t, "国庆节", True, ("name",)),
    Column("follows", "按哪天的课表", "lessons of", cells.day, "2000-10-06", False, ("follows",),
           "补课、调休填；放假不填 Of a swapped day; empty: no lessons"),
    Column("district", "区划代码", "district code", _c, "000001", False, ("district_id",),
           "区划、学校都不填：所有学校 With neither: all schools"),
    Column("school", "学校代码", "school code", _c, "0000000001", False, ("school_id",), "只管本校 For it alone"),
))  # fmt: skip
BELLS = Sheet("bells", "作息", (
    _SCHOOL,
    Column("name", "作息名称", "bell schedule", _t, "夏季作息", True, ("name",)),
    Column("valid_from", "启用日期", "valid from", cells.day, "2000-09-01", True, ("valid_from",)),
    Column("period", "节次", "period", cells.number, "1", True, ("bells",), "每节一行 A row for each period"),
    Column("starts", "上课", "starts", cells.clock, "08:30", True),
    Column("ends", "下课", "ends", cells.clock, "09:10", True),
))  # fmt: skip
TIMETABLE = Sheet("timetable", "课表", (
    Column("term", "学期", "term", _t, "示例学期", True, ("term_id",)),
    Column("weekday", "星期", "weekday", cells.weekday, "周三", True, ("weekday",)),
    Column("period", "节次", "period", cells.number, "2", True, ("period",), "主讲学校的 The main school's"),
    Column("weeks", "单双周", "weeks", cells.weeks, "每周", False, ("weeks",), "每周/单周/双周 all/odd/even"),
    Column("first_week", "起始周", "first week", cells.number, "1", False, ("first_week",)),
    Column("last_week", "结束周", "last week", cells.number, "20", False, ("last_week",)),
    Column("school", "学校代码", "school code", _c, "0000000001", True, (), "主讲学校 Of the main classroom"),
    Column("classroom", "主讲教室", "main classroom", _t, "录播教室", True, ("classroom_id",)),
    Column("grade", "年级", "grade", _t, "三年级", False, ("class_id",)),
    Column("class", "班级", "class", _t, "1班", False),
    Column("teacher", "教师工号", "teacher number", _c, "T001", True, ("teacher_id",)),
    Column("subject", "学科", "subject", _t, "语文", True, ("subject",)),
    Column("title", "课题", "title", _t, "", False, ("title",)),
    Column("to_school", "听讲学校代码", "listening school code", _c, "0000000002", False, (),
           "每间听讲教室一行 A row for each classroom"),
    Column("to_classroom", "听讲教室", "listening classroom", _t, "多媒体教室", False, ("listeners.classroom_id",)),
    Column("to_grade", "听讲年级", "listening grade", _t, "三年级", False, ("listeners.class_id",)),
    Column("to_class", "听讲班级", "listening class", _t, "1班", False),
    Column("assistant", "辅助教师工号", "assistant number", _c, "T101", False, ("listeners.assistant_id",)),
    Column("class_school", "班级学校代码", "class school code", _c, "", False, (), _ELSEWHERE),
    Column("teacher_school", "教师学校代码", "teacher school code", _c, "", False, (), _ELSEWHERE),
    Column("to_class_school", "听讲班级学校代码", "listening class school code", _c, "", False, (), _ELSEWHERE),
    Column("assistant_school", "辅助教师学校代码", "assistant school code", _c, "", False, (), _ELSEWHERE),
))  # fmt: skip
SUBSCRIPTIONS = Sheet("subscriptions", "订阅", (
    Column("term", "学期", "term", _t, "示例学期", True, ("term_id",)),
    Column("subject", "学科", "subject", _t, "语文", True, ("subject",)),
    Column("school", "主讲学校代码", "main school code", _c, "0000000001", True),
    Column("grade", "主讲年级", "main grade", _t, "三年级", True, ("main_class_id",)),
    Column("class", "主讲班级", "main class", _t, "1班", True),
    Column("to_school", "听讲学校代码", "listening school code", _c, "0000000002", True),
    Column("to_grade", "听讲年级", "listening grade", _t, "三年级", True, ("class_id",)),
    Column("to_class", "听讲班级", "listening class", _t, "1班", True),
    Column("to_classroom", "听讲教室", "listening classroom", _t, "多媒体教室", True, ("classroom_id",)),
    Column("assistant", "辅助教师工号", "assistant number", _c, "T101", False, ("assistant_id",)),
    Column("to_classroom_school", "听讲教室学校代码", "listening classroom school code", _c, "", False, (), _ELSEWHERE),
    Column("assistant_school", "辅助教师学校代码", "assistant school code", _c, "", False, (), _ELSEWHERE),
))  # fmt: skip

SHEETS: tuple[Sheet, ...] = (
    DISTRICTS, SCHOOLS, CLASSROOMS, CLASSES, STAFF, STUDENTS, TERMS, CALENDAR, BELLS, SUBSCRIPTIONS, TIMETABLE,
)  # fmt: skip
"""In the order in which one refers to another."""
NOTES = "说明 Notes"
