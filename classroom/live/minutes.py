"""What of a lesson is worth a line in ``events.jsonl``: the difference that each change makes. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from classroom.messages import LessonChanged, ParticipantChanged, ParticipantLeft
from classroom.model import FloorMode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from classroom.live.lesson import Delta, LiveLesson
    from classroom.messages import ParticipantView
    from classroom.model import ParticipantId

Event = tuple[str, dict[str, Any]]


class Minutes:
    """Follows one lesson and says what happened; knows what it has said."""

    def __init__(self) -> None:
        self._people: dict[str, Event] = {}
        self._forget()

    def _forget(self) -> None:
        self._floor: list[ParticipantId] = []
        self._hands: list[ParticipantId] = []
        self._programme: str | None = None
        self._mode = FloorMode.LISTEN
        self._page: int | None = None

    def begin(self, lesson: LiveLesson, wall: datetime, *, resume: bool) -> Iterator[Event]:
        """Who is there, and what has happened already; with ``resume`` that was said before the server stopped.

        But for the page: that it was turned may have been confirmed and have died with the recorder. On record twice it
        is one turn (page_turns.py).
        """
        self._people.clear()
        for view in lesson.participants():
            if view.online:
                yield from self._person(view)
        if resume:
            for event, data in self._changes(lesson, wall):
                if event == "page":
                    yield event, data
        else:
            self._forget()
            yield from self._changes(lesson, wall)

    def follow(self, lesson: LiveLesson, deltas: Iterable[Delta], wall: datetime) -> Iterator[Event]:
        """What happened, as others were told it."""
        for delta in deltas:
            match delta:
                case ParticipantChanged():
                    yield from self._person(delta.participant)
                case ParticipantLeft():
                    self._people.pop(delta.participant_id, None)
                case LessonChanged():
                    yield from self._changes(lesson, wall)

    def _person(self, view: ParticipantView) -> Iterator[Event]:
        event: Event = (
            "participant",
            {
                "id": view.id,
                "role": view.role.value,
                "name": view.name,
                "online": view.online,
                "publishing": view.publishing,
                "receiving": view.receiving,
            },
        )
        if self._people.get(view.id) != event:
            self._people[view.id] = event
            yield event

    def _changes(self, lesson: LiveLesson, wall: datetime) -> Iterator[Event]:
        floor = lesson.floor
        if floor.mode is not self._mode:
            self._mode = floor.mode
            yield "mode", {"mode": floor.mode.value}
        for who in floor.hands:
            if who not in self._hands:
                yield "hand", {**_named(lesson, who), "raised": True}
        for who in self._hands:
            if who not in floor.hands:
                yield "hand", {**_named(lesson, who), "raised": False}
        self._hands = list(floor.hands)
        programme = lesson.direction.programme
        if programme != self._programme:
            self._programme = programme
            yield "programme", {"programme": programme}
        if floor.given != self._floor:
            self._floor = list(floor.given)
            yield "floor", {"participants": [_named(lesson, who) for who in floor.given if lesson.name_of(who)]}
        if lesson.page != self._page:
            self._page = lesson.page
            if lesson.page is not None:
                ago_s = 0.0 if lesson.page_at is None else (wall - lesson.page_at).total_seconds()
                yield "page", {"page": lesson.page, "ago_s": max(0.0, round(ago_s, 3))}


def _named(lesson: LiveLesson, who: ParticipantId) -> dict[str, str]:
    return {"id": who, "name": lesson.name_of(who) or ""}
