"""The packets of one UpTrack, kept for retransmission to anybody and for those who join late."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from classroom.sfu.core.rtp import RtpPacket


class PacketCache:
    """A ring of the latest packets by extended sequence number, with the start of the latest keyframe.

    ``capacity`` is a power of two. One cache serves every receiver: a DownTrack remembers numbers, not packets.
    """

    def __init__(self, capacity: int) -> None:
        if capacity & (capacity - 1):
            raise ValueError("capacity must be a power of two")
        self.capacity = capacity
        self._ring: list[RtpPacket | None] = [None] * capacity
        self._mask = capacity - 1
        self._highest = -1
        self._keyframe: int | None = None

    @property
    def highest(self) -> int:
        """Highest extended sequence number held; -1 when empty."""
        return self._highest

    def add(self, packet: RtpPacket) -> bool:
        """Keep a packet; False when it is a duplicate or older than the ring reaches."""
        ext_seq = packet.ext_seq
        if ext_seq <= self._highest - len(self._ring):
            return False
        index = ext_seq & self._mask
        held = self._ring[index]
        if held is not None and held.ext_seq >= ext_seq:
            return False
        self._ring[index] = packet
        if ext_seq > self._highest:
            self._highest = ext_seq
        if packet.keyframe_start and (self._keyframe is None or ext_seq > self._keyframe):
            self._keyframe = ext_seq
        return True

    def get(self, ext_seq: int) -> RtpPacket | None:
        """The packet with this number, or None when it never came or is gone."""
        held = self._ring[ext_seq & self._mask]
        return held if held is not None and held.ext_seq == ext_seq else None

    def since_keyframe(self, limit: int) -> list[RtpPacket]:
        """The packets from the latest keyframe to now, in order.

        Empty when there is no keyframe, when one of them is missing, or when they are more than ``limit``.
        """
        first = self._keyframe
        if first is None or self._highest - first >= min(limit, len(self._ring)):
            return []
        packets: list[RtpPacket] = []
        for ext_seq in range(first, self._highest + 1):
            packet = self.get(ext_seq)
            if packet is None:
                return []
            packets.append(packet)
        return packets
