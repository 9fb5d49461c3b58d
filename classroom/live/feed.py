"""What one control connection is still to be told."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

from classroom.messages import Ack, ErrorMessage, Note, Ping, Pong, SessionEnded, VolumeSet

if TYPE_CHECKING:
    from collections.abc import Callable

    from classroom.live.lesson import Delta
    from classroom.messages import Snapshot

Reply = Ack | ErrorMessage | Ping | Pong
Personal = Note | SessionEnded | VolumeSet

CAPACITY = 256


class FeedClosed(Exception):
    """Nothing more will come; ``reason`` says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Feed:
    """A bounded queue between the lesson and one connection.

    The drop policy: when a client is so slow that ``capacity`` messages wait for it, all of them are dropped and it
    is told the whole state instead, as it then is. Replies that are dropped with them do no harm: commands may be
    repeated. ``seq`` is given when a message is taken, so that the drop leaves no gap.
    """

    def __init__(self, snapshot: Callable[[], Snapshot], capacity: int = CAPACITY) -> None:
        self._snapshot = snapshot
        self._capacity = capacity
        self._waiting: deque[Delta | Personal | Reply] = deque()
        self._snapshot_due = True
        self._closed: str | None = None
        self._wake = asyncio.Event()
        self._seq = 0
        self._wake.set()

    def put(self, message: Delta | Personal | Reply) -> None:
        """Add a message; never waits."""
        if len(self._waiting) >= self._capacity:
            self._waiting.clear()
            self._snapshot_due = True
        if isinstance(message, Reply) or not self._snapshot_due:
            self._waiting.append(message)
        self._wake.set()

    def close(self, reason: str) -> None:
        """Let the taker have what waits, then raise FeedClosed."""
        if self._closed is None:
            self._closed = reason
        self._wake.set()

    async def take(self) -> Snapshot | Delta | Personal | Reply:
        """The next message; raises FeedClosed."""
        while True:
            if self._snapshot_due:
                self._snapshot_due = False
                return self._numbered(self._snapshot())
            if self._waiting:
                message = self._waiting.popleft()
                return message if isinstance(message, Reply) else self._numbered(message)
            if self._closed is not None:
                raise FeedClosed(self._closed)
            self._wake.clear()
            await self._wake.wait()

    def _numbered(self, message: Snapshot | Delta | Personal) -> Snapshot | Delta | Personal:
        self._seq += 1
        return replace(message, seq=self._seq)
