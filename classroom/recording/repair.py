"""Finishes the recordings that a crash left open: nothing that is on disk is lost, and the state is honest."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from classroom.files import remove_temporaries, set_aside, sync_folder
from classroom.model import InvalidLessonId, RecordingState
from classroom.recording.archive import RESERVE, LessonArchive
from classroom.recording.event_log import EVENTS_FILE, RecordingBusy
from classroom.recording.folders import all_folders
from classroom.recording.generations import remove_unreferenced
from classroom.recording.lesson_file import LESSON_FILE, DamagedRecording, read_lesson
from classroom.recording.master import write_master
from classroom.recording.rebuild import rebuild_record

if TYPE_CHECKING:
    from collections.abc import Container
    from pathlib import Path

    from classroom.recording.lesson_file import LessonRecord

logger = logging.getLogger(__name__)

REBUILT = (
    "录制信息曾丢失或损坏,已根据媒体文件重建;请核对标题。 "
    "The recording's lesson.json was lost or damaged and has been rebuilt from its media; please check the title."
)


def repair_recordings(root: Path, live: Container[str] = ()) -> list[Path]:
    """Finish every recording that says it is being recorded but whose lesson is not ``live``; returns their folders.

    One whose record is lost or damaged is given another. What a splice has left that was not finished is removed. To be
    called when the server starts, before recorders are opened. One that cannot be mended, or that another process
    writes, is logged and left as it is. Blocks.
    """
    repaired = []
    for folder in all_folders(root):
        try:
            record = _read_or_none(folder)
            if record is None:
                mended = _rebuild(folder)
            else:
                if record.state is not RecordingState.RECORDING:
                    write_master(folder, record)  # before what it may still name is removed
                remove_unreferenced(folder, record)
                mended = record.state is RecordingState.RECORDING and record.id not in live
                if mended:
                    finish_interrupted(folder)
            if mended:
                repaired.append(folder)
        except (OSError, RecordingBusy) as error:
            logger.warning("cannot mend the recording %s: %s", folder, error)
        except InvalidLessonId:
            logger.warning("%s is not a recording; it is left as it is", folder)
    return repaired


def finish_interrupted(folder: Path) -> None:
    """Cut off half-written chunks, list what is there and close the recording. Raises OSError, RecordingBusy."""
    _finish(folder, read_lesson(folder), RecordingState.INTERRUPTED, None)


def _read_or_none(folder: Path) -> LessonRecord | None:
    try:
        return read_lesson(folder)
    except FileNotFoundError:
        return None
    except DamagedRecording as error:
        logger.warning("%s", error)
        return None


def _rebuild(folder: Path) -> bool:
    """Give a recording a new record; a folder with nothing in it is removed, for nothing was recorded."""
    record = rebuild_record(folder)
    if record is None:
        _remove_empty(folder)
        return False
    state = RecordingState.INTERRUPTED if record.state is RecordingState.RECORDING else record.state
    if (folder / LESSON_FILE).exists():
        set_aside(folder / LESSON_FILE)
    _finish(folder, record, state, REBUILT)
    logger.warning("the record of %s was lost or damaged; it has been rebuilt", folder)
    return True


def _finish(folder: Path, record: LessonRecord, state: RecordingState, detail: str | None) -> None:
    end_s = record.epoch_s + record.duration_s
    archive = LessonArchive(folder, record, end_s, lambda data: None, "recording_repaired")
    archive.finish(state, record.epoch_s + archive.end_s, detail)


def _remove_empty(folder: Path) -> None:
    """Remove what a recorder made before there was anything to record, but no folder that holds something else."""
    remove_temporaries(folder)
    for name in (RESERVE, EVENTS_FILE):
        (folder / name).unlink(missing_ok=True)
    for path in folder.iterdir():
        if path.is_dir() and not any(path.iterdir()):
            path.rmdir()
    if any(folder.iterdir()):
        logger.warning("%s is not a recording; it is left as it is", folder)
        return
    folder.rmdir()
    sync_folder(folder.parent)
