"""Who somebody is that wants to sign in: by password, or by what another server says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select, update

from classroom.catalogue.accounts.account import COLUMNS, account_of
from classroom.catalogue.accounts.lockout import Lock, StrangersLocks
from classroom.catalogue.accounts.logins import login_of
from classroom.catalogue.accounts.passwords import BadPassword, TooManyPasswords, require_good
from classroom.catalogue.accounts.schema import accounts
from classroom.catalogue.accounts.sessions import end_sessions
from classroom.model import ClassroomError

if TYPE_CHECKING:
    from datetime import datetime

    from classroom.catalogue.accounts.account import Account
    from classroom.catalogue.accounts.passwords import Passwords
    from classroom.catalogue.database import Database


class BadLogin(ClassroomError):
    """Login and password do not go together; it is not told which is wrong."""

    def __init__(self) -> None:
        super().__init__("账号或密码不对。 The login or the password is wrong.")


class Locked(ClassroomError):
    """Too many wrong passwords in a row; ``wait_s``: for how long none is looked at."""

    def __init__(self, wait_s: int) -> None:
        minutes = -(-wait_s // 60)
        super().__init__(
            f"密码连续输错太多次，请 {minutes} 分钟后再试，或请管理员重置密码。 "
            f"Too many wrong passwords in a row; try again in {minutes} min, or ask an administrator for a new one."
        )
        self.wait_s = wait_s


class AccountDisabled(ClassroomError):
    """The account may not be used."""

    def __init__(self) -> None:
        super().__init__("这个账号已停用，请联系管理员。 This account has been disabled; ask an administrator.")


class UnknownPerson(ClassroomError):
    """The other server knows somebody who has no account here; it is not told whether one is called the same."""

    def __init__(self) -> None:
        super().__init__(
            "统一身份认证成功，但这里没有与它绑定的账号。"
            "有密码请用密码登录；否则请管理员开通账号，或允许您的账号绑定统一身份认证。 "
            "You are signed in there, but no account here is bound to that. If you have a password, sign in with it; "
            "else ask an administrator to make an account, or to let yours be bound."
        )


class SigningIn:
    """Tells who somebody is. Methods may raise CatalogueUnavailable."""

    def __init__(self, database: Database, passwords: Passwords) -> None:
        self._database = database
        self._passwords = passwords
        self._strangers = StrangersLocks()

    async def by_password(self, login: str, password: str, now: datetime) -> Account:
        """The account with this login and password.

        The failure is noted before the password is looked at, and taken back when it was right: guesses that come all
        at once are counted, too. Raises BadLogin, Locked, AccountDisabled, TooManyPasswords.
        """
        login = login_of(login)
        is_it = accounts.c.login == login
        async with self._database.writing() as connection:
            columns = accounts.c.password_hash, accounts.c.failures, *COLUMNS
            row = (await connection.execute(select(*columns).where(is_it))).one_or_none()
            lock = self._strangers.failed(login, now) if row is None else Lock(row.failures, row.locked_until)
            if lock.until is not None and lock.is_shut(now):
                raise Locked(max(1, round((lock.until - now).total_seconds())))
            if row is not None:
                then = lock.after_a_failure(now)
                values = {"failures": then.failures, "locked_until": then.until}
                await connection.execute(update(accounts).where(is_it).values(values))
        stored = None if row is None else row.password_hash
        try:
            right = await self._passwords.verify(stored, password)
        except TooManyPasswords:
            if row is not None:
                await self._note(row.id, failures=lock.failures, locked_until=lock.until)
            raise
        if not right or row is None or stored is None:
            raise BadLogin
        cleared: dict[str, object] = {"failures": 0, "locked_until": None}
        if row.disabled:
            await self._note(row.id, **cleared)
            raise AccountDisabled
        if self._passwords.is_outdated(stored):
            cleared["password_hash"] = await self._passwords.hash(password)
        unchanged = (accounts.c.password_hash == stored) & ~accounts.c.disabled  # while the password was looked at
        async with self._database.writing() as connection:
            statement = update(accounts).where(is_it, unchanged).values(**cleared, signed_in_at=now)
            if (await connection.execute(statement)).rowcount != 1:
                raise BadLogin
        return account_of(row)

    async def by_oidc(self, issuer: str, subject: str, login: str | None, now: datetime) -> Account:
        """The account of somebody whom an OpenID provider vouches for; wrong passwords do not matter here.

        Issuer and subject say which. The first time it is the account whose login the provider tells, if it was made
        for that, or an administrator lets it be bound: people may choose what they are called over there. Until that
        moment such an account has ``has_oidc`` False. Raises UnknownPerson, AccountDisabled.
        """
        same = (accounts.c.oidc_issuer == issuer) & (accounts.c.oidc_subject == subject)
        async with self._database.writing() as connection:
            row = (await connection.execute(select(*COLUMNS).where(same))).one_or_none()
            if row is None and login:
                unbound = (
                    (accounts.c.login == login_of(login)) & accounts.c.oidc_subject.is_(None) & accounts.c.may_bind
                )
                row = (await connection.execute(select(*COLUMNS).where(unbound))).one_or_none()
            if row is None:
                raise UnknownPerson
            if row.disabled:
                raise AccountDisabled
            values: dict[str, object] = {"oidc_issuer": issuer, "oidc_subject": subject, "may_bind": False}
            if row.must_change:  # a first password that was never used: whoever signs in elsewhere needs none
                values |= {"password_hash": None, "must_change": False}
            await connection.execute(update(accounts).where(accounts.c.id == row.id).values(**values, signed_in_at=now))
        return account_of(row)

    async def change_password(self, account_id: int, old: str, new: str) -> None:
        """Somebody's own new password; all sessions of the account end.

        Raises BadLogin, BadPassword, TooManyPasswords.
        """
        is_it = accounts.c.id == account_id
        async with self._database.reading() as connection:
            row = (await connection.execute(select(accounts.c.login, accounts.c.password_hash).where(is_it))).one()
        if not await self._passwords.verify(row.password_hash, old) or row.password_hash is None:
            raise BadLogin
        require_good(new, row.login)
        if new == old:
            raise BadPassword("新密码和旧密码相同。 The new password is the old one.")
        hashed = await self._passwords.hash(new)
        async with self._database.writing() as connection:
            unchanged = accounts.c.password_hash == row.password_hash  # while the passwords were looked at
            values = {"password_hash": hashed, "must_change": False, "failures": 0, "locked_until": None}
            if (await connection.execute(update(accounts).where(is_it, unchanged).values(values))).rowcount != 1:
                raise BadLogin
            await end_sessions(connection, account_id)

    async def _note(self, account_id: int, **values: object) -> None:
        async with self._database.writing() as connection:
            await connection.execute(update(accounts).where(accounts.c.id == account_id).values(values))
