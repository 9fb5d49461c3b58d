"""What each slot gets of a budget, and when that changes."""

import pytest

from classroom.sfu.core.layers import (
    GOOD_VERDICTS,
    HEADROOM,
    VERDICT_INTERVAL_S,
    LayerSelector,
    Want,
    allocate,
)

SLIDES = Want(0, [150_000.0, 500_000.0])
TEACHER = Want(1, [120_000.0, 400_000.0, 1_200_000.0])
PUPILS = Want(2, [120_000.0, 400_000.0])


@pytest.mark.parametrize(
    ("wants", "budget_bps", "expected"),
    [
        pytest.param([], 1e6, [], id="nothing wanted"),
        pytest.param([TEACHER], 1e9, [2], id="the best"),
        pytest.param([TEACHER], 1_199_999, [1], id="what fits"),
        pytest.param([TEACHER], 119_999, [None], id="nothing fits"),
        pytest.param([TEACHER, SLIDES], 700_000, [0, 1], id="slides first, whatever the order of the slots"),
        pytest.param([TEACHER, SLIDES], 400_000, [0, 0], id="slides as good as they get, then the teacher"),
        pytest.param([TEACHER, SLIDES], 160_000, [None, 0], id="only slides"),
        pytest.param([PUPILS, TEACHER, SLIDES], 2_220_000, [1, 2, 1], id="everything"),
        pytest.param([PUPILS, TEACHER, SLIDES], 1_820_000, [0, 2, 1], id="pupils are sacrificed first"),
        pytest.param([Want(0, [])], 1e6, [None], id="a publication without layers"),
    ],
)
def test_allocation(wants, budget_bps, expected):
    assert allocate(wants, budget_bps) == expected


def test_down_at_once():
    assert LayerSelector().choose([TEACHER], [2], 500_000, 0.0) == [1]


def test_up_after_so_many_good_verdicts():
    selector = LayerSelector()
    answers = [
        selector.choose([TEACHER], [0], 400_000 * HEADROOM, n * VERDICT_INTERVAL_S) for n in range(GOOD_VERDICTS)
    ]
    assert answers == [[0]] * (GOOD_VERDICTS - 1) + [[1]]


def test_who_shows_nothing_waits_for_one_good_verdict_only():
    selector = LayerSelector()
    assert selector.choose([SLIDES, TEACHER], [0, None], 270_000, 0.0) == [0, None], "no headroom"
    assert selector.choose([SLIDES, TEACHER], [0, None], 270_000 * HEADROOM, 0.1) == [0, 0]
    selector = LayerSelector()
    assert selector.choose([SLIDES, TEACHER], [0, None], 1e9, 0.0) == [0, 2], "the others wait as always"


def test_verdicts_take_their_time():
    selector = LayerSelector()
    assert all(selector.choose([TEACHER], [0], 1e9, n / 1000) == [0] for n in range(300))


def test_not_up_without_headroom():
    selector = LayerSelector()
    assert all(selector.choose([TEACHER], [0], 401_000, float(n)) == [0] for n in range(10))


def test_a_doubt_starts_the_count_again():
    selector = LayerSelector()
    for n in range(GOOD_VERDICTS - 1):
        selector.choose([TEACHER], [0], 1e9, float(n))
    assert selector.choose([TEACHER], [0], 130_000, 10.0) == [0]
    assert selector.choose([TEACHER], [0], 1e9, 11.0) == [0]


def test_a_gain_for_one_is_no_reason_to_take_from_another():
    """The teacher is at its middle layer; slides would fit at their best only without it."""
    selector = LayerSelector()
    budget_bps = 600_000.0
    assert allocate([TEACHER, SLIDES], budget_bps / HEADROOM) == [None, 1]
    assert all(selector.choose([PUPILS], [1], 401_000, float(n)) == [1] for n in range(10))
