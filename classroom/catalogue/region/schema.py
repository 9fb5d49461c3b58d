"""The tables of a region: who and what there is, and the timetable.

Keys that exist in the world are kept as they are: the 10 digits of a school (一校一码), the number of a member of
staff, the district code of GB/T 2260. A student's number is stored as a keyed hash and shown masked.
"""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Date, ForeignKey, Index, Integer, String, Table, Time, UniqueConstraint, text

from classroom.catalogue.schema import BigId, UtcDateTime, tables


def _key() -> Column[int]:
    return Column("id", BigId, primary_key=True)


def _ref(name: str, table: str, *, required: bool = True, ondelete: str = "RESTRICT") -> Column[int]:
    return Column(name, BigId, ForeignKey(f"{table}.id", ondelete=ondelete), nullable=not required, index=True)


def _words(name: str, limit: int = 60) -> Column[str]:
    return Column(name, String(limit), nullable=False, server_default="")


districts = Table(
    "districts",
    tables,
    _key(),
    Column("code", String(12), nullable=False, unique=True),  # GB/T 2260: 500000 is Chongqing, 500111 is Dazu
    Column("name", String(60), nullable=False),
    _ref("parent_id", "districts", required=False),  # of a district: its city
)

schools = Table(
    "schools",
    tables,
    _key(),
    Column("code", String(10), nullable=False, unique=True),
    Column("name", String(100), nullable=False),
    _words("short_name"),  # on tiles: 山坪小学
    _ref("district_id", "districts"),
)

classrooms = Table(
    "classrooms",
    tables,
    _key(),
    _ref("school_id", "schools"),
    Column("name", String(60), nullable=False),
    Column("leads", Boolean, nullable=False),  # has what a main classroom needs; any may listen
    UniqueConstraint("school_id", "name"),
)

classes = Table(
    "classes",
    tables,
    _key(),
    _ref("school_id", "schools"),
    Column("grade", String(60), nullable=False),  # 三年级
    Column("name", String(60), nullable=False),  # 2班
    Column("children", Integer, nullable=False, server_default="0"),
    _ref("classroom_id", "classrooms", required=False, ondelete="SET NULL"),  # where it usually is
    UniqueConstraint("school_id", "grade", "name"),
)

people = Table(
    "people",
    tables,
    _key(),
    Column("kind", String(10), nullable=False),  # PersonKind: staff, student
    Column("name", String(60), nullable=False),
    _ref("school_id", "schools"),
    Column("staff_number", String(40)),
    Column("student_hash", String(64), unique=True),  # HMAC-SHA-256 of the 学籍号, in hex
    _words("student_masked", 40),  # G5001**********123X
    _words("subject"),
    _ref("class_id", "classes", required=False, ondelete="SET NULL"),  # of a student
    UniqueConstraint("school_id", "staff_number"),
)

terms = Table(
    "terms",
    tables,
    _key(),
    Column("name", String(60), nullable=False, unique=True),
    Column("starts_on", Date, nullable=False),  # the week of this day is the first one
    Column("ends_on", Date, nullable=False),  # the last day
)

_EVERYBODY = text("district_id IS NULL AND school_id IS NULL")
calendar_days = Table(
    "calendar_days",
    tables,
    _key(),
    Column("on_date", Date, nullable=False),
    Column("name", String(60), nullable=False),  # 国庆节
    Column("follows", Date),  # the day whose lessons are held; empty: none are
    _ref("district_id", "districts", required=False, ondelete="CASCADE"),
    _ref("school_id", "schools", required=False, ondelete="CASCADE"),  # with neither: of everybody
    UniqueConstraint("on_date", "district_id"),
    UniqueConstraint("on_date", "school_id"),
    Index(
        "uq_calendar_days_of_everybody", "on_date", unique=True, sqlite_where=_EVERYBODY, postgresql_where=_EVERYBODY
    ),
)

bell_schedules = Table(
    "bell_schedules",
    tables,
    _key(),
    _ref("school_id", "schools", ondelete="CASCADE"),
    Column("name", String(60), nullable=False),  # 夏季作息
    Column("valid_from", Date, nullable=False),  # until the next one of the school
    UniqueConstraint("school_id", "valid_from"),
)

bells = Table(
    "bells",
    tables,
    Column("schedule_id", BigId, ForeignKey("bell_schedules.id", ondelete="CASCADE"), primary_key=True),
    Column("period", Integer, primary_key=True, autoincrement=False),  # 节次
    Column("starts", Time, nullable=False),  # local time
    Column("ends", Time, nullable=False),
)

subscriptions = Table(
    "subscriptions",
    tables,
    _key(),
    _ref("term_id", "terms", ondelete="CASCADE"),
    _ref("class_id", "classes", ondelete="CASCADE"),  # that listens
    _ref("main_class_id", "classes", ondelete="CASCADE"),  # whose lessons
    Column("subject", String(60), nullable=False),
    _ref("classroom_id", "classrooms"),  # where the listening class sits then
    _ref("assistant_id", "people", required=False, ondelete="SET NULL"),  # 辅助教师
    UniqueConstraint("term_id", "class_id", "main_class_id", "subject"),
)

timetable_entries = Table(
    "timetable_entries",
    tables,
    _key(),
    _ref("term_id", "terms", ondelete="CASCADE"),
    Column("weekday", Integer, nullable=False),  # ISO: 1 is Monday
    Column("period", Integer, nullable=False),  # by the bells of the main classroom's school
    Column("weeks", String(4), nullable=False, server_default="all"),  # Weeks: all, odd, even
    Column("first_week", Integer),  # of the term, from 1; empty: from its beginning
    Column("last_week", Integer),
    _ref("classroom_id", "classrooms"),
    _ref("class_id", "classes", required=False),
    _ref("teacher_id", "people"),
    Column("subject", String(60), nullable=False),
    _words("title", 200),
    sqlite_autoincrement=True,  # lessons are called after their entry: an id is not given twice
)

entry_listeners = Table(
    "entry_listeners",
    tables,
    Column("entry_id", BigId, ForeignKey("timetable_entries.id", ondelete="CASCADE"), primary_key=True),
    Column("classroom_id", BigId, ForeignKey("classrooms.id", ondelete="RESTRICT"), primary_key=True, index=True),
    _ref("class_id", "classes", required=False, ondelete="SET NULL"),
    _ref("assistant_id", "people", required=False, ondelete="SET NULL"),
)

lesson_plans = Table(
    "lesson_plans",
    tables,
    Column("lesson_id", String(64), ForeignKey("lessons.id", ondelete="CASCADE"), primary_key=True),
    _ref("entry_id", "timetable_entries", required=False, ondelete="SET NULL"),  # empty: planned by hand
    Column("on_date", Date, nullable=False),  # in local time
    Column("period", Integer),
    Column("starts_at", UtcDateTime, nullable=False),
    Column("ends_at", UtcDateTime, nullable=False),
    _ref("classroom_id", "classrooms"),
    _ref("class_id", "classes", required=False, ondelete="SET NULL"),
    _ref("teacher_id", "people"),
    Column("subject", String(60), nullable=False),
    Column("state", String(10), nullable=False, server_default="planned"),  # PlanState: planned, cancelled
    Column("interactive", Boolean, nullable=False),  # linked classrooms send picture and sound, too
    Column("changed", Boolean, nullable=False),  # by hand (调课, 代课): its entry does not overwrite it
    UniqueConstraint("entry_id", "on_date"),
    Index(None, "starts_at"),
)

lesson_listeners = Table(
    "lesson_listeners",
    tables,
    Column("lesson_id", String(64), ForeignKey("lesson_plans.lesson_id", ondelete="CASCADE"), primary_key=True),
    Column("classroom_id", BigId, ForeignKey("classrooms.id", ondelete="RESTRICT"), primary_key=True, index=True),
    _ref("class_id", "classes", required=False, ondelete="SET NULL"),
    _ref("assistant_id", "people", required=False, ondelete="SET NULL"),
)
