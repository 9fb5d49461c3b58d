"""Which frames of a copy the archive has, and where on its axis the others belong. Pure.

The clock of a publisher is not ours, and not even steady: it is set, and it begins anew with the publisher. What the
archive has of the copy ties the two together, frame by frame.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from classroom.sfu.core.ntp import FRACTION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from classroom.recording.bmff_read import StoredSample
    from classroom.recording.inventory import FrameIdentity

PAUSE_S = 1.0  # nothing was captured for so long: the clock may have been set meanwhile
STEP_S, DRIFT = 0.1, 0.001  # unless it differs by no more than the archive's errors and the drift of a clock
NEAR_S = 0.5  # a sample that does not say when it was captured is a frame of the copy if its bytes and its time are
SAME_S = 0.005  # or what is left of it, if its time is
APART_S = 1.0


class CaptureMap:
    """Times of a publisher's clock on the axis, for frames of which the archive has no neighbours.

    ``anchors`` are (NTP time of capture, seconds on the axis) of all tracks of the publisher, ascending; without any
    counts that the clock showed ``now_ntp`` at ``now_axis_s``.
    """

    def __init__(self, anchors: Sequence[tuple[int, float]], now_ntp: int, now_axis_s: float) -> None:
        self._anchors: list[tuple[int, float]] = []
        for anchor in anchors:  # some way apart: each is a little wrong for itself, and tracks differ
            if not self._anchors or anchor[0] - self._anchors[-1][0] >= APART_S * FRACTION:
                self._anchors.append(anchor)
        self._anchored = bool(anchors)
        self._anchors = self._anchors or [(now_ntp, now_axis_s)]
        self._times = [anchor[0] for anchor in self._anchors]

    def during(self, first_ntp: int, last_ntp: int) -> CaptureMap:
        """The map by those anchors alone that lie in a time without a pause, if there are any: the clock was steady."""
        inside = self._anchors[bisect_left(self._times, first_ntp) : bisect_right(self._times, last_ntp)]
        return CaptureMap(inside, 0, 0.0) if inside and self._anchored else self

    def axis_s(self, captured_ntp: int) -> float:
        """Seconds on the axis: between two anchors in proportion, unless the clock was set; else by the nearer one."""
        after = bisect_left(self._times, captured_ntp)
        near = self._anchors[max(0, after - 1) : after + 1]
        anchor_ntp, anchor_s = min(near, key=lambda anchor: abs(anchor[0] - captured_ntp))
        if len(near) == 2:
            (left_ntp, left_s), (right_ntp, right_s) = near
            apart_s = (right_ntp - left_ntp) / FRACTION
            if abs(right_s - left_s - apart_s) <= STEP_S + DRIFT * apart_s:
                return left_s + (right_s - left_s) * (captured_ntp - left_ntp) / (right_ntp - left_ntp)
        return anchor_s + (captured_ntp - anchor_ntp) / FRACTION


@dataclass(slots=True)
class Alignment:
    """By the index of each frame of the copy. Times in ticks of the track.

    ``stored`` is the position of the sample that it is in the archive, ``instead`` of one that shows the same moment in
    other bytes (another layer); -1 for none. ``at`` has the times of those that are not stored. ``captured_at`` is when
    samples were captured that begin at another time, by position. ``twice`` are positions of samples that show a moment
    which another one shows.
    """

    stored: list[int]
    instead: list[int]
    at: dict[int, int] = field(default_factory=dict)
    captured_at: dict[int, int] = field(default_factory=dict)
    twice: set[int] = field(default_factory=set)

    def anchor(self, index: int) -> int:
        """The sample that is at the time of this frame; -1 for none."""
        stored = self.stored[index]
        return stored if stored >= 0 else self.instead[index]

    def tick(self, samples: Sequence[StoredSample], position: int) -> int:
        """When a sample was captured."""
        return self.captured_at.get(position, samples[position].start)


def align(
    samples: Sequence[StoredSample],
    frames: Sequence[FrameIdentity],
    timescale_hz: int,
    elsewhere: Callable[[], CaptureMap],
    is_filler: Callable[[StoredSample], bool],
    *,
    led: bool,
    late: Mapping[int, int],
) -> Alignment:
    """Find the frames of a copy among the samples of the track.

    Both in order of time. ``elsewhere`` is asked for where frames belong with no other near that is there;
    ``is_filler`` says which samples are the recorder's own silence; ``led`` that the first sample may begin before it
    was captured, because another track does; ``late`` when those were that begin later than that (overtaken.py).
    """
    alignment = _identify(samples, frames, late)
    _place(alignment, samples, frames, timescale_hz, elsewhere, led=led)
    unnamed = [position for position, sample in enumerate(samples) if not sample.captured_ntp and not is_filler(sample)]
    if unnamed and _recognise(alignment, samples, frames, unnamed, timescale_hz):
        _place(alignment, samples, frames, timescale_hz, elsewhere, led=led)
    return alignment


def _identify(samples: Sequence[StoredSample], frames: Sequence[FrameIdentity], late: Mapping[int, int]) -> Alignment:
    """By the time of capture that the samples have from their publisher."""
    positions: defaultdict[int, list[int]] = defaultdict(list)
    for position, sample in enumerate(samples):
        if sample.captured_ntp:
            positions[sample.captured_ntp].append(position)
    alignment = Alignment([-1] * len(frames), [-1] * len(frames), captured_at=dict(late))
    reached, reached_at = -1, -1
    for index, (captured_ntp, size_bytes, crc32) in enumerate(frames):
        # What lies further back is of somebody else whose clock shows the same.
        found = [
            position
            for position in positions.get(captured_ntp, ())
            if (alignment.tick(samples, position), position) > (reached_at, reached)
        ]
        if not found:
            continue
        same = [at for at in found if (samples[at].size_bytes, samples[at].crc32) == (size_bytes, crc32)]
        reached = same[0] if same else found[0]
        reached_at = alignment.tick(samples, reached)
        (alignment.stored if same else alignment.instead)[index] = reached
        # A recorder that is moved to another layer gets it from a keyframe on: moments that it may have had already.
        alignment.twice.update(position for position in positions[captured_ntp] if position != reached)
    return alignment


def _recognise(
    alignment: Alignment,
    samples: Sequence[StoredSample],
    frames: Sequence[FrameIdentity],
    unnamed: Iterable[int],
    timescale_hz: int,
) -> bool:
    """By their time, those whose packet with the time of capture was lost: some are whole, some miss just that.

    Those that show what another sample shows are there twice.
    """
    indices = sorted(alignment.at, key=alignment.at.__getitem__)
    times = [alignment.at[index] for index in indices]
    shown = sorted(alignment.tick(samples, at) for index in range(len(frames)) if (at := alignment.anchor(index)) >= 0)
    found = False
    for position in unnamed:
        sample, tick = samples[position], alignment.tick(samples, position)
        same, closest = -1, -1
        first = bisect_left(times, tick - round(NEAR_S * timescale_hz))
        for index in indices[first : bisect_right(times, tick + round(NEAR_S * timescale_hz))]:
            apart = abs(alignment.at[index] - tick)
            if alignment.stored[index] >= 0:
                continue
            frame = frames[index]
            if (frame.size_bytes, frame.crc32) == (sample.size_bytes, sample.crc32):
                if same < 0 or apart < abs(alignment.at[same] - tick):
                    same = index
            elif apart <= SAME_S * timescale_hz and alignment.instead[index] < 0:
                closest = index
        if same >= 0:
            alignment.stored[same] = position
            alignment.twice.update({alignment.instead[same]} - {-1})
            alignment.instead[same] = -1
            if position in alignment.captured_at:
                alignment.captured_at[position] = alignment.at[same]
        elif closest >= 0:
            alignment.instead[closest] = position
        elif position in alignment.captured_at or _is_there(shown, tick, SAME_S * timescale_hz):
            alignment.twice.add(position)
        found = found or same >= 0 or closest >= 0
    return found


def _is_there(shown: Sequence[int], tick: int, apart: float) -> bool:
    near = bisect_left(shown, tick)
    return any(abs(other - tick) <= apart for other in shown[max(0, near - 1) : near + 1])


def _place(
    alignment: Alignment,
    samples: Sequence[StoredSample],
    frames: Sequence[FrameIdentity],
    timescale_hz: int,
    elsewhere: Callable[[], CaptureMap],
    *,
    led: bool,
) -> None:
    alignment.at = {}
    anchors = [index for index in range(len(frames)) if alignment.anchor(index) >= 0]
    starts = {index: alignment.tick(samples, alignment.anchor(index)) for index in anchors}
    place = _Placing(frames, starts, timescale_hz, elsewhere)
    if led and anchors and alignment.anchor(anchors[0]) == 0:
        # The difference to those behind it is not drift that they would share.
        captured_at = place.first_at(anchors)
        if captured_at - starts[anchors[0]] > SAME_S * timescale_hz:
            starts[anchors[0]] = alignment.captured_at[0] = captured_at
    for left, right in pairwise([-1, *anchors, len(frames)]):
        if right - left > 1:
            times = _ascending(place.between(left, right), starts.get(left), starts.get(right))
            alignment.at |= zip(range(left + 1, right), times, strict=True)
    for index in anchors:
        if alignment.stored[index] < 0:
            alignment.at[index] = starts[index]


class _Placing:
    """Where frames belong that are between two that the archive has, ``starts`` of these being known."""

    def __init__(
        self,
        frames: Sequence[FrameIdentity],
        starts: dict[int, int],
        timescale_hz: int,
        elsewhere: Callable[[], CaptureMap],
    ) -> None:
        self._frames = frames
        self._starts = starts
        self._timescale_hz = timescale_hz
        self._elsewhere = elsewhere
        self._every: CaptureMap | None = None
        self._ends: list[int] = []  # the last frame of each run without a pause
        self._runs: list[CaptureMap] = []

    def by(self, anchor: int, index: int) -> int:
        """The tick of a frame if the clock was steady between it and the anchor."""
        return self._starts[anchor] + round(self._apart_s(anchor, index) * self._timescale_hz)

    def first_at(self, anchors: Sequence[int]) -> int:
        """When the frame of the first anchor was captured, as others have it."""
        if len(anchors) > 1 and not self._pauses(anchors[0], anchors[1]):
            return self.by(anchors[1], anchors[0])
        others = self._run_of(anchors[0])
        return self._starts[anchors[0]] if others is self._every else self._by_others(anchors[0])

    def between(self, left: int, right: int) -> list[int]:
        """The ticks of the frames between two anchors, one of which may be beyond the end."""
        inside = range(left + 1, right)
        if left >= 0 and right < len(self._frames):
            step = self.by(right, left) - self._starts[left]
            apart_s = self._apart_s(left, right)
            if not self._pauses(left, right) or abs(step) <= (STEP_S + DRIFT * apart_s) * self._timescale_hz:
                # Nothing was set: the difference is drift, and how the archive follows it.
                return [self.by(left, index) + round(step * self._apart_s(left, index) / apart_s) for index in inside]
        pauses = self._pauses(left, right)
        from_left = pauses[0] if pauses else right  # the last frame before a pause
        from_right = pauses[-1] + 1 if pauses else left
        times = []
        for index in inside:
            if left >= 0 and index <= from_left:
                times.append(self.by(left, index))
            elif right < len(self._frames) and index >= from_right:
                times.append(self.by(right, index))
            else:
                times.append(self._by_others(index))
        return times

    def _by_others(self, index: int) -> int:
        return round(self._run_of(index).axis_s(self._frames[index].captured_ntp) * self._timescale_hz)

    def _run_of(self, index: int) -> CaptureMap:
        """The map of the time without a pause that a frame lies in."""
        if not self._runs:
            self._every = self._elsewhere()
            bounds = [-1, *self._pauses(0, len(self._frames) - 1), len(self._frames) - 1]
            self._ends = bounds[1:]
            self._runs = [
                self._every.during(self._frames[before + 1].captured_ntp, self._frames[end].captured_ntp)
                for before, end in pairwise(bounds)
            ]
        return self._runs[bisect_left(self._ends, index)]

    def _apart_s(self, earlier: int, later: int) -> float:
        return (self._frames[later].captured_ntp - self._frames[earlier].captured_ntp) / FRACTION

    def _pauses(self, left: int, right: int) -> list[int]:
        """The frames behind which nothing was captured for so long that the clock may have been set."""
        last = min(right, len(self._frames) - 1)
        return [index for index in range(max(left, 0), last) if self._apart_s(index, index + 1) >= PAUSE_S]


def _ascending(times: list[int], low: int | None, high: int | None) -> list[int]:
    """The times, moved as little as it takes for each to be behind the one before, and all between the bounds."""
    for at in range(len(times) - 1, -1, -1):
        if high is not None and times[at] >= high:
            times[at] = high - 1
        high = times[at]
    for at in range(len(times)):
        if low is not None and times[at] <= low:
            times[at] = low + 1
        low = times[at]
    return times
