"""What a track looks like once the frames that were delivered are in it: which segments stay, what the others become.

Pure. Windows of segments are written again from samples that the archive has and frames of the copy; their ends are
where the segments beside them begin, to the tick.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from classroom.recording.bmff import AUDIO_TIMESCALE_HZ, VIDEO_TIMESCALE_HZ
from classroom.recording.layout import Placed, lay_pictures, lay_sound
from classroom.recording.retime import Timed, retime

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from classroom.recording.alignment import Alignment
    from classroom.recording.bmff_read import StoredSample
    from classroom.recording.stored_track import StoredTrack


class Delivered(NamedTuple):
    """A frame that can be put in: whether a decoder can begin with it, and its true duration in ticks (sound)."""

    sync: bool
    duration: int


class Piece(NamedTuple):
    """One sample of a window, times in ticks.

    It is the ``stored`` sample of that position, or frame ``frame`` of the copy; silence when both are -1. What is a
    frame of the copy has that index even if it is taken from the archive.
    """

    start: int
    duration: int
    stored: int
    frame: int


@dataclass(slots=True)
class Window:
    """Segments ``first`` up to ``end`` become these pieces; an empty range is where none has been."""

    first: int
    end: int
    pieces: list[Piece] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Source:
    """What a plan is made of.

    ``captured_ntp`` is of all frames of the copy; ``is_filler`` says which samples are the recorder's own silence.
    """

    video: bool
    track: StoredTrack
    alignment: Alignment
    captured_ntp: Sequence[int]
    delivered: Mapping[int, Delivered]
    is_filler: Callable[[StoredSample], bool]


def decodable(alignment: Alignment, delivered: Mapping[int, Delivered]) -> list[int]:
    """The delivered frames, ascending, that can be decoded: a picture needs the one before it, back to a keyframe."""
    usable: list[int] = []
    intact = False
    for index, stored in enumerate(alignment.stored):
        frame = delivered.get(index) if stored < 0 else None
        intact = stored >= 0 or (frame is not None and (intact or frame.sync))
        if intact and stored < 0:
            usable.append(index)
    return usable


def plan(source: Source, begin: int | None = None) -> list[Window]:
    """The windows that have to be written again, in order; none without anything to put in, or moments that are twice.

    ``begin`` is the tick where the track is to begin, if that is earlier than its first frame.
    """
    track, alignment = source.track, source.alignment
    new = decodable(alignment, source.delivered) if source.video else sorted(source.delivered)
    affected = _affected(track, alignment, new)
    first_new_at = alignment.at[new[0]] if new else None
    starts = [tick for tick in (track.start, first_new_at) if tick is not None]
    if begin is not None and starts and begin < min(starts):
        affected.add(0)
    if not affected:
        return []
    return _Assembly(source, new, begin).windows(affected)


def _affected(track: StoredTrack, alignment: Alignment, new: Sequence[int]) -> set[int]:
    """The segments that new frames fall into: from the sample before them to the one behind them."""
    if not track.segments:
        return {0} if new else set()
    if not new and not alignment.twice:
        return set()
    affected = {track.segment_of(position) for position in alignment.twice}
    starts = [sample.start for sample in track.samples]
    for position, at in alignment.captured_at.items():
        if at < starts[position]:  # it goes back behind what was captured before it
            before = max(0, bisect_right(starts, at) - 1)
            affected.update(range(track.segment_of(before), track.segment_of(position) + 1))
    wanted = set(new)
    before = -1  # the position of the sample that shows the frame before
    pending = False
    for index in range(len(alignment.stored)):
        position = alignment.anchor(index)
        if position >= 0:
            if pending:
                affected.update(_reach(track, before, position))
            pending, before = False, position
            if index in wanted:
                affected.add(track.segment_of(position))
        elif index in wanted:
            pending = True
    if pending:
        affected.update(_reach(track, before, None))
    return affected


def _reach(track: StoredTrack, before: int, behind: int | None) -> range:
    first = 0 if before < 0 else track.segment_of(before)
    if behind is None:
        return range(first, len(track.segments))
    last = track.segment_of(behind)
    if behind == track.segments[last].first and last > first:
        last -= 1
    return range(first, last + 1)


class _Assembly:
    """Puts windows together."""

    def __init__(self, source: Source, new: Sequence[int], begin: int | None) -> None:
        self._source = source
        self._begin = begin
        alignment = source.alignment
        self._new = sorted((alignment.at[index], index) for index in new)
        self._copy = {stored: index for index, stored in enumerate(alignment.stored) if stored >= 0}
        self._gone = alignment.twice | {alignment.instead[index] for index in new}

    def windows(self, affected: set[int]) -> list[Window]:
        """One for each run of affected segments, reaching back to where a decoder can begin."""
        count = len(self._source.track.segments)
        found: list[Window] = []
        for index in sorted(affected):
            if found and found[-1].end >= index:
                found[-1].end = min(index + 1, count)
            else:
                found.append(Window(index, min(index + 1, count)))
        for number in range(len(found) - 1, -1, -1):
            window = found[number]
            self._fill(window)
            while window.first > 0 and self._begins_badly(window):
                window.first -= 1
                self._fill(window)
            if number and found[number - 1].end >= window.first:
                found[number - 1].first = min(found[number - 1].first, window.first)
                found[number - 1].end = window.end
                del found[number]  # it is filled again with the one before
        return found

    def _begins_badly(self, window: Window) -> bool:
        if not self._source.video or not window.pieces:
            return not window.pieces
        return not self._sync(window.pieces[0])

    def _sync(self, piece: Piece) -> bool:
        if piece.stored >= 0:
            return self._source.track.samples[piece.stored].sync
        return self._source.delivered[piece.frame].sync

    def _fill(self, window: Window) -> None:
        source = self._source
        entries = sorted(self._stored(window) + self._delivered(window))
        if source.video:
            entries = self._playable(entries)
        entries = self._retimed(window, entries)
        begin, end = self._bounds(window, entries)
        lay = lay_pictures if source.video else lay_sound
        placed = lay([Placed(at, duration) for at, duration, _, _ in entries], begin, end)
        window.pieces = []
        for start, duration, index in placed:
            stored, frame = entries[index][2:] if index >= 0 else (-1, -1)
            window.pieces.append(Piece(start, duration, stored, frame))

    def _stored(self, window: Window) -> list[tuple[int, int, int, int]]:
        """(at, duration, position, frame) of the samples that stay."""
        source, track = self._source, self._source.track
        if window.first >= window.end:
            return []
        positions = range(track.segments[window.first].first, track.segments[window.end - 1].end)
        entries = []
        for position in positions:
            sample = track.samples[position]
            if position in self._gone or source.is_filler(sample):
                continue
            frame = self._copy.get(position, -1)
            at = sample.start if frame < 0 else source.alignment.tick(track.samples, position)
            entries.append((at, sample.duration, position, frame))
        return entries

    def _delivered(self, window: Window) -> list[tuple[int, int, int, int]]:
        """The same of the new frames whose place is in the window."""
        track = self._source.track
        low = track.samples[track.segments[window.first].first].start if window.first > 0 else None
        high = track.samples[track.segments[window.end].first].start if window.end < len(track.segments) else None
        first = 0 if low is None else bisect_left(self._new, (low, -1))
        end = len(self._new) if high is None else bisect_left(self._new, (high, -1))
        return [(at, self._source.delivered[index].duration, -1, index) for at, index in self._new[first:end]]

    def _playable(self, entries: list[tuple[int, int, int, int]]) -> list[tuple[int, int, int, int]]:
        """Without the pictures of another layer whose predecessors had to go."""
        kept = []
        former = -1
        for entry in entries:
            _, _, position, frame = entry
            if position >= 0 and frame < 0 and not self._source.track.samples[position].sync and former != position - 1:
                continue
            former = position
            kept.append(entry)
        return kept

    def _retimed(self, window: Window, entries: list[tuple[int, int, int, int]]) -> list[tuple[int, int, int, int]]:
        """With the frames of the copy spaced as they were captured."""
        source, track = self._source, self._source.track
        ours = [(number, entry) for number, entry in enumerate(entries) if entry[3] >= 0]
        before = behind = None
        if window.first > 0:
            before = self._neighbour(track.segments[window.first].first - 1)
        if window.end < len(track.segments):
            behind = self._neighbour(track.segments[window.end].first)
        shown = source.alignment.anchor  # also in another layer: it was there at that time
        timed = [Timed(source.captured_ntp[frame], at, shown(frame) >= 0) for _, (at, _, _, frame) in ours]
        moved = list(entries)
        times = retime(timed, before, behind, VIDEO_TIMESCALE_HZ if source.video else AUDIO_TIMESCALE_HZ)
        for (number, entry), at in zip(ours, times, strict=True):
            moved[number] = (at, *entry[1:])
        return sorted(moved)

    def _neighbour(self, position: int) -> Timed | None:
        frame = self._copy.get(position, -1)
        if frame < 0:
            return None
        return Timed(self._source.captured_ntp[frame], self._source.track.samples[position].start, known=True)

    def _bounds(self, window: Window, entries: list[tuple[int, int, int, int]]) -> tuple[int, int | None]:
        track = self._source.track
        if window.first > 0:
            begin = track.samples[track.segments[window.first].first].start
        else:
            candidates = (track.start, self._begin, entries[0][0] if entries else None)
            begin = max(0, min(tick for tick in candidates if tick is not None))
        if window.end < len(track.segments):
            return begin, track.samples[track.segments[window.end].first].start
        return begin, track.end if track.end is not None and entries and track.end > entries[-1][0] else None
