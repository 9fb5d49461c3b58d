"""What waits for a slow TCP connection: voice overtakes pictures, and what comes too late is not sent at all."""

from __future__ import annotations

from collections import deque
from enum import IntEnum

# A picture that waits longer is late for everybody; within that time a joiner's whole group of pictures may wait.
MAX_PICTURE_WAIT_S = 1.0
MAX_PICTURE_BYTES = 256 << 10
MAX_VOICE_BYTES = 16 << 10
MAX_CONTROL_BYTES = 64 << 10
CHUNK_BYTES = 4096  # handed over at a time: what is in a chunk cannot be overtaken any more


class Urgency(IntEnum):
    """In this order frames leave, and in the opposite order they are dropped."""

    CONTROL = 0  # STUN, DTLS, RTCP: never dropped
    VOICE = 1
    PICTURE = 2


class Backlog:
    """Frames in the order in which they are to leave; a frame that has begun to leave is finished first.

    New pictures are dropped when there is no room, as a router would (an estimator understands that), old voice makes
    room for new. ``dropped`` counts frames by urgency. Control frames alone can overflow: who takes none is gone.
    """

    def __init__(self) -> None:
        self._queues: tuple[deque[tuple[float, bytes]], ...] = tuple(deque() for _ in Urgency)
        self._sizes_bytes = [0] * len(Urgency)
        self._begun = b""
        self.dropped = [0] * len(Urgency)

    def __bool__(self) -> bool:
        return bool(self._begun) or any(self._queues)

    @property
    def size_bytes(self) -> int:
        """All that waits."""
        return len(self._begun) + sum(self._sizes_bytes)

    @property
    def overflowed(self) -> bool:
        """Whether so many control frames wait that nobody can be reading."""
        return self._sizes_bytes[Urgency.CONTROL] > MAX_CONTROL_BYTES

    def begin(self, rest: bytes) -> None:
        """Put the rest of a frame before everything else; its beginning has been sent."""
        self._begun = rest

    def push(self, frame: bytes, urgency: Urgency, now: float) -> None:
        """Let a frame wait, or drop it."""
        queue = self._queues[urgency]
        if urgency is Urgency.PICTURE:
            late = bool(queue) and now - queue[0][0] > MAX_PICTURE_WAIT_S
            if late or self._sizes_bytes[urgency] + len(frame) > MAX_PICTURE_BYTES:
                self.dropped[urgency] += 1
                return
        queue.append((now, frame))
        self._sizes_bytes[urgency] += len(frame)
        while urgency is Urgency.VOICE and self._sizes_bytes[urgency] > MAX_VOICE_BYTES:
            self._sizes_bytes[urgency] -= len(queue.popleft()[1])
            self.dropped[urgency] += 1

    def chunk(self) -> bytes:
        """What to send next: the rest of a frame, or a few whole ones; empty when nothing waits."""
        if not self._begun:
            chunk = bytearray()
            for urgency, queue in enumerate(self._queues):
                while queue and len(chunk) < CHUNK_BYTES:
                    _, frame = queue.popleft()
                    self._sizes_bytes[urgency] -= len(frame)
                    chunk += frame
            self._begun = bytes(chunk)
        return self._begun

    def sent(self, size: int) -> None:
        """So many bytes of the chunk are on their way."""
        self._begun = self._begun[size:]
