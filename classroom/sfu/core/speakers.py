"""Who is speaking, by the audio level that publishers stamp on their packets (RFC 6464)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from classroom.model import PublicationId

SILENT_DBOV = -127.0
UNKNOWN_DBOV = -60.0  # of who says nothing of its level: behind whoever is heard
SMOOTHING = 0.1  # of a packet of 20 ms: 0.2 s
LOUDER_DB = 6.0
LOUDER_FOR_S = 0.4


class Speakers:
    """An order of publications, the loudest first, that does not change with every syllable.

    Who is behind passes whoever is in front of it after having been LOUDER_DB louder for LOUDER_FOR_S.
    """

    def __init__(self) -> None:
        self._levels_dbov: dict[PublicationId, float] = {}
        self._order: list[PublicationId] = []
        self._louder_since_s: dict[tuple[PublicationId, PublicationId], float] = {}

    def heard(self, publication: PublicationId, level: int) -> None:
        """Note a packet; ``level`` is the extension's value, 0 (loudest) to 127 -dBov."""
        known = self._levels_dbov.get(publication, UNKNOWN_DBOV)
        self._levels_dbov[publication] = known + SMOOTHING * (-level - known)

    def forget(self, publication: PublicationId) -> None:
        """It is gone."""
        self._levels_dbov.pop(publication, None)
        if publication in self._order:
            self._order.remove(publication)
        self._louder_since_s = {pair: at for pair, at in self._louder_since_s.items() if publication not in pair}

    def level_dbov(self, publication: PublicationId) -> float:
        """How loud it has been lately."""
        return self._levels_dbov.get(publication, UNKNOWN_DBOV)

    def order(self, publications: Iterable[PublicationId], now: float) -> list[PublicationId]:
        """These publications, who speaks first; to be asked several times a second."""
        self._order += [publication for publication in publications if publication not in self._order]
        order = self._order
        for behind in range(1, len(order)):
            pair = (order[behind], order[behind - 1])
            if self.level_dbov(pair[0]) < self.level_dbov(pair[1]) + LOUDER_DB:
                self._louder_since_s.pop(pair, None)
            elif now - self._louder_since_s.setdefault(pair, now) >= LOUDER_FOR_S:
                del self._louder_since_s[pair]
                order[behind - 1], order[behind] = pair
        wanted = set(publications)
        return [publication for publication in order if publication in wanted]
