"""What is the case in lessons right now: for operators the whole server, for a teacher the own lesson."""

from __future__ import annotations

import logging
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from aiohttp import web

from classroom.catalogue.region.errors import NotFound
from classroom.catalogue.scope import EVERYTHING
from classroom.live.link import judge
from classroom.model import ClassroomError, LessonState
from classroom.schoolday.agenda import places_of
from classroom.sfu.core.histogram import BOUNDS_S
from classroom.sfu.session import UnknownLesson
from classroom.web.auth import Action
from classroom.web.context import CONTEXT, admit, admit_operator
from classroom.web.principal import AccountPrincipal
from classroom.web.responses import json_response

if TYPE_CHECKING:
    from collections.abc import Iterable

    from classroom.catalogue.scope import Scope
    from classroom.live.lesson import LiveLesson
    from classroom.sfu.core.stats import LessonStats
    from classroom.web.context import Context

logger = logging.getLogger(__name__)


def routes() -> list[web.RouteDef]:
    """The two doors."""
    return [web.get("/api/stats", all_lessons), web.get("/api/lessons/{lesson}/stats", one_lesson)]


async def all_lessons(request: web.Request) -> web.Response:
    """Every live lesson within reach: one that no plan tells the schools of is within that of everything only."""
    operator, context = admit_operator(request), request.app[CONTEXT]
    scope = operator.scope if isinstance(operator, AccountPrincipal) else EVERYTHING
    live = [lesson for lesson in context.service.lessons() if lesson.state is LessonState.LIVE]
    seen = await observe(context, [lesson for lesson in live if await _covers(context, scope, lesson)])
    return json_response({"lessons": [describe(lesson, stats) for lesson, stats in seen]})


async def one_lesson(request: web.Request) -> web.Response:
    """The lesson of the token."""
    claims = admit(request, Action.CONDUCT)
    context = request.app[CONTEXT]
    lesson = context.service.find(claims.lesson)
    return json_response({"lessons": [describe(lesson, await context.observe(lesson.id))]})


async def _covers(context: Context, scope: Scope, lesson: LiveLesson) -> bool:
    if scope.everything:
        return True
    try:
        plan = await context.day.plan(lesson.id)
    except NotFound:
        return False
    return any(scope.covers_school(place.school_id, place.district_id) for place in places_of(plan))


async def observe(context: Context, lessons: Iterable[LiveLesson]) -> list[tuple[LiveLesson, LessonStats]]:
    """Those whose media are open, one after the other: it must not take a worker's time at once."""
    seen = []
    for lesson in lessons:
        try:
            seen.append((lesson, await context.observe(lesson.id)))
        except UnknownLesson:
            pass  # its media are being opened, or were closed by a fault
        except ClassroomError as error:  # of this lesson: the figures of the others are told
            logger.error("lesson=%s cannot be observed: %s", lesson.id, error)
    return seen


def describe(lesson: LiveLesson, stats: LessonStats) -> dict[str, Any]:
    """A lesson for JSON: the values of LessonStats with names and verdicts for people."""
    people = {view.id: view for view in lesson.participants()}
    receivers = []
    for receiver in stats.receivers:
        if not receiver.participant_id:
            continue  # the recorder, or another worker
        verdict = judge(receiver)
        person = people.get(receiver.participant_id)
        names = {"name": person.name, "role": person.role} if person is not None else {"name": "", "role": None}
        receivers.append({**asdict(receiver), **names, "link": verdict.link, "cause": verdict.cause})
    return {
        "id": lesson.id,
        "title": lesson.title,
        "publications": [asdict(publication) for publication in stats.publications],
        "receivers": receivers,
        "dropped": stats.dropped,
        "forwarding_delay": {
            "bounds_s": BOUNDS_S,
            "counts": stats.delay_counts,
            "sum_s": stats.delay_sum_s,
        },
    }
