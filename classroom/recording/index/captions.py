"""Captions of a recording: those that somebody supplied, checked and in one form."""

from __future__ import annotations

import logging
import zlib
from typing import TYPE_CHECKING

from classroom.files import replace_file
from classroom.media.webvtt import BadCaptions, parse_language, parse_webvtt, write_webvtt
from classroom.recording.captions import CAPTIONS_FOLDER
from classroom.recording.index_file import INDEX_FOLDER, Captions

if TYPE_CHECKING:
    from pathlib import Path

logger = logging.getLogger(__name__)


def supplied_captions(recording: Path) -> list[Captions]:
    """Take over every ``captions/<language>.vtt`` into the index; one that is no WebVTT is logged and left out.

    Blocks. Raises OSError.
    """
    taken = []
    for path in sorted((recording / CAPTIONS_FOLDER).glob("*.vtt")):
        try:
            language = parse_language(path.stem)
            data = write_webvtt(parse_webvtt(path.read_bytes()))
        except BadCaptions as error:
            logger.warning("%s: %s", path, error)
            continue
        taken.append(store_captions(recording, language, data, supplied=True))
    return taken


def store_captions(recording: Path, language: str, data: bytes, supplied: bool) -> Captions:
    """Write captions into the index under a name of their contents. Raises OSError."""
    name = f"captions-{language}-{zlib.crc32(data):08x}.vtt"
    path = recording / INDEX_FOLDER / name
    if not path.is_file():
        replace_file(path, data)
    return Captions(language, name, "supplied" if supplied else "speech")
