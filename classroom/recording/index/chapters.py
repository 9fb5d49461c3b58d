"""Brings the page turns that the lesson tells of and the changes that are found in its pictures together. Pure."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from classroom.recording.index_file import Chapter

if TYPE_CHECKING:
    from collections.abc import Iterable

    from classroom.recording.page_turns import PageTurn

NEAR_S = 1.5  # a turn and a change so near are one: a fade is told at its end and found in its middle
# A turn is told at once and put right within 4 s, a change is found within 3 s: only then they are brought together.
SETTLED_S = 5.0


def settle(chapters: list[Chapter], turns: Iterable[PageTurn], until_s: float) -> list[int]:
    """Let turns up to a time count: they say when a chapter begins and what page it shows.

    What was found and not told, a screen that went black, remains; what was told and not found becomes a chapter of its
    own, unless the next page was turned to at once. Doing it again changes nothing. Returns where chapters were put in,
    by index, in order.
    """
    inserted: list[int] = []
    for turn in _not_passed_by(list(turns)):
        if turn.at_s > until_s or not chapters:
            break
        at_s = round(turn.at_s, 3)
        index = min(range(len(chapters)), key=lambda i: abs(chapters[i].start_s - at_s))
        chapter = chapters[index]
        if abs(chapter.start_s - at_s) <= NEAR_S or at_s < chapters[0].start_s:
            chapter.page = turn.page
            if index > 0 and chapters[index - 1].start_s < at_s < chapter.end_s:
                chapters[index - 1].end_s = chapter.start_s = at_s
            continue
        index = max(i for i in range(len(chapters)) if chapters[i].start_s < at_s)
        chapter = chapters[index]
        if chapter.page != turn.page and at_s < chapter.end_s:
            chapters.insert(index + 1, Chapter(at_s, chapter.end_s, page=turn.page))
            chapter.end_s = at_s
            inserted.append(index + 1)
    return inserted


def _not_passed_by(turns: list[PageTurn]) -> list[PageTurn]:
    """Those after which the next one was not so near that the two are one."""
    return [turn for turn, after in pairwise(turns) if after.at_s - turn.at_s > NEAR_S] + turns[-1:]
