"""Timestamps of live sources on the capture clock."""

from __future__ import annotations

import numpy as np
import pytest

from classroom.capture.clock import CaptureClock, LiveTimeline
from classroom.sfu.core.ntp import ntp_to_unix


def test_a_step_of_the_wall_clock_does_not_reach_the_capture_clock() -> None:
    wall = [1_700_000_000.0]
    clock = CaptureClock(lambda: 100.0, lambda: wall[0])
    wall[0] += 3600
    assert ntp_to_unix(clock.ntp(100.0)) == pytest.approx(1_700_000_000.0, abs=1e-6)


def test_network_jitter_moves_nothing() -> None:
    timeline, jitter = LiveTimeline(), np.random.default_rng(1)
    placed = [timeline.place(n / 25, 1000 + n / 25 + float(jitter.uniform(0, 0.2))) for n in range(1, 1500)]
    late = placed[500:]
    assert np.diff(late) == pytest.approx(1 / 25, abs=0.011)
    assert timeline.resyncs < 60, "only at the start, until the quickest arrival is known"
    assert np.ptp(np.array(late) - np.arange(501, 1500 + 0)[: len(late)] / 25) < 0.01


def test_a_burst_at_the_start_is_not_in_the_future() -> None:
    timeline = LiveTimeline()
    for n in range(50):  # a camera first sends the two seconds since its last keyframe
        assert timeline.place(n / 25, 1000.0 + n * 0.0001) <= 1000.0 + n * 0.0001 + 0.006


def test_a_jump_is_followed_at_once() -> None:
    timeline = LiveTimeline()
    timeline.place(10.0, 1000.0)
    assert timeline.place(5000.0, 1000.04) == pytest.approx(1000.04)
    assert timeline.place(0.0, 1000.08) == pytest.approx(1000.08)
    assert timeline.resyncs == 2


@pytest.mark.parametrize("ppm", [-200, 200])
def test_drift_of_a_cheap_clock_stays_under_40_ms(ppm: int) -> None:
    timeline = LiveTimeline()
    for n in range(45 * 60 * 5):  # a lesson, 5 pictures a second
        arrived_s = 1000 + n / 5
        assert abs(timeline.place(n / 5 * (1 + ppm / 1e6), arrived_s) - arrived_s) < 0.040
    assert timeline.resyncs > 0
