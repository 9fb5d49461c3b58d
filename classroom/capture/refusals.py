"""Why a server does not take a session: what may be tried again, and what not."""

from __future__ import annotations

from classroom.model import ClassroomError


class WhipError(ClassroomError):
    """The server cannot take the session now; worth trying again, not before ``retry_after_s``."""

    def __init__(self, text: str, retry_after_s: float = 0.0) -> None:
        super().__init__(text)
        self.retry_after_s = retry_after_s


class Refused(ClassroomError):
    """The server will not take the session, however often it is asked."""


class LessonEnded(ClassroomError):
    """The lesson is over; a teacher may start it again."""


class LessonNotOpen(ClassroomError):
    """Nobody has opened the lesson yet, and this token may not."""
