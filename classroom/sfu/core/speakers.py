"""Who is speaking, by the audio level that publishers stamp on their packets (RFC 6464)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from classroom.model import PublicationId

SILENT_DBOV = -127.0
UNKNOWN_DBOV = -60.0  # of who says nothing of its level: behind whoever is heard
SMOOTHING = 0.1  # of a packet of 20 ms: 0.2 s
SILENT_AFTER_S = 0.5  # without a packet: a microphone that is off, or its link
LOUDER_DB = 6.0
LOUDER_FOR_S = 0.4


class Speakers:
    """An order of publications, the loudest first, that does not change with every syllable.

    Who is behind passes whoever is in front of it after having been LOUDER_DB louder for LOUDER_FOR_S. Who sends
    nothing any more is silent, however loud the last syllable was.
    """

    def __init__(self) -> None:
        self._heard: dict[PublicationId, tuple[float, float]] = {}  # (smoothed level, when)
        self._order: list[PublicationId] = []
        self._louder_since_s: dict[tuple[PublicationId, PublicationId], float] = {}

    def heard(self, publication: PublicationId, level: int, now: float) -> None:
        """Note a packet; ``level`` is the extension's value, 0 (loudest) to 127 -dBov."""
        known = self.level_dbov(publication, now)
        self._heard[publication] = (known + SMOOTHING * (-level - known), now)

    def forget(self, publication: PublicationId) -> None:
        """It is gone."""
        self._heard.pop(publication, None)

    def level_dbov(self, publication: PublicationId, now: float) -> float:
        """How loud it has been lately."""
        if publication not in self._heard:
            return UNKNOWN_DBOV
        level_dbov, at_s = self._heard[publication]
        return SILENT_DBOV if now - at_s > SILENT_AFTER_S else level_dbov

    def order(self, publications: Sequence[PublicationId], now: float) -> list[PublicationId]:
        """These publications, who speaks first; to be asked several times a second."""
        order = [publication for publication in self._order if publication in publications]
        order += [publication for publication in publications if publication not in order]
        waiting: dict[tuple[PublicationId, PublicationId], float] = {}
        for behind in range(1, len(order)):
            pair = (order[behind], order[behind - 1])
            if self.level_dbov(pair[0], now) < self.level_dbov(pair[1], now) + LOUDER_DB:
                continue
            since_s = self._louder_since_s.get(pair, now)
            if now - since_s < LOUDER_FOR_S:
                waiting[pair] = since_s
            else:
                order[behind - 1], order[behind] = pair
        self._order, self._louder_since_s = order, waiting
        return list(order)
