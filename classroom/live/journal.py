"""Which lessons this node holds, on disk: what a server that was killed must know when it starts again."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from classroom.files import replace_file, sync_folder
from classroom.live.floor import Floor
from classroom.live.lesson import UNNUMBERED, LiveLesson
from classroom.live.participant import Person
from classroom.messages import Note, VolumeSet
from classroom.model import LessonId, LessonState, ParticipantId, RecordingState, Role, parse_lesson_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from classroom.live.streams import Kept

logger = logging.getLogger(__name__)

SLOW_S = 2.0  # a lesson waits no longer for the disk
WRITE_EVERY_S = 1.0  # at most, for what nobody waits for; what was commanded is written at once


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
    ends_at: datetime | None = None
    interactive: bool = True
    page: int | None = None
    page_at: datetime | None = None
    floor: dict[str, Any] = field(default_factory=lambda: Floor().saved())
    people: list[tuple[Person, datetime]] = field(default_factory=list)  # and when they joined
    kept: dict[ParticipantId, list[Kept]] = field(default_factory=dict)  # for those who are away


def entry_of(lesson: LiveLesson, kept: Mapping[ParticipantId, Iterable[Kept]]) -> Entry:
    """What of a lesson is kept; of one that is not live not who was in it: it would begin anew, and there are many."""
    live = lesson.state is LessonState.LIVE
    return Entry(
        lesson.id,
        lesson.title,
        lesson.state,
        lesson.started_at,
        lesson.ended_at,
        lesson.recording,
        lesson.recording_detail,
        lesson.ends_at,
        lesson.interactive,
        lesson.page,
        lesson.page_at,
        lesson.floor.saved() if live else Floor().saved(),
        lesson.people() if live else [],
        {who: list(messages) for who, messages in kept.items()} if live else {},
    )


def lesson_of(entry: Entry, wall: datetime) -> LiveLesson:
    """The lesson as it was, with everybody away; what became of its recording is to be said by whoever records."""
    lesson = LiveLesson(
        entry.id,
        entry.title,
        entry.state,
        entry.started_at,
        entry.ended_at,
        Floor.restored(entry.floor),
        entry.page,
        entry.page_at,
    )
    lesson.plan(entry.title, entry.ends_at, entry.interactive)
    for person, joined_at in entry.people:
        lesson.expect(person, joined_at, wall)
    return lesson


class Journal:
    """A small JSON file, replaced as a whole. File I/O happens in a thread; one write at a time.

    A disk that refuses is logged, once until it takes something, and tried again; lessons go on meanwhile.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = asyncio.Lock()
        self._changed = self._closed = self._refused = False
        self._written_s = float("-inf")
        self._writing: asyncio.Task[None] | None = None
        self._awaited: set[asyncio.Task[None]] = set()  # writes that somebody waits for, or did until they were late
        self._late: asyncio.Task[None] | None = None
        self._words: dict[LessonId, tuple[Entry, str]] = {}  # as last written

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

    async def settle(self, entries: Callable[[], Iterable[Entry]]) -> None:
        """Return when all that was to be saved by now is on disk. Who asks meanwhile shares the next write.

        A disk that takes longer than SLOW_S is logged, and until it has written nobody waits for it.
        """
        if self._late is not None and not self._late.done():
            return
        write = asyncio.create_task(self.flush(entries), name="journal")  # a thread that writes cannot be stopped
        self._awaited.add(write)
        write.add_done_callback(self._awaited.discard)
        done, _ = await asyncio.wait([write], timeout=SLOW_S)
        if not done and (self._late is None or self._late.done()):
            self._late = write
            logger.warning("%s is not written after %.0f s; nobody waits for it", self._path, SLOW_S)

    async def flush(self, entries: Callable[[], Iterable[Entry]]) -> None:
        """Write what was to be saved, as ``entries`` gives it when it is this write's turn, however long it takes."""
        async with self._lock:  # a write that has begun is waited for: it may be the one
            if self._changed:
                await self._save(entries)

    def save_soon(self, entries: Callable[[], Iterable[Entry]]) -> None:
        """Write beside whatever else is done, at most every WRITE_EVERY_S."""
        self._changed = True
        if not self._closed and (self._writing is None or self._writing.done()):
            self._writing = asyncio.create_task(self._write_while_changed(entries), name="journal")

    async def close(self) -> None:
        """Write nothing more by itself."""
        self._closed = True
        if self._writing is not None:
            async with self._lock:  # a thread that writes cannot be stopped, and must not write beside the next one
                self._writing.cancel()
            await asyncio.wait([self._writing, *self._awaited])

    async def _write_while_changed(self, entries: Callable[[], Iterable[Entry]]) -> None:
        while self._changed:
            await asyncio.sleep(self._written_s + WRITE_EVERY_S - asyncio.get_running_loop().time())
            await self.flush(entries)

    async def _save(self, entries: Callable[[], Iterable[Entry]]) -> None:
        self._changed = False
        self._written_s = asyncio.get_running_loop().time()
        try:
            await asyncio.to_thread(self._write, list(entries()))
        except OSError:
            if not self._refused:
                logger.exception("%s cannot be written; after a restart lessons go on as they were before", self._path)
            self._refused = True
            self.save_soon(entries)  # whether anything else changes or not
        else:
            if self._refused:
                logger.warning("%s can be written again", self._path)
            self._refused = False

    def _in_words(self, entry: Entry) -> tuple[Entry, str]:
        known = self._words.get(entry.id)
        if known is not None and known[0] == entry:
            return known
        return entry, json.dumps(entry, default=_jsonable, ensure_ascii=False)

    def _write(self, entries: list[Entry]) -> None:
        # Put into words anew is only what has changed: beside one lesson that is live lie those of a week.
        self._words = {entry.id: self._in_words(entry) for entry in entries}
        text = ",\n".join(text for _, text in self._words.values())
        self._path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(self._path, f'{{"lessons": [\n{text}\n]}}\n'.encode())
        sync_folder(self._path.parent)  # else a power cut may bring the former file back


def _jsonable(value: object) -> str | dict[str, Any]:
    if isinstance(value, datetime):
        return value.isoformat()
    if is_dataclass(value):  # not asdict: it copies all that is below, each time that one of two hundred rooms moves
        return {field.name: getattr(value, field.name) for field in fields(value)}
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
        ends_at=_time(item.get("ends_at")),
        interactive=bool(item.get("interactive", True)),
        page=item.get("page"),
        page_at=_time(item.get("page_at")),
        floor=Floor.restored(item.get("floor") or Floor().saved()).saved(),
        people=[_person(person, joined_at) for person, joined_at in item.get("people", ())],
        kept={ParticipantId(who): [_kept(one) for one in messages] for who, messages in item.get("kept", {}).items()},
    )


def _person(item: dict[str, Any], joined_at: str) -> tuple[Person, datetime]:
    return Person(ParticipantId(item["id"]), Role(item["role"]), str(item["name"])), datetime.fromisoformat(joined_at)


def _kept(item: dict[str, Any]) -> Kept:
    if item["type"] == "note":
        return Note(UNNUMBERED, str(item["text"]), str(item["at"]))
    return VolumeSet(UNNUMBERED, int(item["volume"]))


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
