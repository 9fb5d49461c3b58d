"""The state of one lesson while it is held. Pure: no I/O, no clock; ``wall`` is passed in."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, overload

from classroom.messages import (
    LessonChanged,
    LessonView,
    ParticipantChanged,
    ParticipantLeft,
    ParticipantView,
    PublicationChanged,
    PublicationRemoved,
    PublicationView,
    SessionEnded,
    Snapshot,
)
from classroom.model import Label, LessonState, RecordingState, Role
from classroom.sfu.core.assignment import Direction

if TYPE_CHECKING:
    from classroom.model import LessonId, ParticipantId, Publication, PublicationId, SessionId

Delta = LessonChanged | ParticipantChanged | ParticipantLeft | PublicationChanged | PublicationRemoved | SessionEnded

FORGET_AFTER = timedelta(minutes=10)  # a classroom whose link is down is shown as offline for so long
UNNUMBERED = 0  # the feed of each connection gives a delta its own ``seq``


@dataclass(frozen=True, slots=True)
class Person:
    """Who acts, as the token says it: a person, a room or a machine."""

    id: ParticipantId
    role: Role
    name: str


@dataclass(slots=True)
class _Session:
    publishing: bool
    connected: bool = False


@dataclass(slots=True)
class _Participant:
    person: Person
    joined_at: datetime
    last_seen_at: datetime
    connections: int = 0  # open control WebSockets
    sessions: dict[SessionId, _Session] = field(default_factory=dict)
    shown: ParticipantView | None = None

    def view(self) -> ParticipantView:
        connected = [session for session in self.sessions.values() if session.connected]
        return ParticipantView(
            id=self.person.id,
            role=self.person.role,
            name=self.person.name,
            joined_at=iso(self.joined_at),
            online=self.connections > 0 or bool(connected),
            publishing=any(session.publishing for session in connected),
            receiving=any(not session.publishing for session in connected),
        )


@dataclass(slots=True)
class _Published:
    publication: Publication
    live: bool = True  # it was announced with its first packet

    def view(self) -> PublicationView:
        publication = self.publication
        return PublicationView(
            id=publication.id,
            participant_id=publication.participant_id,
            label=publication.label,
            kind=publication.kind,
            name=publication.name,
            live=self.live,
        )


class LiveLesson:
    """One lesson: commands and happenings in, what others must be told out.

    Every method that changes something returns the deltas of that change, none when nothing changed: repeating a
    command is harmless. Owned by LessonService, which delivers the deltas in the order of the calls.

    It has a method for each thing that can happen in a lesson, more than a class should: they share one state and one
    way of telling it.
    """

    def __init__(
        self,
        lesson_id: LessonId,
        title: str = "",
        state: LessonState = LessonState.PLANNED,
        started_at: datetime | None = None,
        ended_at: datetime | None = None,
    ) -> None:
        self.id = lesson_id
        self.title = title or lesson_id
        self.state = state
        self.started_at = started_at
        self.ended_at = ended_at
        self.recording = RecordingState.OFF
        self.recording_detail: str | None = None
        self.direction = Direction()
        self._participants: dict[ParticipantId, _Participant] = {}
        self._published: dict[PublicationId, _Published] = {}

    def __repr__(self) -> str:
        return (
            f"<LiveLesson {self.id} {self.state}, recording {self.recording}: "
            f"{len(self._participants)} participants, {len(self._published)} publications>"
        )

    # --- the lesson --------------------------------------------------------------------------------------------

    def start(self, wall: datetime) -> list[Delta]:
        """Begin, or begin again after the end; the time of the first start is kept while it is live."""
        if self.state is LessonState.LIVE:
            return []
        self.state, self.started_at, self.ended_at = LessonState.LIVE, wall, None
        self.recording, self.recording_detail = RecordingState.OFF, None
        self.direction = Direction()
        return [self._lesson_changed()]

    def end(self, wall: datetime) -> list[Delta]:
        """End for everybody; a lesson that is not live stays what it is."""
        if self.state is not LessonState.LIVE:
            return []
        self.state, self.ended_at = LessonState.ENDED, wall
        return [self._lesson_changed()]

    def set_recording(self, state: RecordingState, detail: str | None = None) -> list[Delta]:
        """What the recorder says of itself."""
        if (state, detail) == (self.recording, self.recording_detail):
            return []
        self.recording, self.recording_detail = state, detail
        return [self._lesson_changed()]

    def direct(self, direction: Direction) -> list[Delta]:
        """The teacher has decided what is shown and who may speak."""
        if direction == self.direction:
            return []
        self.direction = direction
        return [self._lesson_changed()]

    # --- participants ------------------------------------------------------------------------------------------

    def join(self, person: Person, wall: datetime) -> list[Delta]:
        """A control connection of this person was opened."""
        participant = self._participant(person, wall)
        participant.connections += 1
        return self._show(participant, wall)

    def leave(self, participant_id: ParticipantId, wall: datetime) -> list[Delta]:
        """One of the control connections of this person is closed."""
        participant = self._participants.get(participant_id)
        if participant is None or participant.connections == 0:
            return []
        participant.connections -= 1
        return self._show(participant, wall)

    def open_session(self, session: SessionId, person: Person, publishing: bool, wall: datetime) -> list[Delta]:
        """A WHIP or WHEP session of this person was accepted; its media is not connected yet."""
        participant = self._participant(person, wall)
        participant.sessions[session] = _Session(publishing)
        return self._show(participant, wall)

    def connect_session(
        self, session: SessionId, participant_id: ParticipantId, wall: datetime, *, connected: bool = True
    ) -> list[Delta]:
        """The media of a session is connected, or was and is interrupted."""
        participant = self._participants.get(participant_id)
        if participant is None or session not in participant.sessions:
            return []
        participant.sessions[session].connected = connected
        return self._show(participant, wall)

    def close_session(self, session: SessionId, participant_id: ParticipantId, wall: datetime) -> list[Delta]:
        """A session is over."""
        participant = self._participants.get(participant_id)
        if participant is None or participant.sessions.pop(session, None) is None:
            return []
        return self._show(participant, wall)

    def forget_absent(self, wall: datetime) -> list[Delta]:
        """Let those go who have been offline for FORGET_AFTER."""
        gone = [
            participant
            for participant in self._participants.values()
            if not participant.connections
            and not participant.sessions
            and wall - participant.last_seen_at >= FORGET_AFTER
        ]
        for participant in gone:
            del self._participants[participant.person.id]
        return [ParticipantLeft(UNNUMBERED, participant.person.id) for participant in gone]

    # --- publications ------------------------------------------------------------------------------------------

    def publication_name(self, person: Person, label: Label) -> str:
        """The unique name of a publication: its label, or ``label-<short participant>``.

        The plain label is for those who hold the lesson (teacher, capture), unless somebody else publishes under it.
        It stays the same when its publisher comes back.
        """
        taken = any(
            published.publication.name == label and published.publication.participant_id != person.id
            for published in self._published.values()
        )
        if person.role in (Role.TEACHER, Role.CAPTURE) and not taken:
            return label.value
        return f"{label.value}-{person.id[:8]}"

    def add_publication(self, publication: Publication) -> list[Delta]:
        """A track can be watched from now on."""
        published = _Published(publication)
        self._published[publication.id] = published
        return [PublicationChanged(UNNUMBERED, published.view())]

    def set_publication_live(self, publication_id: PublicationId, live: bool) -> list[Delta]:
        """The packets of a track began to come, or stopped."""
        published = self._published.get(publication_id)
        if published is None or published.live == live:
            return []
        published.live = live
        return [PublicationChanged(UNNUMBERED, published.view())]

    def remove_publication(self, publication_id: PublicationId) -> list[Delta]:
        """A track is gone."""
        if self._published.pop(publication_id, None) is None:
            return []
        return [PublicationRemoved(UNNUMBERED, publication_id)]

    def lose_media(self) -> list[Delta]:
        """All tracks are gone at once."""
        return [delta for publication_id in list(self._published) for delta in self.remove_publication(publication_id)]

    # --- views -------------------------------------------------------------------------------------------------

    @property
    def abandoned(self) -> bool:
        """Nobody is in it."""
        return not any(participant.connections or participant.sessions for participant in self._participants.values())

    @property
    def online(self) -> int:
        """How many participants are online."""
        return sum(view.online for view in self.participants())

    def view(self) -> LessonView:
        """The lesson as participants see it."""
        return LessonView(
            id=self.id,
            title=self.title,
            state=self.state,
            started_at=iso(self.started_at),
            ended_at=iso(self.ended_at),
            recording=self.recording,
            recording_detail=self.recording_detail,
            programme=self.direction.programme,
            floor=sorted(self.direction.floor),
        )

    def participants(self) -> list[ParticipantView]:
        """Everybody, in the order in which they came."""
        return [participant.view() for participant in self._participants.values()]

    def publications(self) -> list[PublicationView]:
        """What can be watched."""
        return [published.view() for published in self._published.values()]

    def snapshot(self, you: ParticipantId, wall: datetime) -> Snapshot:
        """The whole state, for one participant."""
        return Snapshot(UNNUMBERED, "", you, iso(wall), self.view(), self.participants(), self.publications())

    # --- inside ------------------------------------------------------------------------------------------------

    def _participant(self, person: Person, wall: datetime) -> _Participant:
        participant = self._participants.get(person.id)
        if participant is None:
            participant = self._participants[person.id] = _Participant(person, wall, wall)
        elif person.name and person.name != participant.person.name:
            participant.person = person
        return participant

    def _show(self, participant: _Participant, wall: datetime) -> list[Delta]:
        participant.last_seen_at = wall
        view = participant.view()
        if view == participant.shown:
            return []
        participant.shown = view
        return [ParticipantChanged(UNNUMBERED, view)]

    def _lesson_changed(self) -> LessonChanged:
        return LessonChanged(UNNUMBERED, self.view())


@overload
def iso(wall: datetime) -> str: ...
@overload
def iso(wall: None) -> None: ...
def iso(wall: datetime | None) -> str | None:
    """ISO 8601 in UTC with milliseconds; None stays None."""
    if wall is None:
        return None
    return wall.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
