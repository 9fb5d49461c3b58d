"""Why the lesson service refuses."""

from __future__ import annotations

from classroom.model import ClassroomError


class UnknownLesson(ClassroomError):
    """Nobody has opened the lesson."""


class LessonEnded(ClassroomError):
    """The lesson is over; only a teacher may start it again."""


class NotYours(ClassroomError):
    """The session belongs to somebody else."""


class UnknownParticipant(ClassroomError):
    """Nobody of that id is in the lesson."""


class MayNot(ClassroomError):
    """Somebody of that role may not do this."""


class Busy(ClassroomError):
    """The server holds as many sessions as it may."""


class Draining(ClassroomError):
    """The server is stopping; it takes nobody in any more."""


class UnknownRecording(ClassroomError):
    """The lesson has no such recording."""


class RecordingLive(ClassroomError):
    """The recording is still being written."""


class BadDelivery(ClassroomError):
    """The bytes of a delivery are not what they should be."""


class NotWanted(ClassroomError):
    """No inventory asks for what is delivered."""


class DiskShort(ClassroomError):
    """There is too little space for what is delivered."""


def unknown_lesson(lesson: str) -> UnknownLesson:
    """The error with its text."""
    return UnknownLesson(
        f"课程 {lesson} 还没有开始，请等待主讲教师。 Nobody has opened the lesson {lesson} yet; wait for its teacher."
    )
