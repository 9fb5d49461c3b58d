"""Which layer of what it shows each slot of a receiver gets.

Sacrificed first are other classrooms, then the teacher's picture, then slides. Voice
is not a question: it leaves on top of the budget.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

# Up only when so much more than needed would fit: an estimate wavers, and a switch costs a keyframe.
HEADROOM = 1.2
GOOD_VERDICTS = 3
VERDICT_INTERVAL_S = 0.3


class Reason(StrEnum):
    """Why a slot does not show the best that there could be; texts for people are in the pages."""

    NONE = "none"
    BANDWIDTH = "bandwidth"  # the link of this classroom carries no more
    UPLINK = "uplink"  # the publisher does not send its best layer: its own link, or its encoder
    NO_KEYFRAME = "no_keyframe"  # it waits for a picture to begin with


class Want(NamedTuple):
    """A slot with something to show: ``rank`` 0 is sacrificed last; ``bitrates_bps`` of its layers, ascending."""

    rank: int
    bitrates_bps: Sequence[float]


def allocate(wants: Sequence[Want], budget_bps: float) -> list[int | None]:
    """The best layer of each want that fits when those of lower rank are served first; None for none at all."""
    layers: list[int | None] = [None] * len(wants)
    left_bps = budget_bps
    for index in sorted(range(len(wants)), key=lambda at: wants[at].rank):
        fitting = [n for n, bitrate_bps in enumerate(wants[index].bitrates_bps) if bitrate_bps <= left_bps]
        if fitting:
            layers[index] = fitting[-1]
            left_bps -= wants[index].bitrates_bps[fitting[-1]]
    return layers


class LayerSelector:
    """Down at once, up after GOOD_VERDICTS that there is room to spare; one is enough where nothing is shown.

    One per receiver, asked many times a second.
    """

    def __init__(self) -> None:
        self._good = 0
        self._judged_at_s = float("-inf")

    def choose(
        self, wants: Sequence[Want], current: Sequence[int | None], budget_bps: float, now: float
    ) -> list[int | None]:
        """The layers from now on. ``current`` is what the slots have, None for nothing."""
        fitting = allocate(wants, budget_bps)
        if any(_better(have, fits) for have, fits in zip(current, fitting, strict=True)):
            self._good = 0
            return fitting
        comfortable = allocate(wants, budget_bps / HEADROOM)
        pairs = list(zip(comfortable, current, strict=True))
        if not any(_better(new, have) for new, have in pairs) or any(_better(have, new) for new, have in pairs):
            self._good = 0
            return list(current)
        if now >= self._judged_at_s + VERDICT_INTERVAL_S:
            self._judged_at_s = now
            self._good += 1
        if self._good < GOOD_VERDICTS:
            return [new if have is None and self._good else have for new, have in pairs]
        self._good = 0
        return comfortable


def _better(one: int | None, other: int | None) -> bool:
    return (-1 if one is None else one) > (-1 if other is None else other)
