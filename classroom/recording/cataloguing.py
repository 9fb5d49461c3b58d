"""Follows the recordings on disk, which are the truth, and tells the catalogue what is there."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from datetime import datetime
from typing import TYPE_CHECKING

from classroom.catalogue.catalogue import RecordingEntry
from classroom.catalogue.database import CatalogueUnavailable
from classroom.catalogue.passages import Kind, Passage
from classroom.model import ClassroomError, RecordingState, parse_lesson_id
from classroom.recording.captions import CAPTIONS_FOLDER, read_captions
from classroom.recording.event_log import EVENTS_FILE
from classroom.recording.folders import all_recordings, holding_key, holdings
from classroom.recording.happenings import people
from classroom.recording.index_file import INDEX_FILE, INDEX_FOLDER
from classroom.recording.lesson_file import LESSON_FILE, DamagedRecording, read_lesson
from classroom.recording.library import manifest, origin_s
from classroom.recording.metadata_file import METADATA_FILE, read_metadata, write_metadata

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from classroom.catalogue.catalogue import Catalogue
    from classroom.model import LessonId
    from classroom.recording.library import Manifest

logger = logging.getLogger(__name__)

LOOK_S = 5.0  # how often at new recordings and those that still change
LOOK_AT_ALL_S = 60.0  # how often at all of them: for what is copied here, changed by hand, or gone
RETRY_S = 5.0  # after the database did not answer
_CHANGING = (RecordingState.RECORDING, "repairing")


class Cataloguer:
    """Keeps the catalogue in step with a data directory. Files are read in threads, one recording at a time."""

    def __init__(self, root: Path, catalogue: Catalogue) -> None:
        self._root = root
        self._catalogue = catalogue
        self._seen: dict[str, str] = {}  # by folder, as the catalogue has it
        self._changing: set[str] = set()
        self._refused: dict[str, str] = {}  # what could not be read, as it was
        self._lock = asyncio.Lock()  # one recording at a time; who asks for one waits for no whole round

    async def follow(self) -> None:
        """Open the catalogue and follow the disk until cancelled, whatever becomes of disk and database."""
        opened = False
        next_all_s = 0.0
        while True:
            try:
                if not opened:
                    await self._catalogue.open()
                    opened = True
                if time.monotonic() >= next_all_s:
                    await self.look_at_all()
                    next_all_s = time.monotonic() + LOOK_AT_ALL_S
                else:
                    await self.look_at_changing()
            except CatalogueUnavailable:
                opened, next_all_s = False, 0.0  # what comes back may be another database
                await asyncio.sleep(RETRY_S)
            except Exception:
                logger.exception("the catalogue could not follow the recordings")
                next_all_s = 0.0
                await asyncio.sleep(RETRY_S)
            else:
                await asyncio.sleep(LOOK_S)

    async def look_at_all(self) -> None:
        """Read what is new or changed, and mark what is gone. Raises CatalogueUnavailable."""
        known = await self._catalogue.seen()
        self._seen.update(known)
        folders = await asyncio.to_thread(self._folders)
        if folders is None:
            logger.warning("the data directory %s cannot be read; the catalogue stays as it is", self._root)
            return
        gone = known.keys() - {self._name(folder) for folder in folders}
        if gone:
            logger.warning("recordings that are gone from %s: %s", self._root, ", ".join(sorted(gone)[:10]))
            await self._catalogue.mark_missing(gone)
            for name in gone:
                self._seen.pop(name, None)
        await self._look(folders)

    async def look_at_changing(self) -> None:
        """Read what is new, and what was not finished when it was last read. Raises CatalogueUnavailable."""
        folders = await asyncio.to_thread(self._folders) or []
        await self._look(
            folder for folder in folders if (name := self._name(folder)) in self._changing or name not in self._seen
        )

    async def look_at(self, lesson: LessonId) -> None:
        """Read the recordings of one lesson now, changed or not. Raises CatalogueUnavailable."""
        await self._look(await asyncio.to_thread(holdings, self._root, lesson), even_unchanged=True)

    async def rebuild(self) -> int:
        """Forget all recordings and read them again; returns how many there are. Raises CatalogueUnavailable."""
        await self._catalogue.open()
        await self._catalogue.forget_recordings()
        self._seen.clear()
        await self.look_at_all()
        return len(self._seen)

    async def _look(self, folders: Iterable[Path], *, even_unchanged: bool = False) -> None:
        for folder in folders:
            name = self._name(folder)
            seen = await asyncio.to_thread(_fingerprint, folder)
            if even_unchanged or seen not in (self._seen.get(name), self._refused.get(name)):
                async with self._lock:
                    await self._read(folder, name, seen)

    async def _read(self, folder: Path, name: str, seen: str) -> None:
        try:
            entry = await asyncio.to_thread(read_entry, folder, name, seen)
        except (OSError, ClassroomError) as error:
            logger.warning("the recording %s cannot be read: %s", folder, error)
            self._refused[name] = seen
            return
        said = await self._catalogue.put(entry)
        self._seen[name] = seen
        changing = entry.state in _CHANGING or entry.progress is not None
        (self._changing.add if changing else self._changing.discard)(name)
        if said is not None and (entry.metadata is None or entry.metadata.metadata != said.metadata):
            try:
                await asyncio.to_thread(write_metadata, folder, entry.lesson, said)
            except OSError as error:
                logger.warning("the metadata of %s cannot be written: %s", folder, error)

    def _folders(self) -> list[Path] | None:
        return list(all_recordings(self._root)) if self._root.is_dir() else None

    def _name(self, folder: Path) -> str:
        return folder.relative_to(self._root).as_posix()


def read_entry(folder: Path, name: str, seen: str) -> RecordingEntry:
    """Everything that the catalogue wants to know of a recording. Blocks.

    Raises OSError, DamagedRecording, InvalidLessonId.
    """
    told = manifest(folder)
    if told["lesson"] != folder.name.partition(".")[0]:
        raise DamagedRecording(
            f"课程编号与文件夹名称不符，可能是副本。 It says it is of the lesson {told['lesson']}; is it a copy?"
        )
    shift_s = -origin_s(folder)
    said: list[Passage] = [Passage(Kind.PEOPLE, None, name) for name in people(told["events"])]
    for chapter in told["chapters"]:
        title = "" if chapter["title"] in chapter["text"] else chapter["title"]
        said.append(Passage(Kind.SLIDE, chapter["start_s"], f"{title}\n{chapter['text']}"))
    for captions in told["captions"]:
        said += [
            Passage(Kind.CAPTION, cue.start_s, cue.text) for cue in read_captions(folder / captions["url"], shift_s)
        ]
    return RecordingEntry(
        lesson=parse_lesson_id(told["lesson"]),
        holding=holding_key(folder),
        folder=name,
        title=read_lesson(folder).title,
        started_at=datetime.fromisoformat(told["started_at"]),
        ended_at=None if told["ended_at"] is None else datetime.fromisoformat(told["ended_at"]),
        duration_s=told["duration_s"],
        state=told["state"],
        detail=told["detail"],
        progress=_progress(told),
        gaps=sum(len(track["gaps"]) for track in told["tracks"]),
        cover=told["cover"],
        seen=seen,
        passages=tuple(said),
        metadata=read_metadata(folder),
    )


def _progress(told: Manifest) -> float | None:
    """How far what is under way is: bringing in what the archive misses, else making the index; None: nothing is."""
    repair = told["repair"]
    if told["state"] == "repairing" and repair is not None and repair["wanted_bytes"] > 0:
        return min(1.0, repair["received_bytes"] / repair["wanted_bytes"])
    index = told["index"]
    if (
        told["state"] == RecordingState.RECORDING
        or index is None
        or index["state"] != "running"
        or not told["duration_s"]
    ):
        return None
    return min(1.0, index["indexed_to_s"] / told["duration_s"])


def _fingerprint(folder: Path) -> str:
    """What the files of a recording are at this moment, as far as the catalogue reads them."""
    files = [folder / LESSON_FILE, folder / METADATA_FILE, folder / EVENTS_FILE, folder / INDEX_FOLDER / INDEX_FILE]
    files += sorted((folder / CAPTIONS_FOLDER).glob("*.vtt"))
    told = []
    for file in files:
        try:
            status = file.stat()
            told.append(f"{file.name} {status.st_mtime_ns} {status.st_size}")
        except OSError:
            told.append(file.name)
    return hashlib.sha256("\n".join(told).encode()).hexdigest()
