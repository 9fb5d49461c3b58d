"""Keeps what the agent captures, sent or not, in a thread that writes: nobody waits for a disk."""

from __future__ import annotations

import errno
import logging
import threading
import time
from collections import defaultdict
from typing import TYPE_CHECKING

from classroom.capture.copy.frame_log import FrameLog
from classroom.capture.copy.frame_record import MAX_SAMPLE_BYTES, Identity, identify, sample_of

if TYPE_CHECKING:
    from classroom.capture.clock import CaptureClock
    from classroom.capture.copy.shelf import Shelf
    from classroom.capture.copy.sitting import Sitting
    from classroom.capture.frames import CodedFrame
    from classroom.model import Label

logger = logging.getLogger(__name__)

WRITE_S = 0.25  # so much is lost of a copy when the agent is killed
SYNC_S = 0.5  # so much more when the power fails
MAX_WAITING_BYTES = 64 << 20  # for a disk that is stuck; beyond it frames are not kept, the newest
RETRY_S = 30.0  # after a failure of the disk


class Keeper:
    """Takes frames from any thread until close() and writes them to a sitting of the lesson.

    When the disk refuses (full, read-only, gone) that is said once, frames are not kept, and it is tried again each
    30 s: the lesson must go on.
    """

    def __init__(self, shelf: Shelf, lesson: str, server: str, clock: CaptureClock) -> None:
        self._shelf = shelf
        self._lesson = lesson
        self._server = server
        self._clock = clock
        self._sitting: Sitting | None = None
        self._logs: dict[Label, FrameLog] = {}
        self._waiting: list[tuple[Label, int, CodedFrame]] = []
        self._waiting_bytes = 0
        self._changed = threading.Condition()
        self._closed_to: list[threading.Event] = []  # who waits until its frames are in closed files
        self._another = False
        self._closing = False
        self._failed_s: float | None = None  # when the disk refused, while it does
        self._left_out = 0
        self._synced_s = 0.0
        self._thread = threading.Thread(target=self._run, name="copy", daemon=True)
        self._thread.start()

    def keep(self, label: Label, frame: CodedFrame) -> None:
        """Take a frame; returns at once."""
        captured_ntp = self._clock.ntp(frame.capture_s)
        with self._changed:
            if self._waiting_bytes > MAX_WAITING_BYTES:
                self._left_out += 1
                return
            self._waiting.append((label, captured_ntp, frame))
            self._waiting_bytes += frame.size_bytes

    def begin_another(self) -> None:
        """What comes from now on belongs to another sitting."""
        with self._changed:
            self._another = True

    def settle(self) -> None:
        """Return when everything that was taken so far is in files that are closed; blocks."""
        done = threading.Event()
        with self._changed:
            if self._closing:
                return
            self._closed_to.append(done)
            self._changed.notify()
        while not done.wait(1.0) and self._thread.is_alive():
            pass

    def close(self) -> None:
        """Write what waits and end; blocks."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()

    # --- the thread ----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            with self._changed:
                if not self._closing and not self._closed_to:
                    self._changed.wait(WRITE_S)
                frames, self._waiting, self._waiting_bytes = self._waiting, [], 0
                asked, self._closed_to = self._closed_to, []
                another, self._another = self._another, False
                left_out, self._left_out = self._left_out, 0
                closing = self._closing
            if left_out:
                logger.warning("磁盘太慢，副本缺 %d 帧 / the disk is too slow, not kept: %d", left_out, left_out)
            self._guarded(frames, close=bool(asked) or closing, another=another)
            for done in asked:
                done.set()
            if closing:
                return

    def _guarded(self, frames: list[tuple[Label, int, CodedFrame]], *, close: bool, another: bool) -> None:
        """Write; what the disk refuses is said once."""
        now_s = time.monotonic()
        if self._failed_s is not None and now_s - self._failed_s < RETRY_S:
            return
        try:
            if another:
                self._close_logs()
                self._sitting = None
            if frames:
                self._write(frames)
            if close:
                self._close_logs()
            elif now_s - self._synced_s >= SYNC_S:
                self._synced_s = now_s
                for log in self._logs.values():
                    log.sync()
        except OSError as error:
            if self._failed_s is None:
                logger.error(
                    "副本写不下去（%s），课照常进行，但暂不保留副本；请检查 %s / the disk refuses (%s): the lesson "
                    "goes on, but no copy of it is kept; look at %s",
                    error.strerror,
                    self._shelf.root,
                    error.strerror,
                    self._shelf.root,
                )
            self._failed_s = now_s
        else:
            if self._failed_s is not None:
                self._failed_s = None
                logger.info("又开始保留副本 / a copy is kept again")

    def _write(self, frames: list[tuple[Label, int, CodedFrame]]) -> None:
        if self._sitting is None:
            self._sitting = self._shelf.begin(self._lesson, self._server, frames[0][1])
            self._logs = {}
        by_label: dict[Label, list[tuple[Identity, bytes]]] = defaultdict(list)
        for label, captured_ntp, frame in frames:
            sample = sample_of(frame, label)
            if len(sample) <= MAX_SAMPLE_BYTES:
                by_label[label].append((identify(captured_ntp, sample), sample))
        for label, samples in by_label.items():
            log = self._logs.get(label)
            if log is None:
                log = self._logs[label] = FrameLog(self._sitting.folder, label, self._shelf.file_bytes)
            if log.is_full(samples[0][0].captured_ntp):
                self._close(log)
            if not log.is_open:
                self._shelf.make_room()
            self._append(log, samples)

    def _append(self, log: FrameLog, samples: list[tuple[Identity, bytes]]) -> None:
        """Write them; on a disk that is full delivered copies make room first."""
        try:
            log.append(samples)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT) or not self._shelf.spare_delivered():
                raise
            log.append(samples)

    def _close_logs(self) -> None:
        for log in self._logs.values():
            self._close(log)

    def _close(self, log: FrameLog) -> None:
        closed = log.close()
        if closed is not None:
            self._shelf.remember(*closed)
