"""What one client is still to be told, also when its connection breaks and another takes its place."""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from classroom.messages import Ack, ErrorMessage, Note, Ping, Pong, Resumed, SessionEnded, VolumeSet

if TYPE_CHECKING:
    from collections.abc import Callable

    from classroom.live.lesson import Delta
    from classroom.messages import Snapshot

Reply = Ack | ErrorMessage | Ping | Pong
Personal = Note | SessionEnded | VolumeSet

CAPACITY = 256  # messages that wait
KEPT = 512  # messages that were taken, and may not have arrived
SUPERSEDED = "superseded"


class FeedClosed(Exception):
    """Nothing more will come; ``reason`` says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Told(NamedTuple):
    """A message and its number; replies have none. The message is shared between feeds: its own ``seq`` is no good."""

    seq: int | None
    message: Snapshot | Delta | Personal | Reply | Resumed


class Feed:
    """A bounded queue between the lesson and one client, and what that client got last.

    The drop policy: when a client is so slow that ``capacity`` messages wait for it, they are dropped and it is told
    the whole state instead, as it then is; of what was for it alone the latest half of the capacity is kept. Replies
    that are dropped do no harm: commands may be repeated. ``seq`` is given when a message is taken, so that the drop
    leaves no gap.
    """

    def __init__(self, snapshot: Callable[[], Snapshot], capacity: int = CAPACITY, kept: int = KEPT) -> None:
        self.stream = secrets.token_urlsafe(12)
        self.silent = False  # nothing is heard from its client
        self.cut = False  # its client has gone without a farewell
        self.expelled = False  # its participant was dismissed: who comes back under that name is another
        self._snapshot = snapshot
        self._capacity = capacity
        self._waiting: deque[Delta | Personal | Reply] = deque()
        self._again: deque[Told] = deque()
        self._sent: deque[Told] = deque(maxlen=kept)
        self._snapshot_due = True
        self._snapshot_seq = 0
        self._closed: str | None = None
        self._wake = asyncio.Event()
        self._seq = 0
        self._wake.set()

    def put(self, message: Delta | Personal | Reply) -> None:
        """Add a message; never waits."""
        if len(self._waiting) >= self._capacity:
            self._tell_anew()
        if not self._snapshot_due or isinstance(message, Reply | Personal):
            self._waiting.append(message)
        self._wake.set()

    def close(self, reason: str) -> None:
        """Let the taker have what waits, then raise FeedClosed."""
        if self._closed is None:
            self._closed = reason
        self._wake.set()

    def withdraw(self) -> list[Note | VolumeSet]:
        """Take back what waits for this client alone and may be told to it in another connection."""
        withdrawn = [message for message in self._waiting if isinstance(message, Note | VolumeSet)]
        self._waiting = deque(message for message in self._waiting if not isinstance(message, Note | VolumeSet))
        return withdrawn

    def succeed(self, seq: int) -> Feed:
        """Go on in a new connection with what came after ``seq``; this feed is closed.

        What is not known any more becomes a snapshot, with what was for this client alone after it.
        """
        heir = Feed(self._snapshot, self._capacity, self._sent.maxlen or KEPT)
        heir.stream, heir._seq, heir._snapshot_seq = self.stream, self._seq, self._snapshot_seq
        heir._sent.extend(self._sent)
        heir._waiting.extend(message for message in self._waiting if not isinstance(message, Reply))
        missed = [told for told in self._sent if told.seq is not None and told.seq > seq]
        if not self._snapshot_due and self._snapshot_seq <= seq == self._seq - len(missed):
            heir._snapshot_due = False
            heir._again.extend([Told(None, Resumed(self.stream)), *missed])
        else:
            heir._waiting.extendleft(told.message for told in reversed(missed) if isinstance(told.message, Personal))
            heir._tell_anew()
        self._waiting.clear()
        self._again.clear()
        self._snapshot_due = False
        self.close(SUPERSEDED)
        return heir

    async def take(self) -> Told:
        """The next message; raises FeedClosed."""
        while True:
            if self._again:
                return self._again.popleft()
            if self._snapshot_due:
                self._snapshot_due = False
                self._seq += 1
                self._snapshot_seq = self._seq
                return Told(self._seq, replace(self._snapshot(), seq=self._seq, stream=self.stream))
            if self._waiting:
                return self._number(self._waiting.popleft())
            if self._closed is not None:
                raise FeedClosed(self._closed)
            self._wake.clear()
            await self._wake.wait()

    def _number(self, message: Delta | Personal | Reply) -> Told:
        if isinstance(message, Reply):
            return Told(None, message)
        self._seq += 1
        told = Told(self._seq, message)
        self._sent.append(told)
        return told

    def _tell_anew(self) -> None:
        self._snapshot_due = True
        personal = [message for message in self._waiting if isinstance(message, Personal)]
        self._waiting = deque(personal[-(self._capacity // 2) :])
