"""The reading side of recordings: what the replay page and the media door need (docs/protocol.md §5)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypedDict

from classroom.catalogue.metadata import Metadata
from classroom.recording.captions import CAPTIONS_FOLDER, supplied_languages
from classroom.recording.derived import CaptionsEntry, Chapter, Derived, derived
from classroom.recording.folders import holding_key, holdings
from classroom.recording.happenings import read_events
from classroom.recording.index_file import INDEX_FOLDER, read_index
from classroom.recording.lesson_file import LessonRecord, Repair, TrackRecord, read_lesson
from classroom.recording.master import CAMERA, MASTER, MIC
from classroom.recording.metadata_file import read_metadata, shown_title
from classroom.recording.playlist import iso_time
from classroom.recording.track_folder import PLAYLIST

if TYPE_CHECKING:
    from pathlib import Path

_MEDIA = {".m3u8": "application/vnd.apple.mpegurl", ".m4s": "video/iso.segment", ".mp4": "video/mp4"}
_DERIVED = {INDEX_FOLDER: {".webp": "image/webp", ".vtt": "text/vtt"}, CAPTIONS_FOLDER: {".vtt": "text/vtt"}}
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}")


class GapEntry(TypedDict):
    """A stretch of a track without media."""

    start_s: float
    end_s: float
    reason: str


class RepairEntry(TypedDict):
    """How far the delivery of missing frames has come."""

    wanted_bytes: int
    received_bytes: int


class TrackEntry(TypedDict):
    """One playable track; times count from the beginning of the earliest one."""

    name: str
    label: str
    kind: str
    playlist: str
    start_s: float
    duration_s: float
    codec: str
    width: int | None
    height: int | None
    gaps: list[GapEntry]


class Manifest(Derived):
    """What the replay page needs; paths are relative to the folder of the recording.

    Times count from the beginning of the earliest track.
    """

    lesson: str
    holding: str
    title: str
    state: str
    detail: str | None
    repair: RepairEntry | None
    started_at: str
    ended_at: str | None
    duration_s: float
    tracks: list[TrackEntry]
    master: str | None
    metadata: dict[str, Any]
    events: list[dict[str, Any]]


def find_recording(root: Path, lesson_id: str) -> Path | None:
    """The folder of the latest recording of a lesson; None when there is none or the id cannot be one. Blocks."""
    found = holdings(root, lesson_id)
    return found[-1] if found else None


def manifest(folder: Path) -> Manifest:
    """Describe a recording, also while it grows. Blocks. Raises FileNotFoundError, DamagedRecording.

    Time 0 is when the first track begins. Time 0 of ``master`` is ``start_s`` of its picture (``camera``), or of
    ``mic`` when there is no picture.
    """
    record = read_lesson(folder)
    playable = _playable(folder, record)
    origin_s = min((start_s for _, start_s, _ in playable), default=0.0)
    end_s = max((start_s + track.duration_s for track, start_s, _ in playable), default=origin_s)
    has_master = any(track.name in (CAMERA, MIC) for track, _, _ in playable) and (folder / MASTER).is_file()
    said = read_metadata(folder)
    metadata = Metadata() if said is None else said.metadata
    found = derived(read_index(folder), -origin_s, MIC, {track.name: track.folder for track in record.tracks})
    tracks = [_entry(track, origin_s, start_s, codec) for track, start_s, codec in playable]
    return Manifest(
        lesson=record.id,
        holding=holding_key(folder),
        title=shown_title(metadata, record.title),
        state=record.state.value,
        detail=record.detail,
        repair=_progress(record.repair),
        started_at=iso_time(record.epoch_s + origin_s),
        ended_at=record.ended_at,
        duration_s=round(end_s - origin_s, 3),
        tracks=tracks,
        master=MASTER if has_master else None,
        metadata=metadata.as_json(),
        chapters=found["chapters"],
        cover=found["cover"],
        strip=found["strip"],
        loudness=found["loudness"],
        voice=found["voice"],
        captions=_captions(folder, found["captions"]),
        events=_timeline(folder, origin_s, tracks, found["chapters"]),
        index=found["index"],
    )


def origin_s(folder: Path) -> float:
    """Where on the axis of a recording the time of its manifest begins. Blocks. Raises as ``manifest``."""
    record = read_lesson(folder)
    return min((start_s for _, start_s, _ in _playable(folder, record)), default=0.0)


def _captions(folder: Path, found: list[CaptionsEntry]) -> list[CaptionsEntry]:
    """Captions that people supplied, and in other languages those of the index. Blocks."""
    supplied = supplied_languages(folder)
    told = [CaptionsEntry(language=it, url=f"{CAPTIONS_FOLDER}/{it}.vtt", source="supplied") for it in supplied]
    return told + [it for it in found if it["source"] == "speech" and it["language"] not in supplied]


def _playable(folder: Path, record: LessonRecord) -> list[tuple[TrackRecord, float, str]]:
    return [
        (track, track.start_s, track.codec)
        for track in record.tracks
        if track.start_s is not None and track.codec is not None and (folder / track.folder / PLAYLIST).is_file()
    ]


def _timeline(folder: Path, origin_s: float, tracks: list[TrackEntry], chapters: list[Chapter]) -> list[dict[str, Any]]:
    """Everything that has a place on the timeline, by time."""
    events = read_events(folder, -origin_s)
    events += [
        {"kind": "gap", "at_s": gap["start_s"], "end_s": gap["end_s"], "reason": gap["reason"], "track": track["name"]}
        for track in tracks
        for gap in track["gaps"]
    ]
    events += [{"kind": "slide", "at_s": chapter["start_s"]} for chapter in chapters]
    return sorted(events, key=lambda event: float(event["at_s"]))


def _progress(repair: Repair | None) -> RepairEntry | None:
    if repair is None:
        return None
    return RepairEntry(wanted_bytes=repair.wanted_bytes, received_bytes=repair.received_bytes)


def _entry(track: TrackRecord, origin_s: float, start_s: float, codec: str) -> TrackEntry:
    return TrackEntry(
        name=track.name,
        label=track.label.value,
        kind=track.kind.value,
        playlist=f"{track.folder}/{PLAYLIST}",
        start_s=round(start_s - origin_s, 6),
        duration_s=track.duration_s,
        codec=codec,
        width=track.width,
        height=track.height,
        gaps=[
            GapEntry(
                start_s=round(gap.start_s - origin_s, 3), end_s=round(gap.end_s - origin_s, 3), reason=gap.reason.value
            )
            for gap in track.gaps
        ],
    )


def media_file(folder: Path, path: str) -> tuple[Path, str] | None:
    """The file of a recording that ``path`` names, with its media type; None for anything that is not to be served.

    Playlists, CMAF headers and segments are, and the pictures and captions of the index; names of other characters than
    those that we use are not, nor what a link leads to elsewhere. Blocks.
    """
    parts = path.split("/")
    if not 1 <= len(parts) <= 2 or not all(_NAME.fullmatch(part) for part in parts):
        return None
    served = _DERIVED.get(parts[0], _MEDIA) if len(parts) == 2 else _MEDIA
    media_type = served.get(path[path.rfind(".") :])
    file = folder.joinpath(*parts)
    if media_type is None or not file.is_file() or file.resolve() != folder.resolve().joinpath(*parts):
        return None
    return file, media_type
