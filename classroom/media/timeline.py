"""RTP timestamps of one stream to seconds on the server's clock, by its RTCP sender reports (RFC 3550 §6.4.1)."""

from __future__ import annotations

from collections import deque
from statistics import median

SLEW_S_PER_S = 0.005  # how fast a deviation is followed; not audible, not visible
# The first reports of a stream rest on the arrival of its first packet, until those of the publisher come. The line
# is therefore followed faster at the beginning, still without a jump.
SETTLING_S = 10.0
SETTLING_SLEW_S_PER_S = 0.05
SETTLING_REPORTS = 3
REPORTS = 9  # the median of so many is followed: outliers and late ones do no harm
STEP_S = 0.5  # a deviation as large as this, in STEP_REPORTS reports alike, is a jump of the publisher's timestamps
STEP_REPORTS = 5
STEP_SPREAD_S = 0.1


class Timeline:
    """A line through the sender reports that never runs backwards.

    The first report anchors it. Later ones are followed by slewing towards the median deviation of the latest; a
    lasting jump of the source moves the line at once. All timestamps are extended (never wrap), in ``clock_rate_hz``.
    """

    def __init__(self, clock_rate_hz: int) -> None:
        self._rate_hz = clock_rate_hz
        self._anchor_ts = 0
        self._anchor_s: float | None = None
        self._knee_ts = 0  # where the present slew begins
        self._correction_s = 0.0  # at the knee
        self._target_s = 0.0  # the correction that is slewed to
        self._latest_ts: int | None = None
        self._newest_report_s = float("-inf")
        self._deviations: deque[float] = deque(maxlen=REPORTS)

    @property
    def anchored(self) -> bool:
        """Whether times can be asked for."""
        return self._anchor_s is not None

    def anchor(self, ts: int, at_s: float) -> None:
        """Say where the line begins, when packets come without a report; only the first call counts."""
        if self._anchor_s is None:
            self._anchor_ts = self._knee_ts = ts
            self._anchor_s = at_s

    def report(self, ts: int, at_s: float) -> None:
        """Take a sender report: ``ts`` was at ``at_s``. One that is older than another already taken is ignored."""
        if at_s <= self._newest_report_s:
            return
        self._newest_report_s = at_s
        if self._anchor_s is None:
            self.anchor(ts, at_s)
            self._deviations.append(0.0)
            return
        self._deviations.append(at_s - self._line_s(ts))
        self._turn(max(ts, self._knee_ts) if self._latest_ts is None else max(self._latest_ts, self._knee_ts))

    def time_s(self, ts: int) -> float:
        """Seconds on the server's clock; grows with ``ts``. Raises ValueError before the first report or anchor."""
        if self._anchor_s is None:
            raise ValueError("no sender report yet")
        if self._latest_ts is None or ts > self._latest_ts:
            self._latest_ts = ts
        return self._line_s(ts) + self._correction_at(ts)

    def _line_s(self, ts: int) -> float:
        assert self._anchor_s is not None
        return self._anchor_s + (ts - self._anchor_ts) / self._rate_hz

    def _settling(self, ts: int) -> bool:
        return ts - self._anchor_ts < SETTLING_S * self._rate_hz

    def _correction_at(self, ts: int) -> float:
        slew = SETTLING_SLEW_S_PER_S if self._settling(self._knee_ts) else SLEW_S_PER_S
        most = max(0, ts - self._knee_ts) / self._rate_hz * slew
        return self._correction_s + min(max(self._target_s - self._correction_s, -most), most)

    def _turn(self, at_ts: int) -> None:
        """Begin a new slew at ``at_ts``, from where the line is there."""
        self._correction_s = self._correction_at(at_ts)
        self._knee_ts = at_ts
        recent = list(self._deviations)[-STEP_REPORTS:]
        middle = median(recent)
        lasting = len(recent) == STEP_REPORTS and max(recent) - min(recent) < STEP_SPREAD_S
        if lasting and abs(middle - self._correction_s) > STEP_S:
            self._correction_s = self._target_s = middle
            self._deviations.clear()
            return
        reports = list(self._deviations)
        self._target_s = median(reports[-SETTLING_REPORTS:] if self._settling(at_ts) else reports)
