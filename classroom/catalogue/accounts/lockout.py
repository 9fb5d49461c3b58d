"""How long guessing a password is refused. Pure."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

WRONG_IN_A_ROW = 5
FIRST = timedelta(minutes=15)
LONGEST = timedelta(hours=24)
_MAX_STRANGERS = 10_000


@dataclass(frozen=True, slots=True)
class Lock:
    """Wrong passwords in a row, and until when no other is looked at."""

    failures: int = 0
    until: datetime | None = None

    def is_shut(self, now: datetime) -> bool:
        """Whether no password is looked at."""
        return self.until is not None and now < self.until

    def after_a_failure(self, now: datetime) -> Lock:
        """The fifth shuts it for 15 minutes; each one that comes later for twice as long."""
        failures = self.failures + 1
        if failures < WRONG_IN_A_ROW:
            return Lock(failures)
        doubled = min(failures - WRONG_IN_A_ROW, 10)
        return Lock(failures, now + min(FIRST * 2**doubled, LONGEST))


class StrangersLocks:
    """Locks of logins that nobody has, so that a locked door does not tell which logins there are.

    Bounded: beyond 10 000 logins the one tried first is forgotten, and starts anew.
    """

    def __init__(self) -> None:
        self._locks: OrderedDict[str, Lock] = OrderedDict()

    def failed(self, login: str, now: datetime) -> Lock:
        """Note one more failure, unless it is shut; returns the lock as it was before."""
        lock = self._locks.pop(login, Lock())
        self._locks[login] = lock if lock.is_shut(now) else lock.after_a_failure(now)
        if len(self._locks) > _MAX_STRANGERS:
            self._locks.popitem(last=False)
        return lock
