"""Who gets how much of a thin uplink: first everybody the least that is worth sending, then up to the full. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from classroom.capture.video_layer import Demand

HEADROOM = 1.2  # a layer that is not sent begins only when there is that much more than it needs
PLENTY = 2.0  # with that much more than it needs a layer need not wait either
FIRST_WAIT_S, LAST_WAIT_S = 4.0, 32.0  # before a layer that did not last is tried again
_LASTED_S = 10.0  # a layer that was sent for so long has earned a short wait again


@dataclass(slots=True)
class _Trial:
    began_s: float = float("-inf")
    again_s: float = float("-inf")
    wait_s: float = FIRST_WAIT_S


@dataclass(slots=True)
class Allocator:
    """Remembers what is sent, so that layers do not come and go with every breath of the estimate."""

    _sent: set[int] = field(default_factory=set)
    _trials: dict[int, _Trial] = field(default_factory=dict)

    def allocate(self, demands: Sequence[Demand | None], available_bps: float, now_s: float) -> list[int | None]:
        """The rate of each stream, None for what is not sent. ``demands`` come in the order of their worth.

        None in ``demands`` is a stream that nobody needs. Down at once; up with headroom, and after a wait that
        doubles each time when the stream had to be stopped before.
        """
        rates: list[int | None] = [None] * len(demands)
        left_bps = available_bps
        for index, demand in enumerate(demands):
            if demand is None:
                self._sent.discard(index)
                continue
            if not self._fits(index, demand, left_bps, now_s):
                self._stop(index, now_s)
                continue
            if index not in self._sent:
                self._sent.add(index)
                self._trials.setdefault(index, _Trial()).began_s = now_s
            rates[index] = demand.lowest_bps
            left_bps -= demand.lowest_bps
        for index, demand in enumerate(demands):
            lowest_bps = rates[index]
            if demand is not None and lowest_bps is not None:
                more_bps = min(demand.full_bps - lowest_bps, max(left_bps, 0.0))
                rates[index] = lowest_bps + int(more_bps)
                left_bps -= more_bps
        return rates

    def _fits(self, index: int, demand: Demand, left_bps: float, now_s: float) -> bool:
        if index in self._sent:
            return demand.lowest_bps <= left_bps
        trial = self._trials.get(index)
        waits = trial is not None and now_s < trial.again_s
        return demand.lowest_bps * (PLENTY if waits else HEADROOM) <= left_bps

    def _stop(self, index: int, now_s: float) -> None:
        if index not in self._sent:
            return
        self._sent.discard(index)
        trial = self._trials[index]
        lasted = now_s - trial.began_s >= _LASTED_S
        trial.wait_s = FIRST_WAIT_S if lasted else min(trial.wait_s * 2, LAST_WAIT_S)
        trial.again_s = now_s + trial.wait_s
