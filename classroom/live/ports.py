"""What the lesson service is given from outside: a media server and a way to record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from classroom.model import Label, LessonId, ParticipantId, RecordingState, SessionId
    from classroom.sfu.core.assignment import Direction
    from classroom.sfu.core.stats import LessonStats
    from classroom.sfu.session import Patched, Session


class MediaServer(Protocol):
    """The SFU as the lesson service sees it (classroom.sfu.workers.pool.WorkerPool, or one in this process).

    It tells what happens through the listener that it was made with, on the event loop.
    """

    async def open_lesson(self, lesson: LessonId) -> None:
        """Let media into a lesson; opening it again does nothing."""

    async def close_lesson(self, lesson: LessonId, reason: str) -> None:
        """End the sessions and sinks of a lesson."""

    async def publish(
        self, lesson: LessonId, participant: ParticipantId, offer: str, names: Mapping[Label, str]
    ) -> Session:
        """Accept a publisher (WHIP) and what it names by label; raises BadOffer, UnacceptableOffer, UnknownLesson."""

    async def subscribe(
        self, lesson: LessonId, participant: ParticipantId, offer: str, last_time_bps: float | None = None
    ) -> Session:
        """Accept a receiver (WHEP) whose link carried so much; raises BadOffer, UnacceptableOffer, UnknownLesson."""

    def direct(self, lesson: LessonId, direction: Direction) -> None:
        """Show and let speak what the lesson has decided, of several decisions the last; raises UnknownLesson."""

    async def observe(self, lesson: LessonId) -> LessonStats:
        """What is the case in a lesson; raises UnknownLesson."""

    async def patch(self, session: SessionId, fragment: str, if_match: str | None) -> Patched:
        """Take candidates or restart ICE; raises UnknownSession, BadFragment, EtagMismatch."""

    async def close_session(self, session: SessionId, reason: str) -> None:
        """End a session; raises UnknownSession."""


class Recording(Protocol):
    """A recording that is being written."""

    def add_event(self, name: str, /, **data: object) -> None:
        """Note what happened, at the present time."""

    async def finish(self, state: RecordingState) -> None:
        """Write what is left and close the files."""


class OnRecordingState(Protocol):
    """Hears what became of a recording; called on the event loop."""

    def __call__(self, state: RecordingState, detail: str | None, /) -> None:
        """``detail`` is for people; None when there is nothing to say."""


class Record(Protocol):
    """Records an open lesson from now on. ``resume``: the lesson goes on after a restart, it does not begin."""

    async def __call__(self, lesson: LessonId, title: str, on_state: OnRecordingState, resume: bool) -> Recording:
        """A recording that cannot be written says so through ``on_state``; what is raised counts as failed, too."""
