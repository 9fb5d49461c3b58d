"""Reads back what bmff.py wrote: what a segment holds, and where it stops being whole."""

from __future__ import annotations

import os
import struct
import zlib
from dataclasses import dataclass
from itertools import accumulate, repeat
from typing import TYPE_CHECKING, NamedTuple

from classroom.recording.bmff import IDENTITIES_TYPE, IDENTITY, SAMPLE_ENTRY_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_HEADER_BYTES = 8
_MAX_MOOF_BYTES = 1 << 20
# Where bmff.chunk puts things, from the beginning of the moof box: tfdt, then trun with its samples.
_TFDT_AT, _TRUN_AT = 8 + 16 + 8 + 16, 8 + 16 + 8 + 16 + 20
_SAMPLES_AT = _TRUN_AT + 20
_NO_SYNC = 0x0001_0000  # sample_is_non_sync_sample


@dataclass(slots=True)
class SegmentContents:
    """The whole chunks of a segment file. Times in ticks of the track.

    ``whole_bytes`` is where the last whole chunk ends; ``last_duration_at`` is the offset of the field with the
    duration of the last sample.
    """

    start: int
    duration: int = 0
    samples: int = 0
    whole_bytes: int = 0
    last_duration_at: int = 0
    last_duration: int = 0


class StoredSample(NamedTuple):
    """Where a sample is and what it is, without its bytes. ``start`` and ``duration`` in ticks of the track."""

    start: int
    duration: int
    sync: bool
    captured_ntp: int
    crc32: int
    size_bytes: int
    offset: int  # in the segment file


class _Chunk(NamedTuple):
    """A whole chunk: where its moof begins and its mdat ends, first tick, (duration, size, flags) of its samples."""

    moof_at: int
    moof_bytes: int
    end: int
    start: int
    entries: list[tuple[int, int, int]]
    identities: list[tuple[int, int]] | None


def read_segment(path: Path, verify: bool = False) -> SegmentContents | None:
    """Read the chunks of a segment up to the first one that is not whole; None when there is not even one.

    Only headers are read, unless the media are to be verified, too. Raises OSError.
    """
    contents: SegmentContents | None = None
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        for chunk in _chunks(fd):
            if verify and not _is_written(fd, chunk):
                return contents
            if contents is None:
                contents = SegmentContents(chunk.start)
            contents.duration = chunk.start + sum(entry[0] for entry in chunk.entries) - contents.start
            contents.samples += len(chunk.entries)
            contents.last_duration = chunk.entries[-1][0]
            contents.last_duration_at = chunk.moof_at + chunk.moof_bytes - SAMPLE_ENTRY_BYTES
            contents.whole_bytes = chunk.end
    finally:
        os.close(fd)
    return contents


def read_samples(path: Path) -> list[StoredSample]:
    """Read what the samples of a segment are. Media are read only where no box says their checksums. Raises OSError."""
    samples: list[StoredSample] = []
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        for chunk in _chunks(fd):
            samples += _samples(fd, chunk)
    finally:
        os.close(fd)
    return samples


def first_sample(path: Path) -> bytes | None:
    """The data of the first sample of a segment that ``read_segment`` can read. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        for chunk in _chunks(fd):
            return os.pread(fd, chunk.entries[0][1], chunk.moof_at + chunk.moof_bytes + _HEADER_BYTES)
    finally:
        os.close(fd)
    return None


def _is_written(fd: int, chunk: _Chunk) -> bool:
    """Whether the checksums of the samples fit."""
    if chunk.identities is None:
        return False
    sizes = [size for _, size, _ in chunk.entries]
    media = memoryview(os.pread(fd, sum(sizes), chunk.moof_at + chunk.moof_bytes + _HEADER_BYTES))
    ends = accumulate(sizes)
    return all(
        zlib.crc32(media[end - size : end]) == crc32
        for size, end, (_, crc32) in zip(sizes, ends, chunk.identities, strict=True)
    )


def _samples(fd: int, chunk: _Chunk) -> Iterator[StoredSample]:
    durations, sizes, flags = zip(*chunk.entries, strict=True)
    starts = accumulate(durations, initial=chunk.start)
    offsets = list(accumulate(sizes, initial=chunk.moof_at + chunk.moof_bytes + _HEADER_BYTES))
    if chunk.identities is None:
        captured: Iterable[int] = repeat(0)
        checksums: Iterable[int] = [
            zlib.crc32(os.pread(fd, size, at)) for size, at in zip(sizes, offsets, strict=False)
        ]
    else:
        captured, checksums = zip(*chunk.identities, strict=True)
    syncs = [not each & _NO_SYNC for each in flags]
    # Of a lesson these are some 100 000: made without a call for each.
    return map(StoredSample._make, zip(starts, durations, syncs, captured, checksums, sizes, offsets, strict=False))


def _chunks(fd: int) -> Iterator[_Chunk]:
    """The chunks of a segment file up to the first one that is not whole."""
    size = os.fstat(fd).st_size
    at = 0
    identities: bytes | None = None
    while True:
        head = _header(fd, at, size)
        if head is None:
            return
        kind, length = head
        if kind == b"styp" and at == 0:
            at += length
            continue
        if length > _MAX_MOOF_BYTES:
            return
        if kind == b"uuid":
            body = os.pread(fd, length - _HEADER_BYTES, at + _HEADER_BYTES)
            identities = body[16:] if body[:16] == IDENTITIES_TYPE else None
            at += length
            continue
        media = _header(fd, at + length, size)
        if kind != b"moof" or media is None or media[0] != b"mdat":
            return
        chunk = _chunk(os.pread(fd, length, at), at, media[1], identities)
        if chunk is None:
            return
        yield chunk
        at, identities = chunk.end, None


def _header(fd: int, at: int, size: int) -> tuple[bytes, int] | None:
    """Kind and length of the box at an offset, or None when it is not whole."""
    if at + _HEADER_BYTES > size:
        return None
    length, kind = struct.unpack(">I4s", os.pread(fd, _HEADER_BYTES, at))
    return (kind, length) if length >= _HEADER_BYTES and at + length <= size else None


def _chunk(moof: bytes, at: int, mdat_bytes: int, identities: bytes | None) -> _Chunk | None:
    """A chunk from its moof; None when it makes no sense."""
    if (
        len(moof) < _SAMPLES_AT
        or moof[_TFDT_AT + 4 : _TFDT_AT + 8] != b"tfdt"
        or moof[_TRUN_AT + 4 : _TRUN_AT + 8] != b"trun"
    ):
        return None
    (start,) = struct.unpack_from(">Q", moof, _TFDT_AT + 12)
    (count,) = struct.unpack_from(">I", moof, _TRUN_AT + 12)
    if count == 0 or len(moof) != _SAMPLES_AT + SAMPLE_ENTRY_BYTES * count:
        return None
    entries = list(struct.iter_unpack(">III", moof[_SAMPLES_AT:]))
    if sum(size for _, size, _ in entries) + _HEADER_BYTES != mdat_bytes:
        return None
    fitting = identities is not None and len(identities) == IDENTITY.size * count
    known = list(IDENTITY.iter_unpack(identities)) if identities is not None and fitting else None
    return _Chunk(at, len(moof), at + len(moof) + mdat_bytes, start, entries, known)


def sample_entry(init: bytes) -> tuple[bytes, bytes] | None:
    """The sample entry's 4-letter kind and the payload of its avcC or dOps, of an init file; None when damaged."""
    for kind, config in ((b"avc1", b"avcC"), (b"Opus", b"dOps")):
        entry = init.find(kind)
        at = init.find(config, entry + 4) if entry > 0 else -1
        if at > 4:
            (length,) = struct.unpack_from(">I", init, at - 4)
            payload = init[at + 4 : at - 4 + length]
            if len(payload) == length - _HEADER_BYTES:
                return kind, payload
    return None
