"""What a room is doing: every phase, and that time and events lead from one to the next as people expect."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classroom.catalogue.region.plans import PlanState
from classroom.model import LessonState
from classroom.schoolday.agenda import OVER, STANDBY, Held, bell, moment, next_change, role_of, rooms_of, state_of
from classroom.schoolday.messages import AgendaState, Phase, RoomRole
from tests.unit.schoolday.planning import NINE, plan

LIVE = Held(LessonState.LIVE)


def at(minutes: float):
    return NINE + timedelta(minutes=minutes)


def ended(minutes: float) -> Held:
    return Held(LessonState.ENDED, at(minutes))


def seen(plans, held, minutes):
    """Phase, lesson and next as a test reads them."""
    found = moment(plans, held, at(minutes))
    return found.phase.value, *(None if which is None else which.lesson_id for which in (found.lesson, found.next))


ONE, TWO = plan("one"), plan("two", 50)


@pytest.mark.parametrize(
    ("minutes", "expected"),
    [
        (-60, ("idle", None, "one")),
        (-10.1, ("idle", None, "one")),
        (-10, ("standby", "one", "two")),
        (39.9, ("standby", "one", "two")),  # nobody has started it yet
        (40, ("standby", "two", None)),
        (90, ("idle", None, None)),
    ],
)
def test_a_day_on_which_nobody_teaches(minutes, expected):
    assert seen([ONE, TWO], {}, minutes) == expected


@pytest.mark.parametrize("minutes", [-30, -5, 20, 60, 300])
def test_a_live_lesson_is_live_early_and_late(minutes):
    assert seen([ONE], {"one": LIVE}, minutes)[:2] == ("live", "one")


@pytest.mark.parametrize(("started", "rings"), [(None, 40), (-5, 40), (39, 40), (40, 80), (75, 115)])
def test_a_lesson_ends_as_planned_and_one_that_began_after_that_lasts_as_long(started, rings):
    one = plan("a")
    started_at = None if started is None else one.starts_at + timedelta(minutes=started)
    assert bell(one, started_at) == one.starts_at + timedelta(minutes=rings)


def test_a_lesson_that_overruns_keeps_its_room_until_the_next_is_started():
    assert seen([ONE, TWO], {"one": LIVE}, 55) == ("live", "one", "two")
    assert seen([ONE, TWO], {"one": LIVE, "two": LIVE}, 56) == ("live", "two", None)
    assert seen([ONE, TWO], {"one": ended(57), "two": LIVE}, 57) == ("live", "two", None)


def test_two_lessons_back_to_back():
    """The second one's standby begins when the first one's bell rings: the room is told of the end first."""
    held = {"one": ended(40)}
    assert seen([ONE, TWO], held, 40) == ("over", "one", "two")
    assert seen([ONE, TWO], held, 42.9) == ("over", "one", "two")
    assert seen([ONE, TWO], held, 43) == ("standby", "two", None)


def test_a_lesson_that_was_ended_early_is_not_waited_for_again():
    assert seen([ONE, TWO], {"one": ended(20)}, 25) == ("idle", None, "two")


def test_a_lesson_that_is_started_again_is_live():
    assert seen([ONE], {"one": LIVE}, 22)[0] == "live"


def test_a_cancelled_lesson_wakes_nobody_but_one_that_is_held_all_the_same_is_held():
    off = replace(ONE, state=PlanState.CANCELLED)
    assert seen([off, TWO], {}, 0) == ("idle", None, "two")
    assert seen([off, TWO], {"one": LIVE}, 0) == ("live", "one", "two")
    assert [state_of(off, held) for held in (Held(LessonState.PLANNED), LIVE)] == ["cancelled", "live"]


def test_who_takes_part():
    assert rooms_of(ONE) == {1, 2, 3}
    assert [role_of(ONE, room) for room in (1, 2, 3, 4)] == [RoomRole.MAIN, RoomRole.LINKED, RoomRole.LINKED, None]


# --- every day that can be ---------------------------------------------------------------------------------------

_MINUTES = st.integers(-60, 300)


@st.composite
def days(draw):
    """A few lessons of a room, that may touch or overlap, and what became of them."""
    count = draw(st.integers(1, 4))
    plans = [
        plan(
            f"l{number}",
            draw(_MINUTES),
            draw(st.integers(5, 60)),
            state=draw(st.sampled_from(PlanState)),
        )
        for number in range(count)
    ]
    plans.sort(key=lambda one: one.starts_at)
    what = st.one_of(st.just(LIVE), _MINUTES.map(ended))
    held = draw(st.dictionaries(st.sampled_from([one.lesson_id for one in plans]), what))
    return plans, held


@given(days(), _MINUTES, st.integers(0, 999).map(lambda thousandths: thousandths / 1000))
def test_nothing_changes_before_the_next_change(day, minutes, part):
    """The driver sleeps until then."""
    plans, held = day
    now = at(minutes)
    until = next_change(plans, held, now)
    later = now + part * (timedelta(hours=24) if until is None else until - now)
    assert moment(plans, held, later) == moment(plans, held, now)


@given(days())
def test_a_lesson_goes_through_its_phases_in_order(day):
    """As time passes: standby, then live, then over, and never back; over never lasts longer than it should."""
    plans, held = day
    order = [Phase.STANDBY, Phase.LIVE, Phase.OVER]
    reached: dict[str, int] = {}
    now, end = at(-120), at(400)
    while now is not None and now < end:
        found = moment(plans, held, now)
        assert (found.lesson is None) == (found.phase is Phase.IDLE)
        if found.lesson is not None:
            rank = order.index(found.phase)
            assert rank >= reached.get(found.lesson.lesson_id, 0)
            reached[found.lesson.lesson_id] = rank
            assert found.next is not found.lesson
        if found.phase is Phase.OVER:
            assert held[found.lesson.lesson_id].ended_at + OVER > now
        now = next_change(plans, held, now)


@given(st.integers(-60, 60), st.integers(0, 60), st.integers(1, 60))
def test_a_lesson_that_is_held_shows_every_phase(starts, late, lasts):
    """Standby, live, over, idle: a room that is told at every change misses none of them."""
    lesson = plan("one", starts)
    shown = []

    def tell(held, now):
        phase = moment([lesson], held, now).phase
        if not shown or shown[-1] is not phase:
            shown.append(phase)

    began_at = lesson.starts_at + timedelta(minutes=min(late, 39))
    ended_at = began_at + timedelta(minutes=lasts)
    held: dict = {}
    now = lesson.starts_at - timedelta(hours=1)
    while now < began_at:
        tell(held, now)
        now = min(next_change([lesson], held, now), began_at)
    held["one"] = LIVE
    tell(held, began_at)
    held["one"] = Held(LessonState.ENDED, ended_at)
    while ended_at is not None:
        tell(held, ended_at)
        ended_at = next_change([lesson], held, ended_at)
    assert shown == [Phase.IDLE, Phase.STANDBY, Phase.LIVE, Phase.OVER, Phase.IDLE]


@given(days(), _MINUTES)
def test_what_is_next_is_still_to_come(day, minutes):
    plans, held = day
    found = moment(plans, held, at(minutes)).next
    if found is not None:
        assert state_of(found, held.get(found.lesson_id, Held(LessonState.PLANNED))) is AgendaState.PLANNED
        assert at(minutes) < found.ends_at


def test_standby_is_long_enough_to_walk_over():
    assert timedelta(minutes=10) == STANDBY
