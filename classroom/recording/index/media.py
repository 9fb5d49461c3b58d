"""Reads recorded media: segments of a track as pictures and sound. The only place here that knows PyAV."""

from __future__ import annotations

import io
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import av
import av.logging
import numpy as np
from av.codec.context import Flags

from classroom.model import ClassroomError
from classroom.recording.bmff import AUDIO_TIMESCALE_HZ, VIDEO_TIMESCALE_HZ
from classroom.recording.bmff_read import read_segment
from classroom.recording.playlist import init_name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    Floats = np.ndarray[Any, np.dtype[np.float32]]
    Bytes = np.ndarray[Any, np.dtype[np.uint8]]

av.logging.set_level(None)  # what is damaged is raised; FFmpeg's own remarks would fill the log

MAX_SEGMENT_BYTES = 64 << 20
_SEGMENT = re.compile(r"(\d{6,})\.m4s")
_INIT = re.compile(r"init-(\d{6,})\.mp4")
# A picture of x264 in which nothing changed is a run of skipped macroblocks: some ten bytes a slice.
_NOTHING_CHANGED_BYTES = 64


class DamagedMedia(ClassroomError):
    """A segment cannot be decoded; the text names it."""


@dataclass(frozen=True, slots=True)
class SegmentFile:
    """A segment on disk with the CMAF header in force."""

    number: int
    path: Path
    init: Path


@dataclass(frozen=True, slots=True)
class MediaSegment:
    """A segment in memory: CMAF header and whole chunks, and where it is on the axis."""

    data: bytes
    start_s: float
    end_s: float
    name: str


def segments_after(folder: Path, number: int, ended: bool) -> list[SegmentFile]:
    """The segments of a track behind ``number``; without the last one, which still grows, unless the recording ended.

    Blocks. Raises OSError.
    """
    names = sorted(path.name for path in folder.iterdir())
    inits = [int(match[1]) for name in names if (match := _INIT.fullmatch(name))]
    numbers = [int(match[1]) for name in names if (match := _SEGMENT.fullmatch(name))]
    closed = numbers if ended else numbers[:-1]
    found = []
    for each in closed:
        in_force = [init for init in inits if init <= each]
        if each > number and in_force:
            found.append(SegmentFile(each, folder / f"{each:06d}.m4s", folder / init_name(in_force[-1])))
    return found


def load_segment(file: SegmentFile, video: bool) -> MediaSegment:
    """Read a segment. Blocks. Raises OSError, DamagedMedia."""
    contents = read_segment(file.path)
    if contents is None or contents.whole_bytes > MAX_SEGMENT_BYTES:
        raise _damaged(file.path, "no whole chunk" if contents is None else "too large")
    with file.path.open("rb") as stored:
        data = file.init.read_bytes() + stored.read(contents.whole_bytes)
    rate_hz = VIDEO_TIMESCALE_HZ if video else AUDIO_TIMESCALE_HZ
    start_s = contents.start / rate_hz
    return MediaSegment(data, start_s, start_s + contents.duration / rate_hz, str(file.path))


def pictures(segment: MediaSegment, interval_s: float) -> Iterator[tuple[float, av.VideoFrame]]:
    """Pictures of a segment with their times, one in ``interval_s`` at most, the first always.

    A picture in which nothing changed is not decoded when nothing follows it, so a page at rest costs its keyframe.
    Raises DamagedMedia.
    """
    try:
        with av.open(io.BytesIO(segment.data), "r", format="mp4") as container:
            stream = container.streams.video[0]
            stream.codec_context.thread_count = 1
            stream.codec_context.flags |= Flags.low_delay  # no B pictures: each comes out at once
            packets = [packet for packet in container.demux(stream) if packet.size]
            said = [i for i, packet in enumerate(packets) if packet.is_keyframe or packet.size > _NOTHING_CHANGED_BYTES]
            next_s = -math.inf
            unseen: av.VideoFrame | None = None
            for packet in packets[: said[-1] + 1 if said else 0]:
                for frame in stream.decode(packet):
                    unseen = frame
                    if frame.time >= next_s - 1e-3:
                        next_s, unseen = frame.time + interval_s, None
                        yield frame.time, frame
            if next_s == -math.inf:
                raise ValueError("no picture")
            if unseen is not None:  # what the rest of the segment shows
                yield unseen.time, unseen
    except (av.FFmpegError, IndexError, ValueError) as error:
        raise _damaged(segment.name, str(error)) from error


def picture_at(segment: MediaSegment, at_s: float) -> av.VideoFrame:
    """The picture that is shown at a time. Raises DamagedMedia."""
    shown = None
    for frame_s, frame in pictures(segment, 0.0):
        if shown is not None and frame_s > at_s:
            break
        shown = frame
    if shown is None:
        raise _damaged(segment.name, "no picture")
    return shown


def luma(frame: av.VideoFrame) -> Bytes:
    """The luma plane of a picture (height, width); valid as long as the frame."""
    plane = frame.planes[0]
    return np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[: frame.height, : frame.width]


def bgr(frame: av.VideoFrame) -> Bytes:
    """A picture as BGR (height, width, 3)."""
    return np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)


def sound(segment: MediaSegment) -> Floats:
    """All sound of a segment at 48 kHz (2, samples), ±1.0, from its ``start_s`` on. Raises DamagedMedia."""
    try:
        with av.open(io.BytesIO(segment.data), "r", format="mp4") as container:
            frames = [frame.to_ndarray() for frame in container.decode(container.streams.audio[0])]
    except (av.FFmpegError, IndexError, ValueError) as error:
        raise _damaged(segment.name, str(error)) from error
    if not frames:
        raise _damaged(segment.name, "no sound")
    joined = np.concatenate(frames, axis=1).astype(np.float32, copy=False)
    return joined if len(joined) == 2 else np.repeat(joined[:1], 2, axis=0)


class LoudnessMeter:
    """FFmpeg's EBU R128 meter on the stereo sound of one track."""

    def __init__(self) -> None:
        self._graph = av.filter.Graph()
        source = self._graph.add_abuffer(sample_rate=AUDIO_TIMESCALE_HZ, format="fltp", layout="stereo")
        meter = self._graph.add("ebur128", "metadata=1:peak=true")
        sink = self._graph.add("abuffersink")
        source.link_to(meter)
        meter.link_to(sink)
        self._graph.configure()
        self._samples = 0

    def measure(self, sound: Floats) -> tuple[list[float], float]:
        """Momentary loudness (LUFS) of each 100 ms that became full, and the true peak since the start (1.0 = 0 dBTP).

        ``sound`` follows what was measured before.
        """
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound), format="fltp", layout="stereo")
        frame.sample_rate, frame.pts = AUDIO_TIMESCALE_HZ, self._samples
        self._samples += sound.shape[1]
        self._graph.push(frame)
        momentary: list[float] = []
        peak = 0.0
        while True:
            try:
                measured = self._graph.pull()
            except (av.BlockingIOError, av.EOFError):
                return momentary, peak
            said = measured.metadata
            momentary.append(float(said["lavfi.r128.M"]))
            peak = float(said["lavfi.r128.true_peak"])


def _damaged(path: object, why: str) -> DamagedMedia:
    return DamagedMedia(f"录像片段 {path} 无法解码。 The segment {path} cannot be decoded: {why}")
