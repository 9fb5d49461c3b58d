"""The recording of one held lesson: whatever the recorder does, the lesson goes on."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from classroom.live.minutes import Minutes
from classroom.model import RecordingState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from classroom.live.lesson import Delta, LiveLesson
    from classroom.live.ports import Record, Recording

logger = logging.getLogger(__name__)


class LessonRecording:
    """Begins, follows and finishes one recording at a time; owned by the lesson service.

    ``on_state`` hears the state of the present recording only. One that fails is a state, never an exception.
    """

    def __init__(
        self,
        lesson: LiveLesson,
        record: Record | None,
        wall: Callable[[], datetime],
        on_state: Callable[[RecordingState, str | None], None],
    ) -> None:
        self._wall = wall
        self._lesson = lesson
        self._record = record
        self._on_state = on_state
        self._recording: Recording | None = None
        self._minutes = Minutes()
        self._turn = 0  # which recording may speak: a former one may still be finishing
        self._state = RecordingState.OFF

    async def open(self, resume: bool) -> None:
        """Record from now on. The lesson is open; media must not flow yet if nothing is to be missed."""
        if self._record is None:
            return
        if self._recording is not None:
            await self.finish(RecordingState.INTERRUPTED)
        self._turn += 1
        turn = self._turn

        def on_state(state: RecordingState, detail: str | None) -> None:
            if turn == self._turn:
                self._set(state, detail)

        self._state = RecordingState.OFF
        try:
            self._recording = await self._record(self._lesson.id, self._lesson.title, on_state, resume)
        except Exception as error:
            logger.exception("lesson=%s is not recorded", self._lesson.id)
            self._set(RecordingState.FAILED, _sentence(error))
            return
        for event, data in self._minutes.begin(self._lesson, self._wall(), resume=resume):
            self._recording.add_event(event, **data)
        if self._state is RecordingState.OFF:
            self._set(RecordingState.RECORDING, None)

    async def finish(self, state: RecordingState) -> None:
        """Close the recording; COMPLETE or INTERRUPTED is said only of one that did not fail."""
        recording, self._recording = self._recording, None
        if recording is None:
            return
        try:
            await recording.finish(state)
        except Exception as error:
            logger.exception("lesson=%s: its recording could not be finished", self._lesson.id)
            self._set(RecordingState.FAILED, _sentence(error))
            return
        if self._state is RecordingState.RECORDING:
            self._set(state, None)

    def follow(self, deltas: Iterable[Delta]) -> None:
        """Keep a record of what happened."""
        if self._recording is not None:
            for event, data in self._minutes.follow(self._lesson, deltas, self._wall()):
                self._recording.add_event(event, **data)

    def note(self, event: str, **data: object) -> None:
        """Keep a record of what changes nothing."""
        if self._recording is not None:
            self._recording.add_event(event, **data)

    def _set(self, state: RecordingState, detail: str | None) -> None:
        self._state = state
        self._on_state(state, detail)


def _sentence(error: Exception) -> str:
    return f"录制失败，课程继续。 Recording failed, the lesson goes on: {error}"
