"""Who is suspected when workers die, and who goes into quarantine."""

import random

import pytest

from classroom.model import LessonId
from classroom.sfu.workers.suspicion import DEATHS, FORGET_S, LAST_QUARANTINE_S, WINDOW_S, Suspicion

BAD, EAST, WEST, NORTH = (LessonId(name) for name in ("bad", "east", "west", "north"))


def test_who_was_there_each_time_and_more_often_than_all_others():
    suspicion = Suspicion()
    assert suspicion.died([BAD, EAST], 0.0) is None
    assert suspicion.died([BAD, WEST], 1.0) is None
    assert suspicion.quarantine_s(BAD, 1.0) == 0
    assert suspicion.died([NORTH, BAD, EAST], 2.0) == BAD
    assert suspicion.quarantine_s(BAD, 2.0) == 60 and suspicion.quarantine_s(BAD, 62.0) == 0
    assert [suspicion.quarantine_s(lesson, 2.0) for lesson in (EAST, WEST, NORTH)] == [0, 0, 0]
    assert suspicion.gravity(EAST, 2.0) == 2


def test_equals_wait_for_the_death_that_tells_them_apart():
    suspicion = Suspicion()
    for n in range(DEATHS + 2):
        assert suspicion.died([BAD, EAST], n) is None
    assert suspicion.died([BAD], 9.0) == BAD
    assert suspicion.quarantine_s(EAST, 9.0) == 0


def test_the_second_time_one_death_is_enough_and_the_quarantine_longer():
    suspicion = Suspicion()
    for n in range(DEATHS):
        suspicion.died([BAD], n)
    now, lengths_s = 100.0, []
    for _ in range(5):
        assert suspicion.died([EAST, BAD], now) == BAD
        lengths_s.append(suspicion.quarantine_s(BAD, now))
        now += lengths_s[-1]
    assert lengths_s == [120, 240, 480, LAST_QUARANTINE_S, LAST_QUARANTINE_S]


def test_deaths_far_apart_have_nothing_to_do_with_each_other():
    suspicion = Suspicion()
    for n in range(10):
        assert suspicion.died([EAST], n * WINDOW_S * 0.6) is None
    assert suspicion.died([], 1e4) is None
    assert suspicion.gravity(EAST, 1e4) == 0 and not suspicion._records


def test_a_quarantine_is_forgotten_in_the_end():
    suspicion = Suspicion()
    for n in range(DEATHS):
        suspicion.died([BAD], n)
    suspicion.died([EAST], 60 + FORGET_S)
    assert suspicion.gravity(BAD, 60 + FORGET_S) == DEATHS
    suspicion.died([EAST], 70 + FORGET_S)
    assert suspicion.gravity(BAD, 70 + FORGET_S) == 0


@pytest.mark.parametrize("lessons", [1, 2, 5, 40])
def test_the_right_one_is_found_soon_when_suspects_are_kept_apart(lessons):
    """As the pool does it: each goes where the fewest are that are suspected as much."""
    suspicion, rng, now = Suspicion(), random.Random(lessons), 0.0
    everybody = [LessonId(f"lesson-{n}") for n in range(lessons)]
    bad = rng.choice(everybody)
    held: list[list[LessonId]] = [everybody[::2], everybody[1::2]]
    for _ in range(3 + lessons.bit_length()):
        now += 2.0
        (dead,) = [n for n in range(2) if bad in held[n]]
        lost, held[dead] = held[dead], []
        found = suspicion.died(lost, now)
        if found is not None:
            break
        for lesson in sorted(lost, key=lambda _: rng.random()):
            grave = suspicion.gravity(lesson, now)
            fellows = [sum(suspicion.gravity(other, now) >= grave for other in some) for some in held]
            held[fellows.index(min(fellows))].append(lesson)
    assert found == bad
