"""The messages of the control WebSocket (docs/protocol.md §4). The TypeScript types are generated from here.

Every message is a JSON object with a ``type``. The server numbers what it sends: ``snapshot`` first, then
deltas; a client that sees a gap reconnects.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field

from classroom.model import (
    FloorMode,
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
    the participants who are heard and seen by all, ``called`` those whom the teacher has called on, also in a
    discussion, in which all others have the floor, too; ``muted`` those who are not heard even then; ``hands`` those
    who have raised theirs, in order. ``ends_at`` is when the bell is due, ``interactive`` whether linked
    classrooms send picture and sound.
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
    mode: FloorMode = FloorMode.LISTEN
    muted: list[str] = field(default_factory=list)
    hands: list[str] = field(default_factory=list)
    ends_at: str | None = None
    interactive: bool = True
    page: int | None = None
    called: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class LinkView:
    """How the link of a participant is: ``word`` is good, fair or poor; ``cause`` as in classroom/live/link.py."""

    word: str
    cause: str
    rtt_ms: int
    loss_percent: float
    down_kbps: int


@dataclass(frozen=True, slots=True)
class ReportView:
    """What a terminal says of itself. ``faults`` are sentences for people; None is what it does not know.

    ``rung`` is what its link leaves of the lesson (docs/adaptation.md); ``behind_s`` how far it is behind the live
    lesson.
    """

    children: int | None = None
    camera: bool | None = None
    microphone: bool | None = None
    loudspeaker: bool | None = None
    sending: bool = False
    rung: str = ""
    behind_s: float = 0.0
    faults: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ParticipantView:
    """Someone or something in a lesson; ``receiving`` and ``publishing`` say whether media is connected.

    The fair-floor meter: ``asked`` counts how often the teacher called on it, ``last_asked_at`` is when it got or lost
    the floor last, ``spoke_s`` how long it had it before; whoever has it speaks since then. A discussion, in which all
    have the floor, does not count. ``link`` and ``report`` are told to teachers, observers and the participant itself.
    ``cut`` is who is not online and has not left either: nothing is heard from it.
    """

    id: str
    role: Role
    name: str
    joined_at: str
    online: bool
    publishing: bool
    receiving: bool
    asked: int = 0
    spoke_s: int = 0
    last_asked_at: str | None = None
    link: LinkView | None = None
    report: ReportView | None = None
    cut: bool = False


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
    """First message of a client, within 5 s: who it is. ``name`` is shown to the teacher.

    A client whose connection broke tells the ``stream`` it had and the last ``seq`` it got: within a minute it is told
    what it has missed, else everything anew.
    """

    token: Annotated[str, Field(max_length=4096)]
    name: Text = ""
    stream: Annotated[str, Field(max_length=64)] | None = None
    seq: int = 0
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
class CallOn:
    """Teacher: show this participant as the programme and let it be heard, alone or ``beside`` those who are."""

    id: CommandId
    participant_id: Text
    beside: bool = False
    type: Literal["call_on"] = "call_on"


@dataclass(frozen=True, slots=True)
class ReturnFloor:
    """Teacher: take the floor back from this participant, from all with null; the programme is the main picture again.

    A participant may give back its own.
    """

    id: CommandId
    participant_id: Text | None = None
    type: Literal["return_floor"] = "return_floor"


@dataclass(frozen=True, slots=True)
class SetMode:
    """Teacher: 听课 or 讨论."""

    id: CommandId
    mode: FloorMode
    type: Literal["set_mode"] = "set_mode"


@dataclass(frozen=True, slots=True)
class Mute:
    """Teacher: this participant, or with null everybody but the teacher, is not heard, or may be again."""

    id: CommandId
    participant_id: Text | None
    muted: bool
    type: Literal["mute"] = "mute"


@dataclass(frozen=True, slots=True)
class Spotlight:
    """Teacher: show a publication (by name) as the programme without changing who is heard; null is the main one."""

    id: CommandId
    programme: Text | None
    type: Literal["spotlight"] = "spotlight"


@dataclass(frozen=True, slots=True)
class RaiseHand:
    """Classroom: raise its hand, or take it down; the teacher may take down that of ``participant_id``."""

    id: CommandId
    raised: bool
    participant_id: Text | None = None
    type: Literal["raise_hand"] = "raise_hand"


@dataclass(frozen=True, slots=True)
class SendNote:
    """Teacher: a short message to a participant, to all classrooms with null. Who is away gets it on coming back."""

    id: CommandId
    text: Annotated[str, Field(min_length=1, max_length=120)]
    participant_id: Text | None = None
    type: Literal["send_note"] = "send_note"


@dataclass(frozen=True, slots=True)
class TurnPage:
    """Teacher or capture agent: page ``page`` of the slides is shown, counted from 1, since ``ago_s`` seconds.

    One that is shown since the same moment as the one before puts that right.
    """

    id: CommandId
    page: Annotated[int, Field(ge=1, le=10_000)]
    ago_s: Annotated[float, Field(ge=0, le=86_400)] = 0.0
    type: Literal["turn_page"] = "turn_page"


@dataclass(frozen=True, slots=True)
class SetVolume:
    """Teacher: how loud the loudspeakers of a participant are, 0 to 100."""

    id: CommandId
    participant_id: Text
    volume: Annotated[int, Field(ge=0, le=100)]
    type: Literal["set_volume"] = "set_volume"


@dataclass(frozen=True, slots=True)
class Report:
    """Classroom: what it says of itself; replaces what it said before. Not answered."""

    children: Annotated[int, Field(ge=0, le=1000)] | None = None
    camera: bool | None = None
    microphone: bool | None = None
    loudspeaker: bool | None = None
    sending: bool = False
    rung: Annotated[str, Field(max_length=40)] = ""
    behind_s: Annotated[float, Field(ge=0, le=36_000)] = 0.0
    faults: Annotated[list[Text], Field(max_length=8)] = field(default_factory=list)
    type: Literal["report"] = "report"


@dataclass(frozen=True, slots=True)
class Ping:
    """Either side may ask whether the other is there; clients do so every 2 s."""

    type: Literal["ping"] = "ping"


Command = (
    StartLesson
    | EndLesson
    | Direct
    | CallOn
    | ReturnFloor
    | SetMode
    | Mute
    | Spotlight
    | RaiseHand
    | SendNote
    | TurnPage
    | SetVolume
)
ClientMessage = Annotated[Hello | Command | Report | Ping, Field(discriminator="type")]


# --- server to client ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The whole state; replaces whatever the client knew. ``you`` is the receiver's own participant id.

    ``stream`` names what this and the following deltas are numbered in; it outlives the connection by a minute.
    """

    seq: int
    stream: str
    you: str
    server_time: str
    lesson: LessonView
    participants: list[ParticipantView] = field(default_factory=list)
    publications: list[PublicationView] = field(default_factory=list)
    type: Literal["snapshot"] = "snapshot"


@dataclass(frozen=True, slots=True)
class LessonChanged:
    """Something about the lesson changed: it started or ended, its recording, the floor, a hand, the page."""

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
class Note:
    """To whom it is meant for: a short message of the teacher."""

    seq: int
    text: str
    at: str
    type: Literal["note"] = "note"


@dataclass(frozen=True, slots=True)
class VolumeSet:
    """To whom it is meant for: how loud to be, 0 to 100."""

    seq: int
    volume: int
    type: Literal["volume_set"] = "volume_set"


@dataclass(frozen=True, slots=True)
class Resumed:
    """Answer to a hello that named its stream: what was missed follows, nothing twice. It has no number itself."""

    stream: str
    type: Literal["resumed"] = "resumed"


@dataclass(frozen=True, slots=True)
class Ack:
    """The command with this id was carried out (or had been already)."""

    id: str
    type: Literal["ack"] = "ack"


@dataclass(frozen=True, slots=True)
class ErrorMessage:
    """A command or the connection was refused: ``code`` for programs, ``detail`` for people. ``id`` of the command."""

    code: Literal[
        "bad_message", "unauthorized", "forbidden", "unknown_lesson", "unknown_participant", "busy", "internal"
    ]
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
    | Note
    | VolumeSet
    | Resumed
    | Ack
    | ErrorMessage
    | Ping
    | Pong,
    Field(discriminator="type"),
]
