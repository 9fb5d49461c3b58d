"""A region with all that deals with accounts, and what is said in tests of them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from argon2 import PasswordHasher
from sqlalchemy import insert

from classroom.catalogue.accounts.accounts import ROOT, Accounts, AccountValues, Manager
from classroom.catalogue.accounts.audit import AuditLog
from classroom.catalogue.accounts.credentials import new_credential
from classroom.catalogue.accounts.devices import Devices
from classroom.catalogue.accounts.lockout import Client
from classroom.catalogue.accounts.passwords import Passwords
from classroom.catalogue.accounts.sessions import Sessions
from classroom.catalogue.accounts.signing_in import BadLogin, Locked, SigningIn
from classroom.catalogue.region.schema import classrooms, districts, people, schools
from classroom.model import AccountRole

if TYPE_CHECKING:
    from classroom.catalogue.database import Database

NOW = datetime(2026, 9, 1, 0, 0, tzinfo=UTC)
HERE = Client("192.0.2.1")
GOOD = "山坪 小学 的 桂花树"
ISSUER = "https://id.example"
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)  # what a hash costs is tested once


class Catalogue:
    """A database with a city of two districts, a school in each, and all that deals with accounts."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.passwords = Passwords(CHEAP)
        self.accounts = Accounts(database, self.passwords)
        self.signing_in = SigningIn(database, self.passwords)
        self.sessions = Sessions(database)
        self.devices = Devices(database)
        self.audit = AuditLog(database)

    async def fill(self) -> None:
        async with self.database.writing() as connection:
            for key, parent, code in ((1, None, "500000"), (2, 1, "500111"), (3, 1, "500112")):
                values = {"id": key, "code": code, "name": code, "parent_id": parent}
                await connection.execute(insert(districts).values(values))
            for key, district in ((21, 2), (31, 3)):
                values = {"id": key, "code": f"{key:010}", "name": f"{key}小", "district_id": district}
                await connection.execute(insert(schools).values(values))
            await connection.execute(insert(people).values(id=5, kind="staff", name="王秀英", school_id=21))
            await connection.execute(insert(classrooms).values(id=7, school_id=21, name="一班", leads=False))

    async def teacher(self, login: str = "wang", **values) -> tuple[int, str]:
        told = {"name": "王秀英", "role": AccountRole.TEACHER, "school_id": 21}
        made, password = await self.accounts.add(ROOT, login, AccountValues(**{**told, **values}), NOW)
        assert password is not None
        return made.id, password

    async def manager(self, role: AccountRole, district_id=None, school_id=None) -> Manager:
        """An account of its own, with the scope that its session has."""
        values = AccountValues("某人", role, district_id=district_id, school_id=school_id)
        made, _ = await self.accounts.add(ROOT, f"{role}-{new_credential()[:8]}", values, NOW)
        session = await self.sessions.find(await self.sessions.begin(made.id, "", NOW), NOW)
        assert session is not None
        return Manager(role, session.scope, made.id)


async def wrong(catalogue, login: str, times: int, now=NOW, client=HERE) -> list[type]:
    told = []
    for _ in range(times):
        with pytest.raises((BadLogin, Locked)) as caught:
            await catalogue.signing_in.by_password(login, "wrong", client, now)
        told.append(caught.type)
    return told
