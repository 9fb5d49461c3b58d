"""The sessions of those who have signed in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import and_, delete, insert, select, update

from classroom.catalogue.accounts.account import COLUMNS, account_of, scope_of
from classroom.catalogue.accounts.credentials import hash_of, is_credential, new_credential
from classroom.catalogue.accounts.schema import account_sessions, accounts

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection

    from classroom.catalogue.accounts.account import Account
    from classroom.catalogue.database import Database
    from classroom.catalogue.scope import Scope

SESSION_S = 12 * 3600  # from when it was last seen
MAX_SESSIONS = 20  # of one account; the oldest ends
LONGEST = timedelta(days=7)  # from its beginning: a page that was left open asks every minute, and is nobody
_TTL = timedelta(seconds=SESSION_S)
_SEEN_EVERY = timedelta(minutes=10)  # a request need not write


@dataclass(frozen=True, slots=True)
class Session:
    """A session that is good, whose it is, and what that account reaches."""

    account: Account
    scope: Scope
    seen_at: datetime
    expires_at: datetime

    def is_stale(self, now: datetime) -> bool:
        """Whether it is time to say that it was seen."""
        return now - self.seen_at >= _SEEN_EVERY


class Sessions:
    """Sessions by their cookies. Methods may raise CatalogueUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, account_id: int, address: str, now: datetime) -> str:
        """Begin a session and return its cookie."""
        cookie = new_credential()
        mine = account_sessions.c.account_id == account_id
        async with self._database.writing() as connection:
            await connection.execute(delete(account_sessions).where(account_sessions.c.expires_at <= now))
            kept = select(account_sessions.c.id_hash).where(mine).order_by(account_sessions.c.seen_at.desc())
            newest = (await connection.scalars(kept.limit(MAX_SESSIONS - 1))).all()
            await connection.execute(delete(account_sessions).where(mine, account_sessions.c.id_hash.not_in(newest)))
            values = {
                "id_hash": hash_of(cookie),
                "account_id": account_id,
                "created_at": now,
                "seen_at": now,
                "expires_at": now + _TTL,
                "address": address[:64],
            }
            await connection.execute(insert(account_sessions).values(values))
        return cookie

    async def find(self, cookie: str, now: datetime) -> Session | None:
        """The session of a cookie; None when it has ended, or its account was disabled."""
        if not is_credential(cookie):
            return None
        async with self._database.reading() as connection:
            began = account_sessions.c.created_at.label("began_at")  # accounts have a created_at, too
            query = (
                select(account_sessions.c.seen_at, account_sessions.c.expires_at, began, *COLUMNS)
                .select_from(account_sessions.join(accounts))
                .where(
                    and_(
                        account_sessions.c.id_hash == hash_of(cookie),
                        account_sessions.c.expires_at > now,
                        account_sessions.c.created_at > now - LONGEST,
                        ~accounts.c.disabled,
                    )
                )
            )
            row = (await connection.execute(query)).one_or_none()
            if row is None:
                return None
            account, expires_at = account_of(row), min(row.expires_at, row.began_at + LONGEST)
            return Session(account, await scope_of(connection, account), row.seen_at, expires_at)

    async def see(self, cookie: str, now: datetime) -> None:
        """Let the session last from now on."""
        async with self._database.writing() as connection:
            await connection.execute(
                update(account_sessions)
                .where(account_sessions.c.id_hash == hash_of(cookie))
                .values(seen_at=now, expires_at=now + _TTL)
            )

    async def end(self, cookie: str) -> None:
        """End one session."""
        async with self._database.writing() as connection:
            await connection.execute(delete(account_sessions).where(account_sessions.c.id_hash == hash_of(cookie)))


async def end_sessions(connection: AsyncConnection, account_id: int) -> None:
    """End all sessions of an account, in the transaction that gives the reason."""
    await connection.execute(delete(account_sessions).where(account_sessions.c.account_id == account_id))
