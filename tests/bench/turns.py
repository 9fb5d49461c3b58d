"""How surely and how soon page turns are told: ``python -m tests.bench.turns [slides.mp4]``, see docs/benchmarks.md.

The deck of ``tests/deck.py`` as a computer gives it, through a noisy cable and as a camera sees it; pages that
fade into each other; and any film of slides, whose turns are printed.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NamedTuple

import av
import cv2
import numpy as np
from rich.console import Console

from classroom.slides.changes import small_grey
from classroom.slides.turns import PageTurns
from tests import deck
from tests.bench.figures import make_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from classroom.capture.sample.canvas import Image
    from classroom.slides.changes import Grey

    Shown = Iterable[tuple[float, Grey]]

TOLERANCE_S = 0.5  # as in tests/bench/chapters.py
# The pages of the deck by first appearance. The one that is black is none, and when it is over the next one comes.
DECK_PAGES = (1, 2, 3, 4, 5, 6, 1, 7, 8, 2, 9, 10, 7, 11, 12, 13, None, 14)
FADING = ("cover", "text", "reading", "folding", "compare", "practice", "homework", "reading", "cover", "compare")
FADING_PAGES = (1, 2, 3, 4, 5, 6, 7, 3, 1, 5)
FADING_HOLD_S = 6.0


class Told(NamedTuple):
    """A turn: which page, since when, and when that was told."""

    page: int
    at_s: float
    told_s: float


class Turned(NamedTuple):
    """A page that is there, and between which times it came."""

    page: int
    began_s: float
    ended_s: float


class Score(NamedTuple):
    """Of the turns; ``numbers`` is the part of those found whose page has its right number, ``late_s`` sorted."""

    precision: float
    recall: float
    numbers: float
    late_s: list[float]

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall."""
        return 2 * self.precision * self.recall / max(1e-9, self.precision + self.recall)


def told(shown: Shown) -> list[Told]:
    """What is told of grey pictures."""
    turns = PageTurns()
    return [Told(*turn, at_s) for at_s, picture in shown for turn in turns.add(at_s, picture)]


def score(found: list[Told], true: list[Turned]) -> Score:
    """Compare; the first page counts as well, one that is put right counts as wrong."""
    left, late_s, right = list(found), [], 0
    for page, began_s, ended_s in true:
        hits = [turn for turn in left if began_s - TOLERANCE_S <= turn.at_s <= ended_s + TOLERANCE_S]
        if hits:
            left.remove(hits[-1])
            late_s.append(hits[-1].told_s - ended_s)
            right += hits[-1].page == page
    hit = len(late_s)
    return Score(hit / max(1, len(found)), hit / len(true), right / max(1, hit), sorted(late_s))


def deck_true() -> list[Turned]:
    """The page turns of the deck."""
    changes = [(0.0, 0.0), *deck.true_changes()]
    return [Turned(page, *at) for page, at in zip(DECK_PAGES, changes, strict=True) if page is not None]


def deck_shown(rate: float, seen_as: Callable[[float, Image], Grey]) -> Iterator[tuple[float, Grey]]:
    """The deck as somebody sees it, in grey."""
    for at_s, picture in deck.frames(rate):
        yield at_s, seen_as(at_s, cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY))


def clean(at_s: float, picture: Image) -> Grey:
    """From the computer itself."""
    return small_grey(picture)


def noisy(deviation: float) -> Callable[[float, Image], Grey]:
    """Through a cheap converter: noise of so many levels in each pixel, other in each picture."""
    fields = _noise(deviation)

    def seen_as(at_s: float, picture: Image) -> Grey:
        return small_grey(cv2.add(picture, next(fields), dtype=cv2.CV_8U))

    return seen_as


def by_camera() -> Callable[[float, Image], Grey]:
    """As a 720p camera sees the wall: aslant, a little blurred, with noise, paler, and with lamps that flicker."""
    fields = _noise(7.0)
    wall = np.array([[0, 0], [1919, 0], [1919, 1079], [0, 1079]], np.float32)
    lens = np.array([[110, 60], [1175, 25], [1210, 690], [80, 665]], np.float32)
    aslant = cv2.getPerspectiveTransform(wall, lens)

    def seen_as(at_s: float, picture: Image) -> Grey:
        seen = cv2.GaussianBlur(cv2.warpPerspective(picture, aslant, (1280, 720), borderValue=(30,)), (0, 0), 0.8)
        lit = cv2.convertScaleAbs(seen, alpha=0.85 + 0.015 * float(np.sin(3 * at_s)), beta=15)
        return small_grey(cv2.add(lit, next(fields)[:720, :1280], dtype=cv2.CV_8U))

    return seen_as


def fading(rate: float, fade_s: float) -> Iterator[tuple[float, Grey]]:
    """Pages that fade into each other."""
    pages = [deck.page(name) for name in FADING]
    for number, page in enumerate(pages):
        for index in range(round(FADING_HOLD_S * rate)):
            share = min(1.0, index / rate / fade_s)
            picture = page if number == 0 else deck.blend(pages[number - 1], page, share)
            yield number * FADING_HOLD_S + index / rate, small_grey(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY))


def fading_true(fade_s: float) -> list[Turned]:
    """The turns of that."""
    at_s = [number * FADING_HOLD_S for number in range(len(FADING))]
    ends_s = [0.0, *(began_s + fade_s for began_s in at_s[1:])]
    return [Turned(*each) for each in zip(FADING_PAGES, at_s, ends_s, strict=True)]


def film(path: str) -> Iterator[tuple[float, Grey]]:
    """A film of slides."""
    with av.open(path) as container:
        for frame in container.decode(video=0):
            yield frame.time, small_grey(np.asarray(frame.to_ndarray(format="gray"), np.uint8))


def _noise(deviation: float) -> Iterator[np.ndarray[Any, Any]]:
    """Noise for each picture: the same field, moved to and fro."""
    random = np.random.default_rng(5)
    field = random.normal(0, deviation, (deck.HEIGHT_PX + 512, deck.WIDTH_PX + 512)).round().astype(np.int16)
    while True:
        y, x = random.integers(0, 512, 2)
        yield field[y : y + deck.HEIGHT_PX, x : x + deck.WIDTH_PX]


def main(films: list[str]) -> None:
    """Measure and print."""
    columns = {"slides": "{}", "F1": "{:.3f}", "precision": "{:.3f}", "recall": "{:.3f}", "numbers": "{:.3f}",
               "told after p50": "{:.2f} s", "most": "{:.2f} s"}  # fmt: skip
    rows: list[dict[str, object]] = []
    for rate in (5.0, 10.0):
        cases: dict[str, tuple[Shown, list[Turned]]] = {
            "the deck": (deck_shown(rate, clean), deck_true()),
            "the deck with noise": (deck_shown(rate, noisy(12.0)), deck_true()),
            "the deck by camera": (deck_shown(rate, by_camera()), deck_true()),
            **{f"fades of {fade_s} s": (fading(rate, fade_s), fading_true(fade_s)) for fade_s in (0.3, 0.7, 1.5)},
        }
        for name, (shown, true) in cases.items():
            found = score(told(shown), true)
            late_s = found.late_s
            figures = (found.f1, found.precision, found.recall, found.numbers, late_s[len(late_s) // 2], late_s[-1])
            row: dict[str, object] = {"slides": f"{name}, {rate:g} fps"}
            rows.append(row | dict(zip(list(columns)[1:], figures, strict=True)))
    Console().print(make_table("page turns", columns, rows))
    for path in films:
        print(path, [(turn.page, round(turn.at_s, 2)) for turn in told(film(path))])


if __name__ == "__main__":
    main(sys.argv[1:])
