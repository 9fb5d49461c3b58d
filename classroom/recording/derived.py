"""The index of a recording as its manifest tells it: in its time, files by their path in the folder. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

from classroom.recording.index_file import INDEX_FOLDER, IndexState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from classroom.recording.index_file import IndexRecord


class Chapter(TypedDict):
    """What one page of the slides was on the screen for."""

    start_s: float
    end_s: float
    thumbnail: str | None
    text: str
    title: str
    page: int | None


class Strip(TypedDict):
    """Small pictures at equal intervals, row by row on sheets."""

    interval_s: float
    width_px: int
    height_px: int
    columns: int
    rows: int
    sheets: list[str]


class Loudness(TypedDict):
    """By how much playback is to be louder."""

    gain_db: float


class Voice(TypedDict):
    """Who speaks when, and for how long altogether."""

    spans: list[tuple[float, float, str]]
    teacher_s: float
    classroom_s: float
    silence_s: float


class Progress(TypedDict):
    """How far the index is."""

    state: str
    indexed_to_s: float
    ocr: str
    speech: str


class CaptionsEntry(TypedDict):
    """Captions; ``url`` is a path in the folder."""

    language: str
    url: str
    source: str


class Derived(TypedDict):
    """What a manifest tells of the index. What it has not found, or not yet, is empty or None."""

    chapters: list[Chapter]
    cover: str | None
    strip: Strip | None
    loudness: Loudness | None
    voice: Voice | None
    captions: list[CaptionsEntry]
    index: Progress | None


def derived(record: IndexRecord | None, shift_s: float, sound: str, folders: Mapping[str, str]) -> Derived:
    """Tell an index with ``shift_s`` added to all times; ``sound`` is the track whose loudness counts.

    ``folders`` are those that the tracks are in now. An index that was made of others is ``running``: the recording
    has been spliced since, and is indexed again.
    """
    if record is None:
        return Derived(chapters=[], cover=None, strip=None, loudness=None, voice=None, captions=[], index=None)

    def at(seconds: float) -> float:
        return round(max(0.0, seconds + shift_s), 3)

    spliced = any(folders.get(name) != where for name, where in record.source.items())
    strip, loudness, voice = record.strip, record.loudness.get(sound), record.voice
    return Derived(
        chapters=[
            Chapter(
                start_s=at(it.start_s),
                end_s=at(it.end_s),
                thumbnail=_path(it.thumbnail),
                text=it.text,
                title=it.title,
                page=it.page,
            )
            for it in record.chapters
        ],
        cover=_path(record.cover),
        strip=None
        if strip is None
        else Strip(
            interval_s=strip.interval_s,
            width_px=strip.width_px,
            height_px=strip.height_px,
            columns=strip.columns,
            rows=strip.rows,
            sheets=[f"{INDEX_FOLDER}/{sheet}" for sheet in strip.sheets],
        ),
        loudness=None if loudness is None else Loudness(gain_db=loudness.gain_db),
        voice=None
        if voice is None
        else Voice(
            spans=[(at(start_s), at(end_s), who.value) for start_s, end_s, who in voice.spans],
            teacher_s=voice.teacher_s,
            classroom_s=voice.classroom_s,
            silence_s=voice.silence_s,
        ),
        captions=[
            CaptionsEntry(language=it.language, url=f"{INDEX_FOLDER}/{it.file}", source=it.source)
            for it in record.captions
        ],
        index=Progress(
            state=(IndexState.RUNNING if spliced else record.state).value,
            indexed_to_s=at(record.indexed_to_s),
            ocr=record.ocr,
            speech=record.speech,
        ),
    )


def _path(name: str | None) -> str | None:
    return f"{INDEX_FOLDER}/{name}" if name else None
