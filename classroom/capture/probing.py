"""A train of packets at a given rate, to find out whether the path carries it."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence

STEP_S = 0.002


class ProbeTrain:
    """Sends packets evenly at a rate, however the pictures between them come; one train at a time."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        now_s: Callable[[], float],
        send: Callable[[Sequence[bytes]], None],
        on_end: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._now_s = now_s
        self._send = send
        self._on_end = on_end
        self._packets: deque[bytes] = deque()
        self._began_s = 0.0
        self._rate_bps = 0.0
        self._sent_bytes = 0
        self._timer: asyncio.TimerHandle | None = None

    def start(self, packets: Sequence[bytes], rate_bps: float) -> None:
        """Send them from now on; ``on_end`` is called when the last has left."""
        self._packets = deque(packets)
        self._began_s, self._rate_bps, self._sent_bytes = self._now_s(), rate_bps, 0
        self._step()

    def close(self) -> None:
        """Forget what has not left."""
        self._packets.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _step(self) -> None:
        self._timer = None
        due_bytes = self._rate_bps / 8 * (self._now_s() - self._began_s)
        burst = []
        while self._packets and self._sent_bytes <= due_bytes:
            burst.append(self._packets.popleft())
            self._sent_bytes += len(burst[-1])
        if burst:
            self._send(burst)
        if self._packets:
            self._timer = self._loop.call_later(STEP_S, self._step)
        else:
            self._on_end()
