"""The slope of the delay; numpy's least squares is the oracle."""

import random

import numpy as np
import pytest

from classroom.sfu.core.bandwidth.trendline import SMOOTHING, WINDOW, Trendline


def oracle(changes: list[tuple[float, float]]) -> float:
    """Slope over the last WINDOW smoothed delays."""
    accumulated = smoothed = 0.0
    points = []
    for arrival_s, change_s in changes:
        accumulated += change_s
        smoothed = SMOOTHING * smoothed + (1 - SMOOTHING) * accumulated
        points.append((arrival_s, smoothed))
    times, delays = zip(*points[-WINDOW:], strict=True)
    return float(np.polyfit(np.array(times) - times[0], delays, 1)[0])


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("start_s", [0.0, 1e6])
def test_each_step_gives_the_least_squares_of_the_window(seed, start_s):
    dice = random.Random(seed)
    trendline, changes, now = Trendline(), [], start_s
    for step in range(1, 400):
        now += dice.uniform(0.005, 0.04)
        changes.append((now, dice.gauss(0.001, 0.01)))
        slope = trendline.update(*changes[-1])
        if step < WINDOW:
            assert slope == 0.0
        else:
            assert slope == pytest.approx(oracle(changes), abs=1e-6)


def test_rounding_errors_do_not_gather():
    dice = random.Random(1)
    trendline, changes, now = Trendline(), [], 0.0
    for _ in range(200_000):
        now += 0.02
        changes.append((now, dice.gauss(0.0005, 0.01)))
        slope = trendline.update(*changes[-1])
    assert slope == pytest.approx(oracle(changes[-2000:]), abs=1e-4)


def test_arrivals_at_one_moment_leave_the_slope_as_it_was():
    trendline = Trendline()
    for step in range(WINDOW):
        slope = trendline.update(step * 0.02, 0.001)
    assert slope > 0
    for _ in range(WINDOW * 2):
        last = trendline.update(WINDOW * 0.02, 0.0)
    assert last == trendline.slope != 0.0
