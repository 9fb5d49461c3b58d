"""The one table of rights: it names every door there is, and what it says is what happens."""

from __future__ import annotations

from classroom.web.rights import ROUTES
from tests.unit.web.people import signed_in
from tests.unit.web.running_node import running


async def test_every_door_is_in_the_table_and_nothing_else(tmp_path):
    async with running(tmp_path) as doors:
        routes = doors.client.app.router.routes()
        there = {("GET" if r.method == "HEAD" else r.method, r.resource.canonical) for r in routes}
    assert there == set(ROUTES)


async def test_who_is_signed_in_is_told_so(tmp_path):
    async with running(tmp_path) as doors:
        told = await (await doors.ask("GET", "/api/session")).json()
        assert told == {"account": None, "device": None, "csrf": ""}
        teacher = await signed_in(doors, "teacher", name="王秀英")
        told = await (await teacher.ask("GET", "/api/session")).json()
        assert (told["account"]["name"], told["account"]["role"]) == ("王秀英", "teacher")
        assert len(told["csrf"]) == 64
        assert (await teacher.ask("GET", "/api/library")).status == 200
        assert (await doors.ask("GET", "/api/library")).status == 401
