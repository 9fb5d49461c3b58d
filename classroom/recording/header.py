"""Makes the CMAF header of a segment again whose own is lost, from what is in the segment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from classroom.media.h264 import ParameterSets, build_avcc
from classroom.recording.bmff import AUDIO_CHANNELS, AUDIO_TIMESCALE_HZ, audio_init, video_init
from classroom.recording.bmff_read import first_sample
from classroom.sfu.core.sps import BadParameterSet, parse_sps

if TYPE_CHECKING:
    from pathlib import Path


def salvage_header(segment: Path, timescale_hz: int) -> bytes | None:
    """The header by the parameter sets of the first picture; None when there are none in it. Raises OSError."""
    if timescale_hz == AUDIO_TIMESCALE_HZ:
        return audio_init(AUDIO_CHANNELS)
    try:
        sets = ParameterSets().updated(_nals(first_sample(segment) or b""))
        avcc = build_avcc(sets)
        sps = parse_sps(sets.sps[0])
    except BadParameterSet:
        return None
    return video_init(avcc, sps.width_px, sps.height_px)


def _nals(sample: bytes) -> list[bytes]:
    nals, at = [], 0
    while at + 4 < len(sample):
        end = at + 4 + int.from_bytes(sample[at : at + 4], "big")
        nals.append(sample[at + 4 : end])
        at = end
    return [nal for nal in nals if nal]
