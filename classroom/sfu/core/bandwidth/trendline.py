"""Whether the delay of a path grows: slope of the smoothed delay over the last groups."""

from __future__ import annotations

WINDOW = 20  # groups
SMOOTHING = 0.9


class Trendline:
    """Least squares over the last WINDOW groups, one step per group.

    The sums are made anew each time the ring has turned, with times counted from its oldest entry: rounding errors
    do not gather, and it costs no more per group.
    """

    def __init__(self) -> None:
        self._times_s = [0.0] * WINDOW
        self._delays_s = [0.0] * WINDOW
        self._at = 0
        self._full = False
        self._origin_s = 0.0
        self._accumulated_s = self._smoothed_s = 0.0
        self._sum_t = self._sum_d = self._sum_tt = self._sum_td = 0.0
        self.slope = 0.0  # seconds of delay per second; 0 until the window is full

    def update(self, arrival_s: float, delay_change_s: float) -> float:
        """Add the change of delay from one group to the next; return the slope."""
        at = self._at
        if at == 0:
            self._turn(arrival_s)
        self._accumulated_s += delay_change_s
        delay_s = self._smoothed_s = SMOOTHING * self._smoothed_s + (1 - SMOOTHING) * self._accumulated_s
        time_s = arrival_s - self._origin_s
        old_time_s, old_delay_s = self._times_s[at], self._delays_s[at]
        self._times_s[at], self._delays_s[at] = time_s, delay_s
        self._at = (at + 1) % WINDOW
        self._sum_t += time_s - old_time_s
        self._sum_d += delay_s - old_delay_s
        self._sum_tt += time_s * time_s - old_time_s * old_time_s
        self._sum_td += time_s * delay_s - old_time_s * old_delay_s
        if not self._full:
            self._full = self._at == 0
            if not self._full:
                return 0.0
        variance = WINDOW * self._sum_tt - self._sum_t * self._sum_t
        if variance > 1e-9:  # else all came at one moment: the slope stays
            self.slope = (WINDOW * self._sum_td - self._sum_t * self._sum_d) / variance
        return self.slope

    def _turn(self, arrival_s: float) -> None:
        if not self._full:
            self._origin_s = arrival_s
            return
        # Delays count from the oldest one as well: only their slope matters, and they drift away with the clocks.
        shift_s, floor_s = self._times_s[0], self._delays_s[0]
        self._origin_s += shift_s
        times_s = self._times_s = [time_s - shift_s for time_s in self._times_s]
        delays_s = self._delays_s = [delay_s - floor_s for delay_s in self._delays_s]
        self._accumulated_s -= floor_s
        self._smoothed_s -= floor_s
        self._sum_t, self._sum_d = sum(times_s), sum(delays_s)
        self._sum_tt = sum(time_s * time_s for time_s in times_s)
        self._sum_td = sum(time_s * delay_s for time_s, delay_s in zip(times_s, delays_s, strict=True))
