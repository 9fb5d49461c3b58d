"""How much flows: bits per second over the last moments."""

from __future__ import annotations

BUCKETS = 8
BUCKET_S = 0.25
WINDOW_S = BUCKETS * BUCKET_S


class BitrateMeter:
    """The mean over the last two seconds, so that a keyframe in each does not show. Times are monotonic seconds."""

    __slots__ = ("_bucket_ends_s", "_bytes", "_first_s", "_latest")

    def __init__(self) -> None:
        self._bytes = [0] * BUCKETS
        self._latest = 0
        self._bucket_ends_s: float | None = None
        self._first_s = 0.0

    def add(self, size_bytes: int, now: float) -> None:
        """Count what came now."""
        if self._bucket_ends_s is None:
            self._first_s, self._bucket_ends_s = now, now + BUCKET_S
        elif now >= self._bucket_ends_s:
            self._advance(now)
        self._bytes[self._latest] += size_bytes

    def bps(self, now: float) -> float:
        """Bits per second until now; 0 before anything came."""
        if self._bucket_ends_s is None:
            return 0.0
        if now >= self._bucket_ends_s:
            self._advance(now)
        full_s = WINDOW_S - (self._bucket_ends_s - now)
        return sum(self._bytes) * 8 / max(BUCKET_S, min(full_s, now - self._first_s))

    def _advance(self, now: float) -> None:
        assert self._bucket_ends_s is not None
        steps = int((now - self._bucket_ends_s) / BUCKET_S) + 1
        self._bucket_ends_s += steps * BUCKET_S
        for _ in range(min(steps, BUCKETS)):
            self._latest = (self._latest + 1) % BUCKETS
            self._bytes[self._latest] = 0
