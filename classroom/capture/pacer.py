"""Spreads what is sent, so that large frames overrun neither a switch nor a thin uplink, and voice needs not queue."""

from __future__ import annotations

from collections import defaultdict, deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence

SPREAD_S = 0.030
BURST_INTERVAL_S = 0.005
_BURSTS = round(SPREAD_S / BURST_INTERVAL_S)
_SMALL_BYTES = 9_600  # eight full packets: a frame of up to this may leave at once
_LARGEST_BURST_BYTES = 75_000  # in 5 ms: above that a receive buffer of common size overflows
_CREDIT_S = 0.020  # what may leave at once after a pause, in time at the rate
_LONGEST_QUEUE_S = 1.0  # what waits longer is dropped: a keyframe is sooner there
MAX_QUEUE_PACKETS = 8192


class Pacer:
    """The pictures' way out: one queue for each stream, those with a lower number go first, each keeps its order.

    ``rate_bps`` is what may leave; with None what is pushed has left 30 ms later unless it is over 450 kB. A queue is
    bounded: beyond 8192 packets or a second of the rate it is dropped and ``on_overflow`` called with its number,
    which must ask for a keyframe.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        send: Callable[[Sequence[bytes]], None],
        on_overflow: Callable[[int], None],
    ) -> None:
        self.rate_bps: float | None = None
        self._loop = loop
        self._send = send
        self._on_overflow = on_overflow
        self._queues: dict[int, deque[bytes]] = defaultdict(deque)
        self._queued_bytes: dict[int, int] = defaultdict(int)
        self._burst_bytes = _SMALL_BYTES
        self._credit_bytes = 0.0
        self._credited_s = loop.time()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def idle(self) -> bool:
        """Whether everything has been sent."""
        return not any(self._queued_bytes.values())

    def holds(self, number: int) -> bool:
        """Whether something of that number still waits."""
        return bool(self._queues[number])

    def push(self, number: int, packets: Sequence[bytes]) -> None:
        """Send packets behind those of the same number that still wait."""
        if not packets:
            return
        queue, size_bytes = self._queues[number], sum(map(len, packets))
        if self._is_full(number, len(packets)):
            queue.clear()
            self._queued_bytes[number] = 0
            self._on_overflow(number)
            return
        queue.extend(packets)
        self._queued_bytes[number] += size_bytes
        share_bytes = sum(self._queued_bytes.values()) / _BURSTS
        self._burst_bytes = round(min(max(share_bytes, _SMALL_BYTES), _LARGEST_BURST_BYTES))
        if self._timer is None:
            self._burst()

    def close(self) -> None:
        """Forget what has not been sent."""
        self._queues.clear()
        self._queued_bytes.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _is_full(self, number: int, more_packets: int) -> bool:
        if len(self._queues[number]) + more_packets > MAX_QUEUE_PACKETS:
            return True
        return self.rate_bps is not None and self._queued_bytes[number] * 8 > self.rate_bps * _LONGEST_QUEUE_S

    def _burst(self) -> None:
        self._timer = None
        limit_bytes: float = self._burst_bytes
        if self.rate_bps is not None:
            now_s = self._loop.time()
            earned_bytes = self.rate_bps / 8 * (now_s - self._credited_s)
            self._credit_bytes = min(self._credit_bytes + earned_bytes, self.rate_bps / 8 * _CREDIT_S)
            self._credited_s = now_s
            limit_bytes = min(limit_bytes, self._credit_bytes)
        burst: list[bytes] = []
        sent_bytes = 0
        for number in sorted(self._queues):
            queue = self._queues[number]
            while queue and sent_bytes < limit_bytes:
                packet = queue.popleft()
                burst.append(packet)
                sent_bytes += len(packet)
                self._queued_bytes[number] -= len(packet)
        self._credit_bytes -= sent_bytes
        if burst:
            self._send(burst)
        if not self.idle:
            self._timer = self._loop.call_later(BURST_INTERVAL_S, self._burst)
