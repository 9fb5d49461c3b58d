"""What a peer may make us send."""

from classroom.sfu.core.budget import ByteBudget


def test_a_burst_at_once_and_the_rate_afterwards():
    budget = ByteBudget(rate_bps=8000, burst_bytes=3000)
    sent = 0
    while budget.allows(100.0):
        budget.spend(1000)
        sent += 1
    assert sent == 3
    assert not budget.allows(99.0), "time that runs backwards earns nothing"
    assert not budget.allows(100.0)
    assert budget.allows(100.001)
    for second in range(101, 201):
        while budget.allows(second):
            budget.spend(1000)
            sent += 1
    assert sent == 3 + 100


def test_nothing_is_saved_beyond_the_burst():
    budget = ByteBudget(rate_bps=8_000_000, burst_bytes=3000)
    assert budget.allows(0.0)
    budget.spend(3000)
    assert budget.allows(1000.0)
    budget.spend(3000)
    assert not budget.allows(1000.0)
