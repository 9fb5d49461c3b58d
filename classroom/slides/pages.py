"""Knows a page of slides again: each has a number by its first appearance. Pure; OpenCV and numpy on arrays.

A page is remembered as it was when it came and as it was when it was left, for bullets appear on it and people write on
it; what lies between the two is the page as well. A coarse fingerprint finds the few pages that may be meant, their ink
decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from classroom.slides.changes import differs, ink_of

if TYPE_CHECKING:
    from classroom.slides.changes import Grey

MAX_PAGES = 200  # whose pictures are kept, some 260 kB each; of those beyond, the one seen longest ago is forgotten
GONE_SHARE = 0.25  # of a page's ink, then it is not that page
_FINGERPRINT_PX = (32, 18)
_CANDIDATES = 6  # looked at closely: 2 ms each
# Of the ink that may be other: a pointer, noise, what an encoder or a camera makes of fine print.
_OTHER_SHARE, _OTHER_LEAST_PX = 0.06, 30


@dataclass(slots=True, eq=False)
class _Known:
    number: int
    came: _View
    left: _View | None = None  # it has not been left yet


class _View:
    """One picture of a page, with what comparing it takes."""

    def __init__(self, picture: Grey) -> None:
        self.picture = picture
        self.fingerprint = np.asarray(cv2.resize(picture, _FINGERPRINT_PX, interpolation=cv2.INTER_AREA), np.float32)

    def lost_in(self, other: _View) -> float:
        """Which part of its ink is not in another picture, 0..1; 1 also when that is too much to be by chance."""
        mine = ink_of(self.picture)
        lost_px, ink_px = cv2.countNonZero((mine & differs(other.picture, self.picture)).view(np.uint8)), mine.sum()
        return float(lost_px / max(ink_px, 1)) if lost_px > _OTHER_LEAST_PX else 0.0

    def far_from(self, page: _Known) -> float:
        """How far its fingerprint is from those of a page, in levels of grey."""
        stages = (page.came, page.left or page.came)
        return min(float(np.abs(self.fingerprint - stage.fingerprint).mean()) for stage in stages)


class Pages:
    """Gives numbers from 1 on, a page that was seen before its own again."""

    def __init__(self, count: int = 0) -> None:
        """``count``: how many there were before, of which nothing else is known."""
        self._known: list[_Known] = []  # the one seen last is last
        self._count = count

    def __len__(self) -> int:
        return len(self._known)

    def find(self, picture: Grey, but: int | None = None) -> int | None:
        """The number of the page that is shown, None when it is a new one; ``but`` is one that it is not."""
        view = _View(picture)
        others = [known for known in self._known if known.number != but]
        near = sorted(others, key=view.far_from)[:_CANDIDATES]
        best, number = min(((_unlike(view, known), known.number) for known in near), default=(1.0, None))
        return number if best <= _OTHER_SHARE else None

    def came(self, picture: Grey, number: int | None = None) -> int:
        """A page came: a new one, unless it has this number. Returns its number."""
        known = self._of(number)
        if number is None:
            self._count = number = self._count + 1
        if known is None:
            known = _Known(number, _View(picture))
        elif known.left is None:
            known.came = _View(picture)
        self._known = [*(other for other in self._known if other is not known), known][-MAX_PAGES:]
        return number

    def left(self, number: int, picture: Grey, after: Grey) -> None:
        """This is how a page was before another came, which is ``after``.

        It does not count where it is less than it was before, nor where much of the other page is on it already: one
        that was told from it late.
        """
        known, view = self._of(number), _View(picture)
        if known is None or view.lost_in(_View(after)) < GONE_SHARE:
            return
        if known.left is None or view.lost_in(known.left) > _OTHER_SHARE:
            known.left = view

    def is_new(self, number: int) -> bool:
        """Whether a page came for the first time and is still there."""
        known = self._of(number)
        return known is not None and known.left is None

    def gone(self, number: int, picture: Grey) -> float:
        """Which part of what a page came with is not in a picture, 0..1."""
        known = self._of(number)
        return 0.0 if known is None else known.came.lost_in(_View(picture))

    def is_wiped(self, number: int | None, picture: Grey) -> bool:
        """Whether much of a page is gone, and what is left is an earlier stage of it: nothing of another page."""
        known, view = self._of(number), _View(picture)
        if known is None or known.left is None or known.left.lost_in(view) < GONE_SHARE:
            return False
        return max(known.came.lost_in(view), view.lost_in(known.left)) <= _OTHER_SHARE

    def withdraw(self, number: int) -> None:
        """A new page was none; if it was the latest, its number is free again."""
        if self.is_new(number):
            self._known = [known for known in self._known if known.number != number]
            self._count -= number == self._count

    def _of(self, number: int | None) -> _Known | None:
        return next((known for known in self._known if known.number == number), None)


def _unlike(view: _View, known: _Known) -> float:
    """How much speaks against a picture being that page, 0..1, at whichever stage of it."""
    came, left = known.came, known.left or known.came
    grown = max(came.lost_in(view), view.lost_in(left))
    return min(grown, *(max(stage.lost_in(view), view.lost_in(stage)) for stage in {came, left}))
