"""The reading side of recordings: what the replay page and the media door need (docs/protocol.md §5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

from classroom.recording.archive import CAMERA, MASTER, MIC
from classroom.recording.folders import holdings
from classroom.recording.lesson_file import TrackRecord, read_lesson
from classroom.recording.playlist import iso_time
from classroom.recording.track_folder import PLAYLIST

if TYPE_CHECKING:
    from pathlib import Path

_SERVED = {".m3u8": "application/vnd.apple.mpegurl", ".m4s": "video/iso.segment", ".mp4": "video/mp4"}


class TrackEntry(TypedDict):
    """One playable track; ``start_s`` counts from the beginning of the earliest one."""

    name: str
    label: str
    kind: str
    playlist: str
    start_s: float
    duration_s: float
    codec: str
    width: int | None
    height: int | None


class Manifest(TypedDict):
    """What the replay page needs; paths are relative to the folder of the recording."""

    lesson: str
    title: str
    state: str
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
        if track.start_s is not None and track.codec is not None and (folder / track.name / PLAYLIST).is_file()
    ]
    origin_s = min((start_s for _, start_s, _ in playable), default=0.0)
    end_s = max((start_s + track.duration_s for track, start_s, _ in playable), default=origin_s)
    has_master = any(track.name in (CAMERA, MIC) for track, _, _ in playable) and (folder / MASTER).is_file()
    return Manifest(
        lesson=record.id,
        title=record.title,
        state=record.state.value,
        started_at=iso_time(record.epoch_s + origin_s),
        duration_s=round(end_s - origin_s, 3),
        tracks=[_entry(track, start_s - origin_s, codec) for track, start_s, codec in playable],
        master=MASTER if has_master else None,
    )


def _entry(track: TrackRecord, start_s: float, codec: str) -> TrackEntry:
    return TrackEntry(
        name=track.name,
        label=track.label.value,
        kind=track.kind.value,
        playlist=f"{track.name}/{PLAYLIST}",
        start_s=round(start_s, 6),
        duration_s=track.duration_s,
        codec=codec,
        width=track.width,
        height=track.height,
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
