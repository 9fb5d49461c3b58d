"""What to ask a publisher for again, and when (RFC 4585 §6.2.1)."""

from __future__ import annotations

REORDER_GRACE_S = 0.010
MIN_RETRY_S = 0.020
MAX_TRIES = 8
MAX_AGE_S = 2.0
MAX_MISSING = 512


class NackGenerator:
    """Tracks the holes of one stream: asks after a short grace for reordering, then once per RTT, then gives up.

    A hole is given up after MAX_TRIES or MAX_AGE_S, and all at once when there are more than MAX_MISSING (the stream
    jumped, or the link was away): ``take_lost`` then says that a keyframe is needed.
    """

    def __init__(self) -> None:
        self._missing: dict[int, list[float]] = {}  # ext_seq: [noticed_at, ask_at, tries]
        self._highest: int | None = None
        self._lost = False

    def received(self, ext_seq: int, now: float) -> None:
        """Note a packet: it fills a hole, or leaves one before it."""
        highest = self._highest
        if highest is None:
            self._highest = ext_seq
            return
        if ext_seq <= highest:
            self._missing.pop(ext_seq, None)
            return
        gap = ext_seq - highest - 1
        self._highest = ext_seq
        if gap == 0:
            return
        if gap + len(self._missing) > MAX_MISSING:
            self._missing.clear()
            self._lost = True
            return
        for missing in range(highest + 1, ext_seq):
            self._missing[missing] = [now, now + REORDER_GRACE_S, 0]

    def due(self, now: float, rtt_s: float) -> list[int]:
        """The extended sequence numbers to ask for now, ascending."""
        if not self._missing:
            return []
        due: list[int] = []
        gone: list[int] = []
        for ext_seq, hole in self._missing.items():
            if now < hole[1]:
                continue
            if hole[2] >= MAX_TRIES or now - hole[0] > MAX_AGE_S:
                gone.append(ext_seq)
                continue
            due.append(ext_seq)
            hole[1] = now + max(MIN_RETRY_S, rtt_s)
            hole[2] += 1
        for ext_seq in gone:
            del self._missing[ext_seq]
        self._lost = self._lost or bool(gone)
        return due

    def take_lost(self) -> bool:
        """Whether packets were given up since the last call."""
        lost, self._lost = self._lost, False
        return lost

    def next_timeout(self) -> float | None:
        """When ``due`` has something to do; None when nothing is missing."""
        if not self._missing:
            return None
        return min(hole[1] for hole in self._missing.values())
