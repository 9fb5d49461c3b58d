"""What the calendar comes to: the days that count for a school or a district, and the lessons that now meet.

Several days in a row are said at once here; one day is a thing like others (things.py).
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Annotated

from aiohttp import web
from pydantic import Field, TypeAdapter

from classroom.catalogue.region.school_calendar import Area
from classroom.catalogue.region.timetable import Meetings
from classroom.catalogue.region.values import CalendarSpan, parsed
from classroom.web.bodies import Query, read_query
from classroom.web.context import CONTEXT
from classroom.web.principal import account_of
from classroom.web.problem import Refusal
from classroom.web.region.kinds import RESOURCES
from classroom.web.region.things import describe, read_object
from classroom.web.responses import json_response

if TYPE_CHECKING:
    from classroom.web.region.kinds import Resource

MAX_DAYS = 366  # of one list
MAX_CONFLICTS = 200  # that are told at once; who has more mends these first
CALENDAR: Resource = next(resource for resource in RESOURCES if resource.name == "calendar")
_MEETINGS = TypeAdapter(Meetings)
_SPAN = TypeAdapter(CalendarSpan)
_Id = Annotated[int, Field(ge=1, lt=1 << 53)]


class CalendarQuery(Query):
    """Local days, both ends among them, of a school, a district, or with neither of everybody."""

    since: date = Field(alias="from")
    until: date = Field(alias="to")
    district_id: _Id | None = None
    school_id: _Id | None = None


def routes() -> list[web.RouteDef]:
    """The doors."""
    return [
        web.get("/api/calendar", that_count),
        web.put("/api/calendar", say),
        web.get("/api/region/conflicts", conflicts),
    ]


async def that_count(request: web.Request) -> web.Response:
    """What counts on each day, as it is said nearest to the school or the district; other days are as usual."""
    asked = read_query(request, CalendarQuery)
    if not 0 <= (asked.until - asked.since).days < MAX_DAYS:
        raise Refusal(400, "bad_query", f"一次最多查 {MAX_DAYS} 天。 At most {MAX_DAYS} days can be asked for at once.")
    if asked.district_id is not None and asked.school_id is not None:
        raise Refusal(400, "bad_query", "区县和学校只能选一个。 Ask for a district or a school, not for both.")
    area = Area(asked.district_id, asked.school_id)
    days = request.app[CONTEXT].region.calendar
    found = await days.that_count(area, asked.since, asked.until, account_of(request).scope)
    return json_response({"items": [describe(CALENDAR, stored) for stored in found]})


async def say(request: web.Request) -> web.Response:
    """A holiday of several days, or days that are as usual: all of them or none."""
    span = parsed(CalendarSpan, await read_object(request))
    context = request.app[CONTEXT]
    said = await context.region.calendar.say(span, account_of(request).scope)
    detail = _SPAN.dump_python(span, mode="json")
    await context.audit.note(request, "calendar.change", f"{CALENDAR.kind.zh} {span.first_day}", detail)
    context.region_changed()
    return json_response({"items": [describe(CALENDAR, stored) for stored in said]})


async def conflicts(request: web.Request) -> web.Response:
    """Entries within reach whose lessons meet others since bells, terms or the calendar were changed."""
    timetable = request.app[CONTEXT].region.timetable
    found = await timetable.conflicts(account_of(request).scope, MAX_CONFLICTS)
    return json_response(_MEETINGS.dump_python(found, mode="json"))
