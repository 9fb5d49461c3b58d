"""Puts what a publisher sends on the server's clock, so that streams of one publisher stay in sync."""

from __future__ import annotations

from collections import deque

from classroom.sfu.core.serial import distance32

WINDOW = 16  # sender reports
STEP_S = 5.0  # no network delays a report by so much: the publisher's clock was set


class Era:
    """The time between two settings of a publisher's clock, in which its offset from ours drifts but does not jump."""

    def __init__(self, offset_s: float) -> None:
        self._samples = deque([offset_s], maxlen=WINDOW)
        self.offset_s = offset_s

    def add(self, offset_s: float) -> None:
        """Note one more measurement: the report that was fastest on its way counts."""
        self._samples.append(offset_s)
        self.offset_s = min(self._samples)


class PublisherClock:
    """Offset of a publisher's NTP clock from ours: the fastest of its latest sender reports.

    The delay on the way is thereby counted once and alike for all its streams; sync between them is exact. When the
    publisher's clock is set, each stream stays in the former era until its own next report.
    """

    def __init__(self) -> None:
        self.era: Era | None = None

    def report(self, sent_s: float, arrived_s: float) -> None:
        """Note a sender report: its time on the publisher's clock and its arrival on ours, both in NTP seconds."""
        offset_s = arrived_s - sent_s
        if self.era is None or abs(offset_s - self.era.offset_s) > STEP_S:
            self.era = Era(offset_s)
        else:
            self.era.add(offset_s)


class CaptureClock:
    """RTP timestamp of one stream to NTP seconds on our clock.

    Until the first sender report the arrival of the first packet stands in for it.
    """

    def __init__(self, publisher: PublisherClock, clock_rate_hz: int) -> None:
        self._publisher = publisher
        self._clock_rate_hz = clock_rate_hz
        self._ts = 0
        self._ntp_s: float | None = None  # of _ts; on the publisher's clock in _era, on ours while there is none
        self._era: Era | None = None

    def arrived(self, ts: int, arrived_s: float) -> None:
        """Note the arrival of a packet; only the first one counts, and only before a report."""
        if self._ntp_s is None:
            self._ts, self._ntp_s = ts, arrived_s

    def report(self, ts: int, sent_s: float) -> None:
        """Note a sender report of this stream, after the publisher's clock did.

        Reports that come out of order do no harm: the latest time wins.
        """
        era = self._publisher.era
        if era is not self._era or self._ntp_s is None or sent_s > self._ntp_s:
            self._ts, self._ntp_s, self._era = ts, sent_s, era

    def captured_s(self, ts: int) -> float | None:
        """NTP seconds on our clock when ``ts`` was captured; None before anything is known."""
        if self._ntp_s is None:
            return None
        seconds = self._ntp_s + distance32(ts, self._ts) / self._clock_rate_hz
        if self._era is not None:
            seconds += self._era.offset_s
        return seconds

    def agrees_with(self, other: CaptureClock) -> bool:
        """Whether one clock, not set in between, has told the times of both: how far they are apart is exact then."""
        return self._era is not None and self._era is other._era

    def timestamp(self, at_s: float) -> int | None:
        """The RTP timestamp that corresponds to NTP seconds on our clock; the inverse of captured_s."""
        reference = self.captured_s(self._ts)
        if reference is None:
            return None
        return (self._ts + round((at_s - reference) * self._clock_rate_hz)) & 0xFFFF_FFFF
