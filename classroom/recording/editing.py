"""Changing what a recording says of itself while nobody records."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from classroom.files import sync_folder
from classroom.live.errors import RecordingLive
from classroom.model import RecordingState
from classroom.recording.event_log import EventLog, RecordingBusy
from classroom.recording.lesson_file import LessonRecord, read_lesson, write_lesson

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WAIT_S = 1.0  # for somebody else who changes it; a recorder keeps the lock as long as it records


@contextmanager
def editing(folder: Path) -> Iterator[tuple[LessonRecord, EventLog]]:
    """The record and the log of a recording, locked; what was changed is written at the end, durably, unless it failed.

    Blocks. Raises RecordingLive, FileNotFoundError, DamagedRecording, OSError.
    """
    try:
        events = EventLog(folder, read_lesson(folder).epoch_s, WAIT_S)
    except RecordingBusy:
        raise recording_live() from None
    try:
        record = read_lesson(folder)
        if record.state is RecordingState.RECORDING:
            raise recording_live()
        yield record, events
        events.sync()
        write_lesson(folder, record)
        sync_folder(folder)
    finally:
        events.close()


def recording_live() -> RecordingLive:
    """The error with its text."""
    return RecordingLive(
        "课程还在录制，补传的内容会在下课后合并。 "
        "The lesson is still being recorded; what is delivered is put in after its end."
    )
