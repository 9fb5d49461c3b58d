"""``index/index.json``: what was derived from a recording, as far as it is there and can be understood.

The index is written by another process and can always be made again, so a part of it that is damaged is a part that is
not there. Times in the file are on the axis of the recording; ``shift_s`` takes them to those of the manifest.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from pydantic import BeforeValidator, Field, TypeAdapter, ValidationError
from typing_extensions import TypedDict  # what pydantic reads before Python 3.12

if TYPE_CHECKING:
    from pathlib import Path

logger = logging.getLogger(__name__)

INDEX_FOLDER, INDEX_FILE = "index", "index.json"
MAX_BYTES = 16 << 20
_Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}$")]
_Seconds = Annotated[float, Field(ge=0, le=1e7, allow_inf_nan=False)]
_Size = Annotated[int, Field(ge=1, le=10_000)]

T = TypeVar("T")


class Chapter(TypedDict):
    """What one page of the slides was on the screen for; ``thumbnail`` is a file in ``index/``."""

    start_s: _Seconds
    end_s: _Seconds
    thumbnail: Annotated[_Name | None, BeforeValidator(lambda name: name or None)]
    text: str
    title: str


class Strip(TypedDict):
    """Small pictures at equal intervals, row by row on sheets; ``sheets`` are files in ``index/``."""

    interval_s: Annotated[float, Field(gt=0, le=1e4)]
    width_px: _Size
    height_px: _Size
    columns: _Size
    rows: _Size
    sheets: list[_Name]


class Loudness(TypedDict):
    """By how much playback is to be louder."""

    gain_db: Annotated[float, Field(ge=-60, le=60)]


class Voice(TypedDict):
    """Who speaks when, and for how long altogether."""

    spans: list[tuple[_Seconds, _Seconds, Literal["teacher", "classroom"]]]
    teacher_s: _Seconds
    classroom_s: _Seconds
    silence_s: _Seconds


class IndexedCaptions(TypedDict):
    """Captions that were made from the sound; ``file`` is in ``index/``."""

    language: Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$")]
    file: _Name
    source: Literal["supplied", "speech"]


class Progress(TypedDict):
    """How far the index is."""

    state: str
    indexed_to_s: _Seconds
    ocr: str
    speech: str


class Index(TypedDict):
    """The parts that are there."""

    progress: Progress
    chapters: list[Chapter]
    cover: str | None
    strip: Strip | None
    loudness: Loudness | None
    voice: Voice | None
    captions: list[IndexedCaptions]


_CHAPTERS, _STRIP, _VOICE = TypeAdapter(list[Chapter]), TypeAdapter(Strip), TypeAdapter(Voice)
_CAPTIONS, _LOUDNESS = TypeAdapter(list[IndexedCaptions]), TypeAdapter(Loudness)
_COVER, _PROGRESS = TypeAdapter(_Name), TypeAdapter(Progress)


def read_index(folder: Path, shift_s: float, sound: str) -> Index | None:
    """The index of a recording with ``shift_s`` added to all times; None without one. Blocks.

    ``sound`` is the track whose loudness counts.
    """
    path = folder / INDEX_FOLDER / INDEX_FILE
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ValueError(f"over {MAX_BYTES} bytes")
        told = json.loads(path.read_bytes())
        if not isinstance(told, dict):
            raise TypeError("no object")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, RecursionError) as error:
        logger.warning("%s cannot be read: %s", path, error)
        return None

    def at(seconds: float) -> float:
        return round(max(0.0, seconds + shift_s), 3)

    def part(adapter: TypeAdapter[T], value: Any) -> T | None:
        if value is None:
            return None
        try:
            return adapter.validate_python(value)
        except ValidationError as error:
            logger.warning("%s: %s", path, error.errors(include_url=False, include_input=False)[0]["msg"])
            return None

    chapters = part(_CHAPTERS, told.get("chapters")) or []
    for chapter in chapters:
        chapter["start_s"], chapter["end_s"] = at(chapter["start_s"]), at(chapter["end_s"])
    voice = part(_VOICE, told.get("voice"))
    if voice is not None:
        voice["spans"] = [(at(start_s), at(end_s), who) for start_s, end_s, who in voice["spans"]]
    loudness = told.get("loudness")
    progress = {"state": "running", "indexed_to_s": 0.0, "ocr": "off", "speech": "off"}
    how_far = part(_PROGRESS, {**progress, **{name: told[name] for name in progress if name in told}})
    if how_far is None:
        return None
    how_far["indexed_to_s"] = at(how_far["indexed_to_s"])
    return Index(
        progress=how_far,
        chapters=chapters,
        cover=part(_COVER, told.get("cover")),
        strip=part(_STRIP, told.get("strip")),
        loudness=part(_LOUDNESS, loudness.get(sound) if isinstance(loudness, dict) else None),
        voice=voice,
        captions=part(_CAPTIONS, told.get("captions")) or [],
    )
