"""Generations of a track: a splice writes another folder, and ``lesson.json`` says which one is the track.

``camera`` is the first generation of the track ``camera``, ``camera.2`` the second. What no record names is of a splice
that was not finished, or was replaced by one that was.
"""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

from classroom.files import sync_folder

if TYPE_CHECKING:
    from pathlib import Path

    from classroom.recording.lesson_file import LessonRecord

_FOLDER = re.compile(r"(?P<name>[A-Za-z0-9_-]+)(?:\.(?P<number>\d+))?")


def generation_of(folder: str) -> tuple[str, int]:
    """The track and the number of the generation that a folder of this name holds."""
    match = _FOLDER.fullmatch(folder)
    return (folder, 1) if match is None else (match["name"], int(match["number"] or 1))


def new_generation(folder: Path, name: str) -> Path:
    """Make the folder of the next generation of a track in the folder of its recording. Raises OSError."""
    taken = [1]
    for path in folder.iterdir():
        match = _FOLDER.fullmatch(path.name)
        if match and match["name"] == name:
            taken.append(int(match["number"] or 1))
    made = folder / f"{name}.{max(taken) + 1}"
    made.mkdir()
    return made


def remove_unreferenced(folder: Path, record: LessonRecord) -> list[str]:
    """Remove the generations that a recording does not name; returns what they were called. Raises OSError."""
    names = {track.name for track in record.tracks}
    in_use = {track.folder for track in record.tracks}
    removed = []
    for path in sorted(folder.iterdir()):
        match = _FOLDER.fullmatch(path.name)
        if match is None or path.name in in_use or path.is_symlink() or not path.is_dir():
            continue
        if match["number"] is not None or match["name"] in names:
            shutil.rmtree(path)
            removed.append(path.name)
    if removed:
        sync_folder(folder)
    return removed
