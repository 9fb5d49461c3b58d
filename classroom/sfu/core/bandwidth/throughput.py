"""What left and what arrived, over the last reports."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from classroom.sfu.core.bandwidth.arrival_groups import Report

WINDOW_S = 0.3  # some reports of 62 ms; libwebrtc's 150 ms sees too few pictures of a video
MIN_SPAN_S = 0.05
MAX_SPAN_S = 2.0  # what is older is another time, even when nothing came since


class _Sample(NamedTuple):
    sent_s: float
    arrival_s: float
    received_bytes: int
    sent_bytes: int


class Throughput:
    """Rates between the last packets of two reports: bytes of all reports after the first one, by its distance.

    ``acked_bps`` is what arrived by the receiver's clock, ``sent_bps`` what left by ours, of the same packets.
    Both None until there is enough to tell. ``latest_bps`` is what arrived between the last two reports.
    """

    def __init__(self, window_s: float = WINDOW_S) -> None:
        self._window_s = window_s
        self._samples: deque[_Sample] = deque()
        self._received_bytes = self._sent_bytes = 0
        self.acked_bps: float | None = None
        self.sent_bps: float | None = None
        self.latest_bps = float("inf")

    def update(self, report: Report) -> None:
        """Add a report that has received packets."""
        samples = self._samples
        sent_s, arrival_s = report.newest_sent_s, report.newest_arrival_s
        if samples and (sent_s < samples[-1].sent_s or sent_s - samples[-1].sent_s > MAX_SPAN_S):
            self.reset()
        sent_bytes = report.received_bytes + report.missing_bytes
        if samples:
            latest_s = arrival_s - samples[-1].arrival_s
            self.latest_bps = report.received_bytes * 8 / latest_s if latest_s >= MIN_SPAN_S else float("inf")
            self._received_bytes += report.received_bytes
            self._sent_bytes += sent_bytes
        samples.append(_Sample(sent_s, arrival_s, report.received_bytes, sent_bytes))
        while len(samples) > 2 and arrival_s - samples[1].arrival_s >= self._window_s:
            samples.popleft()
            self._received_bytes -= samples[0].received_bytes
            self._sent_bytes -= samples[0].sent_bytes
        arrival_span_s = arrival_s - samples[0].arrival_s
        sent_span_s = sent_s - samples[0].sent_s
        if arrival_span_s >= MIN_SPAN_S and sent_span_s >= MIN_SPAN_S:
            self.acked_bps = self._received_bytes * 8 / arrival_span_s
            self.sent_bps = self._sent_bytes * 8 / sent_span_s

    def reset(self) -> None:
        """Forget."""
        self._samples.clear()
        self._received_bytes = self._sent_bytes = 0
        self.acked_bps = self.sent_bps = None
        self.latest_bps = float("inf")
