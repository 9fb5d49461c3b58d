"""Who is in a lesson and what they publish: what is known of each, and what others are told of it. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from classroom.live.instant import iso
from classroom.messages import ParticipantView, PublicationView

if TYPE_CHECKING:
    from datetime import datetime

    from classroom.live.floor import Meter
    from classroom.messages import LinkView, ReportView
    from classroom.model import ParticipantId, Publication, Role, SessionId


@dataclass(frozen=True, slots=True)
class Person:
    """Who acts, as the token says it: a person, a room or a machine."""

    id: ParticipantId
    role: Role
    name: str


@dataclass(slots=True)
class Session:
    """A WHIP (publishing) or WHEP session of somebody."""

    publishing: bool
    connected: bool = False


@dataclass(slots=True)
class Participant:
    """What a lesson knows of somebody; ``cut`` when the last that was noticed is that nothing is heard any more."""

    person: Person
    joined_at: datetime
    last_seen_at: datetime
    connections: int = 0  # open control WebSockets
    silent: int = 0  # of these, those on which nothing is heard
    sessions: dict[SessionId, Session] = field(default_factory=dict)
    cut: bool = False
    parted: bool = False  # the last connection that was heard has said goodbye: whatever ends after it is part of that
    link: LinkView | None = None
    report: ReportView | None = None
    shown: ParticipantView | None = None

    @property
    def online(self) -> bool:
        """Whether anything is heard from it."""
        return self.connections > self.silent or any(session.connected for session in self.sessions.values())

    def view(self, meter: Meter) -> ParticipantView:
        """As others see it."""
        connected = [session for session in self.sessions.values() if session.connected]
        return ParticipantView(
            id=self.person.id,
            role=self.person.role,
            name=self.person.name,
            joined_at=iso(self.joined_at),
            online=self.online,
            publishing=any(session.publishing for session in connected),
            receiving=any(not session.publishing for session in connected),
            asked=meter.asked,
            spoke_s=round(meter.spoke_s),
            last_asked_at=iso(meter.last_asked_at),
            link=self.link,
            report=self.report,
            cut=self.cut and not self.online,
        )


@dataclass(slots=True)
class Published:
    """A publication, and whether its packets come."""

    publication: Publication
    live: bool = True  # it was announced with its first packet

    def view(self) -> PublicationView:
        """As others see it."""
        publication = self.publication
        return PublicationView(
            id=publication.id,
            participant_id=publication.participant_id,
            label=publication.label,
            kind=publication.kind,
            name=publication.name,
            live=self.live,
        )
