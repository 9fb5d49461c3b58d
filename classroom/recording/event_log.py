"""``events.jsonl``: what happened in the lesson, one JSON object a line, append-only. Holds the lock of the folder."""

from __future__ import annotations

import fcntl
import json
import os
import time
from typing import TYPE_CHECKING

from classroom.files import write_whole
from classroom.model import ClassroomError
from classroom.recording.playlist import iso_time

if TYPE_CHECKING:
    from pathlib import Path

EVENTS_FILE = "events.jsonl"
_ASK_AGAIN_S = 0.02


class RecordingBusy(ClassroomError):
    """Another recorder writes this recording."""


class EventLog:
    """The open log. While it is open nobody else can open it. Methods may raise OSError."""

    def __init__(self, folder: Path, epoch_s: float, wait_s: float = 0.0) -> None:
        """Open the log and cut off a line that a crash left unfinished.

        Whoever has it is waited for as long as ``wait_s``. Raises RecordingBusy, OSError.
        """
        self._epoch_s = epoch_s
        self._dirty = False
        self._fd = os.open(folder / EVENTS_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            give_up_s = time.monotonic() + wait_s
            while not _lock(self._fd):
                if time.monotonic() >= give_up_s:
                    raise RecordingBusy(
                        f"{folder} 正在被另一个录制进程写入。 Another process is writing the recording {folder}."
                    )
                time.sleep(_ASK_AGAIN_S)
            contents = os.pread(self._fd, os.fstat(self._fd).st_size, 0)
            os.ftruncate(self._fd, contents.rfind(b"\n") + 1)
            os.lseek(self._fd, 0, os.SEEK_END)
        except BaseException:
            os.close(self._fd)
            raise

    def add(self, name: str, axis_s: float, data: dict[str, object]) -> None:
        """Append an event that happened ``axis_s`` seconds after the beginning of the recording."""
        head = {"event": name, "at_s": round(axis_s, 3), "at": iso_time(self._epoch_s + axis_s)}
        line = json.dumps({**head, **data, **head}, ensure_ascii=False)
        write_whole(self._fd, line.encode() + b"\n")
        self._dirty = True

    def sync(self) -> None:
        """Make what was appended durable."""
        if self._dirty:
            self._dirty = False
            os.fdatasync(self._fd)

    def close(self) -> None:
        """Close the log and let others have it, also when the disk refuses."""
        try:
            self.sync()
        finally:
            os.close(self._fd)


def _lock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
