"""One stretch of a lesson that was kept without a long break: a folder with the frames of its tracks."""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from classroom.capture.copy.frame_log import (
    DELIVERED,
    KEPT,
    WRITTEN,
    close_file,
    files_of,
    label_of,
    read_entries,
)
from classroom.capture.copy.frame_record import last_instant
from classroom.files import sync_folder

if TYPE_CHECKING:
    from pathlib import Path

ABOUT_FILE, _LOCK_FILE = "sitting.json", "lock"


@dataclass(frozen=True, slots=True)
class About:
    """Whose frames these are, and the token that lets them be delivered. ``expires_at`` is for people (ISO 8601)."""

    server: str
    token: str = field(default="", repr=False)
    expires_at: str = ""


class Sitting:
    """``<lesson>/<when>/``. Whoever writes or delivers it holds its lock. All methods may raise OSError."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._fd: int | None = None

    @property
    def lesson(self) -> str:
        """The lesson's id."""
        return self.folder.parent.name

    @property
    def name(self) -> str:
        """As people are told of it: lesson and time."""
        return f"{self.lesson} {self.folder.name}"

    @property
    def locked(self) -> bool:
        """Whether this object holds the lock."""
        return self._fd is not None

    def lock(self) -> bool:
        """Take it for this process; False when another has it. What a crash left open is closed."""
        if self._fd is not None:
            return True
        fd = os.open(self.folder / _LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return False
        self._fd = fd
        for path in files_of(self.folder, WRITTEN):
            close_file(path)
        return True

    def unlock(self) -> None:
        """Let others have it."""
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)

    def read_about(self) -> About | None:
        """Whose it is; None when that cannot be told (a crash in its first moment)."""
        try:
            told = json.loads((self.folder / ABOUT_FILE).read_bytes())
            return About(str(told["server"]), str(told.get("token", "")), str(told.get("expires_at", "")))
        except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def write_about(self, about: About) -> None:
        """Replace it at once; only this user may read it, for it holds a token."""
        temporary = self.folder / f".{ABOUT_FILE}.tmp"
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(json.dumps(asdict(about)).encode())
            file.flush()
            os.fdatasync(fd)
        temporary.replace(self.folder / ABOUT_FILE)
        sync_folder(self.folder)

    def undelivered(self) -> list[Path]:
        """The whole files that the archive may not have yet, oldest first."""
        return files_of(self.folder, KEPT)

    @property
    def waits(self) -> bool:
        """Whether there is anything to deliver, also what is still being written."""
        return bool(files_of(self.folder, KEPT, WRITTEN))

    @property
    def empty(self) -> bool:
        """Whether it has no frames."""
        return not files_of(self.folder, KEPT, WRITTEN, DELIVERED)

    def last_instant(self) -> int:
        """When the last whole frame of any track was captured (NTP); 0 when there is none."""
        newest = {label_of(path): path for path in files_of(self.folder, KEPT, WRITTEN, DELIVERED)}
        return max((last_instant(read_entries(path)) for path in newest.values()), default=0)

    def remove(self) -> None:
        """Delete what is left of it when there are no frames any more."""
        for name in (ABOUT_FILE, f".{ABOUT_FILE}.tmp", _LOCK_FILE):
            (self.folder / name).unlink(missing_ok=True)
        self.folder.rmdir()
