"""The reading side of recordings: what the replay page and the media door need (docs/protocol.md §5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

from classroom.recording.folders import holdings
from classroom.recording.lesson_file import Repair, TrackRecord, read_lesson
from classroom.recording.master import CAMERA, MASTER, MIC
from classroom.recording.playlist import iso_time
from classroom.recording.track_folder import PLAYLIST

if TYPE_CHECKING:
    from pathlib import Path

_SERVED = {".m3u8": "application/vnd.apple.mpegurl", ".m4s": "video/iso.segment", ".mp4": "video/mp4"}


class GapEntry(TypedDict):
    """A stretch of a track without media."""

    start_s: float
    end_s: float
    reason: str


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


class RepairEntry(TypedDict):
    """How far the delivery of missing frames has come."""

    wanted_bytes: int
    received_bytes: int


class Manifest(TypedDict):
    """What the replay page needs; paths are relative to the folder of the recording."""

    lesson: str
    title: str
    state: str
    detail: str | None
    repair: RepairEntry | None
    started_at: str
    duration_s: float
    tracks: list[TrackEntry]
    master: str | None


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
    playable = [
        (track, track.start_s, track.codec)
        for track in record.tracks
        if track.start_s is not None and track.codec is not None and (folder / track.folder / PLAYLIST).is_file()
    ]
    origin_s = min((start_s for _, start_s, _ in playable), default=0.0)
    end_s = max((start_s + track.duration_s for track, start_s, _ in playable), default=origin_s)
    has_master = any(track.name in (CAMERA, MIC) for track, _, _ in playable) and (folder / MASTER).is_file()
    return Manifest(
        lesson=record.id,
        title=record.title,
        state=record.state.value,
        detail=record.detail,
        repair=_progress(record.repair),
        started_at=iso_time(record.epoch_s + origin_s),
        duration_s=round(end_s - origin_s, 3),
        tracks=[_entry(track, origin_s, start_s, codec) for track, start_s, codec in playable],
        master=MASTER if has_master else None,
    )


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

    Playlists, CMAF headers and segments are; names that begin with a dot and paths that lead out of the folder are not.
    Blocks.
    """
    parts = path.split("/")
    media_type = _SERVED.get(path[path.rfind(".") :])
    if media_type is None or not 1 <= len(parts) <= 2 or any(part.startswith(".") or not part for part in parts):
        return None
    if "\\" in path or "\0" in path:
        return None
    file = folder.joinpath(*parts)
    if not file.is_file() or file.resolve().parent not in (folder.resolve(), (folder / parts[0]).resolve()):
        return None
    return file, media_type
