"""Messages of the server as they go over the wire: what is told to many is put into words once."""

from __future__ import annotations

import json
from collections import OrderedDict
from dataclasses import asdict
from typing import TYPE_CHECKING

from classroom.messages import (
    LessonChanged,
    ParticipantChanged,
    ParticipantLeft,
    PublicationChanged,
    PublicationRemoved,
)

if TYPE_CHECKING:
    from classroom.live.feed import Told
    from classroom.messages import ServerMessage

_TO_MANY = LessonChanged | ParticipantChanged | ParticipantLeft | PublicationChanged | PublicationRemoved
REMEMBERED = 64  # messages that the fastest and the slowest client are usually apart


class Wire:
    """Writes JSON. One for all connections: it remembers the text of the latest messages that go to many."""

    def __init__(self) -> None:
        self._texts: OrderedDict[int, tuple[ServerMessage, str]] = OrderedDict()  # by id(), which lives as long

    def text(self, told: Told) -> str:
        """One message for one client, with its own number."""
        message = told.message
        if not isinstance(message, _TO_MANY):
            return text_of(message) if told.seq is None else _numbered(told.seq, _body_of(message))
        known = self._texts.get(id(message))
        if known is None:
            known = self._texts[id(message)] = (message, _body_of(message))
            if len(self._texts) > REMEMBERED:
                self._texts.popitem(last=False)
        return _numbered(told.seq, known[1])


def text_of(message: ServerMessage) -> str:
    """One message as it is."""
    return json.dumps(asdict(message), ensure_ascii=False)


def _numbered(seq: int | None, body: str) -> str:
    return f'{{"seq": {seq}, {body[1:]}'


def _body_of(message: ServerMessage) -> str:
    """All but its number."""
    fields = asdict(message)
    del fields["seq"]
    return json.dumps(fields, ensure_ascii=False)
