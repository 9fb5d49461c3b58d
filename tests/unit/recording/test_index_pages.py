"""Page changes in a deck that makes finding them hard, through a real encoder and decoder."""

import functools

import cv2
import numpy as np
import pytest

from classroom.slides.changes import HEIGHT_PX, INTERVAL_S, WIDTH_PX, PageDetector, small_grey
from tests import deck
from tests.bench.chapters import ENCODINGS, TOLERANCE_S, changes, score, seen

LEAST = 0.95


@pytest.mark.timeout(240)
def test_page_changes_are_found_and_nothing_else_is():
    found = score(changes(seen(ENCODINGS[0])))  # the others: python -m tests.bench.chapters
    assert found.precision >= LEAST, found
    assert found.recall >= LEAST, found


@functools.cache
def drawn(*names):
    """Scenes of the deck as they are drawn, with the detector's times."""
    pictures = deck.frames(1 / INTERVAL_S, shown=deck.chosen(*names))
    return [(at_s, small_grey(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY))) for at_s, picture in pictures]


@pytest.mark.parametrize(
    ("names", "at_s"),
    [
        (["cover", "bullets that appear"], [5.0]),
        (["a pointer that rests on text"], []),
        (["handwriting"], []),
        (["a browser that scrolls"], []),
        (["a video inside the page"], []),
        (["a sum", "one number is another"], [6.0]),
        (["the laser dot", "the screen is black", "the laser dot"], [8.0, 12.0]),
    ],
    ids=lambda value: ", ".join(value) if value and isinstance(value[0], str) else "",
)
def test_what_is_another_page_and_what_is_not(names, at_s):
    assert changes(drawn(*names)) == pytest.approx(at_s, abs=TOLERANCE_S)


def test_the_size_of_the_screen_may_change():
    pictures = drawn("a sum", "cover")
    small = [(at_s, small_grey(cv2.resize(picture, (320, 200)))) for at_s, picture in pictures]
    assert changes(pictures[:20] + small[20:]) == pytest.approx([6.0], abs=TOLERANCE_S)


def test_a_page_that_rests_needs_no_more_than_its_ends():
    pictures = [drawn("a sum")[0][1], drawn("cover")[0][1]]
    times = [(0.0, 0), (1.9, 0), (2.0, 0), (59.9, 0), (60.0, 1), (61.9, 1), (62.0, 1)]
    assert changes([(at_s, pictures[which]) for at_s, which in times]) == [60.0]


@pytest.mark.parametrize("cut", [3, 37, 73, 110])
def test_a_saved_detector_goes_on_as_if_nothing_had_happened(cut):
    pictures = drawn("a video inside the page", "one number is another", "cover")
    detector, found = PageDetector(), []
    for at_s, picture in pictures[:cut]:
        found += detector.add(at_s, picture)
    detector = PageDetector.load({name: array.copy() for name, array in detector.save().items()})
    for at_s, picture in pictures[cut:]:
        found += detector.add(at_s, picture)
    assert found == changes(pictures)
    assert len(found) == 2


def test_what_another_version_saved_is_refused():
    detector = PageDetector()
    detector.add(0.0, np.zeros((HEIGHT_PX, WIDTH_PX), np.uint8))
    saved = detector.save()
    with pytest.raises(ValueError, match="size"):
        PageDetector.load({**saved, "latest": np.zeros((2, 2), np.uint8)})
    with pytest.raises(KeyError):
        PageDetector.load({"latest": saved["latest"]})
