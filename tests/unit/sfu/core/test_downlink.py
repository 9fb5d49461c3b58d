"""Estimate, pacer and probes together; behaviour over links is in tests/sim."""

import pytest

from classroom.sfu.core.downlink import (
    CHECK_S,
    CLUSTER_END_S,
    MIN_SLICE_BYTES,
    PACING,
    PACING_NEAR_CAPACITY,
    PROBE_GRACE_S,
    QUEUE_S,
    Downlink,
)
from classroom.sfu.core.pacer import Priority
from classroom.sfu.core.send_log import SendLog
from classroom.sfu.core.twcc import TransportFeedback

PACKET_BYTES = 1000


class Driver:
    """Sends what the downlink lets out, and reports it 50 ms later with a given delay."""

    def __init__(self, wanted_bps: float = 0.0) -> None:
        self.log = SendLog()
        self.downlink: Downlink[str] = Downlink(self.log)
        self.downlink.want(wanted_bps)
        self.now = 100.0
        self.sent: list[tuple[float, str]] = []
        self.queue_s = 0.0
        self.stalled: set[object] = set()
        self._reported = 0

    def push(self, item: str, priority: Priority = Priority.PICTURE, size: int = PACKET_BYTES) -> bool:
        passed = self.downlink.push(item, size, priority, "s", self.now)
        if passed:
            self._send(item)
        return passed

    def _send(self, item: str) -> None:
        self.sent.append((self.now, item))
        self.log.add(self.now, PACKET_BYTES)

    def run(self, seconds: float, bps: float, *, grow: float = 0.0, report: bool = True) -> None:
        """A packet at a time at this rate, feedback each 50 ms, ticks of 1 ms."""
        end_s, credit = self.now + seconds, 0.0
        next_report_s = self.now + 0.05
        while self.now < end_s:
            self.now += 0.001
            self.queue_s += grow * 0.001
            credit += bps * 0.001 / 8
            while credit >= PACKET_BYTES:
                credit -= PACKET_BYTES
                self.push("media")
            self.tick()
            if report and self.now >= next_report_s and self.log.next_seq > self._reported:
                next_report_s += 0.05
                times = self.log.times_s[self._reported : self.log.next_seq]
                ticks = [round((at - 90 + 0.02 + self.queue_s) * 4000) for at in times]
                feedback = TransportFeedback(1, 2, self._reported & 0xFFFF, 0, 0, ticks)
                self._reported = self.log.next_seq
                self.downlink.feedback(feedback, self.now)

    def tick(self) -> None:
        for item in self.downlink.due(self.now):
            self._send(item)
        self.stalled |= self.downlink.take_stalled()

    def rate_of(self, item: str) -> float:
        times = [at for at, sent in self.sent if sent == item]
        return (len(times) - 1) * PACKET_BYTES * 8 / (times[-1] - times[0])


def test_media_within_the_budget_passes_at_once_and_voice_always():
    driver = Driver()
    assert driver.downlink.idle
    assert driver.push("media") and not driver.downlink.measured
    for _ in range(5):
        driver.push("media")
    assert driver.downlink.queued_bytes > 0 and not driver.downlink.idle
    assert driver.push("voice", Priority.VOICE)


def test_what_waits_leaves_at_the_pace_of_the_estimate():
    driver = Driver()
    driver.tick()
    for _ in range(40):
        driver.push("media")
    assert driver.downlink.next_timeout() < 100.0 + CHECK_S
    while driver.downlink.queued_bytes:
        driver.now += 0.001
        driver.tick()
    assert driver.rate_of("media") == pytest.approx(PACING * 600e3, rel=0.15)
    assert driver.downlink.next_timeout() <= driver.now + CHECK_S
    assert driver.downlink.dropped_items == 0 and driver.stalled == set()


def test_streams_that_wait_too_long_are_told():
    driver = Driver()
    driver.push("large", size=1_000_000)
    driver.push("media")
    driver.now += 1.0
    driver.tick()
    assert driver.downlink.dropped_items == 1 and driver.stalled == {"s"}


def test_slices_follow_the_estimate():
    driver = Driver()
    assert driver.downlink.slice_bytes == int(PACING * 600e3 * 0.01 / 8)
    driver.downlink.remb(100e3, 100.0)
    assert driver.downlink.estimate_bps == 100e3 and driver.downlink.slice_bytes == MIN_SLICE_BYTES


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ([({1, 2}, 300e3)], 300e3),
        ([({1}, 300e3), ({2}, 200e3)], 500e3),
        ([({1}, 300e3), ({2}, 200e3), ({1}, 100e3)], 300e3),
        ([({1}, 300e3), ({2}, 200e3), ({1, 2}, 400e3)], 400e3),
        ([({1}, 300e3), ({2}, 200e3), (set(), 250e3)], 250e3),
        ([(set(), 250e3), ({2}, 200e3)], 200e3),
    ],
    ids=["one of all", "one of each", "a newer one", "one of all after them", "of the path", "of a stream after it"],
)
def test_what_a_receiver_estimates_of_its_streams_is_added_up(told, expected):
    driver = Driver()
    for about, bitrate_bps in told:
        driver.downlink.remb(bitrate_bps, 100.0, frozenset(about))
    assert driver.downlink.estimate_bps == expected


def test_near_the_capacity_it_is_no_faster_than_the_path():
    driver = Driver()
    driver.run(3.0, 550e3)
    driver.run(0.5, 550e3, grow=0.08)
    driver.run(4.0, 100e3, grow=-0.01)
    estimate_bps = driver.downlink.estimate_bps
    assert driver.downlink.estimator.near_capacity(driver.now) and not driver.downlink.estimator.congested
    for _ in range(6):
        driver.push("paced")
    driver.run(0.3, 0.0, report=False)
    assert driver.rate_of("paced") == pytest.approx(PACING_NEAR_CAPACITY * estimate_bps, rel=0.25)


def test_a_long_queue_leaves_faster_than_that_unless_it_would_wait_on_the_path():
    driver = Driver()
    driver.run(3.0, 550e3)
    driver.run(1.0, 550e3, grow=0.1)
    assert driver.downlink.estimator.congested
    driver.run(4.0, 100e3, grow=-0.03)
    estimate_bps = driver.downlink.estimate_bps
    size = int(2 * estimate_bps * QUEUE_S / 8)
    driver.push("media", size=2000)
    for _ in range(size // PACKET_BYTES):
        driver.push("paced")
    driver.now = driver.downlink._check_s
    driver.tick()
    start, before = driver.now, driver.downlink.queued_bytes
    while driver.now < start + 0.05:
        driver.now += 0.001
        driver.tick()
    assert (before - driver.downlink.queued_bytes) * 8 / 0.05 > 1.3 * estimate_bps


# --- probing ------------------------------------------------------------------------------------------------------


def started(driver: Driver) -> int:
    """Run until a probe is due; its size."""
    for _ in range(3000):
        driver.run(0.001, 300e3)
        if size := driver.downlink.take_probe_bytes():
            return size
    raise AssertionError("no probe")


def prepared() -> Driver:
    driver = Driver()
    driver.run(1.0, 300e3)
    driver.downlink.want(5e6)
    return driver


def test_a_probe_is_filled_with_what_the_caller_has():
    driver = prepared()
    size = started(driver)
    assert size == 6000 and driver.downlink.take_probe_bytes() == 0
    for _ in range(size // PACKET_BYTES + 3):
        driver.push("probe", Priority.PROBE)
    driver.run(0.3, 300e3)
    assert driver.rate_of("probe") == pytest.approx(1.8e6, rel=0.3)
    assert driver.downlink.queued_bytes == 0  # what was too much is gone
    assert driver.downlink.estimate_bps > 1.2e6


def test_a_probe_without_filling_is_given_up():
    driver = prepared()
    started(driver)
    before_bps = driver.downlink.estimate_bps
    driver.run(PROBE_GRACE_S + 0.1, 50e3)
    assert driver.downlink._cluster is None
    assert driver.downlink.estimate_bps == pytest.approx(before_bps, rel=0.1)
    assert driver.downlink.take_probe_bytes() == 0


def test_media_that_leaves_during_a_probe_is_part_of_it_and_voice_is_not():
    driver = prepared()
    size = started(driver)
    for _ in range(20):
        driver.push("voice", Priority.VOICE)
    assert driver.downlink._cluster_left_bytes == size
    for _ in range(3):
        driver.push("media")
    while driver.downlink.queued_bytes:
        driver.now += 0.001
        driver.tick()
    assert driver.downlink._cluster_left_bytes == size - 3 * PACKET_BYTES


def test_a_probe_ends_when_time_has_passed_since_its_last_packet():
    driver = prepared()
    size = started(driver)
    driver.now += 0.1
    assert driver.push("media", size=size)
    driver.push("media")
    assert not driver.downlink.idle
    driver.tick()
    assert not driver.downlink.idle  # it may not have its number yet
    assert driver.now < driver.downlink.next_timeout() <= driver.now + CLUSTER_END_S
    driver.now = driver.downlink.next_timeout()
    driver.tick()
    assert driver.downlink._cluster is None
