"""What the control plane and its media workers say to each other.

A frame on the wire is a JSON array ``[type, ref, fields]``. ``ref`` says what a message belongs to: the number of the
call that it asks or answers, the number of a recording, the id of a lesson.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, get_args

from pydantic import TypeAdapter, ValidationError

from classroom.model import (
    ClassroomError,
    Label,
    LessonId,
    ParticipantId,
    RecordingState,
    SessionId,
)
from classroom.sfu.core.assignment import Direction  # noqa: TC001 - read at run time, as all annotations here
from classroom.sfu.core.events import MediaEvent
from classroom.sfu.core.stats import LessonStats
from classroom.sfu.negotiate import BadFragment, BadOffer, UnacceptableOffer
from classroom.sfu.session import EtagMismatch, MediaSettings, Patched, Session, UnknownLesson, UnknownSession
from classroom.sfu.transport.ports import MediaPortTaken

if TYPE_CHECKING:
    from collections.abc import Iterable

Ref = int | str | None


class BadFrame(Exception):
    """The bytes are not a message."""


class WorkerError(ClassroomError):
    """A worker could not do what it was asked for a reason that has no class of its own here."""


# --- from the control plane ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Configure:
    """First message to a worker. ``wall_offset_s`` is the same for all, so that their media share one clock.

    ``recordings`` is the data directory, None when nothing is recorded; ``relay_path`` where this worker takes relays.
    """

    media: MediaSettings
    wall_offset_s: float
    recordings: str | None
    relay_path: str


@dataclass(frozen=True, slots=True)
class OpenLesson:
    """See MediaServer.open_lesson; so for those below."""

    lesson: LessonId


@dataclass(frozen=True, slots=True)
class CloseLesson:
    """End the sessions and sinks of a lesson."""

    lesson: LessonId
    reason: str


@dataclass(frozen=True, slots=True)
class Publish:
    """Accept a publisher; ``names`` are those of its publications by label."""

    lesson: LessonId
    participant: ParticipantId
    offer: str
    names: dict[Label, str]


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Accept a receiver."""

    lesson: LessonId
    participant: ParticipantId
    offer: str
    last_time_bps: float | None


@dataclass(frozen=True, slots=True)
class Direct:
    """Show and let speak what the lesson has decided."""

    lesson: LessonId
    direction: Direction


@dataclass(frozen=True, slots=True)
class Patch:
    """Take candidates or restart ICE."""

    session: SessionId
    fragment: str
    if_match: str | None


@dataclass(frozen=True, slots=True)
class CloseSession:
    """End a session."""

    session: SessionId
    reason: str


@dataclass(frozen=True, slots=True)
class StartRecording:
    """Record a lesson; ``recording`` is the number under which it is spoken of from now on."""

    recording: int
    lesson: LessonId
    title: str
    resume: bool


@dataclass(frozen=True, slots=True)
class AddRecordingEvent:
    """Note in a recording what happened; not answered. ``data`` is fit for JSON."""

    recording: int
    name: str
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class FinishRecording:
    """Write what is left and close the files."""

    recording: int
    state: RecordingState


@dataclass(frozen=True, slots=True)
class StartRelay:
    """Let the worker that takes relays at ``path`` have what is published in a lesson; it is open there, too."""

    lesson: LessonId
    path: str


@dataclass(frozen=True, slots=True)
class Observe:
    """What is the case in a lesson."""

    lesson: LessonId


Request = (
    OpenLesson
    | CloseLesson
    | Publish
    | Subscribe
    | Direct
    | Patch
    | CloseSession
    | StartRecording
    | AddRecordingEvent
    | FinishRecording
    | StartRelay
    | Observe
)

# --- from a worker ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ready:
    """First message of a worker that has opened its port."""

    port: int


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Every HEARTBEAT_S: the share of a core that was used since the last one, and the counters."""

    cpu: float
    stats: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Done:
    """The answer to a call that gives nothing back."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The answer to a call that failed: the name of the error's class, and its text."""

    error: str
    text: str


@dataclass(frozen=True, slots=True)
class RecordingChanged:
    """What became of a recording."""

    state: RecordingState
    detail: str | None


Answer = Done | Session | Patched | LessonStats | Refused

_ERRORS: dict[str, type[ClassroomError]] = {
    error.__name__: error
    for error in (
        BadFragment, BadOffer, EtagMismatch, MediaPortTaken, UnacceptableOffer, UnknownLesson, UnknownSession,
    )
}  # fmt: skip


def refused(error: Exception) -> Refused:
    """An error on its way to the other process."""
    return Refused(type(error).__name__, str(error))


def error_of(refusal: Refused) -> ClassroomError:
    """The error as the other process raised it; WorkerError when it has no business outside of that."""
    return _ERRORS.get(refusal.error, WorkerError)(refusal.text)


def _adapters(types: Iterable[type]) -> dict[str, TypeAdapter[Any]]:
    return {item.__name__: TypeAdapter(item) for item in types}


_ADAPTERS = _adapters(
    (Configure, Ready, Heartbeat, RecordingChanged, *get_args(Request), *get_args(Answer), *get_args(MediaEvent))
)


def encode(message: object, ref: Ref) -> bytes:
    """A message as a frame."""
    name = type(message).__name__
    return json.dumps([name, ref, _ADAPTERS[name].dump_python(message, mode="json")], ensure_ascii=False).encode()


def decode(frame: bytes) -> tuple[Any, Ref]:
    """The message in a frame, and what it belongs to; raises BadFrame."""
    try:
        name, ref, fields = json.loads(frame)
        return _ADAPTERS[name].validate_python(fields), ref
    except (ValueError, KeyError, TypeError, ValidationError) as error:
        raise BadFrame(f"not a message between control plane and worker: {frame[:80]!r}") from error
