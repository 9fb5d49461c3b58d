"""Accounts, sessions, devices and the audit log on SQLite and on PostgreSQL: the same tests, the same answers."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from argon2 import extract_parameters
from argon2.profiles import RFC_9106_LOW_MEMORY
from sqlalchemy import insert, select, update

from classroom.catalogue.accounts.accounts import (
    ROOT,
    AccountValues,
    LoginTaken,
    NotYourself,
    UnknownAccount,
)
from classroom.catalogue.accounts.audit import AuditQuery, Entry
from classroom.catalogue.accounts.credentials import hash_of, new_credential
from classroom.catalogue.accounts.logins import BadAccount
from classroom.catalogue.accounts.passwords import Passwords
from classroom.catalogue.accounts.schema import account_sessions, accounts, devices
from classroom.catalogue.accounts.sessions import LONGEST, MAX_SESSIONS, SESSION_S
from classroom.catalogue.accounts.signing_in import AccountDisabled, BadLogin, SigningIn
from classroom.catalogue.scope import OutOfScope, Scope
from classroom.model import AccountRole
from tests.unit.catalogue.accounts.offices import HERE, ISSUER, NOW, wrong


async def test_the_first_account_is_made_once(catalogue):
    password = await catalogue.accounts.first(NOW)
    assert await catalogue.accounts.first(NOW) is None
    account = await catalogue.signing_in.by_password(" ADMIN ", password, HERE, NOW)
    assert (account.role, account.must_change, account.has_password) == (AccountRole.OPERATOR, True, True)
    async with catalogue.database.reading() as connection:
        stored = await connection.scalar(select(accounts.c.password_hash))
    assert stored.startswith("$argon2id$") and password not in stored


async def test_a_hash_costs_what_it_should_and_one_that_was_cheaper_is_made_anew(catalogue):
    account_id, password = await catalogue.teacher()
    passwords = Passwords()
    signing_in = SigningIn(catalogue.database, passwords)
    assert (await signing_in.by_password("wang", password, HERE, NOW)).id == account_id
    async with catalogue.database.reading() as connection:
        stored = await connection.scalar(select(accounts.c.password_hash).where(accounts.c.id == account_id))
    assert extract_parameters(stored) == RFC_9106_LOW_MEMORY
    with passwords.turn(is_known=True) as turn:
        assert await turn.verify(stored, password)
    passwords.close()


async def test_a_session_slides_and_ends(catalogue):
    account_id, _ = await catalogue.teacher()
    cookie = await catalogue.sessions.begin(account_id, "192.0.2.1", NOW)
    almost = NOW + timedelta(seconds=SESSION_S - 1)
    session = await catalogue.sessions.find(cookie, almost)
    assert session is not None and session.is_stale(almost) and not session.is_stale(NOW)
    await catalogue.sessions.see(cookie, almost)
    assert await catalogue.sessions.find(cookie, NOW + timedelta(seconds=SESSION_S + 1)) is not None
    assert await catalogue.sessions.find(cookie, almost + timedelta(seconds=SESSION_S)) is None
    await catalogue.sessions.end(cookie)
    assert await catalogue.sessions.find(cookie, NOW) is None
    async with catalogue.database.reading() as connection:
        assert (await connection.scalars(select(account_sessions.c.id_hash))).all() == []


async def test_a_session_that_is_used_all_the_time_ends_after_a_week(catalogue):
    account_id, _ = await catalogue.teacher()
    cookie = await catalogue.sessions.begin(account_id, "192.0.2.1", NOW)
    for hour in range(10, int(LONGEST.total_seconds()) // 3600, 10):
        await catalogue.sessions.see(cookie, NOW + timedelta(hours=hour))
    last = await catalogue.sessions.find(cookie, NOW + LONGEST - timedelta(seconds=1))
    assert last is not None and last.expires_at == NOW + LONGEST
    assert await catalogue.sessions.find(cookie, NOW + LONGEST) is None


async def test_an_account_has_so_many_sessions_and_no_more(catalogue):
    account_id, _ = await catalogue.teacher()
    other, _ = await catalogue.teacher("li")
    kept = await catalogue.sessions.begin(other, "", NOW)
    cookies = [
        await catalogue.sessions.begin(account_id, "", NOW + timedelta(seconds=n)) for n in range(MAX_SESSIONS + 2)
    ]
    found = [await catalogue.sessions.find(cookie, NOW) is not None for cookie in cookies]
    assert found == [False, False] + [True] * MAX_SESSIONS
    assert await catalogue.sessions.find(kept, NOW) is not None
    async with catalogue.database.reading() as connection:
        assert cookies[-1] not in (await connection.scalars(select(account_sessions.c.id_hash))).all()


async def test_who_is_disabled_is_out_at_once(catalogue):
    account_id, password = await catalogue.teacher()
    cookie = await catalogue.sessions.begin(account_id, "", NOW)
    values = AccountValues("王秀英", AccountRole.TEACHER, school_id=21, disabled=True)
    await catalogue.accounts.allow_binding(ROOT, account_id, NOW)
    await catalogue.accounts.change(ROOT, account_id, values, NOW)
    assert await catalogue.sessions.find(cookie, NOW) is None
    with pytest.raises(AccountDisabled):
        await catalogue.signing_in.by_password("wang", password, HERE, NOW)
    with pytest.raises(BadLogin):
        await catalogue.signing_in.by_password("wang", "wrong", HERE, NOW)
    with pytest.raises(AccountDisabled):
        await catalogue.signing_in.by_oidc(ISSUER, "sub-1", "wang", NOW)


async def test_an_administrator_gives_a_new_password(catalogue):
    account_id, first = await catalogue.teacher()
    await wrong(catalogue, "wang", 6)
    _, second = await catalogue.accounts.reset_password(ROOT, account_id, NOW)
    assert (await catalogue.signing_in.by_password("wang", second, HERE, NOW)).must_change
    with pytest.raises(BadLogin):
        await catalogue.signing_in.by_password("wang", first, HERE, NOW)


async def test_scopes_are_of_a_city_a_district_a_school(catalogue):
    city = await catalogue.manager(AccountRole.OPERATOR, district_id=1)
    district = await catalogue.manager(AccountRole.OPERATOR, district_id=2)
    school = await catalogue.manager(AccountRole.SCHOOL_ADMIN, school_id=21)
    assert (await catalogue.manager(AccountRole.OPERATOR)).scope.everything
    assert city.scope == Scope(frozenset({1, 2, 3}))
    assert district.scope == Scope(frozenset({2}))
    assert school.scope == Scope(frozenset(), 21)
    reach = [[manager.scope.covers_school(*at) for at in ((21, 2), (31, 3))] for manager in (city, district, school)]
    assert reach == [[True, True], [True, False], [True, False]]
    with pytest.raises(OutOfScope):
        school.scope.require_district(2)
    with pytest.raises(OutOfScope):
        city.scope.require_everything()


async def test_each_looks_after_the_accounts_within_reach(catalogue):
    here, _ = await catalogue.teacher("here")
    there, _ = await catalogue.teacher("there", school_id=31)
    root = (await catalogue.accounts.add(ROOT, "root", AccountValues("总管", AccountRole.OPERATOR), NOW))[0].id
    researcher = AccountValues("教研员", AccountRole.RESEARCHER, school_id=21)
    studies = (await catalogue.accounts.add(ROOT, "studies", researcher, NOW))[0].id
    district = await catalogue.manager(AccountRole.OPERATOR, district_id=2)
    school = await catalogue.manager(AccountRole.SCHOOL_ADMIN, school_id=21)
    for manager in (district, school):
        seen = {account.id for account in (await catalogue.accounts.page(manager)).items}
        assert here in seen and studies in seen and not {there, root} & seen
        for hidden in (there, root, 99):
            with pytest.raises(UnknownAccount):
                await catalogue.accounts.one(manager, hidden)
            with pytest.raises(UnknownAccount):
                await catalogue.accounts.reset_password(manager, hidden, NOW)
            with pytest.raises(UnknownAccount):
                await catalogue.accounts.remove(manager, hidden, NOW)
        for role, where in [
            (AccountRole.OPERATOR, {}),
            (AccountRole.OPERATOR, {"district_id": 1}),
            (AccountRole.TEACHER, {"school_id": 31}),
        ]:
            values = AccountValues("某人", role, **where)
            with pytest.raises(OutOfScope):
                await catalogue.accounts.add(manager, "more", values, NOW)
            with pytest.raises(OutOfScope):
                await catalogue.accounts.change(manager, here, values, NOW)
        await catalogue.accounts.change(manager, here, AccountValues("改名", AccountRole.ASSISTANT, school_id=21), NOW)
    with pytest.raises(OutOfScope):  # more than a school is a researcher's
        await catalogue.accounts.reset_password(school, studies, NOW)
    with pytest.raises(OutOfScope):
        await catalogue.accounts.add(school, "more", researcher, NOW)
    await catalogue.accounts.reset_password(district, studies, NOW)


async def test_nobody_is_made_a_teacher_of_another_district(catalogue):
    there = await catalogue.manager(AccountRole.OPERATOR, district_id=3)
    wang = AccountValues("某人", AccountRole.OPERATOR, person_id=5, district_id=3)
    with pytest.raises(OutOfScope):
        await catalogue.accounts.add(there, "more", wang, NOW)
    with pytest.raises(OutOfScope):
        await catalogue.accounts.change(there, there.account_id, wang, NOW)
    here = await catalogue.manager(AccountRole.OPERATOR, district_id=2)
    await catalogue.accounts.add(here, "more", AccountValues("某人", AccountRole.OPERATOR, 5, 2), NOW)


async def test_an_account_is_never_taken_for_one_that_is_gone(catalogue):
    gone, _ = await catalogue.teacher()
    await catalogue.accounts.remove(ROOT, gone, NOW)
    assert (await catalogue.teacher())[0] > gone


async def test_nobody_takes_away_what_they_stand_on(catalogue):
    root = await catalogue.manager(AccountRole.OPERATOR)
    for values in (
        AccountValues("某人", AccountRole.OPERATOR, disabled=True),
        AccountValues("某人", AccountRole.OPERATOR, district_id=1),
        AccountValues("某人", AccountRole.TEACHER, school_id=21),
    ):
        with pytest.raises(NotYourself):
            await catalogue.accounts.change(root, root.account_id, values, NOW)
    with pytest.raises(NotYourself):
        await catalogue.accounts.remove(root, root.account_id, NOW)
    boss = AccountValues("某人", AccountRole.OPERATOR)
    elsewhere, _ = await catalogue.accounts.add(ROOT, "elsewhere", boss, NOW, with_password=False)
    await catalogue.signing_in.by_oidc(ISSUER, "sub-1", "elsewhere", NOW)
    with pytest.raises(NotYourself):  # there is no other way in
        await catalogue.accounts.unbind(replace(root, account_id=elsewhere.id), elsewhere.id, NOW)
    assert (await catalogue.signing_in.by_oidc(ISSUER, "sub-1", None, NOW)).id == elsewhere.id
    await catalogue.accounts.unbind(root, elsewhere.id, NOW)
    renamed = await catalogue.accounts.change(root, root.account_id, AccountValues("新名", AccountRole.OPERATOR), NOW)
    assert renamed.name == "新名"


async def test_what_does_not_go_together_is_refused(catalogue):
    for role, where in [
        (AccountRole.TEACHER, {}),
        (AccountRole.TEACHER, {"school_id": 21, "district_id": 2}),
        (AccountRole.TEACHER, {"school_id": 99}),
        (AccountRole.OPERATOR, {"district_id": 99}),
        (AccountRole.OPERATOR, {"school_id": 21}),
        (AccountRole.RESEARCHER, {}),
        (AccountRole.RESEARCHER, {"school_id": 21, "district_id": 2}),
        (AccountRole.TEACHER, {"school_id": 31, "person_id": 5}),
        (AccountRole.TEACHER, {"school_id": 21, "person_id": 99}),
        (AccountRole.OPERATOR, {"name": " "}),
    ]:
        with pytest.raises(BadAccount):
            await catalogue.accounts.add(
                ROOT, "somebody", AccountValues(**{"name": "某人", "role": role, **where}), NOW
            )


async def test_a_login_is_there_once_and_looks_like_one(catalogue):
    await catalogue.teacher("Ｗang.1")  # full width, as an input method may give it
    with pytest.raises(LoginTaken):
        await catalogue.teacher(" wang.1 ")
    for login in ("", "x", "a b", "<b>", "x" * 61 + " "):
        with pytest.raises(BadAccount):
            await catalogue.teacher(login)


async def test_accounts_are_found_by_login_and_name(catalogue):
    await catalogue.teacher("wang", person_id=5)
    await catalogue.teacher("li_1", name="李建国")
    await catalogue.teacher("li11", name="李_", role=AccountRole.ASSISTANT)

    async def found(**asked):
        page = await catalogue.accounts.page(ROOT, **asked)
        return page.total, [account.login for account in page.items]

    assert await found() == (3, ["li11", "li_1", "wang"]) or await found() == (3, ["li_1", "li11", "wang"])
    assert await found(text="建国") == (1, ["li_1"])
    assert await found(text="I_") == (1, ["li_1"])
    assert await found(role=AccountRole.ASSISTANT) == (1, ["li11"])
    assert (await found(page=2, page_size=2))[0] == 3
    assert len((await found(page=2, page_size=2))[1]) == 1


async def test_a_device_is_known_until_it_is_revoked(catalogue):
    credential = new_credential()
    row = {"id": "0123456789abcdef", "kind": "terminal", "name": "大屏", "classroom_id": 7, "paired_at": NOW}
    async with catalogue.database.writing() as connection:
        await connection.execute(insert(devices).values(**row, credential_hash=hash_of(credential)))
    device = await catalogue.devices.find(credential)
    assert device is not None and (device.id, device.classroom_id) == ("0123456789abcdef", 7)
    assert await catalogue.devices.find(new_credential()) is None
    assert await catalogue.devices.find(hash_of(credential)) is None
    async with catalogue.database.writing() as connection:
        await connection.execute(update(devices).values(revoked_at=NOW))
    assert await catalogue.devices.find(credential) is None


async def test_the_log_tells_who_did_what_to_those_who_may_know(catalogue):
    here, _ = await catalogue.teacher("here")
    there, _ = await catalogue.teacher("there", school_id=31)
    for n, (account_id, actor, action) in enumerate(
        [(here, "here 王", "session.begin"), (there, "there 李", "account.add"), (None, "admin'--", "session.refused")]
    ):
        entry = Entry(NOW + timedelta(minutes=n), account_id, actor, action, "x" * 300, {"n": n}, "192.0.2.1")
        await catalogue.audit.put(entry)
    everything = (await catalogue.manager(AccountRole.OPERATOR)).scope
    school = (await catalogue.manager(AccountRole.SCHOOL_ADMIN, school_id=21)).scope

    async def seen(scope, **asked):
        return [entry.detail["n"] for entry in (await catalogue.audit.page(AuditQuery(**asked), scope)).items]

    assert await seen(everything) == [2, 1, 0]
    assert await seen(school) == [0]
    assert await seen(everything, action="session.") == [2, 0]
    assert await seen(everything, actor="李") == [1]
    assert await seen(everything, since=NOW + timedelta(minutes=1), until=NOW + timedelta(minutes=2)) == [1]
    assert await seen(everything, page=2, page_size=2) == [0]
    await catalogue.accounts.remove(ROOT, there, NOW)
    assert await seen(everything) == [2, 1, 0]
    counted = await catalogue.audit.put(Entry(NOW + timedelta(minutes=3), None, "-", "x", "", {"n": 3}, ""))
    await catalogue.audit.say_more(counted, {"n": 4})
    assert await seen(everything) == [4, 2, 1, 0]
    await catalogue.audit.forget(NOW + timedelta(minutes=2))
    assert await seen(everything) == [4, 2]
