"""The recordings in a data directory by lesson and holding: what the doors are given to see of them."""

from __future__ import annotations

import logging
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from classroom.media.webvtt import write_webvtt
from classroom.recording.captions import CAPTIONS_FOLDER, put_captions, read_captions
from classroom.recording.folders import find_holding, holding_key, holdings
from classroom.recording.index_file import INDEX_FOLDER
from classroom.recording.lesson_file import DamagedRecording
from classroom.recording.library import manifest, media_file, origin_s
from classroom.recording.metadata_file import write_metadata

if TYPE_CHECKING:
    from pathlib import Path

    from classroom.catalogue.metadata import DatedMetadata
    from classroom.model import LessonId

logger = logging.getLogger(__name__)

# A segment is written chunk by chunk before a playlist names it; one that has rested so long changes no more.
SETTLED_S = 10.0
_HOLDING = re.compile(r"(\d{4}-\d{2}-\d{1,9})/(.+)")
# Playlists grow, and captions are timed anew; all other files keep their name for as long as they keep their contents.
_FINAL = (".m4s", ".mp4", ".webp")


@dataclass(frozen=True, slots=True)
class ServedFile:
    """A file of a recording; ``final``: what this address gives will never change."""

    path: Path
    media_type: str
    final: bool


class RecordingLibrary:
    """The recordings in a data directory. Methods block.

    A lesson may be held more than once. Paths in a manifest begin with the holding (``2026-11-2/camera/index.m3u8``),
    so that an address means the same bytes for ever; without it a path means the latest holding.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def manifest(self, lesson: LessonId, holding: str | None = None) -> dict[str, Any] | None:
        """See classroom.recording.library.manifest; None when there is none, or it cannot be read."""
        folder = find_holding(self._root, lesson, holding)
        if folder is None:
            return None
        try:
            told = manifest(folder)
        except (OSError, DamagedRecording) as error:
            logger.warning("lesson=%s %s", lesson, error)
            return None
        inside = f"{holding_key(folder)}/"
        strip = told["strip"]
        return {
            **told,
            "tracks": [{**track, "playlist": inside + track["playlist"]} for track in told["tracks"]],
            "master": _inside(inside, told["master"]),
            "cover": _inside(inside, told["cover"]),
            "chapters": [{**it, "thumbnail": _inside(inside, it["thumbnail"])} for it in told["chapters"]],
            "strip": None if strip is None else {**strip, "sheets": [inside + sheet for sheet in strip["sheets"]]},
            "captions": [{**it, "url": inside + it["url"]} for it in told["captions"]],
        }

    def file(self, lesson: LessonId, path: str) -> ServedFile | None:
        """See classroom.web.context.Recordings."""
        match = _HOLDING.fullmatch(path)
        folder = find_holding(self._root, lesson, match[1] if match else None)
        served = None if folder is None else media_file(folder, match[2] if match else path)
        if served is None:
            return None
        file, media_type = served
        settled = time.time() - file.stat().st_mtime >= SETTLED_S
        return ServedFile(file, media_type, match is not None and file.suffix in _FINAL and settled)

    def captions(self, lesson: LessonId, path: str) -> bytes | None:
        """Captions of a recording as WebVTT, timed as the manifest is; None for what is not there."""
        found = self.file(lesson, path)
        if found is None or found.path.parent.name not in (CAPTIONS_FOLDER, INDEX_FOLDER):
            return None
        try:
            return write_webvtt(read_captions(found.path, -origin_s(found.path.parent.parent)))
        except (OSError, DamagedRecording) as error:
            logger.warning("lesson=%s %s", lesson, error)
            return None

    def put_captions(self, lesson: LessonId, holding: str, language: str, data: bytes) -> bool:
        """Keep supplied captions, timed as the manifest is; False without such a holding.

        Raises BadCaptions, OSError.
        """
        folder = find_holding(self._root, lesson, holding)
        if folder is None:
            return False
        try:
            shift_s = origin_s(folder)
        except DamagedRecording as error:
            logger.warning("lesson=%s %s", lesson, error)
            return False
        put_captions(folder, language, data, shift_s)
        return True

    def put_metadata(self, lesson: LessonId, said: DatedMetadata) -> None:
        """Write what is said about a lesson beside each of its recordings; a disk that refuses is logged."""
        for folder in holdings(self._root, lesson):
            try:
                write_metadata(folder, lesson, said)
            except OSError as error:
                logger.warning("lesson=%s its metadata cannot be written to %s: %s", lesson, folder, error)


def _inside(holding: str, path: str | None) -> str | None:
    return None if path is None else holding + path
