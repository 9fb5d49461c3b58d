"""Which lessons this node holds, on disk: what a server that was killed must know when it starts again."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from classroom.model import LessonId, LessonState, RecordingState, parse_lesson_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Entry:
    """One lesson that was started; times are aware."""

    id: LessonId
    title: str
    state: LessonState
    started_at: datetime | None
    ended_at: datetime | None
    recording: RecordingState
    recording_detail: str | None


class Journal:
    """A small JSON file, replaced as a whole. File I/O happens in a thread; one write at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = asyncio.Lock()

    async def load(self) -> list[Entry]:
        """The lessons as they were last saved; none when there is no file. A broken file is put aside and logged."""
        try:
            text = await asyncio.to_thread(self._path.read_text, "utf-8")
        except FileNotFoundError:
            return []
        try:
            return [_parse(item) for item in json.loads(text)["lessons"]]
        except Exception:
            aside = self._path.with_suffix(".broken")
            logger.exception("%s cannot be read; it is put aside as %s", self._path, aside.name)
            await asyncio.to_thread(os.replace, self._path, aside)
            return []

    async def save(self, entries: Callable[[], Iterable[Entry]]) -> None:
        """Write what ``entries`` gives when it is this write's turn; raises OSError."""
        async with self._lock:
            text = json.dumps({"lessons": [asdict(entry) for entry in entries()]}, default=_jsonable, indent=1)
            await asyncio.to_thread(self._write, text)

    def _write(self, text: str) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        part = self._path.with_suffix(".part")
        with part.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        part.replace(self._path)


def _jsonable(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(type(value).__name__)


def _parse(item: dict[str, Any]) -> Entry:
    return Entry(
        id=parse_lesson_id(item["id"]),
        title=str(item["title"]),
        state=LessonState(item["state"]),
        started_at=_time(item["started_at"]),
        ended_at=_time(item["ended_at"]),
        recording=RecordingState(item["recording"]),
        recording_detail=item["recording_detail"],
    )


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
