"""What ``classroom account`` does: accounts, for whoever has the machine. The server may run meanwhile."""

from __future__ import annotations

import dataclasses
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from classroom.catalogue.accounts.accounts import ROOT, Accounts, AccountValues
from classroom.catalogue.accounts.audit import AuditLog, Entry
from classroom.catalogue.accounts.passwords import Passwords
from classroom.storage import open_database

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from classroom.catalogue.accounts.account import Account
    from classroom.config import Settings
    from classroom.model import AccountRole

_PAGE = 200


class Desk:
    """The accounts, open for as long as a command needs. Methods raise ClassroomError."""

    def __init__(self, accounts: Accounts, log: AuditLog) -> None:
        self._accounts = accounts
        self._log = log

    async def add(
        self,
        login: str,
        name: str,
        role: AccountRole,
        school_code: str | None,
        district_code: str | None,
        *,
        with_password: bool = True,
    ) -> str | None:
        """Make an account and return its one-time password; without one it is for single sign-on."""
        school_id, district_id = await self._accounts.place(school_code, district_code)
        values = AccountValues(name, role, district_id=district_id, school_id=school_id)
        account, password = await self._accounts.add(
            ROOT, login, values, datetime.now(UTC), with_password=with_password
        )
        await self._note("account.add", account)
        return password

    async def all(self) -> list[Account]:
        """Every account, by login."""
        found: list[Account] = []
        while True:
            page = await self._accounts.page(ROOT, page=len(found) // _PAGE + 1, page_size=_PAGE)
            found += page.items
            if len(page.items) < _PAGE:
                return found

    async def reset_password(self, login: str) -> str:
        """A new one-time password."""
        account = await self._accounts.named(login)
        _, password = await self._accounts.reset_password(ROOT, account.id, datetime.now(UTC))
        await self._note("account.reset_password", account)
        return password

    async def allow_binding(self, login: str) -> None:
        """Let the next whom the OpenID provider calls so have the account."""
        account = await self._accounts.named(login)
        await self._accounts.allow_binding(ROOT, account.id, datetime.now(UTC))
        await self._note("account.allow_binding", account)

    async def set_disabled(self, login: str, *, disabled: bool) -> None:
        """Whether the account may not be used."""
        account = await self._accounts.named(login)
        said = {field.name: getattr(account, field.name) for field in dataclasses.fields(AccountValues)}
        values = AccountValues(**{**said, "disabled": disabled})
        await self._accounts.change(ROOT, account.id, values, datetime.now(UTC))
        await self._note("account.change", account)

    async def _note(self, action: str, account: Account) -> None:
        await self._log.put(Entry(datetime.now(UTC), None, "classroom account", action, account.login, {}, ""))


@asynccontextmanager
async def desk(settings: Settings) -> AsyncIterator[Desk]:
    """Open the accounts. Raises CatalogueUnavailable, BadDatabaseUrl."""
    database, passwords = open_database(settings), Passwords()
    try:
        await database.open()
        yield Desk(Accounts(database, passwords), AuditLog(database))
    finally:
        await database.close()
        passwords.close()
