"""Page turns as they were told, and the chapters that they and what was found in the pictures make together."""

import pytest

from classroom.recording.index.chapters import settle
from classroom.recording.index_file import Chapter
from classroom.recording.page_turns import PageTurn, page_turn, settled

END_S = 60.0


@pytest.mark.parametrize(
    ("told", "turns"),
    [
        ([(1, 1), (9, 2), (20, 3)], [(1, 1), (9, 2), (20, 3)]),
        ([(1, 1), (9, 2), (9.1, 2)], [(1, 1), (9, 2)]),  # told again, by a server that had forgotten
        ([(1, 1), (9, 2), (30, 2)], [(1, 1), (9, 2)]),
        ([(1, 1), (9, 2), (9.1, 5)], [(1, 1), (9.1, 5)]),  # it was another page
        ([(1, 1), (9, 2), (9, 1)], [(1, 1)]),  # it was no page
        ([(1, 1), (20, 3), (9, 2), (20, 3)], [(1, 1), (9, 2), (20, 3)]),
    ],
)
def test_what_is_told_again_is_one_turn_and_what_is_put_right_is_right(told, turns):
    assert settled(PageTurn(*turn) for turn in told) == turns


@pytest.mark.parametrize("line", [{}, {"page": "2"}, {"page": 0}, {"page": 2, "ago_s": "x"}, {"page": 2, "ago_s": -1}])
def test_a_line_that_makes_no_sense_is_no_turn(line):
    assert page_turn({"at_s": 5.0, **line}) is None


def test_a_turn_counts_from_when_the_page_was_shown():
    assert page_turn({"at_s": 5.0, "page": 2, "ago_s": 0.5}) == (4.5, 2)
    assert page_turn({"at_s": 5.0, "page": 2}) == (5.0, 2)  # of a teacher's key
    assert page_turn({"at_s": 5.0, "page": 2, "ago_s": 60}) == (0.0, 2)  # in the lesson before


def found(*starts_s):
    return [Chapter(start_s, end_s) for start_s, end_s in zip(starts_s, (*starts_s[1:], END_S), strict=True)]


@pytest.mark.parametrize(
    ("starts_s", "turns", "pages", "inserted"),
    [
        ((0.5, 10, 20), [], [(0.5, None), (10, None), (20, None)], []),
        ((0.5, 10, 20), [(0, 1), (10.3, 2), (19.4, 3)], [(0.5, 1), (10.3, 2), (19.4, 3)], []),
        ((0.5, 10, 20), [(1, 1), (20, 2)], [(0.5, 1), (10, None), (20, 2)], []),  # black from 10 to 20
        ((0.5, 20), [(0, 1), (10, 2), (20, 3)], [(0.5, 1), (10, 2), (20, 3)], [1]),  # two pages that look the same
        ((0.5,), [(0, 1), (10, 2), (15, 3)], [(0.5, 1), (10, 2), (15, 3)], [1, 2]),
        ((0.5, 10), [(0, 1), (9.2, 2), (10.1, 3)], [(0.5, 1), (10.1, 3)], []),  # passed by quickly
        ((0.5,), [(0, 1), (40.2, 2), (41.3, 3), (42.4, 4)], [(0.5, 1), (42.4, 4)], [1]),  # leafed through
        ((0.5, 10), [(0, 1), (57, 2)], [(0.5, 1), (10, None)], []),  # not yet
    ],
)
def test_turns_say_when_and_what_and_what_was_found_remains(starts_s, turns, pages, inserted):
    chapters, told = found(*starts_s), [PageTurn(*turn) for turn in turns]
    assert settle(chapters, told, END_S - 5) == inserted
    for _ in range(2):
        assert [(chapter.start_s, chapter.page) for chapter in chapters] == pages
        assert [chapter.end_s for chapter in chapters] == [*(start_s for start_s, _ in pages[1:]), END_S]
        assert settle(chapters, told, END_S - 5) == []
