"""The one table of rights: it names every door there is, and what it says is what happens."""

from __future__ import annotations

import asyncio
import json
import re

import pytest
from sqlalchemy import insert

from classroom.catalogue.region.schema import classrooms, districts, schools
from classroom.web.rights import GRANTS, ROUTES, Right
from tests.unit.web.people import Visitor, opened, paired, signed_in
from tests.unit.web.running_node import running

STAFF = {"operator", "school_admin", "teacher", "assistant", "researcher"}
ADMINS = {"operator", "school_admin"}
EVERYBODY = {*STAFF, "device", "stranger", "beginner"}
# Whom the gate lets through, as people would say it: written down twice on purpose. A beginner is an operator whose
# password is the first one.
LET_IN = {
    Right.PUBLIC: EVERYBODY,
    Right.PAIRING: EVERYBODY,
    Right.BEARER: EVERYBODY,  # to where a token is asked for
    Right.OWN_SESSION: {*STAFF, "beginner"},
    Right.SIGNED_IN: STAFF,
    Right.LESSON_TOKEN: {*STAFF, "device"},
    Right.LIBRARY_READ: STAFF,
    Right.LIBRARY_EDIT: {*ADMINS, "teacher"},
    Right.LESSONS_WATCH: {"operator"},
    Right.REGION_READ: STAFF,
    Right.REGION_WRITE: ADMINS,
    Right.DISTRICTS_WRITE: {"operator"},
    Right.TERMS_WRITE: {"operator"},
    Right.TIMETABLE_WRITE: ADMINS,
    Right.TERMINALS_MANAGE: ADMINS,
    Right.ACCOUNTS_WRITE: ADMINS,
    Right.AUDIT_READ: ADMINS,
}
# A stranger, or a device that is none of the staff, is asked for a token: the door would take one.
ASKED_FOR_A_TOKEN = {Right.LIBRARY_READ, Right.LIBRARY_EDIT, Right.LESSONS_WATCH}
REFUSED = {"not_signed_in", "forbidden", "csrf", "must_change"}


@pytest.fixture
async def doors(tmp_path):
    async with running(tmp_path, bad_tokens_per_minute=1000) as doors:
        await opened(doors)
        async with doors.node.database.writing() as connection:
            await connection.execute(insert(districts).values(id=1, code="500111", name="大足区"))
            await connection.execute(insert(schools).values(id=1, code="3111000001", name="山坪小学", district_id=1))
            await connection.execute(insert(classrooms).values(id=1, school_id=1, name="一班", leads=False))
        yield doors


async def visitors(doors) -> dict[str, Visitor]:
    found = {role: await signed_in(doors, role, school_id=None if role == "operator" else 1) for role in STAFF}
    found["beginner"] = await signed_in(doors, "operator", must_change=True)
    found["device"] = await paired(doors, 1)
    found["stranger"] = Visitor(doors)
    return found


async def code_of(response) -> str:
    if response.content_type != "application/problem+json":
        return ""
    return json.loads(response._body)["code"]


def path_of(pattern: str) -> str:
    """A path of this pattern where there is nothing."""
    names = {"lesson": "nothing", "name": "nothing.here"}
    return re.sub(r"{(\w+)}", lambda match: names.get(match[1], "999999"), pattern)


async def test_every_door_is_in_the_table_and_nothing_else(doors):
    routes = doors.client.app.router.routes()
    there = {("GET" if route.method == "HEAD" else route.method, route.resource.canonical) for route in routes}
    assert there == set(ROUTES)


async def test_each_role_passes_each_door_that_the_table_says_and_no_other(doors):
    who = await visitors(doors)
    wrong = []
    # Signing out comes last: it is what it says.
    for (method, pattern), right in sorted(ROUTES.items(), key=lambda route: route[0] == ("DELETE", "/api/session")):
        for name, visitor in who.items():
            response = await visitor.ask(method, path_of(pattern), allow_redirects=False)
            code = await code_of(response)
            refused = code in REFUSED
            if right in ASKED_FOR_A_TOKEN and name in ("stranger", "device"):
                refused = code == "unauthorized"
            if right is Right.LIBRARY_EDIT and name in ("school_admin", "teacher"):
                refused = code != "forbidden" or "主讲教师" not in json.loads(response._body)["detail"]  # not theirs
            if refused != (name not in LET_IN[right]) or response.status == 500:
                wrong.append((method, pattern, name, response.status, code))
    assert wrong == []


def test_rights_of_the_table_are_those_that_people_say():
    for role, rights in GRANTS.items():
        for right in Right:
            if right not in (Right.PUBLIC, Right.PAIRING, Right.BEARER):
                assert (right in rights) == (role in LET_IN[right]), (role, right)


async def test_the_terms_are_for_who_reaches_every_district(doors):
    everything, district = await signed_in(doors, "operator"), await signed_in(doors, "operator", district_id=1)
    term = {"name": "秋季学期", "starts_on": "2026-09-01", "ends_on": "2027-01-20"}
    refused = await district.ask("POST", "/api/region/terms", json=term)
    assert (refused.status, await code_of(refused)) == (403, "forbidden")
    assert (await everything.ask("POST", "/api/region/terms", json=term)).status == 201
    for visitor, may in ((everything, True), (district, False)):
        rights = (await (await visitor.ask("GET", "/api/session")).json())["account"]["rights"]
        assert ("terms.write" in rights, "districts.write" in rights) == (may, True)


async def test_who_is_signed_in_is_told_so(doors):
    told = await (await doors.ask("GET", "/api/session")).json()
    assert (told["account"], told["device"], told["csrf"]) == (None, None, "")
    teacher = await signed_in(doors, "teacher", name="王秀英")
    told = await (await teacher.ask("GET", "/api/session")).json()
    assert (told["account"]["name"], told["account"]["role"]) == ("王秀英", "teacher")
    assert len(told["csrf"]) == 64
    terminal = await paired(doors, 1)
    told = await (await terminal.ask("GET", "/api/session")).json()
    assert (told["account"], told["device"]["kind"]) == (None, "terminal")
    assert told["csrf"] == told["device"]["csrf"] != ""


async def test_another_site_cannot_act_in_somebodys_name(doors):
    admin, other = await signed_in(doors, "operator"), await signed_in(doors, "operator")
    for csrf in ("", "x", "é", other.csrf):
        forged = Visitor(doors, admin.cookies, csrf)
        response = await forged.ask("POST", "/api/accounts", json={})
        assert (response.status, await code_of(response)) == (403, "csrf")
    assert (await admin.ask("POST", "/api/accounts", json={})).status == 422


async def test_a_cookie_that_is_no_text_is_nobodys(doors):
    reader, writer = await asyncio.open_connection(doors.client.host, doors.client.port)
    head = "POST /api/lessons/maths/token HTTP/1.1\r\nHost: x\r\nConnection: close\r\nCookie: device=\xff\r\n\r\n"
    writer.write(head.encode("latin-1"))
    assert (await reader.readline()).startswith(b"HTTP/1.1 401 ")
    writer.close()


async def test_a_token_of_a_lesson_does_not_open_what_needs_an_account(doors):
    for path in ("/api/accounts", "/api/audit"):
        response = await doors.ask("GET", path, doors.token("teacher"))
        assert (response.status, await code_of(response)) == (401, "not_signed_in")


async def test_what_is_not_there_is_not_found_whoever_asks(doors):
    assert (await doors.ask("GET", "/api/nothing")).status == 404
    assert (await doors.ask("PATCH", "/api/accounts")).status == 405
