"""The verdict on the slope, and the threshold that adapts."""

import pytest

from classroom.sfu.core.bandwidth.overuse import (
    K_DOWN,
    K_UP,
    MAX_THRESHOLD,
    MIN_THRESHOLD,
    START_THRESHOLD,
    OveruseDetector,
    Usage,
)

GAP_S = 0.02


def after(slopes: list[float], gap_s: float = GAP_S) -> tuple[OveruseDetector, list[Usage]]:
    detector = OveruseDetector()
    for step in range(60):  # trusted fully from then on: 0.0521 is the slope of the first threshold
        detector.update(0.0, gap_s, step * gap_s)
    detector.threshold = START_THRESHOLD
    return detector, [detector.update(slope, gap_s, (60 + step) * gap_s) for step, slope in enumerate(slopes)]


N, O, U = Usage.NORMAL, Usage.OVER, Usage.UNDER  # noqa: E741


@pytest.mark.parametrize(
    ("slopes", "usages"),
    [
        pytest.param([0.05, 0.05], [N, N], id="below the threshold"),
        pytest.param([0.06, 0.06], [N, O], id="must last"),
        pytest.param([0.08, 0.07, 0.08], [N, N, O], id="must not shrink"),
        pytest.param([0.06, 0.04, 0.06], [N, N, N], id="begins anew"),
        pytest.param([0.07, 0.08, 0.08, 0.07], [N, O, O, O], id="stays until it is below"),
        pytest.param([0.07, 0.08, 0.01], [N, O, N], id="ends"),
        pytest.param([-0.07], [U], id="queues drain"),
    ],
)
def test_verdicts(slopes, usages):
    assert after(slopes)[1] == usages


def test_short_gaps_need_more_of_them():
    assert after([0.06, 0.06, 0.06], gap_s=0.005)[1] == [N, N, O]


def test_few_gaps_count_less():
    detector = OveruseDetector()
    assert {detector.update(0.1, GAP_S, step * GAP_S) for step in range(10)} == {Usage.NORMAL}


@pytest.mark.parametrize(
    ("slope", "expected"),
    [
        pytest.param(0.0, START_THRESHOLD - K_DOWN * START_THRESHOLD * 5, id="falls when it is quiet"),
        pytest.param(20 / 240, START_THRESHOLD + K_UP * (20 - START_THRESHOLD) * 5, id="rises with jitter"),
        pytest.param(-20 / 240, START_THRESHOLD + K_UP * (20 - START_THRESHOLD) * 5, id="to both sides"),
        pytest.param(30 / 240, START_THRESHOLD, id="not with congestion"),
    ],
)
def test_the_threshold_adapts(slope, expected):
    detector, _ = after([slope], gap_s=0.005)
    assert detector.threshold == pytest.approx(expected)


def test_the_threshold_keeps_its_bounds():
    detector, _ = after([0.0] * 1000)
    assert detector.threshold == MIN_THRESHOLD
    trend = MIN_THRESHOLD
    for step in range(5000):
        trend = detector.threshold + 14
        detector.update(trend / 240, GAP_S, 100 + step * GAP_S)
    assert detector.threshold == MAX_THRESHOLD


def test_the_first_gap_does_not_adapt():
    detector = OveruseDetector()
    detector.update(0.0, GAP_S, 1e6)
    assert detector.threshold == START_THRESHOLD
