"""One clock for all that is captured: monotonic seconds, tied once to the time of day."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from classroom.sfu.core.ntp import ntp_to_unix, unix_to_ntp

if TYPE_CHECKING:
    from collections.abc import Callable

_JUMP_S = 1.0  # beyond this a timestamp has jumped; below it the network or a clock is late
_AHEAD_S = 0.005  # a frame cannot have been captured after it arrived; less than this is rounding
_BEHIND_S = 0.030  # drift that is taken out; half of what lips and voice may differ by
_WINDOW_S = 5.0
_SAME_INSTANT_S = 0.001
_AFTER_S = 0.1  # the first packet of an encoder is from before the first sample, by its look-ahead


class CaptureClock:
    """Monotonic time, and the NTP time that belongs to it.

    The offset is taken once: a step of the computer's clock in mid-lesson must not tear sound and picture apart. It
    begins after ``not_before_ntp``: what was captured before this agent was started again is earlier, whatever became
    of the computer's clock meanwhile.
    """

    def __init__(
        self,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        not_before_ntp: int = 0,
    ) -> None:
        self._monotonic = monotonic
        began_s = max(wall(), ntp_to_unix(not_before_ntp) + _AFTER_S)
        self._offset_s = began_s - monotonic()

    def now_s(self) -> float:
        """Monotonic seconds."""
        return self._monotonic()

    def ntp(self, capture_s: float) -> int:
        """The 64-bit NTP time of an instant on the monotonic clock."""
        return unix_to_ntp(capture_s + self._offset_s)


class LiveTimeline:
    """Maps the timestamps of a live source onto the capture clock, the same way for its sound and picture.

    The mapping is fixed by the first timestamp. It moves only when timestamps jump, run ahead of their own
    arrival, or the quickest arrival of the last 5 s shows that the two clocks have drifted apart by 30 ms.
    """

    def __init__(self) -> None:
        self._offset_s: float | None = None
        self._window_end_s = 0.0
        self._least_delay_s = _JUMP_S
        self.resyncs = 0

    def place(self, source_s: float, arrived_s: float) -> float:
        """The instant of capture of what has timestamp ``source_s`` and arrived at ``arrived_s``."""
        if self._offset_s is None:
            self._offset_s = arrived_s - source_s
            self._open_window(arrived_s)
        delay_s = arrived_s - (source_s + self._offset_s)
        if delay_s < -_AHEAD_S or delay_s > _JUMP_S:
            self._move(delay_s, arrived_s)
        else:
            self._least_delay_s = min(self._least_delay_s, delay_s)
            if arrived_s >= self._window_end_s:
                if self._least_delay_s > _BEHIND_S:
                    self._move(self._least_delay_s, arrived_s)
                self._open_window(arrived_s)
        return source_s + self._offset_s

    def _move(self, by_s: float, now_s: float) -> None:
        assert self._offset_s is not None
        self._offset_s += by_s
        self.resyncs += 1
        self._open_window(now_s)

    def _open_window(self, now_s: float) -> None:
        self._window_end_s = now_s + _WINDOW_S
        self._least_delay_s = _JUMP_S


class Instants:
    """Keeps two frames of a publication from sharing an RTP timestamp: they would be taken for one."""

    def __init__(self) -> None:
        self._last_s = float("-inf")

    def distinct(self, capture_s: float) -> float:
        """The instant itself, or 1 ms after the one before where a timeline that was moved brings them together."""
        if capture_s - self._last_s < _SAME_INSTANT_S and self._last_s - capture_s < 1.0:
            capture_s = self._last_s + _SAME_INSTANT_S
        self._last_s = capture_s
        return capture_s
