"""The folder of one recorded track: segments that grow chunk by chunk, CMAF headers, and the playlist."""

from __future__ import annotations

import os
import re
import struct
from dataclasses import replace
from typing import TYPE_CHECKING

from classroom.files import (
    copy_file,
    link_file,
    remove_temporaries,
    replace_file,
    set_aside,
    sync_folder,
    write_whole,
)
from classroom.recording.bmff import SAMPLE_ENTRY_BYTES, chunk, segment_type
from classroom.recording.bmff_read import read_segment, sample_entry
from classroom.recording.header import salvage_header
from classroom.recording.playlist import Segment, init_name, media_playlist, segment_entry

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from classroom.recording.bmff import Sample

PLAYLIST = "index.m3u8"
_SEGMENT_NAME = re.compile(r"(\d{6,})\.m4s")
_INIT_NAME = re.compile(r"init-(\d{6,})\.mp4")


class TrackFolder:
    """Writes a track to disk. Every method but the properties blocks and may raise OSError.

    The files say everything: segment *n* is ``n.m4s``, ``init-n.mp4`` holds from segment *n* on, the times are in the
    chunks. ``open`` therefore mends what a crash left, and the playlist is only an index.
    """

    def __init__(self, path: Path, timescale_hz: int, epoch_s: float, grows: bool = True) -> None:
        """``grows``: the playlist is written with every segment, not only at the end."""
        self.path = path
        self.timescale_hz = timescale_hz
        self.segments: list[Segment] = []  # closed ones, then the open one
        self._epoch_s = epoch_s
        self._grows = grows
        self._fd: int | None = None  # of the open segment
        self._entries: list[str] = []  # of the playlist; the last one may still change
        self._longest = 0
        self._dirty = self._names_dirty = False
        self._chunks = 0
        self._init: int | None = None
        self._last_duration_at = 0
        self._last_duration = 0

    @classmethod
    def open(cls, path: Path, timescale_hz: int, epoch_s: float) -> TrackFolder:
        """Open a track to go on with it, or begin it. A chunk that is not whole is cut off."""
        folder = cls(path, timescale_hz, epoch_s)
        path.mkdir(exist_ok=True)
        folder._read_back()
        return folder

    # --- what is there -----------------------------------------------------------------------------------------

    @property
    def start(self) -> int | None:
        """First tick of the track; None when nothing is written."""
        return self.segments[0].start if self.segments else None

    @property
    def end(self) -> int | None:
        """The tick where what is written ends; None when nothing is written."""
        return self.segments[-1].start + self.segments[-1].duration if self.segments else None

    @property
    def samples(self) -> int:
        """Samples written."""
        return sum(segment.samples for segment in self.segments)

    @property
    def listed(self) -> bool:
        """Whether there is a playlist to play."""
        return len(self.segments) > (0 if self._fd is None else 1)

    def bit_rates(self) -> tuple[int, int]:
        """Peak over a segment, and average, in bit/s."""
        rates = [8 * s.size_bytes * self.timescale_hz // s.duration for s in self.segments if s.duration]
        total = sum(s.duration for s in self.segments)
        average = 8 * sum(s.size_bytes for s in self.segments) * self.timescale_hz // total if total else 0
        # A segment that has only begun, or is shorter than a second, says nothing about the rate.
        steady = [r for r, s in zip(rates, self.segments, strict=False) if s.duration >= self.timescale_hz]
        return max([*steady, average]), average

    def read_init(self) -> bytes | None:
        """The CMAF header in force."""
        return None if self._init is None else (self.path / init_name(self._init)).read_bytes()

    # --- writing -----------------------------------------------------------------------------------------------

    def begin_segment(self, init: bytes | None) -> None:
        """What follows goes into a new segment, with a new CMAF header if one is given."""
        self.close_segment()
        if init is not None:
            self._init = self._next_number()
            replace_file(self.path / init_name(self._init), init)
            sync_folder(self.path)  # no segment is there without its header

    def append(self, start: int, samples: Sequence[Sample]) -> None:
        """Append a chunk that begins at tick ``start``; opens the segment with its first chunk."""
        if self._init is None:
            raise ValueError("a track begins with a CMAF header")
        data = b""
        if self._fd is None:
            segment = Segment(self._next_number(), start, 0, 0, 0, self._init)
            flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
            self._fd = os.open(self.path / segment.file_name, flags, 0o644)
            self._names_dirty = True
            self.segments.append(segment)
            data = segment_type()
        segment = self.segments[-1]
        moof = chunk(self._chunks + 1, start, samples)
        os.lseek(self._fd, segment.size_bytes, os.SEEK_SET)
        try:
            write_whole(self._fd, data + moof)
        except OSError:
            os.ftruncate(self._fd, segment.size_bytes)
            raise
        self._chunks += 1
        self._dirty = True
        segment.size_bytes += len(data) + len(moof)
        segment.duration = start + sum(sample.duration for sample in samples) - segment.start
        segment.samples += len(samples)
        self._last_duration = samples[-1].duration
        media_bytes = 8 + sum(len(sample.data) for sample in samples)
        self._last_duration_at = segment.size_bytes - media_bytes - SAMPLE_ENTRY_BYTES

    @property
    def last_start(self) -> int | None:
        """Where the last sample begins, in ticks; None when there is none."""
        return None if self.end is None else self.end - self._last_duration

    def hold_last(self, until: int) -> None:
        """Let the last sample last until tick ``until``, behind its beginning: a picture is held over a gap.

        It is shortened when it has been written for longer than that.
        """
        end = self.end
        if end is None or until == end:
            return
        self._last_duration += until - end
        field = struct.pack(">I", min(self._last_duration, 0xFFFF_FFFF))
        segment = self.segments[-1]
        if self._fd is not None:
            os.pwrite(self._fd, field, self._last_duration_at)
            self._dirty = True
        else:
            fd = os.open(self.path / segment.file_name, os.O_WRONLY | os.O_CLOEXEC)
            try:
                os.pwrite(fd, field, self._last_duration_at)
                os.fdatasync(fd)
            finally:
                os.close(fd)
        segment.duration += until - end

    def close_segment(self) -> None:
        """End the open segment and list it."""
        if self._fd is None:
            return
        try:
            if self.segments[-1].samples:
                os.fdatasync(self._fd)
        finally:
            os.close(self._fd)
            self._fd, self._dirty = None, False
            if not self.segments[-1].samples:  # its first chunk could not be written
                (self.path / self.segments.pop().file_name).unlink(missing_ok=True)
        if self._grows:
            self.write_playlist(ended=False)

    def sync(self) -> None:
        """Make what was appended durable: the bytes, and the names of new segments."""
        if self._dirty and self._fd is not None:
            self._dirty = False
            os.fdatasync(self._fd)
        if self._names_dirty:
            self._names_dirty = False
            sync_folder(self.path)

    def write_playlist(self, ended: bool) -> None:
        """Replace the playlist by one of the closed segments."""
        closed = len(self.segments) - (0 if self._fd is None else 1)
        if closed:
            del self._entries[-1:]
            for index in range(len(self._entries), closed):
                segment = self.segments[index]
                new_init = index == 0 or segment.init != self.segments[index - 1].init
                self._entries.append(segment_entry(segment, new_init, self.timescale_hz, self._epoch_s))
                self._longest = max(self._longest, segment.duration)
            text = media_playlist(self._entries, self._longest / self.timescale_hz, ended)
            replace_file(self.path / PLAYLIST, text.encode(), durable=ended)
            if ended:
                sync_folder(self.path)

    def adopt(self, segment: Segment, folder: Path, writable: bool) -> None:
        """Take over a closed segment of another folder, with its CMAF header, as the next one, under the next number.

        It is the same file under another name, and is never changed again; ``writable`` makes it one of our own.
        """
        self.close_segment()
        init = (folder / init_name(segment.init)).read_bytes()
        number = self._next_number()
        if init != self.read_init():
            self._init = number
            replace_file(self.path / init_name(number), init)
        assert self._init is not None
        adopted = replace(segment, number=number, init=self._init)
        take = copy_file if writable else link_file
        take(folder / segment.file_name, self.path / adopted.file_name)
        self.segments.append(adopted)
        self._chunks += 1

    def finish(self) -> None:
        """Close the track: nothing more will come."""
        self.close_segment()
        self.write_playlist(ended=True)

    # --- reading back ------------------------------------------------------------------------------------------

    def _next_number(self) -> int:
        return self.segments[-1].number + 1 if self.segments else 1

    def _read_back(self) -> None:
        remove_temporaries(self.path)
        headers = self._headers()
        numbers = self._numbers(_SEGMENT_NAME)
        for number in numbers:
            path = self.path / f"{number:06d}.m4s"
            # What a crash can have left half-written is in the last segment; only there it is worth to read the media.
            contents = read_segment(path, verify=number == numbers[-1])
            if contents is None:
                self._drop(path)  # not even its first chunk is whole
                continue
            init = max((init for init in headers if init <= number), default=None)
            if init is None or not headers[init]:
                init = number if init is None else init
                header = salvage_header(path, self.timescale_hz)
                if header is None:
                    set_aside(path)  # nothing can play it
                    continue
                replace_file(self.path / init_name(init), header)
                headers[init] = True
            if contents.whole_bytes < path.stat().st_size:
                os.truncate(path, contents.whole_bytes)
            self.segments.append(
                Segment(number, contents.start, contents.duration, contents.samples, contents.whole_bytes, init)
            )
            self._last_duration_at, self._last_duration = contents.last_duration_at, contents.last_duration
            self._chunks += 1
        last = self.segments[-1] if self.segments else None
        self._init = None if last is None else last.init
        for init in headers:
            if last is None or init > last.number:
                (self.path / init_name(init)).unlink()  # of a segment that was never begun

    def _numbers(self, name: re.Pattern[str]) -> list[int]:
        return sorted(int(m[1]) for path in self.path.iterdir() if (m := name.fullmatch(path.name)) and path.is_file())

    def _headers(self) -> dict[int, bool]:
        """The CMAF headers by number, and whether they can be read."""
        return {
            number: sample_entry((self.path / init_name(number)).read_bytes()) is not None
            for number in self._numbers(_INIT_NAME)
        }

    def _drop(self, path: Path) -> None:
        """Remove a segment that a crash left at its very beginning; what is anything else is kept out of the way."""
        began = path.read_bytes()[: len(segment_type())]
        if segment_type().startswith(began) or not any(began):
            path.unlink()
        else:
            set_aside(path)
