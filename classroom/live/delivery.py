"""What is said of deliveries between the door and the archive."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from classroom.model import LessonId, RecordingState


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a copy is asked for: (first index, count) in its inventory, for the recording ``holding``."""

    holding: str
    wanted: list[tuple[int, int]]
    wanted_bytes: int
    live: bool


@dataclass(frozen=True, slots=True)
class Completed:
    """A recording after what had come was put in: its state, and how many gaps remain."""

    state: RecordingState
    gaps: int


@dataclass(frozen=True, slots=True)
class Told:
    """What the latest recording of a lesson says of itself."""

    lesson: LessonId
    state: RecordingState
    detail: str | None
