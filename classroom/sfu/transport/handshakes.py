"""DTLS datagrams in small portions, so that a storm of joiners does not hold up those who are in."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

BUDGET_S = 0.001  # of each turn of the event loop; a flight costs some 0.2 ms and cannot be divided
MAX_WAITING = 2048  # datagrams: half a second of work; a later one is dropped, and DTLS repeats it


class Receiver(Protocol):
    """Who has a DTLS connection."""

    def receive_dtls(self, datagram: bytes) -> None:
        """Take a DTLS datagram."""


class Handshakes:
    """Passes datagrams on in the order in which they came: at once while the budget lasts, else in later turns.

    ``on_batch`` is called after each portion of those that waited.
    """

    def __init__(self, on_batch: Callable[[], None]) -> None:
        self._on_batch = on_batch
        self._waiting: deque[tuple[Receiver, bytes]] = deque()
        self._spent_s = 0.0
        self._next_turn_due = False

    def take(self, receiver: Receiver, datagram: bytes) -> bool:
        """Pass a datagram on, now or soon; False when too many wait."""
        if not self._next_turn_due:
            self._next_turn_due = True
            asyncio.get_running_loop().call_soon(self._turn)
        if self._waiting or self._spent_s >= BUDGET_S:
            if len(self._waiting) >= MAX_WAITING:
                return False
            self._waiting.append((receiver, datagram))
        else:
            self._pass_on(receiver, datagram)
        return True

    def _pass_on(self, receiver: Receiver, datagram: bytes) -> None:
        begun_s = time.perf_counter()
        receiver.receive_dtls(datagram)
        self._spent_s += time.perf_counter() - begun_s

    def _turn(self) -> None:
        """Begin a new portion, after everybody else on the event loop has had a turn."""
        self._next_turn_due = False
        self._spent_s = 0.0
        if not self._waiting:
            return
        self._next_turn_due = True
        asyncio.get_running_loop().call_soon(self._turn)
        while self._waiting and self._spent_s < BUDGET_S:
            self._pass_on(*self._waiting.popleft())
        self._on_batch()
