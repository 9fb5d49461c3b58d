"""A publisher that numbers its packets anew under the same SSRC: an encoder that was started again (RFC 3550 §A.1)."""

from __future__ import annotations

RESTART_PACKETS = 4  # in a row: stray ones never have numbers that follow each other


class RestartDetector:
    """Counts packets that are neither new nor known: older than what is kept, or others under known numbers."""

    __slots__ = ("_count", "_next_seq")

    def __init__(self) -> None:
        self._next_seq = -1
        self._count = 0

    def unknown(self, seq: int) -> bool:
        """Note such a packet by its 16-bit number; True when it is one too many in a row."""
        self._count = self._count + 1 if seq == self._next_seq else 1
        self._next_seq = (seq + 1) & 0xFFFF
        return self._count >= RESTART_PACKETS
