"""How long packets stand in queues on the way: the delay of late over the least delay of long."""

from __future__ import annotations

from collections import deque

BASE_S = 30.0  # the path is taken for empty at the best moment of the last one to two of these; follows drifting clocks
RECENT = 8  # reports: half a second
GROUPS = 3  # what one or two groups waited may be a process that got no CPU
STANDING_S = 0.04  # shorter ones come and go with each picture
EVEN_S = 0.005


class QueueDelay:
    """``standing_s`` is what most fast packets of the last RECENT reports waited, so a single spike is not in it.

    Neither is the path's own jitter: the base is the best RECENT reports, not the best packet.
    """

    def __init__(self) -> None:
        self.standing_s = 0.0
        self.latest_s = 0.0  # in the last report, by its fastest packets
        self._recent: deque[float] = deque(maxlen=RECENT)
        self._groups: deque[float] = deque(maxlen=GROUPS)
        self._base_s = self._next_base_s = float("inf")
        self._turned_s = float("-inf")

    @property
    def least_s(self) -> float:
        """What takes longer has waited; with the offset of the delays. Infinite before the first report."""
        return self._base_s + STANDING_S

    @property
    def stands(self) -> bool:
        """Whether the last groups waited one after another, none shorter: a full path, and no moment without CPU."""
        groups, least_s = self._groups, self.least_s
        return len(groups) == GROUPS and groups[-1] >= groups[0] - EVEN_S and min(groups) >= least_s

    def update(self, delays_s: list[float], now: float) -> None:
        """Add the delays of the groups of a report; they may contain any constant offset."""
        self._groups.extend(delays_s)
        least_delay_s, recent = min(delays_s), self._recent
        recent.append(least_delay_s)
        typical_s = sorted(recent)[(len(recent) - 1) // 2]
        if now >= self._turned_s + BASE_S:
            self._base_s, self._next_base_s = self._next_base_s, typical_s
            self._turned_s = now
        self._next_base_s = min(self._next_base_s, typical_s)
        self._base_s = min(self._base_s, typical_s)
        self.standing_s = typical_s - self._base_s
        self.latest_s = max(0.0, least_delay_s - self._base_s)
