"""A lesson that is in no timetable: whom its teacher may choose, and planning it for now (docs/protocol.md §7)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

from aiohttp import web
from pydantic import Field

from classroom.catalogue.region.plans import PlanState
from classroom.schoolday.extra import AROUND, as_usual, planned_now
from classroom.web.auth import Forbidden
from classroom.web.bodies import Body, read_body
from classroom.web.context import CONTEXT
from classroom.web.principal import account_of
from classroom.web.responses import json_response

if TYPE_CHECKING:
    from classroom.catalogue.region.plans import Place, Plan
    from classroom.schoolday.extra import Extra


class _Wanted(Body):
    listeners: Annotated[list[Annotated[int, Field(ge=1, le=1 << 53)]], Field(max_length=64)]


def routes() -> list[web.RouteDef]:
    """The doors."""
    return [web.get("/api/today/extra", choices), web.post("/api/today/extra", hold)]


async def choices(request: web.Request) -> web.Response:
    """With which classrooms a teacher may hold a lesson at once; null for who teaches nothing."""
    extra, _ = await _usual(request, datetime.now(UTC))
    if extra is None:
        return json_response({"extra": None})
    listeners = [{**_place(place), "usual": place.classroom_id in extra.usual} for place in extra.listeners]
    return json_response({"extra": {"subject": extra.subject, "main": _place(extra.main), "listeners": listeners}})


async def hold(request: web.Request) -> web.Response:
    """Plan a lesson for now, of which its teacher then is the teacher; starting it is another step."""
    account, context, now = account_of(request), request.app[CONTEXT], datetime.now(UTC)
    asked = await read_body(request, _Wanted)
    extra, plans = await _usual(request, now)
    if extra is None or account.person_id is None:
        raise Forbidden("只有任课教师可以临时上课。 Only who teaches may hold an extra lesson.")
    if not set(asked.listeners) <= {place.classroom_id for place in extra.listeners}:
        raise Forbidden("只能选择自己课上的听讲教室。 Choose among the classrooms of your own lessons.")
    value = planned_now(extra, account.person_id, set(asked.listeners), plans, now, context.region.zone)
    plan = await context.region.planning.plan(value)
    context.region_changed()
    await context.audit.note(request, "plan.extra", plan.lesson_id, {"subject": plan.subject})
    return json_response({"id": plan.lesson_id}, status=201)


async def _usual(request: web.Request, now: datetime) -> tuple[Extra | None, list[Plan]]:
    account, context = account_of(request), request.app[CONTEXT]
    if account.person_id is None:
        return None, []
    today = context.day.today()
    plans = await context.region.plans.taught_by(account.person_id, today - AROUND, today + AROUND)
    return as_usual([plan for plan in plans if plan.state is PlanState.PLANNED], now), plans


def _place(place: Place) -> dict[str, object]:
    return {"classroom_id": place.classroom_id, "classroom": place.classroom, "school": place.short_name}
