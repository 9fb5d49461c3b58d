"""The state of one lesson while it is held. Pure: no I/O, no clock; ``wall`` is passed in."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from classroom.live.errors import UnknownParticipant
from classroom.live.floor import Floor
from classroom.live.instant import iso
from classroom.live.link import is_news
from classroom.live.participant import Participant, Published, Session
from classroom.messages import (
    LessonChanged,
    LessonView,
    LinkView,
    ParticipantChanged,
    ParticipantLeft,
    ParticipantView,
    PublicationChanged,
    PublicationRemoved,
    PublicationView,
    ReportView,
    Snapshot,
)
from classroom.model import FloorMode, Label, LessonState, RecordingState, Role, TrackKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from classroom.live.participant import Person
    from classroom.model import LessonId, ParticipantId, Publication, PublicationId, SessionId
    from classroom.sfu.core.assignment import Direction

Delta = LessonChanged | ParticipantChanged | ParticipantLeft | PublicationChanged | PublicationRemoved

FORGET_AFTER = timedelta(minutes=10)  # a classroom whose link is down is shown as offline for so long
DESERTED_AFTER = timedelta(minutes=30)  # past the bell and past the last who was there, nobody comes any more
LONGEST_OVERRUN = timedelta(hours=3)  # devices stay as long as the lesson does, and pages are left open overnight
COMPANY = frozenset({Role.TEACHER, Role.CAPTURE, Role.CLASSROOM})  # whom a lesson is held for, or by
BEHIND_STEP_S = 1.0  # so much further behind is worth telling
UNNUMBERED = 0  # the feed of each connection gives a delta its own ``seq``


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
        floor: Floor | None = None,
        page: int | None = None,
        page_at: datetime | None = None,
    ) -> None:
        self.id = lesson_id
        self.title = title or lesson_id
        self.state = state
        self.started_at = started_at
        self.ended_at = ended_at
        self.recording = RecordingState.OFF
        self.recording_detail: str | None = None
        self.ends_at: datetime | None = None
        self.interactive = True
        self.floor = floor or Floor()
        self.page = page
        self.page_at = page_at  # since when it is shown
        self._participants: dict[ParticipantId, Participant] = {}
        self._published: dict[PublicationId, Published] = {}
        self._company_at: datetime | None = None  # when somebody was last there whom the lesson is held for
        self._shown = self.view()

    def __repr__(self) -> str:
        return (
            f"<LiveLesson {self.id} {self.state}, recording {self.recording}: "
            f"{len(self._participants)} participants, {len(self._published)} publications>"
        )

    # --- the lesson --------------------------------------------------------------------------------------------

    def plan(self, title: str, ends_at: datetime | None, interactive: bool) -> list[Delta]:
        """What the timetable says of it."""
        self.title, self.ends_at, self.interactive = title or self.id, ends_at, interactive
        return self._lesson_news()

    def start(self, wall: datetime) -> list[Delta]:
        """Begin, or begin again after the end; the time of the first start is kept while it is live."""
        if self.state is LessonState.LIVE:
            return []
        self.state, self.started_at, self.ended_at = LessonState.LIVE, wall, None
        self.recording, self.recording_detail = RecordingState.OFF, None
        self.floor, self.page, self.page_at, self._company_at = Floor(), None, None, wall
        return [*self._show(self._participants), *self._lesson_news()]

    def end(self, wall: datetime) -> list[Delta]:
        """End for everybody; a lesson that is not live stays what it is."""
        if self.state is not LessonState.LIVE:
            return []
        self.state, self.ended_at = LessonState.ENDED, wall
        spoke = list(self.floor.given)
        self.floor.clear(wall)
        return [*self._show(spoke), *self._lesson_news()]

    def is_deserted(self, wall: datetime) -> bool:
        """Whether it is live for nobody: long past the bell, no teacher, capture agent or classroom has been there.

        In the end it is, whoever is there: nobody has thought of ending it.
        """
        if self.state is not LessonState.LIVE or self.ends_at is None or self.started_at is None:
            return False
        if wall - max(self.started_at, self.ends_at) >= LONGEST_OVERRUN:
            return True
        if self._company_at is None or any(_is_company(participant) for participant in self._participants.values()):
            self._company_at = wall
        return wall - max(self._company_at, self.ends_at) >= DESERTED_AFTER

    def set_recording(self, state: RecordingState, detail: str | None = None) -> list[Delta]:
        """What the recorder says of itself."""
        self.recording, self.recording_detail = state, detail
        return self._lesson_news()

    def turn_page(self, page: int, wall: datetime, ago_s: float = 0.0) -> list[Delta]:
        """Another page of the slides is shown, for so long already: that is for the record."""
        self.page, self.page_at = page, wall - timedelta(seconds=ago_s)
        return self._lesson_news()

    # --- the floor ---------------------------------------------------------------------------------------------

    @property
    def direction(self) -> Direction:
        """What is shown as the programme, and who is heard and seen by all."""
        online = [who for who in self.classrooms() if self._participants[who].online]
        cameras = {
            published.publication.participant_id: published.publication.name
            for published in self._published.values()
            if (published.publication.label, published.publication.kind) == (Label.CAMERA, TrackKind.VIDEO)
        }
        return self.floor.direction(online, cameras)

    def classrooms(self) -> list[ParticipantId]:
        """The linked classrooms that are known, online or not."""
        return [who for who, participant in self._participants.items() if participant.person.role is Role.CLASSROOM]

    def people(self) -> list[tuple[Person, datetime]]:
        """Everybody, and when they joined."""
        return [(participant.person, participant.joined_at) for participant in self._participants.values()]

    def require(self, who: ParticipantId) -> Person:
        """Somebody who is there, or was a moment ago; raises UnknownParticipant."""
        participant = self._participants.get(who)
        if participant is None:
            raise UnknownParticipant(
                "课堂里没有这个参与者，也许已经离开。 Nobody of that id is in the lesson any more."
            )
        return participant.person

    def name_of(self, who: ParticipantId) -> str | None:
        """What somebody is called; None for who is not known."""
        participant = self._participants.get(who)
        return None if participant is None else participant.person.name

    def call_on(self, who: ParticipantId, beside: bool, wall: datetime) -> list[Delta]:
        """The teacher calls on a classroom, alone or beside those who have the floor; raises UnknownParticipant."""
        if self.require(who).role is not Role.CLASSROOM:
            raise UnknownParticipant("只能请听讲教室发言。 Only a linked classroom can be called on.")
        before = list(self.floor.given)
        self.floor.call_on(who, beside, wall)
        return self._floor_news([*before, who])

    def return_floor(self, who: ParticipantId | None, wall: datetime) -> list[Delta]:
        """One gives the floor back, or all with None."""
        before = list(self.floor.given)
        self.floor.take_back(who, wall)
        return self._floor_news(before)

    def direct(self, programme: str | None, floor: Sequence[ParticipantId], wall: datetime) -> list[Delta]:
        """The teacher has decided what is shown and who may speak."""
        before = list(self.floor.given)
        self.floor.direct(programme, floor, wall)
        return self._floor_news([*before, *floor])

    def spotlight(self, programme: str | None) -> list[Delta]:
        """The teacher has decided what is shown."""
        self.floor.spotlight(programme)
        return self._lesson_news()

    def set_mode(self, mode: FloorMode) -> list[Delta]:
        """A discussion begins or ends."""
        self.floor.set_mode(mode)
        return self._lesson_news()

    def mute(self, who: ParticipantId | None, muted: bool, wall: datetime) -> list[Delta]:
        """One, or every classroom with None, is not heard, or may be again; raises UnknownParticipant."""
        before = list(self.floor.given)
        if who is None:
            self.floor.mute_all(muted, self.classrooms(), wall)
        else:
            self.floor.mute(self.require(who).id, muted, wall)
        return self._floor_news(before)

    def raise_hand(self, who: ParticipantId, raised: bool) -> list[Delta]:
        """A classroom queues for the floor, or leaves the queue."""
        if raised:
            self.floor.raise_hand(self.require(who).id)
        else:
            self.floor.lower_hand(who)
        return self._lesson_news()

    # --- participants ------------------------------------------------------------------------------------------

    def join(self, person: Person, wall: datetime) -> list[Delta]:
        """A control connection of this person was opened."""
        participant = self._participant(person, wall)
        participant.connections += 1
        participant.cut = participant.parted = False
        return self._seen(participant, wall)

    def expect(self, person: Person, joined_at: datetime, wall: datetime) -> None:
        """Somebody was in it when the server stopped, and will come back."""
        self._participants[person.id] = Participant(person, joined_at, wall, cut=True)

    def hear(self, participant_id: ParticipantId, wall: datetime, *, silent: bool) -> list[Delta]:
        """One of the control connections of this person has fallen silent, or is heard again."""
        participant = self._participants.get(participant_id)
        if participant is None:
            return []
        participant.silent = max(0, participant.silent + (1 if silent else -1))
        participant.cut = silent
        return self._seen(participant, wall)

    def leave(
        self, participant_id: ParticipantId, wall: datetime, *, silent: bool = False, cut: bool = False
    ) -> list[Delta]:
        """One of the control connections of this person is closed.

        ``silent``: nothing was heard on it any more; ``cut``: it has ended without a farewell.
        """
        participant = self._participants.get(participant_id)
        if participant is None or participant.connections == 0:
            return []
        participant.connections -= 1
        participant.silent = max(0, participant.silent - silent)
        if not (silent and participant.parted):  # of who has left, a line that was dead before tells nothing new
            participant.cut = cut
            participant.parted = not cut and participant.connections == participant.silent
        return self._seen(participant, wall)

    def open_session(self, session: SessionId, person: Person, publishing: bool, wall: datetime) -> list[Delta]:
        """A WHIP or WHEP session of this person was accepted; its media is not connected yet."""
        participant = self._participant(person, wall)
        participant.sessions[session] = Session(publishing)
        participant.parted = False
        return self._seen(participant, wall)

    def connect_session(
        self, session: SessionId, participant_id: ParticipantId, wall: datetime, *, connected: bool = True
    ) -> list[Delta]:
        """The media of a session is connected, or was and is interrupted."""
        participant = self._participants.get(participant_id)
        if participant is None or session not in participant.sessions:
            return []
        participant.sessions[session].connected = connected
        participant.cut = not connected and not participant.parted
        return self._seen(participant, wall)

    def close_session(self, session: SessionId, participant_id: ParticipantId, wall: datetime) -> list[Delta]:
        """A session is over."""
        participant = self._participants.get(participant_id)
        if participant is None or participant.sessions.pop(session, None) is None:
            return []
        return self._seen(participant, wall)

    def forget_absent(self, wall: datetime) -> list[Delta]:
        """Let those go who have been offline for FORGET_AFTER."""
        gone = [
            participant
            for participant in self._participants.values()
            if not participant.connections
            and not participant.sessions
            and wall - participant.last_seen_at >= FORGET_AFTER
        ]
        return [delta for one in gone for delta in self.dismiss(one.person.id, wall)]

    def dismiss(self, who: ParticipantId, wall: datetime) -> list[Delta]:
        """Let somebody go, hand, floor and all, who is there or not."""
        if self._participants.pop(who, None) is None:
            return []
        self.floor.forget(who, wall)
        return [ParticipantLeft(UNNUMBERED, who), *self._lesson_news()]

    def set_links(self, links: Mapping[ParticipantId, LinkView]) -> list[Delta]:
        """How the links of those were found who are sent something."""
        for who, participant in self._participants.items():
            link = links.get(who) if participant.online else None
            if is_news(participant.link, link):
                participant.link = link
        return self._show(self._participants)

    def report(self, who: ParticipantId, report: ReportView) -> list[Delta]:
        """What a classroom says of itself."""
        participant = self._participants.get(who)
        if participant is None:
            return []
        before = participant.report
        same = before is not None and replace(report, behind_s=before.behind_s) == before
        if before is None or not same or abs(report.behind_s - before.behind_s) >= BEHIND_STEP_S:
            participant.report = report
        return self._show([who])

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
        published = Published(publication)
        self._published[publication.id] = published
        return [PublicationChanged(UNNUMBERED, published.view()), *self._lesson_news()]

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
        return [PublicationRemoved(UNNUMBERED, publication_id), *self._lesson_news()]

    def lose_media(self) -> list[Delta]:
        """All tracks are gone at once."""
        return [delta for publication_id in list(self._published) for delta in self.remove_publication(publication_id)]

    # --- views -------------------------------------------------------------------------------------------------

    @property
    def online(self) -> int:
        """How many participants are online."""
        return sum(view.online for view in self.participants())

    def view(self) -> LessonView:
        """The lesson as participants see it."""
        direction = self.direction
        return LessonView(
            id=self.id,
            title=self.title,
            state=self.state,
            started_at=iso(self.started_at),
            ended_at=iso(self.ended_at),
            recording=self.recording,
            recording_detail=self.recording_detail,
            programme=direction.programme,
            floor=sorted(direction.floor),
            mode=self.floor.mode,
            muted=sorted(self.floor.muted),
            hands=list(self.floor.hands),
            ends_at=iso(self.ends_at),
            interactive=self.interactive,
            page=self.page,
            called=list(self.floor.given),
        )

    def participants(self) -> list[ParticipantView]:
        """Everybody, in the order in which they came."""
        return [self._view_of(participant) for participant in self._participants.values()]

    def publications(self) -> list[PublicationView]:
        """What can be watched."""
        return [published.view() for published in self._published.values()]

    def snapshot(self, you: ParticipantId, wall: datetime) -> Snapshot:
        """The whole state, for one participant."""
        return Snapshot(UNNUMBERED, "", you, iso(wall), self.view(), self.participants(), self.publications())

    # --- inside ------------------------------------------------------------------------------------------------

    def _participant(self, person: Person, wall: datetime) -> Participant:
        participant = self._participants.get(person.id)
        if participant is None:
            participant = self._participants[person.id] = Participant(person, wall, wall)
            if person.role is Role.CLASSROOM:
                self.floor.admit(person.id)
        elif person.name and person.name != participant.person.name:
            participant.person = person
        return participant

    def _seen(self, participant: Participant, wall: datetime) -> list[Delta]:
        """Somebody came, went, or its media did."""
        participant.last_seen_at = wall
        if not participant.online:
            participant.link = None
        if participant.person.role in COMPANY:
            self._company_at = wall
        return [*self._show([participant.person.id]), *self._lesson_news()]

    def _view_of(self, participant: Participant) -> ParticipantView:
        return participant.view(self.floor.meter(participant.person.id))

    def _floor_news(self, whose: Iterable[ParticipantId]) -> list[Delta]:
        return [*self._show(dict.fromkeys(whose)), *self._lesson_news()]

    def _show(self, whose: Iterable[ParticipantId]) -> list[Delta]:
        deltas: list[Delta] = []
        for participant in map(self._participants.get, whose):
            if participant is not None and (view := self._view_of(participant)) != participant.shown:
                participant.shown = view
                deltas.append(ParticipantChanged(UNNUMBERED, view))
        return deltas

    def _lesson_news(self) -> list[Delta]:
        view = self.view()
        if view == self._shown:
            return []
        self._shown = view
        return [LessonChanged(UNNUMBERED, view)]


def _is_company(participant: Participant) -> bool:
    return participant.online and participant.person.role in COMPANY
