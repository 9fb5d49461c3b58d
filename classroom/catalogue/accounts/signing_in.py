"""Who somebody is that wants to sign in: by password, or by what another server says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select, update

from classroom.catalogue.accounts.account import COLUMNS, account_of
from classroom.catalogue.accounts.lockout import Client, StrangersLocks
from classroom.catalogue.accounts.locks import keep_locks, locks_between, open_locks
from classroom.catalogue.accounts.logins import login_of
from classroom.catalogue.accounts.passwords import BadPassword, require_good
from classroom.catalogue.accounts.schema import accounts
from classroom.catalogue.accounts.sessions import end_sessions
from classroom.catalogue.accounts.withdrawals import withdraw
from classroom.model import ClassroomError

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import ColumnElement, Select
    from sqlalchemy.ext.asyncio import AsyncConnection

    from classroom.catalogue.accounts.account import Account
    from classroom.catalogue.accounts.lockout import Locks
    from classroom.catalogue.accounts.passwords import Passwords, Turn
    from classroom.catalogue.database import Database


_INSIDE = Client("session", is_known=True)  # who has signed in, and is to say the password again


class NotSignedIn(ClassroomError):
    """Somebody is not let in; ``account_id``: to which account, for the log, None when there is none."""

    def __init__(self, text: str, account_id: int | None) -> None:
        super().__init__(text)
        self.account_id = account_id


class BadLogin(NotSignedIn):
    """Login and password do not go together; it is not told which is wrong."""

    def __init__(self, account_id: int | None = None) -> None:
        super().__init__("账号或密码不对。 The login or the password is wrong.", account_id)


class Locked(NotSignedIn):
    """Too many wrong passwords in a row; ``wait_s``: for how long none is looked at."""

    def __init__(self, wait_s: int, account_id: int | None = None) -> None:
        minutes = -(-wait_s // 60)
        text = (
            f"密码连续输错太多次，请 {minutes} 分钟后再试，或用以前登录过的电脑，或请管理员重置密码。 "
            f"Too many wrong passwords in a row; try again in {minutes} min, or in a browser where you have signed in "
            "before, or ask an administrator for a new password."
        )
        super().__init__(text, account_id)
        self.wait_s = wait_s


class AccountDisabled(NotSignedIn):
    """The account may not be used."""

    def __init__(self, account_id: int | None = None) -> None:
        super().__init__(
            "这个账号已停用，请联系管理员。 This account has been disabled; ask an administrator.", account_id
        )


class UnknownPerson(NotSignedIn):
    """The other server knows somebody who has no account here; it is not told whether one is called the same."""

    def __init__(self) -> None:
        super().__init__(
            "统一身份认证成功，但这里没有与它绑定的账号。"
            "有密码请用密码登录；否则请管理员开通账号，或允许您的账号绑定统一身份认证。 "
            "You are signed in there, but no account here is bound to that. If you have a password, sign in with it; "
            "else ask an administrator to make an account, or to let yours be bound.",
            None,
        )


class SigningIn:
    """Tells who somebody is. Methods may raise CatalogueUnavailable."""

    def __init__(self, database: Database, passwords: Passwords) -> None:
        self._database = database
        self._passwords = passwords
        self._strangers = StrangersLocks()

    async def by_password(self, login: str, password: str, client: Client, now: datetime) -> Account:
        """The account with this login and password.

        The failure is noted before the password is looked at, and taken back when it was right: guesses that come all
        at once are counted, too. Whom there is no place for is sent away before that. Raises BadLogin, Locked,
        AccountDisabled, TooManyPasswords.
        """
        with self._passwords.turn(is_known=client.is_known) as turn:
            return await self._by_password(turn, login_of(login), password, client, now)

    async def _by_password(self, turn: Turn, login: str, password: str, client: Client, now: datetime) -> Account:
        is_it = accounts.c.login == login
        async with self._database.writing() as connection:
            query = select(accounts.c.password_hash, *COLUMNS).where(is_it)
            row = (await connection.execute(query.with_for_update(of=accounts))).one_or_none()
            account_id = None if row is None else row.id
            if account_id is None:
                locks = self._strangers.between(login, client).as_of(now)
            else:
                locks = (await locks_between(connection, account_id, client)).as_of(now)
            _require_open(locks, account_id, now)
            await self._keep(connection, account_id, login, locks.after_a_failure(now), now)
        stored = None if row is None else row.password_hash
        right = await turn.verify(stored, password)
        if not right or row is None or stored is None:
            raise BadLogin(account_id)
        values: dict[str, object] = {}
        if self._passwords.is_outdated(stored):
            values["password_hash"] = await turn.hash(password)
        unchanged = (accounts.c.password_hash == stored) & ~accounts.c.disabled  # while the password was looked at
        async with self._database.writing() as connection:
            statement = update(accounts).where(is_it, unchanged).values(**values, signed_in_at=now)
            is_let_in = (await connection.execute(statement)).rowcount == 1
            if is_let_in or row.disabled:
                await open_locks(connection, row.id, client)
        if row.disabled:
            raise AccountDisabled(account_id)
        if not is_let_in:
            raise BadLogin(account_id)
        return account_of(row)

    async def by_oidc(self, issuer: str, subject: str, login: str | None, now: datetime) -> Account:
        """The account of somebody whom an OpenID provider vouches for; wrong passwords do not matter here.

        Issuer and subject say which. The first time it is the account whose login the provider tells, if it was made
        for that, or an administrator lets it be bound: people may choose what they are called over there. Until that
        moment such an account has ``has_oidc`` False. Raises UnknownPerson, AccountDisabled.
        """
        same = (accounts.c.oidc_issuer == issuer) & (accounts.c.oidc_subject == subject)
        async with self._database.writing() as connection:
            row = (await connection.execute(_to_bind(same))).one_or_none()
            if row is None and login:
                unbound = (
                    (accounts.c.login == login_of(login)) & accounts.c.oidc_subject.is_(None) & accounts.c.may_bind
                )
                row = (await connection.execute(_to_bind(unbound))).one_or_none()
            if row is None:
                raise UnknownPerson
            if row.disabled:
                raise AccountDisabled(row.id)
            values: dict[str, object] = {"oidc_issuer": issuer, "oidc_subject": subject, "may_bind": False}
            if row.must_change:  # a first password that was never used: whoever signs in elsewhere needs none
                values |= {"password_hash": None, "must_change": False}
            await connection.execute(update(accounts).where(accounts.c.id == row.id).values(**values, signed_in_at=now))
        return account_of(row)

    async def change_password(self, account_id: int, old: str, new: str, now: datetime) -> None:
        """Somebody's own new password; all sessions of the account end, what it has been given for lessons is void.

        Whoever sits at a computer that somebody has left has as few guesses at the old one as in front of the door.

        Raises BadLogin, Locked, BadPassword, TooManyPasswords.
        """
        with self._passwords.turn(is_known=True) as turn:
            await self._change_password(turn, account_id, old, new, now)

    async def _change_password(self, turn: Turn, account_id: int, old: str, new: str, now: datetime) -> None:
        is_it = accounts.c.id == account_id
        async with self._database.writing() as connection:
            query = select(accounts.c.login, accounts.c.password_hash).where(is_it)
            row = (await connection.execute(query.with_for_update(of=accounts))).one()
            locks = (await locks_between(connection, account_id, _INSIDE)).as_of(now)
            _require_open(locks, account_id, now)
            await keep_locks(connection, account_id, locks.after_a_failure(now), now)
        if not await turn.verify(row.password_hash, old) or row.password_hash is None:
            raise BadLogin(account_id)
        async with self._database.writing() as connection:
            await open_locks(connection, account_id, _INSIDE)
        require_good(new, row.login)
        if new == old:
            raise BadPassword("新密码和旧密码相同。 The new password is the old one.")
        hashed = await turn.hash(new)
        async with self._database.writing() as connection:
            unchanged = accounts.c.password_hash == row.password_hash  # while the passwords were looked at
            values = {"password_hash": hashed, "must_change": False}
            if (await connection.execute(update(accounts).where(is_it, unchanged).values(values))).rowcount != 1:
                raise BadLogin(account_id)
            await open_locks(connection, account_id)
            await end_sessions(connection, account_id)
            await withdraw(connection, account_id, now)

    async def _keep(
        self, connection: AsyncConnection, account_id: int | None, login: str, locks: Locks, now: datetime
    ) -> None:
        if account_id is None:
            self._strangers.keep(login, locks)
        else:
            await keep_locks(connection, account_id, locks, now)


def _to_bind(condition: ColumnElement[bool]) -> Select[Any]:
    """The account, which nobody else takes, and no administrator closes, before this transaction is done."""
    return select(*COLUMNS).where(condition).with_for_update(of=accounts)


def _require_open(locks: Locks, account_id: int | None, now: datetime) -> None:
    shut = locks.shut(now)
    if shut is not None and shut.until is not None:
        raise Locked(max(1, round((shut.until - now).total_seconds())), account_id)
