"""Today for somebody who has signed in, and the way into a planned lesson (docs/protocol.md §7)."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import asdict
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from aiohttp import web
from pydantic import Field

from classroom.catalogue.region.plans import PlanState
from classroom.catalogue.scope import EVERYTHING
from classroom.live.instant import iso
from classroom.model import AccountRole, Role, parse_lesson_id
from classroom.schoolday.admission import TOKEN_TTL_S, participant_of_account, role_of_account, role_of_device
from classroom.schoolday.agenda import places_of
from classroom.web.auth import Claims, Forbidden, issue_token
from classroom.web.bodies import Query, read_query
from classroom.web.context import CONTEXT
from classroom.web.devices import day_is_known
from classroom.web.principal import AccountPrincipal, DevicePrincipal, account_of, principal_of
from classroom.web.problem import Refusal
from classroom.web.responses import NO_STORE, json_response

if TYPE_CHECKING:
    from classroom.catalogue.region.plans import Plan
    from classroom.model import ParticipantId
    from classroom.web.principal import Principal

_OF_A_PERSON = frozenset({AccountRole.TEACHER, AccountRole.ASSISTANT})


class _Asked(Query):
    day: date | None = Field(None, alias="date")


def routes() -> list[web.RouteDef]:
    """The doors."""
    return [web.get("/api/today", today), web.post("/api/lessons/{lesson}/token", token)]


async def today(request: web.Request) -> web.Response:
    """The lessons of a day: a teacher's own, those of an admin's school or of an operator's district."""
    account, context = account_of(request), request.app[CONTEXT]
    await day_is_known(context.day)
    day = read_query(request, _Asked).day or context.day.today()
    plans = await _plans(request, account, day)

    def is_main(plan: Plan) -> bool:
        if account.role in _OF_A_PERSON:
            return plan.teacher_id == account.person_id
        return account.scope.covers_school(plan.main.school_id, plan.main.district_id)

    answer = {
        "date": day.isoformat(),
        "server_time": iso(datetime.now(UTC)),
        "lessons": context.day.views(plans, is_main),
        "current": context.day.current(plans),
    }
    text = await asyncio.to_thread(json.dumps, answer, default=asdict, ensure_ascii=False)  # of 440 schools 0.1 s
    return web.Response(text=text, content_type="application/json", headers=NO_STORE)


async def _plans(request: web.Request, account: AccountPrincipal, day: date) -> list[Plan]:
    plans = request.app[CONTEXT].region.plans
    if account.role in _OF_A_PERSON:
        return [] if account.person_id is None else await plans.plans_of(day, EVERYTHING, account.person_id)
    return await plans.plans_of(day, account_of(request).scope)


async def token(request: web.Request) -> web.Response:
    """A media token of a planned lesson, good for 15 minutes, for the part that the asker has in it."""
    principal, context = principal_of(request), request.app[CONTEXT]
    lesson = parse_lesson_id(request.match_info["lesson"])
    plan = await context.day.plan(lesson)
    role = _role(plan, principal)
    if role is None:
        raise Forbidden("这节课与您或这间教室无关。 Neither you nor this room has a part in the lesson.")
    live = context.day.is_live(lesson)
    if plan.state is PlanState.CANCELLED and not live:
        raise Refusal(409, "lesson_cancelled", "这节课已取消。 The lesson was cancelled.")
    if role is Role.CAPTURE and not live:  # by publishing it would start the lesson, which is the teacher's to do
        raise Refusal(
            409, "not_started", "课程还没有开始，请等待主讲教师。 The lesson has not begun; wait for its teacher."
        )
    participant, name = _who(plan, principal)
    issued_at_s = int(time.time())
    claims = Claims(lesson, role, participant, name, issued_at_s, issued_at_s + TOKEN_TTL_S)
    return json_response(
        {
            "token": issue_token(context.secret, claims),
            "role": role,
            "expires_at": iso(datetime.fromtimestamp(claims.expires_at_s, UTC)),
            "ttl_s": TOKEN_TTL_S,
            "participant": participant,
        }
    )


def _role(plan: Plan, principal: Principal) -> Role | None:
    if isinstance(principal, DevicePrincipal):
        return role_of_device(plan, principal.kind, principal.classroom_id)
    return role_of_account(plan, principal.role, principal.person_id, principal.scope)


def _who(plan: Plan, principal: Principal) -> tuple[ParticipantId, str]:
    """Who it is in lessons, and how it is called: a room by its school, with its own name where a school has two."""
    if isinstance(principal, AccountPrincipal):
        return participant_of_account(principal.account_id), principal.name
    places = places_of(plan)
    [place] = [place for place in places if place.classroom_id == principal.classroom_id][:1]
    alone = sum(other.school_id == place.school_id for other in places) == 1
    return principal.device_id, place.short_name if alone else f"{place.short_name} {place.classroom}"
