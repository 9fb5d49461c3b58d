"""How long guessing a password is refused. Pure.

Whoever knows a login could lock its owner out by guessing on purpose. So wrong passwords are counted for each network
alone, and a browser in which the account has signed in before has a count of its own, which nobody else can spend
(OWASP, Slow Down Online Guessing Attacks with Device Cookies). All networks together have a higher bound, against
guesses from many; a known browser is not held up by that. docs/decisions/0008-lockout.md says what was weighed.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

OF_CLIENT, OF_ACCOUNT = 5, 50  # wrong passwords in a row that shut a lock
FIRST = timedelta(minutes=15)
LONGEST = FORGOTTEN_AFTER = timedelta(hours=24)
ANYWHERE = ""  # the client that stands for all that are not known
_MAX_STRANGERS = 10_000


@dataclass(frozen=True, slots=True)
class Client:
    """Where somebody signs in from: a network, or a browser in which this login has signed in before."""

    key: str
    is_known: bool = False


@dataclass(frozen=True, slots=True)
class Lock:
    """Wrong passwords in a row, when the last one was, and until when no other is looked at."""

    failures: int = 0
    failed_at: datetime | None = None
    until: datetime | None = None

    def as_of(self, now: datetime) -> Lock:
        """What is left of it: a day after the last wrong password nothing."""
        return Lock() if self.failed_at is None or now - self.failed_at >= FORGOTTEN_AFTER else self

    def is_shut(self, now: datetime) -> bool:
        """Whether no password is looked at."""
        return self.until is not None and now < self.until

    def after_a_failure(self, now: datetime, allowed: int) -> Lock:
        """The last one that is allowed shuts it for 15 minutes; each one that comes later for twice as long."""
        failures = self.failures + 1
        if failures < allowed:
            return Lock(failures, now)
        doubled = min(failures - allowed, 10)
        return Lock(failures, now, now + min(FIRST * 2**doubled, LONGEST))


@dataclass(frozen=True, slots=True)
class Locks:
    """The two locks between a client and an account."""

    client: Client
    own: Lock = Lock()
    anywhere: Lock = Lock()

    def as_of(self, now: datetime) -> Locks:
        """What is left of them."""
        return replace(self, own=self.own.as_of(now), anywhere=self.anywhere.as_of(now))

    def shut(self, now: datetime) -> Lock | None:
        """The lock that refuses this client, if one does."""
        if self.own.is_shut(now):
            return self.own
        return self.anywhere if self.anywhere.is_shut(now) and not self.client.is_known else None

    def after_a_failure(self, now: datetime) -> Locks:
        """A known browser counts for itself only: it can shut nobody else out."""
        own = self.own.after_a_failure(now, OF_CLIENT)
        if self.client.is_known:
            return replace(self, own=own)
        return replace(self, own=own, anywhere=self.anywhere.after_a_failure(now, OF_ACCOUNT))


class StrangersLocks:
    """Locks of logins that nobody has, so that a locked door does not tell which logins there are.

    Bounded: beyond 10 000 the one used first is forgotten, and starts anew.
    """

    def __init__(self) -> None:
        self._locks: OrderedDict[tuple[str, str], Lock] = OrderedDict()

    def between(self, login: str, client: Client) -> Locks:
        """The locks between a client and a login."""
        own, anywhere = (self._locks.get((login, key), Lock()) for key in (client.key, ANYWHERE))
        return Locks(client, own, anywhere)

    def keep(self, login: str, locks: Locks) -> None:
        """Remember them."""
        for key, lock in ((locks.client.key, locks.own), (ANYWHERE, locks.anywhere)):
            self._locks[login, key] = lock
            self._locks.move_to_end((login, key))
        while len(self._locks) > _MAX_STRANGERS:
            self._locks.popitem(last=False)
