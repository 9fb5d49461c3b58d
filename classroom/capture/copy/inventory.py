"""What frames of one track a copy has, and where they are on disk."""

from __future__ import annotations

import logging
from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

from classroom.capture.copy.frame_log import read_samples
from classroom.capture.copy.frame_record import IDENTITY, last_instant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

logger = logging.getLogger(__name__)

MAX_ENTRIES_BYTES = 16 << 20  # of one inventory, what the archive takes: almost six hours of sound


@dataclass(frozen=True, slots=True)
class Inventory:
    """The frames of some files of one track, oldest first: each file with its entries."""

    label: str
    files: tuple[tuple[Path, bytes], ...]

    @property
    def entries(self) -> bytes:
        """The identities of all frames, as the archive is told them."""
        return b"".join(entries for _, entries in self.files)

    @property
    def paths(self) -> list[Path]:
        """The files."""
        return [path for path, _ in self.files]

    @property
    def last_instant(self) -> int:
        """When the last frame was captured (NTP)."""
        return last_instant(self.files[-1][1])

    def before(self, captured_ntp: int) -> list[Path]:
        """The files of which no frame is from later than that."""
        return [path for path, entries in self.files if last_instant(entries) <= captured_ntp]

    def records(self, wanted: Sequence[tuple[int, int]]) -> Iterator[bytes]:
        """The frames that are wanted, each as its identity and its sample; ``wanted`` are (first, count), ascending.

        A frame that is not on disk any more, or not as it was, is left out.
        """
        for (path, entries), ranges in zip(self.files, self._by_file(wanted), strict=True):
            if not ranges:
                continue
            try:
                for identity, sample in read_samples(path, entries, ranges):
                    yield IDENTITY.pack(*identity) + sample
            except OSError as error:
                logger.warning("副本读不出来 / a part of the copy cannot be read: %s", error)

    def _by_file(self, wanted: Sequence[tuple[int, int]]) -> list[list[tuple[int, int]]]:
        """The places in each file, as (first, behind the last)."""
        ends = list(accumulate(len(entries) // IDENTITY.size for _, entries in self.files))
        found: list[list[tuple[int, int]]] = [[] for _ in self.files]
        for first, count in wanted:
            end = min(first + count, ends[-1] if ends else 0)
            while first < end:
                number = bisect_right(ends, first)
                begin = ends[number - 1] if number else 0
                until = min(end, ends[number])
                found[number].append((first - begin, until - begin))
                first = until
        return found


def batches(records: Iterator[bytes], size_bytes: Callable[[], int]) -> Iterator[bytes]:
    """Records back to back, as many together as fit into what ``size_bytes`` says then; a larger one goes alone."""
    batch: list[bytes] = []
    batch_bytes = 0
    for record in records:
        if batch and batch_bytes + len(record) > size_bytes():
            yield b"".join(batch)
            batch, batch_bytes = [], 0
        batch.append(record)
        batch_bytes += len(record)
    if batch:
        yield b"".join(batch)


def first_part(label: str, files: Sequence[tuple[Path, bytes]]) -> Inventory:
    """The inventory of as many files, from the oldest on, as fit into one request."""
    part: list[tuple[Path, bytes]] = []
    part_bytes = 0
    for path, entries in files:
        if part_bytes + len(entries) > MAX_ENTRIES_BYTES:
            break
        if entries:
            part.append((path, entries))
            part_bytes += len(entries)
    return Inventory(label, tuple(part))
