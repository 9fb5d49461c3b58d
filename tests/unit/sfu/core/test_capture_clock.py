"""A publisher's time on the server's clock."""

import random

import pytest

from classroom.sfu.core.capture_clock import STEP_S, WINDOW, CaptureClock, PublisherClock

OURS_S, THEIRS_S = 4_000_000_000.0, 3_600_000_000.0  # the same instant on both NTP clocks


class Publisher:
    """Two streams captured by one clock; reports travel with whatever delay the test likes."""

    def __init__(self) -> None:
        self.publisher = PublisherClock()
        self.sound = CaptureClock(self.publisher, 48_000)
        self.picture = CaptureClock(self.publisher, 90_000)
        self.step_s = 0.0

    def report(self, stream: str, at_s: float, delay_s: float) -> None:
        sent_s = THEIRS_S + at_s + self.step_s
        self.publisher.report(sent_s, OURS_S + at_s + delay_s)
        getattr(self, stream).report(self.ts(stream, at_s), sent_s)

    def ts(self, stream: str, at_s: float) -> int:
        return round(at_s * (48_000 if stream == "sound" else 90_000) + 0xFFFF_0000) & 0xFFFF_FFFF

    def captured_s(self, stream: str, at_s: float) -> float:
        return getattr(self, stream).captured_s(self.ts(stream, at_s)) - OURS_S

    def apart_s(self, at_s: float) -> float:
        return self.captured_s("sound", at_s) - self.captured_s("picture", at_s)


def test_before_anything_is_known():
    clock = CaptureClock(PublisherClock(), 90_000)
    assert clock.captured_s(0) is None and clock.timestamp(OURS_S) is None


def test_until_the_first_report_the_first_arrival_stands_in_for_it():
    clock = CaptureClock(PublisherClock(), 90_000)
    clock.arrived(2**32 - 90_000, 100.0)
    clock.arrived(0, 105.0)  # only the first counts
    assert clock.captured_s(2**32 - 90_000) == 100.0
    assert clock.captured_s(90_000) == pytest.approx(102.0)  # over the wrap


def test_a_report_replaces_the_arrival():
    p = Publisher()
    p.picture.arrived(p.ts("picture", 0.0), OURS_S + 9.0)
    p.report("picture", 0.0, 0.1)
    assert p.captured_s("picture", 1.0) == pytest.approx(1.1)


def test_the_fastest_report_counts():
    p = Publisher()
    for at_s, delay_s in [(0, 0.3), (1, 0.05), (2, 0.2)]:
        p.report("picture", at_s, delay_s)
    assert p.captured_s("picture", 2.0) == pytest.approx(2.05, abs=1e-5)


def test_two_streams_stay_aligned_whatever_the_delay_of_their_reports():
    rng = random.Random(5)
    p = Publisher()
    for second in range(60):
        p.report("sound", second + 0.3, rng.uniform(0.02, 0.5))
        p.report("picture", second + 0.7, rng.uniform(0.02, 0.5))
        assert p.apart_s(second + 1.0) == pytest.approx(0.0, abs=3e-5)  # half a tick of either, and float


def test_drift_is_followed_within_the_window():
    p = Publisher()
    for second in range(3 * WINDOW):
        p.report("picture", second, 0.05 + second * 0.001)  # our clock runs faster by 1 ms a second
    at_s = 3 * WINDOW - 1
    assert p.captured_s("picture", at_s) == pytest.approx(at_s + 0.05 + (at_s - WINDOW + 1) * 0.001, abs=1e-4)


def test_reports_out_of_order_do_no_harm():
    p = Publisher()
    p.report("picture", 5.0, 0.05)
    before_s = p.captured_s("picture", 5.0)
    p.picture.report(12345, THEIRS_S + 4.0)  # an older one with nonsense: ignored
    assert p.captured_s("picture", 5.0) == before_s


def test_the_timestamp_of_an_instant_is_the_inverse():
    p = Publisher()
    p.report("picture", 0.0, 0.05)
    for at_s in (0.0, 0.5, 100.0):
        assert p.picture.timestamp(OURS_S + at_s + 0.05) == p.ts("picture", at_s)


@pytest.mark.parametrize("step_s", [3600.0, -3600.0, 10.0, -10.0])
def test_a_publisher_whose_clock_is_set_tears_nothing_apart(step_s):
    assert abs(step_s) > STEP_S
    p = Publisher()
    for second in range(5):
        p.report("sound", second, 0.05)
        p.report("picture", second, 0.05)
    p.step_s = step_s
    for second in range(5, 5 + 2 * WINDOW):
        p.report("sound", second, 0.05)
        assert p.captured_s("sound", second) == pytest.approx(second + 0.05, abs=1e-4)
        assert p.apart_s(second) == pytest.approx(0.0, abs=1e-4)  # the picture has not reported since
        p.report("picture", second, 0.05)
        assert p.apart_s(second) == pytest.approx(0.0, abs=1e-4)
