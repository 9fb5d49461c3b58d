"""How one frame is kept on disk: a head that checks itself, and the sample that the head checks. Pure.

The numbers of a frame that are compared with those of the archive are its identity: the NTP time of capture as it
goes out on the wire (abs-capture-time), the size and the CRC-32 of the sample as MP4 stores it.
"""

from __future__ import annotations

import zlib
from struct import Struct
from typing import TYPE_CHECKING, NamedTuple

from classroom.media.h264 import to_length_prefixed
from classroom.model import Label

if TYPE_CHECKING:
    from collections.abc import Iterator

    from classroom.capture.frames import CodedFrame

IDENTITY = Struct(">QII")  # captured_ntp, size_bytes, crc32: an entry of an inventory
_HEAD_CHECK = Struct(">I")  # CRC-32 of the identity
HEAD_BYTES = IDENTITY.size + _HEAD_CHECK.size
MAX_BATCH_BYTES = 4 << 20  # of one request of a delivery
MAX_SAMPLE_BYTES = MAX_BATCH_BYTES - IDENTITY.size  # a larger frame is not kept: it could not be delivered


class Identity(NamedTuple):
    """What tells a frame from all others of its track."""

    captured_ntp: int
    size_bytes: int
    crc32: int


def sample_of(frame: CodedFrame, label: Label) -> bytes:
    """A frame as MP4 stores it: NAL units behind their lengths, or the Opus packet."""
    return frame.units[0] if label is Label.MIC else to_length_prefixed(frame.units)


def identify(captured_ntp: int, sample: bytes) -> Identity:
    """The identity of a sample that was captured at that time."""
    return Identity(captured_ntp, len(sample), zlib.crc32(sample))


def encode_record(identity: Identity, sample: bytes) -> bytes:
    """What is appended to the log for one frame."""
    entry = IDENTITY.pack(*identity)
    return b"".join((entry, _HEAD_CHECK.pack(zlib.crc32(entry)), sample))


def last_instant(entries: bytes) -> int:
    """When the last of these frames was captured (NTP), 0 when there is none."""
    return Identity(*IDENTITY.unpack_from(entries, len(entries) - IDENTITY.size)).captured_ntp if entries else 0


def read_heads(log: bytes | memoryview) -> Iterator[tuple[Identity, int]]:
    """The frames of a log with the offset of each record, up to the first that is not whole.

    Behind a head that does not fit nothing can be found any more; it is where a power cut has ended the log.
    Samples are not looked at: that costs reading them, and whoever reads one checks it.
    """
    at = 0
    while at + HEAD_BYTES <= len(log):
        identity = Identity(*IDENTITY.unpack_from(log, at))
        (check,) = _HEAD_CHECK.unpack_from(log, at + IDENTITY.size)
        end = at + HEAD_BYTES + identity.size_bytes
        if check != zlib.crc32(log[at : at + IDENTITY.size]) or end > len(log) or not identity.size_bytes:
            return
        yield identity, at
        at = end


def is_whole(identity: Identity, sample: bytes) -> bool:
    """Whether a sample that was read back is what was written."""
    return len(sample) == identity.size_bytes and zlib.crc32(sample) == identity.crc32
