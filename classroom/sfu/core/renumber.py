"""Outgoing sequence numbers and timestamps without a seam, whatever flows into a slot."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from classroom.sfu.core.up_track import UpTrack

MAX_RUNS = 1024


@dataclass(frozen=True, slots=True)
class Run:
    """A stretch of one UpTrack that leaves under constant offsets."""

    up: UpTrack
    up_start: int  # extended sequence number of its first packet
    out_start: int  # under which that packet left, extended
    ts_offset: int


class Renumberer:
    """The runs of one DownTrack. Packets of the current run cost one addition; older ones are looked up.

    ``seq_offset`` and ``ts_offset`` are those of the current run.
    """

    def __init__(self, first_seq: int, first_ts: int) -> None:
        self.next_seq = 0x10000 | first_seq
        self.next_ts = first_ts
        self.runs: list[Run] = []
        self.running = False
        self.start = 0
        self.seq_offset = 0
        self.ts_offset = 0

    def begin(self, up: UpTrack, ext_seq: int, ts: int, out_ts: int) -> None:
        """Begin a run with the packet ``ext_seq``/``ts`` of ``up``, which leaves at ``next_seq`` with ``out_ts``."""
        self.running = True
        self.start = ext_seq
        self.seq_offset = self.next_seq - ext_seq
        self.ts_offset = (out_ts - ts) & 0xFFFF_FFFF
        self.runs.append(Run(up, ext_seq, self.next_seq, self.ts_offset))
        if len(self.runs) > MAX_RUNS:
            del self.runs[: MAX_RUNS // 2]

    def end(self, highest: int) -> None:
        """End the current run: ``highest`` is the last number of its UpTrack that may have been sent."""
        if self.running:
            self.running = False
            self.next_seq = max(self.next_seq, highest + self.seq_offset + 1)

    def rewind(self, next_seq: int) -> None:
        """Take back what was numbered from ``next_seq`` on and never left; the current run must have ended."""
        self.next_seq = next_seq
        while self.runs and self.runs[-1].out_start >= next_seq:
            self.runs.pop()

    def offsets(self, ext_seq: int) -> tuple[int, int] | None:
        """(seq offset, ts offset) of a packet of the current UpTrack; None when it belongs to no run."""
        if ext_seq >= self.start:
            return self.seq_offset, self.ts_offset
        up = self.runs[-1].up if self.runs else None
        following: Run | None = None
        for run in reversed(self.runs):
            if run.up is not up:
                return None
            if run.up_start <= ext_seq:
                # Between two runs nothing was sent: a number there has no place in the output.
                if following is not None and ext_seq + run.out_start - run.up_start >= following.out_start:
                    return None
                return run.out_start - run.up_start, run.ts_offset
            following = run
        return None

    @property
    def _latest(self) -> int:
        return self.runs[-1].up.highest + self.seq_offset if self.running else self.next_seq - 1

    def unwrap(self, seq: int) -> int:
        """The number next to the latest one that ends in these 16 bits."""
        latest = self._latest
        return latest + (((seq - latest + 0x8000) & 0xFFFF) - 0x8000)

    def source(self, seq: int) -> tuple[UpTrack, int, int] | None:
        """What left under 16-bit ``seq``: (up, ext_seq, ts offset); None when that is not known any more.

        Numbers that nothing has left under yet are not given away: another packet may get them.
        """
        if not self.runs:
            return None
        out = self.unwrap(seq)
        if out > self._latest:
            return None
        index = bisect_right(self.runs, out, key=lambda run: run.out_start) - 1
        if index < 0:
            return None
        run = self.runs[index]
        return run.up, run.up_start + out - run.out_start, run.ts_offset
