"""Which pictures lie behind later ones, and when they were captured: tables."""

import pytest

from classroom.recording.bmff_read import StoredSample
from classroom.recording.overtaken import overtaken
from classroom.sfu.core.ntp import FRACTION

HZ = 1000  # ticks are milliseconds
CLOCK_S = 5000  # what the clock of the publisher shows at 0 on the axis


def samples(*pictures):
    """From (time of capture in ms, None where it is not known; tick)."""
    return [
        StoredSample(start, 1, True, 0 if at_ms is None else round((CLOCK_S + at_ms / 1000) * FRACTION), 1, 10, 0)
        for at_ms, start in pictures
    ]


@pytest.mark.parametrize(
    ("pictures", "expected"),
    [
        pytest.param([], {}, id="nothing"),
        pytest.param([(0, 0), (100, 100), (None, 150), (200, 200)], {}, id="in order"),
        pytest.param([(0, 0), (100, 100), (200, 200), (100, 300), (200, 301), (300, 302), (400, 400)],
                     {3: 100, 4: 200, 5: 300}, id="moments that come again, and the one that has to wait for them"),
        pytest.param([(0, 7), (100, 107), (200, 207), (100, 307), (200, 308), (300, 309), (400, 410)],
                     {3: 107, 4: 207, 5: 307}, id="by the archive's clock"),
        pytest.param([(100, 100), (200, 200), (50, 300), (100, 301), (150, 302), (200, 303), (300, 304), (400, 400)],
                     {2: 50, 3: 100, 4: 150, 5: 200, 6: 300}, id="some that were not shown before"),
        pytest.param([(0, 0), (100, 100), (0, 200), (100, 201), (50, 300), (100, 301), (200, 302)],
                     {2: 0, 3: 100, 4: 50, 5: 100, 6: 200}, id="a third layer"),
        pytest.param([(0, 0), (100, 100), (None, 200), (100, 201), (200, 202)], {3: 100, 4: 200}, id="one unknown"),
        pytest.param([(0, 0), (100, 100), (200, 200), (0, 300), (None, 301), (200, 302), (None, 303), (300, 304)],
                     {3: 0, 4: 200, 5: 200, 6: 300, 7: 300}, id="some that do not say it"),
        pytest.param([(500, 0), (600, 100), (500, 200), (600, 201), (100, 300), (200, 400), (100, 500)],
                     {2: 0, 3: 100, 6: 300}, id="the clock is set"),
        pytest.param([(0, 0), (300, 300), (400, 400), (100, 500), (200, 501), (600, 600)],
                     {3: 100, 4: 200}, id="none that was shown before"),
        pytest.param([(0, 0), (300, 300), (400, 400), (100, 500), (610, 611)], {3: 100}, id="just one"),
        pytest.param([(0, 0), (300, 300), (400, 400), (100, 500), (610, 700)], {3: 100}, id="and the timing changes"),
        pytest.param([(500, 0), (600, 100), (520, 200), (620, 300)], {}, id="the clock is set by little"),
        pytest.param([(0, 0), (0, 1)], {1: 0}, id="one moment"),
    ],
)  # fmt: skip
def test_pictures_behind_later_ones(pictures, expected):
    assert overtaken(samples(*pictures), HZ, led=False) == expected


def test_nothing_is_timed_by_a_picture_that_was_led_in():
    assert overtaken(samples((50, 0), (50, 51), (100, 100)), HZ, led=True) == {}
    again = samples((50, 0), (100, 100), (50, 200), (100, 201), (200, 202))
    assert overtaken(again, HZ, led=True) == {2: 50, 3: 100, 4: 200}
