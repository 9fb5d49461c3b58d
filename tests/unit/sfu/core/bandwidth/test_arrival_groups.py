"""Feedback matched with the log, and groups of what left together."""

import pytest

from classroom.sfu.core.bandwidth.arrival_groups import ArrivalGroups
from classroom.sfu.core.send_log import SendLog


def sent(*times_ms: float, size: int = 1000) -> SendLog:
    log = SendLog()
    for at in times_ms:
        log.add(at / 1000, size)
    return log


def ticks(*times_ms: float | None) -> list[int | None]:
    return [None if at is None else round(at * 4) for at in times_ms]


def gaps(report) -> list[tuple[float, float]]:
    return [(round(send * 1000, 3), round(arrival * 1000, 3)) for send, arrival, _ in report.gaps]


@pytest.mark.parametrize(
    ("sending", "arriving", "expected"),
    [
        pytest.param([0, 20, 40, 60], [10, 30, 50, 70], [(20, 20), (20, 20)], id="packets on their own"),
        pytest.param([0, 2, 5, 20, 23, 40, 60], [9, 11, 14, 29, 32, 49, 69], [(18, 18), (17, 17)], id="groups of 5 ms"),
        pytest.param([0, 20, 40, 60], [10, 35, 60, 85], [(20, 25), (20, 25)], id="a queue grows"),
        pytest.param([0, 20, 40, 60, 80], [10, 30, None, 70, 90], [(20, 20), (40, 40)], id="one is lost"),
        pytest.param([0, 20, 40, 60, 80], [10, 30, 32, 70, 90], [(40, 22), (20, 38)], id="held up together"),
    ],
)  # fmt: skip
def test_gaps_between_groups(sending, arriving, expected):
    report = ArrivalGroups(sent(*sending)).read(0, 0, ticks(*arriving))
    assert gaps(report)[: len(expected)] == expected


@pytest.mark.parametrize(
    ("sending", "arriving", "expected"),
    [
        pytest.param([0, 10, 20, 30], [60, 60, 60.5, 62], 3000, id="held up and read at once"),
        pytest.param([0, 10, 20, 30], [60, 60, 63, 64], 1000, id="as many as come within 2 ms"),
        pytest.param([0, 0, 0, 0], [60, 65, 70, 75], 0, id="one after another"),
        pytest.param([0, 0, 0, 0], [20, 20, 20, 20], 0, id="sent at once and not held up"),
        pytest.param([0, 10, 20, 30], [60, None, 60, None], 1000, id="what is lost does not count"),
    ],
)
def test_what_was_held_up_and_came_at_once(sending, arriving, expected):
    assert ArrivalGroups(sent(*sending)).read(0, 0, ticks(*arriving), 0.025).clump_bytes == expected


def test_packets_that_are_held_up_for_long_are_not_one_group_for_ever():
    sending = [20 * step for step in range(80)]
    arriving = [800 + 4 * step for step in range(80)]
    report = ArrivalGroups(sent(*sending)).read(0, 0, ticks(*arriving))
    assert gaps(report) == [(500, 100), (500, 100)]  # 320 ms of arrivals: three groups of 100 ms, one under way


def test_groups_go_on_from_report_to_report():
    groups = ArrivalGroups(sent(0, 20, 40, 60))
    assert gaps(groups.read(0, 0, ticks(10, 30))) == []
    assert gaps(groups.read(2, 0, ticks(50, 70))) == [(20, 20), (20, 20)]


def test_what_a_report_sums_up():
    groups = ArrivalGroups(sent(0, 20, 40, 60))
    report = groups.read(0, 4000, ticks(10, None, 50, 70))
    assert (report.packets, report.missing) == (4, 1)
    assert (report.received_bytes, report.missing_bytes) == (3000, 1000)
    assert report.newest_sent_s == 0.06
    assert report.newest_arrival_s == pytest.approx(1.07)
    assert report.delays_s == pytest.approx([1.01, 1.01, 1.01])
    assert groups.highest == 3


def test_what_is_reported_again_counts_once():
    groups = ArrivalGroups(sent(0, 20, 40))
    groups.read(0, 0, ticks(10, None))
    report = groups.read(0, 0, ticks(10, 31, 50))
    assert (report.packets, report.missing) == (1, 0)
    assert report.received_bytes == 2000  # the late one and the new one
    assert groups.highest == 2
    assert groups.read(0, 0, ticks(10)).packets == 0 and groups.highest == 2


def test_nothing_is_compared_with_what_was_before_a_reset():
    groups = ArrivalGroups(sent(0, 20, 40, 5000, 5020, 5040))
    groups.read(0, 0, ticks(10, 30, 50))
    groups.reset()
    assert gaps(groups.read(3, 0, ticks(9000, 9020, 9040))) == [(20, 20)]


def test_packets_in_which_time_runs_backwards_make_no_gap():
    groups = ArrivalGroups(sent(0, 20, 40, 60, 80))
    report = groups.read(0, 0, ticks(1000, 1020, 500, 1060, 1080))
    assert all(arrival >= 0 for _, arrival, _ in report.gaps)


def test_what_comes_after_its_group_was_closed_counts_but_makes_no_gap():
    groups = ArrivalGroups(sent(0, 20, 40, 60))
    groups.read(0, 0, ticks(10, None, 50))
    report = groups.read(1, 0, ticks(55))
    assert report.received_bytes == 1000 and report.gaps == []
    assert gaps(groups.read(3, 0, ticks(70))) == [(40, 40)]


def test_of_what_was_held_up_together_the_last_tells_the_delay():
    groups = ArrivalGroups(sent(0, 20, 40, 60, 80))
    assert groups.read(0, 0, ticks(10, 75, 76)).delays_s == pytest.approx([0.01, 0.036])
    assert groups.read(3, 0, ticks(77, 90)).delays_s == pytest.approx([0.017, 0.01])
