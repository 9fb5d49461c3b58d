"""Asking for lost packets, in virtual time."""

import pytest

from classroom.sfu.core.nack import (
    MAX_AGE_S,
    MAX_MISSING,
    MAX_TRIES,
    MIN_RETRY_S,
    REORDER_GRACE_S,
    NackGenerator,
)

RTT_S = 0.1


def generator(numbers, at: float = 0.0) -> NackGenerator:
    nack = NackGenerator()
    for number in numbers:
        nack.received(number, at)
    return nack


def test_nothing_missing_nothing_to_do():
    nack = generator([1, 2, 3])
    assert nack.next_timeout() is None and nack.due(9.0, RTT_S) == [] and not nack.take_lost()


def test_a_hole_is_asked_for_after_a_grace_for_reordering():
    nack = generator([1, 4])
    assert nack.next_timeout() == REORDER_GRACE_S
    assert nack.due(REORDER_GRACE_S - 0.001, RTT_S) == []
    assert nack.due(REORDER_GRACE_S, RTT_S) == [2, 3]


def test_what_was_only_reordered_is_never_asked_for():
    nack = generator([1, 3, 2])
    assert nack.next_timeout() is None and nack.due(1.0, RTT_S) == []


def test_once_per_round_trip():
    nack = generator([1, 3])
    at = REORDER_GRACE_S
    assert nack.due(at, RTT_S) == [2]
    assert nack.due(at + RTT_S - 0.001, RTT_S) == []
    assert nack.next_timeout() == at + RTT_S
    assert nack.due(at + RTT_S, RTT_S) == [2]


def test_not_more_often_than_the_least_retry_however_short_the_round_trip():
    nack = generator([1, 3])
    nack.due(REORDER_GRACE_S, 0.0)
    assert nack.next_timeout() == pytest.approx(REORDER_GRACE_S + MIN_RETRY_S)


def test_a_repaired_hole_is_not_asked_for_again():
    nack = generator([1, 4])
    nack.due(0.02, RTT_S)
    nack.received(2, 0.05)
    assert nack.due(0.5, RTT_S) == [3]


def test_it_gives_up_after_so_many_tries_and_says_so_once():
    nack = generator([1, 3])
    asked = 0
    while (now := nack.next_timeout()) is not None:
        assert not nack.take_lost()
        asked += len(nack.due(now, RTT_S))
    assert asked == MAX_TRIES
    assert nack.take_lost() and not nack.take_lost()


def test_it_gives_up_when_the_hole_is_too_old():
    nack = generator([1, 3])
    asked = 0
    while (now := nack.next_timeout()) is not None:
        asked += len(nack.due(now, 0.9))
    assert asked == 3 < MAX_TRIES  # at 10 ms, 0.91 s and 1.81 s; then it is 2 s old
    assert nack.take_lost()
    assert MAX_AGE_S == 2.0


def test_holes_are_given_up_one_by_one():
    nack = generator([1, 3])
    for _ in range(MAX_TRIES):
        nack.due(nack.next_timeout(), 0.05)
    nack.received(5, 0.4)
    assert nack.due(0.5, 0.05) == [4]
    assert nack.take_lost()


def test_numbers_come_in_ascending_order_whatever_their_age():
    nack = generator([10, 13])
    nack.due(0.02, RTT_S)
    nack.received(15, 0.11)
    assert nack.due(0.13, RTT_S) == [11, 12, 14]


@pytest.mark.parametrize(
    ("jump", "asked", "lost"),
    [
        pytest.param(MAX_MISSING, MAX_MISSING, False, id="as much as is asked for"),
        pytest.param(MAX_MISSING + 1, 0, True, id="too much: a keyframe is cheaper"),
        pytest.param(30_000, 0, True, id="the stream jumped"),
    ],
)
def test_jumps(jump, asked, lost):
    nack = generator([1, 2 + jump])
    assert len(nack.due(0.02, RTT_S)) == asked
    assert nack.take_lost() is lost
    for number in range(2, 2 + jump):
        nack.received(number, 0.03)
    nack.received(4 + jump, 0.03)
    assert nack.due(0.05, RTT_S) == [3 + jump]  # it goes on from there


def test_too_many_holes_together_are_given_up_at_once():
    nack = generator(range(0, 2 * MAX_MISSING + 4, 2))  # every second one
    assert nack.take_lost() and len(nack.due(1.0, RTT_S)) <= 2


def test_a_duplicate_or_an_old_packet_changes_nothing():
    nack = generator([5, 7, 7, 3, 5])
    assert nack.due(0.02, RTT_S) == [6]
