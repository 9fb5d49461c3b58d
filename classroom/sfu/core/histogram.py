"""A histogram of durations with fixed bounds, as Prometheus counts them."""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate

BOUNDS_S = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


class Histogram:
    """``counts`` has one number for each of BOUNDS_S and one for what is longer; they are not cumulative."""

    __slots__ = ("counts", "sum_s")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS_S) + 1)
        self.sum_s = 0.0

    def observe(self, duration_s: float) -> None:
        """Count a duration."""
        self.counts[bisect_left(BOUNDS_S, duration_s)] += 1
        self.sum_s += duration_s


def quantile_s(counts: list[int] | tuple[int, ...], share: float) -> float | None:
    """The bound below which ``share`` (0…1) of what was counted lies; None when nothing was, inf beyond the last."""
    wanted = share * sum(counts)
    if not wanted:
        return None
    below = list(accumulate(counts))
    return (*BOUNDS_S, float("inf"))[next(n for n, seen in enumerate(below) if seen >= wanted)]
