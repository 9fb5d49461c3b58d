"""A bound in bytes on what a peer may make us send."""

from __future__ import annotations


class ByteBudget:
    """A leaky bucket: ``burst_bytes`` at once, ``rate_bps`` in the long run. Times are monotonic seconds."""

    def __init__(self, rate_bps: float, burst_bytes: int) -> None:
        self._bytes_per_s = rate_bps / 8
        self._burst_bytes = burst_bytes
        self._left_bytes = float(burst_bytes)
        self._counted_s = float("-inf")

    def allows(self, now: float) -> bool:
        """Whether anything is left; the last spending may have overdrawn it."""
        if now > self._counted_s:
            earned = (now - self._counted_s) * self._bytes_per_s
            self._left_bytes = min(self._burst_bytes, self._left_bytes + earned)
            self._counted_s = now
        return self._left_bytes > 0

    def spend(self, size_bytes: int) -> None:
        """Take so many bytes out."""
        self._left_bytes -= size_bytes
