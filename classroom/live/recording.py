"""The recording of one held lesson: whatever the recorder does, the lesson goes on."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from classroom.model import RecordingState

if TYPE_CHECKING:
    from collections.abc import Callable

    from classroom.live.ports import MediaServer, OpenRecorder, Recorder
    from classroom.messages import ParticipantView
    from classroom.model import LessonId

logger = logging.getLogger(__name__)


class LessonRecording:
    """Opens, follows and finishes one recorder at a time; owned by the lesson service.

    ``on_state`` hears the state of the present recorder only. A recorder that fails is a state, never an exception.
    """

    def __init__(
        self,
        lesson: LessonId,
        open_recorder: OpenRecorder | None,
        on_state: Callable[[RecordingState, str | None], None],
    ) -> None:
        self._lesson = lesson
        self._open_recorder = open_recorder
        self._on_state = on_state
        self._recorder: Recorder | None = None
        self._turn = 0  # which recorder may speak: a former one may still be finishing
        self._state = RecordingState.OFF

    async def open(self, media: MediaServer, title: str, resume: bool) -> None:
        """Record from now on. Media must not flow yet if nothing is to be missed."""
        if self._open_recorder is None:
            return
        if self._recorder is not None:
            await self.finish(RecordingState.INTERRUPTED)
        self._turn += 1
        turn = self._turn

        def on_state(state: RecordingState, detail: str | None) -> None:
            if turn == self._turn:
                self._set(state, detail)

        self._state = RecordingState.OFF
        try:
            self._recorder = await self._open_recorder(self._lesson, title, on_state, resume)
            self._recorder.feedback = await media.attach(self._lesson, self._recorder)
        except Exception as error:
            logger.exception("lesson=%s is not recorded", self._lesson)
            self._set(RecordingState.FAILED, _sentence(error))
            return
        if self._state is RecordingState.OFF:
            self._set(RecordingState.RECORDING, None)

    async def finish(self, state: RecordingState) -> None:
        """Close the recorder; COMPLETE or INTERRUPTED is said only of one that did not fail."""
        recorder, self._recorder = self._recorder, None
        if recorder is None:
            return
        try:
            await recorder.finish(state)
        except Exception as error:
            logger.exception("lesson=%s: its recording could not be finished", self._lesson)
            self._set(RecordingState.FAILED, _sentence(error))
            return
        if self._state is RecordingState.RECORDING:
            self._set(state, None)

    def note_participant(self, participant: ParticipantView) -> None:
        """Keep a record of who was there, and with what."""
        if self._recorder is not None:
            self._recorder.add_event(
                "participant",
                id=participant.id,
                role=participant.role.value,
                name=participant.name,
                online=participant.online,
                publishing=participant.publishing,
                receiving=participant.receiving,
            )

    def _set(self, state: RecordingState, detail: str | None) -> None:
        self._state = state
        self._on_state(state, detail)


def _sentence(error: Exception) -> str:
    return f"录制失败，课程继续。 Recording failed, the lesson goes on: {error}"
