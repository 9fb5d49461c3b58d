"""Pictures that lie behind later ones of another layer, and when they were captured. Pure.

A recorder that is moved to a better layer may get it from a keyframe on that was lost at first: with it come moments
that the other layer has shown meanwhile. On the axis there is no place for them but behind those, where they follow
each other as closely as they may.
"""

from __future__ import annotations

from bisect import bisect_left
from itertools import pairwise
from typing import TYPE_CHECKING

from classroom.sfu.core.ntp import FRACTION

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from classroom.recording.bmff_read import StoredSample

CLOSEST_S = 0.0011  # the recorder puts pictures that come too late a millisecond apart; no camera takes them so fast


def overtaken(samples: Sequence[StoredSample], timescale_hz: int, *, led: bool) -> dict[int, int]:
    """The tick at which it was captured, by position, of each picture that begins later because of others.

    The pictures of the same moments tell it; the first one does not if it was ``led`` in, for it begins too early.
    Pictures among these that do not say when they were captured are told with the tick of the next one that does.
    Where the times of capture go back to no moment that is known, and those that follow are not where they would have
    been without, the clock was set or the publisher is another one: every picture begins when it should.
    """
    found: dict[int, int] = {}
    line = _Line(timescale_hz)
    for stretch in _stretches(samples, 1 if led else 0):
        shown = [samples[position] for position in stretch]
        if not line.has_any(shown) and not line.is_reached_again(shown):
            line = _Line(timescale_hz)
        late, known = False, len(samples)
        for position, sample in zip(stretch, shown, strict=True):
            new = line.is_behind(sample.captured_ntp)
            late = not new or (late and sample.start - samples[position - 1].start <= CLOSEST_S * timescale_hz)
            if late:
                tick = line.tick(sample.captured_ntp)
                found |= dict.fromkeys(range(min(known, position), position + 1), tick)
                known = position + 1
            if new:
                line.add(sample.captured_ntp, found.get(position, sample.start))
    return found


class _Line:
    """When pictures were captured and the ticks where they belong, both ascending."""

    def __init__(self, timescale_hz: int) -> None:
        self._timescale_hz = timescale_hz
        self._times: list[int] = []
        self._ticks: list[int] = []

    def add(self, captured_ntp: int, tick: int) -> None:
        self._times.append(captured_ntp)
        self._ticks.append(tick)

    def is_behind(self, captured_ntp: int) -> bool:
        """Whether this was captured after all that is known."""
        return not self._times or captured_ntp > self._times[-1]

    def has_any(self, samples: Iterable[StoredSample]) -> bool:
        """Whether one of them shows a moment that is known."""
        places = ((bisect_left(self._times, sample.captured_ntp), sample.captured_ntp) for sample in samples)
        return any(place < len(self._times) and self._times[place] == time for place, time in places)

    def is_reached_again(self, samples: Sequence[StoredSample]) -> bool:
        """Whether they come back, at least half the way, to where the pictures that are known would have gone on."""
        if not self._times:
            return False
        away = samples[0].start - self.tick(samples[0].captured_ntp)
        for former, sample in pairwise(samples):
            if self.is_behind(sample.captured_ntp) and sample.start - former.start > CLOSEST_S * self._timescale_hz:
                return 2 * abs(sample.start - self.tick(sample.captured_ntp)) <= away
        return False

    def tick(self, captured_ntp: int) -> int:
        """Where a picture belongs, by the next one that is known, or the last."""
        near = min(bisect_left(self._times, captured_ntp), len(self._times) - 1)
        return self._ticks[near] + round((captured_ntp - self._times[near]) / FRACTION * self._timescale_hz)


def _stretches(samples: Sequence[StoredSample], first: int) -> Iterator[list[int]]:
    """The positions of pictures that know when they were captured, in stretches in which these times ascend."""
    stretch: list[int] = []
    for position in range(first, len(samples)):
        captured_ntp = samples[position].captured_ntp
        if not captured_ntp:
            continue
        if stretch and captured_ntp <= samples[stretch[-1]].captured_ntp:
            yield stretch
            stretch = []
        stretch.append(position)
    if stretch:
        yield stretch
