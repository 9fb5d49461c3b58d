"""When what leaves: a leaky bucket with priorities before the sender."""

from __future__ import annotations

from collections import deque
from enum import IntEnum
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Hashable

BURST_S = 0.010  # what a path that was idle takes at once
RESEND_SHARE = 0.25  # of the estimate
RESEND_BURST_S = 0.5  # of that share at once: losses come in bursts
RESEND_STALE_S = 0.4  # it will be asked for again
PICTURE_STALE_S = 0.4
SLIDES_STALE_S = 2.0
KEYFRAME_STALE_S = 2.0  # it takes its time on a slow path, and all that follows needs it
MAX_RESENDS = 64  # beyond it the path has lost so much that a keyframe is cheaper
MAX_QUEUE_BYTES = 400_000  # 2 s at 1.6 Mbit/s; what comes beyond it is dropped, a picture with its stream


class Priority(IntEnum):
    """What leaves first."""

    VOICE = 0
    RESEND = 1
    SLIDES = 2
    PICTURE = 3
    PROBE = 4


Item = TypeVar("Item")


class _Entry(NamedTuple, Generic[Item]):
    item: Item
    size_bytes: int
    stream: Hashable
    stale_s: float


_LIVE = (Priority.SLIDES, Priority.PICTURE)
_STALE_S = {
    Priority.RESEND: RESEND_STALE_S,
    Priority.SLIDES: SLIDES_STALE_S,
    Priority.PICTURE: PICTURE_STALE_S,
    Priority.PROBE: float("inf"),
}


class Pacer(Generic[Item]):
    """Takes opaque items, says which pass at once, and gives back the others in order of priority when it is time.

    Voice never waits, is never dropped, and costs the others nothing: the rates are those of the rest. Pictures and
    slides that have waited too long are dropped with all that is queued of their stream: see ``take_stalled``. The
    queue is bounded by MAX_QUEUE_BYTES. Rates are in bit/s of the sizes given, ``now`` in monotonic seconds.
    """

    def __init__(self, rate_bps: float, resend_bps: float) -> None:
        self.queued_bytes = 0
        self.dropped_items = 0
        self._s_per_byte = 8 / rate_bps
        self._resend_s_per_byte = 8 / resend_bps
        self._burst_s = BURST_S
        self._free_s = float("-inf")  # when the bucket has run empty
        self._resend_free_s = float("-inf")
        self._queues: dict[Priority, deque[_Entry[Item]]] = {priority: deque() for priority in _STALE_S}
        self._stale_s: dict[Hashable, float] = {}  # per stream with queued entries: when the last of them gets stale
        self._stalled: set[Hashable] = set()

    def set_rates(self, rate_bps: float, resend_bps: float, burst_s: float = BURST_S) -> None:
        """How fast the bucket runs empty, the share of it for retransmissions, and what an idle path takes at once."""
        self._s_per_byte = 8 / rate_bps
        self._resend_s_per_byte = 8 / resend_bps
        self._burst_s = burst_s

    def push(
        self, item: Item, size_bytes: int, priority: Priority, stream: Hashable, now: float, *, keyframe: bool = False
    ) -> bool:
        """Whether the item leaves now; if not, it waits for ``due``, or was dropped.

        ``stream`` is what gets stalled together (hashable, compared by equality); ``keyframe`` tells that the item is
        part of one, which may wait longer.
        """
        if priority is Priority.VOICE:
            return True
        if self.queued_bytes == 0 and self._free_s <= now and priority is not Priority.RESEND and not self._stalled:
            floor_s = now - self._burst_s
            self._free_s = (self._free_s if self._free_s > floor_s else floor_s) + size_bytes * self._s_per_byte
            return True
        if stream in self._stalled and priority in _LIVE:
            self.dropped_items += 1
            return False
        if self._may_leave(priority, now):
            self._spend(size_bytes, priority, now)
            return True
        self._queue(item, size_bytes, priority, stream, now, keyframe)
        return False

    def due(self, now: float) -> list[Item]:
        """The items that leave now."""
        items: list[Item] = []
        if self.queued_bytes == 0:
            return items
        for priority, queue in self._queues.items():
            while queue and (queue[0].stale_s < now or self._bucket_allows(priority, now)):
                entry = queue[0]
                if entry.stale_s < now:
                    self._drop(priority, entry)
                    continue
                queue.popleft()
                self.queued_bytes -= entry.size_bytes
                self._spend(entry.size_bytes, priority, now)
                items.append(entry.item)
        if self.queued_bytes == 0:
            self._stale_s.clear()
        return items

    def next_timeout(self) -> float | None:
        """When ``due`` has something; None when nothing waits."""
        if self.queued_bytes == 0:
            return None
        if any(queue for priority, queue in self._queues.items() if priority is not Priority.RESEND):
            return self._free_s
        return max(self._free_s, self._resend_free_s)

    def take_stalled(self) -> set[Hashable]:
        """Streams of which something was dropped: they need a keyframe. To be asked after each push and due.

        Until then all that comes of them is dropped.
        """
        stalled, self._stalled = self._stalled, set()
        return stalled

    def drop(self, stream: Hashable) -> int:
        """Let no picture leave any more that waits of a stream; how many items did."""
        dropped = 0
        self._stale_s.pop(stream, None)
        for priority in _LIVE:
            queue = self._queues[priority]
            kept = [entry for entry in queue if entry.stream != stream]
            dropped += len(queue) - len(kept)
            queue.clear()
            queue.extend(kept)
        self.queued_bytes = sum(entry.size_bytes for queue in self._queues.values() for entry in queue)
        return dropped

    def drop_probes(self) -> None:
        """The cluster is complete: what is left of its filling is of no use."""
        queue = self._queues[Priority.PROBE]
        self.queued_bytes -= sum(entry.size_bytes for entry in queue)
        queue.clear()

    def _bucket_allows(self, priority: Priority, now: float) -> bool:
        return self._free_s <= now and (priority is not Priority.RESEND or self._resend_free_s <= now)

    def _may_leave(self, priority: Priority, now: float) -> bool:
        """Whether the bucket allows it, and nothing of this priority or a better one waits for it."""
        return self._bucket_allows(priority, now) and not any(
            queue and self._bucket_allows(other, now) for other, queue in self._queues.items() if other <= priority
        )

    def _spend(self, size_bytes: int, priority: Priority, now: float) -> None:
        self._free_s = max(self._free_s, now - self._burst_s) + size_bytes * self._s_per_byte
        if priority is Priority.RESEND:
            floor_s = now - RESEND_BURST_S
            self._resend_free_s = max(self._resend_free_s, floor_s) + size_bytes * self._resend_s_per_byte

    def _queue(
        self, item: Item, size_bytes: int, priority: Priority, stream: Hashable, now: float, keyframe: bool
    ) -> None:
        resends_full = priority is Priority.RESEND and len(self._queues[priority]) >= MAX_RESENDS
        if resends_full or self.queued_bytes + size_bytes > MAX_QUEUE_BYTES:
            self.dropped_items += 1
            if priority in _LIVE:
                self._stall(stream)
            return
        stale_s = now + (KEYFRAME_STALE_S if keyframe else _STALE_S[priority])
        if priority in _LIVE:
            # What waits behind a keyframe of its stream has as long as that: else a keyframe that takes longer than
            # a picture may wait would stall the stream each time.
            stale_s = self._stale_s[stream] = max(stale_s, self._stale_s.get(stream, stale_s))
        self._queues[priority].append(_Entry(item, size_bytes, stream, stale_s))
        self.queued_bytes += size_bytes

    def _drop(self, priority: Priority, entry: _Entry[Item]) -> None:
        if priority in _LIVE:
            self._stall(entry.stream)
        else:
            self._queues[priority].popleft()
            self.queued_bytes -= entry.size_bytes
            self.dropped_items += 1

    def _stall(self, stream: Hashable) -> None:
        self._stalled.add(stream)
        self.dropped_items += self.drop(stream)
