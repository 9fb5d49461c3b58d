"""Signing in, locks, and other servers that vouch, on SQLite and on PostgreSQL: the same tests, the same answers."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import insert, select

from classroom.catalogue.accounts.accounts import (
    ROOT,
    AccountValues,
    UnknownAccount,
)
from classroom.catalogue.accounts.lockout import OF_ACCOUNT, Client
from classroom.catalogue.accounts.passwords import AT_ONCE, MAX_WAITING, BadPassword, TooManyPasswords, Turn
from classroom.catalogue.accounts.schema import sign_in_locks
from classroom.catalogue.accounts.signing_in import BadLogin, Locked, SigningIn, UnknownPerson
from classroom.catalogue.accounts.withdrawals import Withdrawals
from classroom.catalogue.database import Database
from classroom.model import AccountRole
from tests.unit.catalogue.accounts.offices import GOOD, HERE, ISSUER, NOW, wrong


async def test_a_password_is_changed_and_every_session_ends(catalogue):
    account_id, first = await catalogue.teacher()
    cookies = [await catalogue.sessions.begin(account_id, "192.0.2.1", NOW) for _ in range(2)]
    with pytest.raises(BadLogin):
        await catalogue.signing_in.change_password(account_id, "wrong", GOOD, NOW)
    for bad in ("short", "wang", "1234567890", "aaaaaaaaaaaa", first, "x" * 300):
        with pytest.raises(BadPassword):
            await catalogue.signing_in.change_password(account_id, first, bad, NOW)
    assert await catalogue.sessions.find(cookies[0], NOW) is not None
    await catalogue.signing_in.change_password(account_id, first, GOOD, NOW)
    assert [await catalogue.sessions.find(cookie, NOW) for cookie in cookies] == [None, None]
    assert not (await catalogue.signing_in.by_password("wang", GOOD, HERE, NOW)).must_change
    with pytest.raises(BadLogin):
        await catalogue.signing_in.by_password("wang", first, HERE, NOW)


async def test_at_a_computer_that_somebody_has_left_the_old_password_is_not_guessed(catalogue):
    account_id, first = await catalogue.teacher()
    told = []
    for _ in range(6):
        with pytest.raises((BadLogin, Locked)) as caught:
            await catalogue.signing_in.change_password(account_id, "wrong", GOOD, NOW)
        told.append(caught.type)
    assert told == [BadLogin] * 5 + [Locked]
    with pytest.raises(Locked):
        await catalogue.signing_in.change_password(account_id, first, GOOD, NOW)
    assert (await catalogue.signing_in.by_password("wang", first, HERE, NOW)).id == account_id  # shuts nobody out
    await catalogue.signing_in.change_password(account_id, first, GOOD, NOW + timedelta(minutes=16))


@pytest.mark.parametrize("login", ["wang", "nobody"])
async def test_the_fifth_wrong_password_locks_for_15_minutes_the_next_for_30(catalogue, login):
    _, password = await catalogue.teacher()
    assert await wrong(catalogue, login, 6) == [BadLogin] * 5 + [Locked]
    with pytest.raises(Locked) as caught:
        await catalogue.signing_in.by_password(login, password, HERE, NOW)
    assert caught.value.wait_s == 15 * 60
    later = NOW + timedelta(minutes=15, seconds=1)
    assert await wrong(catalogue, login, 2, later) == [BadLogin, Locked]
    with pytest.raises(Locked):
        await catalogue.signing_in.by_password(login, password, HERE, later + timedelta(minutes=29))
    if login == "wang":
        await catalogue.signing_in.by_password(login, password, HERE, later + timedelta(minutes=31))
        assert await wrong(catalogue, login, 4, later + timedelta(minutes=31)) == [BadLogin] * 4  # counted anew


async def test_nobody_locks_a_teacher_out_by_guessing_elsewhere(catalogue):
    account_id, password = await catalogue.teacher()
    assert await wrong(catalogue, "wang", 7, client=Client("198.51.100.1")) == [BadLogin] * 5 + [Locked] * 2
    assert (await catalogue.accounts.one(ROOT, account_id)).locked_until is not None
    assert (await catalogue.signing_in.by_password("wang", password, HERE, NOW)).id == account_id
    assert await wrong(catalogue, "wang", 1, client=Client("198.51.100.1")) == [Locked]  # that does not open for them


async def test_guesses_from_many_networks_lock_all_but_a_browser_that_is_known(catalogue):
    account_id, password = await catalogue.teacher()
    async with catalogue.database.writing() as connection:
        counted = {"account_id": account_id, "client": "", "failures": OF_ACCOUNT - 2, "failed_at": NOW}
        await connection.execute(insert(sign_in_locks).values(counted))
    for n in range(2):
        assert await wrong(catalogue, "wang", 1, client=Client(f"198.51.100.{n}")) == [BadLogin]
    with pytest.raises(Locked):
        await catalogue.signing_in.by_password("wang", password, HERE, NOW)
    known = Client("browser x", is_known=True)
    assert (await catalogue.signing_in.by_password("wang", password, known, NOW)).id == account_id
    later = NOW + timedelta(minutes=15, seconds=1)
    assert await wrong(catalogue, "wang", 1, later) == [BadLogin]  # one guess of all networks, then twice as long
    with pytest.raises(Locked) as caught:
        await catalogue.signing_in.by_password("wang", password, Client("203.0.113.9"), later)
    assert caught.value.wait_s == 30 * 60
    later += timedelta(minutes=31)
    assert (await catalogue.signing_in.by_password("wang", password, Client("203.0.113.9"), later)).id == account_id
    assert await wrong(catalogue, "wang", 2, later) == [BadLogin] * 2  # counted anew


async def test_a_day_after_the_last_wrong_password_nothing_is_left_of_it(catalogue):
    await catalogue.teacher()
    for day in range(3):
        now = NOW + timedelta(days=day)
        assert await wrong(catalogue, "wang", 1, now, Client(f"198.51.100.{day}")) == [BadLogin]
    async with catalogue.database.reading() as connection:
        rows = (await connection.execute(select(sign_in_locks.c.client, sign_in_locks.c.failures))).all()
    assert {tuple(row) for row in rows} == {("198.51.100.2", 1), ("", 1)}


async def test_what_an_account_was_given_is_void_when_it_is_not_what_it_was(catalogue):
    account_id, password = await catalogue.teacher()
    withdrawals = Withdrawals(catalogue.database)
    values = AccountValues("王秀英", AccountRole.TEACHER, school_id=21)

    async def later(minutes: int) -> datetime | None:
        return (await withdrawals.since(NOW + timedelta(minutes=minutes))).get(account_id)

    def at(minutes: int) -> datetime:
        return NOW + timedelta(minutes=minutes)

    await catalogue.accounts.change(ROOT, account_id, replace(values, name="王老师"), at(1))
    assert await later(0) is None
    await catalogue.signing_in.change_password(account_id, password, GOOD, at(2))
    assert await later(2) == at(2)
    await catalogue.accounts.change(ROOT, account_id, replace(values, person_id=5), at(3))
    assert await later(3) == at(3)
    await catalogue.accounts.reset_password(ROOT, account_id, at(4))
    assert await later(4) == at(4)
    await catalogue.accounts.remove(ROOT, account_id, at(5))
    assert await later(5) == at(5)
    await withdrawals.forget(at(5) + timedelta(days=32))
    assert await later(0) is None


async def test_guesses_that_come_all_at_once_are_counted(catalogue):
    await catalogue.teacher()
    guesses = [catalogue.signing_in.by_password("wang", f"guess {n}", HERE, NOW) for n in range(8)]
    told = [type(error) for error in await asyncio.gather(*guesses, return_exceptions=True)]
    assert (told.count(BadLogin), told.count(Locked)) == (5, 3)


async def test_a_password_that_nobody_has_looked_at_is_not_a_wrong_one(catalogue):
    account_id, password = await catalogue.teacher()
    with ExitStack() as crowd:
        for is_known, places in ((True, 1), (False, AT_ONCE)):
            for _ in range(places + MAX_WAITING):
                crowd.enter_context(catalogue.passwords.turn(is_known=is_known))
        for _ in range(6):
            with pytest.raises(TooManyPasswords):
                await catalogue.signing_in.by_password("wang", password, HERE, NOW)
            with pytest.raises(TooManyPasswords):
                await catalogue.signing_in.change_password(account_id, password, GOOD, NOW)
    async with catalogue.database.reading() as connection:
        assert (await connection.execute(select(sign_in_locks))).all() == []
    await catalogue.signing_in.change_password(account_id, password, GOOD, NOW)


async def test_wrong_passwords_do_not_lock_out_who_signs_in_elsewhere(catalogue):
    account_id, _ = await catalogue.teacher()
    await catalogue.accounts.allow_binding(ROOT, account_id, NOW)
    await wrong(catalogue, "wang", 6)
    assert (await catalogue.signing_in.by_oidc(ISSUER, "sub-1", "WANG", NOW)).id == account_id


async def test_an_account_is_bound_by_its_login_only_if_it_was_made_for_that_or_somebody_lets_it_be(catalogue):
    password = await catalogue.accounts.first(NOW)
    assert password is not None
    wang = AccountValues("王秀英", AccountRole.TEACHER, school_id=21)
    made, _ = await catalogue.accounts.add(ROOT, "wang", wang, NOW, with_password=False)
    assert made.may_bind and not made.has_password
    with pytest.raises(UnknownPerson):
        await catalogue.signing_in.by_oidc(ISSUER, "sub-1", "admin", NOW)
    bound = await catalogue.signing_in.by_oidc(ISSUER, "sub-2", "wang", NOW)
    assert (bound.id, bound.has_oidc) == (made.id, False)  # the first time
    assert (await catalogue.signing_in.by_oidc(ISSUER, "sub-2", "admin", NOW)).has_oidc
    li, _ = await catalogue.accounts.add(ROOT, "li", wang, NOW, with_password=False)
    await catalogue.accounts.reset_password(ROOT, li.id, NOW)  # now it has one
    with pytest.raises(UnknownPerson):
        await catalogue.signing_in.by_oidc(ISSUER, "sub-3", "li", NOW)
    school = await catalogue.manager(AccountRole.SCHOOL_ADMIN, school_id=31)
    with pytest.raises(UnknownAccount):
        await catalogue.accounts.allow_binding(school, li.id, NOW)
    await catalogue.accounts.allow_binding(ROOT, li.id, NOW)
    assert (await catalogue.signing_in.by_oidc(ISSUER, "sub-3", "li", NOW)).id == li.id


async def test_somebody_of_another_server_gets_the_account_of_that_login_once(catalogue):
    account_id, _ = await catalogue.teacher()
    await catalogue.accounts.allow_binding(ROOT, account_id, NOW)
    sub = "s" * 255  # as long as OpenID Connect Core 1.0 §2 lets one be
    await catalogue.signing_in.by_oidc(ISSUER, sub, "wang", NOW)
    assert (await catalogue.signing_in.by_oidc(ISSUER, sub, None, NOW)).id == account_id
    for issuer, subject, login in [
        (ISSUER, "sub-2", "wang"),
        ("https://b.example", sub, "wang"),
        (ISSUER, "x", "li"),
    ]:
        with pytest.raises(UnknownPerson):
            await catalogue.signing_in.by_oidc(issuer, subject, login, NOW)
    await catalogue.accounts.unbind(ROOT, account_id, NOW)
    with pytest.raises(UnknownPerson):
        await catalogue.signing_in.by_oidc(ISSUER, "sub-2", "wang", NOW)
    await catalogue.accounts.allow_binding(ROOT, account_id, NOW)
    assert (await catalogue.signing_in.by_oidc(ISSUER, "sub-2", "wang", NOW)).id == account_id


async def test_of_two_who_come_at_once_at_two_servers_one_gets_the_account(catalogue):
    account_id, _ = await catalogue.teacher()
    await catalogue.accounts.allow_binding(ROOT, account_id, NOW)
    other = Database(catalogue.database.url)
    await other.open()
    servers = [catalogue.signing_in, SigningIn(other, catalogue.passwords)]
    try:
        asked = [servers[n % 2].by_oidc(ISSUER, f"sub-{n}", "wang", NOW) for n in range(8)]
        told = await asyncio.gather(*asked, return_exceptions=True)
    finally:
        await other.close()
    assert [type(one) for one in told].count(UnknownPerson) == 7


async def test_a_password_that_was_reset_meanwhile_is_not_changed(catalogue, monkeypatch):
    account_id, first = await catalogue.teacher()
    reset: list[str] = []

    async def slow(turn: Turn, password: str, hash=Turn.hash) -> str:
        hashed = await hash(turn, password)
        if password == GOOD:
            reset.append((await catalogue.accounts.reset_password(ROOT, account_id, NOW))[1])
        return hashed

    monkeypatch.setattr(Turn, "hash", slow)
    with pytest.raises(BadLogin):
        await catalogue.signing_in.change_password(account_id, first, GOOD, NOW)
    assert (await catalogue.signing_in.by_password("wang", reset[0], HERE, NOW)).must_change
