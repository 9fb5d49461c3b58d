"""Which lesson it is that workers die of. Pure; times are monotonic seconds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

    from classroom.model import LessonId

DEATHS = 3
WINDOW_S = 120.0  # deaths further apart have nothing to do with each other
FIRST_QUARANTINE_S, LAST_QUARANTINE_S = 60.0, 600.0
FORGET_S = 3600.0  # after a quarantine


@dataclass(slots=True)
class _Record:
    deaths_s: list[float] = field(default_factory=list)  # within the window
    quarantines: int = 0
    until_s: float = float("-inf")


class Suspicion:
    """Counts who was there when workers died.

    A worker holds many lessons; its death says only that it may have been one of them. Who was there DEATHS times, and
    more often than everybody else who was there this time, goes into quarantine: for a minute at first, then for twice
    as long each time, since it may have been somebody else after all. Equals are told apart by the next death, when
    they have been kept with different workers.
    """

    def __init__(self) -> None:
        self._records: dict[LessonId, _Record] = {}

    def died(self, lessons: Collection[LessonId], now: float) -> LessonId | None:
        """Note the death of a worker that held these lessons; the one that is in quarantine from now on, if any."""
        self._forget(now)
        for lesson in lessons:
            self._records.setdefault(lesson, _Record()).deaths_s.append(now)
        counts = {lesson: self.gravity(lesson, now) for lesson in lessons}
        most = max(counts.values(), default=0)
        gravest = [lesson for lesson, count in counts.items() if count == most]
        if most < DEATHS or len(gravest) > 1:
            return None
        record = self._records[gravest[0]]
        record.until_s = now + min(LAST_QUARANTINE_S, FIRST_QUARANTINE_S * 2**record.quarantines)
        record.quarantines += 1
        record.deaths_s.clear()
        return gravest[0]

    def gravity(self, lesson: LessonId, now: float) -> int:
        """How many workers died with it; one that was in quarantine needs only one more."""
        record = self._records.get(lesson)
        if record is None:
            return 0
        return sum(now - at_s <= WINDOW_S for at_s in record.deaths_s) + DEATHS * record.quarantines

    def quarantine_s(self, lesson: LessonId, now: float) -> float:
        """How long no worker is to take it in; 0 for one that may come."""
        record = self._records.get(lesson)
        return 0.0 if record is None else max(0.0, record.until_s - now)

    def _forget(self, now: float) -> None:
        for lesson, record in list(self._records.items()):
            record.deaths_s = [at_s for at_s in record.deaths_s if now - at_s <= WINDOW_S]
            if not record.deaths_s and now - record.until_s > FORGET_S:
                del self._records[lesson]
