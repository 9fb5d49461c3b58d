"""Packets that left together, and how the gaps between them changed on the way (draft-ietf-rmcat-gcc-02 §5.2)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from classroom.sfu.core.send_log import SendLog

TICK_S = 0.00025  # arrival times come in steps of 250 µs
GROUP_S = 0.005  # what leaves within it is one group
_BURST_GAP_TICKS = 20  # what arrives within 5 ms although it left later was held up together ...
_BURST_TICKS = 400  # ... for at most 100 ms
CLUMP_S = 0.002
_CLUMP_TICKS = round(CLUMP_S / TICK_S)
_LONG_AGO_TICKS = -(1 << 40)
_NEVER_S = float("inf")


@dataclass(slots=True)
class Report:
    """What one feedback says. Bytes are those of packets not reported before."""

    packets: int
    missing: int
    received_bytes: int = 0
    missing_bytes: int = 0
    newest_sent_s: float = 0.0
    newest_arrival_s: float = 0.0  # on the receiver's clock
    #: arrival - sending of each group, by its fastest packet; has the offset of the two clocks in it
    delays_s: list[float] = field(default_factory=list)
    #: (gap between two groups when sent, when received, time of arrival), seconds
    gaps: list[tuple[float, float, float]] = field(default_factory=list)
    clump_bytes: int = 0  # most that had been held up and arrived within CLUMP_S behind a packet


class ArrivalGroups:
    """Matches feedback with the SendLog and makes groups. One call per feedback; no object per packet."""

    def __init__(self, log: SendLog) -> None:
        self._log = log
        self.highest = -1  # highest number reported, received or not
        self.reset()

    def reset(self) -> None:
        """Begin anew: the gap to what was before says nothing (the link was away)."""
        self._first_sent_s = self._last_sent_s = self._previous_sent_s = float("-inf")
        self._first_tick = self._last_tick = self._previous_tick = _LONG_AGO_TICKS

    def read(self, first: int, reference_ticks: int, arrivals: list[int | None], held_s: float = _NEVER_S) -> Report:
        """Note the arrivals of the unwrapped numbers from ``first`` on, all of which the log holds.

        What took longer than ``held_s``, which has the offset of the two clocks in it, had been held up.
        """
        known = max(0, self.highest + 1 - first)  # reported again because one of them came late
        fresh = arrivals[known:] if known else arrivals
        report = Report(len(fresh), fresh.count(None))
        self.highest = max(self.highest, first + len(arrivals) - 1)
        times_s, sizes_bytes, mask = self._log.times_s, self._log.sizes_bytes, self._log.MASK
        first_sent_s, last_sent_s = self._first_sent_s, self._last_sent_s
        last_tick = self._last_tick
        received_bytes = 0
        clump_tick, clump_bytes, most_bytes = _LONG_AGO_TICKS, 0, 0
        index = first - 1
        for tick in arrivals:
            index = (index + 1) & mask
            size_bytes = sizes_bytes[index]
            if tick is None:
                report.missing_bytes += size_bytes
                continue
            if not size_bytes:
                continue
            sizes_bytes[index] = 0
            received_bytes += size_bytes
            sent_s = times_s[index]
            tick += reference_ticks
            if tick * TICK_S - sent_s > held_s:
                if 0 <= tick - clump_tick <= _CLUMP_TICKS:
                    clump_bytes += size_bytes
                    if clump_bytes > most_bytes:
                        most_bytes = clump_bytes
                else:
                    clump_tick, clump_bytes = tick, 0
            if sent_s < first_sent_s:
                continue  # overtaken: its group is closed
            if sent_s - first_sent_s > GROUP_S:
                gap = tick - last_tick
                if not (
                    gap <= _BURST_GAP_TICKS
                    and gap * TICK_S < sent_s - last_sent_s
                    and tick - self._first_tick < _BURST_TICKS
                ):
                    report.delays_s.append(tick * TICK_S - sent_s)
                    self._close(last_sent_s, last_tick, report)
                    first_sent_s = sent_s
                    self._first_tick = tick
                elif report.delays_s:
                    # Held up together: the last one tells what the path is like, the first how long nobody read.
                    report.delays_s[-1] = min(report.delays_s[-1], tick * TICK_S - sent_s)
                else:
                    report.delays_s.append(tick * TICK_S - sent_s)
            last_sent_s, last_tick = sent_s, tick
        self._first_sent_s, self._last_sent_s = first_sent_s, last_sent_s
        self._last_tick = last_tick
        report.received_bytes, report.clump_bytes = received_bytes, most_bytes
        report.newest_sent_s = last_sent_s
        report.newest_arrival_s = last_tick * TICK_S
        return report

    def _close(self, last_sent_s: float, last_tick: int, report: Report) -> None:
        """The group that ended with this packet is complete: compare it with the one before."""
        arrival_gap = last_tick - self._previous_tick
        if self._previous_sent_s >= 0 and arrival_gap >= 0:
            report.gaps.append((last_sent_s - self._previous_sent_s, arrival_gap * TICK_S, last_tick * TICK_S))
        self._previous_sent_s, self._previous_tick = last_sent_s, last_tick
