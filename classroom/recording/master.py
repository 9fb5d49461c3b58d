"""The playlist of camera and sound together: which tracks it plays, and that it names their present generation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from classroom.files import replace_file
from classroom.recording.playlist import Rendition, master_playlist
from classroom.recording.track_folder import PLAYLIST

if TYPE_CHECKING:
    from pathlib import Path

    from classroom.recording.lesson_file import LessonRecord, TrackRecord

MASTER = "master.m3u8"
# The pair that it plays: the lesson's main publications are called like their labels.
CAMERA, MIC = "camera", "mic"
PARTNERS = {CAMERA: MIC, MIC: CAMERA}  # begin at the same instant


def rendition(track: TrackRecord) -> Rendition:
    """What the playlist says of a track whose codec is known."""
    assert track.codec is not None
    return Rendition(
        track.name, track.codec, track.peak_bps, track.average_bps, track.width, track.height, track.folder
    )


def write_master(folder: Path, record: LessonRecord) -> None:
    """Write it for a recording that is closed, unless it is as it should be. Raises OSError."""
    pair = [record.track(name) for name in (CAMERA, MIC)]
    video, audio = (
        rendition(track)
        if track is not None and track.codec is not None and (folder / track.folder / PLAYLIST).is_file()
        else None
        for track in pair
    )
    text = master_playlist(video, audio)
    path = folder / MASTER
    if text is not None and (not path.is_file() or path.read_text() != text):
        replace_file(path, text.encode())
