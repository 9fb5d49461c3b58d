"""Transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1): its bytes, and who writes it."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import TYPE_CHECKING

from classroom.sfu.core.serial import Unwrapper16

if TYPE_CHECKING:
    from collections.abc import Sequence

FMT_TRANSPORT_FEEDBACK = 15
TICKS_PER_S = 4000  # deltas are in steps of 250 µs
TICKS_PER_REFERENCE = 256  # the reference time is in steps of 64 ms
MAX_STATUSES = 4096  # no SendLog knows more: a liar must not make us count to 65535

_LOST, _SMALL, _LARGE = 0, 1, 2
_HEAD = struct.Struct("!IIHHI")
_CHUNK = struct.Struct("!H")
_SIGNED = struct.Struct("!h")
_RTPFB = 205


class FeedbackError(ValueError):
    """The bytes are not transport-wide feedback."""


@dataclass(slots=True)
class TransportFeedback:
    """Which of the numbers from ``base_seq`` on arrived, and when.

    ``arrivals``: ticks of 250 µs since the reference time, None for what did not arrive. ``reference_64ms``: 24 bits
    of the receiver's clock.
    """

    sender_ssrc: int
    media_ssrc: int
    base_seq: int
    reference_64ms: int
    feedback_count: int
    arrivals: list[int | None]


@lru_cache(maxsize=1024)
def _vector(chunk: int) -> tuple[int, ...]:
    """The symbols of a status vector chunk (§3.1.4)."""
    if chunk & 0x4000:
        return tuple(chunk >> shift & 3 for shift in range(12, -1, -2))
    return tuple(chunk >> shift & 1 for shift in range(13, -1, -1))


def parse_transport_feedback(body: bytes) -> TransportFeedback:
    """Parse what follows the RTCP header, without padding. Raises FeedbackError (ValueError) or struct.error."""
    sender_ssrc, media_ssrc, base_seq, count, time_and_count = _HEAD.unpack_from(body)
    if count > MAX_STATUSES:
        raise FeedbackError("feedback on more packets than anybody sends")
    (chunk,) = _CHUNK.unpack_from(body, _HEAD.size)
    if chunk >> 13 == _SMALL and chunk & 0x1FFF == count:  # nothing was lost or late: most reports
        deltas = body[_HEAD.size + 2 : _HEAD.size + 2 + count]
        if len(deltas) < count:
            raise FeedbackError("fewer deltas than packets")
        arrivals: list[int | None] = list(accumulate(deltas))
    else:
        arrivals = _parse_statuses(body, count)
    return TransportFeedback(
        sender_ssrc, media_ssrc, base_seq, time_and_count >> 8, time_and_count & 0xFF, arrivals
    )  # fmt: skip


def _parse_statuses(body: bytes, count: int) -> list[int | None]:
    at = _HEAD.size
    symbols: list[int] = []
    while len(symbols) < count:
        (chunk,) = _CHUNK.unpack_from(body, at)
        at += 2
        if chunk & 0x8000:
            symbols += _vector(chunk)
        else:
            symbols += [chunk >> 13] * (chunk & 0x1FFF)
    del symbols[count:]
    arrivals: list[int | None] = []
    ticks = 0
    for symbol in symbols:
        if symbol == _LOST:
            arrivals.append(None)
            continue
        if symbol == _SMALL:
            if at >= len(body):
                raise FeedbackError("fewer deltas than packets")
            ticks += body[at]
            at += 1
        elif symbol == _LARGE:
            ticks += _SIGNED.unpack_from(body, at)[0]
            at += 2
        else:
            raise FeedbackError("reserved status symbol")
        arrivals.append(ticks)
    return arrivals


def build_transport_feedback(
    sender_ssrc: int, media_ssrc: int, base_seq: int, feedback_count: int, ticks: Sequence[int | None]
) -> tuple[bytes, int]:
    """Build feedback on the numbers from ``base_seq`` on; return it and how many of them it covers.

    ``ticks``: arrival times in 250 µs on a clock of ours, at least one of them not None. It covers all but what comes
    so much later or earlier than the one before that no delta can say it.
    """
    first = next(tick for tick in ticks if tick is not None)
    reference = first // TICKS_PER_REFERENCE
    previous = reference * TICKS_PER_REFERENCE
    symbols: list[int] = []
    deltas = bytearray()
    for tick in ticks:
        if tick is None:
            symbols.append(_LOST)
            continue
        delta = tick - previous
        if 0 <= delta <= 0xFF:
            symbols.append(_SMALL)
            deltas.append(delta)
        elif -0x8000 <= delta <= 0x7FFF:
            symbols.append(_LARGE)
            deltas += _SIGNED.pack(delta)
        else:
            break
        previous = tick
    body = (
        _HEAD.pack(
            sender_ssrc,
            media_ssrc,
            base_seq & 0xFFFF,
            len(symbols),
            (reference & 0xFF_FFFF) << 8 | feedback_count & 0xFF,
        )
        + _build_chunks(symbols)
        + deltas
    )
    body += bytes(-len(body) % 4)
    return struct.pack("!BBH", 0x80 | FMT_TRANSPORT_FEEDBACK, _RTPFB, len(body) // 4) + body, len(symbols)


def _build_chunks(symbols: Sequence[int]) -> bytes:
    chunks = bytearray()
    at = 0
    while at < len(symbols):
        run = 1
        while at + run < len(symbols) and symbols[at + run] == symbols[at] and run < 0x1FFF:
            run += 1
        ones = symbols[at : at + 14]
        if run >= len(ones):
            chunks += _CHUNK.pack(symbols[at] << 13 | run)
            at += run
        elif _LARGE not in ones:
            chunks += _CHUNK.pack(0x8000 | sum(symbol << 13 - place for place, symbol in enumerate(ones)))
            at += 14
        elif run >= 7:
            chunks += _CHUNK.pack(symbols[at] << 13 | run)
            at += run
        else:
            twos = symbols[at : at + 7]
            chunks += _CHUNK.pack(0xC000 | sum(symbol << 12 - 2 * place for place, symbol in enumerate(twos)))
            at += 7
    return bytes(chunks)


INTERVAL_S = 0.06  # Chromium's receivers send one each 62 ms
KEPT_S = 0.5  # a number that comes late is reported again together with what came after it
MAX_SPAN = 400  # numbers in a report (2-byte deltas fit into a datagram); what lies further back is left out


class Arrivals:
    """Notes when transport-wide numbers of one publisher arrive and tells it in feedback each INTERVAL_S."""

    def __init__(self, sender_ssrc: int) -> None:
        self._sender_ssrc = sender_ssrc
        self._media_ssrc = 0
        self._unwrap = Unwrapper16()
        self._ticks: dict[int, int] = {}  # by unwrapped number
        self._next = 0  # first number that the next report covers
        self._highest = -1
        self._new = 0  # arrivals since the last report
        self._due_s = float("-inf")
        self._count = 0

    def received(self, number: int, media_ssrc: int, now: float) -> None:
        """Note a packet: its transport-wide number (16 bits) and a stream it belongs to."""
        seq = self._unwrap.unwrap(number)
        if seq in self._ticks:
            return
        if self._highest < 0:
            self._next = seq
        if self._new == 0:
            self._due_s = max(self._due_s, now)
        self._ticks[seq] = int(now * TICKS_PER_S)
        self._next = min(self._next, seq)
        self._highest = max(self._highest, seq)
        self._media_ssrc = media_ssrc
        self._new += 1

    def next_timeout(self) -> float | None:
        """When ``take`` has a report; None while nothing has arrived since the last one."""
        if self._new == 0:
            return None
        return float("-inf") if self._new >= MAX_SPAN // 2 else self._due_s

    def take(self, now: float) -> list[bytes]:
        """The feedback that is due now, as RTCP packets."""
        due_s = self.next_timeout()
        if due_s is None or now < due_s:
            return []
        self._due_s = now + INTERVAL_S
        self._new = 0
        packets = []
        base = max(self._next, self._highest + 1 - MAX_SPAN)
        while base <= self._highest:
            ticks = [self._ticks.get(seq) for seq in range(base, self._highest + 1)]
            if all(tick is None for tick in ticks):
                break  # what came lies further back than a report reaches
            packet, covered = build_transport_feedback(self._sender_ssrc, self._media_ssrc, base, self._count, ticks)
            packets.append(packet)
            self._count += 1
            base += covered
        self._next = self._highest + 1
        oldest = int((now - KEPT_S) * TICKS_PER_S)
        for seq in [seq for seq, tick in self._ticks.items() if tick < oldest]:
            del self._ticks[seq]
        return packets
