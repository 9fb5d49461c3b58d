"""Blocking work in threads that an event loop can await and, when it is all over, account for."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Threads:
    """Runs each function in a daemon thread of its own: one that hangs in a driver must not hold up the exit.

    Cancelling run() does not end the thread; whoever cancels tells the function by other means and calls join().
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._running: set[asyncio.Future[None]] = set()

    async def run(self, name: str, function: Callable[[], T]) -> T:
        """The result of ``function``, or what it raised."""
        ended: asyncio.Future[None] = self._loop.create_future()
        outcome: list[T] = []
        errors: list[BaseException] = []

        def work() -> None:
            try:
                outcome.append(function())
            except BaseException as error:
                errors.append(error)
            try:
                self._loop.call_soon_threadsafe(self._ended, ended)
            except RuntimeError:
                pass  # the loop is closed: the process is on its way out

        self._running.add(ended)
        threading.Thread(target=work, name=name, daemon=True).start()
        await asyncio.shield(ended)
        if errors:
            raise errors[0]
        return outcome[0]

    async def join(self, timeout_s: float) -> None:
        """Wait until every function has returned, but not longer than that."""
        if self._running:
            await asyncio.wait(self._running, timeout=timeout_s)

    def _ended(self, ended: asyncio.Future[None]) -> None:
        self._running.discard(ended)
        ended.set_result(None)
