"""A bounded queue between two threads."""

from __future__ import annotations

import threading
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class Inbox(Generic[T]):
    """Drops the oldest when it is full: what comes next is worth more."""

    def __init__(self, capacity: int) -> None:
        self._items: deque[T] = deque(maxlen=capacity)
        self._changed = threading.Condition()
        self._closed = False
        self.dropped = 0

    def put(self, item: T) -> None:
        """Append an item; it is taken even after close(), when nobody may read it any more."""
        with self._changed:
            self.dropped += len(self._items) == self._items.maxlen
            self._items.append(item)
            self._changed.notify()

    def get(self) -> T | None:
        """The oldest; waits for one. None once it is closed and empty."""
        with self._changed:
            while not self._items:
                if self._closed:
                    return None
                self._changed.wait()
            return self._items.popleft()

    def close(self) -> None:
        """Let the reader end when it has read everything."""
        with self._changed:
            self._closed = True
            self._changed.notify()
