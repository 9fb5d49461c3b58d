"""``index/index.json`` of a recording: what was found in it. Times are seconds on the axis of the recording.

The indexing process writes it (classroom/recording/index/), everybody else reads. Files that it names are in the
same folder, are never written again under the same name, and stay for a while after it has ceased to name them.
It can always be made again, so a part of it that is damaged is a part that is not there yet.
"""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError

from classroom.files import replace_file

if TYPE_CHECKING:
    from pathlib import Path

logger = logging.getLogger(__name__)

INDEX_FOLDER = "index"
INDEX_FILE = "index.json"
FORMAT = 1
MAX_BYTES = 16 << 20
_Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}$")]
_NameOrNone = Annotated[str, Field(pattern=r"^([A-Za-z0-9_-][A-Za-z0-9._-]{0,99})?$")]
_Language = Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$")]
_Seconds = Annotated[float, Field(ge=0, le=1e7, allow_inf_nan=False)]
_Interval = Annotated[float, Field(gt=0, le=1e4)]
_Size = Annotated[int, Field(ge=1, le=10_000)]
_Gain = Annotated[float, Field(ge=-60, le=60)]


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
    """A page of the slides while it was shown. ``thumbnail`` is empty until there is one, ``text`` without OCR.

    ``page`` is its number, by first appearance, where somebody has told it.
    """

    start_s: _Seconds
    end_s: _Seconds
    thumbnail: _NameOrNone = ""
    text: str = ""
    title: str = ""
    page: Annotated[int, Field(ge=1)] | None = None


@dataclass(slots=True)
class Strip:
    """Small pictures for hovering: cell *n*, by rows over all sheets, shows the time from ``n * interval_s`` on."""

    interval_s: _Interval
    width_px: _Size
    height_px: _Size
    columns: _Size
    rows: _Size
    sheets: list[_Name] = field(default_factory=list)


@dataclass(slots=True)
class TrackLoudness:
    """EBU R128 of a track, and what to add to it at playback."""

    integrated_lufs: float
    gain_db: _Gain


@dataclass(slots=True)
class Voice:
    """Who speaks when. A moment in which both speak counts for both; ``silence_s`` is when nobody does."""

    spans: list[tuple[_Seconds, _Seconds, Speaker]] = field(default_factory=list)
    teacher_s: _Seconds = 0.0
    classroom_s: _Seconds = 0.0
    silence_s: _Seconds = 0.0


@dataclass(slots=True)
class Captions:
    """A WebVTT file of the index, and where it comes from."""

    language: _Language
    file: _Name
    source: Literal["supplied", "speech"]


@dataclass(slots=True)
class IndexRecord:
    """The whole file. ``source`` is the folder of each track that it was made of: a splice makes others.

    ``ocr`` and ``speech``: ``done``, ``off``, or ``unavailable: `` and why, in Chinese and English.
    """

    state: IndexState = IndexState.RUNNING
    indexed_to_s: _Seconds = 0.0
    source: dict[str, str] = field(default_factory=dict)
    chapters: list[Chapter] = field(default_factory=list)
    cover: _Name | None = None
    strip: Strip | None = None
    loudness: dict[str, TrackLoudness] = field(default_factory=dict)
    voice: Voice | None = None
    captions: list[Captions] = field(default_factory=list)
    ocr: str = "off"
    speech: str = "off"
    format: int = FORMAT


_RECORD = TypeAdapter(IndexRecord)
_PARTS = {"chapters", "cover", "strip", "loudness", "voice", "captions"}


def read_index(recording: Path) -> IndexRecord | None:
    """The index of a recording's folder; None when there is none that can be understood, which is logged. Blocks.

    One of which a part is damaged is told without it, as one that is still being made.
    """
    path = recording / INDEX_FOLDER / INDEX_FILE
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ValueError(f"over {MAX_BYTES} bytes")
        told = json.loads(path.read_bytes())
        if not isinstance(told, dict):
            raise TypeError("no object")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, TypeError, RecursionError) as error:
        logger.warning("%s cannot be read: %s", path, error)
        return None
    if told.get("format", FORMAT) != FORMAT:
        return None
    try:
        return _RECORD.validate_python(told)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False)
        logger.warning("%s is damaged: %s", path, faults[0]["msg"])
        damaged = {str(fault["loc"][0]) for fault in faults}
    if not damaged <= _PARTS:
        return None
    whole = {name: part for name, part in told.items() if name not in damaged}
    return _RECORD.validate_python({**whole, "state": IndexState.RUNNING})


def write_index(recording: Path, record: IndexRecord) -> None:
    """Replace the index of a recording. Raises OSError."""
    data = json.dumps(asdict(record), ensure_ascii=False, indent=1)
    replace_file(recording / INDEX_FOLDER / INDEX_FILE, data.encode() + b"\n")
