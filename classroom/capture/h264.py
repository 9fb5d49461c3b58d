"""H.264 byte streams: NAL units in and out of their containers (ITU-T H.264 annex B, ISO 14496-15)."""

from __future__ import annotations

from dataclasses import dataclass

IDR, SEI, SPS, PPS, AUD = 5, 6, 7, 8, 9
BASELINE, MAIN = 66, 77
_START = b"\x00\x00\x01"


class H264Error(ValueError):
    """The bytes are not what they should be."""


@dataclass(frozen=True, slots=True)
class AvcConfig:
    """An AVCDecoderConfigurationRecord (ISO 14496-15 §5.3.3.1): how MP4, MKV and FLV carry H.264."""

    length_bytes: int
    sps: tuple[bytes, ...]
    pps: tuple[bytes, ...]


def nal_type(nal: bytes) -> int:
    """The type of a NAL unit."""
    return nal[0] & 0x1F


def split_annexb(data: bytes) -> list[bytes]:
    """NAL units between start codes, without the zero bytes around them."""
    nals = []
    at = data.find(_START)
    while at >= 0:
        following = data.find(_START, at + 3)
        nal = data[at + 3 : following if following >= 0 else len(data)].rstrip(b"\x00")
        if nal:
            nals.append(nal)
        at = following
    return nals


def split_lengths(data: bytes, length_bytes: int) -> list[bytes]:
    """NAL units that each have their length in front; raises H264Error when a length lies."""
    nals = []
    at = 0
    while at + length_bytes <= len(data):
        size = int.from_bytes(data[at : at + length_bytes], "big")
        at += length_bytes
        if at + size > len(data):
            raise H264Error("NAL unit longer than its packet")
        if size:
            nals.append(data[at : at + size])
        at += size
    return nals


def parse_avcc(data: bytes) -> AvcConfig:
    """Parse an AVCDecoderConfigurationRecord; raises H264Error."""
    if len(data) < 7 or data[0] != 1:
        raise H264Error("not an AVCDecoderConfigurationRecord")
    at = 5
    sets: list[tuple[bytes, ...]] = []
    for mask in (0x1F, 0xFF):
        if at >= len(data):
            raise H264Error("truncated AVCDecoderConfigurationRecord")
        count = data[at] & mask
        at += 1
        found = []
        for _ in range(count):
            size = int.from_bytes(data[at : at + 2], "big")
            nal = data[at + 2 : at + 2 + size]
            if not size or len(nal) != size:
                raise H264Error("truncated AVCDecoderConfigurationRecord")
            found.append(nal)
            at += 2 + size
        sets.append(tuple(found))
    return AvcConfig(length_bytes=(data[4] & 3) + 1, sps=sets[0], pps=sets[1])


def is_baseline_or_main(sps: bytes) -> bool:
    """Whether a stream is constrained baseline or main, the two profiles that every receiver here decodes.

    Baseline without constraint_set1_flag may use slice groups, which few decoders know (RFC 6184 §8.1).
    """
    if len(sps) < 4 or nal_type(sps) != SPS:
        return False
    return sps[1] == MAIN or (sps[1] == BASELINE and bool(sps[2] & 0x40))


class AccessUnits:
    """Takes packets of a demuxer apart; every IDR leaves with its parameter sets in front.

    ``extradata`` is what the container says of the stream: an AVCDecoderConfigurationRecord, Annex B, or nothing.
    """

    def __init__(self, extradata: bytes | None) -> None:
        self._length_bytes = 0
        self._sets: dict[int, tuple[bytes, ...]] = {SPS: (), PPS: ()}
        if extradata and extradata[0] == 1:
            config = parse_avcc(extradata)
            self._length_bytes = config.length_bytes
            self._sets = {SPS: config.sps, PPS: config.pps}
        elif extradata:
            self._remember(split_annexb(extradata))

    @property
    def sps(self) -> bytes | None:
        """The newest sequence parameter set, if one is known."""
        return self._sets[SPS][-1] if self._sets[SPS] else None

    def split(self, data: bytes) -> tuple[bytes, ...]:
        """The NAL units of a packet without access unit delimiters, which RTP makes redundant; raises H264Error."""
        nals = split_lengths(data, self._length_bytes) if self._length_bytes else split_annexb(data)
        nals = [nal for nal in nals if nal_type(nal) != AUD]
        self._remember(nals)
        kinds = {nal_type(nal) for nal in nals}
        if IDR in kinds:
            missing = [nal for kind in (SPS, PPS) if kind not in kinds for nal in self._sets[kind]]
            nals = missing + nals
        return tuple(nals)

    def _remember(self, nals: list[bytes]) -> None:
        for kind in (SPS, PPS):
            found = tuple(nal for nal in nals if nal_type(nal) == kind)
            if found:
                self._sets[kind] = found
