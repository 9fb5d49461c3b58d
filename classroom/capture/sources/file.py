"""A file, played at the pace of its own timestamps, once or for ever."""

from __future__ import annotations

import heapq
import logging
import stat
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import av

from classroom.capture.frames import Probe, SourceError
from classroom.capture.sources.routes import (
    DecodedPicture,
    FitCheck,
    Packet,
    PassedPicture,
    Route,
    picture_of,
    sound_of,
    sound_route,
    time_s,
)
from classroom.capture.sources.source import Outputs, failure, require_media

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable
    from pathlib import Path

logger = logging.getLogger(__name__)

_LOOK_AHEAD_S = 1.0  # sound may lie that far behind its picture in the file and still be in time
_LATE_S = 1.0  # the machine slept or was stopped: go on from here instead of racing to catch up
_SHORTEST_S = 0.2


@dataclass(frozen=True, slots=True)
class _Scan:
    """What reading through the file has shown."""

    changed_ns: int
    size_bytes: int
    start_s: float
    duration_s: float
    has_picture: bool
    has_sound: bool
    passes: bool


class FileSource:
    """Plays ``path``; with ``loop`` it starts over where its longest stream ends, with timestamps that go on."""

    is_recorded = True

    def __init__(self, path: Path, *, loop: bool) -> None:
        self.name = path.name
        self._path = path
        self._loop = loop
        self._scan: _Scan | None = None
        self._ahead: list[tuple[float, int, Callable[[float], None]]] = []
        self._order = 0
        self._anchor_s = 0.0
        self._again = False  # not the first time through

    def probe(self) -> Probe:
        """Read through the file once, without decoding; raises SourceError."""
        scan = self._scanned()
        return Probe(scan.has_picture, scan.has_sound)

    def run(self, outputs: Outputs, start_s: float, stop: threading.Event) -> None:
        """Play; returns when the file has ended or ``stop`` is set. Raises SourceError."""
        scan = self._scanned()
        require_media(self.name, outputs, has_picture=scan.has_picture, has_sound=scan.has_sound)
        self._anchor_s, self._again = max(start_s, time.monotonic() - _LATE_S), False
        while not stop.is_set():
            try:
                self._play(scan, outputs, stop)
            except av.error.FFmpegError as error:
                raise failure(self.name, error) from error
            if not self._loop:
                return
            self._anchor_s += scan.duration_s
            self._again = True

    def _scanned(self) -> _Scan:
        try:
            status = self._path.stat()
            if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):  # FFmpeg could wait for ever
                raise SourceError(
                    f"{self._path}：不是普通文件；USB 摄像头请写设备号，例如 0 / "
                    f"{self._path}: not a regular file; a USB camera is named by its number, such as 0"
                )
            known = self._scan
            if known is None or (known.changed_ns, known.size_bytes) != (status.st_mtime_ns, status.st_size):
                self._scan = known = _scan(self._path, self.name, status.st_mtime_ns, status.st_size)
        except av.error.FFmpegError as error:
            raise failure(self.name, error) from error
        except FileNotFoundError as error:
            raise SourceError(f"{self._path}：找不到文件 / {self._path}: no such file") from error
        except OSError as error:
            raise SourceError(
                f"{self._path}：打不开（{error.strerror}） / {self._path}: cannot be opened ({error.strerror})"
            ) from error
        return known

    def _play(self, scan: _Scan, outputs: Outputs, stop: threading.Event) -> None:
        with av.open(str(self._path)) as container:
            routes: dict[int, Route] = {}
            picture, sound = picture_of(container), sound_of(container)
            if picture is not None and outputs.video is not None:
                passed = PassedPicture(picture, outputs.video, self.name) if scan.passes else None
                routes[picture.index] = passed or DecodedPicture(picture, outputs.video)
            if sound is not None and outputs.audio is not None:
                routes[sound.index] = sound_route(sound, outputs.audio)
            # Packets wait here, not decoded pictures: a second of those would be 90 MB.
            self._ahead.clear()
            read_to_s = float("-inf")
            for packet in container.demux([container.streams[index] for index in routes]):
                if packet.dts is None and packet.pts is None:
                    continue  # the demuxer's end marks
                decoding_s = float((packet.dts if packet.dts is not None else packet.pts or 0) * packet.time_base)
                at_s = max(decoding_s - scan.start_s, 0.0)
                self._schedule(at_s, partial(self._take, routes[packet.stream_index], packet, scan.start_s))
                read_to_s = max(read_to_s, at_s)
                while self._ahead and self._ahead[0][0] <= read_to_s - _LOOK_AHEAD_S:
                    if not self._deliver_next(stop):
                        return
            while self._ahead:
                if not self._deliver_next(stop):
                    return
            for route in routes.values():
                for at_s, action in route.finish():
                    self._schedule(at_s - scan.start_s, action)
            while self._ahead:
                if not self._deliver_next(stop):
                    return

    def _schedule(self, at_s: float, action: Callable[[float], None]) -> None:
        self._order += 1
        heapq.heappush(self._ahead, (at_s, self._order, action))

    def _take(self, route: Route, packet: Packet, file_start_s: float, _capture_s: float) -> None:
        for at_s, action in route.take(packet):
            # The run-in of an Opus stream lies before zero: in a loop that is where the end of the former round is.
            if at_s >= file_start_s or not self._again:
                self._schedule(at_s - file_start_s, action)

    def _deliver_next(self, stop: threading.Event) -> bool:
        """Do what is due next, when it is due; False when there is no more time for it."""
        at_s, _, action = heapq.heappop(self._ahead)
        early_s = self._anchor_s + at_s - time.monotonic()
        if early_s > 0:
            if stop.wait(early_s):
                return False
        elif early_s < -_LATE_S:
            self._anchor_s -= early_s
            logger.info("%s: 播放中断了 %.1f 秒，从断点继续 / was held up, goes on from there", self.name, -early_s)
        action(self._anchor_s + at_s)
        return not stop.is_set()


def _scan(path: Path, name: str, changed_ns: int, size_bytes: int) -> _Scan:
    """Read all packets of a file: how long it is, and whether its picture may be passed through."""
    with av.open(str(path)) as container:
        picture, sound = picture_of(container), sound_of(container)
        streams = [stream for stream in (picture, sound) if stream is not None]
        if not streams:
            raise SourceError(f"{name}：里面没有音视频 / {name}: no sound and no picture in it")
        check = FitCheck(picture) if picture is not None and picture.codec_context.name == "h264" else None
        reason = "" if check is not None else "it is not H.264"
        start_s, end_s = float("inf"), float("-inf")
        for packet in container.demux(streams):
            at_s = time_s(packet)
            if at_s is None:
                continue
            start_s = min(start_s, at_s)
            duration = packet.duration or 0
            end_s = max(end_s, at_s + float(duration * packet.time_base))
            if check is not None and not reason and picture is not None and packet.stream_index == picture.index:
                _, reason = check.judge(packet)
        if end_s - start_s < _SHORTEST_S:
            raise SourceError(f"{name}：内容太短，无法播放 / {name}: too short to be played")
    if picture is not None and reason:
        logger.info("%s: 需要转码 / is encoded anew, because %s", name, reason)
    # A start below zero is a decoder's run-in (AAC, Opus) that is cut from the sound; time begins at zero then.
    start_s = max(start_s, 0.0)
    return _Scan(
        changed_ns,
        size_bytes,
        start_s,
        end_s - start_s,
        has_picture=picture is not None,
        has_sound=sound is not None,
        passes=picture is not None and not reason,
    )
