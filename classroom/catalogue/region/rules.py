"""Whether a value fits what it refers to. Pure: what it refers to is looked up before."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from classroom.catalogue.region import schema
from classroom.catalogue.region.calendar import dates
from classroom.catalogue.region.values import (
    MAX_SWAP_DAYS,
    MAX_WEEKS,
    BellSchedule,
    CalendarDay,
    District,
    Listener,
    Person,
    PersonKind,
    PlannedLesson,
    SchoolClass,
    Subscription,
    Term,
    TimetableEntry,
    Value,
    bad,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlalchemy import Table

    from classroom.catalogue.region.calendar import Bells


class Room(NamedTuple):
    """What rules go by of a classroom."""

    school_id: int
    leads: bool


@dataclass(frozen=True, slots=True)
class Facts:
    """What is there, by its id, as far as values refer to it."""

    districts: Mapping[int, int | None] = field(default_factory=dict)  # with the one above
    schools: Mapping[int, None] = field(default_factory=dict)
    classrooms: Mapping[int, Room] = field(default_factory=dict)
    classes: Mapping[int, int] = field(default_factory=dict)  # with their school
    people: Mapping[int, PersonKind] = field(default_factory=dict)
    terms: Mapping[int, Term] = field(default_factory=dict)
    bells: Mapping[int, Bells] = field(default_factory=dict)  # of schools

    def of(self, table: Table) -> Mapping[int, object]:
        """What is there of a table."""
        found: Mapping[int, object] = getattr(self, table.name)
        return found


class Reference(NamedTuple):
    """A field of a value (``listeners.0.class_id``) that names a row of a table."""

    path: str
    table: Table
    id: int


FIELD_TABLES = {
    "assistant_id": schema.people,
    "class_id": schema.classes,
    "classroom_id": schema.classrooms,
    "district_id": schema.districts,
    "main_class_id": schema.classes,
    "parent_id": schema.districts,
    "school_id": schema.schools,
    "teacher_id": schema.people,
    "term_id": schema.terms,
}


def references(value: Value | PlannedLesson) -> Iterator[Reference]:
    """Everything that a value refers to."""
    yield from _references("", value)
    if isinstance(value, TimetableEntry | PlannedLesson):
        for number, listener in enumerate(value.listeners):
            yield from _references(f"listeners.{number}.", listener)


def fit(value: Value | PlannedLesson, facts: Facts, identity: int | None = None) -> None:
    """Raises BadValue when the value, which has this id already or none yet, does not fit the facts."""
    for path, table, referred in references(value):
        if referred not in facts.of(table):
            raise _bad(path, f"没有编号为 {referred} 的这一项", f"there is none with the id {referred}")
    match value:
        case District():
            _fit_district(value, facts, identity)
        case SchoolClass():
            if value.classroom_id is not None and facts.classrooms[value.classroom_id].school_id != value.school_id:
                raise bad("classroom_id", "这间教室不在本校", "this classroom is in another school")
        case Person():
            _fit_person(value, facts)
        case Term():
            if not value.starts_on < value.ends_on:
                raise bad("ends_on", "应在开始日期之后", "it must be after the first day")
            if (value.ends_on - value.starts_on).days > MAX_WEEKS * 7:
                raise bad("ends_on", f"学期最长 {MAX_WEEKS} 周", f"a term has at most {MAX_WEEKS} weeks")
        case CalendarDay():
            _fit_day(value)
        case BellSchedule():
            _fit_bells(value)
        case Subscription():
            if value.class_id == value.main_class_id:
                raise bad("main_class_id", "班级不能订阅自己", "a class does not listen to itself")
            _staff("assistant_id", value.assistant_id, facts)
        case TimetableEntry():
            _fit_entry(value, facts)
        case PlannedLesson():
            _fit_lesson(value, facts)
        case _:
            pass


def _references(prefix: str, value: object) -> Iterator[Reference]:
    for name, table in FIELD_TABLES.items():
        identity = getattr(value, name, None)
        if identity is not None:
            yield Reference(prefix + name, table, identity)


def _fit_district(value: District, facts: Facts, identity: int | None) -> None:
    above, steps = value.parent_id, 0
    while above is not None and steps <= len(facts.districts):
        if above == identity:
            raise bad("parent_id", "上级不能是它自己或它的下级", "it cannot be below itself")
        above, steps = facts.districts.get(above), steps + 1


def _fit_person(value: Person, facts: Facts) -> None:
    if value.kind is PersonKind.STAFF:
        if value.staff_number is None:
            raise bad("staff_number", "教职工要有工号", "a member of staff has one")
        if value.student_number is not None or value.class_id is not None:
            name = "class_id" if value.student_number is None else "student_number"
            raise bad(name, "只有学生才有", "only a student has one")
        return
    if value.student_number is None:
        raise bad("student_number", "学生要有学籍号", "a student has one")
    if value.staff_number is not None:
        raise bad("staff_number", "只有教职工才有", "only a member of staff has one")
    if value.class_id is not None and facts.classes[value.class_id] != value.school_id:
        raise bad("class_id", "这个班不在本校", "this class is of another school")


def _fit_day(value: CalendarDay) -> None:
    if value.district_id is not None and value.school_id is not None:
        raise bad("school_id", "区县和学校只能选一个", "it is of a district or of a school, not of both")
    if value.follows is not None and abs((value.follows - value.on_date).days) > MAX_SWAP_DAYS:
        zh = f"与这一天相差不能超过 {MAX_SWAP_DAYS} 天，请检查年份"
        raise bad("follows", zh, f"it is more than {MAX_SWAP_DAYS} days away; look at the year")


def _fit_bells(value: BellSchedule) -> None:
    if not value.bells:
        raise bad("bells", "至少要有一节", "there must be one period at least")
    periods = sorted(value.bells, key=lambda bell: bell.period)
    for bell in periods:
        if not bell.starts < bell.ends:
            raise bad(
                "bells", f"第{bell.period}节的下课时间应晚于上课时间", f"period {bell.period} ends before it begins"
            )
    for one, other in pairwise(periods):
        if one.period == other.period:
            raise bad("bells", f"第{one.period}节写了两次", f"there are two of period {one.period}")
        if other.starts < one.ends:
            zh = f"第{other.period}节与第{one.period}节的时间重叠"
            raise bad("bells", zh, f"period {other.period} begins before period {one.period} ends")


def _fit_entry(value: TimetableEntry, facts: Facts) -> None:
    _fit_rooms(value.classroom_id, value.listeners, facts)
    _staff("teacher_id", value.teacher_id, facts)
    if value.first_week is not None and value.last_week is not None and value.first_week > value.last_week:
        raise bad("last_week", "不能早于起始周", "it must not be before the first week")
    term = facts.terms[value.term_id]
    days = dates(term.starts_on, term.ends_on, value.weekday, value.weeks, value.first_week, value.last_week)
    if not days:
        raise bad("weeks", "学期里没有这样的日子", "the term has no such day")
    bells = facts.bells.get(facts.classrooms[value.classroom_id].school_id)
    if bells is None or not any(value.period in bells.on(day) for day in days):
        raise bad(
            "period",
            "主讲学校的作息里没有这一节，请先填写作息",
            "the bells of the main classroom's school have no such period; enter them first",
        )


def _fit_lesson(value: PlannedLesson, facts: Facts) -> None:
    _fit_rooms(value.classroom_id, value.listeners, facts)
    _staff("teacher_id", value.teacher_id, facts)
    if (value.starts is None) != (value.ends is None):
        raise bad("ends", "上课和下课时间要一起填", "say both when it begins and when it ends")
    if value.starts is not None and value.ends is not None:
        if not value.starts < value.ends:
            raise bad("ends", "应晚于上课时间", "it must be after the beginning")
        return
    bells = facts.bells.get(facts.classrooms[value.classroom_id].school_id)
    if value.period is None or bells is None or value.period not in bells.on(value.on_date):
        zh = "主讲学校这一天没有这一节，请填上课和下课时间"
        raise bad("period", zh, "the main classroom's school has no such period that day; say the times")


def _fit_rooms(main: int, listeners: Sequence[Listener], facts: Facts) -> None:
    if not facts.classrooms[main].leads:
        raise bad(
            "classroom_id",
            "这间教室不能主讲，请换一间，或先把它设为“可主讲”",
            "this classroom cannot lead; take another one, or first mark it as one that leads",
        )
    rooms = {main}
    for number, listener in enumerate(listeners):
        if listener.classroom_id in rooms:
            raise _bad(
                f"listeners.{number}.classroom_id", "同一间教室写了两次", "the same classroom stands there twice"
            )
        rooms.add(listener.classroom_id)
        _staff(f"listeners.{number}.assistant_id", listener.assistant_id, facts)


def _staff(path: str, person: int | None, facts: Facts) -> None:
    if person is not None and facts.people[person] is not PersonKind.STAFF:
        raise _bad(path, "应为教职工，不是学生", "it must be a member of staff, not a student")


def _bad(path: str, zh: str, en: str) -> Exception:
    error = bad(path.rpartition(".")[2], zh, en)
    error.field = path
    return error
