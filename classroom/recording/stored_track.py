"""A recorded track as it lies on disk, for reading: which samples there are and where. Nothing is changed."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from classroom.recording.bmff_read import StoredSample, read_samples

if TYPE_CHECKING:
    from pathlib import Path

_SEGMENT = re.compile(r"(\d{6,})\.m4s")
_INIT = re.compile(r"init-(\d{6,})\.mp4")


@dataclass(slots=True)
class StoredSegment:
    """A segment file: its samples are those from ``first`` up to ``end`` of the track; ``init`` is its header's."""

    number: int
    init: int
    first: int
    end: int
    size_bytes: int


@dataclass(slots=True)
class StoredTrack:
    """All whole chunks of a track. Times in ticks of the track."""

    path: Path
    samples: list[StoredSample] = field(default_factory=list)
    segments: list[StoredSegment] = field(default_factory=list)

    @property
    def start(self) -> int | None:
        """First tick; None when nothing is stored."""
        return self.samples[0].start if self.samples else None

    @property
    def end(self) -> int | None:
        """The tick where what is stored ends; None when nothing is."""
        return self.samples[-1].start + self.samples[-1].duration if self.samples else None

    def segment_of(self, position: int) -> int:
        """The index of the segment that a sample is in."""
        low, high = 0, len(self.segments) - 1
        while low < high:
            middle = (low + high) // 2
            if self.segments[middle].end <= position:
                low = middle + 1
            else:
                high = middle
        return low

    def segment_path(self, index: int) -> Path:
        """The file of a segment."""
        return self.path / f"{self.segments[index].number:06d}.m4s"


def read_track(path: Path) -> StoredTrack:
    """Read the headers of a track; one whose folder is not there is empty. Blocks. Raises OSError."""
    track = StoredTrack(path)
    try:
        names = os.listdir(path)
    except FileNotFoundError:
        return track
    inits = sorted(int(match[1]) for name in names if (match := _INIT.fullmatch(name)))
    for number in sorted(int(match[1]) for name in names if (match := _SEGMENT.fullmatch(name))):
        in_force = [init for init in inits if init <= number]
        file = path / f"{number:06d}.m4s"
        samples = read_samples(file) if in_force else []
        if samples:
            first = len(track.samples)
            track.samples += samples
            track.segments.append(StoredSegment(number, in_force[-1], first, len(track.samples), file.stat().st_size))
    return track
