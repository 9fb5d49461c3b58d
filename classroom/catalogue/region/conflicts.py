"""Who and what would be in two lessons at once. Pure.

Two lessons are compared by their times on a common day, not by the numbers of their periods: schools have bells of
their own, and change them in the middle of a term.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date, time

WEEKDAYS = ("周一", "周二", "周三", "周四", "周五", "周六", "周日")
WEEKDAYS_EN = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


class ResourceKind(StrEnum):
    """What can be in one lesson only."""

    CLASSROOM = "classroom"
    TEACHER = "teacher"
    CLASS = "class"


_KINDS = {
    ResourceKind.CLASSROOM: ("教室冲突", "The classroom"),
    ResourceKind.TEACHER: ("教师冲突", "The teacher"),
    ResourceKind.CLASS: ("班级冲突", "The class"),
}


class Resource(NamedTuple):
    """A classroom, a teacher or a class by its id."""

    kind: ResourceKind
    id: int


class Span(NamedTuple):
    """The same local times on several days; ``ends`` is left out."""

    dates: frozenset[date]
    starts: time
    ends: time


@dataclass(frozen=True, slots=True)
class Booking:
    """A lesson of one day or of many, with what it takes. ``key`` is its own: it is never in conflict with itself."""

    key: str
    spans: tuple[Span, ...]
    takes: frozenset[Resource]
    subject: str
    teacher: str
    period: int | None = None


@dataclass(frozen=True, slots=True)
class Clash:
    """Two lessons take the same at the same time, on ``day`` for the first time; ``starts`` to ``ends`` are other's."""

    resource: Resource
    booking: Booking
    other: Booking
    day: date
    starts: time
    ends: time


class Bookings:
    """Bookings by what they take and the day of the week, so that only those which may clash are compared."""

    def __init__(self, bookings: Iterable[Booking] = ()) -> None:
        self._by_slot: dict[tuple[Resource, int], list[Booking]] = defaultdict(list)
        for booking in bookings:
            self.add(booking)

    def add(self, booking: Booking) -> None:
        """Take one in, whether it clashes or not."""
        for slot in _slots(booking):
            self._by_slot[slot].append(booking)

    def clashes(self, *mine: Booking) -> list[Clash]:
        """With whom the bookings of one lesson clash: each of the others once, by the first thing that both take.

        A lesson has several bookings where not everybody takes part on all of its days: told is the first day.
        """
        found: dict[str, Clash] = {}
        for booking in mine:
            for slot in _slots(booking):
                for other in self._by_slot.get(slot, ()):
                    known = found.get(other.key)
                    if other.key == booking.key or (
                        known is not None and known.booking is booking and known.other is other
                    ):
                        continue
                    clash = _clash(slot[0], booking, other)
                    if clash is not None and (known is None or clash.day < known.day):
                        found[other.key] = clash
        return list(found.values())


def explain(clash: Clash, names: Mapping[Resource, str]) -> str:
    """The clash in the words of people; ``names`` are those of resources: 山坪小学 三年级1班."""
    zh, en = _KINDS[clash.resource.kind]
    name = names[clash.resource]
    weekday, other = clash.day.weekday(), clash.other
    times = f"{clash.starts:%H:%M}–{clash.ends:%H:%M}"
    period_zh = "" if other.period is None else f"第{other.period}节"
    period_en = "" if other.period is None else f", period {other.period}"
    return (
        f"{zh}：{name} {WEEKDAYS[weekday]}{period_zh}（{times}，{clash.day}）"
        f"已有《{other.subject}》{other.teacher}老师，请换时间、教室或教师。 "
        f"{en} {name} already has “{other.subject}” of {other.teacher} on {WEEKDAYS_EN[weekday]}{period_en} "
        f"({times}, {clash.day}); choose another time, classroom or teacher."
    )


def _slots(booking: Booking) -> list[tuple[Resource, int]]:
    weekdays = sorted({day.weekday() for span in booking.spans for day in span.dates})
    return [(resource, weekday) for resource in sorted(booking.takes) for weekday in weekdays]


def _clash(resource: Resource, one: Booking, other: Booking) -> Clash | None:
    """The first day on which their times overlap."""
    first: Clash | None = None
    for mine in one.spans:
        for theirs in other.spans:
            if mine.starts < theirs.ends and theirs.starts < mine.ends:
                common = mine.dates & theirs.dates
                if common and (first is None or min(common) < first.day):
                    first = Clash(resource, one, other, min(common), theirs.starts, theirs.ends)
    return first
