"""Lets bytes go at a rate that may change at any time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from classroom.model import ClassroomError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

_LOOK_AGAIN_S = 0.1  # while nothing may leave
_PIECE_S = 0.02  # so much time a piece takes: evenly, for a burst is a queue
_STALLED_S = 10.0  # a request that stands still for longer would be given up at the other end
_LEAST_PIECE_BYTES, _LARGEST_PIECE_BYTES = 1_200, 64 << 10


class Stalled(ClassroomError):
    """Nothing may leave for so long that the request is better made anew."""


class Throttle:
    """``rate_bps`` is asked before each piece: bits per second, 0 to wait, None for no limit."""

    def __init__(self, rate_bps: Callable[[], float | None]) -> None:
        self._rate_bps = rate_bps
        self._loop = asyncio.get_running_loop()
        self._free_s = 0.0
        self.stalled = False  # whether a request was left in the middle

    async def pieces(self, data: bytes) -> AsyncIterator[bytes]:
        """The data piece by piece, each when it may leave; raises Stalled in the middle of it."""
        at = 0
        while at < len(data):
            size_bytes = await self._next_piece(_STALLED_S)
            yield data[at : at + size_bytes]
            at += size_bytes

    async def until_open(self) -> None:
        """Return when something may leave."""
        while True:
            if self._rate_bps() != 0:
                return
            await asyncio.sleep(_LOOK_AGAIN_S)

    async def _next_piece(self, patience_s: float) -> int:
        began_s = self._loop.time()
        while True:
            rate_bps, now_s = self._rate_bps(), self._loop.time()
            if rate_bps is None:
                return _LARGEST_PIECE_BYTES
            if rate_bps > 0 and self._free_s <= now_s:
                break
            if now_s - began_s > patience_s:
                self.stalled = True
                raise Stalled("no room for it on the uplink")
            await asyncio.sleep(min(self._free_s - now_s, _LOOK_AGAIN_S) if rate_bps > 0 else _LOOK_AGAIN_S)
        size_bytes = round(min(max(rate_bps / 8 * _PIECE_S, _LEAST_PIECE_BYTES), _LARGEST_PIECE_BYTES))
        self._free_s = max(self._free_s, now_s - _PIECE_S) + size_bytes * 8 / rate_bps
        return size_bytes
