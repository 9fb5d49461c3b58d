"""The rate that the delay allows: multiplicative increase, additive near the capacity, multiplicative decrease."""

from __future__ import annotations

from math import sqrt

DECREASE = 0.85  # of what arrived
INCREASE_PER_S = 0.08
MAX_OVER_ACKED = 1.5
MAX_OVER_ACKED_BPS = 10_000.0
PACKET_BITS = 9600.0
MIN_ADDITIVE_BPS_PER_S = 4000.0
REACTION_S = 0.1  # on top of a round trip
APP_LIMITED = 0.65  # of the rate
_CAPACITY_SMOOTHING = 0.05


class Capacity:
    """Mean and deviation of what arrived when the path was full (libwebrtc's link capacity)."""

    def __init__(self) -> None:
        self.mean_bps: float | None = None
        self._deviation_kbps = 0.4  # squared, relative to the mean in kbit/s

    def sample(self, acked_bps: float) -> None:
        """Note a rate at which the path was full; one that does not fit begins anew."""
        mean_bps = self.mean_bps
        if mean_bps is None or not self.fits(acked_bps):
            self.mean_bps, self._deviation_kbps = acked_bps, 0.4
            return
        error_kbps = (mean_bps - acked_bps) / 1000
        mean_bps += _CAPACITY_SMOOTHING * (acked_bps - mean_bps)
        self.mean_bps = mean_bps
        relative = error_kbps * error_kbps / max(mean_bps / 1000, 1.0)
        deviation = self._deviation_kbps + _CAPACITY_SMOOTHING * (relative - self._deviation_kbps)
        self._deviation_kbps = min(max(deviation, 0.4), 2.5)

    def fits(self, bps: float) -> bool:
        """Whether the rate lies within three deviations of the mean."""
        if self.mean_bps is None:
            return False
        return abs(bps - self.mean_bps) <= 3000 * sqrt(self._deviation_kbps * self.mean_bps / 1000)

    def reset(self) -> None:
        """The path has become another one."""
        self.mean_bps = None


class RateControl:
    """One rate. ``now`` in monotonic seconds, ``acked_bps`` what arrived lately."""

    def __init__(self, start_bps: float, min_bps: float) -> None:
        self.rate_bps = start_bps
        self._min_bps = min_bps
        self._capacity = Capacity()
        self._increased_s: float | None = None
        self._decreased_s = float("-inf")

    def increase(self, acked_bps: float, app_limited: bool, rtt_s: float, now: float) -> None:
        """The queue is flat: go up a little, but never beyond what 1.5 times the arrived rate can confirm.

        A sender that is limited by its application keeps its rate: nothing confirms a higher one, nor denies this.
        """
        elapsed_s = 0.0 if self._increased_s is None else min(now - self._increased_s, 1.0)
        self._increased_s = now
        if app_limited:
            return
        capacity = self._capacity
        if capacity.mean_bps is not None and acked_bps > capacity.mean_bps and not capacity.fits(acked_bps):
            capacity.reset()
        if capacity.fits(acked_bps):
            rate_bps = self.rate_bps + elapsed_s * max(PACKET_BITS / (rtt_s + REACTION_S), MIN_ADDITIVE_BPS_PER_S)
        else:
            rate_bps = self.rate_bps * (1 + INCREASE_PER_S) ** elapsed_s
        self.rate_bps = max(self.rate_bps, min(rate_bps, MAX_OVER_ACKED * acked_bps + MAX_OVER_ACKED_BPS))

    def hold(self, now: float) -> None:
        """The queue drains: wait until it has."""
        self._increased_s = now

    def decrease(self, acked_bps: float, app_limited: bool, rtt_s: float, now: float, factor: float = DECREASE) -> bool:
        """The queue grows: below what arrives. Return whether the rate has changed.

        When the application and not the path limits what arrives, that says little of the path: step down from the
        present rate instead.
        """
        self._increased_s = now
        wait_s = min(max(rtt_s, 0.01), 0.2) if not app_limited else rtt_s + REACTION_S
        if now < self._decreased_s + wait_s and not (self.rate_bps > 2 * acked_bps and not app_limited):
            return False
        if app_limited:
            rate_bps = DECREASE * max(self.rate_bps, acked_bps)
        else:
            self._capacity.sample(acked_bps)
            rate_bps = factor * acked_bps
        return self._lower(rate_bps, now)

    def limit(self, rate_bps: float) -> None:
        """No more than this."""
        self.rate_bps = max(min(self.rate_bps, rate_bps), self._min_bps)

    def scale(self, factor: float, now: float) -> bool:
        """Loss by congestion, or silence: down by this factor."""
        self._increased_s = now
        return self._lower(self.rate_bps * factor, now)

    def raise_to(self, rate_bps: float, now: float) -> None:
        """A probe has measured this."""
        if rate_bps > self.rate_bps:
            self.rate_bps = rate_bps
            self._increased_s = now

    def _lower(self, rate_bps: float, now: float) -> bool:
        lowered_bps = max(min(rate_bps, self.rate_bps), self._min_bps)
        changed = lowered_bps < self.rate_bps
        self.rate_bps = lowered_bps
        self._decreased_s = now
        return changed
