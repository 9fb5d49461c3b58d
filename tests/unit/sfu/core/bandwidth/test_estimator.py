"""The estimator as its users see it, fed with feedback made by hand; behaviour over links is in tests/sim."""

import pytest

from classroom.sfu.core.bandwidth.estimator import (
    DEFAULT_START_BPS,
    MAX_LATE,
    MIN_BPS,
    REMB_GROWTH,
    REMB_STEADY,
    SILENCE_S,
    BandwidthEstimator,
    first_estimate_bps,
)
from classroom.sfu.core.send_log import SendLog
from classroom.sfu.core.twcc import TransportFeedback

REPORT_S = 0.06
DELAY_S = 0.02


class Sender:
    """Sends packets of 1000 bytes evenly and reports them; a queue is added to the delay of each."""

    def __init__(self, last_time_bps: float | None = None, first_seq: int = 0) -> None:
        self.log = SendLog()
        for _ in range(first_seq):
            self.log.add(0.0, 100)
        self.estimator = BandwidthEstimator(self.log, last_time_bps)
        self.estimator.wanted_bps = 0.0  # no probes unless a test wants them
        self.now = 100.0
        self.queue_s = 0.0

    def send(self, bps: float, seconds: float, *, grow: float = 0.0, lose: int = 0, late_s: float = 0.0) -> None:
        """``grow``: seconds of queue per second. ``lose``: each so many-th packet. ``late_s``: more delay at once."""
        gap_s = 8000 / bps
        end_s = self.now + seconds
        while self.now < end_s - 1e-9:
            first, ticks = self.log.next_seq, []
            report_s = self.now + REPORT_S
            while self.now < report_s - 1e-9:
                self.log.add(self.now, 1000)
                self.queue_s += grow * gap_s
                arrival_s = self.now + DELAY_S + self.queue_s + late_s
                lost = lose and self.log.next_seq % lose == 0
                ticks.append(None if lost else round((arrival_s - 90) * 4000))
                self.now += gap_s
            self.report(first, ticks)

    def wait_longer_and_longer(self, apart_s: float) -> None:
        """Three pictures of five packets, which arrive so far apart."""
        for wait_s in (0.06, 0.115, 0.17):
            first = self.log.next_seq
            for _ in range(5):
                self.log.add(self.now, 1000)
            arrival_s = self.now + DELAY_S + wait_s - 90
            ticks = [round((arrival_s + packet * apart_s) * 4000) for packet in range(5)]
            self.now += 0.04
            self.report(first, ticks)

    def report(self, first: int, ticks: list[int | None]) -> None:
        reference = 0
        relative = [None if tick is None else tick - reference * 256 for tick in ticks]
        self.estimator.feedback(TransportFeedback(1, 2, first & 0xFFFF, reference, 0, relative), self.now + DELAY_S)


@pytest.mark.parametrize(
    ("last_time_bps", "expected"), [(None, DEFAULT_START_BPS), (2e6, 1.4e6), (10_000, MIN_BPS)]
)  # fmt: skip
def test_the_first_estimate(last_time_bps, expected):
    assert first_estimate_bps(last_time_bps) == pytest.approx(expected)
    assert BandwidthEstimator(SendLog(), last_time_bps).estimate_bps == pytest.approx(expected)


def test_remb_counts_until_there_is_feedback():
    sender = Sender()
    sender.estimator.remb(300e3)
    assert sender.estimator.estimate_bps == 300e3
    sender.estimator.remb(1.0)
    assert sender.estimator.estimate_bps == MIN_BPS
    sender.send(500e3, 1.0)
    assert sender.estimator.estimate_bps >= DEFAULT_START_BPS


def test_a_steady_remb_lets_the_estimate_grow_beyond_it_as_far_as_is_wanted():
    """A receiver tells little more than what it gets, so that what is not sent would never be."""
    estimator = Sender().estimator
    estimator.wanted_bps = 700e3
    estimator.remb(200e3)
    estimator.remb(200e3 * REMB_STEADY)
    assert estimator.estimate_bps == pytest.approx(200e3 * REMB_GROWTH)
    for _ in range(50):
        estimator.remb(200e3)
    assert estimator.estimate_bps == pytest.approx(700e3)
    estimator.remb(900e3)
    assert estimator.estimate_bps == 900e3
    estimator.remb(150e3)
    assert estimator.estimate_bps == 150e3, "one that falls says that the path is full"


def test_an_empty_path_lets_the_estimate_grow():
    sender = Sender()
    sender.send(600e3, 5.0)
    estimator = sender.estimator
    assert 1.2 * DEFAULT_START_BPS <= estimator.estimate_bps <= 1.5 * 600e3 + 10e3
    assert estimator.acked_bps == pytest.approx(600e3, rel=0.1)
    assert estimator.rtt_s == pytest.approx(0.035, abs=0.015)
    assert not estimator.congested and estimator.queue_delay_s == 0.0 and estimator.decreases == 0
    assert estimator.media_bps == estimator.estimate_bps and estimator.loss == 0.0
    assert not estimator.near_capacity(sender.now) and estimator.measured


def test_a_queue_that_grows_lowers_it_below_what_arrives():
    sender = Sender(last_time_bps=1.4e6)
    sender.send(1e6, 3.0)
    sender.send(1e6, 1.0, grow=0.1)
    estimator = sender.estimator
    assert estimator.estimate_bps <= 0.9 * 1e6 and estimator.decreases >= 1
    assert estimator.congested and estimator.near_capacity(sender.now)


def test_a_queue_that_stands_stops_the_growth_and_one_that_drains_too():
    sender = Sender(last_time_bps=1.4e6)
    sender.send(1e6, 3.0)
    sender.queue_s = 0.1
    sender.send(1e6, 2.0)
    before_bps = sender.estimator.estimate_bps
    sender.send(1e6, 2.0)
    assert sender.estimator.queue_delay_s == pytest.approx(0.1, abs=0.005)
    assert sender.estimator.congested and sender.estimator.estimate_bps == before_bps
    sender.send(1e6, 0.5, grow=-0.2)
    assert sender.estimator.estimate_bps <= before_bps


def test_a_path_that_shrinks_at_once_is_cut_at_once():
    sender = Sender(last_time_bps=2e6)
    sender.send(1e6, 3.0)
    sender.send(1e6, 0.18, grow=2.0)
    assert sender.estimator.estimate_bps <= 0.4e6


@pytest.mark.parametrize(
    ("apart_s", "least_bps", "most_bps"),
    [
        pytest.param(0.019, 0.0, 0.4e6, id="one after another: the path has become that small"),
        pytest.param(0.0005, 0.9e6, 2e6, id="all at once: who reads them has no CPU"),
    ],
)
def test_pictures_that_wait_longer_and_longer(apart_s, least_bps, most_bps):
    sender = Sender(last_time_bps=2e6)
    sender.send(1e6, 3.0)
    sender.wait_longer_and_longer(apart_s)
    assert least_bps <= sender.estimator.estimate_bps <= most_bps


@pytest.mark.parametrize(("asleep_s", "least_bps", "most_bps"), [(0.1, 0.0, 0.4e6), (0.8, 0.9e6, 2e6)])
def test_who_has_slept_does_not_blame_the_path(asleep_s, least_bps, most_bps):
    """The machine that everybody runs on may have slept as well."""
    sender = Sender(last_time_bps=2e6)
    for _ in range(30):
        sender.send(1e6, 0.1)
        sender.estimator.handle_timeout(sender.now + DELAY_S)
    sender.now += asleep_s
    sender.wait_longer_and_longer(0.019)
    assert least_bps <= sender.estimator.estimate_bps <= most_bps


def test_an_application_that_sends_little_is_not_cut_to_that():
    sender = Sender(last_time_bps=3e6)
    sender.send(200e3, 5.0)
    assert sender.estimator.estimate_bps == pytest.approx(2.1e6)
    sender.send(200e3, 1.5, grow=0.08)
    assert sender.estimator.estimate_bps >= 0.6e6


def test_loss_that_a_cut_does_not_cure_leaves_the_estimate_where_it_was():
    sender = Sender(last_time_bps=1.4e6)
    sender.send(1e6, 3.0)
    before_bps = sender.estimator.estimate_bps
    sender.send(1e6, 0.7, lose=5)
    assert sender.estimator.estimate_bps < before_bps
    sender.send(1e6, 2.0, lose=5)
    assert sender.estimator.estimate_bps >= before_bps
    assert sender.estimator.inherent_loss == pytest.approx(0.2, abs=0.03)
    assert sender.estimator.media_bps == pytest.approx(0.8 * sender.estimator.estimate_bps, rel=0.05)
    assert sender.estimator.loss == pytest.approx(0.2, abs=0.03)


def test_loss_that_a_cut_cures_stays_cut():
    sender = Sender(last_time_bps=1.4e6)
    sender.send(1e6, 3.0)
    sender.send(1e6, 0.7, lose=3)
    cut_bps = sender.estimator.estimate_bps
    assert cut_bps <= 0.95e6
    sender.send(0.6e6, 1.0)
    assert cut_bps <= sender.estimator.estimate_bps <= 1.1 * cut_bps
    assert sender.estimator.inherent_loss <= 0.05


def test_a_sender_that_uses_little_is_spared_by_moderate_loss():
    sender = Sender(last_time_bps=3e6)
    sender.send(300e3, 3.0)
    sender.send(300e3, 3.0, lose=6)
    assert sender.estimator.estimate_bps >= 1.6e6


@pytest.mark.parametrize(
    ("first", "count"),
    [
        pytest.param(0, 0, id="about nothing"),
        pytest.param(100, 1, id="about what was never sent"),
        pytest.param(90, 30, id="partly about what was never sent"),
    ],
)
def test_feedback_that_matches_nothing_is_counted(first, count):
    sender = Sender()
    sender.send(500e3, 1.0)
    before = sender.estimator.estimate_bps
    next_seq = sender.log.next_seq
    sender.report(first if count != 1 else next_seq + 5, [1] * count if count != 30 else [1] * (next_seq + 1))
    assert sender.estimator.unmatched_feedback == 1 and sender.estimator.estimate_bps == before


def test_what_is_reported_long_after_is_left_out():
    sender = Sender()
    sender.send(8e6, 1.0)
    before_bps = sender.estimator.acked_bps
    sender.report(0, [4000] * 10)
    assert sender.estimator.unmatched_feedback == 1
    size = sender.log.next_seq
    sender.log.add(sender.now, 1000)
    sender.report(0, [round((sender.now - 90) * 4000)] * (size + 1))
    assert sender.estimator.unmatched_feedback == 1 and size > MAX_LATE
    assert sender.estimator.acked_bps == pytest.approx(before_bps, rel=0.2)


def test_reports_in_which_nothing_new_arrived_change_nothing():
    sender = Sender()
    sender.send(500e3, 1.0)
    before = sender.estimator.estimate_bps
    sender.log.add(sender.now, 1000)
    sender.report(sender.log.next_seq - 1, [None])
    assert sender.estimator.estimate_bps == before and sender.estimator.unmatched_feedback == 0


def test_numbers_wrap():
    sender = Sender(first_seq=65_500)
    sender.send(1e6, 5.0)
    assert sender.log.next_seq > 65_536 and sender.estimator.unmatched_feedback == 0
    assert sender.estimator.estimate_bps > DEFAULT_START_BPS


# --- silence ------------------------------------------------------------------------------------------------------


def silent(sender: Sender) -> None:
    """Packets leave, no feedback comes."""
    until_s = sender.now + 4.0
    while sender.now < until_s:
        sender.log.add(sender.now, 1000)
        sender.estimator.handle_timeout(sender.now)
        sender.now += 0.1


def test_without_any_feedback_ever_nothing_is_known():
    sender = Sender()
    silent(sender)
    assert not sender.estimator.measured
    assert sender.estimator.estimate_bps == DEFAULT_START_BPS and not sender.estimator.silent
    assert sender.estimator.start_probe(sender.now) is None


def test_silence_lowers_the_estimate_step_by_step_and_its_end_tries_what_was():
    sender = Sender()
    sender.send(600e3, 3.0)
    before_bps = sender.estimator.estimate_bps
    silent(sender)
    estimator = sender.estimator
    assert estimator.silent and MIN_BPS <= estimator.estimate_bps <= before_bps / 4
    estimator.wanted_bps = 2e6
    sender.send(100e3, 0.2, lose=2)
    assert not estimator.silent and estimator.inherent_loss == 0.0
    assert estimator.start_probe(sender.now).rate_bps == before_bps


def test_silence_when_the_log_has_forgotten_what_was_not_reported():
    sender = Sender()
    sender.send(600e3, 3.0)
    for _ in range(SendLog.CAPACITY + 10):
        sender.log.add(sender.now, 1000)
    sender.estimator.handle_timeout(sender.now + 1.0)
    assert not sender.estimator.silent
    sender.estimator.handle_timeout(sender.now + 2.0)
    assert sender.estimator.silent


def test_in_silence_a_sign_of_life_leaves_when_nothing_else_does():
    sender = Sender()
    sender.send(600e3, 3.0)
    silent(sender)
    estimator = sender.estimator
    estimator.wanted_bps = 2e6
    assert estimator.start_probe(sender.now) is None  # the last packet left just now
    cluster = estimator.start_probe(sender.now + SILENCE_S)
    assert cluster is not None and cluster.rate_bps == 2 * estimator.estimate_bps
    assert estimator.start_probe(sender.now + SILENCE_S) is None


def test_when_nothing_is_on_its_way_the_queue_is_forgotten():
    sender = Sender(last_time_bps=2e6)
    sender.send(1e6, 3.0)
    sender.send(1e6, 1.0, grow=0.1)
    estimator = sender.estimator
    estimator.handle_timeout(sender.now + 0.5)
    assert estimator.congested
    estimator.handle_timeout(sender.now + 1.5)
    assert not estimator.congested and not estimator.silent and estimator.acked_bps == 0.0
    estimator.handle_timeout(sender.now + 1.6)
    assert not estimator.silent


# --- probes -------------------------------------------------------------------------------------------------------


def probing() -> Sender:
    sender = Sender()
    sender.send(600e3, 1.0)
    sender.estimator.wanted_bps = 4e6
    return sender


def test_a_probe_that_comes_through_raises_the_estimate():
    sender = probing()
    estimator = sender.estimator
    cluster = estimator.start_probe(sender.now)
    assert cluster.rate_bps == 1.8e6 and estimator.start_probe(sender.now) is None
    sender.send(1.8e6, 0.06)
    estimator.end_probe(sender.now, True)
    sender.send(600e3, 0.06)
    assert estimator.estimate_bps == pytest.approx(1.8e6, rel=0.05)
    assert not estimator.near_capacity(sender.now)


def test_a_probe_that_finds_the_path_full_says_so():
    sender = probing()
    sender.estimator.start_probe(sender.now)
    sender.send(1.8e6, 0.06, grow=0.5)
    sender.estimator.end_probe(sender.now, True)
    sender.send(600e3, 0.06)
    assert sender.estimator.estimate_bps == pytest.approx(0.95 * 1.2e6, rel=0.05)
    assert sender.estimator.near_capacity(sender.now)


def test_a_probe_raises_no_further_than_is_wanted():
    sender = probing()
    sender.estimator.wanted_bps = 1e6
    sender.estimator.start_probe(sender.now)
    sender.send(1.8e6, 0.06)
    sender.estimator.end_probe(sender.now, True)
    sender.estimator.handle_timeout(sender.now + 1.0)
    assert sender.estimator.estimate_bps == pytest.approx(1e6)


def test_a_probe_with_too_little_to_send_is_given_up():
    sender = probing()
    sender.estimator.start_probe(sender.now)
    sender.estimator.end_probe(sender.now, False)
    assert sender.estimator.start_probe(sender.now + 1.0) is None
    assert sender.estimator.start_probe(sender.now + 5.0) is not None


def test_nothing_is_probed_while_the_path_is_congested():
    sender = Sender(last_time_bps=2e6)
    sender.send(1e6, 3.0)
    sender.send(1e6, 1.0, grow=0.1)
    sender.estimator.wanted_bps = 4e6
    assert sender.estimator.start_probe(sender.now + 4.0) is None


def test_a_receiver_that_tells_nothing_any_more_is_sent_a_little_more_each_second():
    """Everything may be suspended because of what it told: without pictures it will never tell anything else."""
    estimator = BandwidthEstimator(SendLog())
    estimator.handle_timeout(0.0)
    estimator.remb(60_000)
    estimator.wanted_bps = 150_000
    told_bps = []
    for step in range(600):
        estimator.handle_timeout(step / 10)
        told_bps.append(estimator.estimate_bps)
    assert set(told_bps[:50]) == {60_000} and told_bps == sorted(told_bps)
    assert 140_000 < told_bps[-1] <= 160_000
    estimator.remb(70_000)
    assert estimator.estimate_bps >= 70_000
