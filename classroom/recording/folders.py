"""Where recordings are: ``<root>/<yyyy>/<mm>/<lesson-id>/``, and ``<lesson-id>.2`` when a lesson is held again.

A dot cannot occur in a lesson id, so the number of the holding never looks like another lesson. A folder of any other
name (``maths.bak``, which somebody has put aside) is not a recording.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from classroom.files import make_folder, sync_folder
from classroom.model import InvalidLessonId, parse_lesson_id
from classroom.recording.lesson_file import LESSON_FILE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_KEY = re.compile(r"([0-9]{4})-([0-9]{2})-([1-9][0-9]{0,5})")
_SUFFIX = re.compile(r"\.(?:[2-9]|[1-9][0-9]{1,5})")


def all_folders(root: Path, latest_months: int | None = None) -> Iterator[Path]:
    """The folders that may be recordings, also those without a record, of all months or the latest, oldest first."""
    months = sorted(path for path in root.glob("[0-9][0-9][0-9][0-9]/[0-9][0-9]") if path.is_dir())
    for month in months if latest_months is None else months[-latest_months:]:
        for folder in sorted(month.iterdir()):
            if folder.is_dir():
                yield folder


def all_recordings(root: Path, latest_months: int | None = None) -> Iterator[Path]:
    """The folders of all recordings, of all months or the latest, oldest first."""
    for folder in all_folders(root, latest_months):
        if _is_called_as_one(folder) and (folder / LESSON_FILE).is_file():
            yield folder


def holdings(root: Path, lesson_id: str) -> list[Path]:
    """The recordings of one lesson, the latest last. Empty for a text that cannot be a lesson id."""
    if not _is_lesson_id(lesson_id):
        return []
    months = root.glob("[0-9][0-9][0-9][0-9]/[0-9][0-9]")
    found = [folder for month in months for folder in (month / lesson_id, *month.glob(f"{lesson_id}.*"))]
    found = [folder for folder in found if _is_called_as_one(folder) and (folder / LESSON_FILE).is_file()]
    numbered = [(folder.parent.parent.name, folder.parent.name, _number(folder), folder) for folder in found]
    return [entry[-1] for entry in sorted(numbered)]


def holding_key(folder: Path) -> str:
    """The name of a holding in addresses: ``2026-11-2`` is the second folder of its lesson in that month."""
    return f"{folder.parent.parent.name}-{folder.parent.name}-{_number(folder)}"


def find_holding(root: Path, lesson_id: str, holding: str | None) -> Path | None:
    """The folder of a holding by its key, of the latest one without; None when there is none."""
    if holding is None:
        found = holdings(root, lesson_id)
        return found[-1] if found else None
    # The key says where it is: players ask for a file every second or two, and a library may have 10 000 folders.
    match = _KEY.fullmatch(holding)
    if match is None or not _is_lesson_id(lesson_id):
        return None
    folder = root / match[1] / match[2] / (lesson_id if match[3] == "1" else f"{lesson_id}.{match[3]}")
    return folder if _is_called_as_one(folder) and (folder / LESSON_FILE).is_file() else None


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


def _is_called_as_one(folder: Path) -> bool:
    lesson_id, dot, number = folder.name.partition(".")
    return _is_lesson_id(lesson_id) and (not dot or _SUFFIX.fullmatch(dot + number) is not None)


def _is_lesson_id(text: str) -> bool:
    try:
        parse_lesson_id(text)
    except InvalidLessonId:
        return False
    return True


def _number(folder: Path) -> int:
    return int(folder.name.partition(".")[2] or 1)
