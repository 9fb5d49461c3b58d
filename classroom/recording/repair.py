"""Finishes the recordings that a crash left open: nothing that is on disk is lost, and the state is honest."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from classroom.model import RecordingState
from classroom.recording.archive import LessonArchive
from classroom.recording.event_log import RecordingBusy
from classroom.recording.folders import all_recordings
from classroom.recording.lesson_file import DamagedRecording, read_lesson

if TYPE_CHECKING:
    from collections.abc import Container
    from pathlib import Path

logger = logging.getLogger(__name__)


def repair_recordings(root: Path, live: Container[str] = ()) -> list[Path]:
    """Finish every recording that says it is being recorded but whose lesson is not ``live``; returns their folders.

    To be called when the server starts, before recorders are opened. One that cannot be mended, or that another
    process writes, is logged and left as it is. Blocks.
    """
    repaired = []
    for folder in all_recordings(root):
        try:
            record = read_lesson(folder)
            if record.state is RecordingState.RECORDING and record.id not in live:
                finish_interrupted(folder)
                repaired.append(folder)
        except (OSError, DamagedRecording, RecordingBusy) as error:
            logger.warning("cannot mend the recording %s: %s", folder, error)
    return repaired


def finish_interrupted(folder: Path) -> None:
    """Cut off half-written chunks, list what is there and close the recording. Raises OSError, RecordingBusy."""
    record = read_lesson(folder)
    end_s = record.epoch_s + record.duration_s
    archive = LessonArchive(folder, record, end_s, lambda data: None, "recording_repaired")
    archive.finish(RecordingState.INTERRUPTED, record.epoch_s + archive.end_s)
