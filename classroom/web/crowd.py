"""How many connections one participant may have: with one more, the oldest gives way.

A newcomer is never refused: it is where somebody is now, while the oldest is a forgotten tab, or a connection that is
dead and does not know it yet. Who gives way is told by its close code, and does not fight for its place.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator

REPLACED = 4409  # the close code
TOO_MANY = "这里打开的页面太多，最早的一个已断开。 Too many pages are open; this one was the oldest, and gave way."
OF_DEVICE = 4  # two screens, each with the socket that it had before a lost link
OF_PERSON = 16
GIVE_WAY_S = 5.0  # then it is cut off: its client may not read what it is told


@dataclass(eq=False, frozen=True, slots=True)
class _Place:
    give_way: Callable[[], None]
    transport: asyncio.Transport | None


class Crowd:
    """The connections that are open, by whose they are."""

    def __init__(self) -> None:
        self._places: dict[Hashable, list[_Place]] = {}

    @contextmanager
    def place(
        self, whose: Hashable, most: int, give_way: Callable[[], None], transport: asyncio.Transport | None
    ) -> Iterator[None]:
        """Have a place among those of ``whose``, at most ``most``; ``give_way`` is called when it is another's turn."""
        mine = _Place(give_way, transport)
        places = self._places.setdefault(whose, [])
        places.append(mine)
        for oldest in places[:-most]:
            places.remove(oldest)
            oldest.give_way()
            if oldest.transport is not None:
                asyncio.get_running_loop().call_later(GIVE_WAY_S, oldest.transport.abort)
        try:
            yield
        finally:
            if mine in places:
                places.remove(mine)
            if not places and self._places.get(whose) is places:
                del self._places[whose]
