"""The floor: who is heard and shown after what the teacher and the classrooms have done."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classroom.live.floor import Floor
from classroom.model import FloorMode, ParticipantId
from classroom.sfu.core.assignment import Direction

NOON = datetime(2026, 9, 1, 12, 0, tzinfo=UTC)
EAST, WEST, SOUTH = (ParticipantId(name) for name in ("east", "west", "south"))
ALL = (EAST, WEST, SOUTH)
CAMERAS = {who: f"camera-{who}" for who in ALL}


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def heard(floor: Floor, online=ALL) -> set[str]:
    return set(floor.direction(online, CAMERAS).floor)


def shown(floor: Floor, cameras=CAMERAS) -> str | None:
    return floor.direction(ALL, cameras).programme


def test_who_is_called_on_is_heard_and_shown_and_then_not():
    floor = Floor()
    floor.call_on(EAST, False, NOON)
    assert (heard(floor), shown(floor)) == ({EAST}, "camera-east")
    floor.call_on(WEST, False, NOON)
    assert (heard(floor), shown(floor)) == ({WEST}, "camera-west")
    floor.take_back(WEST, NOON)
    assert floor.direction(ALL, CAMERAS) == Direction()


def test_the_picture_follows_as_soon_as_there_is_one():
    floor = Floor()
    floor.call_on(EAST, False, NOON)
    assert shown(floor, {}) is None
    assert shown(floor, CAMERAS) == "camera-east"


def test_beside_each_other_the_last_is_shown_and_the_one_before_comes_back():
    floor = Floor()
    floor.call_on(EAST, False, NOON)
    floor.call_on(WEST, True, NOON)
    assert (heard(floor), shown(floor)) == ({EAST, WEST}, "camera-west")
    floor.take_back(WEST, NOON)
    assert (heard(floor), shown(floor)) == ({EAST}, "camera-east")


def test_after_a_call_the_programme_is_what_it_was_before():
    floor = Floor()
    floor.spotlight("slides")
    floor.call_on(EAST, False, NOON)
    floor.take_back(None, NOON)
    assert shown(floor) == "slides"


def test_a_spotlight_changes_the_picture_alone():
    floor = Floor()
    floor.call_on(EAST, False, NOON)
    floor.spotlight("camera-south")
    assert (heard(floor), shown(floor)) == ({EAST}, "camera-south")
    floor.take_back(EAST, NOON)
    assert (heard(floor), shown(floor)) == (set(), "camera-south")


def test_the_meter_counts_calls_and_the_time_they_took():
    floor = Floor()
    floor.call_on(EAST, False, at(0))
    floor.call_on(EAST, False, at(5))  # the same call once more
    assert (floor.meter(EAST).asked, floor.meter(EAST).last_asked_at) == (1, at(0))
    floor.call_on(WEST, False, at(20))
    assert (floor.meter(EAST).spoke_s, floor.meter(EAST).last_asked_at) == (20, at(20))
    floor.set_mode(FloorMode.DISCUSS)  # open to all: nobody was asked
    floor.take_back(WEST, at(50))
    assert [floor.meter(who).asked for who in ALL] == [1, 1, 0]
    assert [floor.meter(who).spoke_s for who in ALL] == [20, 30, 0]


def test_in_a_discussion_all_are_heard_who_are_there_and_not_muted():
    floor = Floor()
    floor.mute(WEST, True, NOON)
    floor.set_mode(FloorMode.DISCUSS)
    assert heard(floor, [EAST, WEST]) == {EAST}
    assert heard(floor) == {EAST, SOUTH}
    floor.call_on(WEST, False, NOON)  # who is called on is no longer muted
    assert (heard(floor), shown(floor)) == (set(ALL), "camera-west")
    floor.set_mode(FloorMode.LISTEN)
    assert heard(floor) == {WEST}


def test_muting_takes_the_floor():
    floor = Floor()
    floor.call_on(EAST, False, NOON)
    floor.mute(EAST, True, at(7))
    assert floor.direction(ALL, CAMERAS) == Direction()
    assert floor.meter(EAST).spoke_s == 7


def test_muting_all_is_for_those_who_come_later_too_and_a_discussion_lifts_it():
    floor = Floor()
    floor.call_on(EAST, False, NOON)
    floor.mute_all(True, [EAST, WEST], NOON)
    floor.admit(SOUTH)
    assert (floor.muted, heard(floor)) == (set(ALL), set())
    floor.set_mode(FloorMode.DISCUSS)
    assert heard(floor) == set(ALL)
    floor.mute_all(True, ALL, NOON)
    assert heard(floor) == set()
    floor.mute_all(False, ALL, NOON)
    assert heard(floor) == set(ALL)


def test_hands_are_a_queue_that_a_call_shortens():
    floor = Floor()
    for who in (WEST, EAST, WEST, SOUTH):
        floor.raise_hand(who)
    assert floor.hands == [WEST, EAST, SOUTH]
    floor.call_on(EAST, False, NOON)
    floor.raise_hand(EAST)
    floor.call_on(EAST, False, NOON)
    floor.lower_hand(SOUTH)
    floor.lower_hand(SOUTH)
    assert floor.hands == [WEST]


def test_who_is_gone_for_good_leaves_its_meter_alone():
    floor = Floor()
    floor.call_on(EAST, False, at(0))
    floor.raise_hand(EAST)
    floor.mute(WEST, True, at(0))
    floor.forget(EAST, at(9))
    floor.forget(WEST, at(9))
    assert (floor.hands, floor.muted, heard(floor)) == ([], set(), set())
    assert (floor.meter(EAST).asked, floor.meter(EAST).spoke_s) == (1, 9)


def test_meters_are_bounded(monkeypatch):
    monkeypatch.setattr("classroom.live.floor.MAX_METERS", 3)
    floor = Floor()
    for number in range(10):
        floor.call_on(ParticipantId(str(number)), False, NOON)
    assert len(floor.saved()["meters"]) <= 3
    assert floor.meter(ParticipantId("9")).asked == 1


people = st.sampled_from(ALL)
steps = st.one_of(
    st.tuples(st.just("call_on"), people, st.booleans()),
    st.tuples(st.just("take_back"), st.none() | people),
    st.tuples(st.just("direct"), st.sampled_from([None, "slides"]), st.lists(people, max_size=3)),
    st.tuples(st.just("spotlight"), st.sampled_from([None, "slides"])),
    st.tuples(st.just("set_mode"), st.sampled_from(FloorMode)),
    st.tuples(st.just("mute"), people, st.booleans()),
    st.tuples(st.just("mute_all"), st.booleans(), st.just(ALL)),
    st.tuples(st.just("raise_hand"), people),
    st.tuples(st.just("lower_hand"), people),
    st.tuples(st.just("admit"), people),
    st.tuples(st.just("forget"), people),
)
TIMED = {"call_on", "take_back", "direct", "mute", "mute_all", "forget"}


def take(floor: Floor, step, seconds: float) -> None:
    name, *arguments = step
    getattr(floor, name)(*arguments, *([at(seconds)] if name in TIMED else []))


@given(st.lists(steps, max_size=30))
def test_whatever_is_done_nobody_muted_is_heard_and_time_is_shared_once(todo):
    floor = Floor()
    held_s = 0.0
    for seconds, step in enumerate(todo):
        held_s += len(floor.given) if seconds else 0
        take(floor, step, seconds)
        assert not floor.muted & heard(floor)
        assert len(set(floor.hands)) == len(floor.hands)
        if floor.mode is FloorMode.LISTEN:
            assert heard(floor) == set(floor.given)
        restored = Floor.restored(json.loads(json.dumps(floor.saved())))
        assert restored.saved() == floor.saved()
        assert restored.direction(ALL, CAMERAS) == floor.direction(ALL, CAMERAS)
    end = len(todo)
    held_s += len(floor.given) if todo else 0
    floor.take_back(None, at(end))
    assert sum(floor.meter(who).spoke_s for who in ALL) == pytest.approx(held_s)


@given(st.lists(steps, max_size=15), steps)
def test_doing_it_twice_at_once_is_doing_it_once(todo, step):
    once, twice = Floor(), Floor()
    for floor in (once, twice):
        for seconds, earlier in enumerate(todo):
            take(floor, earlier, seconds)
    take(once, step, 99)
    take(twice, step, 99)
    state = twice.saved()
    take(twice, step, 99)
    assert twice.saved() == state == once.saved()


@pytest.mark.parametrize("broken", [{}, {"mode": "sing"}, {**Floor().saved(), "meters": {"east": {}}}])
def test_what_was_not_saved_by_us_is_refused(broken):
    with pytest.raises((KeyError, TypeError, ValueError)):
        Floor.restored(broken)
