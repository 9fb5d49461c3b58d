"""How much flows: bits per second over the last moments."""

from __future__ import annotations

BUCKETS = 8
BUCKET_S = 0.25
WINDOW_S = BUCKETS * BUCKET_S
KEYFRAME_BUCKET_S = 1.0
KEYFRAME_WINDOW_S = BUCKETS * KEYFRAME_BUCKET_S


class BitrateMeter:
    """The mean over the last BUCKETS buckets, two seconds as it is. Times are monotonic seconds.

    A stream that is younger counts from its first packet, but as ``least_s`` at least.
    """

    __slots__ = ("_bucket_ends_s", "_bucket_s", "_bytes", "_first_s", "_latest", "_least_s")

    def __init__(self, bucket_s: float = BUCKET_S, least_s: float = BUCKET_S) -> None:
        self._bucket_s, self._least_s = bucket_s, least_s
        self._bytes = [0] * BUCKETS
        self._latest = 0
        self._bucket_ends_s: float | None = None
        self._first_s = 0.0

    def add(self, size_bytes: int, now: float) -> None:
        """Count what came now."""
        if self._bucket_ends_s is None:
            self._first_s, self._bucket_ends_s = now, now + self._bucket_s
        elif now >= self._bucket_ends_s:
            self._advance(now)
        self._bytes[self._latest] += size_bytes

    def bps(self, now: float) -> float:
        """Bits per second until now; 0 before anything came."""
        if self._bucket_ends_s is None:
            return 0.0
        if now >= self._bucket_ends_s:
            self._advance(now)
        full_s = BUCKETS * self._bucket_s - (self._bucket_ends_s - now)
        return sum(self._bytes) * 8 / max(self._least_s, min(full_s, now - self._first_s))

    def _advance(self, now: float) -> None:
        assert self._bucket_ends_s is not None
        steps = int((now - self._bucket_ends_s) / self._bucket_s) + 1
        self._bucket_ends_s += steps * self._bucket_s
        for _ in range(min(steps, BUCKETS)):
            self._latest = (self._latest + 1) % BUCKETS
            self._bytes[self._latest] = 0


class StreamMeter:
    """What a stream takes, its keyframes spread over KEYFRAME_WINDOW_S.

    A keyframe that somebody asked for makes the stream no larger than the link: it is paced, and none follows soon.
    """

    __slots__ = ("_keyframes", "_others")

    def __init__(self) -> None:
        self._others = BitrateMeter()
        self._keyframes = BitrateMeter(KEYFRAME_BUCKET_S, KEYFRAME_WINDOW_S)

    def add(self, size_bytes: int, now: float, *, keyframe: bool = False) -> None:
        """Count what came now; ``keyframe`` tells that it is part of one."""
        (self._keyframes if keyframe else self._others).add(size_bytes, now)

    def bps(self, now: float) -> float:
        """Bits per second until now; 0 before anything came."""
        return self._others.bps(now) + self._keyframes.bps(now)
