"""How long something took, on a machine that may be busy with something else."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

_TICK_S = 0.01
_MOST_S = 0.03


class Stopwatch:
    """Counts the seconds in which the running event loop had its turns, from start() or ``async with`` on.

    What the machine kept the loop waiting beyond _MOST_S at a time is left out: a bound on what is counted is as strict
    as one on the clock where nothing else runs, and a busy machine does not decide the test. Good for what happens on
    this loop alone, in any number of sockets and timers.
    """

    def __init__(self) -> None:
        self._counted_s = 0.0
        self._at_s = 0.0
        self._timer: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.stop()

    def start(self) -> None:
        """Begin to count."""
        self._at_s = asyncio.get_running_loop().time()
        self._tick()

    def stop(self) -> None:
        """Count no more."""
        assert self._timer is not None
        self._timer.cancel()

    @property
    def s(self) -> float:
        """Seconds so far."""
        self._count()
        return self._counted_s

    def _count(self) -> None:
        now_s = asyncio.get_running_loop().time()
        self._counted_s += min(now_s - self._at_s, _MOST_S)
        self._at_s = now_s

    def _tick(self) -> None:
        self._count()
        self._timer = asyncio.get_running_loop().call_later(_TICK_S, self._tick)
