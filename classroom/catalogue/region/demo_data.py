"""A believable district to try things with: one town school that leads, ten village schools that listen. Pure.

Deterministic, so that two who try it see the same. All people are made up; their student numbers begin with J, as
those without an identity card do, so that none is anybody's.
"""

from __future__ import annotations

from datetime import date, timedelta
from itertools import product
from random import Random
from typing import TYPE_CHECKING

from classroom.catalogue.region import sheets
from classroom.catalogue.region.calendar import monday
from classroom.catalogue.region.national_holidays import NATIONAL_HOLIDAYS
from classroom.catalogue.region.tables import RawRow, RawSheet, Tables

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from classroom.catalogue.region.cells import Cell
    from classroom.catalogue.region.sheets import Sheet

PLACE = "demo-data"
_TOWN = ("3150011101", "大足区海棠路小学", "海棠路小学")
_VILLAGES = tuple(
    (f"31500111{number}", f"大足区{name}", name)
    for number, name in enumerate(
        (
            "山坪小学",
            "石篆小学",
            "铁溪小学",
            "宝峰小学",
            "回龙小学",
            "双塔小学",
            "天台小学",
            "白鹤小学",
            "黄桷小学",
            "高坪村小学",
        ),
        11,
    )
)
_GRADES = ("三年级", "四年级", "五年级")
_TOWN_CLASSES = ("1班", "2班", "3班")
_SUBJECTS = ("语文", "数学", "英语", "音乐", "美术", "科学")
_PERIODS = (1, 2, 3, 5)  # those with lessons for others; the rest are the school's own
# Four subjects a day. A grade is one period behind the grade below it, so nobody teaches two classes at once.
_WEEK = (
    ("语文", "数学", "英语", "音乐/美术"),
    ("数学", "语文", "科学", "美术"),
    ("语文", "英语", "数学", "科学"),
    ("数学", "语文", "音乐/美术", "英语"),
    ("语文", "数学", "美术", "科学"),
)
_HEARD = (
    ("英语", "音乐", "美术"),
    ("英语", "科学", "音乐", "美术"),
    ("语文", "英语", "音乐"),
    ("数学", "英语", "科学"),
)
_SURNAMES = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎"
_ADULTS = (
    "红梅", "建华", "志强", "秀英", "晓燕", "国平", "丽娟", "海涛", "春花", "永刚", "雪梅", "德明", "玉兰", "文斌",
    "小琴", "光荣", "敏", "勇", "静", "涛", "芳", "军", "莉", "伟",
)  # fmt: skip
_CHILDREN = (
    "雨涵", "子轩", "欣怡", "浩然", "梓萱", "宇航", "诗涵", "俊杰", "思琪", "博文", "佳怡", "天佑", "可馨", "明轩",
    "雅婷", "家豪", "梦洁", "鑫磊", "小雨", "志远", "静怡", "晨曦", "语桐", "文博", "若曦", "嘉懿", "奕辰", "紫萱",
)  # fmt: skip


def demo_tables(today: date) -> Tables:
    """The district as tables, in a term that ``today`` is in."""
    demo = _Demo(today)
    told: dict[Sheet, Iterable[dict[str, Cell]]] = {
        sheets.DISTRICTS: demo.districts(),
        sheets.SCHOOLS: demo.schools(),
        sheets.CLASSROOMS: demo.classrooms(),
        sheets.CLASSES: demo.classes(),
        sheets.STAFF: demo.staff(),
        sheets.STUDENTS: demo.students(),
        sheets.TERMS: demo.terms(),
        sheets.CALENDAR: demo.calendar(),
        sheets.BELLS: demo.bells(),
        sheets.SUBSCRIPTIONS: demo.subscriptions(),
        sheets.TIMETABLE: demo.timetable(),
    }
    return Tables(
        [
            RawSheet(sheet, f"{PLACE} / {sheet.zh}", [RawRow(number, row) for number, row in enumerate(rows, 2)])
            for sheet, rows in told.items()
        ],
        (),
    )


class _Demo:
    def __init__(self, today: date) -> None:
        self._random = Random(500111)
        adults = [a + b for a, b in product(_SURNAMES, _ADULTS)]
        children = [a + b for a, b in product(_SURNAMES, _CHILDREN)]
        self._random.shuffle(adults)
        self._random.shuffle(children)
        self._adults, self._children = iter(adults), iter(children)
        self._sizes = {
            (code, grade, name): self._random.randint(*((42, 48) if code == _TOWN[0] else (6, 15)))
            for code, grade, name in _classes()
        }
        self._set_term(today)

    def _set_term(self, today: date) -> None:
        """The usual term, made longer where ``today`` is in the holidays."""
        autumn = today.month >= 8 or today.month == 1
        year = today.year if autumn and today.month >= 8 else today.year - 1
        usual = (
            (date(year, 9, 1), date(year + 1, 1, 22)) if autumn else (date(today.year, 2, 22), date(today.year, 7, 10))
        )
        self._starts_on = min(usual[0], today - timedelta(days=today.weekday()))
        self._ends_on = max(usual[1], today + timedelta(days=28))
        if autumn:
            self._term = f"{year}年秋季学期"
            self._seasons = ((self._starts_on, "夏季作息", 0), (date(year, 11, 1), "冬季作息", 20))
        else:
            self._term = f"{today.year}年春季学期"
            self._seasons = ((self._starts_on, "冬季作息", 20), (date(today.year, 5, 1), "夏季作息", 0))

    def districts(self) -> Iterator[dict[str, Cell]]:
        yield {"code": "500000", "name": "重庆市"}
        yield {"code": "500111", "name": "大足区", "parent": "500000"}

    def schools(self) -> Iterator[dict[str, Cell]]:
        for code, name, short_name in (_TOWN, *_VILLAGES):
            yield {"code": code, "name": name, "short_name": short_name, "district": "500111"}

    def classrooms(self) -> Iterator[dict[str, Cell]]:
        for number, _ in enumerate(_GRADES, 1):
            yield {"school": _TOWN[0], "name": f"录播教室{number}", "leads": "是"}
        for code, *_ in _VILLAGES:
            yield {"school": code, "name": "多媒体教室", "leads": "否"}
        for code in _with_two_rooms():
            yield {"school": code, "name": "第二多媒体教室", "leads": "否"}

    def classes(self) -> Iterator[dict[str, Cell]]:
        for code, grade, name in _classes():
            row: dict[str, Cell] = {
                "school": code, "grade": grade, "name": name, "children": self._sizes[code, grade, name],
            }  # fmt: skip
            if code == _TOWN[0] and name == "1班":
                row["classroom"] = f"录播教室{_GRADES.index(grade) + 1}"
            yield row

    def staff(self) -> Iterator[dict[str, Cell]]:
        for number, (_, subject) in enumerate(_teachers(), 1):
            yield {"school": _TOWN[0], "number": f"H{number:03}", "name": next(self._adults), "subject": subject}
        for (code, *_), number in product(_VILLAGES, (1, 2, 3)):
            subject = _SUBJECTS[(number + int(code)) % 2]  # who teaches everything at home
            yield {"school": code, "number": f"C{number:03}", "name": next(self._adults), "subject": subject}

    def students(self) -> Iterator[dict[str, Cell]]:
        number = 0
        for (code, grade, name), size in self._sizes.items():
            born = self._starts_on.year - 9 - _GRADES.index(grade)
            for _ in range(size):
                number += 1
                row: dict[str, Cell] = {
                    "school": code,
                    "number": f"J500111{born}{number:08}",
                    "name": next(self._children),
                    "grade": grade,
                    "class": name,
                }
                yield row

    def terms(self) -> Iterator[dict[str, Cell]]:
        yield {"name": self._term, "starts_on": self._starts_on, "ends_on": self._ends_on}

    def calendar(self) -> Iterator[dict[str, Cell]]:
        """The national holidays, as far as they are arranged by now, and a day that one village does not hold."""
        for holiday in NATIONAL_HOLIDAYS:
            for day in holiday.days:
                yield {"on_date": day, "name": holiday.name}
            for day, follows in holiday.swapped:
                yield {"on_date": day, "name": f"{holiday.name}调休", "follows": follows}
        friday_of_week_9 = monday(self._starts_on) + timedelta(weeks=8, days=4)
        yield {"on_date": friday_of_week_9, "name": "运动会", "school": _VILLAGES[-1][0]}

    def bells(self) -> Iterator[dict[str, Cell]]:
        for number, (code, *_) in enumerate((_TOWN, *_VILLAGES)):
            for valid_from, name, later_min in self._seasons:
                # Villages begin later, since children walk far, and have shorter breaks.
                morning_min = 8 * 60 + 20 + later_min + (0 if number == 0 else 10 + number % 3 * 10)
                noon_min = 14 * 60 + 10 - later_min // 2 + number % 3 * 5
                pause_min = 10 if number % 2 == 0 else 8
                for period in range(1, 8):
                    first = morning_min if period <= 4 else noon_min
                    starts = first + (period - 1 if period <= 4 else period - 5) * (40 + pause_min)
                    yield {
                        "school": code,
                        "name": name,
                        "valid_from": valid_from,
                        "period": period,
                        "starts": _clock(starts),
                        "ends": _clock(starts + 40),
                    }

    def subscriptions(self) -> Iterator[dict[str, Cell]]:
        for number, (code, *_) in enumerate(_VILLAGES):
            grades = [(number % 3, "多媒体教室")]
            if code in _with_two_rooms():
                grades.append(((number + 1) % 3, "第二多媒体教室"))
            for grade, room in grades:
                for subject in _HEARD[number % len(_HEARD)]:
                    yield {
                        "term": self._term,
                        "subject": subject,
                        "school": _TOWN[0],
                        "grade": _GRADES[grade],
                        "class": "1班",
                        "to_school": code,
                        "to_grade": _GRADES[grade],
                        "to_class": "1班",
                        "to_classroom": room,
                        "assistant": f"C{grade + 1:03}",
                    }

    def timetable(self) -> Iterator[dict[str, Cell]]:
        numbers = {teacher: f"H{number:03}" for number, teacher in enumerate(_teachers(), 1)}
        for grade, (weekday, subjects) in product(range(len(_GRADES)), enumerate(_WEEK, 1)):
            for at, period in enumerate(_PERIODS):
                told = subjects[(at + grade) % len(subjects)].split("/")
                for subject, weeks in zip(told, ("每周",) if len(told) == 1 else ("单周", "双周"), strict=True):
                    yield {
                        "term": self._term,
                        "weekday": weekday,
                        "period": period,
                        "weeks": weeks,
                        "school": _TOWN[0],
                        "classroom": f"录播教室{grade + 1}",
                        "grade": _GRADES[grade],
                        "class": "1班",
                        "teacher": numbers[grade if subject in _SUBJECTS[:2] else None, subject],
                        "subject": subject,
                    }


def _classes() -> Iterator[tuple[str, str, str]]:
    for grade, name in product(_GRADES, _TOWN_CLASSES):
        yield _TOWN[0], grade, name
    for (code, *_), grade in product(_VILLAGES, _GRADES):
        yield code, grade, "1班"


def _teachers() -> list[tuple[int | None, str]]:
    """Each grade has its own for 语文 and 数学; the others teach all grades."""
    own = [(grade, subject) for grade in range(len(_GRADES)) for subject in _SUBJECTS[:2]]
    return [*own, *((None, subject) for subject in _SUBJECTS[2:])]


def _with_two_rooms() -> list[str]:
    return [code for code, *_ in _VILLAGES[:3]]


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"
