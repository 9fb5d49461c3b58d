"""Rows of each sheet as values: names and numbers are looked up, rows that belong together become one value. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from classroom.catalogue.region.calendar import Bell, Weeks
from classroom.catalogue.region.cells import CellError
from classroom.catalogue.region.student_numbers import MASK, StudentKey
from classroom.catalogue.region.values import (
    BellSchedule,
    CalendarDay,
    Classroom,
    District,
    Listener,
    Person,
    PersonKind,
    School,
    SchoolClass,
    Subscription,
    Term,
    TimetableEntry,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping, Sequence

    from classroom.catalogue.region.sheets import Sheet
    from classroom.catalogue.region.student_numbers import StudentNumbers
    from classroom.catalogue.region.values import Value
    from classroom.catalogue.region.world import World

_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(slots=True)
class Told:
    """The values of a row by the code's names of its columns. ``at`` is the column that is being looked at."""

    sheet: Sheet
    place: str
    row: int
    values: Mapping[str, Any]
    at: str | None = None

    def get(self, name: str, otherwise: Any = None) -> Any:
        """What stands in a column."""
        return self.values.get(name, otherwise)

    def fail(self, name: str, zh: str, en: str) -> CellError:
        """An error of a column."""
        self.at = name
        return CellError(zh, en)


@dataclass(frozen=True, slots=True)
class Built:
    """A value of one or more rows, with what it is called and, of a student, what is stored of the number.

    ``parts`` are the rows of its listeners, in their order.
    """

    value: Value
    name: str
    student: StudentKey | None = None
    parts: Sequence[Told] = ()


@dataclass(frozen=True, slots=True)
class Builder:
    """``group`` tells which rows belong together, ``build`` makes a value of them. Both raise CellError."""

    group: Callable[[Told, Finder], Hashable]
    build: Callable[[Sequence[Told], Finder], Built]


class Finder:
    """Looks up in the world what rows name; every method raises CellError of the column that names it."""

    def __init__(self, world: World, numbers: StudentNumbers) -> None:
        self._world = world
        self.numbers = numbers

    def district(self, row: Told, column: str) -> int:
        """A district by its code."""
        found = self._world.find(District, row.get(column))
        if found is None:
            raise _unknown(row, column, "区划")
        return found.id

    def school(self, row: Told, column: str = "school") -> int:
        """A school by its code."""
        found = self._world.find(School, row.get(column))
        if found is None:
            raise _unknown(row, column, "学校")
        return found.id

    def term(self, row: Told) -> int:
        """A term by its name."""
        found = self._world.find(Term, row.get("term"))
        if found is None:
            raise _unknown(row, "term", "学期")
        return found.id

    def classroom(self, row: Told, column: str, school_id: int) -> int:
        """A classroom of a school by its name."""
        found = self._world.find(Classroom, school_id, row.get(column))
        if found is None:
            raise _unknown(row, column, "教室")
        return found.id

    def school_class(self, row: Told, grade: str, name: str, school_id: int) -> int | None:
        """A class of a school by its grade and name; None when the row has neither."""
        said = row.get(grade), row.get(name)
        if said == (None, None):
            return None
        if None in said:
            raise row.fail(grade if said[0] is None else name, "年级和班级要一起填", "give both grade and class")
        found = self._world.find(SchoolClass, school_id, *said)
        if found is None:
            raise _unknown(row, name, "班级", "".join(said))
        return found.id

    def staff(self, row: Told, column: str, school_id: int) -> int | None:
        """A member of a school's staff by the number; None when the row has none."""
        if row.get(column) is None:
            return None
        found = self._world.find(Person, school_id, row.get(column))
        if found is None:
            raise _unknown(row, column, "教职工")
        return found.id

    def elsewhere(self, row: Told, column: str, school_id: int) -> int:
        """The school that a column names, else this one."""
        return school_id if row.get(column) is None else self.school(row, column)


def above_first(rows: Sequence[Told | None]) -> list[Told]:
    """Good rows of a sheet; one that names another of them as the one above it comes after that."""
    good = [row for row in rows if row is not None]
    parents = {row.get("code"): row.get("parent") for row in good}

    def depth(row: Told) -> int:
        above, steps = row.get("parent"), 0
        while above in parents and steps < len(parents):
            above, steps = parents[above], steps + 1
        return steps

    return sorted(good, key=depth) if any(parents.values()) else good


def _unknown(row: Told, column: str, sheet: str, said: str | None = None) -> CellError:
    name = row.get(column) if said is None else said
    return row.fail(
        column,
        f"找不到“{name}”，请先在“{sheet}”表里填写，或改正这一格",
        f"there is no “{name}”; first enter it in the sheet {sheet}, or correct this cell",
    )


def _alone(row: Told, _: Finder) -> Hashable:
    return row.place, row.row


def _district(rows: Sequence[Told], find: Finder) -> Built:
    (row,) = rows
    parent = None if row.get("parent") is None else find.district(row, "parent")
    return Built(District(row.get("code"), row.get("name"), parent), row.get("name"))


def _school(rows: Sequence[Told], find: Finder) -> Built:
    (row,) = rows
    district = find.district(row, "district")
    return Built(School(row.get("code"), row.get("name"), district, row.get("short_name", "")), row.get("name"))


def _classroom(rows: Sequence[Told], find: Finder) -> Built:
    (row,) = rows
    return Built(Classroom(find.school(row), row.get("name"), row.get("leads", False)), row.get("name"))


def _class(rows: Sequence[Told], find: Finder) -> Built:
    (row,) = rows
    school = find.school(row)
    room = None if row.get("classroom") is None else find.classroom(row, "classroom", school)
    value = SchoolClass(school, row.get("grade"), row.get("name"), row.get("children", 0), room)
    return Built(value, value.grade + value.name)


def _staff(rows: Sequence[Told], find: Finder) -> Built:
    (row,) = rows
    value = Person(
        PersonKind.STAFF, row.get("name"), find.school(row), row.get("number"), subject=row.get("subject", "")
    )
    return Built(value, value.name)


def _student(rows: Sequence[Told], find: Finder) -> Built:
    (row,) = rows
    school = find.school(row)
    number, told = str(row.get("number")).upper(), row.get("hash")
    if MASK in number:
        # Of an export: it has the hash instead of the number.
        if told is None or _HASH.fullmatch(told) is None:
            raise row.fail("number", "请填写完整的学籍号，不带“*”", "give the whole number, without *")
        key = StudentKey(told, number)
    else:
        key = find.numbers.key_of(number)
        if told is not None and told != key.hash:
            raise row.fail("hash", "与学籍号不符，请清空这一格", "it is not that of the number; empty this cell")
    class_id = find.school_class(row, "grade", "class", school)
    value = Person(PersonKind.STUDENT, row.get("name"), school, None, key.masked, class_id=class_id)
    return Built(value, value.name, key)


def _term(rows: Sequence[Told], _: Finder) -> Built:
    (row,) = rows
    return Built(Term(row.get("name"), row.get("starts_on"), row.get("ends_on")), row.get("name"))


def _day(rows: Sequence[Told], find: Finder) -> Built:
    (row,) = rows
    district = None if row.get("district") is None else find.district(row, "district")
    school = None if row.get("school") is None else find.school(row)
    value = CalendarDay(row.get("on_date"), row.get("name"), row.get("follows"), district, school)
    return Built(value, f"{value.on_date} {value.name}")


def _bells_of(row: Told, find: Finder) -> Hashable:
    return find.school(row), row.get("valid_from")


def _bells(rows: Sequence[Told], find: Finder) -> Built:
    first = rows[0]
    _agree(rows, ("name",))
    bells = sorted((Bell(row.get("period"), row.get("starts"), row.get("ends")) for row in rows), key=_period)
    value = BellSchedule(find.school(first), first.get("name"), first.get("valid_from"), tuple(bells))
    return Built(value, value.name)


def _period(bell: Bell) -> int:
    return bell.period


def _subscription(rows: Sequence[Told], find: Finder) -> Built:
    (row,) = rows
    school, to_school = find.school(row), find.school(row, "to_school")
    main = find.school_class(row, "grade", "class", school)
    listens = find.school_class(row, "to_grade", "to_class", to_school)
    assert main is not None  # the columns are required
    assert listens is not None
    value = Subscription(
        term_id=find.term(row),
        class_id=listens,
        main_class_id=main,
        subject=row.get("subject"),
        classroom_id=find.classroom(row, "to_classroom", find.elsewhere(row, "to_classroom_school", to_school)),
        assistant_id=find.staff(row, "assistant", find.elsewhere(row, "assistant_school", to_school)),
    )
    said = f"{row.get('to_grade')}{row.get('to_class')} ← {row.get('grade')}{row.get('class')} {value.subject}"
    return Built(value, said)


_OF_ENTRY = ("grade", "class", "class_school", "teacher", "teacher_school", "subject", "title")


def _entry_of(row: Told, find: Finder) -> Hashable:
    room = find.classroom(row, "classroom", find.school(row))
    weeks = (row.get("weeks", Weeks.ALL), row.get("first_week"), row.get("last_week"))
    return find.term(row), row.get("weekday"), row.get("period"), room, *weeks


def _entry(rows: Sequence[Told], find: Finder) -> Built:
    first = rows[0]
    _agree(rows, _OF_ENTRY)
    school = find.school(first)
    teacher = find.staff(first, "teacher", find.elsewhere(first, "teacher_school", school))
    assert teacher is not None  # the column is required
    listeners = _listeners(rows, find)
    value = TimetableEntry(
        term_id=find.term(first),
        weekday=first.get("weekday"),
        period=first.get("period"),
        classroom_id=find.classroom(first, "classroom", school),
        teacher_id=teacher,
        subject=first.get("subject"),
        class_id=find.school_class(first, "grade", "class", find.elsewhere(first, "class_school", school)),
        weeks=first.get("weeks", Weeks.ALL),
        first_week=first.get("first_week"),
        last_week=first.get("last_week"),
        title=first.get("title", ""),
        listeners=tuple(listener for listener, _ in listeners),
    )
    return Built(value, f"{value.subject} {first.get('classroom')}", parts=[row for _, row in listeners])


def _listeners(rows: Sequence[Told], find: Finder) -> list[tuple[Listener, Told]]:
    """Who listens, by the id of the classroom, which is the order of the database."""
    found: dict[int, tuple[Listener, Told]] = {}
    for row in rows:
        if row.get("to_school") is None and row.get("to_classroom") is None:
            if len(rows) > 1:
                raise row.fail(
                    "to_classroom",
                    "同一节课有多行时，每行都要填听讲教室",
                    "with several rows of a lesson, each must name a classroom that listens",
                )
            continue
        for name in ("to_school", "to_classroom"):
            if row.get(name) is None:
                raise row.fail(name, "听讲学校和听讲教室要一起填", "give both the listening school and its classroom")
        school = find.school(row, "to_school")
        listener = Listener(
            find.classroom(row, "to_classroom", school),
            find.school_class(row, "to_grade", "to_class", find.elsewhere(row, "to_class_school", school)),
            find.staff(row, "assistant", find.elsewhere(row, "assistant_school", school)),
        )
        if found.setdefault(listener.classroom_id, (listener, row))[0] != listener:
            raise row.fail(
                "to_classroom", "这间教室已经写过，但内容不同", "it is there already, but says something else"
            )
    return [found[room] for room in sorted(found)]


def _agree(rows: Sequence[Told], names: Sequence[str]) -> None:
    """Raises CellError when rows that belong together say different things in these columns."""
    for row in rows[1:]:
        for name in names:
            if row.get(name) != rows[0].get(name):
                raise row.fail(
                    name,
                    f"与第 {rows[0].row} 行属于同一项，这一列应当相同",
                    f"it belongs to row {rows[0].row}; this column must be the same",
                )


BUILDERS: Mapping[str, Builder] = {
    "districts": Builder(_alone, _district),
    "schools": Builder(_alone, _school),
    "classrooms": Builder(_alone, _classroom),
    "classes": Builder(_alone, _class),
    "staff": Builder(_alone, _staff),
    "students": Builder(_alone, _student),
    "terms": Builder(_alone, _term),
    "calendar": Builder(_alone, _day),
    "bells": Builder(_bells_of, _bells),
    "subscriptions": Builder(_alone, _subscription),
    "timetable": Builder(_entry_of, _entry),
}
