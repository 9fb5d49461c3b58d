"""Times of the samples of a window: as captured, without holes, ending exactly where what follows begins. Pure."""

from __future__ import annotations

from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from classroom.recording.bmff import AUDIO_TIMESCALE_HZ, VIDEO_TIMESCALE_HZ

if TYPE_CHECKING:
    from collections.abc import Sequence

_SHORTEST_PICTURE = VIDEO_TIMESCALE_HZ // 1000
_USUAL_PICTURE = VIDEO_TIMESCALE_HZ // 30
_HOLE = AUDIO_TIMESCALE_HZ // 400  # the shortest piece of silence; less is made up by durations
_SQUEEZE = AUDIO_TIMESCALE_HZ // 1000  # how much earlier than its predecessor's end a packet may begin


class Placed(NamedTuple):
    """When a frame was captured and its own duration, in ticks."""

    at: int
    duration: int


class Laid(NamedTuple):
    """A sample of the window; ``frame`` is the index of its frame, -1 for silence to be filled in."""

    start: int
    duration: int
    frame: int


def usual_picture(times: Sequence[int]) -> int:
    """The usual duration of pictures that begin at these ticks."""
    apart = [later - earlier for earlier, later in pairwise(times)]
    short = [each for each in apart if 0 < each <= VIDEO_TIMESCALE_HZ]
    return round(median(short)) if short else _USUAL_PICTURE


def lay_pictures(frames: Sequence[Placed], begin: int, end: int | None) -> list[Laid]:
    """Pictures last until the next one; the first is led in from ``begin``, the last held until ``end``."""
    if not frames:
        return []
    starts = [frame.at for frame in frames]
    starts[0] = begin
    shortest = _SHORTEST_PICTURE if end is None else min(_SHORTEST_PICTURE, (end - begin) // len(frames))
    _spread(starts, [shortest] * len(starts), begin, end)
    ends = [*starts[1:], end if end is not None else starts[-1] + usual_picture(starts)]
    return [Laid(start, stop - start, index) for index, (start, stop) in enumerate(zip(starts, ends, strict=True))]


def lay_sound(frames: Sequence[Placed], begin: int, end: int | None) -> list[Laid]:
    """Packets follow each other; holes are filled with silence, differences of less than 2.5 ms by durations.

    Where there is less room than the packets last, each begins a little before the one before it ends.
    """
    starts = [frame.at for frame in frames]
    squeeze = _SQUEEZE
    least = [frame.duration - squeeze for frame in frames]
    while end is not None and frames and sum(least) > end - begin and max(least) > 1:
        squeeze *= 2
        least = [max(1, frame.duration - squeeze) for frame in frames]
    _spread(starts, least, begin, end)
    if starts and starts[0] - begin < _HOLE:
        starts[0] = begin
    laid: list[Laid] = []
    cursor = begin
    for index, (start, frame) in enumerate(zip(starts, frames, strict=True)):
        _reach(laid, cursor, start)
        laid.append(Laid(start, frame.duration, index))
        cursor = start + frame.duration
    if end is not None:
        _reach(laid, cursor, end)
    return laid


def _reach(laid: list[Laid], cursor: int, start: int) -> None:
    """Make what is laid end at ``start``."""
    if start - cursor >= _HOLE:
        laid.append(Laid(cursor, start - cursor, -1))
    elif laid:
        laid[-1] = laid[-1]._replace(duration=laid[-1].duration + start - cursor)


def _spread(starts: list[int], least: Sequence[int], begin: int, end: int | None) -> None:
    """Move starts as little as it takes for each to be ``least`` before the next, inside the bounds."""
    latest = end
    for at in range(len(starts) - 1, -1, -1):
        if latest is not None:
            starts[at] = min(starts[at], latest - least[at])
        latest = starts[at]
    earliest = begin
    for at in range(len(starts)):
        starts[at] = max(starts[at], earliest)
        earliest = starts[at] + least[at]
