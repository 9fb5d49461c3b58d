"""How much a stranger may ask. Pure: the time is passed in."""

from __future__ import annotations

import math
from collections import OrderedDict

MAX_BODY_BYTES = 256 << 10
MAX_MESSAGE_BYTES = 64 << 10
BODY_S = 10.0
HELLO_S = 5.0
SIGN_INS_PER_MINUTE = 60  # of one address: a school in the morning
SIGN_INS_OF_LOGIN_PER_MINUTE = 10
PAIRING_GUESSES_PER_MINUTE = 120  # of one address: a school that sets up all of its rooms
MESSAGES_PER_S, MESSAGES_BURST = 20.0, 100.0  # of one client on a WebSocket
_MAX_KEYS = 10_000


class Pace:
    """How fast one client is read: what it says faster waits, and holds up nobody but itself."""

    def __init__(self, per_s: float, burst: float, now: float) -> None:
        self._per_s = per_s
        self._burst = self._credit = burst
        self._heard_at_s = now

    def wait_s(self, now: float) -> float:
        """How long to wait before the next message is read."""
        self._credit = min(self._burst, self._credit + (now - self._heard_at_s) * self._per_s) - 1
        self._heard_at_s = now
        return max(0.0, -self._credit / self._per_s)


class RateLimit:
    """A bucket of ``limit`` per key that fills again within a minute.

    The table is bounded: beyond 10 000 keys the one unused for longest is forgotten, and starts with a full bucket.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._per_s = limit / 60
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # key: (left, at_s)

    def spend(self, key: str, now: float) -> int | None:
        """Take one; None when there was one, else after how many seconds there will be."""
        left, at_s = self._buckets.get(key, (float(self._limit), now))
        left = min(float(self._limit), left + (now - at_s) * self._per_s)
        granted = left >= 1
        self._buckets[key] = (left - 1 if granted else left, now)
        self._buckets.move_to_end(key)
        if len(self._buckets) > _MAX_KEYS:
            self._buckets.popitem(last=False)
        return None if granted else math.ceil((1 - left) / self._per_s)
