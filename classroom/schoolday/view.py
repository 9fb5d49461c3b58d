"""A plan as devices and pages are told of it: with what became of it, and how its rooms are. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from classroom.live.instant import iso
from classroom.model import DeviceKind
from classroom.schoolday.agenda import state_of
from classroom.schoolday.messages import AgendaLesson, ListenerView, MainRoomView, RoomRole

if TYPE_CHECKING:
    from collections.abc import Callable

    from classroom.catalogue.region.plans import Plan, PlanListener
    from classroom.schoolday.agenda import Held
    from classroom.schoolday.presence import RoomState


def lesson_view(plan: Plan, held: Held, role: RoomRole, room: Callable[[int, DeviceKind], RoomState]) -> AgendaLesson:
    """A lesson, seen by a room or a person with this role in it; ``room`` tells how a classroom is."""
    main = room(plan.main.classroom_id, DeviceKind.CAPTURE)
    return AgendaLesson(
        id=plan.lesson_id,
        title=plan.title,
        subject=plan.subject,
        grade=plan.class_name or plan.grade,
        period=plan.period,
        starts_at=iso(plan.starts_at),
        ends_at=iso(plan.ends_at),
        state=state_of(plan, held),
        role=role,
        teacher=plan.teacher,
        main=MainRoomView(
            classroom_id=plan.main.classroom_id,
            classroom=plan.main.classroom,
            school=plan.main.short_name,
            device_id=main.device_id,
            online=main.online,
            ready=main.ready,
            faults=list(main.faults),
        ),
        interactive=plan.interactive,
        listeners=[
            _listener(listener, room(listener.place.classroom_id, DeviceKind.TERMINAL)) for listener in plan.listeners
        ],
    )


def _listener(listener: PlanListener, room: RoomState) -> ListenerView:
    return ListenerView(
        classroom_id=listener.place.classroom_id,
        classroom=listener.place.classroom,
        school=listener.place.short_name,
        device_id=room.device_id,
        online=room.online,
        ready=room.ready,
        faults=list(room.faults),
        children=listener.children or None if room.children is None else room.children,
    )
