"""What left and what arrived."""

from classroom.sfu.core.bandwidth.arrival_groups import Report
from classroom.sfu.core.bandwidth.throughput import Throughput


def report(sent_s: float, arrival_s: float, received: int, missing: int = 0) -> Report:
    return Report(1, 0, received, missing, sent_s, arrival_s)


def test_nothing_is_known_from_one_report():
    throughput = Throughput()
    throughput.update(report(0.0, 1.0, 5000))
    assert throughput.acked_bps is None and throughput.sent_bps is None


def test_rates_are_those_of_the_window():
    throughput = Throughput()
    for step in range(20):
        received, missing = (1000, 0) if step < 10 else (1500, 500)
        throughput.update(report(step * 0.1, 1 + step * 0.1, received, missing))
    assert round(throughput.acked_bps) == 120_000
    assert round(throughput.sent_bps) == 160_000
    assert round(throughput.latest_bps) == 120_000


def test_a_queue_that_grows_shows_between_sent_and_acked():
    throughput = Throughput()
    for step in range(5):
        throughput.update(report(step * 0.1, 1 + step * 0.2, 1000))
    assert round(throughput.acked_bps) == 40_000 and round(throughput.sent_bps) == 80_000


def test_reports_close_to_each_other_tell_nothing_alone():
    throughput = Throughput()
    throughput.update(report(0.0, 1.0, 1000))
    throughput.update(report(0.01, 1.01, 1000))
    assert throughput.acked_bps is None and throughput.latest_bps == float("inf")
    throughput.update(report(0.01, 1.10, 1000))  # nothing newer was sent
    assert throughput.acked_bps is None
    throughput.update(report(0.11, 1.11, 1000))
    assert round(throughput.acked_bps) == round(3000 * 8 / 0.11)


def test_a_pause_or_a_step_back_begins_anew():
    throughput = Throughput()
    for sent_s in (0.0, 0.1, 10.0):
        throughput.update(report(sent_s, 1 + sent_s, 1000))
    assert throughput.acked_bps is None
    throughput.update(report(10.1, 11.1, 1000))
    assert round(throughput.acked_bps) == 80_000
    throughput.update(report(9.0, 11.2, 1000))
    assert throughput.acked_bps is None
