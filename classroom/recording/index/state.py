"""What the indexer remembers of a recording, in one file: killing it costs the work on a minute of lesson."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import TypeAdapter, ValidationError

from classroom.files import replace_file
from classroom.recording.index_file import Chapter  # noqa: TC001 - pydantic looks at it at run time

if TYPE_CHECKING:
    from pathlib import Path

    Arrays = dict[str, np.ndarray[Any, Any]]

STATE_FILE = "state.npz"
VERSION = 1  # of what is remembered: another begins anew
_SAYS = "says"


@dataclass(slots=True)
class TrackProgress:
    """How far a track is indexed; ``starts`` has number and start of each segment, for pictures."""

    folder: str
    done: int = 0
    end_s: float = 0.0
    starts: list[tuple[int, float]] = field(default_factory=list)


@dataclass(slots=True)
class WrittenDown:
    """What was said up to a time: start and end in seconds, and text."""

    to_s: float = 0.0
    cues: list[tuple[float, float, str]] = field(default_factory=list)


@dataclass(slots=True)
class Remembered:
    """Everything but the arrays of the detectors."""

    tracks: dict[str, TrackProgress] = field(default_factory=dict)
    chapters: list[Chapter] = field(default_factory=list)
    cells: int = 0
    sheets: list[str] = field(default_factory=list)
    cover: str | None = None
    written: WrittenDown = field(default_factory=WrittenDown)
    version: int = VERSION


_REMEMBERED = TypeAdapter(Remembered)


def save_state(folder: Path, remembered: Remembered, arrays: Arrays) -> None:
    """Write the state into an index folder. Raises OSError."""
    data = io.BytesIO()
    says = np.frombuffer(_REMEMBERED.dump_json(remembered), np.uint8)
    np.savez_compressed(data, allow_pickle=False, **{_SAYS: says, **arrays})
    replace_file(folder / STATE_FILE, data.getvalue())


def load_state(folder: Path) -> tuple[Remembered, Arrays]:
    """Read the state; an empty one when there is none that can be gone on with. Raises OSError."""
    try:
        with np.load(io.BytesIO((folder / STATE_FILE).read_bytes()), allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        remembered = _REMEMBERED.validate_json(arrays.pop(_SAYS).tobytes())
    except (FileNotFoundError, ValidationError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return Remembered(), {}
    return (remembered, arrays) if remembered.version == VERSION else (Remembered(), {})


def part(arrays: Arrays, prefix: str) -> Arrays:
    """The arrays whose names begin with a prefix, without it."""
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def with_prefix(arrays: Arrays, prefix: str) -> Arrays:
    """The arrays under names with a prefix."""
    return {prefix + name: array for name, array in arrays.items()}
