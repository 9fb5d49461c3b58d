"""What packets wait on the way."""

import pytest

from classroom.sfu.core.bandwidth.queue_delay import BASE_S, RECENT, QueueDelay


def fed(delays_s, step_s: float = 0.06, offset_s: float = -1234.5) -> QueueDelay:
    queue = QueueDelay()
    for step, delay_s in enumerate(delays_s):
        queue.update([delay_s + offset_s], 100 + step * step_s)
    return queue


def test_an_offset_of_the_clocks_is_no_queue():
    assert fed([0.02] * 20).standing_s == 0.0


def test_a_queue_stands_when_most_packets_wait():
    queue = fed([0.02] * 20 + [0.08] * RECENT)
    assert queue.standing_s == pytest.approx(0.06) and queue.latest_s == pytest.approx(0.06)


def test_a_spike_is_no_standing_queue():
    queue = fed([0.02] * 20 + [0.5])
    assert queue.standing_s == 0.0 and queue.latest_s == pytest.approx(0.48)


@pytest.mark.parametrize(
    ("delays_s", "stands"),
    [
        ([], False),
        ([0.07, 0.08], False),  # two groups only
        ([0.07, 0.08, 0.09], True),
        ([0.07, 0.08, 0.066], True),  # as good as even
        ([0.3, 0.2, 0.1], False),  # what follows a moment without CPU
        ([0.05, 0.07, 0.09], False),  # 30 ms are nothing yet
    ],
)
def test_a_queue_stands_group_after_group(delays_s, stands):
    queue = QueueDelay()
    queue.update([0.02, 0.02, 0.02], 100.0)
    if delays_s:
        queue.update(delays_s, 100.06)
    assert queue.stands is stands


def test_jitter_is_no_queue():
    delays_s = [0.02 + 0.01 * (step * 7 % 10) for step in range(200)]
    assert fed(delays_s).standing_s <= 0.045  # of 90 ms


def test_faster_than_ever_is_no_negative_queue():
    queue = fed([0.08] * 20 + [0.01])
    assert queue.latest_s == 0.0


def test_a_new_path_is_the_base_after_a_while():
    steps = round(2 * BASE_S / 0.06) + 2
    assert fed([0.02] * 20 + [0.3] * (steps // 4)).standing_s == pytest.approx(0.28)
    assert fed([0.02] * 20 + [0.3] * steps).standing_s == pytest.approx(0.0)
