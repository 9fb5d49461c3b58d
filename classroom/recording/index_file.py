"""``index/index.json`` of a recording: what was found in it. Times are seconds on the axis of the recording.

The indexing process writes it (classroom/recording/index/), everybody else reads. Files that it names are in the
same folder, are never written again under the same name, and stay for a while after it has ceased to name them.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Literal

from pydantic import TypeAdapter, ValidationError

from classroom.recording.files import replace_file

if TYPE_CHECKING:
    from pathlib import Path

INDEX_FOLDER = "index"
INDEX_FILE = "index.json"
CAPTIONS_FOLDER = "captions"  # of the recording: supplied ones, <language>.vtt
FORMAT = 1


class IndexState(StrEnum):
    """How far an index is."""

    RUNNING = "running"  # it grows with the recording, or is being made
    DONE = "done"  # it says all there is to say of a recording that has ended
    FAILED = "failed"  # it was given up, and why is in the log; it is tried again when the recording changes


class Speaker(StrEnum):
    """Where somebody speaks."""

    TEACHER = "teacher"
    CLASSROOM = "classroom"


@dataclass(slots=True)
class Chapter:
    """A page of the slides while it was shown. ``thumbnail`` is empty until there is one, ``text`` without OCR."""

    start_s: float
    end_s: float
    thumbnail: str = ""
    text: str = ""
    title: str = ""


@dataclass(slots=True)
class Strip:
    """Small pictures for hovering: cell *n*, by rows over all sheets, shows the time from ``n * interval_s`` on."""

    interval_s: float
    width_px: int
    height_px: int
    columns: int
    rows: int
    sheets: list[str] = field(default_factory=list)


@dataclass(slots=True)
class TrackLoudness:
    """EBU R128 of a track, and what to add to it at playback."""

    integrated_lufs: float
    gain_db: float


@dataclass(slots=True)
class Voice:
    """Who speaks when. A moment in which both speak counts for both; ``silence_s`` is when nobody does."""

    spans: list[tuple[float, float, Speaker]] = field(default_factory=list)
    teacher_s: float = 0.0
    classroom_s: float = 0.0
    silence_s: float = 0.0


@dataclass(slots=True)
class Captions:
    """A WebVTT file, relative to the folder of the recording, and where it comes from."""

    language: str
    file: str
    source: Literal["supplied", "speech"]


@dataclass(slots=True)
class IndexRecord:
    """The whole file. ``source`` is the folder of each track that it was made of: a splice makes others.

    ``ocr`` and ``speech``: ``done``, ``off``, or ``unavailable: `` and why, in Chinese and English.
    """

    state: IndexState = IndexState.RUNNING
    indexed_to_s: float = 0.0
    source: dict[str, str] = field(default_factory=dict)
    chapters: list[Chapter] = field(default_factory=list)
    cover: str | None = None
    strip: Strip | None = None
    loudness: dict[str, TrackLoudness] = field(default_factory=dict)
    voice: Voice | None = None
    captions: list[Captions] = field(default_factory=list)
    ocr: str = "off"
    speech: str = "off"
    format: int = FORMAT


_RECORD = TypeAdapter(IndexRecord)


def read_index(recording: Path) -> IndexRecord | None:
    """The index of a recording's folder; None when there is none, or none of this format. Blocks. Raises OSError."""
    try:
        record = _RECORD.validate_json((recording / INDEX_FOLDER / INDEX_FILE).read_bytes())
    except (FileNotFoundError, NotADirectoryError, ValidationError):
        return None
    return record if record.format == FORMAT else None


def write_index(recording: Path, record: IndexRecord) -> None:
    """Replace the index of a recording. Raises OSError."""
    data = json.dumps(asdict(record), ensure_ascii=False, indent=1)
    replace_file(recording / INDEX_FOLDER / INDEX_FILE, data.encode() + b"\n")
