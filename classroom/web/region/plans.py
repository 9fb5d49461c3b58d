"""The plan of the days: what takes place, changes by hand (调课, 代课, 停课), lessons that no timetable knows."""

from __future__ import annotations

import asyncio
import json
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, cast

from aiohttp import web
from pydantic import Field, TypeAdapter

from classroom.catalogue.region.plans import Plan
from classroom.catalogue.region.values import PlannedLesson, parsed
from classroom.model import parse_lesson_id
from classroom.web.bodies import Query, read_query
from classroom.web.context import CONTEXT
from classroom.web.principal import account_of
from classroom.web.problem import Refusal
from classroom.web.region.consent import require_rooms, rooms_of
from classroom.web.region.things import read_object
from classroom.web.responses import NO_STORE, json_response

if TYPE_CHECKING:
    from collections.abc import Sequence
    from zoneinfo import ZoneInfo

    from classroom.model import LessonId

MAX_DAYS = 31  # of one list
_PLAN = TypeAdapter(Plan)


class PlansQuery(Query):
    """Local days, both ends among them; without ``to`` one day."""

    since: date = Field(alias="from")
    until: date | None = Field(None, alias="to")


def routes() -> list[web.RouteDef]:
    """The doors."""
    one = "/api/plans/{lesson}"
    return [
        web.get("/api/plans", several),
        web.post("/api/plans", add),
        web.get(one, read),
        web.put(one, change),
        web.delete(one, remove),
        web.post(f"{one}/cancel", cancel),
        web.post(f"{one}/restore", restore),
    ]


async def several(request: web.Request) -> web.Response:
    """What is planned on some days, for the classrooms within reach."""
    asked = read_query(request, PlansQuery)
    until = asked.until or asked.since
    if not 0 <= (until - asked.since).days < MAX_DAYS:
        raise Refusal(400, "bad_query", f"一次最多查 {MAX_DAYS} 天。 At most {MAX_DAYS} days can be asked for at once.")
    plans, scope = request.app[CONTEXT].region.plans, account_of(request).scope
    found: list[Plan] = []
    for day in range((until - asked.since).days + 1):
        found += await plans.plans_of(asked.since + timedelta(days=day), scope)
    text = await asyncio.to_thread(_listed, found, request.app[CONTEXT].region.zone)
    return web.Response(text=text, content_type="application/json", headers=NO_STORE)


async def read(request: web.Request) -> web.Response:
    """One plan."""
    account = account_of(request)
    plan = await request.app[CONTEXT].region.plans.plan(_lesson(request), account.scope, account.person_id)
    return json_response(_told(request, plan))


async def add(request: web.Request) -> web.Response:
    """A lesson that the timetable does not have."""
    value = parsed(PlannedLesson, await read_object(request))
    await require_rooms(request, rooms_of(value))
    context = request.app[CONTEXT]
    plan = await context.region.planning.plan(value, account_of(request).scope)
    await _note(request, "plan.add", plan)
    return json_response(
        _told(request, plan),
        status=201,
        headers={"Location": f"/api/plans/{plan.lesson_id}"},
    )


async def change(request: web.Request) -> web.Response:
    """Another time, room, teacher or audience; the timetable will leave it alone."""
    value = parsed(PlannedLesson, await read_object(request))
    region, lesson = request.app[CONTEXT].region, _lesson(request)
    listening = {each.place.classroom_id for each in (await region.plans.plan(lesson)).listeners}
    await require_rooms(request, rooms_of(value), listening)
    plan = await region.planning.change(lesson, value, account_of(request).scope)
    await _note(request, "plan.change", plan)
    return json_response(_told(request, plan))


async def cancel(request: web.Request) -> web.Response:
    """It does not take place."""
    plan = await request.app[CONTEXT].region.planning.cancel(_lesson(request), account_of(request).scope)
    await _note(request, "plan.cancel", plan)
    return json_response(_told(request, plan))


async def restore(request: web.Request) -> web.Response:
    """As the timetable has it again."""
    plan = await request.app[CONTEXT].region.planning.restore(_lesson(request), account_of(request).scope)
    await _note(request, "plan.restore", plan)
    return json_response(_told(request, plan))


async def remove(request: web.Request) -> web.Response:
    """Forget a lesson that was planned by hand."""
    context, lesson = request.app[CONTEXT], _lesson(request)
    await context.region.planning.remove(lesson, account_of(request).scope)
    await context.audit.note(request, "plan.remove", lesson)
    context.region_changed()
    return web.Response(status=204)


def describe(plan: Plan, zone: ZoneInfo) -> dict[str, Any]:
    """A plan for JSON; ``starts`` and ``ends`` are the school's local times, whatever the zone of a browser is."""
    starts, ends = (at.astimezone(zone).strftime("%H:%M") for at in (plan.starts_at, plan.ends_at))
    return {**cast("dict[str, Any]", _PLAN.dump_python(plan, mode="json")), "starts": starts, "ends": ends}


def _listed(plans: Sequence[Plan], zone: ZoneInfo) -> str:
    """As JSON, one by one, so that the loop has its turns; those of a month are 60,000 where there are many schools."""
    items = ", ".join(json.dumps(describe(plan, zone), ensure_ascii=False) for plan in plans)
    return f'{{"items": [{items}]}}'


def _told(request: web.Request, plan: Plan) -> dict[str, Any]:
    return describe(plan, request.app[CONTEXT].region.zone)


def _lesson(request: web.Request) -> LessonId:
    return parse_lesson_id(request.match_info["lesson"])


async def _note(request: web.Request, action: str, plan: Plan) -> None:
    context = request.app[CONTEXT]
    detail = {"on_date": plan.on_date.isoformat(), "subject": plan.subject, "teacher": plan.teacher}
    await context.audit.note(request, action, plan.lesson_id, detail)
    context.region_changed()
