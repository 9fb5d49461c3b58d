"""Inherent loss and loss by congestion."""

import pytest

from classroom.sfu.core.bandwidth.arrival_groups import Report
from classroom.sfu.core.bandwidth.loss import MAX_INHERENT, TRUSTED_S, LossEstimator

BPS = 2e6


def window(loss: LossEstimator, missing: int, now: float, *, flat: bool = True, sent_bps: float = BPS) -> bool:
    """One window of 100 packets within half a second, the last report at ``now``."""
    loss.update(Report(50, missing // 2), flat, sent_bps, now - 0.5)
    return loss.update(Report(50, missing - missing // 2), flat, sent_bps, now)


def test_a_window_needs_packets_and_time():
    loss = LossEstimator()
    assert not loss.update(Report(100, 0), True, BPS, 1.0)
    assert not loss.update(Report(100, 0), True, BPS, 1.4)
    assert loss.update(Report(100, 30), True, BPS, 1.5)
    assert loss.fraction == pytest.approx(0.1)
    assert not loss.update(Report(10, 0), True, BPS, 2.0)
    assert not loss.update(Report(10, 0), True, BPS, 9.0)
    assert loss.update(Report(20, 0), True, BPS, 9.1) and loss.fraction == 0.0


@pytest.mark.parametrize(
    ("missing", "excess"),
    [(0, 0.0), (4, 0.0), (8, 0.0), (15, 0.067), (40, 0.317)],
)
def test_only_what_chance_and_margin_do_not_explain_is_excess(missing, excess):
    loss = LossEstimator()
    assert window(loss, missing, 1.0)
    assert loss.excess == pytest.approx(excess, abs=0.001)


def test_what_is_lost_without_a_queue_is_learnt():
    loss = LossEstimator()
    for step in range(60):
        window(loss, 8, 1.0 + step)
    assert loss.inherent == pytest.approx(0.08, abs=0.001)
    for step in range(60):
        window(loss, 0, 100.0 + step)
    assert loss.inherent == pytest.approx(0.0, abs=0.001)


def test_what_is_lost_in_a_queue_is_not_learnt():
    loss = LossEstimator()
    for step in range(60):
        window(loss, 20, 1.0 + step, flat=False)
    assert loss.inherent == 0.0 and loss.excess > 0.1


def test_a_cut_in_vain_shows_inherent_loss_which_is_trusted_then():
    loss = LossEstimator()
    window(loss, 20, 1.0)
    assert loss.excess > 0.1 and not loss.on_trial
    loss.cut(BPS, 1.5)
    assert loss.on_trial
    assert not loss.update(Report(100, 100), True, BPS, 1.4)  # left before the cut
    assert window(loss, 19, 2.5)
    assert loss.cut_in_vain and not loss.on_trial
    assert loss.inherent == pytest.approx(0.19) and loss.excess == 0.0
    window(loss, 45, 3.5)
    assert loss.excess == 0.0 and not loss.cut_in_vain  # for a while, without a queue
    window(loss, 45, 4.5, flat=False)
    assert loss.excess > 0.1
    window(loss, 60, 2.5 + TRUSTED_S)
    assert loss.excess > 0.1


def test_a_cut_that_helps_shows_congestion():
    loss = LossEstimator()
    window(loss, 20, 1.0)
    loss.cut(BPS, 1.5)
    window(loss, 1, 2.5)
    assert not loss.cut_in_vain
    inherent = loss.inherent
    assert inherent <= 0.02
    window(loss, 8, 3.5, sent_bps=0.9 * BPS)
    assert loss.inherent == inherent  # near the rate from which a cut has helped nothing is learnt
    window(loss, 8, 4.5, sent_bps=0.8 * BPS)
    assert loss.inherent > inherent


def test_inherent_loss_has_a_bound():
    loss = LossEstimator()
    window(loss, 90, 1.0)
    loss.cut(BPS, 1.5)
    window(loss, 90, 2.5)
    assert loss.inherent == MAX_INHERENT
