"""``lesson.json``: what a recording says of itself. Rewritten at once, so that a reader never sees half of it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError

from classroom.files import replace_file
from classroom.model import ClassroomError, Label, RecordingState, TrackKind
from classroom.recording.track import Gap  # noqa: TC001 - pydantic looks at it at run time

if TYPE_CHECKING:
    from pathlib import Path

LESSON_FILE = "lesson.json"
FORMAT = 1


class DamagedRecording(ClassroomError):
    """The ``lesson.json`` of a recording cannot be read."""


@dataclass(slots=True)
class TrackRecord:
    """One publication. Times in seconds since the beginning of the recording.

    Its files are in ``folder``: ``name``, or a later generation of it (generations.py). ``frames`` counts what is
    stored, silence that fills holes included. ``codec`` is None until the first segment can be played.
    """

    name: str
    label: Label
    kind: TrackKind
    codec: str | None = None
    width: int | None = None
    height: int | None = None
    start_s: float | None = None
    duration_s: float = 0.0
    frames: int = 0
    peak_bps: int = 0
    average_bps: int = 0
    gaps: list[Gap] = field(default_factory=list)
    folder: str = ""

    def __post_init__(self) -> None:
        self.folder = self.folder or self.name


@dataclass(slots=True)
class Repair:
    """A delivery of missing frames that is under way: the state before it, and when it last went on (ISO 8601)."""

    wanted_bytes: int
    received_bytes: int
    before: RecordingState
    continued_at: str


@dataclass(slots=True)
class LessonRecord:
    """The whole file. ``started_at`` is where the time axis of all tracks begins (ISO 8601, UTC)."""

    id: str
    title: str
    started_at: str
    state: RecordingState
    detail: str | None = None
    ended_at: str | None = None
    duration_s: float = 0.0
    tracks: list[TrackRecord] = field(default_factory=list)
    repair: Repair | None = None
    format: int = FORMAT

    @property
    def epoch_s(self) -> float:
        """``started_at`` as seconds since 1970."""
        return datetime.fromisoformat(self.started_at).timestamp()

    def track(self, name: str) -> TrackRecord | None:
        """The track of this name."""
        return next((track for track in self.tracks if track.name == name), None)


_RECORD = TypeAdapter(LessonRecord)


def read_lesson(folder: Path) -> LessonRecord:
    """Read the record of a recording. Raises FileNotFoundError, DamagedRecording."""
    path = folder / LESSON_FILE
    try:
        record = _RECORD.validate_json(path.read_bytes())
        record.epoch_s  # noqa: B018 - a bad time is damage too
    except (ValidationError, ValueError) as error:
        raise DamagedRecording(
            f"录制信息 {path} 已损坏。 The recording's {path} is damaged: {str(error).splitlines()[0]}"
        ) from error
    return record


def write_lesson(folder: Path, record: LessonRecord) -> None:
    """Write the record of a recording. Raises OSError."""
    data = json.dumps(asdict(record), ensure_ascii=False, indent=1)
    replace_file(folder / LESSON_FILE, data.encode() + b"\n")
