"""The messages of the control WebSocket (docs/protocol.md §4). The TypeScript types are generated from here.

Every message is a JSON object with a ``type``. The server numbers what it sends: ``snapshot`` first, then
deltas; a client that sees a gap reconnects.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field

from classroom.model import (  # noqa: TC001 - pydantic reads the annotations
    Label,
    LessonState,
    RecordingState,
    Role,
    TrackKind,
)

Text = Annotated[str, Field(max_length=200)]
CommandId = Annotated[str, Field(min_length=1, max_length=64)]


@dataclass(frozen=True, slots=True)
class LessonView:
    """A lesson as participants see it. Times are ISO 8601 in UTC.

    ``programme`` names the publication that is shown as the programme, None for the main one; ``floor`` are the ids of
    the participants who are heard and seen by all.
    """

    id: str
    title: str
    state: LessonState
    started_at: str | None
    ended_at: str | None
    recording: RecordingState
    recording_detail: str | None
    programme: str | None = None
    floor: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ParticipantView:
    """Someone or something in a lesson; ``receiving`` and ``publishing`` say whether media is connected."""

    id: str
    role: Role
    name: str
    joined_at: str
    online: bool
    publishing: bool
    receiving: bool


@dataclass(frozen=True, slots=True)
class PublicationView:
    """A media track that can be watched; ``live`` is false while its packets have stopped coming."""

    id: str
    participant_id: str
    label: Label
    kind: TrackKind
    name: str
    live: bool


# --- client to server ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Hello:
    """First message of a client, within 5 s: who it is. ``name`` is shown to the teacher."""

    token: Annotated[str, Field(max_length=4096)]
    name: Text = ""
    type: Literal["hello"] = "hello"


@dataclass(frozen=True, slots=True)
class StartLesson:
    """Teacher: start the lesson (again, if it was ended)."""

    id: CommandId
    type: Literal["start_lesson"] = "start_lesson"


@dataclass(frozen=True, slots=True)
class EndLesson:
    """Teacher: end the lesson for everybody and finish its recording."""

    id: CommandId
    type: Literal["end_lesson"] = "end_lesson"


@dataclass(frozen=True, slots=True)
class Direct:
    """Teacher: what is shown as the programme (by name of a publication, null for the main one), who has the floor."""

    id: CommandId
    programme: Text | None
    floor: Annotated[list[Text], Field(max_length=64)]
    type: Literal["direct"] = "direct"


@dataclass(frozen=True, slots=True)
class Ping:
    """Either side may ask whether the other is there; clients do so every 5 s."""

    type: Literal["ping"] = "ping"


ClientMessage = Annotated[Hello | StartLesson | EndLesson | Direct | Ping, Field(discriminator="type")]


# --- server to client ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The whole state; replaces whatever the client knew. ``you`` is the receiver's own participant id."""

    seq: int
    you: str
    server_time: str
    lesson: LessonView
    participants: list[ParticipantView] = field(default_factory=list)
    publications: list[PublicationView] = field(default_factory=list)
    type: Literal["snapshot"] = "snapshot"


@dataclass(frozen=True, slots=True)
class LessonChanged:
    """The lesson started, ended, or its recording changed."""

    seq: int
    lesson: LessonView
    type: Literal["lesson_changed"] = "lesson_changed"


@dataclass(frozen=True, slots=True)
class ParticipantChanged:
    """A participant joined, or something about it changed."""

    seq: int
    participant: ParticipantView
    type: Literal["participant_changed"] = "participant_changed"


@dataclass(frozen=True, slots=True)
class ParticipantLeft:
    """A participant is gone for good."""

    seq: int
    participant_id: str
    type: Literal["participant_left"] = "participant_left"


@dataclass(frozen=True, slots=True)
class PublicationChanged:
    """A publication appeared, or its packets stopped or came back."""

    seq: int
    publication: PublicationView
    type: Literal["publication_changed"] = "publication_changed"


@dataclass(frozen=True, slots=True)
class PublicationRemoved:
    """A publication is gone."""

    seq: int
    publication_id: str
    type: Literal["publication_removed"] = "publication_removed"


@dataclass(frozen=True, slots=True)
class SessionEnded:
    """To its owner only: a WHIP or WHEP session is over; who still wants media posts again."""

    seq: int
    session_id: str
    reason: str
    type: Literal["session_ended"] = "session_ended"


@dataclass(frozen=True, slots=True)
class Ack:
    """The command with this id was carried out (or had been already)."""

    id: str
    type: Literal["ack"] = "ack"


@dataclass(frozen=True, slots=True)
class ErrorMessage:
    """A command or the connection was refused: ``code`` for programs, ``detail`` for people. ``id`` of the command."""

    code: Literal["bad_message", "unauthorized", "forbidden", "unknown_lesson", "busy", "internal"]
    detail: str
    id: str | None = None
    type: Literal["error"] = "error"


@dataclass(frozen=True, slots=True)
class Pong:
    """Answer to a ping."""

    type: Literal["pong"] = "pong"


ServerMessage = Annotated[
    Snapshot
    | LessonChanged
    | ParticipantChanged
    | ParticipantLeft
    | PublicationChanged
    | PublicationRemoved
    | SessionEnded
    | Ack
    | ErrorMessage
    | Ping
    | Pong,
    Field(discriminator="type"),
]
