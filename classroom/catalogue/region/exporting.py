"""A region as the rows of its tables: what an import reads, and in an order that does not depend on ids. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from classroom.catalogue.region import sheets
from classroom.catalogue.region.calendar import Weeks
from classroom.catalogue.region.conflicts import WEEKDAYS
from classroom.catalogue.region.values import (
    BellSchedule,
    CalendarDay,
    Classroom,
    District,
    Person,
    PersonKind,
    School,
    SchoolClass,
    Subscription,
    Term,
    TimetableEntry,
)
from classroom.catalogue.scope import EVERYTHING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from classroom.catalogue.region.sheets import Sheet
    from classroom.catalogue.region.values import Listener
    from classroom.catalogue.region.world import World
    from classroom.catalogue.scope import Scope

Row = dict[str, str]
_WEEKS = {Weeks.ALL: "每周", Weeks.ODD: "单周", Weeks.EVEN: "双周"}


def export_rows(world: World, scope: Scope = EVERYTHING) -> list[tuple[Sheet, list[Row]]]:
    """Every sheet with the rows that somebody with this scope owns, and all terms; cells by the columns' names."""
    exporter = _Exporter(world, scope)
    told = {
        sheets.DISTRICTS: exporter.districts(),
        sheets.SCHOOLS: exporter.schools(),
        sheets.CLASSROOMS: exporter.classrooms(),
        sheets.CLASSES: exporter.classes(),
        sheets.STAFF: exporter.staff(),
        sheets.STUDENTS: exporter.students(),
        sheets.TERMS: exporter.terms(),
        sheets.CALENDAR: exporter.calendar(),
        sheets.BELLS: exporter.bells(),
        sheets.SUBSCRIPTIONS: exporter.subscriptions(),
        sheets.TIMETABLE: exporter.timetable(),
    }
    return [(sheet, sorted(rows, key=_order(sheet))) for sheet, rows in told.items()]


class _order:  # noqa: N801 - reads as a function
    """By the columns of the sheet, numbers as numbers."""

    def __init__(self, sheet: Sheet) -> None:
        self._names = [column.name for column in sheet.columns]

    def __call__(self, row: Row) -> list[tuple[int, str]]:
        cells = [row.get(name, "") for name in self._names]
        return [(int(cell) if cell.isascii() and cell.isdigit() else 0, cell) for cell in cells]


class _Exporter:
    def __init__(self, world: World, scope: Scope) -> None:
        self._world = world
        self._scope = scope

    def districts(self) -> Iterator[Row]:
        for known in self._world.all(District):
            said = known.value
            if self._world.is_within(self._scope, said):
                parent = "" if said.parent_id is None else self._world.get(District, said.parent_id).code
                yield {"code": said.code, "name": said.name, "parent": parent}

    def schools(self) -> Iterator[Row]:
        for known in self._world.all(School):
            said = known.value
            if self._world.is_within(self._scope, said):
                district = self._world.get(District, said.district_id).code
                yield {"code": said.code, "name": said.name, "short_name": said.short_name, "district": district}

    def classrooms(self) -> Iterator[Row]:
        for known in self._world.all(Classroom):
            said = known.value
            if self._world.is_within(self._scope, said):
                leads = "是" if said.leads else "否"
                yield {"school": self._school(said.school_id), "name": said.name, "leads": leads}

    def classes(self) -> Iterator[Row]:
        for known in self._world.all(SchoolClass):
            said = known.value
            if self._world.is_within(self._scope, said):
                yield {
                    "school": self._school(said.school_id),
                    "grade": said.grade,
                    "name": said.name,
                    "children": str(said.children),
                    "classroom": "" if said.classroom_id is None else self._room(said.classroom_id)[1],
                }

    def staff(self) -> Iterator[Row]:
        for known in self._world.all(Person):
            said = known.value
            if said.kind is PersonKind.STAFF and self._world.is_within(self._scope, said):
                yield {
                    "school": self._school(said.school_id),
                    "number": said.staff_number or "",
                    "name": said.name,
                    "subject": said.subject,
                }

    def students(self) -> Iterator[Row]:
        for known in self._world.all(Person):
            said = known.value
            if known.student is not None and self._world.is_within(self._scope, said):
                _, grade, name = self._class(said.class_id)
                yield {
                    "school": self._school(said.school_id),
                    "number": known.student.masked,
                    "name": said.name,
                    "grade": grade,
                    "class": name,
                    "hash": known.student.hash,
                }

    def terms(self) -> Iterator[Row]:
        for known in self._world.all(Term):
            said = known.value
            yield {"name": said.name, "starts_on": f"{said.starts_on}", "ends_on": f"{said.ends_on}"}

    def calendar(self) -> Iterator[Row]:
        for known in self._world.all(CalendarDay):
            said = known.value
            if self._world.is_within(self._scope, said):
                yield {
                    "on_date": f"{said.on_date}",
                    "name": said.name,
                    "follows": "" if said.follows is None else f"{said.follows}",
                    "district": "" if said.district_id is None else self._world.get(District, said.district_id).code,
                    "school": "" if said.school_id is None else self._school(said.school_id),
                }

    def bells(self) -> Iterator[Row]:
        for known in self._world.all(BellSchedule):
            said = known.value
            if self._world.is_within(self._scope, said):
                for bell in said.bells:
                    yield {
                        "school": self._school(said.school_id),
                        "name": said.name,
                        "valid_from": f"{said.valid_from}",
                        "period": str(bell.period),
                        "starts": f"{bell.starts:%H:%M}",
                        "ends": f"{bell.ends:%H:%M}",
                    }

    def subscriptions(self) -> Iterator[Row]:
        for known in self._world.all(Subscription):
            said = known.value
            if self._world.is_within(self._scope, said):
                school, grade, name = self._class(said.main_class_id)
                to_school, to_grade, to_class = self._class(said.class_id)
                room_school, room = self._room(said.classroom_id)
                assistant_school, assistant = self._staff(said.assistant_id)
                yield {
                    "term": self._world.get(Term, said.term_id).name,
                    "subject": said.subject,
                    "school": school,
                    "grade": grade,
                    "class": name,
                    "to_school": to_school,
                    "to_grade": to_grade,
                    "to_class": to_class,
                    "to_classroom": room,
                    "assistant": assistant,
                    "to_classroom_school": _if_other(room_school, to_school),
                    "assistant_school": _if_other(assistant_school, to_school),
                }

    def timetable(self) -> Iterator[Row]:
        for known in self._world.all(TimetableEntry):
            said = known.value
            if self._world.is_within(self._scope, said):
                school, room = self._room(said.classroom_id)
                class_school, grade, name = self._class(said.class_id)
                teacher_school, teacher = self._staff(said.teacher_id)
                row = {
                    "term": self._world.get(Term, said.term_id).name,
                    "weekday": WEEKDAYS[said.weekday - 1],
                    "period": str(said.period),
                    "weeks": _WEEKS[said.weeks],
                    "first_week": "" if said.first_week is None else str(said.first_week),
                    "last_week": "" if said.last_week is None else str(said.last_week),
                    "school": school,
                    "classroom": room,
                    "grade": grade,
                    "class": name,
                    "teacher": teacher,
                    "subject": said.subject,
                    "title": said.title,
                    "class_school": _if_other(class_school, school),
                    "teacher_school": _if_other(teacher_school, school),
                }
                for listener in said.listeners or (None,):
                    yield row if listener is None else row | self._listener(listener)

    def _listener(self, listener: Listener) -> Row:
        school, room = self._room(listener.classroom_id)
        class_school, grade, name = self._class(listener.class_id)
        assistant_school, assistant = self._staff(listener.assistant_id)
        return {
            "to_school": school,
            "to_classroom": room,
            "to_grade": grade,
            "to_class": name,
            "assistant": assistant,
            "to_class_school": _if_other(class_school, school),
            "assistant_school": _if_other(assistant_school, school),
        }

    def _school(self, school_id: int) -> str:
        return self._world.get(School, school_id).code

    def _room(self, classroom_id: int) -> tuple[str, str]:
        room = self._world.get(Classroom, classroom_id)
        return self._school(room.school_id), room.name

    def _class(self, class_id: int | None) -> tuple[str, str, str]:
        if class_id is None:
            return "", "", ""
        said = self._world.get(SchoolClass, class_id)
        return self._school(said.school_id), said.grade, said.name

    def _staff(self, person_id: int | None) -> tuple[str, str]:
        if person_id is None:
            return "", ""
        person = self._world.get(Person, person_id)
        return self._school(person.school_id), person.staff_number or ""


def _if_other(school: str, usual: str) -> str:
    return "" if school == usual else school
