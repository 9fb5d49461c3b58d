"""Puts what was delivered into a recording: new generations of its tracks, then one replacement of ``lesson.json``."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from classroom.files import sync_folder
from classroom.live.errors import BadDelivery, DiskShort
from classroom.model import RecordingState, TrackKind
from classroom.recording.alignment import Alignment
from classroom.recording.archive import describe
from classroom.recording.bmff import AUDIO_TIMESCALE_HZ, VIDEO_TIMESCALE_HZ
from classroom.recording.comparison import Comparison, compare, is_silence, never
from classroom.recording.editing import editing, recording_live
from classroom.recording.gap_map import remaining_gaps
from classroom.recording.generations import new_generation
from classroom.recording.lesson_file import LessonRecord, TrackRecord, read_lesson
from classroom.recording.master import CAMERA, MIC, write_master
from classroom.recording.playlist import iso_time
from classroom.recording.splice import write_generation
from classroom.recording.splice_plan import Source, Window, plan
from classroom.recording.stored_track import read_track
from classroom.sfu.core.sps import BadParameterSet

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from classroom.recording.staging import Staged, Staging

RESERVE_BYTES = 512 << 20  # of the disk, for the lessons that are being recorded


class Unstorable(BadDelivery):
    """What was delivered of ``track`` can be in no recording."""

    def __init__(self, text: str, track: str) -> None:
        super().__init__(text)
        self.track = track


@dataclass(slots=True)
class _Part:
    """A track that changes, and how."""

    record: TrackRecord
    comparison: Comparison
    staging: Staging | None
    staged: dict[int, Staged]
    windows: list[Window]

    @property
    def video(self) -> bool:
        return self.record.kind is TrackKind.VIDEO

    @property
    def timescale_hz(self) -> int:
        return VIDEO_TIMESCALE_HZ if self.video else AUDIO_TIMESCALE_HZ

    def plan(self, begin: int | None = None) -> None:
        """Plan its windows; it is to begin at tick ``begin``, if that is earlier."""
        facts = {index: staged.facts for index, staged in self.staged.items()}
        source = Source(
            self.video,
            self.comparison.stored,
            self.comparison.alignment,
            [frame.captured_ntp for frame in self.comparison.frames],
            facts,
            never if self.video else is_silence,
        )
        self.windows = plan(source, begin)

    @property
    def start_s(self) -> float | None:
        """Where it will begin."""
        starts = [self.comparison.stored.start]
        starts += [window.pieces[0].start for window in self.windows if window.first == 0 and window.pieces]
        known = [start for start in starts if start is not None]
        return min(known) / self.timescale_hz if known else None

    @property
    def waiting(self) -> bool:
        """Whether there are frames that are in no window: they cannot be decoded yet."""
        used = {piece.frame for window in self.windows for piece in window.pieces}
        return not used.issuperset(self.staged)

    # --- as the Frames of write_generation ---------------------------------------------------------------------

    def data(self, index: int) -> bytes:
        assert self.staging is not None
        return self.staging.read(self.staged[index])

    def captured_ntp(self, index: int) -> int:
        return self.comparison.frames[index].captured_ntp

    def sync(self, index: int) -> bool:
        return self.staged[index].facts.sync


def splice_recording(folder: Path, stagings: Sequence[Staging], end_s: float) -> tuple[LessonRecord, set[str]]:
    """Put all frames that have come into the tracks.

    Returns the record as it is then, and the tracks of which some frames must wait for those that they build on.

    Until the last moment nothing that exists is touched, so that a crash leaves the former recording. ``end_s`` is
    where the recording ends on the axis. Blocks. Raises RecordingLive when a recorder goes on with the recording
    meanwhile, Unstorable, DiskShort, DamagedRecording, OSError.
    """
    before = read_lesson(folder)
    parts = [_part(folder, before, staging, end_s) for staging in stagings if staging.request is not None]
    for part in parts:
        part.plan()
    _begin_together(folder, before, parts)
    waiting = {part.record.name for part in parts if part.waiting}
    parts = [part for part in parts if part.windows]
    _check_space(folder, parts)
    with _unless_committed() as made:
        for part in parts:
            _write(folder, before, part, made)
        sync_folder(folder)
        with editing(folder) as (record, events):
            if record.tracks != before.tracks:
                raise recording_live()
            _enter(record, parts)
            for part in parts:
                gaps = [asdict(gap) for gap in part.record.gaps]
                data = {"track": part.record.name, "frames": len(part.staged), "gaps": gaps}
                events.add("track_repaired", record.duration_s, data)
        made.clear()
    write_master(folder, record)
    return record, waiting


def _part(folder: Path, record: LessonRecord, staging: Staging, end_s: float) -> _Part:
    assert staging.request is not None
    # A copy that has become smaller meanwhile does not take back what has come of it.
    come = [staged.identity for staged in staging.staged.values()]
    frames = sorted({frame.captured_ntp: frame for frame in [*come, *staging.inventory.frames]}.values())
    comparison = compare(folder, record, staging.track, staging.request, frames, end_s)
    staged = {
        index: staging.staged[frames[index].captured_ntp]
        for index in comparison.missing
        if frames[index].captured_ntp in staging.staged
    }
    track = record.track(staging.track)
    if track is None:
        track = TrackRecord(staging.track, staging.request.label, staging.request.kind)
    return _Part(deepcopy(track), comparison, staging, staged, [])


def _begin_together(folder: Path, record: LessonRecord, parts: list[_Part]) -> None:
    """Camera and sound of a lesson begin at the same instant, as the recorder has it: the one is led in."""
    pair = [part for part in parts if part.record.name in (CAMERA, MIC)]
    if not any(part.windows for part in pair):
        return
    for name in (CAMERA, MIC):
        track = record.track(name)
        if track is not None and all(part.record.name != name for part in pair):
            part = _Part(deepcopy(track), _alone(folder, track), None, {}, [])
            parts.append(part)
            pair.append(part)
    starts = [part.start_s for part in pair]
    begin_s = min((start for start in starts if start is not None), default=None)
    for part, start_s in zip(pair, starts, strict=True):
        if begin_s is not None and start_s is not None and start_s > begin_s:
            part.plan(round(begin_s * part.timescale_hz))


def _alone(folder: Path, track: TrackRecord) -> Comparison:
    """A track of which no copy is spoken of."""
    return Comparison(read_track(folder / track.folder), [], Alignment([], []), [])


def _check_space(folder: Path, parts: Sequence[_Part]) -> None:
    needed = RESERVE_BYTES
    for part in parts:
        segments = part.comparison.stored.segments
        needed += sum(segment.size_bytes for window in part.windows for segment in segments[window.first : window.end])
        needed += sum(staged.identity.size_bytes for staged in part.staged.values())
    check_space(folder, needed)


def check_space(folder: Path, needed_bytes: int) -> None:
    """Raise DiskShort unless so much is free."""
    if shutil.disk_usage(folder).free < needed_bytes:
        raise DiskShort(
            "服务器磁盘空间不足，补传暂停；请清理磁盘。 "
            "The disk of the server is too full for what is delivered; free some space."
        )


@contextmanager
def _unless_committed() -> Iterator[list[Path]]:
    """Folders that are removed again unless they are taken from the list."""
    made: list[Path] = []
    try:
        yield made
    finally:
        for path in made:
            shutil.rmtree(path, ignore_errors=True)


def _write(folder: Path, record: LessonRecord, part: _Part, made: list[Path]) -> None:
    stored = part.comparison.stored
    former = None if stored.start is None or stored.end is None else (stored.start, stored.end)
    target = new_generation(folder, part.record.name)
    made.append(target)
    try:
        written = write_generation(target, stored, part.windows, part, part.video, record.epoch_s)
    except BadParameterSet as error:
        text = f"这些图像无法存储。 These pictures cannot be stored: {error}"
        raise Unstorable(text, part.record.name) from None
    part.record.gaps = remaining_gaps(part.record.gaps, part.windows, former, part.timescale_hz, part.video)
    part.record.folder = target.name
    describe(part.record, written)


def _enter(record: LessonRecord, parts: Sequence[_Part]) -> None:
    """Let the record say what is there now."""
    changed = {part.record.name: part.record for part in parts}
    record.tracks = [changed.pop(track.name, track) for track in record.tracks]
    record.tracks += [track for track in changed.values() if track.start_s is not None]
    ends = [track.start_s + track.duration_s for track in record.tracks if track.start_s is not None]
    record.duration_s = round(max(ends, default=0.0), 3)
    record.state, record.detail, record.repair = RecordingState.COMPLETE, None, None
    ended_at = iso_time(record.epoch_s + record.duration_s)
    record.ended_at = max(record.ended_at or ended_at, ended_at)
