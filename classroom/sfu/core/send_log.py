"""What a sender stamps into each packet of a path that is measured: by us from its number, or by the receiver."""

from __future__ import annotations

from array import array


class SendLog:
    """When each of the latest CAPACITY packets left, and how large it was, by transport-wide number.

    Source: draft-holmer-rmcat-transport-wide-cc-extensions-01 §2.
    Plain rings by ``number & MASK``, so that a compiled sender may write them. ``next_seq`` never wraps; a packet
    carries its low 16 bits. Who counts a packet as received sets its size to 0, so that no packet counts twice.
    """

    CAPACITY = 4096  # 4 s at 10 Mbit/s: longer than feedback takes over a satellite
    MASK = CAPACITY - 1

    __slots__ = ("next_seq", "sizes_bytes", "times_s")

    def __init__(self) -> None:
        self.times_s = array("d", bytes(8 * self.CAPACITY))
        self.sizes_bytes = array("H", bytes(2 * self.CAPACITY))
        self.next_seq = 0

    def add(self, now: float, size_bytes: int) -> int:
        """Note a packet that leaves now; return the 16-bit number to stamp into it."""
        seq = self.next_seq
        index = seq & 4095
        self.times_s[index] = now
        self.sizes_bytes[index] = size_bytes
        self.next_seq = seq + 1
        return seq & 0xFFFF

    def unwrap(self, number: int) -> int:
        """The latest unwrapped number with these 16 bits that was sent; negative or forgotten when it never was."""
        latest = self.next_seq - 1
        return latest - ((latest - number) & 0xFFFF)

    def holds(self, seq: int) -> bool:
        """Whether the ring still knows the packet with this unwrapped number."""
        return seq >= 0 and self.next_seq - self.CAPACITY <= seq < self.next_seq


class SendClock:
    """Stamps when a packet leaves (abs-send-time), for a receiver that estimates by itself (REMB).

    The extension has 24 bits, 6.18 fixed-point seconds. The 16 that are stamped are the upper ones, to 1 ms.
    """

    __slots__ = ()

    def add(self, now: float, size_bytes: int) -> int:
        """The 16 bits to stamp into a packet that leaves now."""
        return int(now * 1024) & 0xFFFF
