"""Times of the frames of a window by the clock that captured them, tied to what lies beside it. Pure.

The archive places sound back to back and makes up for drift in pieces; across a hole its error may change by some
20 ms. Frames that are written again are spaced as they were captured instead.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, NamedTuple

from classroom.recording.alignment import PAUSE_S
from classroom.sfu.core.ntp import FRACTION

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

KNOT_S = 2.0  # over so long an error of 25 ms is 0.25 ms from packet to packet


class Timed(NamedTuple):
    """A frame of the copy: NTP time of capture, tick on the axis, whether the archive showed that moment there."""

    captured_ntp: int
    at: int
    known: bool


def retime(frames: Sequence[Timed], before: Timed | None, behind: Timed | None, timescale_hz: int) -> list[int]:
    """Ticks for the frames, which ascend; ``before`` and ``behind`` are the neighbours that stay where they are."""
    times: list[int] = []
    runs = list(_runs([*([before] if before else []), *frames, *([behind] if behind else [])]))
    for run in runs:
        knots = _knots([frame for frame in run if frame.known])
        times += [_at(frame, knots, timescale_hz) for frame in run]
    first = 1 if before else 0
    return times[first : first + len(frames)]


def _runs(frames: Iterable[Timed]) -> Iterator[list[Timed]]:
    """Frames between which the clock cannot have been set."""
    run: list[Timed] = []
    for frame in frames:
        if run and frame.captured_ntp - run[-1].captured_ntp >= PAUSE_S * FRACTION:
            yield run
            run = []
        run.append(frame)
    if run:
        yield run


def _knots(known: Sequence[Timed]) -> list[Timed]:
    """The first and the last, and some in between that are far enough apart."""
    if len(known) < 3:
        return list(known)
    apart_ntp = round(KNOT_S * FRACTION)
    knots, last = [known[0]], known[-1]
    for frame in known:
        if frame.captured_ntp - knots[-1].captured_ntp >= apart_ntp <= last.captured_ntp - frame.captured_ntp:
            knots.append(frame)
    return [*knots, last]


def _at(frame: Timed, knots: Sequence[Timed], timescale_hz: int) -> int:
    if not knots:
        return frame.at
    after = bisect_right(knots, frame.captured_ntp, key=lambda knot: knot.captured_ntp)
    if 0 < after < len(knots):
        left, right = knots[after - 1], knots[after]
        share = (frame.captured_ntp - left.captured_ntp) / (right.captured_ntp - left.captured_ntp)
        return left.at + round(share * (right.at - left.at))
    knot = knots[max(0, after - 1)]
    return knot.at + round((frame.captured_ntp - knot.captured_ntp) / FRACTION * timescale_hz)
