"""A lesson that is in no timetable, held at once (临时课): with whom its teacher usually is. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING

from classroom.catalogue.region.plans import PlanState
from classroom.catalogue.region.values import Listener, PlannedLesson

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from zoneinfo import ZoneInfo

    from classroom.catalogue.region.plans import Place, Plan

AROUND = timedelta(days=14)  # how long before and after the present day is looked for what is usual
LENGTH = timedelta(minutes=40)
_LAST_MINUTE = time(23, 59)  # a lesson ends on the day on which it began


@dataclass(frozen=True, slots=True)
class Extra:
    """What can be held: where, in which subject, and which classrooms may listen; the ``usual`` ones come first."""

    main: Place
    subject: str
    class_id: int | None
    listeners: tuple[Place, ...]
    usual: frozenset[int]  # classroom ids


def as_usual(plans: Sequence[Plan], now: datetime) -> Extra | None:
    """As the lesson of this teacher that is nearest to ``now``; None when there is none to go by."""
    held = [plan for plan in plans if plan.state is PlanState.PLANNED]
    if not held:
        return None
    nearest_first = sorted(held, key=lambda plan: abs(plan.starts_at - now))
    model = nearest_first[0]
    places = {one.place.classroom_id: one.place for plan in nearest_first for one in plan.listeners}
    usual = frozenset(one.place.classroom_id for one in model.listeners)
    return Extra(model.main, model.subject, model.class_id, tuple(places.values()), usual)


def planned_now(
    extra: Extra, teacher_id: int, rooms: Collection[int], plans: Sequence[Plan], now: datetime, zone: ZoneInfo
) -> PlannedLesson:
    """The lesson that begins now and ends before the teacher's next one."""
    coming = [plan.starts_at for plan in plans if plan.state is PlanState.PLANNED and plan.starts_at > now]
    here, ends = now.astimezone(zone), min([now + LENGTH, *coming]).astimezone(zone)
    today: date = here.date()
    return PlannedLesson(
        on_date=today,
        classroom_id=extra.main.classroom_id,
        teacher_id=teacher_id,
        subject=extra.subject,
        class_id=extra.class_id,
        starts=here.time().replace(second=0, microsecond=0),
        ends=ends.time().replace(second=0, microsecond=0) if ends.date() == today else _LAST_MINUTE,
        listeners=tuple(Listener(place.classroom_id) for place in extra.listeners if place.classroom_id in rooms),
    )
