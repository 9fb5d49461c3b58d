"""The frames of one track on disk: files that are only ever appended to, one after the other."""

from __future__ import annotations

import mmap
import os
from typing import TYPE_CHECKING

from classroom.capture.copy.frame_record import HEAD_BYTES, IDENTITY, Identity, encode_record, is_whole, read_heads
from classroom.files import sync_folder, write_whole
from classroom.sfu.core.ntp import FRACTION

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from classroom.model import Label

# A file that is being written, one that is whole, one of which the archive wants nothing (any more).
WRITTEN, KEPT, DELIVERED = ".written", ".frames", ".delivered"
FILE_S = 300.0  # what is deleted at once when space is needed
FILE_BYTES = 64 << 20
_NAME_DIGITS = 16


def first_instant(path: Path) -> int:
    """When the first frame of a file was captured (NTP); its name says so."""
    return int(path.stem.partition(".")[2], 16)


def label_of(path: Path) -> str:
    """The track of a file, from its name."""
    return path.name.partition(".")[0]


def files_of(folder: Path, *suffixes: str) -> list[Path]:
    """The files of all tracks in a folder, oldest first. Raises OSError."""
    found = [path for path in folder.iterdir() if path.suffix in suffixes and _is_ours(path)]
    return sorted(found, key=lambda path: (first_instant(path), path.name))


def read_entries(path: Path) -> bytes:
    """The identities of all whole frames in a file, packed as in an inventory. Raises OSError."""
    with path.open("rb") as file:
        if not os.fstat(file.fileno()).st_size:
            return b""
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped, memoryview(mapped) as log:
            return b"".join([IDENTITY.pack(*identity) for identity, _ in read_heads(log)])


def read_samples(path: Path, entries: bytes, ranges: Sequence[tuple[int, int]]) -> Iterator[tuple[Identity, bytes]]:
    """Frames of a file by their places in ``entries``: (first, behind the last), ascending. Raises OSError.

    One that has been damaged on disk is left out.
    """
    at, index = 0, 0
    with path.open("rb") as file:
        for first, end in ranges:
            while index < end:
                identity = Identity(*IDENTITY.unpack_from(entries, index * IDENTITY.size))
                if index >= first:
                    sample = os.pread(file.fileno(), identity.size_bytes, at + HEAD_BYTES)
                    if is_whole(identity, sample):
                        yield identity, sample
                at += HEAD_BYTES + identity.size_bytes
                index += 1


class FrameLog:
    """Writes one track. What append() was given survives the end of this process, after sync() that of the computer.

    A file is named for its first frame, and renamed when it is closed. When writing fails it ends there, and the next
    frame begins another.
    """

    def __init__(self, folder: Path, label: Label, file_bytes: int = FILE_BYTES) -> None:
        self._folder = folder
        self._label = label
        self._file_bytes = file_bytes
        self._fd: int | None = None
        self._path = folder
        self._size_bytes = 0
        self._entries = bytearray()
        self._last_ntp = -1
        self._dirty = False

    @property
    def is_open(self) -> bool:
        """Whether there is a file to append to."""
        return self._fd is not None

    def is_full(self, captured_ntp: int) -> bool:
        """Whether a frame of that time belongs into another file than the one that is open."""
        return self._fd is not None and (
            self._size_bytes >= self._file_bytes or captured_ntp - first_instant(self._path) >= FILE_S * FRACTION
        )

    def append(self, frames: Sequence[tuple[Identity, bytes]]) -> None:
        """Write frames, oldest first; one that is not later than the one before it is left out. Raises OSError."""
        last_ntp, later = self._last_ntp, []
        for frame in frames:
            if frame[0].captured_ntp > last_ntp:
                last_ntp = frame[0].captured_ntp
                later.append(frame)
        if not later:
            return
        if self._fd is None:
            self._open(later[0][0].captured_ntp)
        assert self._fd is not None
        try:
            write_whole(self._fd, b"".join([encode_record(*frame) for frame in later]))
        except OSError:
            self._cut_off()
            raise
        self._last_ntp, self._dirty = last_ntp, True
        self._size_bytes += sum(HEAD_BYTES + identity.size_bytes for identity, _ in later)
        self._entries += b"".join([IDENTITY.pack(*identity) for identity, _ in later])

    def sync(self) -> None:
        """Make what was appended durable. Raises OSError."""
        if self._dirty and self._fd is not None:
            self._dirty = False
            try:
                os.fdatasync(self._fd)
            except OSError:  # what is on disk of this file nobody knows, and asking again would lie
                self._end()
                raise

    def close(self) -> tuple[Path, bytes] | None:
        """End the file; its path and its entries, None when none was open. Raises OSError."""
        self.sync()
        if self._fd is None:
            return None
        os.close(self._fd)
        self._fd = None
        self._path = close_file(self._path)
        return self._path, bytes(self._entries)

    def _open(self, captured_ntp: int) -> None:
        path = self._folder / f"{self._label}.{captured_ntp:0{_NAME_DIGITS}x}{WRITTEN}"
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._path, self._size_bytes, self._entries = path, 0, bytearray()
        try:
            sync_folder(self._folder)
        except OSError:
            self._end()
            raise

    def _cut_off(self) -> None:
        """End the file in front of what was not written whole."""
        assert self._fd is not None
        try:
            os.ftruncate(self._fd, self._size_bytes)
        except OSError:
            pass  # whoever reads it stops there, too
        self._end()

    def _end(self) -> None:
        """End the file on a disk that refuses: what it cannot do any more is done by who claims the sitting."""
        fd, self._fd, self._dirty = self._fd, None, False
        assert fd is not None
        os.close(fd)
        try:
            if self._size_bytes:
                close_file(self._path)
            else:
                self._path.unlink()
        except OSError:
            pass


def close_file(path: Path) -> Path:
    """Say by its name that a file is not written any more; its new path. Raises OSError."""
    return path.rename(path.with_suffix(KEPT))


def _is_ours(path: Path) -> bool:
    try:
        return first_instant(path) >= 0
    except ValueError:
        return False
