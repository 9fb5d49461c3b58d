"""A network link without I/O: datagrams and the time go in, datagrams come out. The same seed gives the same link."""

from __future__ import annotations

import heapq
import math
import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GilbertElliott:
    """Loss in bursts: a chain of a good and a bad state, stepped once per datagram.

    ``to_bad`` and ``to_good`` are probabilities of transition, ``loss_good`` and ``loss_bad`` those of loss in a state.
    """

    to_bad: float
    to_good: float
    loss_good: float = 0.0
    loss_bad: float = 1.0


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a link does. Probabilities 0…1; ``outages`` are (from, to) in seconds, nothing enters during them.

    ``jitter_s`` is added uniformly but keeps the order; ``reorder`` is the probability that a datagram comes
    ``reorder_s`` later than it should and is overtaken. ``queue_bytes`` waits before a link of ``rate_bps``. What
    arrives is handed over each ``bundle_s``, as radio links do.
    """

    delay_s: float = 0.0
    jitter_s: float = 0.0
    loss: float = 0.0
    bursts: GilbertElliott | None = None
    duplicate: float = 0.0
    reorder: float = 0.0
    reorder_s: float = 0.02
    rate_bps: float | None = None
    queue_bytes: int = 64_000
    bundle_s: float = 0.0
    outages: tuple[tuple[float, float], ...] = ()


class Link:
    """One direction. ``conditions`` may be replaced at any time; what is under way stays under way."""

    def __init__(self, conditions: Conditions, seed: int) -> None:
        self.conditions = conditions
        self._random = random.Random(seed)
        self._bad = False
        self._free_at_s = 0.0  # when the link has sent what is queued
        self._queued: list[tuple[float, int]] = []  # (leaves the queue, bytes)
        self._last_in_order_s = 0.0
        self._under_way: list[tuple[float, int, bytes]] = []
        self._count = 0
        self.sent = self.lost = self.overflowed = self.delivered = 0

    def send(self, datagram: bytes, now: float) -> None:
        """Put a datagram in."""
        conditions = self.conditions
        # Always as many numbers per datagram, so that one condition does not change what another one draws.
        loss, burst_step, burst_loss, jitter, duplicate, reorder = (self._random.random() for _ in range(6))
        self.sent += 1
        if any(start <= now < end for start, end in conditions.outages):
            self.lost += 1
            return
        if loss < conditions.loss or self._lost_in_burst(burst_step, burst_loss):
            self.lost += 1
            return
        sent_s = self._pass_queue(len(datagram), now)
        if sent_s is None:
            self.overflowed += 1
            return
        if conditions.bundle_s:
            sent_s = math.ceil(sent_s / conditions.bundle_s) * conditions.bundle_s
        arrival_s = max(sent_s + conditions.delay_s + jitter * conditions.jitter_s, self._last_in_order_s)
        if reorder < conditions.reorder:
            arrival_s += conditions.reorder_s
        else:
            self._last_in_order_s = arrival_s
        for _ in range(2 if duplicate < conditions.duplicate else 1):
            heapq.heappush(self._under_way, (arrival_s, self._count, datagram))
            self._count += 1

    def receive(self, now: float) -> list[bytes]:
        """Take out what has arrived."""
        arrived = []
        while self._under_way and self._under_way[0][0] <= now:
            arrived.append(heapq.heappop(self._under_way)[2])
        self.delivered += len(arrived)
        return arrived

    def next_timeout(self) -> float | None:
        """When the next datagram arrives."""
        return self._under_way[0][0] if self._under_way else None

    def _lost_in_burst(self, step: float, loss: float) -> bool:
        chain = self.conditions.bursts
        if chain is None:
            return False
        if step < (chain.to_good if self._bad else chain.to_bad):
            self._bad = not self._bad
        return loss < (chain.loss_bad if self._bad else chain.loss_good)

    def _pass_queue(self, size: int, now: float) -> float | None:
        """When the last bit has left, or None when the queue is full."""
        conditions = self.conditions
        if conditions.rate_bps is None:
            return now
        self._queued = [entry for entry in self._queued if entry[0] > now]
        if self._queued and sum(entry[1] for entry in self._queued) + size > conditions.queue_bytes:
            return None
        self._free_at_s = max(self._free_at_s, now) + size * 8 / conditions.rate_bps
        self._queued.append((self._free_at_s, size))
        return self._free_at_s
