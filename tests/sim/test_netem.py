"""The simulated link does what it says, or the scenarios prove nothing."""

import pytest

from tests.sim.netem import Conditions, GilbertElliott, Link


def carry(conditions: Conditions, count: int, seed: int = 1, spacing_s: float = 0.001, size: int = 100):
    """Send numbered datagrams and return the (arrival, number) of those that come out."""
    link = Link(conditions, seed)
    for number in range(count):
        link.send(number.to_bytes(size, "big"), number * spacing_s)
    arrivals = []
    while (at := link.next_timeout()) is not None:
        arrivals += [(at, int.from_bytes(datagram, "big")) for datagram in link.receive(at)]
    assert link.sent == count and link.delivered == len(arrivals)
    return link, arrivals


def numbers(arrivals):
    return [number for _, number in arrivals]


def test_a_perfect_link_delivers_everything_at_once_and_in_order():
    _, arrivals = carry(Conditions(), 100)
    assert arrivals == [(number * 0.001, number) for number in range(100)]


def test_delay():
    _, arrivals = carry(Conditions(delay_s=0.25), 10)
    assert [at for at, _ in arrivals] == pytest.approx([0.25 + n * 0.001 for n in range(10)])
    link = Link(Conditions(delay_s=0.25), 1)
    link.send(b"x", 1.0)
    assert link.receive(1.249) == [] and link.receive(1.25) == [b"x"] and link.next_timeout() is None


ROUGH = Conditions(delay_s=0.05, jitter_s=0.03, loss=0.1, duplicate=0.05, reorder=0.1, bursts=GilbertElliott(0.01, 0.3))


def test_the_same_seed_gives_the_same_link():
    assert carry(ROUGH, 2000, seed=7)[1] == carry(ROUGH, 2000, seed=7)[1]
    assert carry(ROUGH, 2000, seed=7)[1] != carry(ROUGH, 2000, seed=8)[1]


def test_one_condition_does_not_change_what_another_draws():
    lossy = set(numbers(carry(Conditions(loss=0.1), 2000)[1]))
    rough = set(numbers(carry(Conditions(loss=0.1, jitter_s=0.1, duplicate=0.2, reorder=0.3), 2000)[1]))
    assert lossy == rough


def test_loss():
    link, arrivals = carry(Conditions(loss=0.05), 20_000)
    assert len(arrivals) / 20_000 == pytest.approx(0.95, abs=0.005)
    assert link.lost == 20_000 - len(arrivals)


def test_loss_in_bursts():
    link, arrivals = carry(Conditions(bursts=GilbertElliott(to_bad=0.01, to_good=0.25)), 50_000)
    assert link.lost / 50_000 == pytest.approx(0.01 / 0.26, abs=0.005)  # the share of the bad state
    came = set(numbers(arrivals))
    bursts = sum(1 for n in range(1, 50_000) if n not in came and n - 1 in came)
    assert link.lost / bursts == pytest.approx(1 / 0.25, rel=0.1)  # the mean stay in it


def test_jitter_keeps_the_order():
    _, arrivals = carry(Conditions(delay_s=0.05, jitter_s=0.02), 1000)
    assert numbers(arrivals) == list(range(1000))
    delays = [at - number * 0.001 for at, number in arrivals]
    assert min(delays) >= 0.05 and max(delays) <= 0.0701 and max(delays) - min(delays) > 0.01


def test_reordering_loses_nothing():
    _, arrivals = carry(Conditions(reorder=0.1, reorder_s=0.005), 1000)
    assert sorted(numbers(arrivals)) == list(range(1000)) and numbers(arrivals) != list(range(1000))
    assert max(at - number * 0.001 for at, number in arrivals) == pytest.approx(0.005)


def test_duplication():
    _, arrivals = carry(Conditions(duplicate=0.2), 5000)
    assert len(arrivals) / 5000 == pytest.approx(1.2, abs=0.02)
    assert sorted(set(numbers(arrivals))) == list(range(5000))


def test_a_rate_spaces_datagrams():
    _, arrivals = carry(Conditions(rate_bps=800_000), 10, spacing_s=0.0)
    assert [at for at, _ in arrivals] == pytest.approx([0.001 * (n + 1) for n in range(10)])


def test_a_full_queue_drops_by_bytes():
    link, arrivals = carry(Conditions(rate_bps=800_000, queue_bytes=500), 10, spacing_s=0.0)
    assert numbers(arrivals) == [0, 1, 2, 3, 4] and link.overflowed == 5
    link, arrivals = carry(Conditions(rate_bps=800_000, queue_bytes=500), 100, spacing_s=0.002)
    assert len(arrivals) == 100  # slower than the link: nothing waits
    link, arrivals = carry(Conditions(rate_bps=800_000, queue_bytes=10), 1)
    assert len(arrivals) == 1  # an empty queue takes any datagram


def test_a_link_of_too_little_rate_delivers_as_much_as_it_can():
    _, arrivals = carry(Conditions(rate_bps=400_000, queue_bytes=2000), 5000)
    assert len(arrivals) / 5000 == pytest.approx(0.5, abs=0.01)


def test_outages():
    _, arrivals = carry(Conditions(outages=((0.1, 0.2), (0.5, 0.501))), 1000)
    assert set(range(1000)) - set(numbers(arrivals)) == {*range(100, 200), 500}


def test_conditions_may_change_under_way():
    link = Link(Conditions(delay_s=1.0), 1)
    link.send(b"before", 0.0)
    link.conditions = Conditions(loss=1.0)
    link.send(b"after", 0.1)
    assert link.receive(5.0) == [b"before"]
