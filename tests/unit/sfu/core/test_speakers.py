"""Who is first among those who speak."""

import pytest

from classroom.model import PublicationId
from classroom.sfu.core.speakers import LOUDER_FOR_S, SILENT_AFTER_S, SILENT_DBOV, UNKNOWN_DBOV, Speakers

A, B, C = (PublicationId(name) for name in "abc")
PACKET_S = 0.02


def play(
    speakers: Speakers, levels: dict[PublicationId, int], began_s: float, seconds: float
) -> list[list[PublicationId]]:
    """Packets of these levels, and the orders of all three ten times a second."""
    orders = []
    for n in range(round(seconds / PACKET_S)):
        now = began_s + n * PACKET_S
        for publication, level in levels.items():
            speakers.heard(publication, level, now)
        if n % 5 == 0:
            orders.append(speakers.order(list(levels), now))
    return orders


def test_nobody():
    assert Speakers().order([], 0.0) == []


def test_who_speaks_passes_who_is_silent_after_a_while():
    orders = play(Speakers(), {A: 100, B: 30}, 0.0, 2.0)
    assert orders[0] == [A, B] and orders[-1] == [B, A]
    assert all(order == [A, B] for order in orders[: int(LOUDER_FOR_S * 10)])


def test_a_cough_changes_nothing():
    speakers = Speakers()
    play(speakers, {A: 40, B: 100}, 0.0, 1.0)
    assert all(order == [A, B] for order in play(speakers, {A: 40, B: 10}, 1.0, 0.1))
    assert all(order == [A, B] for order in play(speakers, {A: 40, B: 100}, 1.1, 3.0))


def test_equals_keep_their_places():
    assert all(order == [A, B] for order in play(Speakers(), {A: 35, B: 32}, 0.0, 3.0))


def test_the_last_of_three_comes_first_step_by_step():
    orders = play(Speakers(), {A: 90, B: 60, C: 20}, 0.0, 4.0)
    assert orders[0] == [A, B, C] and orders[-1] == [C, B, A]


def test_who_says_nothing_of_its_level_is_behind_whoever_is_heard():
    speakers = Speakers()
    for n in range(100):
        speakers.heard(B, 30, n * PACKET_S)
        order = speakers.order([A, B], n * PACKET_S)
    assert order == [B, A]
    assert speakers.level_dbov(A, 2.0) == UNKNOWN_DBOV < speakers.level_dbov(B, 2.0)


def test_whose_microphone_is_off_is_silent_however_loud_its_last_word_was():
    speakers = Speakers()
    play(speakers, {A: 10, B: 40}, 0.0, 1.0)
    assert speakers.level_dbov(A, 1.0 + SILENT_AFTER_S + PACKET_S) == SILENT_DBOV
    for n in range(100):
        speakers.heard(B, 40, 1.0 + n * PACKET_S)
        order = speakers.order([A, B], 1.0 + n * PACKET_S)
    assert order == [B, A]


def test_who_is_not_asked_for_stands_in_nobody_s_way():
    """B has lost the floor, and was between those who have it."""
    speakers = Speakers()
    play(speakers, {A: 60, B: 50, C: 30}, 0.0, 0.2)
    for n in range(100):
        now = 0.2 + n * PACKET_S
        speakers.heard(A, 60, now)
        speakers.heard(B, 50, now)
        speakers.heard(C, 30, now)
        order = speakers.order([A, C], now)
    assert order == [C, A]


def test_who_is_gone_is_forgotten():
    speakers = Speakers()
    play(speakers, {A: 90, B: 20}, 0.0, 1.0)
    speakers.forget(B)
    speakers.forget(PublicationId("never heard"))
    assert speakers.level_dbov(B, 1.0) == UNKNOWN_DBOV
    assert speakers.level_dbov(A, 1.0) == pytest.approx(-90, abs=3)
