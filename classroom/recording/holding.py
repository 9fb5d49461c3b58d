"""Which folder a recording goes to: that of the present holding of the lesson, or a new one."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from classroom.model import RecordingState
from classroom.recording.archive import LessonArchive
from classroom.recording.folders import holdings, new_folder
from classroom.recording.lesson_file import DamagedRecording, LessonRecord, read_lesson
from classroom.recording.playlist import iso_time
from classroom.recording.repair import finish_interrupted

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

logger = logging.getLogger(__name__)

# The time in between is in the recording as a held picture and silence. Beyond these it is another recording.
CONTINUE_WITHIN_S = 15 * 60.0  # ended by mistake, or to let the class out for a moment
RESUME_WITHIN_S = 3 * 3600.0  # the server was away while the lesson was live


def open_archive(
    root: Path, lesson_id: str, title: str, now_s: float, resume: bool, feedback: Callable[[bytes], None]
) -> LessonArchive:
    """Go on with the latest recording of the lesson if it ended a short time ago, else begin another.

    ``now_s`` in seconds since 1970; ``resume`` says that the lesson goes on, not that it begins. A recording
    that is left behind unfinished is finished as interrupted. Blocks. Raises OSError, RecordingBusy.
    """
    found = holdings(root, lesson_id)
    if found:
        folder = found[-1]
        try:
            record = read_lesson(folder)
        except DamagedRecording as error:
            logger.warning("%s", error)
        else:
            ended = record.state in (RecordingState.COMPLETE, RecordingState.REPAIRING)
            within_s = RESUME_WITHIN_S if resume and not ended else CONTINUE_WITHIN_S
            if now_s - (record.epoch_s + record.duration_s) <= within_s:
                record.title = title
                return LessonArchive(folder, record, now_s, feedback, "recording_resumed")
            if record.state is RecordingState.RECORDING:
                finish_interrupted(folder)
    folder = new_folder(root, lesson_id, now_s)
    record = LessonRecord(lesson_id, title, iso_time(now_s), RecordingState.RECORDING)
    return LessonArchive(folder, record, now_s, feedback, "recording_started")
