"""A lesson that is held, and what follows it: its clients, its recording, its media."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from classroom.live.recording import LessonRecording
from classroom.live.streams import Streams
from classroom.messages import LessonChanged
from classroom.model import ClassroomError, LessonState
from classroom.sfu.core.assignment import Direction

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from classroom.live.lesson import Delta, LiveLesson
    from classroom.live.ports import MediaServer, Record
    from classroom.model import RecordingState

logger = logging.getLogger(__name__)


class HeldLesson:
    """Owned by LessonService. ``changed`` is called when there is something to write down.

    Starts, ends and new sessions wait for ``lock``; what others are told, and what the media are told to show, do not.
    """

    def __init__(
        self,
        lesson: LiveLesson,
        media: MediaServer,
        record: Record | None,
        wall: Callable[[], datetime],
        changed: Callable[[], None],
    ) -> None:
        self.lesson = lesson
        self.lock = asyncio.Lock()
        self.streams = Streams(lambda who: lesson.snapshot(who, wall()))
        self.media_lost = False
        self._media = media
        self._recording = LessonRecording(lesson, record, wall, self._on_recording)
        self._changed = changed
        self._directed = Direction()  # what the media server was told

    def tell(self, deltas: list[Delta]) -> None:
        """Let everything follow that follows a change: whatever changes in a lesson goes this way."""
        if not deltas:
            return
        self.streams.tell(deltas)
        self._recording.follow(deltas)
        self._changed()
        if any(isinstance(delta, LessonChanged) for delta in deltas):
            self._direct()

    def note(self, event: str, **data: object) -> None:
        """Keep a record of what changes nothing."""
        self._recording.note(event, **data)

    # --- media, under the lock ---------------------------------------------------------------------------------

    async def open_media(self, resume: bool) -> None:
        """Media can come when this is done, and all of it is recorded."""
        await self._media.open_lesson(self.lesson.id)
        self.media_lost = False  # what is lost from here on is another loss
        self._directed = self.lesson.direction
        self._media.direct(self.lesson.id, self._directed)
        await self._recording.open(resume)

    async def close_media(self, reason: str, state: RecordingState) -> None:
        """No media come any more; ``state`` is that of the recording if it did not fail."""
        await self._media.close_lesson(self.lesson.id, reason)
        await self._recording.finish(state)

    def _direct(self) -> None:
        """Let the media follow what was decided; they do so at their own pace, and nobody waits for them."""
        direction = self.lesson.direction
        if direction == self._directed or self.media_lost or self.lesson.state is not LessonState.LIVE:
            return
        try:
            self._media.direct(self.lesson.id, direction)
        except ClassroomError as error:  # they are being opened, and are told then
            logger.debug("lesson=%s cannot be directed: %s", self.lesson.id, error)
        else:
            self._directed = direction

    def _on_recording(self, state: RecordingState, detail: str | None) -> None:
        self.tell(self.lesson.set_recording(state, detail))
