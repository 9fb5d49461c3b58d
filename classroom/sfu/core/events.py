"""What the core and the server tell whoever drives the lesson."""

from __future__ import annotations

from dataclasses import dataclass

from classroom.model import ParticipantId, Publication, PublicationId, SessionId  # noqa: TC001 - field types


@dataclass(frozen=True, slots=True)
class PublicationAdded:
    """A publication can be watched from now on."""

    publication: Publication


@dataclass(frozen=True, slots=True)
class PublicationRemoved:
    """A publication is gone."""

    publication_id: PublicationId
    reason: str


@dataclass(frozen=True, slots=True)
class PublicationLive:
    """The packets of a publication began (again) to come, or stopped coming."""

    publication_id: PublicationId
    live: bool


@dataclass(frozen=True, slots=True)
class SessionConnected:
    """The transport of a WHIP or WHEP session is ready for media."""

    session_id: SessionId
    participant_id: ParticipantId
    publishing: bool


@dataclass(frozen=True, slots=True)
class SessionInterrupted:
    """Nothing is heard from a session any more, and no media are sent to it.

    SessionConnected follows when it is heard again, SessionClosed when it is not.
    """

    session_id: SessionId
    participant_id: ParticipantId
    publishing: bool


@dataclass(frozen=True, slots=True)
class SessionClosed:
    """A WHIP or WHEP session is over."""

    session_id: SessionId
    participant_id: ParticipantId
    publishing: bool
    reason: str


@dataclass(frozen=True, slots=True)
class LinkMeasured:
    """What the link of a participant carries besides voice, told now and then: the next lesson begins with it."""

    participant_id: ParticipantId
    estimate_bps: float


@dataclass(frozen=True, slots=True)
class MediaLost:
    """All media of a lesson are gone, sessions and publications: a fault closed them or their process died.

    The lesson may be opened again.
    """

    reason: str


MediaEvent = (
    PublicationAdded
    | PublicationRemoved
    | PublicationLive
    | SessionConnected
    | SessionInterrupted
    | SessionClosed
    | LinkMeasured
    | MediaLost
)
