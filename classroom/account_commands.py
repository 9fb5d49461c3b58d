"""``classroom account add | list | passwd | sso | disable | enable``. What they do is loaded when it is done."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from classroom.config import load_settings
from classroom.model import AccountRole

if TYPE_CHECKING:
    from classroom.account_desk import Desk

T = TypeVar("T")

Recordings = Annotated[Path | None, typer.Option(metavar="DIR", help="数据目录 Data directory [recordings]")]
Config = Annotated[Path | None, typer.Option(metavar="FILE", help="TOML 配置文件 Settings file [./classroom.toml]")]
Login = Annotated[str, typer.Argument(metavar="LOGIN", help="账号，如工号 Login: a staff number, for example")]

app = typer.Typer(help="账号。 Accounts of people who sign in.", no_args_is_help=True)


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
    sso: Annotated[bool, typer.Option("--sso", help="只用统一身份认证登录 For single sign-on: no password")] = False,
    recordings: Recordings = None,
    config: Config = None,
) -> None:
    """新建账号，显示一次性密码。 Make an account and print its one-time password."""
    password = _at_the_desk(
        recordings, config, lambda desk: desk.add(login, name, role, school, district, with_password=not sso)
    )
    if password is not None:
        _say(password)


@app.command("list")
def list_(recordings: Recordings = None, config: Config = None) -> None:
    """列出账号。 List the accounts: login, role, name, state."""
    now = datetime.now(UTC)
    for account in _at_the_desk(recordings, config, lambda desk: desk.all()):
        locked = account.locked_until is not None and account.locked_until > now
        first = "first password" if account.must_change else ""
        state = "disabled" if account.disabled else "locked" if locked else first
        _say(f"{account.login}\t{account.role}\t{account.name}\t{state}".rstrip())


@app.command()
def passwd(login: Login, recordings: Recordings = None, config: Config = None) -> None:
    """重置密码，显示一次性密码。 Print a new one-time password; a lock opens, sessions end."""
    _say(_at_the_desk(recordings, config, lambda desk: desk.reset_password(login)))


@app.command()
def sso(login: Login, recordings: Recordings = None, config: Config = None) -> None:
    """允许绑定统一身份认证。 Let whoever is called so at the OpenID provider sign in next have the account."""
    _at_the_desk(recordings, config, lambda desk: desk.allow_binding(login))


@app.command()
def disable(login: Login, recordings: Recordings = None, config: Config = None) -> None:
    """停用账号，立即退出登录。 Disable an account; its sessions end at once."""
    _at_the_desk(recordings, config, lambda desk: desk.set_disabled(login, disabled=True))


@app.command()
def enable(login: Login, recordings: Recordings = None, config: Config = None) -> None:
    """恢复停用的账号。 Let a disabled account be used again."""
    _at_the_desk(recordings, config, lambda desk: desk.set_disabled(login, disabled=False))


def _at_the_desk(recordings: Path | None, config: Path | None, work: Callable[["Desk"], Awaitable[T]]) -> T:
    from classroom.account_desk import desk

    settings = load_settings(config, recordings=recordings)

    async def do() -> T:
        async with desk(settings) as opened:
            return await work(opened)

    return asyncio.run(do())


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
