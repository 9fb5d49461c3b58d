"""Redundant sound (RFC 2198): a packet carries copies of earlier ones, spaced so that a burst of losses spares one.

The copies are what the publisher sent: nothing is encoded here.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from classroom.sfu.core.rtp import RtpPacket
from classroom.sfu.core.serial import distance32

if TYPE_CHECKING:
    from collections.abc import Sequence

    from classroom.sfu.core.cache import PacketCache

MAX_OFFSET = (1 << 14) - 1  # RTP ticks: 341 ms of Opus
MAX_LENGTH = (1 << 10) - 1  # bytes of a copy
Distances = tuple[int, ...]  # in packets, ascending; () for none
_BLOCK = struct.Struct("!I")

# By share of packets that a receiver has lost of late: spacing is free, each copy costs as much as the sound itself.
LADDER: tuple[tuple[float, Distances], ...] = ((0.0, ()), (0.01, (1,)), (0.03, (2, 5)), (0.10, (2, 5, 9)))
FAR_S = 0.15  # beyond it a retransmission comes too late for a conversation: one step more
KEEP_S = 10.0  # losses come in spells


def redundant(packet: RtpPacket, cache: PacketCache, pt: int, distances: Distances) -> RtpPacket:
    """The packet with copies of those so far before it, as far as they are there; ``pt`` is that of the copies.

    Made once: whoever takes it later, also as a retransmission, gets the same bytes.
    """
    made = packet.redundant
    if made is None:
        made = packet.redundant = {}
    key = (pt, distances)
    if key not in made:
        made[key] = _with_payload(packet, _build(packet, _copies(packet, cache, distances), pt))
    return made[key]


def _copies(packet: RtpPacket, cache: PacketCache, distances: Distances) -> list[tuple[int, bytes]]:
    """(offset, payload) of the copies, the oldest first."""
    copies = []
    for distance in reversed(distances):
        earlier = cache.get(packet.ext_seq - distance)
        if earlier is None:
            continue
        offset, payload = distance32(packet.ts, earlier.ts), earlier.payload
        if 0 < offset <= MAX_OFFSET and 0 < len(payload) <= MAX_LENGTH:
            copies.append((offset, payload))
    return copies


def _build(packet: RtpPacket, copies: Sequence[tuple[int, bytes]], pt: int) -> bytes:
    heads = b"".join(_BLOCK.pack((0x80 | pt) << 24 | offset << 10 | len(payload)) for offset, payload in copies)
    return heads + bytes((pt,)) + b"".join(payload for _, payload in copies) + packet.payload


def _with_payload(packet: RtpPacket, payload: bytes) -> RtpPacket:
    made = RtpPacket(payload, packet.pt, packet.marker, packet.seq, packet.ts, packet.ssrc, 0, 0, len(payload))
    made.ext_seq = packet.ext_seq
    made.received_at_s = packet.received_at_s
    made.frame_start = packet.frame_start
    made.capture_ntp = packet.capture_ntp
    return made


class Redundancy:
    """How much one receiver gets of it: more at once when it loses, less when it has not lost for KEEP_S."""

    def __init__(self) -> None:
        self.distances: Distances = ()
        self._step = 0
        self._needed_at_s = float("-inf")

    def lost(self, share: float, rtt_s: float, now: float) -> None:
        """Note a report: the share of packets that never came, retransmissions included."""
        step = max(n for n, (least, _) in enumerate(LADDER) if share >= least)
        if rtt_s > FAR_S and share > 0:
            step = min(step + 1, len(LADDER) - 1)
        if step >= self._step or now - self._needed_at_s > KEEP_S:
            self._step, self._needed_at_s = step, now
        self.distances = LADDER[self._step][1]
