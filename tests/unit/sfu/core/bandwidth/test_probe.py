"""Probe clusters and when they are due."""

import pytest

from classroom.sfu.core.bandwidth.probe import (
    INTERVAL_S,
    MAX_DURATION_S,
    MIN_DURATION_S,
    RETRY_S,
    Cluster,
    ProbeController,
)
from classroom.sfu.core.send_log import SendLog


def cluster(send_ms: list[float], arrive_ms: list[float | None], rate_bps: float = 2e6, size: int = 1200) -> Cluster:
    """All packets of the log are the cluster; times in milliseconds."""
    log = SendLog()
    made = Cluster(rate_bps, 0.0, 0, 0.0)
    for at in send_ms:
        log.add(at / 1000, size)
    made.end(log.next_seq, 0.1, 0.1)
    made.note(0, 0.0, [None if at is None else round(at * 4) for at in arrive_ms], log)
    return made


SENT = [0, 5, 10, 15, 20]


@pytest.mark.parametrize(
    ("arriving", "measured"),
    [
        pytest.param([40, 45, 50, 55, 60], (1.92e6, False), id="as fast as sent"),
        pytest.param([40, 44, 48, 52, 56], (1.92e6, False), id="faster than sent tells no more than was sent"),
        pytest.param([40, 45.5, 51, 56.5, 62], (4800 * 8 / 0.022, False), id="a little slower"),
        pytest.param([40, 50, 60, 70, 80], (0.95 * 0.96e6, True), id="the path is full"),
        pytest.param([40, None, 50, 55, 60], (3600 * 8 / 0.02, False), id="four are enough"),
        pytest.param([40, None, None, 55, 60], None, id="three are not"),
        pytest.param([40, 42, 43, 44, 45], None, id="held up together on the way"),
        pytest.param([40, 40, 40, 40, 40], None, id="at one moment"),
        pytest.param([60, 55, 50, 45, 40], (1.92e6, False), id="in the wrong order"),
    ],
)
def test_what_a_cluster_measures(arriving, measured):
    result = cluster(SENT, arriving).measure(0.0)
    if measured is None:
        assert result is None
    else:
        assert result == (pytest.approx(measured[0]), measured[1])


def test_a_cluster_sent_at_one_moment_measures_nothing():
    assert cluster([0] * 5, [40, 45, 50, 55, 60]).measure(0.0) is None


@pytest.mark.parametrize(("inherent", "valid"), [(0.0, False), (0.3, True)])
def test_loss_of_the_path_is_not_held_against_it(inherent, valid):
    result = cluster([5 * n for n in range(10)], [40 + 5 * n if n % 3 else None for n in range(10)]).measure(inherent)
    assert (result is not None) == valid


def test_only_packets_of_the_cluster_count_and_only_once():
    log = SendLog()
    for step in range(10):
        log.add(step * 0.005, 1200)
    made = Cluster(2e6, 0.0, 2, 0.0)
    made.note(0, 0.0, [40 * n for n in range(5)], log)  # before its end is known
    made.end(8, 0.1, 0.1)
    log.sizes_bytes[5] = 0  # counted before
    made.note(3, 0.0, [40 * n for n in range(3, 10)], log)
    assert sorted(made._received) == [2, 3, 4, 6, 7]


@pytest.mark.parametrize(
    ("rate_bps", "jitter_s", "size_bytes", "duration_s"),
    [
        pytest.param(1e6, 0.0, 6000, 0.048, id="five packets"),
        pytest.param(8e6, 0.0, 15_000, MIN_DURATION_S, id="15 ms"),
        pytest.param(8e6, 0.02, 80_000, 0.08, id="longer than the jitter"),
        pytest.param(2e6, 1.0, 62_500, MAX_DURATION_S, id="not longer than that"),
    ],
)
def test_the_size_of_a_cluster(rate_bps, jitter_s, size_bytes, duration_s):
    made = Cluster(rate_bps, jitter_s, 0, 0.0)
    assert (made.size_bytes, made.duration_s) == (size_bytes, pytest.approx(duration_s))


# --- when ---------------------------------------------------------------------------------------------------------


def judged(controller: ProbeController, arriving, now: float, rate_bps: float = 2e6):
    made = cluster(SENT, arriving, rate_bps)
    controller.start(made)
    assert controller.next_rate_bps(1e6, 1e7, now) is None  # one at a time
    return controller.verdict(4, 0.0, now)


def test_first_three_times_the_start_then_twice_what_was_confirmed():
    controller = ProbeController(600e3)
    assert controller.next_rate_bps(600e3, 1e7, 1.0) == 1.8e6
    assert judged(controller, [40, 45, 50, 55, 60], 1.0) is not None
    assert controller.next_rate_bps(1.92e6, 1e7, 1.0) == pytest.approx(3.84e6)


def test_what_was_not_confirmed_is_tried_again_later():
    controller = ProbeController(600e3)
    assert judged(controller, [40, 50, 60, 70, 80], 1.0)[1]
    assert controller.next_rate_bps(0.9e6, 1e7, 1.0 + INTERVAL_S - 0.01) is None
    assert controller.next_rate_bps(0.9e6, 1e7, 1.0 + INTERVAL_S) == 1.8e6


def test_a_cluster_that_was_lost_is_tried_again_soon():
    controller = ProbeController(600e3)
    assert judged(controller, [None] * 5, 1.0) is None
    assert (controller.done, controller.failed) == (1, 1)
    assert controller.next_rate_bps(600e3, 1e7, 1.0 + RETRY_S) == 1.2e6


@pytest.mark.parametrize(
    ("estimate_bps", "wanted_bps", "rate_bps"),
    [
        pytest.param(1e6, 0.9e6, None, id="nobody wants more"),
        pytest.param(1e6, 1.04e6, None, id="hardly more"),
        pytest.param(1e6, 1.5e6, 1.5e6, id="no more than is wanted"),
        pytest.param(2e6, 1e7, 4e6, id="the estimate has overtaken what was planned"),
    ],
)
def test_the_rate_depends_on_what_is_wanted(estimate_bps, wanted_bps, rate_bps):
    assert ProbeController(600e3).next_rate_bps(estimate_bps, wanted_bps, 1.0) == rate_bps


def test_a_verdict_waits_for_all_reports_but_not_for_ever():
    controller = ProbeController(600e3)
    assert controller.verdict(100, 0.0, 0.0) is None
    made = Cluster(2e6, 0.0, 0, 0.0)
    controller.start(made)
    assert controller.verdict(100, 0.0, 9.0) is None and controller.cluster is made  # still leaving
    made.end(5, 0.6, 10.0)
    assert controller.verdict(3, 0.0, 10.79) is None and controller.cluster is made
    assert controller.verdict(3, 0.0, 10.8) is None and controller.cluster is None
    assert controller.failed == 1


def test_a_cluster_without_packets_is_given_up():
    controller = ProbeController(600e3)
    controller.start(Cluster(2e6, 0.0, 0, 0.0))
    controller.give_up(1.0)
    assert controller.cluster is None and controller.failed == 1
    assert controller.next_rate_bps(600e3, 1e7, 1.0 + INTERVAL_S) == 1.2e6


def test_after_a_decrease_nothing_is_probed_for_a_while():
    controller = ProbeController(600e3)
    controller.decreased(1.0)
    assert controller.next_rate_bps(300e3, 1e7, 3.9) is None
    assert controller.next_rate_bps(300e3, 1e7, 4.0) == 600e3


def test_when_the_queue_of_a_deep_cut_is_gone_it_is_probed_at_once():
    probes = ProbeController(300e3)
    probes.decreased(10.0)
    assert probes.next_rate_bps(100e3, 1e6, 10.5) is None
    probes.drained(10.5)
    assert probes.next_rate_bps(100e3, 1e6, 10.5) == 200e3


def test_what_was_there_before_an_outage_is_tried_at_once():
    controller = ProbeController(600e3)
    controller.start(cluster(SENT, [40, 45, 50, 55, 60], 200e3))
    controller.retry(2e6, 1.0)
    assert controller.verdict(4, 0.0, 1.0) is not None  # of a sign of life
    assert controller.next_rate_bps(100e3, 1e7, 1.0) == 2e6
    full = [40, 50, 60, 70, 80]
    assert judged(controller, full, 1.5) == (pytest.approx(0.95 * 0.96e6), True)
    assert controller.next_rate_bps(100e3, 1e7, 1.5 + RETRY_S) == 200e3  # soon again for some seconds
    judged(controller, full, 6.0)
    assert controller.next_rate_bps(100e3, 1e7, 6.0 + RETRY_S) is None
