"""All copies on this computer: where they are, what they take, and which goes first when space is needed."""

from __future__ import annotations

import logging
import os
import threading
import time
from typing import TYPE_CHECKING

from classroom.capture.copy.frame_log import (
    DELIVERED,
    FILE_BYTES,
    KEPT,
    WRITTEN,
    files_of,
    first_instant,
    label_of,
    read_entries,
)
from classroom.capture.copy.inventory import Inventory, first_part
from classroom.capture.copy.sitting import ABOUT_FILE, About, Sitting
from classroom.model import Label
from classroom.sfu.core.ntp import FRACTION, ntp_to_unix

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

logger = logging.getLogger(__name__)

# A lesson that was ended by mistake is taken up again in the same recording within so long; what comes later belongs
# to another one, and an inventory speaks of only one.
BREAK_S = 15 * 60.0
DELIVERED_S = 7 * 24 * 3600.0  # so long what the archive has is kept, where there is room
MAX_TRACKS = 3  # that are written at the same time
_LEAST_FILE_BYTES = 64 << 10
_WORTH = [str(Label.MIC), str(Label.SLIDES), str(Label.CAMERA)]


class Shelf:
    """``<root>/<lesson>/<sitting>/``, in all at most ``limit_bytes``. For threads: methods block and may raise OSError.

    Delivered files go first, the oldest in front; then the oldest that no archive has, and that is said.
    """

    def __init__(self, root: Path, limit_bytes: int, wall_s: Callable[[], float] = time.time) -> None:
        self.root = root
        self.limit_bytes = limit_bytes
        self.file_bytes = max(_LEAST_FILE_BYTES, min(FILE_BYTES, limit_bytes // 16))
        self._wall_s = wall_s
        self._lock = threading.RLock()
        self._entries: dict[Path, bytes] = {}  # of files that are closed, read at most once
        self._ours: dict[Path, Sitting] = {}  # locked by this process, by folder
        self._tokens: dict[tuple[str, str], About] = {}  # of this run, by lesson and server

    def last_instant(self, lesson: str) -> int:
        """When the last frame of a lesson was captured (NTP), 0 when there is none: no clock may begin before it."""
        return max((sitting.last_instant() for sitting in self._of_lesson(lesson)), default=0)

    def begin(self, lesson: str, server: str, now_ntp: int) -> Sitting:
        """Go on with the last sitting of a lesson if its break was short, otherwise begin another; it is locked."""
        for sitting in self._of_lesson(lesson)[-1:]:
            about = sitting.read_about()
            resting_s = (now_ntp - sitting.last_instant()) / FRACTION
            if about is not None and about.server == server and resting_s < BREAK_S and self.claim(sitting):
                return sitting
        sitting = Sitting(self._new_folder(lesson, ntp_to_unix(now_ntp)))
        sitting.write_about(self._tokens.get((lesson, server), About(server)))
        if not self.claim(sitting):
            raise BlockingIOError(f"{sitting.folder} is in use")
        return sitting

    def authorize(self, lesson: str, about: About) -> None:
        """Keep a token with everything of this lesson that is for the same server, also with what is to come."""
        self._tokens[lesson, about.server] = about
        for sitting in self._of_lesson(lesson):
            known = sitting.read_about()
            if known is not None and known.server == about.server:
                sitting.write_about(about)

    def waiting(self) -> list[Sitting]:
        """The sittings that hold frames which were not delivered yet, newest first: a replay is wanted at once."""
        return [sitting for sitting in reversed(self._sittings()) if sitting.waits]

    def claim(self, sitting: Sitting) -> bool:
        """Lock a sitting for this process until close(); False when another process has it."""
        with self._lock:
            if sitting.folder not in self._ours and sitting.lock():
                self._ours[sitting.folder] = sitting
            return sitting.folder in self._ours

    def close(self) -> None:
        """Unlock everything."""
        with self._lock:
            for sitting in self._ours.values():
                sitting.unlock()
            self._ours.clear()

    def inventories(self, sitting: Sitting, without: Iterable[Path] = ()) -> list[Inventory]:
        """What a sitting has that is not delivered, track by track, voice first, the oldest of each.

        More than fits into a request comes when that is marked delivered.
        """
        skipped = set(without)
        by_label: dict[str, list[tuple[Path, bytes]]] = {}
        for path in sitting.undelivered():
            if path not in skipped:
                by_label.setdefault(label_of(path), []).append((path, self._entries_of(path)))
        order = sorted(by_label, key=lambda label: _WORTH.index(label) if label in _WORTH else len(_WORTH))
        parts = [first_part(label, by_label[label]) for label in order]
        return [part for part in parts if part.files]

    def remember(self, path: Path, entries: bytes) -> None:
        """Take the entries of a file that was just closed: it need not be read again."""
        with self._lock:
            self._entries[path] = entries

    def mark_delivered(self, paths: Iterable[Path]) -> None:
        """The archive has these files, or wants nothing of them; they may go when space is needed."""
        with self._lock:
            for path in paths:
                self._entries.pop(path, None)
                if path.exists():
                    os.utime(path)
                    path.rename(path.with_suffix(DELIVERED))

    def make_room(self) -> None:
        """Delete what is too old, or too much; what is being written stays."""
        with self._lock:
            files = [(path, path.stat()) for path in self._files()]
            used_bytes = sum(status.st_size for _, status in files)
            # Until this is called again each of the files that are written may grow to its full size.
            room_bytes = self.limit_bytes - MAX_TRACKS * self.file_bytes
            for path, status in sorted(files, key=lambda item: (item[0].suffix != DELIVERED, first_instant(item[0]))):
                delivered = path.suffix == DELIVERED
                expired = delivered and self._wall_s() - status.st_mtime > DELIVERED_S
                if path.suffix == WRITTEN or not (expired or used_bytes > room_bytes):
                    continue
                if delivered or self._may_drop(path):
                    self._entries.pop(path, None)
                    path.unlink()
                    used_bytes -= status.st_size

    def spare_delivered(self) -> bool:
        """Delete the oldest delivered file, for a disk that others have filled; False when there is none."""
        with self._lock:
            delivered = [path for path in self._files() if path.suffix == DELIVERED]
            if delivered:
                min(delivered, key=first_instant).unlink()
            return bool(delivered)

    def tidy(self) -> None:
        """Remove the folders of sittings that have no frames any more."""
        for sitting in self._sittings():
            if sitting.folder not in self._ours and sitting.empty and sitting.lock():
                sitting.remove()
                sitting.unlock()
                if not any(sitting.folder.parent.iterdir()):
                    sitting.folder.parent.rmdir()

    # --- inside --------------------------------------------------------------------------------------------------

    def _of_lesson(self, lesson: str) -> list[Sitting]:
        folder = self.root / lesson
        if not folder.is_dir():
            return []
        found = sorted(path for path in folder.iterdir() if (path / ABOUT_FILE).is_file())
        return [self._ours.get(path) or Sitting(path) for path in found]

    def _sittings(self) -> list[Sitting]:
        """All of them, oldest first."""
        lessons = [path.name for path in self.root.iterdir()] if self.root.is_dir() else []
        found = [sitting for lesson in lessons for sitting in self._of_lesson(lesson)]
        return sorted(found, key=lambda sitting: sitting.folder.name)

    def _files(self) -> Iterator[Path]:
        for sitting in self._sittings():
            yield from files_of(sitting.folder, KEPT, WRITTEN, DELIVERED)

    def _new_folder(self, lesson: str, unix_s: float) -> Path:
        parent = self.root / lesson
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        parent.mkdir(mode=0o700, exist_ok=True)
        while True:
            folder = parent / time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(unix_s))
            try:
                folder.mkdir(mode=0o700)
            except FileExistsError:
                unix_s += 1
            else:
                return folder

    def _in_use_elsewhere(self, folder: Path) -> bool:
        if folder in self._ours:
            return False
        sitting = Sitting(folder)
        if not sitting.lock():
            return True
        sitting.unlock()
        return False

    def _entries_of(self, path: Path) -> bytes:
        with self._lock:
            known = self._entries.get(path)
        if known is None:
            known = read_entries(path)
            self.remember(path, known)
        return known

    def _may_drop(self, path: Path) -> bool:
        """Whether a file that no archive has is ours to delete; if so it is told."""
        if self._in_use_elsewhere(path.parent):
            return False
        logger.warning(
            "副本空间已满，删除课程 %s 最早的、服务器没有的一段；请加大 --copy-size / no room for copies is left: "
            "the oldest part of lesson %s that no server has is deleted; give more with --copy-size",
            path.parent.parent.name,
            path.parent.parent.name,
        )
        return True
