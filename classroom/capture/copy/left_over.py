"""What a delivery may take of an uplink while a lesson is sent over it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from classroom.capture.uplink import UplinkState

SHARE = 0.5  # of what is left over: the estimate is one, and pictures are not evenly large
LEAST_BPS = 64_000  # with less it is not worth while
FIRST_BPS = 128_000  # to begin with, then twice as much each second: a queue would show before it is long
GROWTH_S = 1.0
FIRST_WAIT_S, LAST_WAIT_S = 5.0, 60.0  # after a disturbance
CALM_S = 30.0  # without one: the next wait is short again


class LeftOver:
    """Takes half of what is left, slowly more; stops at the first disturbance and waits longer after each."""

    def __init__(self) -> None:
        self._rate_bps = 0.0
        self._told_s = float("-inf")
        self._again_s = float("-inf")
        self._wait_s = FIRST_WAIT_S

    def rate_bps(self, state: UplinkState | None, now_s: float) -> float:
        """What may be sent now, 0 for nothing; None: nothing is known of the uplink."""
        elapsed_s, self._told_s = now_s - self._told_s, now_s
        if state is None or state.disturbed:
            if self._rate_bps or now_s < self._again_s:  # it may have been us; it is not over yet
                if self._rate_bps:
                    calm = now_s >= self._again_s + CALM_S
                    self._wait_s = FIRST_WAIT_S if calm else min(2 * self._wait_s, LAST_WAIT_S)
                self._again_s = now_s + self._wait_s
            self._rate_bps = 0.0
            return 0.0
        available_bps = SHARE * state.spare_bps
        if now_s < self._again_s or available_bps < LEAST_BPS:
            self._rate_bps = 0.0
            return 0.0
        grown_bps = self._rate_bps * 2 ** min(elapsed_s / GROWTH_S, 1.0) if self._rate_bps else FIRST_BPS
        self._rate_bps = min(available_bps, grown_bps)
        return self._rate_bps
