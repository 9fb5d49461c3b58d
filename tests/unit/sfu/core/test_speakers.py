"""Who is first among those who speak."""

from classroom.model import PublicationId
from classroom.sfu.core.speakers import LOUDER_FOR_S, UNKNOWN_DBOV, Speakers

A, B, C = (PublicationId(name) for name in "abc")


def hear(speakers: Speakers, publication: PublicationId, level: int, seconds: float) -> None:
    for _ in range(round(seconds / 0.02)):
        speakers.heard(publication, level)


def test_nobody():
    assert Speakers().order([], 0.0) == []


def test_who_speaks_passes_who_is_silent_after_a_while():
    speakers = Speakers()
    hear(speakers, A, 100, 1.0)
    hear(speakers, B, 30, 1.0)
    assert speakers.order([A, B], 0.0) == [A, B]
    assert speakers.order([A, B], LOUDER_FOR_S - 0.01) == [A, B]
    assert speakers.order([A, B], LOUDER_FOR_S) == [B, A]
    assert speakers.order([A, B], 9.0) == [B, A]


def test_a_cough_changes_nothing():
    speakers = Speakers()
    hear(speakers, A, 40, 1.0)
    hear(speakers, B, 100, 1.0)
    speakers.order([A, B], 0.0)
    hear(speakers, B, 10, 0.1)
    assert speakers.order([A, B], 0.1) == [A, B]
    hear(speakers, B, 100, 0.5)
    assert speakers.order([A, B], 0.6) == [A, B]
    assert speakers.order([A, B], 5.0) == [A, B]


def test_equals_keep_their_places():
    speakers = Speakers()
    for publication, level in ((A, 35), (B, 32)):
        hear(speakers, publication, level, 1.0)
    assert [speakers.order([A, B], n / 10) for n in range(30)] == [[A, B]] * 30


def test_the_last_of_three_comes_first_step_by_step():
    speakers = Speakers()
    for publication, level in ((A, 90), (B, 60), (C, 20)):
        hear(speakers, publication, level, 1.0)
    orders = [speakers.order([A, B, C], n / 10) for n in range(20)]
    assert orders[0] == [A, B, C] and orders[-1] == [C, B, A]


def test_who_says_nothing_of_its_level_is_behind_whoever_is_heard():
    speakers = Speakers()
    hear(speakers, B, 30, 1.0)
    assert speakers.level_dbov(A) == UNKNOWN_DBOV < speakers.level_dbov(B)
    speakers.order([A, B], 0.0)
    assert speakers.order([A, B], 1.0) == [B, A]


def test_only_those_that_are_asked_for_and_not_those_that_are_gone():
    speakers = Speakers()
    hear(speakers, B, 30, 1.0)
    speakers.order([A, B, C], 0.0)
    assert speakers.order([C, A], 0.1) == [A, C]
    speakers.forget(B)
    speakers.forget(PublicationId("never heard"))
    assert speakers.order([A, C], 1.0) == [A, C] and speakers.level_dbov(B) == UNKNOWN_DBOV
