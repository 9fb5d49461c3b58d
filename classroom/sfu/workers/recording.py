"""How a worker records: it opens a recorder, which it knows as a Sink, and lets it follow a lesson."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from classroom.model import RecordingState
from classroom.sfu.core.sink import Sink

if TYPE_CHECKING:
    from collections.abc import Callable

    from classroom.model import LessonId
    from classroom.sfu.server import MediaServer


class OnRecordingState(Protocol):
    """Hears what became of a recording; called on the event loop."""

    def __call__(self, state: RecordingState, detail: str | None, /) -> None:
        """``detail`` is for people; None when there is nothing to say."""


class Recorder(Sink, Protocol):
    """Consumes a lesson's media and writes it; a Sink like any other, and more."""

    feedback: Callable[[bytes], None]

    def add_event(self, name: str, /, **data: object) -> None:
        """Note what happened, at the present time."""

    async def finish(self, state: RecordingState) -> None:
        """Write what is left and close the files."""


class OpenRecorder(Protocol):
    """Opens the recording of a lesson. ``resume``: the lesson goes on after a restart, it does not begin."""

    async def __call__(self, lesson: LessonId, title: str, on_state: OnRecordingState, resume: bool) -> Recorder:
        """A recorder that cannot write says so through ``on_state``; what is raised counts as failed, too."""


async def record(
    server: MediaServer,
    open_recorder: OpenRecorder,
    lesson: LessonId,
    title: str,
    on_state: OnRecordingState,
    resume: bool,
) -> Recorder:
    """Record a lesson that is open on this server; raises UnknownLesson and what the recorder raises."""
    recorder = await open_recorder(lesson, title, on_state, resume)
    try:
        recorder.feedback = await server.attach(lesson, recorder)
    except BaseException:
        await recorder.finish(RecordingState.INTERRUPTED)
        raise
    return recorder
