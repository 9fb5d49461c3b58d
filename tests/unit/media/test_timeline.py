"""One clock for all streams: skew, jitter, loss and disorder of sender reports, in virtual time."""

import random
from itertools import pairwise

import pytest

from classroom.media.timeline import STEP_S, Timeline

LESSON_S = 90 * 60


def simulate(rate_hz, skew, seed, interval_s=0.02, first_error_s=0.0, loss=0.1, duration_s=LESSON_S):
    """(true time, error of the timeline) of every frame of a sender whose media clock runs ``1 + skew`` as fast.

    Reports come once a second with 2 ms of noise and an outlier of 80 ms now and then; some are lost, some overtake.
    """
    rng = random.Random(seed)
    timeline = Timeline(rate_hz)
    first_ts = 1 << 32
    reports = []
    for second in range(duration_s):
        noise_s = rng.gauss(0, 0.002) + (0.08 if rng.random() < 0.02 else 0.0)
        if second == 0:
            noise_s = first_error_s
        elif rng.random() < loss:
            continue
        delay_s = rng.uniform(0.5, 2.5) if rng.random() < 0.1 else 0.0
        ts = first_ts + round(second * (1 + skew) * rate_hz)
        reports.append((second + delay_s if second else -1.0, ts, second + noise_s))
    reports.sort()
    errors = []
    for index in range(round(duration_s / interval_s)):
        true_s = index * interval_s / (1 + skew)
        while reports and reports[0][0] <= true_s:
            _, ts, at_s = reports.pop(0)
            timeline.report(ts, at_s)
        errors.append((true_s, timeline.time_s(first_ts + round(index * interval_s * rate_hz)) - true_s))
    return errors


def test_sound_and_picture_stay_together_for_90_minutes_with_100_ppm_of_skew():
    sound = simulate(48_000, 50e-6, seed=1, interval_s=0.1)
    picture = simulate(90_000, -50e-6, seed=2, interval_s=0.1)
    together = max(abs(a[1] - b[1]) for a, b in zip(sound, picture, strict=True))
    assert together < 0.010
    assert max(abs(error_s) for _, error_s in sound + picture) < 0.010


def test_without_following_the_reports_it_would_be_half_a_second():
    """What the test above is worth: 100 ppm over 90 minutes."""
    timeline = Timeline(48_000)
    timeline.report(0, 0.0)
    assert timeline.time_s(round(LESSON_S * (1 + 100e-6) * 48_000)) - LESSON_S == pytest.approx(0.54, abs=0.001)


def test_a_first_report_that_is_wrong_is_made_good_without_a_jump():
    errors = simulate(90_000, 20e-6, seed=3, first_error_s=0.06, interval_s=1 / 30, duration_s=60)
    assert errors[0][1] == pytest.approx(0.06, abs=0.001)
    assert max(abs(error_s) for true_s, error_s in errors if true_s > 6) < 0.01
    times = [true_s + error_s for true_s, error_s in errors]
    steps = [b - a for a, b in pairwise(times)]
    assert min(steps) > 0.9 / 30 and max(steps) < 1.1 / 30


def test_later_it_slews_by_5_ms_a_second_at_most():
    timeline = Timeline(1000)
    for second in range(30):
        timeline.report(second * 1000, float(second))
        timeline.time_s(second * 1000)
    last = timeline.time_s(30_000)
    for second in range(30, 90):
        timeline.report(second * 1000, second + 0.1)
    errors = []
    for tick in range(30_000, 60_000, 20):
        at_s = timeline.time_s(tick)
        assert 0.0 <= at_s - last <= 0.0202
        errors.append(at_s - tick / 1000)
        last = at_s
    assert errors[-1] == pytest.approx(0.1, abs=0.001)
    assert errors[500] == pytest.approx(0.05, abs=0.002), "10 s after the change half of it"


def test_one_wild_report_moves_nothing():
    timeline = Timeline(1000)
    for second in range(20):
        timeline.report(second * 1000, second + (5.0 if second == 12 else 0.0))
        # What claims to be older than the wild one is ignored, until time has caught up.
        assert timeline.time_s(second * 1000) == pytest.approx(second, abs=0.001)
    for second in range(20, 40):
        timeline.report(second * 1000, float(second))
    assert timeline.time_s(40_000) == pytest.approx(40.0, abs=0.001)


def test_a_lasting_jump_of_the_source_is_followed_at_once():
    timeline = Timeline(1000)
    for second in range(20):
        timeline.report(second * 1000, float(second))
    timeline.time_s(20_000)
    for second in range(20, 26):
        timeline.report(second * 1000, second + 10 * STEP_S)
    assert timeline.time_s(26_000) == pytest.approx(26 + 10 * STEP_S, abs=0.01)


def test_an_older_report_is_ignored():
    timeline = Timeline(1000)
    timeline.report(10_000, 10.0)
    for second in range(10):
        timeline.report(second * 1000, second + 0.3)
    assert timeline.time_s(20_000) == pytest.approx(20.0)


def test_times_are_asked_for_in_vain_before_it_is_anchored():
    timeline = Timeline(90_000)
    assert not timeline.anchored
    with pytest.raises(ValueError, match="no sender report"):
        timeline.time_s(0)
    timeline.anchor(90_000, 5.0)
    timeline.anchor(0, 77.0)
    assert timeline.time_s(180_000) == 6.0
