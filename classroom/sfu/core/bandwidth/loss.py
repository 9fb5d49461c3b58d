"""Loss of the path itself, told from loss by congestion.

A satellite or radio link loses packets at any rate; cutting the rate for that starves it without a single packet
saved. What a cut does not cure is the path's own (inherent) loss, and so is what comes and goes slowly while the queue
is flat; only what is clearly more than that is a reason for a cut.
"""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from classroom.sfu.core.bandwidth.arrival_groups import Report

MIN_PACKETS = 40
MIN_WINDOW_S = 0.5
MARGIN = 0.05  # 5 points
DEVIATIONS = 1.5  # chance alone makes the loss of a window differ from that of the path by so many of them
NEAR_FULL = 0.85  # of a rate from which a cut has helped: losses there are not taken for inherent
RISE, FALL = 0.1, 0.15  # per window
TRUSTED_S = 30.0  # after a cut in vain, loss without a queue is not congestion
MAX_INHERENT = 0.5


class LossEstimator:
    """Learns the inherent loss from windows of MIN_WINDOW_S and MIN_PACKETS at least."""

    def __init__(self) -> None:
        self.inherent = 0.0
        self.fraction = 0.0  # of the last window
        self.excess = 0.0  # of it, what is clearly more than inherent; 0 when nothing is
        self.cut_in_vain = False  # the last cut has not helped: what was lost is inherent
        self._packets = self._missing = 0
        self._began_s = float("inf")
        self._cured = 1.0  # loss in the window after a cut above which the cut was in vain; 1 when there was no cut
        self._cut_known_s = float("-inf")
        self._cut_bps = self._full_bps = float("inf")
        self._trusted_s = float("-inf")

    @property
    def on_trial(self) -> bool:
        """Whether it is not known yet what a cut has brought: the rate shall stay as it is."""
        return self._cured < 1.0

    def update(self, report: Report, queue_flat: bool, sent_bps: float, now: float) -> bool:
        """Count what a report covers; return whether ``excess`` is new."""
        if self._packets == 0:
            self._began_s = now
        if now < self._cut_known_s:
            return False  # what left before the cut says nothing of it
        self._packets += report.packets
        self._missing += report.missing
        if self._packets < MIN_PACKETS or now < self._began_s + MIN_WINDOW_S:
            return False
        fraction = self.fraction = self._missing / self._packets
        inherent = self.inherent
        limit = inherent + MARGIN
        variance = limit * (1 - limit) / self._packets
        excess = max(0.0, fraction - limit - DEVIATIONS * sqrt(variance))
        if now < self._trusted_s and queue_flat:
            excess = 0.0
        self._packets = self._missing = 0
        self.cut_in_vain = queue_flat and fraction > self._cured
        if self.cut_in_vain:
            inherent, excess = fraction, 0.0
            self._full_bps = float("inf")
            self._trusted_s = now + TRUSTED_S
        elif self._cured < 1.0:
            self._full_bps = self._cut_bps
        if fraction < inherent:
            inherent += FALL * (fraction - inherent)
        elif queue_flat and sent_bps < NEAR_FULL * self._full_bps:
            inherent += RISE * (fraction - inherent)
        self.inherent = min(inherent, MAX_INHERENT)
        self._cured = 1.0
        self.excess = excess
        return True

    def cut(self, sent_bps: float, known_s: float) -> None:
        """The rate was lowered clearly below what arrives; what it brings shows in what comes from then on."""
        self._cut_bps, self._cut_known_s = sent_bps, known_s
        self._cured = (self.fraction + self.inherent) / 2
