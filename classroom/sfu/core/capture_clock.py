"""Puts what a publisher sends on the server's clock, so that streams of one publisher stay in sync."""

from __future__ import annotations

from collections import deque

from classroom.sfu.core.serial import distance32

WINDOW = 16  # sender reports


class PublisherClock:
    """Offset of a publisher's NTP clock from ours: the fastest of its latest sender reports.

    The delay on the way is thereby counted once and alike for all its streams; sync between them is exact.
    """

    def __init__(self) -> None:
        self._samples: deque[float] = deque(maxlen=WINDOW)
        self.offset_s: float | None = None

    def report(self, sent_s: float, arrived_s: float) -> None:
        """Note a sender report: its time on the publisher's clock and its arrival on ours, both in NTP seconds."""
        self._samples.append(arrived_s - sent_s)
        self.offset_s = min(self._samples)


class CaptureClock:
    """RTP timestamp of one stream to NTP seconds on our clock.

    Until the first sender report the arrival of the first packet stands in for it.
    """

    def __init__(self, publisher: PublisherClock, clock_rate_hz: int) -> None:
        self._publisher = publisher
        self._clock_rate_hz = clock_rate_hz
        self._ts = 0
        self._ntp_s: float | None = None  # of _ts, on the publisher's clock once _reported
        self._reported = False

    def arrived(self, ts: int, arrived_s: float) -> None:
        """Note the arrival of a packet; only the first one counts, and only before a report."""
        if self._ntp_s is None:
            self._ts, self._ntp_s = ts, arrived_s

    def report(self, ts: int, sent_s: float) -> None:
        """Note a sender report of this stream; reports that come out of order do no harm, the latest time wins."""
        if not self._reported or self._ntp_s is None or sent_s > self._ntp_s:
            self._ts, self._ntp_s, self._reported = ts, sent_s, True

    def captured_s(self, ts: int) -> float | None:
        """NTP seconds on our clock when ``ts`` was captured; None before anything is known."""
        if self._ntp_s is None:
            return None
        seconds = self._ntp_s + distance32(ts, self._ts) / self._clock_rate_hz
        if self._reported and self._publisher.offset_s is not None:
            seconds += self._publisher.offset_s
        return seconds

    def timestamp(self, at_s: float) -> int | None:
        """The RTP timestamp that corresponds to NTP seconds on our clock; the inverse of captured_s."""
        reference = self.captured_s(self._ts)
        if reference is None:
            return None
        return (self._ts + round((at_s - reference) * self._clock_rate_hz)) & 0xFFFF_FFFF
