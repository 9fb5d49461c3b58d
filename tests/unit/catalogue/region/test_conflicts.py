"""Two lessons at once: against a grid of minutes that is filled in by hand."""

from __future__ import annotations

from datetime import date, time, timedelta
from itertools import chain

from hypothesis import given, settings
from hypothesis import strategies as st

from classroom.catalogue.region.arrangements import About, Arrangement, Held, all_listeners
from classroom.catalogue.region.calendar import Bell, Bells, Weeks, week_of
from classroom.catalogue.region.conflicts import Booking, Bookings, Resource, ResourceKind, Span, explain
from classroom.catalogue.region.school_calendar import SchoolCalendar
from classroom.catalogue.region.values import Listener, Term, TimetableEntry

STARTS = date(2026, 9, 2)  # a Wednesday: Mondays and Tuesdays begin a week later
TERMS = (
    Term("autumn", STARTS, STARTS + timedelta(days=40)),
    Term("late", STARTS + timedelta(days=10), date(2026, 10, 20)),
)
Specials = tuple[dict[date, date | None], dict[date, date | None]]  # of two schools
ABOUT = About("李红梅", "三年级", "x", "0000000000", "y")


def clock(minute: int) -> time:
    return time(8 + minute // 60, minute % 60)


@st.composite
def schools_bells(draw) -> Bells:
    """One or two schedules of three periods, all within three hours so that they often overlap."""
    schedules = []
    for valid_from in draw(st.sampled_from([[date(2026, 9, 1)], [date(2026, 9, 1), date(2026, 9, 21)]])):
        edges = sorted(draw(st.sets(st.integers(0, 24), min_size=6, max_size=6)))
        schedules.append(
            (valid_from, [Bell(n + 1, clock(5 * edges[2 * n]), clock(5 * edges[2 * n + 1])) for n in range(3)])
        )
    return Bells(schedules)


@st.composite
def entries(draw) -> TimetableEntry:
    rooms = draw(st.lists(st.integers(1, 4), min_size=1, max_size=3, unique=True))
    some_class = st.none() | st.integers(1, 4)
    weeks = sorted(draw(st.lists(st.none() | st.integers(1, 6), min_size=2, max_size=2)), key=lambda week: week or 0)
    return TimetableEntry(
        term_id=draw(st.sampled_from([0, 1])),
        weekday=draw(st.sampled_from([2, 3])),
        period=draw(st.integers(1, 3)),
        classroom_id=rooms[0],
        teacher_id=draw(st.integers(1, 3)),
        subject="语文",
        class_id=draw(some_class),
        weeks=draw(st.sampled_from(Weeks)),
        first_week=weeks[0],
        last_week=weeks[1],
        listeners=tuple(Listener(room, draw(some_class)) for room in rooms[1:]),
    )


@st.composite
def calendars(draw) -> dict[date, date | None]:
    """Holidays of a school, and days on which it has the lessons of another day, also of one that it has off."""
    days = st.integers(0, 55).map(lambda days: STARTS + timedelta(days=days))
    return draw(st.dictionaries(days, st.none() | days, max_size=12))


def school_of(room: int) -> int:
    """Of a classroom: bells go by that of the lesson, calendars by that of each room."""
    return room % 2


def on_timetable(entry: TimetableEntry, day: date) -> bool:
    """Whether an entry is on a day, were there no calendar."""
    term = TERMS[entry.term_id]
    week = week_of(term.starts_on, day)
    inside = (entry.first_week or 1) <= week <= (entry.last_week or 99)
    turn = entry.weeks is Weeks.ALL or (entry.weeks is Weeks.ODD) == (week % 2 == 1)
    return term.starts_on <= day <= term.ends_on and day.isoweekday() == entry.weekday and inside and turn


def minutes(entry: TimetableEntry, bells: Bells, specials: Specials) -> set[tuple[str, date, int]]:
    """Every minute of everything that an entry takes: found day by day."""
    found = set()
    for day in (STARTS + timedelta(days=days) for days in range(60)):
        follows = specials[school_of(entry.classroom_id)].get(day, day)
        bell = bells.on(day).get(entry.period)
        if follows is None or not on_timetable(entry, follows) or bell is None:
            continue
        there = [each for each in entry.listeners if specials[school_of(each.classroom_id)].get(day, day) is not None]
        taken = {f"teacher {entry.teacher_id}", f"room {entry.classroom_id}"}
        taken |= {f"room {each.classroom_id}" for each in there}
        taken |= {f"class {each.class_id}" for each in (entry, *there) if each.class_id is not None}
        first, last = (at.hour * 60 + at.minute for at in (bell.starts, bell.ends))
        found |= {(what, day, minute) for what in taken for minute in range(first, last)}
    return found


def arrangement(number: int, entry: TimetableEntry, bells: Bells, specials: Specials) -> Arrangement:
    of = [SchoolCalendar(special) for special in specials]
    elsewhere = {each.classroom_id: of[school_of(each.classroom_id)] for each in entry.listeners}
    held = Held(TERMS[entry.term_id], bells, of[school_of(entry.classroom_id)], elsewhere)
    return Arrangement(number, entry, held, ABOUT, all_listeners(entry, ()))


@settings(max_examples=300, deadline=None)
@given(
    st.tuples(schools_bells(), schools_bells()),
    st.tuples(calendars(), calendars()),
    st.lists(st.tuples(entries(), st.integers(0, 1)), max_size=6),
)
def test_a_clash_is_a_common_minute_of_a_common_day(bells, specials, timetable):
    grids = [minutes(entry, bells[school], specials) for entry, school in timetable]
    bookings = [
        arrangement(number, entry, bells[school], specials).bookings(date(2026, 9, 1))
        for number, (entry, school) in enumerate(timetable)
    ]
    everything = Bookings(chain.from_iterable(bookings))
    for number, mine in enumerate(bookings):
        expected = {f"entry {other}" for other, grid in enumerate(grids) if other != number and grid & grids[number]}
        clashes = list(everything.clashes(*mine))
        assert {clash.other.key for clash in clashes} == expected
        assert len(clashes) == len(expected)
        for clash in clashes:
            other = int(clash.other.key.removeprefix("entry "))
            name = {"classroom": "room"}.get(clash.resource.kind, clash.resource.kind)
            common = {(what, day) for what, day, _ in grids[number] & grids[other]}
            assert (f"{name} {clash.resource.id}", clash.day) in common
            assert clash.day == min(day for what, day in common if what == f"{name} {clash.resource.id}")


def booking(key: str, day: date, starts: time, ends: time, *takes: Resource) -> Booking:
    return Booking(key, (Span(frozenset([day]), starts, ends),), frozenset(takes), "语文", "李红梅", 2)


ROOM = Resource(ResourceKind.CLASSROOM, 1)
DAY = date(2026, 11, 25)


def test_one_after_the_other_is_no_clash():
    bookings = Bookings([booking("one", DAY, time(8), time(8, 40), ROOM)])
    assert list(bookings.clashes(booking("two", DAY, time(8, 40), time(9), ROOM))) == []
    assert len(list(bookings.clashes(booking("two", DAY, time(8, 39), time(9), ROOM)))) == 1
    assert list(bookings.clashes(booking("two", DAY + timedelta(days=7), time(8), time(9), ROOM))) == []


def test_the_refusal_names_what_and_whom():
    other = booking("other", DAY, time(9, 20), time(10), Resource(ResourceKind.CLASS, 1))
    mine = booking("mine", DAY, time(9, 30), time(10, 10), Resource(ResourceKind.CLASS, 1))
    (clash,) = Bookings([other]).clashes(mine)
    assert explain(clash, {clash.resource: "山坪小学 三年级1班"}) == (
        "班级冲突：山坪小学 三年级1班 周三第2节（09:20–10:00，2026-11-25）"
        "已有《语文》李红梅老师，请换时间、教室或教师。 "
        "The class 山坪小学 三年级1班 already has “语文” of 李红梅 on Wednesday, period 2 (09:20–10:00, 2026-11-25); "
        "choose another time, classroom or teacher."
    )
