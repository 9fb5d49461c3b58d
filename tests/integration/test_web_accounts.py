"""Signing in, accounts and the audit log over real sockets, with both databases."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert, select, update

from classroom.catalogue.accounts.audit import AuditLog, Entry
from classroom.catalogue.accounts.schema import account_sessions, audit, sign_in_locks
from classroom.catalogue.region.schema import districts, schools
from tests.unit.catalogue.entries import DATABASES, new_url
from tests.unit.web.people import Visitor, opened, signed_in
from tests.unit.web.running_node import running, until_patience_ends

GOOD = "山坪 小学 的 桂花树"


@pytest.fixture(params=DATABASES)
async def doors(request, tmp_path):
    url = new_url(request.param)
    async with running(tmp_path, **({} if url is None else {"database_url": url})) as doors:
        await filled(doors)
        yield doors


@pytest.fixture
async def here(tmp_path):
    """With SQLite, for what no database has a say in."""
    async with running(tmp_path) as doors:
        await filled(doors)
        yield doors


async def filled(doors) -> None:
    await opened(doors)
    async with doors.node.database.writing() as connection:
        await connection.execute(insert(districts).values(id=1, code="500111", name="大足区"))
        for number in (1, 2):
            values = {"id": number, "code": f"311100000{number}", "name": f"第{number}小学", "district_id": 1}
            await connection.execute(insert(schools).values(values))


async def told(response, status: int = 200):
    assert response.status == status, response._body
    return json.loads(response._body)


async def code(response) -> tuple[int, str]:
    return response.status, json.loads(response._body)["code"]


async def sign_in(doors, login: str, password: str) -> Visitor:
    response = await doors.ask("POST", "/api/session", json={"login": login, "password": password})
    assert response.status == 204, response._body
    visitor = Visitor(doors, {"session": response.cookies["session"].value})
    visitor.csrf = (await told(await visitor.ask("GET", "/api/session")))["csrf"]
    return visitor


async def added(admin: Visitor, **values) -> tuple[dict, str]:
    body = {"login": "wang", "name": "王秀英", "role": "teacher", "school_id": 1, **values}
    made = await told(await admin.ask("POST", "/api/accounts", json=body), 201)
    return made["account"], made["password"]


async def actions(doors) -> list[str]:
    async with doors.node.database.reading() as connection:
        return list(await connection.scalars(select(audit.c.action).order_by(audit.c.id)))


async def test_a_teachers_first_day(doors):
    password = await doors.node.accounts.first(datetime.now(UTC))
    admin = await sign_in(doors, "admin", password)
    assert await code(await admin.ask("GET", "/api/accounts")) == (403, "must_change")
    changed = await admin.ask("PUT", "/api/session/password", json={"old": password, "new": GOOD})
    assert changed.status == 204
    assert (await told(await admin.ask("GET", "/api/session")))["account"] is None  # the session before ended
    admin = await sign_in(doors, "admin", GOOD)
    account, password = await added(admin)
    assert (account["login"], account["must_change"], account["has_oidc"]) == ("wang", True, False)
    teacher = await sign_in(doors, "Wang ", password)
    assert (await told(await teacher.ask("GET", "/api/session")))["account"]["must_change"]
    bad = await teacher.ask("PUT", "/api/session/password", json={"old": password, "new": "woaini1314"})
    assert await code(bad) == (422, "bad_password")
    response = await teacher.ask("PUT", "/api/session/password", json={"old": password, "new": GOOD + "1"})
    teacher = Visitor(doors, {"session": response.cookies["session"].value})
    session = await told(await teacher.ask("GET", "/api/session"))
    assert (session["account"]["must_change"], session["account"]["school_id"]) == (False, 1)
    teacher.csrf = session["csrf"]
    assert (await teacher.ask("GET", "/api/library")).status == 200
    assert await code(await teacher.ask("GET", "/api/accounts")) == (403, "forbidden")
    assert (await teacher.ask("DELETE", "/api/session")).status == 204
    assert (await told(await teacher.ask("GET", "/api/session")))["account"] is None
    assert await actions(doors) == [
        "session.begin", "session.password", "session.begin", "account.add", "session.begin", "session.password",
        "session.end",
    ]  # fmt: skip


async def test_what_a_database_cannot_keep_is_refused_and_not_its_fault(doors):
    admin = await signed_in(doors, "operator")
    stranger = await doors.ask("POST", "/api/session", json={"login": "wang\0", "password": "x"})
    assert await code(stranger) == (422, "bad_request")
    body = {"login": "li", "name": "李\0", "role": "teacher", "school_id": 1}
    assert await code(await admin.ask("POST", "/api/accounts", json=body)) == (422, "bad_request")
    for path in ("/api/accounts?q=%00", "/api/audit?actor=%00", "/api/region/schools?q=%00"):
        assert await code(await admin.ask("GET", path)) == (400, "bad_query")
    assert (await admin.ask("GET", "/api/region/classes?grade=%00")).status == 200


async def lock(doors, account_id: int, client: str) -> None:
    """As a day of guessing leaves an account: for a network, or with "" for all."""
    now = datetime.now(UTC)
    values = {"account_id": account_id, "client": client, "failures": 99, "failed_at": now}
    async with doors.node.database.writing() as connection:
        await connection.execute(insert(sign_in_locks).values(**values, locked_until=now + timedelta(hours=1)))


async def test_one_login_is_one_login_however_it_is_typed(here):
    logins = ("wang", "WANG", " wang", "ｗang", "wａng", "waｎg", "wanｇ", "Ｗang", "wＡng", "waＮg", "wanＧ")
    answers = [await here.ask("POST", "/api/session", json={"login": login, "password": "x"}) for login in logins]
    assert [answer.status for answer in answers][:10] == [401] * 5 + [423] * 5


async def test_the_cookie_is_for_the_browser_only(here):
    admin = await signed_in(here, "operator")
    _, password = await added(admin)
    response = await here.ask("POST", "/api/session", json={"login": "wang", "password": password})
    cookie = response.cookies["session"]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"], cookie["secure"]) == (True, "Lax", "/", "")
    assert int(cookie["max-age"]) == 12 * 3600
    async with here.node.database.reading() as connection:
        assert cookie.value not in (await connection.scalars(select(account_sessions.c.id_hash))).all()


async def test_a_session_that_is_used_lasts_on(here):
    teacher = await signed_in(here, "teacher", school_id=1)
    response = await teacher.ask("GET", "/api/library")
    assert "session" not in response.cookies
    earlier = datetime.now(UTC) - timedelta(minutes=11)
    async with here.node.database.writing() as connection:
        await connection.execute(update(account_sessions).values(seen_at=earlier))
    response = await teacher.ask("GET", "/api/library")
    assert response.cookies["session"].value == teacher.cookies["session"]
    async with here.node.database.reading() as connection:
        assert await connection.scalar(select(account_sessions.c.seen_at)) > earlier


async def test_wrong_passwords_lock_and_it_is_told_for_how_long(here):
    admin = await signed_in(here, "operator")
    _, password = await added(admin)
    for login in ("wang", "nobody"):
        for _ in range(5):
            wrong = await here.ask("POST", "/api/session", json={"login": login, "password": "wrong"})
            assert await code(wrong) == (401, "bad_login")
            assert "WWW-Authenticate" not in wrong.headers
        locked = await here.ask("POST", "/api/session", json={"login": login, "password": password})
        assert await code(locked) == (423, "locked")
        assert 890 <= int(locked.headers["Retry-After"]) <= 900
    (account,) = (await told(await admin.ask("GET", "/api/accounts?q=wang")))["items"]
    assert account["locked_until"] is not None
    log = (await told(await admin.ask("GET", "/api/audit?action=session.")))["items"]
    assert {(entry["action"], entry["object"], entry["detail"]["count"]) for entry in log} == {
        ("session.refused", "wang", 5), ("session.locked", "wang", 1),
        ("session.refused", "-", 5), ("session.locked", "-", 1),
    }  # fmt: skip
    reset = await told(await admin.ask("POST", f"/api/accounts/{account['id']}/password"))
    await sign_in(here, "wang", reset["password"])


async def test_nobody_is_in_the_log_as_the_provider_would_name_them(here):
    admin = await signed_in(here, "operator")
    body = {"login": "oidc the principal", "password": "wrong"}
    assert await code(await here.ask("POST", "/api/session", json=body)) == (401, "bad_login")
    (entry,) = (await told(await admin.ask("GET", "/api/audit?action=session.refused")))["items"]
    assert (entry["actor"], entry["object"]) == ("-", "-")


async def test_a_teacher_gets_in_whoever_guesses_and_wherever(tmp_path):
    """Guessers: in many places, and in the very network of the school."""
    async with running(tmp_path, proxies="127.0.0.1") as doors:
        await filled(doors)
        account, password = await added(await signed_in(doors, "operator"))

        async def attempt(password: str, network: str, cookie: str = ""):
            headers = {"X-Forwarded-For": network} | ({"Cookie": f"browser={cookie}"} if cookie else {})
            body = {"login": "wang", "password": password}
            return await doors.ask("POST", "/api/session", json=body, headers=headers)

        first = await attempt(password, "192.0.2.1")
        assert first.status == 204
        known = first.cookies["browser"]
        assert (known["httponly"], known["samesite"], known["path"]) == (True, "Strict", "/api/session")
        assert "wang" not in known.value
        statuses = await until_patience_ends(lambda: attempt("wrong", "192.0.2.1"))
        assert statuses[:6] == [401] * 5 + [423]
        assert (await attempt(password, "203.0.113.7")).status == 204  # in another place, in another browser
        await lock(doors, account["id"], "")  # guesses from many places
        assert (await attempt(password, "203.0.113.8")).status == 423
        again = await attempt(password, "192.0.2.1", known.value)
        assert again.status == 204
        assert again.cookies["browser"].value == known.value
        # It is this login's, and nobody makes one up.
        name, mark = known.value.split(".")
        for forged in (f"{name}.{'A' * 22}", f"{'A' * 22}.{mark}", name, f"{name}..{mark}", "x" * 5000):
            assert (await attempt(password, "203.0.113.8", forged)).status == 423


async def test_a_browser_is_known_for_all_who_sign_in_there(here):
    admin = await signed_in(here, "operator")
    passwords, cookie = {}, ""
    for login in ("wang", "li"):
        account, password = await added(admin, login=login)
        passwords[login] = password
        headers = {"Cookie": f"browser={cookie}"} if cookie else {}
        body = {"login": login, "password": password}
        cookie = (await here.ask("POST", "/api/session", json=body, headers=headers)).cookies["browser"].value
        await lock(here, account["id"], "127.0.0.1")
    for login, password in passwords.items():
        body = {"login": login, "password": password}
        assert (await here.ask("POST", "/api/session", json=body)).status == 423
        known = {"Cookie": f"browser={cookie}"}
        assert (await here.ask("POST", "/api/session", json=body, headers=known)).status == 204


async def test_strangers_do_not_fill_the_log_nor_is_kept_what_they_type(tmp_path):
    async with running(tmp_path, proxies="127.0.0.1") as doors:
        admin = await signed_in(doors, "operator")
        for n in range(6):
            body = {"login": f"my password {n}", "password": "x"}
            headers = {"X-Forwarded-For": f"198.51.100.{n % 2}"}
            assert (await doors.ask("POST", "/api/session", json=body, headers=headers)).status == 401
        log = await told(await admin.ask("GET", "/api/audit"))
        assert [(entry["actor"], entry["object"], entry["detail"]["count"]) for entry in log["items"]] == [
            ("-", "-", 3)
        ] * 2
        assert "my password" not in json.dumps(log)


@pytest.mark.parametrize("kind", DATABASES)
async def test_what_is_older_than_it_is_to_be_kept_is_forgotten_by_the_server(tmp_path, kind):
    url = new_url(kind)
    settings = {"audit_days": 200} | ({} if url is None else {"database_url": url})
    async with running(tmp_path, **settings) as doors:
        await filled(doors)
        log, now = AuditLog(doors.node.database), datetime.now(UTC)
        for days in (1, 199, 201, 400):
            await log.put(Entry(now - timedelta(days=days), None, "-", f"was.{days}", "-", {}, ""))
    async with running(tmp_path, **settings) as doors:
        await opened(doors)
        async with asyncio.timeout(30):
            while len(left := await actions(doors)) > 2:
                await asyncio.sleep(0.05)
        assert left == ["was.1", "was.199"]


async def test_who_tries_too_often_waits(here):
    body = {"login": "nobody", "password": "x"}
    statuses = await until_patience_ends(lambda: here.ask("POST", "/api/session", json=body))
    assert statuses[:6] == [401] * 5 + [423] and len(statuses) >= 10
    other = await here.ask("POST", "/api/session", json={"login": "somebody", "password": "x"})
    assert other.status == 401


@pytest.mark.parametrize(
    "body",
    ['{"login": "x"}', '{"login": "x", "password": 1}', '{"login": "x", "password": "y", "z": 1}', "[", "null", '"x"'],
)
async def test_what_is_no_sign_in_is_refused(here, body):
    response = await here.ask("POST", "/api/session", data=body, headers={"Content-Type": "application/json"})
    assert await code(response) == (422, "bad_request")
    assert (await here.ask("POST", "/api/session", data={"login": "x", "password": "y"})).status == 415


async def test_accounts_are_looked_after(doors):
    admin = await signed_in(doors, "operator")
    account, _ = await added(admin)
    one = f"/api/accounts/{account['id']}"
    assert await told(await admin.ask("GET", one)) == account
    values = {key: account[key] for key in ("name", "role", "person_id", "district_id", "school_id", "disabled")}
    changed = await told(await admin.ask("PUT", one, json={**values, "name": "王老师"}))
    assert changed["name"] == "王老师"
    teacher = await signed_in(doors, "teacher", school_id=1)
    path = f"/api/accounts/{teacher.id}"
    await told(await admin.ask("PUT", path, json={**values, "disabled": True}))
    assert (await told(await teacher.ask("GET", "/api/session")))["account"] is None
    assert (await admin.ask("DELETE", path)).status == 204
    assert await code(await admin.ask("GET", path)) == (404, "unknown_account")
    assert await code(await admin.ask("DELETE", f"/api/accounts/{admin.id}")) == (409, "not_yourself")
    body = {"login": "wang", "name": "另一个", "role": "operator"}
    assert await code(await admin.ask("POST", "/api/accounts", json=body)) == (409, "login_taken")
    elsewhere = await told(
        await admin.ask("POST", "/api/accounts", json={**body, "login": "li", "password": False}), 201
    )
    assert (elsewhere["password"], elsewhere["account"]["has_password"]) == (None, False)
    page = await told(await admin.ask("GET", "/api/accounts?page_size=2"))
    assert (page["total"], len(page["items"])) == (3, 2)
    for path in ("/api/accounts/x", "/api/accounts/-1", "/api/accounts/99999999999999999999"):
        assert await code(await admin.ask("GET", path)) == (404, "not_found")
    assert await code(await admin.ask("GET", "/api/accounts?page=0")) == (400, "bad_query")
    assert await code(await admin.ask("PUT", one, json={**values, "school_id": 99})) == (422, "bad_account")


async def test_a_school_looks_after_its_own_accounts_only(doors):
    operator = await signed_in(doors, "operator")
    ours, _ = await added(operator, login="ours")
    theirs, _ = await added(operator, login="theirs", school_id=2)
    admin = await signed_in(doors, "school_admin", school_id=1)
    page = await told(await admin.ask("GET", "/api/accounts"))
    assert theirs["id"] not in {account["id"] for account in page["items"]}
    await told(await admin.ask("POST", f"/api/accounts/{ours['id']}/password"))
    await added(admin, login="new")
    for method, path, options in [
        ("GET", "", {}),
        ("PUT", "", {"json": {"name": "x", "role": "teacher", "school_id": 1}}),
        ("DELETE", "", {}),
        ("POST", "/password", {}),
        ("DELETE", "/oidc", {}),
    ]:
        response = await admin.ask(method, f"/api/accounts/{theirs['id']}{path}", **options)
        assert await code(response) == (404, "unknown_account")
    for values in ({"role": "operator"}, {"role": "teacher", "school_id": 2}, {"role": "operator", "district_id": 1}):
        response = await admin.ask("POST", "/api/accounts", json={"login": "more", "name": "x", **values})
        assert await code(response) == (403, "out_of_scope")
    log = await told(await admin.ask("GET", "/api/audit"))
    assert [(entry["action"], entry["object"]) for entry in log["items"]] == [
        ("account.add", "new"),
        ("account.reset_password", "ours"),
    ]
    log = await told(await operator.ask("GET", "/api/audit?action=account.add&page_size=2"))
    assert (log["total"], [entry["object"] for entry in log["items"]]) == (3, ["new", "theirs"])
    assert log["items"][0]["detail"] == {"role": "teacher", "name": "王秀英"}
    assert (await told(await operator.ask("GET", "/api/audit?to=2020-01-01")))["total"] == 0
