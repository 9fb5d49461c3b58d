"""``classroom account …``: accounts, for whoever has the machine. The server may run meanwhile."""

import asyncio
import dataclasses
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from classroom.catalogue.accounts.account import Account
from classroom.catalogue.accounts.accounts import ROOT, Accounts, AccountValues
from classroom.catalogue.accounts.audit import AuditLog, Entry
from classroom.catalogue.accounts.passwords import Passwords
from classroom.composition import open_database
from classroom.config import Settings, load_settings
from classroom.model import AccountRole

PAGE = 200

Recordings = Annotated[Path | None, typer.Option(metavar="DIR", help="数据目录 Data directory [recordings]")]
Config = Annotated[Path | None, typer.Option(metavar="FILE", help="TOML 配置文件 Settings file [./classroom.toml]")]
Login = Annotated[str, typer.Argument(metavar="LOGIN", help="账号，如工号 Login: a staff number, for example")]

app = typer.Typer(help="账号。 Accounts of people who sign in.", no_args_is_help=True)


class _Desk:
    """The accounts, and what is noted of this."""

    def __init__(self, accounts: Accounts, log: AuditLog) -> None:
        self.accounts = accounts
        self._log = log

    async def note(self, action: str, account: Account) -> None:
        await self._log.put(Entry(datetime.now(UTC), None, "classroom account", action, account.login, {}, ""))


@asynccontextmanager
async def _desk(settings: Settings) -> AsyncIterator[_Desk]:
    database, passwords = open_database(settings), Passwords()
    try:
        await database.open()
        yield _Desk(Accounts(database, passwords), AuditLog(database))
    finally:
        await database.close()
        passwords.close()


@app.command()
def add(
    login: Login,
    name: Annotated[str, typer.Option(help="姓名 Name of the person")],
    role: Annotated[AccountRole, typer.Option(help="角色 Role")],
    school: Annotated[
        str | None, typer.Option(metavar="CODE", help="10 位学校代码 The 10 digits of the school")
    ] = None,
    district: Annotated[
        str | None, typer.Option(metavar="CODE", help="区县代码 Code of the district: an operator's scope [all]")
    ] = None,
    recordings: Recordings = None,
    config: Config = None,
) -> None:
    """新建账号，显示一次性密码。 Make an account and print its one-time password."""
    settings = load_settings(config, recordings=recordings)

    async def work() -> str:
        async with _desk(settings) as desk:
            school_id, district_id = await desk.accounts.place(school, district)
            values = AccountValues(name, role, district_id=district_id, school_id=school_id)
            account, password = await desk.accounts.add(ROOT, login, values, datetime.now(UTC))
            await desk.note("account.add", account)
            return str(password)

    _say(asyncio.run(work()))


@app.command("list")
def list_(recordings: Recordings = None, config: Config = None) -> None:
    """列出账号。 List the accounts: login, role, name, state."""
    settings = load_settings(config, recordings=recordings)

    async def work() -> list[Account]:
        found: list[Account] = []
        async with _desk(settings) as desk:
            while True:
                page = await desk.accounts.page(ROOT, page=len(found) // PAGE + 1, page_size=PAGE)
                found += page.items
                if len(page.items) < PAGE:
                    return found

    now = datetime.now(UTC)
    for account in asyncio.run(work()):
        locked = account.locked_until is not None and account.locked_until > now
        state = (
            "disabled" if account.disabled else "locked" if locked else "first password" if account.must_change else ""
        )
        _say(f"{account.login}\t{account.role}\t{account.name}\t{state}".rstrip())


@app.command()
def passwd(login: Login, recordings: Recordings = None, config: Config = None) -> None:
    """重置密码，显示一次性密码。 Print a new one-time password; locks open, sessions end."""
    settings = load_settings(config, recordings=recordings)

    async def work() -> str:
        async with _desk(settings) as desk:
            account = await desk.accounts.named(login)
            _, password = await desk.accounts.reset_password(ROOT, account.id)
            await desk.note("account.reset_password", account)
            return password

    _say(asyncio.run(work()))


@app.command()
def disable(login: Login, recordings: Recordings = None, config: Config = None) -> None:
    """停用账号，立即退出登录。 Disable an account; its sessions end at once."""
    asyncio.run(_set_disabled(load_settings(config, recordings=recordings), login, disabled=True))


@app.command()
def enable(login: Login, recordings: Recordings = None, config: Config = None) -> None:
    """恢复停用的账号。 Let a disabled account be used again."""
    asyncio.run(_set_disabled(load_settings(config, recordings=recordings), login, disabled=False))


async def _set_disabled(settings: Settings, login: str, *, disabled: bool) -> None:
    async with _desk(settings) as desk:
        account = await desk.accounts.named(login)
        said = {field.name: getattr(account, field.name) for field in dataclasses.fields(AccountValues)}
        await desk.accounts.change(ROOT, account.id, AccountValues(**{**said, "disabled": disabled}))
        await desk.note("account.change", account)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
