"""The boxes of CMAF that the archive consists of (ISO/IEC 14496-12, 23000-19): values in, bytes out.

One track per file, track_ID 1. Decoding and presentation order are the same (no B frames), so there are no
composition offsets. ``baseMediaDecodeTime`` counts from the beginning of the recording for every track.

In front of a chunk a ``uuid`` box says what its samples are to their publisher: for each the NTP time of capture and
the CRC-32 of its bytes. Players skip it (14496-12 §6.2.3: boxes of unknown type are ignored).
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

VIDEO_TIMESCALE_HZ = 90_000
AUDIO_TIMESCALE_HZ = 48_000
AUDIO_CHANNELS = 2  # Opus packets say themselves whether they are mono; a player mixes as needed
_TRACK_ID = 1
_MATRIX = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x4000_0000)
# sample_flags (14496-12 §8.8.3.1): depends on others and is no sync sample, or depends on none
_FLAGS_DEPENDENT, _FLAGS_SYNC = 0x0101_0000, 0x0200_0000
_TFHD_DEFAULT_BASE_IS_MOOF = 0x02_0000
_TRUN_OFFSET, _TRUN_DURATION, _TRUN_SIZE, _TRUN_FLAGS = 0x1, 0x100, 0x200, 0x400
# moof header, mfhd, traf header, tfhd, tfdt, and what comes before the samples in trun
_MOOF_BYTES_BEFORE_SAMPLES = 8 + 16 + 8 + 16 + 20 + 20
SAMPLE_ENTRY_BYTES = 12  # duration, size, flags
IDENTITY = struct.Struct(">QI")  # captured_ntp, CRC-32
IDENTITIES_TYPE = bytes.fromhex("6f1c1b0e5d7a4f6b9e0fa2c7d3845b91")  # the extended type of the uuid box


class Sample(NamedTuple):
    """One coded picture or Opus packet; ``duration`` in ticks of the track.

    ``captured_ntp`` is when it was captured, as its publisher says; 0 when it does not, and for silence that fills.
    """

    data: bytes
    duration: int
    sync: bool
    captured_ntp: int = 0


def box(kind: bytes, *parts: bytes) -> bytes:
    """A box of 4-letter ``kind``."""
    body = b"".join(parts)
    return struct.pack(">I", 8 + len(body)) + kind + body


def full_box(kind: bytes, version: int, flags: int, *parts: bytes) -> bytes:
    """A box with version and flags."""
    return box(kind, struct.pack(">I", version << 24 | flags), *parts)


def video_init(avcc: bytes, width_px: int, height_px: int) -> bytes:
    """The CMAF header of an H.264 track; ``avcc`` is the AVCDecoderConfigurationRecord."""
    entry = box(
        b"avc1",
        bytes(6) + struct.pack(">H", 1) + bytes(16),
        struct.pack(">HHIIIH", width_px, height_px, 0x48_0000, 0x48_0000, 0, 1),
        bytes(32) + struct.pack(">Hh", 24, -1),
        box(b"avcC", avcc),
    )
    media_header = full_box(b"vmhd", 0, 1, bytes(8))
    return _init(b"vide", VIDEO_TIMESCALE_HZ, entry, media_header, width_px, height_px)


def audio_init(channels: int) -> bytes:
    """The CMAF header of an Opus track (Encapsulation of Opus in ISOBMFF §4.3).

    Recording begins in the middle of a stream, so nothing is to be skipped (pre-skip 0).
    """
    opus = box(b"dOps", struct.pack(">BBHIhB", 0, channels, 0, AUDIO_TIMESCALE_HZ, 0, 0))
    head = bytes(6) + struct.pack(">H", 1) + bytes(8) + struct.pack(">HHHHI", channels, 16, 0, 0, 48_000 << 16)
    entry = box(b"Opus", head, opus)
    return _init(b"soun", AUDIO_TIMESCALE_HZ, entry, full_box(b"smhd", 0, 0, bytes(4)), 0, 0)


def _init(handler: bytes, timescale_hz: int, entry: bytes, media_header: bytes, width_px: int, height_px: int) -> bytes:
    volume = 0x100 if handler == b"soun" else 0
    tkhd = full_box(
        b"tkhd",
        0,
        7,
        struct.pack(">IIIII8xhhhH", 0, 0, _TRACK_ID, 0, 0, 0, 0, volume, 0),
        _MATRIX,
        struct.pack(">II", width_px << 16, height_px << 16),
    )
    stbl = box(
        b"stbl",
        full_box(b"stsd", 0, 0, struct.pack(">I", 1), entry),
        full_box(b"stts", 0, 0, bytes(4)),
        full_box(b"stsc", 0, 0, bytes(4)),
        full_box(b"stsz", 0, 0, bytes(8)),
        full_box(b"stco", 0, 0, bytes(4)),
    )
    dinf = box(b"dinf", full_box(b"dref", 0, 0, struct.pack(">I", 1), full_box(b"url ", 0, 1)))
    mdia = box(
        b"mdia",
        full_box(b"mdhd", 0, 0, struct.pack(">IIIIHH", 0, 0, timescale_hz, 0, 0x55C4, 0)),  # language und
        full_box(b"hdlr", 0, 0, bytes(4), handler, bytes(12), b"Lianti Classroom\x00"),
        box(b"minf", media_header, dinf, stbl),
    )
    mvhd = full_box(
        b"mvhd",
        0,
        0,
        struct.pack(">IIIIIH10x", 0, 0, 1000, 0, 0x10000, 0x100),
        _MATRIX,
        bytes(24) + struct.pack(">I", _TRACK_ID + 1),
    )
    trex = full_box(b"trex", 0, 0, struct.pack(">IIIII", _TRACK_ID, 1, 0, 0, 0))
    moov = box(b"moov", mvhd, box(b"trak", tkhd, mdia), box(b"mvex", trex))
    return box(b"ftyp", b"iso6", bytes(4), b"iso6cmfcmp41") + moov


def segment_type() -> bytes:
    """The box that a segment file begins with."""
    return box(b"styp", b"cmfs", bytes(4), b"cmfsmsdhiso6")


def chunk(sequence: int, decode_time: int, samples: Sequence[Sample]) -> bytes:
    """A movie fragment with its data, and what its samples are: what is appended to a segment at once.

    Every sample has its duration, size and flags in a fixed place, so that a repair can lengthen the last one. Their
    checksums show what a power cut left unwritten: a file may have grown before its contents were on the disk.
    ``decode_time`` in ticks since the beginning of the recording. Raises ValueError without samples.
    """
    if not samples:
        raise ValueError("a chunk needs a sample")
    moof_bytes = _MOOF_BYTES_BEFORE_SAMPLES + SAMPLE_ENTRY_BYTES * len(samples)
    entries = bytearray()
    for data, duration, sync, _ in samples:
        entries += struct.pack(">III", duration, len(data), _FLAGS_SYNC if sync else _FLAGS_DEPENDENT)
    trun = full_box(
        b"trun",
        0,
        _TRUN_OFFSET | _TRUN_DURATION | _TRUN_SIZE | _TRUN_FLAGS,
        struct.pack(">Ii", len(samples), moof_bytes + 8),
        bytes(entries),
    )
    moof = box(
        b"moof",
        full_box(b"mfhd", 0, 0, struct.pack(">I", sequence)),
        box(
            b"traf",
            full_box(b"tfhd", 0, _TFHD_DEFAULT_BASE_IS_MOOF, struct.pack(">I", _TRACK_ID)),
            full_box(b"tfdt", 1, 0, struct.pack(">Q", decode_time)),
            trun,
        ),
    )
    return _identities(samples) + moof + box(b"mdat", *[sample.data for sample in samples])


def _identities(samples: Sequence[Sample]) -> bytes:
    entries = [IDENTITY.pack(sample.captured_ntp, zlib.crc32(sample.data)) for sample in samples]
    return box(b"uuid", IDENTITIES_TYPE, *entries)
