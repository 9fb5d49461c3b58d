"""The vocabulary: identifiers, roles, labels, errors. Imported by everybody, imports nobody."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import NewType

LessonId = NewType("LessonId", str)
ParticipantId = NewType("ParticipantId", str)
PublicationId = NewType("PublicationId", str)
SessionId = NewType("SessionId", str)

_LESSON_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


class Role(StrEnum):
    """What a participant may be in a lesson."""

    TEACHER = "teacher"
    CLASSROOM = "classroom"
    CAPTURE = "capture"
    OBSERVER = "observer"
    RECORDER = "recorder"
    NODE = "node"


class AccountRole(StrEnum):
    """What somebody who signs in is."""

    OPERATOR = "operator"  # 管理员 of a district, or of all of them
    SCHOOL_ADMIN = "school_admin"  # 学校管理员
    TEACHER = "teacher"  # 主讲教师
    ASSISTANT = "assistant"  # 辅助教师
    RESEARCHER = "researcher"  # 教研员


class DeviceKind(StrEnum):
    """What stands in a classroom and signs in by itself."""

    TERMINAL = "terminal"
    CAPTURE = "capture"


class FloorMode(StrEnum):
    """Who may speak without being asked."""

    LISTEN = "listen"  # 听课: whoever is called on
    DISCUSS = "discuss"  # 讨论: everybody whom the teacher has not muted


class TrackKind(StrEnum):
    """The two kinds of media; the values are those of an SDP m-line."""

    AUDIO = "audio"
    VIDEO = "video"


class Label(StrEnum):
    """What a publication shows; carried in SDP as ``a=label`` (RFC 4574)."""

    CAMERA = "camera"
    SLIDES = "slides"
    SCREEN = "screen"
    MIC = "mic"


class SlotWish(StrEnum):
    """What a slot of a receiver is for; carried in SDP as ``a=label``. Without one a video slot is the programme."""

    PROGRAMME = "programme"  # the picture that the lesson's director chose
    CAMERA = "camera"
    SLIDES = "slides"
    SCREEN = "screen"
    MIC = "mic"
    FLOOR = "floor"  # the picture of somebody who has the floor
    SPEAKER = "speaker"  # the sound of one of those who have the floor, the loudest
    TILE = "tile"  # ``tile.<name>``: this publication, as small as it comes; a wall is made of them


class LessonState(StrEnum):
    """The life of a lesson on a node."""

    PLANNED = "planned"  # known, nobody has started it
    LIVE = "live"
    ENDED = "ended"


class RecordingState(StrEnum):
    """What became of a lesson's recording; shown to people, so it is never better than the truth."""

    OFF = "off"
    RECORDING = "recording"
    FAILED = "failed"  # the disk refused; the lesson goes on unrecorded
    INTERRUPTED = "interrupted"  # the server stopped before the lesson was ended
    REPAIRING = "repairing"  # what never reached the server is being delivered
    COMPLETE = "complete"


@dataclass(frozen=True, slots=True)
class Publication:
    """One incoming media track of a lesson, as others see it.

    ``name`` is unique among the live publications of the lesson and stays the same when its publisher comes
    back: the folder of its recording is called so.
    """

    id: PublicationId
    participant_id: ParticipantId
    label: Label
    kind: TrackKind
    name: str


class ClassroomError(Exception):
    """Root of the errors that this project raises on purpose; the text is fit for people."""


class InvalidLessonId(ClassroomError):
    """The text cannot be the identifier of a lesson."""


def parse_lesson_id(text: str) -> LessonId:
    """Check that a text can identify a lesson: 1-64 letters, digits, ``-`` or ``_``, safe as a folder name.

    Raises InvalidLessonId.
    """
    if _LESSON_ID.fullmatch(text) is None:
        raise InvalidLessonId("a lesson id has 1 to 64 letters, digits, '-' or '_' and starts with a letter or digit")
    return LessonId(text)
