"""As what somebody may come into a planned lesson. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from classroom.model import AccountRole, DeviceKind, ParticipantId, Role
from classroom.schoolday.agenda import places_of, role_of
from classroom.schoolday.messages import RoomRole

if TYPE_CHECKING:
    from classroom.catalogue.region.plans import Plan
    from classroom.catalogue.scope import Scope

TOKEN_TTL_S = 15 * 60

_CONDUCTORS = frozenset({AccountRole.OPERATOR, AccountRole.SCHOOL_ADMIN})


def role_of_device(plan: Plan, kind: DeviceKind, classroom_id: int) -> Role | None:
    """What a device is in a lesson: the main room sends, a linked one takes part; None when it has no part in it."""
    room = role_of(plan, classroom_id)
    if room is RoomRole.MAIN:
        return Role.CAPTURE
    return Role.CLASSROOM if room is RoomRole.LINKED and kind is DeviceKind.TERMINAL else None


def role_of_account(plan: Plan, role: AccountRole, person_id: int | None, scope: Scope) -> Role | None:
    """What somebody is in a lesson: its teacher, or an observer; None when it is none of their business.

    Who answers for the main school may do what the teacher may. Assistants watch the lessons that they assist in,
    researchers those of their districts.
    """
    if person_id is not None and person_id == plan.teacher_id:
        return Role.TEACHER
    if role in _CONDUCTORS and scope.covers_school(plan.main.school_id, plan.main.district_id):
        return Role.TEACHER
    if person_id is not None and any(listener.assistant_id == person_id for listener in plan.listeners):
        return Role.OBSERVER
    within = any(scope.covers_school(place.school_id, place.district_id) for place in places_of(plan))
    if role is AccountRole.RESEARCHER and within:
        return Role.OBSERVER
    return None


def participant_of_account(account_id: int) -> ParticipantId:
    """Who a signed-in person is in lessons, today and tomorrow. A device is its own id."""
    return ParticipantId(f"a{account_id}")
