"""What a room is doing and what comes next: from plans, what is held of them, and the time. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from classroom.catalogue.region.plans import PlanState
from classroom.model import LessonState
from classroom.schoolday.messages import AgendaState, Phase, RoomRole

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from classroom.catalogue.region.plans import Place, Plan
    from classroom.model import LessonId

STANDBY = timedelta(minutes=10)  # before the bell: what is off is switched on and tried
OVER = timedelta(minutes=3)  # for so long a room is told that its lesson has ended


@dataclass(frozen=True, slots=True)
class Held:
    """What became of a lesson on this node; ``ended_at`` is None while it has not ended."""

    state: LessonState
    ended_at: datetime | None = None


NOT_HELD = Held(LessonState.PLANNED)


@dataclass(frozen=True, slots=True)
class Moment:
    """What a room is doing: the lesson of its phase, None when idle, and the one after that."""

    phase: Phase
    lesson: Plan | None
    next: Plan | None


def state_of(plan: Plan, held: Held) -> AgendaState:
    """What is said of a lesson: what happened counts more than what was planned."""
    if held.state is LessonState.LIVE:
        return AgendaState.LIVE
    if plan.state is PlanState.CANCELLED:
        return AgendaState.CANCELLED
    return AgendaState.ENDED if held.state is LessonState.ENDED else AgendaState.PLANNED


def bell(plan: Plan, started_at: datetime | None) -> datetime:
    """When the lesson is to end: as planned, or, begun only after that, when it has lasted as long as planned."""
    if started_at is None or started_at < plan.ends_at:
        return plan.ends_at
    return started_at + (plan.ends_at - plan.starts_at)


def role_of(plan: Plan, classroom_id: int) -> RoomRole | None:
    """What a room is in a lesson; None when it has no part in it."""
    if plan.main.classroom_id == classroom_id:
        return RoomRole.MAIN
    if any(listener.place.classroom_id == classroom_id for listener in plan.listeners):
        return RoomRole.LINKED
    return None


def places_of(plan: Plan) -> list[Place]:
    """All classrooms that take part, the main one first."""
    return [plan.main, *(listener.place for listener in plan.listeners)]


def rooms_of(plan: Plan) -> set[int]:
    """The ids of all classrooms that take part."""
    return {place.classroom_id for place in places_of(plan)}


def moment(plans: Sequence[Plan], held: Mapping[LessonId, Held], now: datetime) -> Moment:
    """What the room is doing whose plans these are, in order of their times.

    A live lesson counts however long it overruns; of two live ones that which was planned for later: it is where the
    children are. A lesson that nobody has started is waited for until its bell; one that ended is over for a moment.
    """
    live = [plan for plan in plans if _held(held, plan).state is LessonState.LIVE]
    if live:
        return _at(Phase.LIVE, live[-1], plans, held, now)
    over = [plan for plan in plans if _ended_at(plan, held, now) is not None]
    if over:
        return _at(Phase.OVER, max(over, key=lambda plan: _ended_at(plan, held, now) or now), plans, held, now)
    due = (plan for plan in plans if _is_planned(plan, held) and plan.starts_at - STANDBY <= now < plan.ends_at)
    lesson = next(due, None)
    return _at(Phase.IDLE if lesson is None else Phase.STANDBY, lesson, plans, held, now)


def next_change(plans: Iterable[Plan], held: Mapping[LessonId, Held], now: datetime) -> datetime | None:
    """When time alone changes the moment of any room next; None when it does not."""
    instants: list[datetime] = []
    for plan in plans:
        ended_at = _held(held, plan).ended_at
        if ended_at is not None:
            instants.append(ended_at + OVER)
        instants += (plan.starts_at - STANDBY, plan.ends_at)
    return min((instant for instant in instants if instant > now), default=None)


def _at(
    phase: Phase, lesson: Plan | None, plans: Sequence[Plan], held: Mapping[LessonId, Held], now: datetime
) -> Moment:
    following = (plan for plan in plans if plan is not lesson and _is_planned(plan, held) and now < plan.ends_at)
    return Moment(phase, lesson, next(following, None))


def _held(held: Mapping[LessonId, Held], plan: Plan) -> Held:
    return held.get(plan.lesson_id, NOT_HELD)


def _is_planned(plan: Plan, held: Mapping[LessonId, Held]) -> bool:
    return state_of(plan, _held(held, plan)) is AgendaState.PLANNED


def _ended_at(plan: Plan, held: Mapping[LessonId, Held], now: datetime) -> datetime | None:
    """When it ended, if that was a moment ago."""
    ended_at = _held(held, plan).ended_at
    return ended_at if ended_at is not None and now < ended_at + OVER else None
