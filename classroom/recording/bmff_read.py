"""Reads back what bmff.py wrote: what a segment holds, and where it stops being whole."""

from __future__ import annotations

import os
import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from classroom.recording.bmff import CHECKSUM_BYTES, SAMPLE_ENTRY_BYTES

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

_HEADER_BYTES = 8
_MAX_MOOF_BYTES = 1 << 20
# Where bmff.chunk puts things, from the beginning of the moof box: tfdt, then trun with its samples.
_TFDT_AT, _TRUN_AT = 8 + 16 + 8 + 16, 8 + 16 + 8 + 16 + 20
_SAMPLES_AT = _TRUN_AT + 20


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


def read_segment(path: Path, verify: bool = False) -> SegmentContents | None:
    """Read the chunks of a segment up to the first one that is not whole; None when there is not even one.

    Only headers are read, unless the media are to be verified, too. Raises OSError.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        contents: SegmentContents | None = None
        at = 0
        while True:
            head = _header(file, at, size)
            if head is None:
                return contents
            kind, length = head
            if kind == b"styp" and at == 0:
                at += length
                continue
            if kind != b"moof" or length > _MAX_MOOF_BYTES:
                return contents
            media = _header(file, at + length, size)
            if media is None or media[0] != b"mdat" or (verify and not _is_written(file, at + length, media[1])):
                return contents
            file.seek(at)
            contents = _add_chunk(contents, file.read(length), at, media[1])
            if contents is None or contents.whole_bytes != at + length + media[1]:
                return contents
            at = contents.whole_bytes


def _header(file: BinaryIO, at: int, size: int) -> tuple[bytes, int] | None:
    """Kind and length of the box at an offset, or None when it is not whole."""
    if at + _HEADER_BYTES > size:
        return None
    file.seek(at)
    length, kind = struct.unpack(">I4s", file.read(_HEADER_BYTES))
    return (kind, length) if length >= _HEADER_BYTES and at + length <= size else None


def _is_written(file: BinaryIO, at: int, length: int) -> bool:
    """Whether the checksum of the mdat box at an offset fits."""
    file.seek(at + _HEADER_BYTES)
    media, checksum = file.read(length - _HEADER_BYTES - CHECKSUM_BYTES), file.read(CHECKSUM_BYTES)
    return zlib.crc32(media) == int.from_bytes(checksum, "big")


def _add_chunk(contents: SegmentContents | None, moof: bytes, at: int, mdat_bytes: int) -> SegmentContents | None:
    """Add a chunk to what was read, or return that as it is when the chunk makes no sense."""
    if (
        len(moof) < _SAMPLES_AT
        or moof[_TFDT_AT + 4 : _TFDT_AT + 8] != b"tfdt"
        or moof[_TRUN_AT + 4 : _TRUN_AT + 8] != b"trun"
    ):
        return contents
    (start,) = struct.unpack_from(">Q", moof, _TFDT_AT + 12)
    (count,) = struct.unpack_from(">I", moof, _TRUN_AT + 12)
    if count == 0 or len(moof) != _SAMPLES_AT + SAMPLE_ENTRY_BYTES * count:
        return contents
    entries = list(struct.iter_unpack(">III", moof[_SAMPLES_AT:]))
    if sum(size for _, size, _ in entries) + _HEADER_BYTES + CHECKSUM_BYTES != mdat_bytes:
        return contents
    if contents is None:
        contents = SegmentContents(start)
    contents.duration = start + sum(duration for duration, _, _ in entries) - contents.start
    contents.samples += count
    contents.last_duration = entries[-1][0]
    contents.last_duration_at = at + len(moof) - SAMPLE_ENTRY_BYTES
    contents.whole_bytes = at + len(moof) + mdat_bytes
    return contents


def first_sample(path: Path) -> bytes | None:
    """The data of the first sample of a segment that ``read_segment`` can read. Raises OSError."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        at = 0
        while (head := _header(file, at, size)) is not None:
            kind, length = head
            if kind == b"moof" and length >= _SAMPLES_AT + SAMPLE_ENTRY_BYTES:
                file.seek(at + _SAMPLES_AT)
                _, sample_bytes, _ = struct.unpack(">III", file.read(SAMPLE_ENTRY_BYTES))
                file.seek(at + length + _HEADER_BYTES)
                return file.read(sample_bytes)
            at += length
    return None


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
