"""RTP payloads back to media frames: H.264 (RFC 6184, packetization-mode 1) and Opus (RFC 7587).

Packets come in the order in which they arrived; a reorder window waits for late ones. What stays missing is said in
the result (Lost), never raised.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

REORDER_WINDOW_S = 1.0  # a retransmission that takes longer than this does not come any more
REORDER_CAPACITY = 4096  # packets held back at most: about a second at 40 Mbit/s
NAL_SLICE, NAL_IDR, NAL_SPS, NAL_PPS = 1, 5, 7, 8
_STAP_A, _FU_A = 24, 28
_MAX_HEADERS = 16
MAX_UNIT_PACKETS = 4096  # 5 MB; a publisher whose picture never ends must not fill the memory


class RtpPart(NamedTuple):
    """What a depacketizer needs of one RTP packet; ``ts`` extended so that it never wraps.

    ``captured_ntp`` is when its frame was captured, on the clock of its publisher; 0 where the packet does not say.
    """

    ts: int
    marker: bool
    payload: bytes
    captured_ntp: int = 0


@dataclass(frozen=True, slots=True)
class Lost:
    """Packets that will not come. With H.264 the frames up to the next keyframe are dropped with them."""

    packets: int


@dataclass(frozen=True, slots=True)
class AccessUnit:
    """One coded picture: NAL units without start codes, in decoding order. ``ts`` in RTP ticks, extended."""

    ts: int
    nals: list[bytes]
    keyframe: bool
    captured_ntp: int = 0


@dataclass(frozen=True, slots=True)
class OpusFrame:
    """One Opus packet. ``ts`` and ``duration`` in ticks of 1/48000 s."""

    ts: int
    data: bytes
    duration: int
    captured_ntp: int = 0


class ReorderWindow:
    """Puts packets back in the order of their extended sequence numbers.

    Packets in order pass at once. Behind a hole they wait until it is filled, for at most ``window_s``.
    """

    __slots__ = ("_capacity", "_held", "_next", "_window_s")

    def __init__(self, window_s: float = REORDER_WINDOW_S, capacity: int = REORDER_CAPACITY) -> None:
        self._window_s = window_s
        self._capacity = capacity
        self._next: int | None = None
        self._held: dict[int, tuple[float, RtpPart]] = {}  # by sequence number, with the arrival

    @property
    def holding(self) -> bool:
        """Whether packets wait behind a hole."""
        return bool(self._held)

    def push(self, ext_seq: int, part: RtpPart, now_s: float) -> list[RtpPart | Lost]:
        """Take a packet, return what is due, in order. Duplicates and those that come after their time are dropped."""
        if self._next is None:
            self._next = ext_seq
        if ext_seq == self._next and not self._held:
            self._next += 1
            return [part]
        if ext_seq >= self._next and ext_seq not in self._held:
            self._held[ext_seq] = (now_s, part)
        return self.advance(now_s)

    def advance(self, now_s: float) -> list[RtpPart | Lost]:
        """Return what is due at ``now_s``: what follows without a hole, and what has waited long enough."""
        out: list[RtpPart | Lost] = []
        held = self._held
        while held and self._next is not None:
            if self._next in held:
                out.append(held.pop(self._next)[1])
                self._next += 1
                continue
            waiting_since_s = next(iter(held.values()))[0]  # insertion order is order of arrival
            if len(held) <= self._capacity and now_s < waiting_since_s + self._window_s:
                break
            first = min(held)
            out.append(Lost(first - self._next))
            self._next = first
        return out

    def flush(self) -> list[RtpPart | Lost]:
        """Nothing more will come: return everything that waits."""
        return self.advance(float("inf"))


class H264Depacketizer:
    """Packets of one H.264 stream to access units (single NAL unit, STAP-A and FU-A packets).

    The first access unit is a keyframe, and so is the first one after Lost: nothing is handed out that cannot be
    decoded. ``needs_keyframe`` says that everything is dropped until then.
    """

    def __init__(self, window_s: float = REORDER_WINDOW_S) -> None:
        self._order = ReorderWindow(window_s)
        self._ts: int | None = None
        self._captured_ntp = 0
        self._nals: list[bytes] = []
        self._fragments: list[bytes] | None = None
        self._packets = 0  # of the access unit at hand
        self._damaged = False
        self.needs_keyframe = True

    def push(
        self, ext_seq: int, ts: int, marker: bool, payload: bytes, now_s: float, captured_ntp: int = 0
    ) -> list[AccessUnit | Lost]:
        """Take a packet; both numbers extended. Returns the access units that it completes."""
        return self._take(self._order.push(ext_seq, RtpPart(ts, marker, payload, captured_ntp), now_s))

    def advance(self, now_s: float) -> list[AccessUnit | Lost]:
        """Give up on what has been missing for too long."""
        return self._take(self._order.advance(now_s)) if self._order.holding else []

    def flush(self) -> list[AccessUnit | Lost]:
        """The stream is over: return what is complete."""
        out = self._take(self._order.flush())
        self._finish_unit(out)
        return out

    def _take(self, parts: Iterable[RtpPart | Lost]) -> list[AccessUnit | Lost]:
        out: list[AccessUnit | Lost] = []
        for part in parts:
            if isinstance(part, Lost):
                # The unit at hand misses its end, the next one may miss its beginning.
                self._damaged = True
                self._finish_unit(out)
                self.needs_keyframe = True
                out.append(part)
                continue
            if part.ts != self._ts:
                self._finish_unit(out)
                self._ts = part.ts
            self._captured_ntp = part.captured_ntp or self._captured_ntp
            self._packets += 1
            if self._packets <= MAX_UNIT_PACKETS:
                self._unpack(part.payload)
            else:
                self._nals, self._fragments, self._damaged = [], None, True
            if part.marker:
                self._finish_unit(out)
        return out

    def _unpack(self, payload: bytes) -> None:
        if not payload:
            return
        kind = payload[0] & 0x1F
        if kind == _FU_A:
            self._unpack_fragment(payload)
            return
        if self._fragments is not None:
            self._damaged, self._fragments = True, None
        if 1 <= kind <= 23:
            self._nals.append(payload)
        elif kind == _STAP_A:
            self._unpack_aggregate(payload)
        else:
            self._damaged = True  # MTAP, STAP-B, FU-B: not in packetization-mode 1

    def _unpack_fragment(self, payload: bytes) -> None:
        if len(payload) < 3:
            self._damaged = True
            return
        head = payload[1]
        if head & 0x80:
            if self._fragments is not None:
                self._damaged = True
            self._fragments = [bytes([payload[0] & 0xE0 | head & 0x1F])]
        if self._fragments is None:
            self._damaged = True
            return
        self._fragments.append(payload[2:])
        if head & 0x40:
            self._nals.append(b"".join(self._fragments))
            self._fragments = None

    def _unpack_aggregate(self, payload: bytes) -> None:
        at, end = 1, len(payload)
        while at + 2 < end:
            size = payload[at] << 8 | payload[at + 1]
            at += 2
            if size == 0 or at + size > end:
                self._damaged = True
                return
            self._nals.append(payload[at : at + size])
            at += size

    def _finish_unit(self, out: list[AccessUnit | Lost]) -> None:
        self._packets = 0
        ts = self._ts
        if ts is None:
            self._damaged = False
            return
        nals, captured_ntp = self._nals, self._captured_ntp
        damaged = self._damaged or self._fragments is not None
        self._nals, self._fragments, self._damaged, self._ts, self._captured_ntp = [], None, False, None, 0
        slices = [nal for nal in nals if NAL_SLICE <= nal[0] & 0x1F <= NAL_IDR]
        if not slices and not damaged:
            self._nals = nals[-_MAX_HEADERS:]  # parameter sets or SEI under a time of their own: for the next picture
            return
        keyframe = any(nal[0] & 0x1F == NAL_IDR for nal in slices)
        # first_mb_in_slice is 0 when the first bit of the slice header is 1 (Exp-Golomb): the beginning is there.
        if damaged or not _begins_picture(slices[0]) or (self.needs_keyframe and not keyframe):
            self.needs_keyframe = True
            return
        self.needs_keyframe = False
        out.append(AccessUnit(ts, nals, keyframe, captured_ntp))


def _begins_picture(nal: bytes) -> bool:
    return len(nal) > 1 and nal[1] & 0x80 != 0


class OpusDepacketizer:
    """Packets of one Opus stream to frames in order; packets that are not Opus are dropped."""

    def __init__(self, window_s: float = REORDER_WINDOW_S) -> None:
        self._order = ReorderWindow(window_s)

    def push(
        self, ext_seq: int, ts: int, payload: bytes, now_s: float, captured_ntp: int = 0
    ) -> list[OpusFrame | Lost]:
        """Take a packet; both numbers extended."""
        return self._take(self._order.push(ext_seq, RtpPart(ts, False, payload, captured_ntp), now_s))

    def advance(self, now_s: float) -> list[OpusFrame | Lost]:
        """Give up on what has been missing for too long."""
        return self._take(self._order.advance(now_s)) if self._order.holding else []

    def flush(self) -> list[OpusFrame | Lost]:
        """The stream is over: return what is left."""
        return self._take(self._order.flush())

    def _take(self, parts: Iterable[RtpPart | Lost]) -> list[OpusFrame | Lost]:
        out: list[OpusFrame | Lost] = []
        for part in parts:
            if isinstance(part, Lost):
                out.append(part)
                continue
            duration = opus_duration(part.payload)
            if duration:
                out.append(OpusFrame(part.ts, part.payload, duration, part.captured_ntp))
        return out


_SILK_MS, _HYBRID_MS, _CELT_MS = (10, 20, 40, 60), (10, 20), (2.5, 5, 10, 20)


def opus_duration(packet: bytes) -> int:
    """Duration in ticks of 1/48000 s by the TOC byte (RFC 6716 §3.1); 0 when the bytes are not an Opus packet."""
    if not packet:
        return 0
    config, code = packet[0] >> 3, packet[0] & 3
    if config < 12:
        frame_ms: float = _SILK_MS[config & 3]
    elif config < 16:
        frame_ms = _HYBRID_MS[config & 1]
    else:
        frame_ms = _CELT_MS[config & 3]
    count = (1, 2, 2, packet[1] & 0x3F if len(packet) > 1 else 0)[code]
    duration = round(frame_ms * 48) * count
    return duration if duration <= 5760 else 0  # 120 ms at most (§3.4)
