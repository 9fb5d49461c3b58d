"""What things are called by people, and who refers to whom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import String, cast, func, literal, select

from classroom.catalogue.accounts.schema import accounts, devices
from classroom.catalogue.region import schema
from classroom.catalogue.schema import lessons, tables

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from sqlalchemy import Column, ColumnElement, Select, Table
    from sqlalchemy.ext.asyncio import AsyncConnection

Id = TypeVar("Id", int, str)  # lessons and devices have texts
NAMED = 3  # of those that refer to a thing; the rest are counted
_WORDS = {
    "accounts": ("账号", "accounts"),
    "bell_schedules": ("作息", "bell schedules"),
    "classes": ("班级", "classes"),
    "classrooms": ("教室", "classrooms"),
    "devices": ("终端", "devices"),
    "districts": ("区划", "districts"),
    "entry_listeners": ("课表听讲", "timetable listeners"),
    "lesson_listeners": ("课程听讲", "lesson listeners"),
    "lesson_plans": ("课程", "lessons"),
    "people": ("人员", "people"),
    "schools": ("学校", "schools"),
    "subscriptions": ("订阅", "subscriptions"),
    "timetable_entries": ("课表", "timetable entries"),
}
# What belongs to another thing goes with it.
_BELONGS = {
    ("bell_schedules", "school_id"),
    ("bells", "schedule_id"),
    ("calendar_days", "district_id"),
    ("calendar_days", "school_id"),
    ("entry_listeners", "entry_id"),
    ("lesson_listeners", "lesson_id"),
}
_MANY = 500  # ids in one query


async def names(connection: AsyncConnection, table: Table, ids: Collection[Id]) -> dict[Id, str]:
    """What the rows of a table with these ids are called."""
    found: dict[Id, str] = {}
    wanted = sorted(ids)
    for at in range(0, len(wanted), _MANY):
        query = _named(table).where(table.c.id.in_(wanted[at : at + _MANY]))
        found |= {row.id: row.label for row in await connection.execute(query)}
    return found


async def referring(connection: AsyncConnection, table: Table, identity: int) -> list[tuple[str, str]]:
    """Who keeps a row from being removed, in words, Chinese and English: 教室 2（录播室、三年级教室）."""
    told: list[tuple[str, str]] = []
    for column in _referring_columns(table):
        other: Any = column.table
        count = await connection.scalar(select(func.count()).select_from(other).where(column == identity))
        if count:
            query = _named(other).where(column == identity).limit(NAMED)
            some = [row.label for row in await connection.execute(query)]
            zh, en = _WORDS[other.name]
            more = "…" if count > len(some) else ""
            told.append((f"{zh} {count}（{'、'.join(some)}{more}）", f"{en}: {count} ({', '.join(some)}{more})"))
    return told


def _referring_columns(table: Table) -> Iterator[Column[Any]]:
    for other in tables.sorted_tables:
        for column in other.columns:
            for key in column.foreign_keys:
                kept = key.ondelete == "SET NULL" or (other.name, column.name) in _BELONGS
                if key.column.table is table and not kept:
                    yield column


def _named(table: Table) -> Select[Any]:
    """Ids (where there are any) with names; rows of every table that refers to another can be called something."""
    _s = schema
    school: ColumnElement[str] = func.coalesce(func.nullif(_s.schools.c.short_name, ""), _s.schools.c.name)
    space = literal(" ")
    in_school = table.c.school_id == _s.schools.c.id if "school_id" in table.c else None
    in_class = table.join(_s.classes, table.c.class_id == _s.classes.c.id) if "class_id" in table.c else table
    match table.name:
        case "schools":
            return select(table.c.id, school.label("label"))
        case "classrooms":
            return _select(table, school + space + table.c.name).join(_s.schools, in_school)
        case "classes":
            return _select(table, school + space + table.c.grade + table.c.name).join(_s.schools, in_school)
        case "bell_schedules":
            return _select(table, school + space + table.c.name).join(_s.schools, in_school)
        case "subscriptions":
            joined = in_class.join(_s.schools, _s.classes.c.school_id == _s.schools.c.id)
            label = school + space + _s.classes.c.grade + _s.classes.c.name + space + table.c.subject
            return select(table.c.id, label.label("label")).select_from(joined)
        case "timetable_entries":
            weekday = literal("周") + func.substr(literal("一二三四五六日"), table.c.weekday, 1)
            at = weekday + literal("第") + cast(table.c.period, String) + literal("节")
            return _select(table, at + table.c.subject)
        case "lesson_plans":
            return select(func.coalesce(func.nullif(lessons.c.title, ""), lessons.c.id).label("label")).select_from(
                table.join(lessons, lessons.c.id == table.c.lesson_id)
            )
        case "entry_listeners":
            entries = _s.timetable_entries
            return select(entries.c.subject.label("label")).select_from(
                table.join(entries, entries.c.id == table.c.entry_id)
            )
        case "lesson_listeners":
            return select(lessons.c.title.label("label")).select_from(
                table.join(lessons, lessons.c.id == table.c.lesson_id)
            )
        case "lessons":
            return select(table.c.id, table.c.title.label("label"))
        case "accounts":
            return select(accounts.c.id, accounts.c.login.label("label"))
        case "devices":
            return select(devices.c.id, devices.c.name.label("label"))
    return _select(table, table.c.name)  # districts, people, terms


def _select(table: Table, label: ColumnElement[str]) -> Select[Any]:
    return select(table.c.id, label.label("label")).select_from(table)
