"""Where recordings are: ``<root>/<yyyy>/<mm>/<lesson-id>/``, and ``<lesson-id>.2`` when a lesson is held again.

A dot cannot occur in a lesson id, so the number of the holding never looks like another lesson.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from classroom.model import InvalidLessonId, parse_lesson_id
from classroom.recording.files import make_folder, sync_folder
from classroom.recording.lesson_file import LESSON_FILE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def all_folders(root: Path) -> Iterator[Path]:
    """The folders that may be recordings, also those without a record, oldest month first."""
    for folder in sorted(root.glob("[0-9][0-9][0-9][0-9]/[0-9][0-9]/*")):
        if folder.is_dir():
            yield folder


def all_recordings(root: Path) -> Iterator[Path]:
    """The folders of all recordings, oldest month first."""
    return (folder for folder in all_folders(root) if (folder / LESSON_FILE).is_file())


def holdings(root: Path, lesson_id: str) -> list[Path]:
    """The recordings of one lesson, the latest last. Empty for a text that cannot be a lesson id."""
    try:
        parse_lesson_id(lesson_id)
    except InvalidLessonId:
        return []
    months = root.glob("[0-9][0-9][0-9][0-9]/[0-9][0-9]")
    found = [folder for month in months for folder in (month / lesson_id, *month.glob(f"{lesson_id}.*"))]
    numbered = [(f.parent.parent.name, f.parent.name, _number(f), f) for f in found if (f / LESSON_FILE).is_file()]
    return [entry[-1] for entry in sorted(numbered)]


def holding_key(folder: Path) -> str:
    """The name of a holding in addresses: ``2026-11-2`` is the second folder of its lesson in that month."""
    return f"{folder.parent.parent.name}-{folder.parent.name}-{_number(folder)}"


def find_holding(root: Path, lesson_id: str, holding: str | None) -> Path | None:
    """The folder of a holding by its key, of the latest one without; None when there is none."""
    found = holdings(root, lesson_id)
    if holding is not None:
        found = [folder for folder in found if holding_key(folder) == holding]
    return found[-1] if found else None


def new_folder(root: Path, lesson_id: str, at_s: float) -> Path:
    """Make the folder for a holding that begins at ``at_s`` (seconds since 1970). Raises OSError."""
    began = datetime.fromtimestamp(at_s, UTC)
    month = root / f"{began:%Y}" / f"{began:%m}"
    make_folder(month)
    number = 1
    while True:
        folder = month / (lesson_id if number == 1 else f"{lesson_id}.{number}")
        try:
            folder.mkdir()
        except FileExistsError:
            if not folder.is_dir() or any(folder.iterdir()):
                number += 1
                continue  # else left by a recorder that did not come further
        sync_folder(month)
        return folder


def _number(folder: Path) -> int:
    suffix = folder.name.partition(".")[2]
    return int(suffix) if suffix.isdigit() else 1
