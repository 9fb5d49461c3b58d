"""What a power cut leaves of a folder: a shadow of the disk that keeps what POSIX promises, and nothing else.

The contents of a file are durable as of its last fsync or fdatasync; a name (new, renamed, removed) as of the last
fsync of the folder it is in. What was not synced may have come to the disk or not, each write and name by itself, a
write also in part or as zeros: a file may have grown before its contents were there.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from random import Random

SECTOR_BYTES = 512  # written as a whole or not at all
Tree = dict[str, bytes | None]  # by relative path; None for a folder


@dataclass(eq=False)
class File:
    """A file as programs see it, as it is on the disk, and the writes in between."""

    now: bytearray = field(default_factory=bytearray)
    durable: bytearray = field(default_factory=bytearray)
    pending: list[tuple[int, bytes | None]] = field(default_factory=list)  # (offset, data), or (size, None)

    def write(self, at: int, data: bytes | None) -> None:
        put(self.now, at, data)
        self.pending.append((at, data))

    def sync(self) -> None:
        self.durable, self.pending = bytearray(self.now), []

    def survives(self, random: Random | None) -> bytes:
        contents = bytearray(self.durable)
        for at, data in self.pending if random else ():
            fate = random.choice(("lost", "whole", "whole", "torn", "zeros"))
            sectors = 0 if data is None else SECTOR_BYTES * random.randint(0, len(data) // SECTOR_BYTES)
            if data is None or len(data) <= SECTOR_BYTES:
                fate = "lost" if fate == "lost" else "whole"
            if fate == "whole":
                put(contents, at, data)
            elif fate == "torn":
                put(contents, at, data[:sectors])
            elif fate == "zeros":
                put(contents, at, data[:sectors] + bytes(len(data) - sectors))
        return bytes(contents)


@dataclass(eq=False)
class Folder:
    """A folder as programs see it, as it is on the disk, and the changes of names in between."""

    now: dict[str, File | Folder] = field(default_factory=dict)
    durable: dict[str, File | Folder] = field(default_factory=dict)
    pending: list[tuple[str, File | Folder | None]] = field(default_factory=list)

    def name(self, name: str, node: File | Folder | None) -> None:
        if node is None:
            del self.now[name]
        else:
            self.now[name] = node
        self.pending.append((name, node))

    def sync(self) -> None:
        self.durable, self.pending = dict(self.now), []

    def survives(self, random: Random | None, tree: Tree, path: str = "") -> Tree:
        names: dict[str, list[File | Folder | None]] = {name: [node] for name, node in self.durable.items()}
        for name, node in self.pending if random else ():
            names.setdefault(name, [None]).append(node)
        for name, nodes in names.items():
            node = random.choice(nodes) if random else nodes[0]
            if isinstance(node, File):
                tree[path + name] = node.survives(random)
            elif node is not None:
                tree[path + name] = None
                node.survives(random, tree, f"{path}{name}/")
        return tree

    def visible(self, path: str = "") -> Tree:
        tree: Tree = {}
        for name, node in self.now.items():
            tree[path + name] = bytes(node.now) if isinstance(node, File) else None
            if isinstance(node, Folder):
                tree |= node.visible(f"{path}{name}/")
        return tree


def put(contents: bytearray, at: int, data: bytes | None) -> None:
    """Write ``data``, or set the size to ``at`` when it is None."""
    contents.extend(bytes(max(0, at - len(contents))))
    if data is None:
        del contents[at:]
    else:
        contents[at : at + len(data)] = data


class Disk:
    """The shadow of a real folder. ``on_change`` is called after every call that may have changed the disk."""

    CALLS = (
        "open", "close", "write", "pwrite", "ftruncate", "truncate", "posix_fallocate", "fsync", "fdatasync",
        "mkdir", "rmdir", "unlink", "rename", "replace", "link",
    )  # fmt: skip

    def __init__(self, root: Path) -> None:
        self.root = root
        self.on_change: Callable[[], None] = lambda: None
        self.syncs = 0
        self._shadow = _read(root)
        self._open: dict[int, File | Folder] = {}

    def cut(self, random: Random | None) -> Tree:
        """What is left when the power goes now; without ``random`` nothing that was not synced."""
        return self._shadow.survives(random, {})

    def check(self) -> None:
        """Raise AssertionError when something was changed by other calls than those that are watched."""
        assert self._shadow.visible() == _read(self.root).visible()

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Follow all calls of this process that change something below the root."""
        with pytest.MonkeyPatch.context() as patch:
            for name in self.CALLS:
                patch.setattr(os, name, self._following(getattr(os, name), getattr(self, f"_follow_{name}")))
            yield

    def _following(self, real: Callable[..., Any], follow: Callable[..., None]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            result = real(*args, **options)
            follow(result, *args)
            self.on_change()
            return result

        return call

    def _at(self, path: Path | str) -> tuple[Folder, str] | None:
        """The folder that a path is in, and its name there; None for what is not below the root."""
        path = Path(path)
        if self.root not in path.parents:
            return None
        folder = self._shadow
        *parents, name = path.relative_to(self.root).parts
        for part in parents:
            node = folder.now[part]
            assert isinstance(node, Folder)
            folder = node
        return folder, name

    def _follow_open(self, fd: int, path: Path | str, flags: int, *_: object) -> None:
        if Path(path) == self.root:
            self._open[fd] = self._shadow
        at = self._at(path)
        if at is None:
            return
        folder, name = at
        if name not in folder.now:
            folder.name(name, File())
        node = self._open[fd] = folder.now[name]
        if flags & os.O_TRUNC and isinstance(node, File) and node.now:
            node.write(0, None)

    def _follow_close(self, _: None, fd: int) -> None:
        self._open.pop(fd, None)

    def _file(self, fd: int) -> File | None:
        node = self._open.get(fd)
        return node if isinstance(node, File) else None

    def _follow_write(self, written: int, fd: int, data: bytes) -> None:
        if file := self._file(fd):
            file.write(os.lseek(fd, 0, os.SEEK_CUR) - written, bytes(data[:written]))

    def _follow_pwrite(self, written: int, fd: int, data: bytes, at: int) -> None:
        if file := self._file(fd):
            file.write(at, bytes(data[:written]))

    def _follow_ftruncate(self, _: None, fd: int, size: int) -> None:
        if file := self._file(fd):
            file.write(size, None)

    def _follow_posix_fallocate(self, _: None, fd: int, at: int, size: int) -> None:
        file = self._file(fd)
        if file and len(file.now) < at + size:
            file.write(at + size, None)

    def _follow_truncate(self, _: None, path: Path, size: int) -> None:
        if at := self._at(path):
            file = at[0].now[at[1]]
            assert isinstance(file, File)
            file.write(size, None)

    def _follow_fsync(self, _: None, fd: int) -> None:
        self.syncs += 1
        if fd in self._open:
            self._open[fd].sync()

    _follow_fdatasync = _follow_fsync

    def _follow_mkdir(self, _: None, path: Path, *__: object) -> None:
        if at := self._at(path):
            at[0].name(at[1], Folder())

    def _follow_unlink(self, _: None, path: Path) -> None:
        if at := self._at(path):
            at[0].name(at[1], None)

    _follow_rmdir = _follow_unlink

    def _follow_rename(self, _: None, source: Path, target: Path) -> None:
        here, there = self._at(source), self._at(target)
        if here and there:
            there[0].name(there[1], here[0].now[here[1]])
            here[0].name(here[1], None)

    _follow_replace = _follow_rename

    def _follow_link(self, _: None, source: Path, target: Path) -> None:
        here, there = self._at(source), self._at(target)
        if here and there:
            there[0].name(there[1], here[0].now[here[1]])


def write_tree(root: Path, tree: Tree) -> None:
    """Make a folder of what a power cut left."""
    root.mkdir()
    for name, contents in tree.items():  # folders come before what is in them
        if contents is None:
            (root / name).mkdir()
        else:
            (root / name).write_bytes(contents)


def _read(path: Path) -> Folder:
    """A folder on the disk, all of which is durable."""
    names: dict[str, File | Folder] = {}
    for entry in path.iterdir():
        if entry.is_dir():
            names[entry.name] = _read(entry)
        else:
            names[entry.name] = File(bytearray(entry.read_bytes()), bytearray(entry.read_bytes()))
    return Folder(names, dict(names))
