"""Goes through the recordings of a data directory and keeps the index of each up to date."""

from __future__ import annotations

import faulthandler
import logging
import sys
import time
from collections import deque
from typing import TYPE_CHECKING

from classroom.model import ClassroomError, RecordingState
from classroom.recording.captions import CAPTIONS_FOLDER
from classroom.recording.folders import all_recordings
from classroom.recording.index.dictation import Dictation
from classroom.recording.index.recording import KEPT_S, RecordingIndex, remove_unnamed
from classroom.recording.index.text import TextReader
from classroom.recording.index_file import (
    INDEX_FILE,
    INDEX_FOLDER,
    IndexState,
    read_index,
    write_index,
)
from classroom.recording.lesson_file import LESSON_FILE, read_lesson

if TYPE_CHECKING:
    from pathlib import Path
    from threading import Event

    from classroom.model import LessonId

logger = logging.getLogger(__name__)

LOOK_S = 1.0  # how often recordings are looked at; a segment takes two seconds to come
LATEST_MONTHS = 2  # in which what grows can be
LOOK_AT_ALL_S = 60.0  # what has long ended changes seldom, and there may be 10 000 of it
TURN = 8  # segments of one recording before another has its turn
WEDGED_S = 600.0  # a turn takes seconds; a process that is stuck in one says where and ends, to be started again


class Follower:
    """Indexes the recordings under ``root``, or those of one lesson.

    Those that grow have turns by turns; of those that have ended one is open at a time, and only while nothing grows
    that is not indexed. A recording that cannot be indexed, or has killed the process twice (attempt.py), is logged
    once and left alone until it changes.
    """

    def __init__(self, root: Path, lesson: LessonId | None = None, dictation: Dictation | None = None) -> None:
        self._root = root
        self._lesson = lesson
        self._reader = TextReader()
        self._dictation = dictation or Dictation.with_model(None)
        self._open: dict[Path, RecordingIndex] = {}
        self._given_up: set[Path] = set()
        self._to_sweep: deque[tuple[float, Path]] = deque()  # when to look for files that nobody reads any more
        self._look_at_all_s = float("-inf")  # monotonic
        self._seen: dict[Path, int] = {}  # what each recording was like when it was taken up, finished or given up

    def follow(self, stop: Event) -> None:
        """Keep everything indexed until ``stop``; then what is open is remembered."""
        while not stop.is_set():
            if not self.turn():
                stop.wait(LOOK_S)
        for folder, index in self._open.items():
            try:
                index.save()
            except OSError as error:
                logger.warning("cannot save the index of %s: %s", folder, error)

    def turn(self) -> bool:
        """Do some of what there is to do; returns whether there may be more at once."""
        self._take_up()
        while self._to_sweep and self._to_sweep[0][0] <= time.monotonic():
            self._sweep(self._to_sweep.popleft()[1])
        live = [folder for folder, index in self._open.items() if not index.ended]
        ended = [folder for folder in self._open if folder not in live]
        busy = [folder for folder in live if self._guarded(folder)]
        return bool(busy) or any(self._guarded(folder) for folder in ended[:1])

    # --- inside ------------------------------------------------------------------------------------------------

    def _take_up(self) -> None:
        """Open what is new or has changed."""
        waiting = any(index.ended for index in self._open.values())
        look_at_all = not waiting and time.monotonic() >= self._look_at_all_s
        if look_at_all:
            self._look_at_all_s = time.monotonic() + LOOK_AT_ALL_S
        for folder in all_recordings(self._root, None if look_at_all else LATEST_MONTHS):
            if self._lesson is not None and folder.name.partition(".")[0] != self._lesson:
                continue
            mark = _newest_ns(folder)
            if folder in self._open or self._seen.get(folder) == mark:
                continue
            try:
                lesson = read_lesson(folder)
                grows = lesson.state is RecordingState.RECORDING
                if grows and folder in self._given_up:
                    continue  # its record is written anew every other second
                if not grows and _is_done(folder, mark):
                    self._seen[folder] = mark
                    self._sweep(folder)
                elif grows or not waiting:
                    self._seen[folder] = mark
                    self._open[folder] = RecordingIndex(folder, self._reader, self._dictation)
                    waiting = waiting or not grows
            except (OSError, ClassroomError) as error:
                self._give_up(folder, mark, error)

    def _guarded(self, folder: Path) -> bool:
        """Give a recording its turn; whatever is wrong with it stays its own affair."""
        faulthandler.dump_traceback_later(WEDGED_S, exit=True, file=sys.__stderr__ or 2)
        try:
            return self._advance(folder)
        except (OSError, ClassroomError) as error:
            self._give_up(folder, _newest_ns(folder), error)
        except Exception:
            logger.exception("a fault of ours; %s is not indexed", folder)
            self._give_up(folder, _newest_ns(folder), None)
        finally:
            faulthandler.cancel_dump_traceback_later()
        return True

    def _advance(self, folder: Path) -> bool:
        index = self._open[folder]
        if not index.look():
            logger.info("%s has been spliced and is indexed again", folder)
            index = self._open[folder] = RecordingIndex(folder, self._reader, self._dictation)
        steps = 0
        while steps < TURN and index.step():
            steps += 1
        if steps == TURN or not index.ended:
            index.rest()
            return steps > 0
        index.finish()
        index.rest()
        del self._open[folder]
        self._to_sweep.append((time.monotonic() + 1.5 * KEPT_S, folder))
        self._seen[folder] = _newest_ns(folder)
        self._look_at_all_s = float("-inf")  # it is the next one's turn
        logger.info("%s is indexed", folder)
        return True

    def _sweep(self, folder: Path) -> None:
        try:
            record = read_index(folder)
            if record is not None and folder not in self._open:
                remove_unnamed(folder, record)
        except OSError as error:
            logger.warning("%s: %s", folder, error)

    def _give_up(self, folder: Path, mark: int, error: Exception | None) -> None:
        index = self._open.pop(folder, None)
        self._look_at_all_s = float("-inf")
        self._seen[folder] = mark
        self._given_up.add(folder)
        try:
            if index is not None:
                index.rest()
            record = read_index(folder)
            if record is not None and record.state is IndexState.RUNNING:
                record.state = IndexState.FAILED
                write_index(folder, record)
        except OSError:
            pass  # it goes on to say that it is being made
        if error is not None:
            logger.warning("录像 %s 无法建立索引。 The recording %s cannot be indexed: %s", folder, folder, error)


def _newest_ns(folder: Path) -> int:
    """When what an index is made of was last changed: the record of the recording, or supplied captions."""
    files = [folder / LESSON_FILE, folder / CAPTIONS_FOLDER, *(folder / CAPTIONS_FOLDER).glob("*.vtt")]
    times = []
    for file in files:
        try:
            times.append(file.stat().st_mtime_ns)
        except OSError:
            pass  # it went away between two looks
    return max(times, default=0)


def _is_done(folder: Path, newest_ns: int) -> bool:
    """Whether an index from before this process says all there is to say."""
    record = read_index(folder)
    if record is None or record.state is not IndexState.DONE:
        return False
    return (folder / INDEX_FOLDER / INDEX_FILE).stat().st_mtime_ns >= newest_ns
