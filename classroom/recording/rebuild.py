"""Makes ``lesson.json`` again when it is lost or damaged, from the log of the lesson and its media."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from classroom.model import Label, RecordingState, TrackKind, parse_lesson_id
from classroom.recording.bmff import AUDIO_TIMESCALE_HZ, VIDEO_TIMESCALE_HZ
from classroom.recording.bmff_read import read_segment, sample_entry
from classroom.recording.event_log import EVENTS_FILE
from classroom.recording.generations import generation_of
from classroom.recording.header import salvage_header
from classroom.recording.lesson_file import LessonRecord, TrackRecord
from classroom.recording.playlist import iso_time
from classroom.recording.track import Gap

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_GAP, _GAPS = TypeAdapter(Gap), TypeAdapter(list[Gap])
_SEGMENTS = "[0-9]" * 6 + "*.m4s"


@dataclass(frozen=True, slots=True)
class _Event:
    """A line of events.jsonl; ``at`` aware."""

    event: str
    at_s: float
    at: datetime
    data: dict[str, Any]


def rebuild_record(folder: Path) -> LessonRecord | None:
    """Who, when, which tracks, their gaps, and whether the lesson had been ended; all else is in the media.

    None when the folder holds nothing of a recording. Raises OSError, InvalidLessonId.
    """
    record = LessonRecord(parse_lesson_id(folder.name.partition(".")[0]), "", "", RecordingState.RECORDING)
    events = list(_read_events(folder / EVENTS_FILE))
    labels = {e.data.get("track"): e.data.get("label") for e in events if e.event == "publication_added"}
    begins_s = []
    for name, path in _tracks(folder).items():
        segment = min(path.glob(_SEGMENTS))
        kind = _kind(path, segment)
        record.tracks.append(TrackRecord(name, _label(labels.get(name), name, kind), kind, folder=path.name))
        begins_s.append(_began_s(segment, kind))
    for event in events:
        _tell(record, event)
    if events:
        begins_s = [events[0].at.timestamp() - events[0].at_s]
    if not begins_s:
        return None
    record.started_at = iso_time(min(begins_s))
    return record


def _read_events(path: Path) -> Iterator[_Event]:
    if not path.is_file():
        return
    for line in path.read_bytes().splitlines():
        try:
            data = json.loads(line)
            yield _Event(str(data["event"]), float(data["at_s"]), datetime.fromisoformat(data["at"]), data)
        except (ValueError, KeyError, TypeError):
            continue  # a line that is not whole says nothing


def _tell(record: LessonRecord, event: _Event) -> None:
    """Let the record know what the log says happened."""
    data = event.data
    if event.event in ("recording_started", "recording_resumed"):
        record.title, record.state = str(data.get("title", record.title)), RecordingState.RECORDING
    elif event.event in ("recording_ended", "recording_failed"):
        try:
            record.state = RecordingState(data.get("state", RecordingState.FAILED))
        except ValueError:
            record.state = RecordingState.RECORDING
    elif event.event == "track_repaired":
        record.state = RecordingState.COMPLETE
    track = record.track(str(data.get("track")))
    try:
        if track is not None and event.event == "gap":
            track.gaps.append(_GAP.validate_python({**data, "end_s": event.at_s}))
        elif track is not None and event.event == "track_repaired":
            track.gaps = _GAPS.validate_python(data.get("gaps"))
    except ValidationError:
        pass  # a gap of which nobody knows where it is


def _tracks(folder: Path) -> dict[str, Path]:
    """The folder of each track: of its generations the one that goes furthest; a splice may not have been finished."""
    found: dict[str, tuple[int, int, Path]] = {}
    for path in sorted(folder.iterdir()):
        last = max(path.glob(_SEGMENTS), default=None) if path.is_dir() and not path.name.startswith(".") else None
        if last is not None:
            name, number = generation_of(path.name)
            contents = read_segment(last)
            end = 0 if contents is None else contents.start + contents.duration
            found[name] = max(found.get(name, (-1, 0, path)), (end, number, path))
    return {name: path for name, (_, _, path) in found.items()}


def _kind(folder: Path, segment: Path) -> TrackKind:
    """What a header says, else whether there are pictures in the segment: sound has no parameter sets."""
    for header in sorted(folder.glob("init-*.mp4")):
        entry = sample_entry(header.read_bytes())
        if entry is not None:
            return TrackKind.AUDIO if entry[0] == b"Opus" else TrackKind.VIDEO
    return TrackKind.AUDIO if salvage_header(segment, VIDEO_TIMESCALE_HZ) is None else TrackKind.VIDEO


def _label(said: object, name: str, kind: TrackKind) -> Label:
    """What the log says the track shows, else what its name says."""
    likely = Label.MIC if kind is TrackKind.AUDIO else Label.CAMERA
    return next((label for label in Label if said == label or name.startswith(label)), likely)


def _began_s(segment: Path, kind: TrackKind) -> float:
    """When the recording began, by the time at which its first segment was written."""
    contents = read_segment(segment)
    rate_hz = AUDIO_TIMESCALE_HZ if kind is TrackKind.AUDIO else VIDEO_TIMESCALE_HZ
    end_s = 0.0 if contents is None else (contents.start + contents.duration) / rate_hz
    return segment.stat().st_mtime - end_s
