"""Captions of a recording: those that people supplied (``captions/<language>.vtt``) and those of the index.

All files are timed on the axis of the recording, which stays when earlier frames are brought in later; whoever plays
them counts from the first track, as the manifest does.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from classroom.files import replace_file, sync_folder
from classroom.media.webvtt import MAX_BYTES, BadCaptions, Cue, parse_language, parse_webvtt, write_webvtt

if TYPE_CHECKING:
    from pathlib import Path

logger = logging.getLogger(__name__)

CAPTIONS_FOLDER = "captions"


def supplied_languages(folder: Path) -> list[str]:
    """The languages that captions were supplied in. Blocks."""
    return sorted(path.stem for path in (folder / CAPTIONS_FOLDER).glob("*.vtt") if not path.name.startswith("."))


def read_captions(path: Path, shift_s: float) -> tuple[Cue, ...]:
    """The cues of a file, moved by ``shift_s``; none of one that cannot be read. Blocks."""
    try:
        with path.open("rb") as file:
            cues = parse_webvtt(file.read(MAX_BYTES + 1))
    except (OSError, BadCaptions) as error:
        logger.warning("%s cannot be read: %s", path, error)
        return ()
    return shifted(cues, shift_s)


def put_captions(folder: Path, language: str, data: bytes, shift_s: float) -> None:
    """Keep supplied captions, moved by ``shift_s``. Raises BadCaptions, OSError."""
    name = f"{parse_language(language)}.vtt"
    cues = shifted(parse_webvtt(data), shift_s)
    target = folder / CAPTIONS_FOLDER
    target.mkdir(exist_ok=True)
    replace_file(target / name, write_webvtt(cues))
    sync_folder(target)


def shifted(cues: tuple[Cue, ...], shift_s: float) -> tuple[Cue, ...]:
    """Cues moved in time; what would end before the beginning is left out."""
    moved = (replace(cue, start_s=max(0.0, cue.start_s + shift_s), end_s=cue.end_s + shift_s) for cue in cues)
    return tuple(cue for cue in moved if cue.end_s > cue.start_s)
