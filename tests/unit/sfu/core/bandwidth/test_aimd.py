"""Increase and decrease."""

import pytest

from classroom.sfu.core.bandwidth.aimd import Capacity, RateControl

RTT_S = 0.1


def increased(
    control: RateControl, acked_bps: float, seconds: float, *, limited: bool = False, start_s: float = 10.0
) -> float:
    for step in range(round(seconds * 10) + 1):
        control.increase(acked_bps, limited, RTT_S, start_s + step / 10)
    return control.rate_bps


def test_far_from_the_capacity_the_rate_grows_by_8_percent_a_second():
    assert increased(RateControl(1e6, 1e4), 2e6, 1.0) == pytest.approx(1.08e6)
    assert increased(RateControl(1e6, 1e4), 2e6, 5.0) == pytest.approx(1e6 * 1.08**5)


def test_near_the_capacity_it_grows_by_a_packet_per_reaction_time():
    control = RateControl(2e6, 1e4)
    assert control.decrease(2e6, False, RTT_S, 9.0)
    assert control.rate_bps == pytest.approx(1.7e6)
    assert increased(control, 1.99e6, 1.0, start_s=9.0) == pytest.approx(1.7e6 + 9600 / 0.2, rel=0.01)


def test_an_arrival_rate_far_above_the_known_capacity_makes_it_unknown():
    control = RateControl(1e6, 1e4)
    control.decrease(1e6, False, RTT_S, 9.0)
    assert increased(control, 3e6, 1.0, start_s=9.0) == pytest.approx(0.85e6 * 1.08)


def test_nothing_beyond_what_arrives_confirms():
    assert increased(RateControl(1e6, 1e4), 0.8e6, 30.0) == pytest.approx(1.2e6 + 10_000)
    assert increased(RateControl(1e6, 1e4), 0.1e6, 30.0) == 1e6  # no reason to go down either


def test_an_application_that_sends_little_keeps_the_rate():
    assert increased(RateControl(1e6, 1e4), 2e6, 30.0, limited=True) == 1e6


def test_a_pause_is_no_time_to_grow_in():
    control = RateControl(1e6, 1e4)
    control.increase(2e6, False, RTT_S, 10.0)
    control.hold(20.0)
    control.increase(2e6, False, RTT_S, 20.0)
    assert control.rate_bps == 1e6
    control.increase(2e6, False, RTT_S, 60.0)
    assert control.rate_bps == pytest.approx(1.08e6)


@pytest.mark.parametrize(
    ("rate_bps", "acked_bps", "limited", "expected"),
    [
        pytest.param(2e6, 1e6, False, 0.85e6, id="below what arrives"),
        pytest.param(1e6, 2e6, False, 1e6, id="never up"),
        pytest.param(2e6, 0.1e6, True, 1.7e6, id="what little arrives of an application says nothing"),
        pytest.param(2e6, 1e3, False, 1e4, id="not below the floor"),
    ],
)
def test_decrease(rate_bps, acked_bps, limited, expected):
    control = RateControl(rate_bps, 1e4)
    assert control.decrease(acked_bps, limited, RTT_S, 10.0) == (expected < rate_bps)
    assert control.rate_bps == pytest.approx(expected)


def test_one_decrease_per_round_trip_unless_far_above_what_arrives():
    control = RateControl(2e6, 1e4)
    assert control.decrease(1.9e6, False, RTT_S, 10.0)
    assert not control.decrease(1.5e6, False, RTT_S, 10.05)
    assert control.decrease(0.5e6, False, RTT_S, 10.06)
    assert control.decrease(0.4e6, False, RTT_S, 10.2)


def test_an_application_limited_sender_waits_for_the_effect():
    control = RateControl(2e6, 1e4)
    assert control.decrease(0.1e6, True, 0.6, 10.0)
    assert not control.decrease(0.1e6, True, 0.6, 10.5)
    assert control.decrease(0.1e6, True, 0.6, 10.8)


def test_limit_scale_and_raise():
    control = RateControl(2e6, 1e4)
    control.limit(1.5e6)
    assert control.rate_bps == 1.5e6
    control.limit(1.0)
    assert control.rate_bps == 1e4
    control.raise_to(1e6, 10.0)
    control.raise_to(0.5e6, 10.0)
    assert control.rate_bps == 1e6
    assert control.scale(0.5, 10.0) and control.rate_bps == 0.5e6
    assert not RateControl(1e4, 1e4).scale(0.5, 10.0)


def test_the_capacity_is_a_mean_with_a_deviation():
    capacity = Capacity()
    assert not capacity.fits(1e6)
    capacity.sample(1e6)
    assert capacity.fits(1.05e6) and not capacity.fits(1.1e6)
    for _ in range(200):
        capacity.sample(1.05e6)
    assert capacity.mean_bps == pytest.approx(1.05e6, rel=0.001)
    for _ in range(200):
        capacity.sample(1.05e6 - 55e3)
        capacity.sample(1.05e6 + 55e3)
    assert capacity.fits(1.13e6)  # the deviation has grown
    capacity.sample(2e6)  # does not fit: another path
    assert capacity.mean_bps == 2e6 and not capacity.fits(1.9e6)
    capacity.reset()
    assert not capacity.fits(2e6)
