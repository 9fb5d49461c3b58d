"""Turns frames with their times into samples without holes, chunks and segments."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from classroom.media.depacketize import AccessUnit
from classroom.media.h264 import ParameterSets, build_avcc, split_length_prefixed, to_length_prefixed
from classroom.recording.bmff import (
    AUDIO_CHANNELS,
    AUDIO_TIMESCALE_HZ,
    VIDEO_TIMESCALE_HZ,
    Sample,
    audio_init,
    video_init,
)
from classroom.recording.bmff_read import sample_entry
from classroom.recording.opus import is_stereo, silence
from classroom.sfu.core.sps import BadParameterSet, SequenceParameterSet, parse_sps

if TYPE_CHECKING:
    from collections.abc import Callable

    from classroom.media.depacketize import OpusFrame
    from classroom.recording.track_folder import TrackFolder

SEGMENT_S = 2.0
SEGMENT_TOLERANCE_S = 0.1  # a keyframe that is a little early still ends a segment
IDLE_S = 1.0  # when nothing came for so long, what is held back is written
_SHORTEST_PICTURE = VIDEO_TIMESCALE_HZ // 1000
_USUAL_PICTURE = VIDEO_TIMESCALE_HZ // 30
# Sound is contiguous, its clock is not exactly ours. The difference is made up in whole pieces of Opus: in a pause
# when it is 12 ms, in any case when it is 25 ms. Together with the picture's error that stays below 40 ms.
_DRIFT_IN_PAUSE = AUDIO_TIMESCALE_HZ * 12 // 1000
_DRIFT_AT_MOST = AUDIO_TIMESCALE_HZ * 25 // 1000
_PAUSE_SIZE = 0.4  # a packet this much smaller than usual is a pause (with a variable bit rate)


class GapReason(StrEnum):
    """Why the archive has no media of a stretch of time."""

    LOSS = "loss"  # packets that never came
    OUTAGE = "outage"  # the publisher was away
    RESTART = "restart"  # the server was away, or the lesson had been ended


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch, in seconds since the beginning of the recording, filled by a held picture or by silence."""

    start_s: float
    end_s: float
    reason: GapReason


def _no_lead() -> float | None:
    return None


class _Track:
    """What picture and sound have in common: chunks, segments, gaps."""

    def __init__(
        self, folder: TrackFolder, on_gap: Callable[[Gap], None], lead_from_s: Callable[[], float | None]
    ) -> None:
        self.folder = folder
        self._lead_from_s = lead_from_s
        self._on_gap = on_gap
        self._samples: list[Sample] = []
        self._samples_start: int | None = None
        self._segment_start: int | None = None
        self._why: GapReason | None = GapReason.RESTART if folder.segments else None

    @property
    def start_s(self) -> float | None:
        """Where the track begins, in seconds since the beginning of the recording; None when it is empty."""
        start = self._samples_start if self.folder.start is None else self.folder.start
        return None if start is None else self._seconds(start)

    def sync(self) -> None:
        """Write what there is as a chunk and make it durable. Raises OSError."""
        self._write_chunk()
        self.folder.sync()

    def interrupt(self, reason: GapReason) -> None:
        """Say why media may be missing before the next frame; the gravest reason counts."""
        order = list(GapReason)
        if self._why is None or order.index(reason) > order.index(self._why):
            self._why = reason

    def flush(self) -> None:
        """Write what there is as a chunk. Raises OSError."""
        self._write_chunk()

    def _seconds(self, ticks: int) -> float:
        return ticks / self.folder.timescale_hz

    def _note_gap(self, start: int, end: int, shortest: int) -> None:
        why, self._why = self._why, None
        if why is not None and end - start >= shortest:
            self._on_gap(Gap(self._seconds(start), self._seconds(end), why))

    def _emit(self, start: int, sample: Sample) -> None:
        if not self._samples:
            self._samples_start = start
        if self._segment_start is None:
            self._segment_start = start
        self._samples.append(sample)

    def _write_chunk(self) -> None:
        if self._samples and self._samples_start is not None:
            self.folder.append(self._samples_start, self._samples)
            self._samples = []  # not before: when the disk is full, there is a reserve to write them to

    def _begin_segment(self, init: bytes | None) -> None:
        self._write_chunk()
        self.folder.begin_segment(init)
        self._segment_start = None

    def _segment_is_full(self, at: int) -> bool:
        start = self._segment_start
        full = (SEGMENT_S - SEGMENT_TOLERANCE_S) * self.folder.timescale_hz
        return start is not None and at - start >= full


class VideoTrack(_Track):
    """Pictures: each lasts until the next one. Segments begin at keyframes.

    ``lead_from_s``, asked at the first picture, lets it begin earlier than it was taken: camera and sound of a lesson
    begin together.
    """

    def __init__(
        self, folder: TrackFolder, on_gap: Callable[[Gap], None], lead_from_s: Callable[[], float | None] = _no_lead
    ) -> None:
        super().__init__(folder, on_gap, lead_from_s)
        self.sps: SequenceParameterSet | None = None
        self._sets = ParameterSets()
        self._avcc: bytes | None = None
        self._pending: tuple[int, Sample] | None = None  # where it starts; its duration is not known yet
        self._usual = _USUAL_PICTURE
        self._recall_format()

    @property
    def start_s(self) -> float | None:
        """Where the track begins, in seconds since the beginning of the recording; None when it is empty."""
        start_s = super().start_s
        return self._seconds(self._pending[0]) if start_s is None and self._pending is not None else start_s

    @property
    def codec(self) -> str | None:
        """RFC 6381 codec string of the present format."""
        return None if self.sps is None else self.sps.codec

    def open_segment_s(self, at_s: float) -> float:
        """How long the open segment lasts already."""
        return 0.0 if self._segment_start is None else at_s - self._seconds(self._segment_start)

    def add(self, unit: AccessUnit, at_s: float) -> bool:
        """Take a picture that was captured ``at_s`` seconds after the beginning of the recording.

        False when it cannot be recorded without another keyframe, for want of parameter sets. Raises OSError.
        """
        init = None
        if unit.keyframe:
            try:
                init = self._new_format(unit)
            except BadParameterSet:
                return False
        if self._avcc is None:
            return False
        at = max(0, round(at_s * VIDEO_TIMESCALE_HZ))
        at = self._settle_former(at)
        self._begin_with(unit.keyframe, init, at)
        self._pending = (at, Sample(to_length_prefixed(unit.nals), 0, unit.keyframe, unit.captured_ntp))
        return True

    def put(self, start: int, sample: Sample) -> None:
        """Write a picture whose time and duration are settled. Raises OSError, BadParameterSet.

        ``start`` in ticks; nothing else may wait. Until a keyframe has said what the format is there is none.
        """
        init = self._new_format(AccessUnit(0, split_length_prefixed(sample.data), True)) if sample.sync else None
        self._begin_with(sample.sync, init, start)
        self._emit(start, sample)

    def advance(self, at_s: float) -> None:
        """Write what waits when no picture came for a while. Raises OSError."""
        if self._pending is not None and at_s - self._seconds(self._pending[0]) >= IDLE_S:
            self._flush_pending()

    def finish(self, until_s: float | None) -> None:
        """Close the track; if it stood still for long, its last picture is held till ``until_s``. Raises OSError."""
        self._flush_pending()
        end = self.folder.end
        if until_s is not None and end is not None and until_s - self._seconds(end) >= IDLE_S:
            self.folder.hold_last(round(until_s * VIDEO_TIMESCALE_HZ))
        self.folder.finish()

    def _settle_former(self, at: int) -> int:
        """Give the former picture its duration now that the next one begins; returns when that one does."""
        if self._pending is not None:
            start, picture = self._pending
            at = max(at, start + _SHORTEST_PICTURE)
            self._note_gap(start + self._usual, at, _SHORTEST_PICTURE)
            if at - start <= VIDEO_TIMESCALE_HZ:
                self._usual = at - start
            self._emit(start, picture._replace(duration=at - start))
            return at
        end, last_start = self.folder.end, self.folder.last_start
        if end is None or last_start is None:
            lead_s = self._lead_from_s()
            return at if lead_s is None else min(at, round(lead_s * VIDEO_TIMESCALE_HZ))
        at = max(at, last_start + _SHORTEST_PICTURE)
        self._note_gap(end, at, _SHORTEST_PICTURE)
        self.folder.hold_last(at)
        return at

    def _flush_pending(self) -> None:
        # It gets the usual duration; hold_last corrects that on disk when the next picture comes.
        if self._pending is not None:
            start, picture = self._pending
            self._pending = None
            self._emit(start, picture._replace(duration=self._usual))
        self._write_chunk()

    def _begin_with(self, keyframe: bool, init: bytes | None, at: int) -> None:
        if keyframe and (init is not None or self._segment_is_full(at) or self._segment_start is None):
            self._begin_segment(init)

    def _new_format(self, keyframe: AccessUnit) -> bytes | None:
        """A CMAF header if the keyframe changes the format. Raises BadParameterSet."""
        sets = self._sets.updated(keyframe.nals)
        if sets is self._sets and self._avcc is not None:
            return None
        avcc = build_avcc(sets)
        self.sps = parse_sps(sets.sps[0])
        self._sets = sets
        if avcc == self._avcc:
            return None
        self._avcc = avcc
        return video_init(avcc, self.sps.width_px, self.sps.height_px)

    def _recall_format(self) -> None:
        init = self.folder.read_init()
        entry = None if init is None else sample_entry(init)
        if entry is not None:
            self._avcc = entry[1]
            size = int.from_bytes(self._avcc[6:8], "big")
            try:
                self.sps = parse_sps(self._avcc[8 : 8 + size])
            except BadParameterSet:
                self._avcc = None


class AudioTrack(_Track):
    """Sound: Opus packets back to back, holes filled with silence, never stretched.

    ``lead_from_s``, asked at the first packet, says from where on silence fills the time before it: camera and sound
    of a lesson begin together.
    """

    codec = "opus"

    def __init__(
        self, folder: TrackFolder, on_gap: Callable[[Gap], None], lead_from_s: Callable[[], float | None] = _no_lead
    ) -> None:
        super().__init__(folder, on_gap, lead_from_s)
        self._cursor = folder.end  # where the next packet goes
        self._expected_ts: int | None = None
        self._stereo = False
        self._sizes: deque[int] = deque(maxlen=100)

    def interrupt(self, reason: GapReason) -> None:
        """Say why media may be missing before the next packet."""
        super().interrupt(reason)
        if reason is not GapReason.LOSS:
            self._expected_ts = None

    def add(self, frame: OpusFrame, at_s: float) -> None:
        """Take a packet whose sound begins ``at_s`` seconds after the beginning of the recording. Raises OSError."""
        at = max(0, round(at_s * AUDIO_TIMESCALE_HZ))
        if self._cursor is None:
            lead_s = self._lead_from_s()
            self._cursor = at if lead_s is None else min(at, round(lead_s * AUDIO_TIMESCALE_HZ))
        contiguous = frame.ts == self._expected_ts
        self._expected_ts = frame.ts + frame.duration
        self._stereo = is_stereo(frame.data)
        late = at - self._cursor
        if not contiguous:
            if late <= -frame.duration // 2:
                return  # there is something in its place already
            end = self._cursor + late
            self._note_gap(self._cursor, end, frame.duration // 2)
            self._fill(end)
        elif self._drifted(late, len(frame.data)):
            if late < 0:
                return
            self._fill(self._cursor + late)
        self._why = None
        self._sizes.append(len(frame.data))
        self._append(Sample(frame.data, frame.duration, True, frame.captured_ntp))

    def put(self, start: int, sample: Sample) -> None:
        """Write a packet whose time and duration are settled; ``start`` in ticks. Raises OSError."""
        self._cursor = start
        self._append(sample)

    def advance(self, at_s: float) -> None:
        """Write what waits when no packet came for a while. Raises OSError."""
        if self._cursor is not None and at_s - self._seconds(self._cursor) >= IDLE_S:
            self._write_chunk()

    def finish(self, until_s: float | None) -> None:
        """Close the track; if it was silent for long, silence is written till ``until_s``. Raises OSError."""
        if until_s is not None and self._cursor is not None and until_s - self._seconds(self._cursor) >= IDLE_S:
            self._fill(round(until_s * AUDIO_TIMESCALE_HZ))
        self._write_chunk()
        self.folder.finish()

    def _drifted(self, late: int, size_bytes: int) -> bool:
        if abs(late) < _DRIFT_IN_PAUSE:
            return False
        pause = bool(self._sizes) and size_bytes <= _PAUSE_SIZE * sum(self._sizes) / len(self._sizes)
        return pause or abs(late) >= _DRIFT_AT_MOST

    def _fill(self, until: int) -> None:
        assert self._cursor is not None
        for data, duration in silence(until - self._cursor, self._stereo):
            self._append(Sample(data, duration, True))

    def _append(self, sample: Sample) -> None:
        assert self._cursor is not None
        if self._segment_start is None:
            self._begin_segment(None if self.folder.segments else audio_init(AUDIO_CHANNELS))
        elif self._segment_is_full(self._cursor):
            self._begin_segment(None)
        self._emit(self._cursor, sample)
        self._cursor += sample.duration
