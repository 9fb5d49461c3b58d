"""Spreads the packets of a large frame over a few milliseconds, so that it does not overrun a switch or a modem."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence

SPREAD_S = 0.030
BURST_INTERVAL_S = 0.005
_BURSTS = round(SPREAD_S / BURST_INTERVAL_S)
_SMALL_PACKETS = 8  # a frame of up to this many leaves at once
_LARGEST_BURST_PACKETS = 64  # 75 kB in 5 ms: above that a receive buffer of common size overflows
MAX_QUEUE_PACKETS = 8192


class Pacer:
    """One publication's way out. Keeps the order; what is pushed has left 30 ms later unless it is over 450 kB.

    The queue is bounded: when the machine cannot get rid of 8192 packets everything in it is dropped and
    ``on_overflow`` is called, which must ask for a keyframe.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        send: Callable[[Sequence[bytes]], None],
        on_overflow: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._send = send
        self._on_overflow = on_overflow
        self._queue: deque[bytes] = deque()
        self._burst_packets = _SMALL_PACKETS
        self._timer: asyncio.TimerHandle | None = None

    @property
    def idle(self) -> bool:
        """Whether everything has been sent."""
        return not self._queue

    def push(self, packets: Sequence[bytes]) -> None:
        """Send packets behind those that still wait."""
        if not self._queue and len(packets) <= _SMALL_PACKETS:
            self._send(packets)
            return
        if len(self._queue) + len(packets) > MAX_QUEUE_PACKETS:
            self._queue.clear()
            self._on_overflow()
            return
        self._queue.extend(packets)
        share = -(-len(self._queue) // _BURSTS)
        self._burst_packets = min(max(share, _SMALL_PACKETS), _LARGEST_BURST_PACKETS)
        if self._timer is None:
            self._burst()

    def close(self) -> None:
        """Forget what has not been sent."""
        self._queue.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _burst(self) -> None:
        queue = self._queue
        self._timer = None
        if not queue:  # dropped by an overflow meanwhile
            return
        self._send([queue.popleft() for _ in range(min(self._burst_packets, len(queue)))])
        if queue:
            self._timer = self._loop.call_later(BURST_INTERVAL_S, self._burst)
