"""Who in a lesson is told what: the feeds of its clients, and what is kept for those who are away."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from classroom.live.feed import CAPACITY, KEPT, Feed
from classroom.messages import Note, ParticipantChanged, ParticipantLeft, SessionEnded, VolumeSet
from classroom.model import ParticipantId, Role

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from classroom.live.lesson import Delta
    from classroom.live.participant import Person
    from classroom.messages import ParticipantView, Snapshot

Kept = Note | VolumeSet  # what waits for who is away

RESUME_FOR = timedelta(seconds=60)
MAX_AWAY = 2  # streams that one participant may have left behind
MAX_KEPT = 8  # notes for one participant who is away; the oldest are dropped
_WHOLE = frozenset({Role.TEACHER, Role.OBSERVER})  # who is told how links are and what terminals say of themselves


@dataclass(slots=True)
class _Client:
    person: Person
    left_at: datetime | None = None  # its connection is broken


class Streams:
    """The feeds of one lesson, connected or left behind for a minute.

    Classrooms are told of their own link, and not of each other's links and faults: it is not their business, and with
    two hundred of them it would be most of what is sent.
    """

    def __init__(
        self, snapshot: Callable[[ParticipantId], Snapshot], capacity: int = CAPACITY, remembered: int = KEPT
    ) -> None:
        self._snapshot = snapshot
        self._sizes = (capacity, remembered)
        self._clients: dict[Feed, _Client] = {}
        self._kept: dict[ParticipantId, deque[Kept]] = {}
        self._brief: dict[ParticipantId, ParticipantView] = {}  # as last told

    @property
    def connected(self) -> bool:
        """Whether anybody is."""
        return any(client.left_at is None for client in self._clients.values())

    @property
    def watched(self) -> bool:
        """Whether anybody is told how the links are."""
        return any(c.left_at is None and c.person.role in _WHOLE for c in self._clients.values())

    @property
    def kept(self) -> Mapping[ParticipantId, Iterable[Kept]]:
        """What waits for those who are away."""
        return self._kept

    def keep(self, kept: Mapping[ParticipantId, Iterable[Kept]]) -> None:
        """Go on keeping what the server kept before it was started again."""
        self._kept = {who: deque(messages, MAX_KEPT) for who, messages in kept.items()}

    def open(self, person: Person, stream: str | None, seq: int, wall: datetime) -> Feed:
        """The feed of a new connection: goes on after ``seq`` in that stream, if it is known and this person's."""
        feed = None
        for former, client in self._clients.items():
            same = (client.person.id, client.person.role) == (person.id, person.role)
            if former.stream == stream and same and not _has_expired(client, wall):
                feed = former.succeed(seq)
                del self._clients[former]
                break
        if feed is None:
            feed = Feed(lambda: self._snapshot_for(person), *self._sizes)
        self._clients[feed] = _Client(person)
        for message in self._kept.pop(person.id, ()):
            feed.put(message)
        return feed

    def leave(self, feed: Feed, wall: datetime) -> None:
        """The connection of a feed is broken; another may come."""
        client = self._clients.get(feed)
        if client is None:
            return  # another has come
        client.left_at = wall
        self._set_aside(feed, client.person.id)
        away = [f for f, c in self._clients.items() if c.left_at is not None and c.person.id == client.person.id]
        for oldest in away[:-MAX_AWAY]:
            del self._clients[oldest]

    def hear(self, feed: Feed, *, silent: bool) -> None:
        """Nothing is heard any more from the client of a feed, as if it were away, or something again."""
        feed.silent = silent
        client = self._clients.get(feed)
        if client is None:
            return  # another has come
        if silent:
            self._set_aside(feed, client.person.id)
        else:
            for message in self._kept.pop(client.person.id, ()):
                feed.put(message)

    def forget_expired(self, wall: datetime) -> None:
        """Let go of the streams that nobody has come back for."""
        for feed in [feed for feed, client in self._clients.items() if _has_expired(client, wall)]:
            del self._clients[feed]

    def expel(self, who: ParticipantId, reason: str) -> None:
        """Tell a participant no more, and let none of its streams be continued."""
        self._kept.pop(who, None)
        for feed in [feed for feed, client in self._clients.items() if client.person.id == who]:
            feed.expelled = True
            feed.close(reason)
            del self._clients[feed]

    def close(self, reason: str) -> None:
        """Tell everybody no more."""
        for feed in self._clients:
            feed.close(reason)

    def tell(self, deltas: Iterable[Delta]) -> None:
        """Tell everybody, the classrooms only what is their business."""
        for delta in deltas:
            brief = self._brief_of(delta)
            subject = delta.participant.id if isinstance(delta, ParticipantChanged) else None
            for feed, client in self._clients.items():
                if client.person.role in _WHOLE or client.person.id == subject:
                    feed.put(delta)
                elif brief is not None:
                    feed.put(brief)

    def tell_one(self, who: ParticipantId, message: Kept | SessionEnded) -> None:
        """Tell one participant; who is away gets notes and the volume on coming back."""
        if isinstance(message, SessionEnded) or self._is_connected(who):
            for feed, client in self._clients.items():
                if client.person.id == who and (_is_there(feed, client) or isinstance(message, SessionEnded)):
                    feed.put(message)
        else:
            self._keep(who, message)

    def _set_aside(self, feed: Feed, who: ParticipantId) -> None:
        """Keep what waits for somebody alone, unless another connection of theirs is told it."""
        if not self._is_connected(who):
            for message in feed.withdraw():
                self._keep(who, message)

    def _keep(self, who: ParticipantId, message: Kept) -> None:
        kept = self._kept.setdefault(who, deque(maxlen=MAX_KEPT))
        if isinstance(message, VolumeSet):
            for former in [former for former in kept if isinstance(former, VolumeSet)]:
                kept.remove(former)
        kept.append(message)

    def _is_connected(self, who: ParticipantId) -> bool:
        return any(client.person.id == who and _is_there(feed, client) for feed, client in self._clients.items())

    def _snapshot_for(self, person: Person) -> Snapshot:
        snapshot = self._snapshot(person.id)
        if person.role in _WHOLE:
            return snapshot
        briefly = [view if view.id == person.id else _in_brief(view) for view in snapshot.participants]
        return replace(snapshot, participants=briefly)

    def _brief_of(self, delta: Delta) -> Delta | None:
        if isinstance(delta, ParticipantLeft):
            who = ParticipantId(delta.participant_id)
            self._brief.pop(who, None)
            self._kept.pop(who, None)
        if not isinstance(delta, ParticipantChanged):
            return delta
        brief = _in_brief(delta.participant)
        if self._brief.get(ParticipantId(brief.id)) == brief:
            return None
        self._brief[ParticipantId(brief.id)] = brief
        return replace(delta, participant=brief)


def _in_brief(view: ParticipantView) -> ParticipantView:
    return replace(view, link=None, report=None)


def _is_there(feed: Feed, client: _Client) -> bool:
    return client.left_at is None and not feed.silent


def _has_expired(client: _Client, wall: datetime) -> bool:
    return client.left_at is not None and wall - client.left_at > RESUME_FOR
