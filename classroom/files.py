"""Writing to disk so that a crash leaves either the old contents or the new."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK, errno.EXDEV)


def write_whole(fd: int, data: bytes) -> None:
    """Write all of ``data``; a disk that fills up may take a part first. Raises OSError."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def replace_file(path: Path, data: bytes, durable: bool = True) -> None:
    """Replace or create a file at once: readers see it before or after, never half. Raises OSError.

    After a power cut it is the old or the new one, the new one for certain only after ``sync_folder``. One that is
    not ``durable`` may then be empty: it costs no wait for the disk, and is for what can be made again.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        try:
            write_whole(fd, data)
            if durable:
                os.fdatasync(fd)
        finally:
            os.close(fd)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def remove_temporaries(folder: Path) -> None:
    """Remove what ``replace_file`` left when a crash interrupted it. Raises OSError."""
    for path in folder.glob(".*.tmp"):
        path.unlink()


def set_aside(path: Path) -> None:
    """Keep a file that cannot be used under a name that nobody takes for one of ours. Raises OSError."""
    path.replace(path.with_name(f".{path.name}.damaged"))


def make_folder(path: Path) -> None:
    """Make a folder and those it is in, so that a power cut takes none of them away again. Raises OSError."""
    if not path.is_dir():
        make_folder(path.parent)
        path.mkdir(exist_ok=True)
        sync_folder(path.parent)


def copy_file(source: Path, target: Path) -> None:
    """Make a durable copy of a file. Raises OSError."""
    fd = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    try:
        write_whole(fd, source.read_bytes())
        os.fdatasync(fd)
    finally:
        os.close(fd)


def link_file(source: Path, target: Path) -> None:
    """Give a file that will not change another name, or copy it where a file cannot have two. Raises OSError."""
    try:
        target.hardlink_to(source)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        copy_file(source, target)


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable: new, replaced and removed ones. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
