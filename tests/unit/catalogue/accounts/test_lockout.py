"""The locks of guessers: whom they shut out, for how long, and what they never do."""

from datetime import UTC, datetime, timedelta

import pytest

from classroom.catalogue.accounts import lockout
from classroom.catalogue.accounts.lockout import (
    FIRST,
    FORGOTTEN_AFTER,
    LONGEST,
    OF_ACCOUNT,
    OF_CLIENT,
    Client,
    Lock,
    Locks,
    StrangersLocks,
)

NOW = datetime(2026, 9, 1, tzinfo=UTC)
NETWORK, BROWSER = Client("192.0.2.1"), Client("browser x", is_known=True)


def test_each_failure_after_the_last_that_is_allowed_locks_for_twice_as_long_up_to_a_day():
    lock, waits = Lock(), []
    for _ in range(OF_CLIENT + 9):
        lock = lock.after_a_failure(NOW, OF_CLIENT)
        waits.append(lock.until and lock.until - NOW)
    assert waits[:OF_CLIENT] == [None] * (OF_CLIENT - 1) + [FIRST]
    assert waits[OF_CLIENT : OF_CLIENT + 2] == [2 * FIRST, 4 * FIRST]
    assert waits[-1] == waits[-2] == LONGEST
    assert lock.is_shut(NOW + LONGEST - timedelta(seconds=1)) and not lock.is_shut(NOW + LONGEST)
    assert lock.as_of(NOW + FORGOTTEN_AFTER) == Lock() != lock.as_of(NOW + FORGOTTEN_AFTER - timedelta(seconds=1))


def test_a_network_shuts_itself_out_and_counts_for_all():
    locks = Locks(NETWORK)
    for _ in range(OF_CLIENT):
        assert locks.shut(NOW) is None
        locks = locks.after_a_failure(NOW)
    assert locks.shut(NOW) is locks.own
    assert (locks.own.failures, locks.anywhere.failures) == (OF_CLIENT, OF_CLIENT)
    assert Locks(Client("another"), anywhere=locks.anywhere).shut(NOW) is None


@pytest.mark.parametrize("client", [NETWORK, BROWSER])
def test_the_lock_of_all_networks_is_not_for_a_browser_that_is_known(client):
    shut = Lock(OF_ACCOUNT - 1).after_a_failure(NOW, OF_ACCOUNT)
    assert (Locks(client, anywhere=shut).shut(NOW) is None) == client.is_known


def test_a_browser_that_is_known_shuts_out_nobody_but_itself():
    locks = Locks(BROWSER)
    for _ in range(OF_CLIENT):
        locks = locks.after_a_failure(NOW)
    assert locks.shut(NOW) is locks.own
    assert locks.anywhere == Lock()


def test_the_locks_of_strangers_are_like_all_others_and_bounded(monkeypatch):
    monkeypatch.setattr(lockout, "_MAX_STRANGERS", 4)
    strangers = StrangersLocks()
    for _ in range(OF_CLIENT):
        strangers.keep("nobody", strangers.between("nobody", NETWORK).after_a_failure(NOW))
    assert strangers.between("nobody", NETWORK).shut(NOW) is not None
    assert strangers.between("nobody", Client("another")).shut(NOW) is None
    for other in ("a", "b"):
        strangers.keep(other, strangers.between(other, NETWORK).after_a_failure(NOW))
    assert strangers.between("nobody", NETWORK) == Locks(NETWORK)
