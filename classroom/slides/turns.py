"""Which page of the slides is shown, while they are shown: pictures of a screen in, page turns out. Pure.

``changes.PageDetector`` is sure of a change 0.8 s after it, of one number that is another after 2.5 s. Nobody in a
lesson waits that long for the ordinary case, a page that is gone from one picture to the next: that is told as soon as
what came in its place has rested for one more picture, and put right in the rare case that it was none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import cv2

from classroom.slides.changes import INTERVAL_S, PageDetector, ink_share
from classroom.slides.pages import GONE_SHARE, Pages

if TYPE_CHECKING:
    from classroom.slides.changes import Grey

_BLANK_SHARE = 0.002  # of a picture is ink: less is no page, but a screen that is black or has no signal
_MOVED_LEVELS, _STILL_SHARE = 24, 0.002  # fewer pixels that changed are a pointer, or noise
_SURE_S = 4.0  # a turn that the detector has not confirmed by then was none


class Turn(NamedTuple):
    """A page that is shown from a time on. One with the time of the turn before it puts that right."""

    page: int
    at_s: float


class PageTurns:
    """Takes pictures as ``PageDetector`` does and says what page is shown, counted from 1 by first appearance.

    ``page`` is what the lesson says is shown already, by somebody who saw the pages before.
    """

    def __init__(self, page: int | None = None) -> None:
        self._detector = PageDetector()
        self._began_s: float | None = None  # the detector counts from there: a clock that runs for weeks is too coarse
        self._pages = Pages(page or 0)
        self._page = page
        self._there = False  # the page is on the screen: not before the first picture, nor while that is blank
        self._early: Turn | None = None  # told, and not sure yet
        self._early_told_s = 0.0
        self._before: int | None = page  # the page before that
        self._seen: Grey | None = None
        self._seen_s = self._moved_s = 0.0
        self._still = True

    def add(self, at_s: float, picture: Grey) -> list[Turn]:
        """Take a picture (270, 480), later than the one before; returns the turns that are known with it.

        Times are seconds of any clock.
        """
        if self._began_s is None:
            self._began_s = at_s
        told = self._add(at_s - self._began_s, picture)
        return [Turn(turn.page, turn.at_s + self._began_s) for turn in told]

    # --- inside ------------------------------------------------------------------------------------------------

    def _add(self, at_s: float, picture: Grey) -> list[Turn]:
        still = self._seen is not None and _moved_share(picture, self._seen) <= _STILL_SHARE
        if still == self._still and at_s - self._seen_s < INTERVAL_S - 1e-3:
            return []  # nothing begins to move, nothing has come to rest
        self._seen, self._seen_s, self._still = picture, at_s, still
        if not still:
            self._moved_s = at_s
        before = self._detector.page
        changes = self._detector.add(at_s, picture)
        if changes:
            return self._changed(changes[-1], picture, before)
        if self._early is not None and at_s - self._early_told_s > _SURE_S:
            return self._doubted(picture)
        if not still or is_blank(picture):
            return []
        if not self._there:
            return self._appeared(picture)
        if self._early is not None:
            gone = self._pages.gone(self._early.page, picture) >= GONE_SHARE
            return self._tell_early(self._moved_s, picture) if gone else []
        cut_s = self._detector.cut_s()
        return [] if cut_s is None else self._tell_early(cut_s, picture)

    def _appeared(self, picture: Grey) -> list[Turn]:
        """Something is on the screen, the first time or again."""
        self._there, self._before = True, None
        found = self._pages.find(picture) if self._pages else self._page
        told = self._turn(self._moved_s, picture, found)
        assert self._page is not None
        self._early, self._early_told_s = Turn(self._page, self._moved_s), self._seen_s
        return told

    def _tell_early(self, at_s: float, picture: Grey) -> list[Turn]:
        """Another page, by the look of it."""
        if self._early is None:
            if self._pages.is_wiped(self._page, picture):
                return []
            self._before = self._page
        told = self._turn(at_s, picture, self._pages.find(picture, but=self._page))
        if told:
            self._early, self._early_told_s = told[-1], self._seen_s
        return told

    def _changed(self, at_s: float, picture: Grey, before: Grey | None) -> list[Turn]:
        """Another page, surely."""
        early, self._early = self._early, None
        was = self._page if early is None else self._before
        if before is not None and was is not None and self._there:
            self._pages.left(was, before, picture)
        if is_blank(picture):
            self._there = False
            return [] if early is None else self._put_right(early, was)
        if early is None:
            same = not self._there or self._pages.is_wiped(was, picture)
            self._there = True
            return self._turn(at_s, picture, self._pages.find(picture, but=None if same else was))
        found = self._pages.find(picture, but=was)
        if found is None and self._pages.is_new(early.page):
            self._pages.came(picture, early.page)
            return []
        return self._put_right(early, found or self._pages.came(picture))

    def _doubted(self, picture: Grey) -> list[Turn]:
        """The page that was told never came to rest: the one before it goes on, unless it is there all the same."""
        early, self._early = self._early, None
        assert early is not None
        found = self._pages.find(picture)
        return [] if found == early.page else self._put_right(early, found or self._before)

    def _turn(self, at_s: float, picture: Grey, found: int | None) -> list[Turn]:
        number = self._pages.came(picture, found)
        if number == self._page:
            return []
        self._page = number
        return [Turn(number, at_s)]

    def _put_right(self, early: Turn, number: int | None) -> list[Turn]:
        if number == early.page or number is None:
            return []
        self._pages.withdraw(early.page)
        self._page = number
        return [Turn(number, early.at_s)]


def is_blank(picture: Grey) -> bool:
    """Whether nothing is on a picture: the screen is black, or there is no signal."""
    return ink_share(picture) < _BLANK_SHARE


def _moved_share(picture: Grey, before: Grey) -> float:
    return float((cv2.absdiff(picture, before) > _MOVED_LEVELS).mean())
