"""A copy as a capture agent keeps it, and what a test does with it: deliver, and compare the track that comes of it."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from classroom.media.h264 import to_length_prefixed
from classroom.model import Label, LessonId, RecordingState, TrackKind
from classroom.recording.comparison import is_silence
from classroom.recording.deliveries import Deliveries
from classroom.recording.inventory import IDENTITY, FrameIdentity
from classroom.recording.lesson_file import read_lesson
from classroom.recording.stored_track import read_track
from classroom.sfu.core.ntp import FRACTION, unix_to_ntp
from tests.unit.recording.lesson_source import EPOCH_S, Wire, encode_audio, encode_video, feed, in_order, open_recording
from tests.unit.recording.playback import beeps, flashes, pictures, sound

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from classroom.recording.deliveries import Wanted

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


CLOCK_S = 1234.5  # how wrong the clock of the agent is
LATER_S = EPOCH_S + 1000.0
NOW_NTP = agent_now(LATER_S, CLOCK_S)


def camera(seconds=12.0, at_s=0.5, **options):
    return Wire("camera", encode_video(seconds), EPOCH_S + at_s, ssrc=1, capture_clock_s=CLOCK_S, **options)


def mic(seconds=12.0, at_s=0.5, **options):
    return Wire("mic", encode_audio(seconds), EPOCH_S + at_s, ssrc=2, capture_clock_s=CLOCK_S, **options)


def drop(wire, lost):
    """Lose the packets that came at times (seconds since the epoch) of which ``lost`` says so.

    Never a report: those that the recorder gets are made by the SFU.
    """
    wire.deliveries = [
        (at_s, thing) for at_s, thing in wire.deliveries if isinstance(thing, bytes) or not lost(at_s - EPOCH_S)
    ]


def outage(wire, begin_s, end_s):
    drop(wire, lambda at_s: begin_s <= at_s < end_s)


def record_until(root, wires, end_s, state=RecordingState.COMPLETE):
    archive = open_recording(root, EPOCH_S)
    feed(archive, in_order(wires))
    archive.finish(state, EPOCH_S + end_s)
    return archive.folder


def deliveries_in(root, later_s=LATER_S):
    return Deliveries(root, lambda: later_s)


def copies(*wires):
    return [Copy.of(wire) for wire in wires]


def assert_plays(folder, seconds, at_s=0.5):
    """FFmpeg decodes all of it, with flashes and beeps where they were."""
    record = read_lesson(folder)
    seen = pictures(folder / record.track("camera").folder / "index.m3u8")
    start_s, samples = sound(folder / record.track("mic").folder / "index.m3u8")
    assert flashes(seen) == pytest.approx([at_s + n for n in range(1, int(seconds))], abs=0.002)
    heard = beeps(start_s, samples)[-len(flashes(seen)) :]
    assert heard == pytest.approx([at_s + n + 0.0065 for n in range(1, int(seconds))], abs=0.005)


def lossy(tmp_path, state=RecordingState.COMPLETE):
    wires = [camera(), mic()]
    kept = copies(*wires)
    for wire in wires:
        outage(wire, 4.1, 6.6)
    return record_until(tmp_path, wires, 13.0, state), kept
