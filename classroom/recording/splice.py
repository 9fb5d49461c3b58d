"""Writes a new generation of a track: untouched segments by hard links, windows with the ordinary track writers."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol

from classroom.recording.bmff import AUDIO_TIMESCALE_HZ, VIDEO_TIMESCALE_HZ, Sample
from classroom.recording.opus import is_stereo, silence
from classroom.recording.playlist import Segment
from classroom.recording.track import AudioTrack, Gap, VideoTrack
from classroom.recording.track_folder import TrackFolder

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from classroom.recording.splice_plan import Piece, Window
    from classroom.recording.stored_track import StoredTrack


CHUNK_S = 0.5


class Frames(Protocol):
    """The frames of the copy that were delivered, by their index in it."""

    def data(self, index: int) -> bytes:
        """The bytes of a frame. Raises OSError."""

    def captured_ntp(self, index: int) -> int:
        """When it was captured; of every frame of the copy."""

    def sync(self, index: int) -> bool:
        """Whether a decoder can begin with it."""


def write_generation(
    target: Path, former: StoredTrack, windows: Sequence[Window], frames: Frames, video: bool, epoch_s: float
) -> VideoTrack | AudioTrack:
    """Write the track as planned into an empty folder, durably; returns it closed.

    Blocks. Raises OSError, and BadParameterSet when a picture cannot be stored.
    """
    folder = TrackFolder(target, VIDEO_TIMESCALE_HZ if video else AUDIO_TIMESCALE_HZ, epoch_s, grows=False)
    done = 0
    for window in windows:
        _adopt(folder, former, range(done, window.first))
        with _Source(former, frames) as source:
            _write_window(folder, window, source, video)
        done = window.end
    _adopt(folder, former, range(done, len(former.segments)))
    folder.finish()
    return _writer(folder, video)


def _writer(folder: TrackFolder, video: bool) -> VideoTrack | AudioTrack:
    return VideoTrack(folder, _no_gap) if video else AudioTrack(folder, _no_gap)


def _no_gap(gap: Gap) -> None:
    """Gaps are computed for the whole track (gap_map.py)."""


def _adopt(folder: TrackFolder, former: StoredTrack, segments: range) -> None:
    for index in segments:
        stored = former.segments[index]
        first, last = former.samples[stored.first], former.samples[stored.end - 1]
        segment = Segment(
            stored.number,
            first.start,
            last.start + last.duration - first.start,
            stored.end - stored.first,
            stored.size_bytes,
            stored.init,
        )
        # A recorder that goes on with the track may lengthen what it ends with.
        folder.adopt(segment, former.path, writable=index == len(former.segments) - 1)


def _write_window(folder: TrackFolder, window: Window, source: _Source, video: bool) -> None:
    track = _writer(folder, video)
    chunk_ticks = round(CHUNK_S * folder.timescale_hz)
    flushed = window.pieces[0].start if window.pieces else 0
    for piece in window.pieces:
        if piece.start - flushed >= chunk_ticks:
            track.flush()
            flushed = piece.start
        for start, sample in source.samples(piece):
            track.put(start, sample)
    track.flush()
    folder.close_segment()


class _Source:
    """Where the bytes of pieces come from; keeps the segment file open that is being read."""

    def __init__(self, former: StoredTrack, frames: Frames) -> None:
        self._former = former
        self._frames = frames
        self._segment = -1
        self._fd = -1
        self._stereo = False

    def __enter__(self) -> _Source:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._fd >= 0:
            os.close(self._fd)

    def samples(self, piece: Piece) -> Iterator[tuple[int, Sample]]:
        """The samples of a piece with their times: one, or packets of silence."""
        if piece.stored < 0 and piece.frame < 0:
            yield from self._silence(piece)
            return
        captured_ntp = self._frames.captured_ntp(piece.frame) if piece.frame >= 0 else 0
        if piece.stored >= 0:
            stored = self._former.samples[piece.stored]
            data, sync = self._read(piece.stored), stored.sync
            captured_ntp = captured_ntp or stored.captured_ntp
        else:
            data, sync = self._frames.data(piece.frame), self._frames.sync(piece.frame)
        self._stereo = is_stereo(data)
        yield piece.start, Sample(data, piece.duration, sync, captured_ntp)

    def _silence(self, piece: Piece) -> Iterator[tuple[int, Sample]]:
        packets = list(silence(piece.duration, self._stereo))
        rest = piece.duration - sum(duration for _, duration in packets)
        start = piece.start
        for number, (data, duration) in enumerate(packets):
            lasts = duration + (rest if number == len(packets) - 1 else 0)
            yield start, Sample(data, lasts, True)
            start += lasts

    def _read(self, position: int) -> bytes:
        segment = self._former.segment_of(position)
        if segment != self._segment:
            if self._fd >= 0:
                os.close(self._fd)
            self._fd = os.open(self._former.segment_path(segment), os.O_RDONLY | os.O_CLOEXEC)
            self._segment = segment
        stored = self._former.samples[position]
        return os.pread(self._fd, stored.size_bytes, stored.offset)
