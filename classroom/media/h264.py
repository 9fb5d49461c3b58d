"""The H.264 parameter sets of a stream and how MP4 carries them (ISO/IEC 14496-15 §5.3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from classroom.media.depacketize import NAL_PPS, NAL_SPS
from classroom.sfu.core.sps import BadParameterSet, parse_sps

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class ParameterSets:
    """The sets that a stretch of the stream needs, each NAL unit once, in order of appearance."""

    sps: tuple[bytes, ...] = ()
    pps: tuple[bytes, ...] = ()

    def updated(self, nals: Iterable[bytes]) -> ParameterSets:
        """These with those in a keyframe's NAL units, which replace the former ones of their kind."""
        found = list(nals)
        sps = tuple(dict.fromkeys(nal for nal in found if nal[0] & 0x1F == NAL_SPS))
        pps = tuple(dict.fromkeys(nal for nal in found if nal[0] & 0x1F == NAL_PPS))
        if (not sps or sps == self.sps) and (not pps or pps == self.pps):
            return self
        return ParameterSets(sps or self.sps, pps or self.pps)

    @property
    def complete(self) -> bool:
        """Whether a decoder can start with them."""
        return bool(self.sps and self.pps)


def build_avcc(sets: ParameterSets) -> bytes:
    """Build the AVCDecoderConfigurationRecord; lengths in samples have 4 bytes. Raises BadParameterSet."""
    if not sets.complete:
        raise BadParameterSet("a decoder needs a sequence and a picture parameter set")
    if len(sets.sps) > 31 or len(sets.pps) > 255:
        raise BadParameterSet("too many parameter sets")
    first = parse_sps(sets.sps[0])
    record = bytearray((1, first.profile, first.constraints, first.level, 0xFF, 0xE0 | len(sets.sps)))
    for nal in sets.sps:
        record += len(nal).to_bytes(2, "big") + nal
    record.append(len(sets.pps))
    for nal in sets.pps:
        record += len(nal).to_bytes(2, "big") + nal
    if first.profile in (100, 110, 122, 144):
        record += bytes((0xFC | first.chroma_format, 0xF8 | first.luma_bits - 8, 0xF8 | first.chroma_bits - 8, 0))
    return bytes(record)


def split_length_prefixed(sample: bytes) -> list[bytes]:
    """The NAL units of a sample, the inverse of ``to_length_prefixed``. Raises ValueError when lengths do not fit."""
    nals = []
    at = 0
    while at < len(sample):
        end = at + 4 + int.from_bytes(sample[at : at + 4], "big")
        if end == at + 4 or end > len(sample):
            raise ValueError("not NAL units behind their lengths")
        nals.append(sample[at + 4 : end])
        at = end
    return nals


def to_length_prefixed(nals: Iterable[bytes]) -> bytes:
    """The sample of an access unit: each NAL unit behind its length in 4 bytes (ISO/IEC 14496-15 §5.3.4.2)."""
    return b"".join([part for nal in nals for part in (len(nal).to_bytes(4, "big"), nal)])
