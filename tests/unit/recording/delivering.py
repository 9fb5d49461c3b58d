"""A copy as a capture agent keeps it, and what a test does with it: deliver, and compare the track that comes of it."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from classroom.media.h264 import to_length_prefixed
from classroom.model import Label, LessonId, TrackKind
from classroom.recording.comparison import is_silence
from classroom.recording.inventory import IDENTITY, FrameIdentity
from classroom.recording.lesson_file import read_lesson
from classroom.recording.stored_track import read_track
from classroom.sfu.core.ntp import FRACTION, unix_to_ntp

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from classroom.recording.deliveries import Deliveries, Wanted
    from tests.unit.recording.lesson_source import Wire

LESSON = LessonId("maths")
REQUEST_BYTES = 4 << 20


@dataclass
class Copy:
    """All frames of a track that were captured: (NTP time, bytes), ascending."""

    track: str
    frames: list[tuple[int, bytes]]

    @classmethod
    def of(cls, *wires: Wire) -> Copy:
        """What the agent kept of streams of one publication, one after the other."""
        frames = []
        for wire in wires:
            video = wire.rate_hz == 90_000
            frames += [
                (wire.captured_ntp(frame), to_length_prefixed(frame.nals) if video else frame.nals[0])
                for frame in wire.frames
            ]
        assert all(a[0] < b[0] for a, b in pairwise(frames))
        return cls(wires[0].name, frames)

    @property
    def label(self) -> Label:
        return Label(self.track.split("-")[0])

    @property
    def kind(self) -> TrackKind:
        return TrackKind.AUDIO if self.label is Label.MIC else TrackKind.VIDEO

    def identity(self, index: int) -> FrameIdentity:
        captured_ntp, data = self.frames[index]
        return FrameIdentity(captured_ntp, len(data), zlib.crc32(data))

    def inventory(self) -> bytes:
        return b"".join(IDENTITY.pack(*self.identity(index)) for index in range(len(self.frames)))

    def record(self, index: int) -> bytes:
        return IDENTITY.pack(*self.identity(index)) + self.frames[index][1]

    def bodies(self, spans: Iterable[tuple[int, int]], limit: int = REQUEST_BYTES) -> list[bytes]:
        """The bodies of the requests that deliver these frames."""
        bodies = [b""]
        for first, count in spans:
            for index in range(first, first + count):
                record = self.record(index)
                if len(bodies[-1]) + len(record) > limit:
                    bodies.append(b"")
                bodies[-1] += record
        return [body for body in bodies if body]


def ask(deliveries: Deliveries, copy: Copy, now_ntp: int) -> Wanted:
    return deliveries.take_inventory(LESSON, copy.track, copy.label, copy.kind, now_ntp, copy.inventory())


def deliver(deliveries: Deliveries, copies: Iterable[Copy], now_ntp: int) -> Wanted:
    """Deliver everything that is wanted and have it put in; returns what was wanted of the last copy."""
    for copy in copies:
        wanted = ask(deliveries, copy, now_ntp)
        for body in copy.bodies(wanted.wanted, 300_000):
            deliveries.take_frames(LESSON, wanted.holding, copy.track, body)
        assert ask(deliveries, copy, now_ntp).wanted == []
    deliveries.complete(LESSON, wanted.holding)
    return wanted


def agent_now(wall_s: float, clock_error_s: float) -> int:
    return unix_to_ntp(wall_s + clock_error_s)


def track_frames(folder: Path, name: str) -> list[tuple[int, int, bytes, int]]:
    """(captured, start in ticks, bytes, duration) of every sample of a track that is no filling silence."""
    track = read_lesson(folder).track(name)
    assert track is not None
    stored = read_track(folder / track.folder)
    found = []
    for position, sample in enumerate(stored.samples):
        with stored.segment_path(stored.segment_of(position)).open("rb") as file:
            file.seek(sample.offset)
            data = file.read(sample.size_bytes)
        if not is_silence(sample):
            found.append((sample.captured_ntp, sample.start, data, sample.duration))
    return found


def assert_contiguous(folder: Path) -> None:
    """No track has a hole or an overlap, and every segment of pictures begins with a keyframe."""
    for record in read_lesson(folder).tracks:
        stored = read_track(folder / record.folder)
        assert stored.samples
        for former, sample in pairwise(stored.samples):
            assert former.start + former.duration == sample.start, record.name
        assert all(stored.samples[segment.first].sync for segment in stored.segments)
        assert record.frames == len(stored.samples)


def assert_whole(folder: Path, copy: Copy, tolerance_s: float = 0.00101) -> None:
    """The track is the copy: every frame once, in order, byte for byte, as far apart as they were captured."""
    found = track_frames(folder, copy.track)
    assert [frame[0] for frame in found] == [frame[0] for frame in copy.frames]
    assert [frame[2] for frame in found] == [frame[1] for frame in copy.frames]
    rate_hz = 48_000 if copy.kind is TrackKind.AUDIO else 90_000
    for (ntp, start, *_), (later_ntp, later_start, *_) in pairwise(found[1:] if rate_hz == 90_000 else found):
        apart_s = (later_ntp - ntp) / FRACTION
        if apart_s < 1.0:
            assert abs((later_start - start) / rate_hz - apart_s) <= tolerance_s, (ntp, start / rate_hz)
