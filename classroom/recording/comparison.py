"""What of a copy a recording has and what it misses: reads the track from disk and aligns the two."""

from __future__ import annotations

import zlib
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

from classroom.model import TrackKind
from classroom.recording.alignment import Alignment, CaptureMap, align
from classroom.recording.bmff import AUDIO_TIMESCALE_HZ, VIDEO_TIMESCALE_HZ
from classroom.recording.master import PARTNERS
from classroom.recording.opus import silence
from classroom.recording.overtaken import overtaken
from classroom.recording.stored_track import StoredTrack, read_track
from classroom.sfu.core.ntp import FRACTION

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from classroom.recording.bmff_read import StoredSample
    from classroom.recording.inventory import FrameIdentity
    from classroom.recording.lesson_file import LessonRecord
    from classroom.recording.staging import Request

CLOSEST_S = 0.0009  # nothing is captured faster than each millisecond; there would be no room for it
START_S = 0.0001  # ticks differ, and the record has rounded them
STEADY_S = 0.5  # a picture that stays longer may hide others
ANCHOR_EVERY = 50  # frames; clocks do not drift in a second or two
_LONGEST_SILENCE = 960 + 480 + 240 + 120
_SILENCES = {(len(data), zlib.crc32(data)) for stereo in (False, True) for data, _ in silence(_LONGEST_SILENCE, stereo)}


@dataclass(frozen=True, slots=True)
class Comparison:
    """A track beside the copy of it. ``missing`` are the frames of the copy that belong into the recording."""

    stored: StoredTrack
    frames: Sequence[FrameIdentity]
    alignment: Alignment
    missing: list[int]

    @property
    def overlaps(self) -> bool:
        """Whether any frame of the copy belongs into the recording."""
        return bool(self.missing) or any(self.alignment.anchor(index) >= 0 for index in range(len(self.frames)))


def compare(
    folder: Path, record: LessonRecord, name: str, request: Request, frames: Sequence[FrameIdentity], end_s: float
) -> Comparison:
    """Compare a track with the copy's frames; what lies behind ``end_s`` on the axis is none of the recording.

    Blocks: it reads the headers of all segments. Raises OSError.
    """
    video = request.kind is TrackKind.VIDEO
    timescale_hz = VIDEO_TIMESCALE_HZ if video else AUDIO_TIMESCALE_HZ
    track = record.track(name)
    stored = StoredTrack(folder) if track is None else read_track(folder / track.folder)

    def by_all_tracks() -> CaptureMap:
        anchors = _anchors(folder, record, name, request)
        return CaptureMap(anchors, request.now_ntp, request.received_at_s - record.epoch_s)

    filler = never if video else is_silence
    led = _is_led(record, name, stored, timescale_hz)
    late = overtaken(stored.samples, timescale_hz, led=led) if video else {}
    alignment = align(stored.samples, frames, timescale_hz, by_all_tracks, filler, led=led, late=late)
    end = round(end_s * timescale_hz)
    missing = [
        index
        for index, found in enumerate(alignment.stored)
        if found < 0
        and 0 <= alignment.at[index] < end
        and (index == 0 or frames[index].captured_ntp - frames[index - 1].captured_ntp >= CLOSEST_S * FRACTION)
    ]
    missing = _without_taken(missing, stored, alignment, round(STEADY_S * timescale_hz))
    return Comparison(stored, frames, alignment, missing)


def _without_taken(missing: Sequence[int], stored: StoredTrack, alignment: Alignment, steady: int) -> list[int]:
    """Without the frames whose moment somebody else has shown: a second agent keeps a copy of what never was on air.

    They lie between two samples that were captured, follow each other without a break, and are none of this copy. A
    copy that has such frames, and none that the track has, does not belong to it at all.
    """
    if not missing:
        return []
    starts = [sample.start for sample in stored.samples]
    ours = {*alignment.stored, *alignment.instead, *alignment.twice}

    def taken(index: int) -> bool:
        if alignment.instead[index] >= 0:
            return False
        before = bisect_right(starts, alignment.at[index]) - 1
        if before < 0 or before + 1 >= len(starts) or stored.samples[before].duration > steady:
            return False
        return all(stored.samples[at].captured_ntp and at not in ours for at in (before, before + 1))

    left = [index for index in missing if not taken(index)]
    return [] if len(left) < len(missing) and ours == {-1} else left


def _is_led(record: LessonRecord, name: str, stored: StoredTrack, timescale_hz: int) -> bool:
    """Whether the track begins at the same instant as its partner, which one of the two then was made to do."""
    partner = PARTNERS.get(name)
    other = None if partner is None else record.track(partner)
    if other is None or other.start_s is None or stored.start is None:
        return False
    return abs(stored.start / timescale_hz - other.start_s) <= START_S


def never(sample: StoredSample) -> bool:
    """Pictures are held, never made: none is filler."""
    return False


def is_silence(sample: StoredSample) -> bool:
    """Whether a packet is silence that the recorder made."""
    return sample.captured_ntp == 0 and (sample.size_bytes, sample.crc32) in _SILENCES


def _anchors(folder: Path, record: LessonRecord, name: str, request: Request) -> list[tuple[int, float]]:
    """Times of capture that are on the axis, of all tracks of the same publisher.

    They are told by their names, which end alike (LiveLesson.publication_name).
    """
    publisher = name.removeprefix(request.label)
    anchors: list[tuple[int, float]] = []
    for track in record.tracks:
        if track.name.removeprefix(track.label) != publisher:
            continue
        timescale_hz = VIDEO_TIMESCALE_HZ if track.kind is TrackKind.VIDEO else AUDIO_TIMESCALE_HZ
        samples = read_track(folder / track.folder).samples
        late = overtaken(samples, timescale_hz, led=True) if track.kind is TrackKind.VIDEO else {}
        known = [s for position, s in enumerate(samples) if s.captured_ntp and position not in late]
        anchors += [(sample.captured_ntp, sample.start / timescale_hz) for sample in known[1::ANCHOR_EVERY]]
    return sorted(anchors)
