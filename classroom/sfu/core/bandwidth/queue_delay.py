"""How long packets stand in queues on the way: the delay of late over the least delay of long."""

from __future__ import annotations

from collections import deque

BASE_S = 30.0  # the path is taken for empty at the best moment of the last one to two of these; follows drifting clocks
RECENT = 8  # reports: half a second


class QueueDelay:
    """``standing_s`` is what most fast packets of the last RECENT reports waited, so a single spike is not in it.

    Neither is the path's own jitter: the base is the best RECENT reports, not the best packet.
    """

    def __init__(self) -> None:
        self.standing_s = 0.0
        self.latest_s = 0.0  # in the last report, by its fastest packets
        self._recent: deque[float] = deque(maxlen=RECENT)
        self._base_s = self._next_base_s = float("inf")
        self._turned_s = float("-inf")

    def update(self, least_delay_s: float, now: float) -> None:
        """Add the least delay of a report; it may contain any constant offset."""
        recent = self._recent
        recent.append(least_delay_s)
        typical_s = sorted(recent)[(len(recent) - 1) // 2]
        if now >= self._turned_s + BASE_S:
            self._base_s, self._next_base_s = self._next_base_s, typical_s
            self._turned_s = now
        self._next_base_s = min(self._next_base_s, typical_s)
        self._base_s = min(self._base_s, typical_s)
        self.standing_s = typical_s - self._base_s
        self.latest_s = max(0.0, least_delay_s - self._base_s)
