"""From the slope of the delay to a verdict on the path (draft-ietf-rmcat-gcc-02 §5.4)."""

from __future__ import annotations

from enum import Enum

GAIN = 4.0
MAX_GAPS = 60  # the slope is trusted more the more gaps were seen, up to here
START_THRESHOLD, MIN_THRESHOLD, MAX_THRESHOLD = 12.5, 6.0, 600.0
K_UP, K_DOWN = 0.0087, 0.039  # per ms: a loud path raises the threshold slowly, a quiet one lowers it
MAX_ADAPTED_EXCESS = 15.0  # a slope that far beyond the threshold is congestion, not the path's own jitter
MAX_ELAPSED_MS = 100.0
OVERUSE_S = 0.010


class Usage(Enum):
    """How full the path is."""

    UNDER = "under"  # queues drain
    NORMAL = "normal"
    OVER = "over"  # queues grow


class OveruseDetector:
    """Compares the slope with a threshold that adapts to the path's own jitter; overuse must last OVERUSE_S."""

    def __init__(self) -> None:
        self.usage = Usage.NORMAL
        self.threshold = START_THRESHOLD
        self._gaps = 0
        self._over_s: float | None = None
        self._over_count = 0
        self._slope = 0.0
        self._adapted_s = float("inf")

    def update(self, slope: float, send_gap_s: float, arrival_s: float) -> Usage:
        """Judge the slope after one more gap."""
        gaps = self._gaps
        if gaps < MAX_GAPS:
            self._gaps = gaps = gaps + 1
        trend = gaps * slope * GAIN
        threshold = self.threshold
        if trend > threshold:
            # The first time one half of the gap counts: overuse began somewhere in it.
            self._over_s = send_gap_s / 2 if self._over_s is None else self._over_s + send_gap_s
            self._over_count += 1
            if self._over_s > OVERUSE_S and self._over_count > 1 and slope >= self._slope:
                self._over_s, self._over_count = 0.0, 0
                self.usage = Usage.OVER
        else:
            self._over_s, self._over_count = None, 0
            self.usage = Usage.UNDER if trend < -threshold else Usage.NORMAL
        self._slope = slope
        # The threshold follows the path's own jitter.
        excess = (trend if trend >= 0 else -trend) - threshold
        elapsed_ms = (arrival_s - self._adapted_s) * 1000
        self._adapted_s = arrival_s
        if excess <= MAX_ADAPTED_EXCESS:
            if elapsed_ms > MAX_ELAPSED_MS:
                elapsed_ms = MAX_ELAPSED_MS
            elif elapsed_ms < 0:  # the first one
                elapsed_ms = 0.0
            threshold += (K_UP if excess > 0 else K_DOWN) * excess * elapsed_ms
            self.threshold = MIN_THRESHOLD if threshold < MIN_THRESHOLD else min(threshold, MAX_THRESHOLD)
        return self.usage
