"""``metadata.json``: what people said about the lesson, beside its recording, so that a copy of the folder says all."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from classroom.catalogue.metadata import BadMetadata, DatedMetadata, Metadata, parse_metadata
from classroom.files import replace_file
from classroom.recording.playlist import iso_time

if TYPE_CHECKING:
    from pathlib import Path

logger = logging.getLogger(__name__)

METADATA_FILE = "metadata.json"
MAX_BYTES = 64 << 10
_UNDATED = datetime(1970, 1, 1, tzinfo=UTC)
_BESIDE = ("lesson", "updated_at")


def read_metadata(folder: Path) -> DatedMetadata | None:
    """What is said beside a recording; None when nothing is, or it cannot be understood. Blocks."""
    path = folder / METADATA_FILE
    try:
        with path.open("rb") as file:
            told = json.loads(file.read(MAX_BYTES))
        updated_at = datetime.fromisoformat(told["updated_at"]) if "updated_at" in told else _UNDATED
        fields = {name: value for name, value in told.items() if name not in _BESIDE}
        return DatedMetadata(parse_metadata(json.dumps(fields)), updated_at.astimezone(UTC))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, AttributeError, RecursionError, OverflowError, BadMetadata) as error:
        logger.warning("%s cannot be read: %s", path, error)
        return None


def write_metadata(folder: Path, lesson: str, said: DatedMetadata) -> None:
    """Put down what is said about the lesson of a recording. Raises OSError."""
    told = {"lesson": lesson, **said.metadata.as_json(), "updated_at": iso_time(said.updated_at.timestamp())}
    replace_file(folder / METADATA_FILE, json.dumps(told, ensure_ascii=False, indent=1).encode() + b"\n")


def shown_title(said: Metadata, recorded: str) -> str:
    """The title that people see."""
    return said.title or recorded
