"""What a region is made of: one value for each kind, as people say it and as it is told. Values only.

Fields that end in ``_id`` name another value by its id. ``checked`` says what is wrong with a value by itself; whether
it fits the others is for the repositories.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date, time  # noqa: TC003 - pydantic reads annotations at run time
from enum import StrEnum
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError

from classroom.catalogue.region.calendar import Bell, Weeks
from classroom.catalogue.region.errors import BadValue

MAX_PERIODS = 20  # a day
MAX_WEEKS = 60  # a term
MAX_SWAP_DAYS = 183  # from a day to the one whose lessons it has
MAX_SPAN_DAYS = 92  # of the calendar that are said at once: the longest holidays
MAX_LISTENERS = 64  # classrooms that listen to one lesson


class PersonKind(StrEnum):
    """What somebody is to a school."""

    STAFF = "staff"
    STUDENT = "student"


def _one_line(text: str) -> str:
    if any(ord(char) < 32 or ord(char) == 127 for char in text):
        raise ValueError("must be one line without control characters")
    return text


Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=60), AfterValidator(_one_line)]
LongName = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100), AfterValidator(_one_line)
]
Word = Annotated[str, StringConstraints(strip_whitespace=True, max_length=60), AfterValidator(_one_line)]
Line = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200), AfterValidator(_one_line)]
DistrictCode = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^\d{6,12}$")]
SchoolCode = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^\d{10}$")]
StaffNumber = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^[0-9A-Za-z_-]{1,40}$")]
StudentNumber = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^[0-9A-Za-z*]{4,40}$")]
Id = Annotated[int, Field(ge=1, lt=1 << 53)]  # also a number of JavaScript
Period = Annotated[int, Field(ge=1, le=MAX_PERIODS)]
Week = Annotated[int, Field(ge=1, le=MAX_WEEKS)]
_CONFIG = ConfigDict(extra="forbid", hide_input_in_errors=True)


@dataclass(frozen=True, slots=True)
class District:
    """A city, or a district or county of one. ``code`` is of GB/T 2260."""

    __pydantic_config__ = _CONFIG

    code: DistrictCode
    name: Name
    parent_id: Id | None = None


@dataclass(frozen=True, slots=True)
class School:
    """A school by its ten digits (一校一码). ``short_name`` is for tiles: 山坪小学."""

    __pydantic_config__ = _CONFIG

    code: SchoolCode
    name: LongName
    district_id: Id
    short_name: Word = ""


@dataclass(frozen=True, slots=True)
class Classroom:
    """A room. One that ``leads`` has what a main classroom needs; any may listen."""

    __pydantic_config__ = _CONFIG

    school_id: Id
    name: Name
    leads: bool = False


@dataclass(frozen=True, slots=True)
class SchoolClass:
    """Children who are taught together. ``classroom_id`` is where they usually are."""

    __pydantic_config__ = _CONFIG

    school_id: Id
    grade: Name  # 三年级
    name: Name  # 2班
    children: Annotated[int, Field(ge=0, le=1000)] = 0
    classroom_id: Id | None = None


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody of a school. ``student_number`` is told masked; saying it masked leaves it as it is."""

    __pydantic_config__ = _CONFIG

    kind: PersonKind
    name: Name
    school_id: Id
    staff_number: StaffNumber | None = None
    student_number: StudentNumber | None = None
    subject: Word = ""
    class_id: Id | None = None  # of a student


@dataclass(frozen=True, slots=True)
class Term:
    """The week of ``starts_on`` is the first one; ``ends_on`` is the last day."""

    __pydantic_config__ = _CONFIG

    name: Name
    starts_on: date
    ends_on: date


@dataclass(frozen=True, slots=True)
class CalendarDay:
    """A day that is not as the timetable has it: of a school, of a district with those below it, or of everybody.

    ``follows`` is the day whose lessons are held (调休, 补课), as the timetable has that day; None: none are held
    (放假). A day that follows itself is as usual, whatever is said for more than this school or district.
    """

    __pydantic_config__ = _CONFIG

    on_date: date
    name: Name  # 国庆节
    follows: date | None = None
    district_id: Id | None = None
    school_id: Id | None = None


@dataclass(frozen=True, slots=True)
class CalendarSpan:
    """Days in a row, both ends among them, on which no lessons are held; ``as_usual``: they are (see CalendarDay)."""

    __pydantic_config__ = _CONFIG

    first_day: date
    last_day: date
    name: Name
    as_usual: bool = False
    district_id: Id | None = None
    school_id: Id | None = None


@dataclass(frozen=True, slots=True)
class BellSchedule:
    """When the periods of a school are, from a day on until its next schedule. Local times, without seconds."""

    __pydantic_config__ = _CONFIG

    school_id: Id
    name: Name
    valid_from: date
    bells: Annotated[tuple[Bell, ...], Field(max_length=MAX_PERIODS)] = ()


@dataclass(frozen=True, slots=True)
class Subscription:
    """A class that listens to another one's lessons in a subject, for a term, in a classroom."""

    __pydantic_config__ = _CONFIG

    term_id: Id
    class_id: Id
    main_class_id: Id
    subject: Name
    classroom_id: Id
    assistant_id: Id | None = None


@dataclass(frozen=True, slots=True)
class Listener:
    """A classroom that listens, with the class in it and who is there to help."""

    __pydantic_config__ = _CONFIG

    classroom_id: Id
    class_id: Id | None = None
    assistant_id: Id | None = None


@dataclass(frozen=True, slots=True)
class TimetableEntry:
    """A lesson of every week, or of odd or even ones, of a term. Weeks count from 1; empty: from first to last."""

    __pydantic_config__ = _CONFIG

    term_id: Id
    weekday: Annotated[int, Field(ge=1, le=7)]  # ISO: 1 is Monday
    period: Period
    classroom_id: Id
    teacher_id: Id
    subject: Name
    class_id: Id | None = None
    weeks: Weeks = Weeks.ALL
    first_week: Week | None = None
    last_week: Week | None = None
    title: Line = ""
    listeners: Annotated[tuple[Listener, ...], Field(max_length=MAX_LISTENERS)] = ()


@dataclass(frozen=True, slots=True)
class PlannedLesson:
    """A lesson of one day, planned or changed by hand. Without local times it has those of its period."""

    __pydantic_config__ = _CONFIG

    on_date: date
    classroom_id: Id
    teacher_id: Id
    subject: Name
    class_id: Id | None = None
    period: Period | None = None
    starts: time | None = None
    ends: time | None = None
    title: Line = ""
    interactive: bool = True
    listeners: Annotated[tuple[Listener, ...], Field(max_length=MAX_LISTENERS)] = ()


Value = (
    District
    | School
    | Classroom
    | SchoolClass
    | Person
    | Term
    | CalendarDay
    | BellSchedule
    | Subscription
    | TimetableEntry
)
T = TypeVar("T", bound=Value)
V = TypeVar("V", bound=Value | PlannedLesson | CalendarSpan)
_TYPES: tuple[type[Any], ...] = (
    District, School, Classroom, SchoolClass, Person, Term, CalendarDay, BellSchedule, Subscription, TimetableEntry,
    PlannedLesson, CalendarSpan,
)  # fmt: skip
_ADAPTERS: dict[type[Any], TypeAdapter[Any]] = {kind: TypeAdapter(kind) for kind in _TYPES}

FIELD_NAMES: dict[str, str] = {
    "as_usual": "照常上课",
    "assistant_id": "辅助教师",
    "bells": "作息时间",
    "children": "人数",
    "class_id": "班级",
    "classroom_id": "教室",
    "code": "代码",
    "district_id": "区县",
    "ends": "下课时间",
    "ends_on": "结束日期",
    "first_day": "第一天",
    "first_week": "起始周",
    "follows": "按哪天的课表",
    "grade": "年级",
    "kind": "类别",
    "last_day": "最后一天",
    "last_week": "结束周",
    "leads": "可主讲",
    "listeners": "听讲教室",
    "main_class_id": "主讲班级",
    "name": "名称",
    "on_date": "日期",
    "interactive": "互动",
    "parent_id": "上级区划",
    "period": "节次",
    "school_id": "学校",
    "short_name": "简称",
    "staff_number": "工号",
    "starts": "上课时间",
    "starts_on": "开始日期",
    "student_number": "学籍号",
    "subject": "学科",
    "teacher_id": "教师",
    "term_id": "学期",
    "title": "课题",
    "valid_from": "启用日期",
    "weekday": "星期",
    "weeks": "单双周",
}
_PATTERNS = {
    "code": ("应为代码的数字：区划 6 到 12 位，学校 10 位", "a district has 6 to 12 digits, a school 10"),
    "staff_number": ("只能用字母、数字、“-”和“_”", "use letters, digits, - and _"),
    "student_number": ("应为 4 到 40 个字母和数字", "use 4 to 40 letters and digits"),
}


def checked(value: V) -> V:
    """The value without needless spaces; raises BadValue for what no value of its kind may be."""
    return parsed(type(value), asdict(value))


def parsed(kind: type[V], fields: object) -> V:
    """A value of what is said in JSON's words, an object with its fields. Raises BadValue."""
    try:
        value: V = _ADAPTERS[kind].validate_python(fields)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        path = [str(part) for part in fault["loc"]]
        field = next((part for part in reversed(path) if part in FIELD_NAMES), path[-1] if path else "")
        zh, en = _why(fault["type"], field, fault.get("ctx", {}), fault["msg"])
        told = FIELD_NAMES.get(field, field)
        raise BadValue(".".join(path), f"“{told}”不对：{zh}。 {field} is wrong: {en}.") from None
    return value


def bad(field: str, zh: str, en: str) -> BadValue:
    """A refusal of a value for what it is to others; the texts say why, and what to do."""
    return BadValue(field, f"“{FIELD_NAMES[field]}”不对：{zh}。 {field} is wrong: {en}.")


def _why(fault: str, field: str, limits: dict[str, Any], message: str) -> tuple[str, str]:
    match fault:
        case "missing" | "string_too_short" | "string_type" | "none_required":
            return "不能为空", "it must not be empty"
        case "string_too_long" | "too_long":
            most = limits["max_length"]
            return f"太长，最多 {most}", f"it is too long; the most is {most}"
        case "string_pattern_mismatch":
            return _PATTERNS[field]
        case "greater_than_equal":
            return f"不能小于 {limits['ge']}", f"it must not be less than {limits['ge']}"
        case "less_than_equal":
            return f"不能大于 {limits['le']}", f"it must not be more than {limits['le']}"
        case "int_parsing" | "int_type" | "int_from_float":
            return "应为整数", "it must be a whole number"
        case "enum":
            return f"应为 {limits['expected']}", f"it must be {limits['expected']}"
        case "extra_forbidden":
            return "没有这一项", "there is no such field"
    if fault.startswith("date"):
        return "应为日期，如 2026-09-01", "it must be a date such as 2026-09-01"
    if fault.startswith("time"):
        return "应为时间，如 08:30", "it must be a time such as 08:30"
    return "值有误", message.removeprefix("Value error, ")
