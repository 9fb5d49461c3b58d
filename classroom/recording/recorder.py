"""The recorder: a receiver like any other, which writes what it gets to disk."""

from __future__ import annotations

import asyncio
import errno
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from classroom.model import ClassroomError, RecordingState
from classroom.recording.holding import open_archive

if TYPE_CHECKING:
    from pathlib import Path

    from classroom.recording.archive import LessonArchive
    from classroom.sfu.core.down_track import DownTrack
    from classroom.sfu.core.sink import Burst

logger = logging.getLogger(__name__)

POLL_S = 0.1  # the writer looks for work so often: few wake-ups, and a chunk is half a second anyway
MAX_WAITING_BYTES = 64 << 20  # four minutes of 2 Mbit/s
_PACKET_OVERHEAD_BYTES = 200
OnState = Callable[[RecordingState, str | None], None]


def _nobody(data: bytes) -> None:
    """Where feedback goes before the recorder is attached."""


class Recorder:
    """Records one lesson. A Sink; its methods belong to the event loop, the disk to one thread of its own.

    The way to the thread is bounded by MAX_WAITING_BYTES: when the disk is so slow that it is full, the recording stops
    as FAILED rather than to have holes that nobody knows of. Whatever the disk does, the live lesson goes on.
    ``feedback`` is where keyframe requests go; set it once the recorder is attached.
    """

    def __init__(self, wall_offset_s: float, on_state: OnState, clock: Callable[[], float] = time.monotonic) -> None:
        self.feedback: Callable[[bytes], None] = _nobody
        self.state = RecordingState.OFF
        self.detail: str | None = None
        self.folder: Path | None = None
        self._wall_offset_s = wall_offset_s
        self._on_state = on_state
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._archive: LessonArchive | None = None
        self._inbox: deque[tuple[int, Callable[[LessonArchive], None]]] = deque()
        self._put_bytes = 0  # written by the loop only
        self._taken_bytes = 0  # written by the thread only
        self._known: set[int] = set()
        self._final: RecordingState | None = None
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None

    @classmethod
    async def open(
        cls,
        root: Path,
        lesson_id: str,
        title: str,
        wall_offset_s: float,
        on_state: OnState,
        resume: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> Recorder:
        """Begin a recording, or go on with that of the same lesson (see holding.py).

        ``wall_offset_s`` is what to add to ``clock`` to get seconds since 1970; ``on_state`` is called on the event
        loop whenever the state changes. Does not raise when the disk refuses: the recorder is FAILED from the start.
        """
        recorder = cls(wall_offset_s, on_state, clock)
        now_s = recorder._now_s()
        try:
            archive = await asyncio.to_thread(
                open_archive, root, lesson_id, title, now_s, resume, recorder._feedback_from_thread
            )
        except (OSError, ClassroomError) as error:
            recorder._set_state(RecordingState.FAILED, explain(error))
            return recorder
        recorder._archive = archive
        recorder.folder = archive.folder
        recorder._set_state(RecordingState.RECORDING, None)
        recorder._thread = threading.Thread(target=recorder._write, name=f"recorder {lesson_id}", daemon=True)
        recorder._thread.start()
        return recorder

    # --- as a Sink ---------------------------------------------------------------------------------------------

    def send(self, burst: Burst) -> None:
        """Take packets of one DownTrack."""
        if self.state is not RecordingState.RECORDING:
            return
        down, packets, seq_offset, ts_offset = burst
        now_s = self._now_s()
        ssrc = down.ssrc
        if ssrc not in self._known:
            publication = down.publication
            if publication is None:
                return
            self._known.add(ssrc)
            rate_hz = down.clock_rate_hz
            self._put(0, lambda archive: archive.open_stream(ssrc, publication, rate_hz, now_s))
        batch = []
        size = 0
        for packet in packets:
            seq, ts = (packet.ext_seq + seq_offset) & 0xFFFF, (packet.ts + ts_offset) & 0xFFFF_FFFF
            payload = packet.data[packet.payload_start : packet.payload_end]
            batch.append((seq, ts, packet.marker, payload, packet.captured_ntp))
            size += len(packet.data) + _PACKET_OVERHEAD_BYTES
        self._put(size, lambda archive: archive.packets(ssrc, batch, now_s))

    def resend(self, down: DownTrack, data: bytes) -> None:
        """Never asked for: nothing is lost between the server and its recorder."""

    def send_rtcp(self, data: bytes) -> None:
        """Take sender reports and BYE."""
        now_s = self._now_s()
        self._put(len(data) + _PACKET_OVERHEAD_BYTES, lambda archive: archive.rtcp(data, now_s))

    def close(self, reason: str) -> None:
        """Nothing more comes. ``finish`` says what became of the lesson."""

    # --- for the lesson ----------------------------------------------------------------------------------------

    def add_event(self, name: str, /, **data: object) -> None:
        """Note in events.jsonl what happened in the lesson; ``data`` must be fit for JSON."""
        now_s = self._now_s()
        self._put(_PACKET_OVERHEAD_BYTES, lambda archive: archive.add_event(name, now_s, data))

    async def finish(self, state: RecordingState) -> None:
        """End the recording as COMPLETE or INTERRUPTED and wait until it is on disk. Finishing again does nothing."""
        if self._final is None:
            self._final = state
        self._wake.set()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)
            self._thread = None

    # --- between loop and thread -------------------------------------------------------------------------------

    def _now_s(self) -> float:
        return self._clock() + self._wall_offset_s

    def _put(self, size: int, work: Callable[[LessonArchive], None]) -> None:
        if self.state is not RecordingState.RECORDING or self._final is not None:
            return
        if self._put_bytes - self._taken_bytes > MAX_WAITING_BYTES:
            detail = (
                "磁盘写入太慢,录制已停止;课堂继续进行。请换用更快的磁盘。 "
                "The disk is too slow: recording stopped, the lesson goes on. Use a faster disk."
            )
            self._set_state(RecordingState.FAILED, detail)
            self._wake.set()
            return
        self._put_bytes += size
        self._inbox.append((size, work))

    def _set_state(self, state: RecordingState, detail: str | None) -> None:
        if self.state is state or self.state is RecordingState.FAILED:
            return
        self.state, self.detail = state, detail
        if state is RecordingState.FAILED:
            logger.error("recording failed: %s", detail)
        self._on_state(state, detail)

    def _tell(self, call: Callable[[], None]) -> None:
        """Run something on the event loop, unless that is gone."""
        try:
            self._loop.call_soon_threadsafe(call)
        except RuntimeError:
            pass

    def _feedback_from_thread(self, data: bytes) -> None:
        self._tell(lambda: self.feedback(data))

    # --- the writer thread -------------------------------------------------------------------------------------

    def _write(self) -> None:
        archive = self._archive
        assert archive is not None
        try:
            while self._final is None and self.state is RecordingState.RECORDING:
                self._wake.wait(POLL_S)
                now_s = self._now_s()
                self._drain(archive)
                archive.advance(now_s)
            if self.state is RecordingState.FAILED:
                archive.fail(self.detail or "", self._now_s())
                return
            final = self._final or RecordingState.INTERRUPTED
            self._drain(archive)
            archive.finish(final, self._now_s())
        except Exception as error:  # whatever happens here must not pass for a recording
            if not isinstance(error, OSError):
                logger.exception("the recorder failed")
            detail = explain(error)
            archive.fail(detail, self._now_s())
            self._tell(lambda: self._set_state(RecordingState.FAILED, detail))
            return
        self._tell(lambda: self._set_state(final, None))

    def _drain(self, archive: LessonArchive) -> None:
        inbox = self._inbox
        while inbox:
            size, work = inbox.popleft()
            work(archive)
            self._taken_bytes += size


def explain(error: Exception) -> str:
    """Say in Chinese and English why recording stopped and what to do."""
    if isinstance(error, ClassroomError):
        return str(error)
    number = error.errno if isinstance(error, OSError) else None
    goes_on = ("录制已停止,课堂继续进行。", "recording stopped, the lesson goes on.")
    if number in (errno.ENOSPC, errno.EDQUOT):
        return f"磁盘空间已满,{goes_on[0]}请清理磁盘。 The disk is full: {goes_on[1]} Free some space."
    if number == errno.EROFS:
        return f"磁盘只读,{goes_on[0]}请检查磁盘。 The disk is read-only: {goes_on[1]} Check the disk."
    if number in (errno.EACCES, errno.EPERM):
        return f"没有写入录制目录的权限,{goes_on[0]} No permission to write to the recordings folder: {goes_on[1]}"
    return f"写入录制时出错({error}),{goes_on[0]} Writing the recording failed ({error}): {goes_on[1]}"
