"""The locks of accounts in the database, inside the transaction that a wrong or a right password needs.

A row is of one client, at most one for each wrong password that an account has had in a day, so OF_ACCOUNT bounds them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, insert, select

from classroom.catalogue.accounts.lockout import ANYWHERE, FORGOTTEN_AFTER, Lock, Locks
from classroom.catalogue.accounts.schema import sign_in_locks

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection

    from classroom.catalogue.accounts.lockout import Client

_of = sign_in_locks.c


async def locks_between(connection: AsyncConnection, account_id: int, client: Client) -> Locks:
    """The locks between a client and an account."""
    query = select(sign_in_locks).where(_of.account_id == account_id, _of.client.in_([client.key, ANYWHERE]))
    found = {row.client: Lock(row.failures, row.failed_at, row.locked_until) for row in await connection.execute(query)}
    return Locks(client, found.get(client.key, Lock()), found.get(ANYWHERE, Lock()))


async def keep_locks(connection: AsyncConnection, account_id: int, locks: Locks, now: datetime) -> None:
    """Put them in place of those before, and forget what is a day old."""
    both = {locks.client.key: locks.own, ANYWHERE: locks.anywhere}
    outdated = _of.client.in_(both) | (_of.failed_at <= now - FORGOTTEN_AFTER)
    await connection.execute(delete(sign_in_locks).where(_of.account_id == account_id, outdated))
    rows = [
        {
            "account_id": account_id,
            "client": key,
            "failures": lock.failures,
            "failed_at": lock.failed_at,
            "locked_until": lock.until,
        }
        for key, lock in both.items()
        if lock.failed_at is not None
    ]
    if rows:
        await connection.execute(insert(sign_in_locks), rows)


async def open_locks(connection: AsyncConnection, account_id: int, client: Client | None = None) -> None:
    """Forget the wrong passwords of an account: those that a right one from this client makes up for, or all of them.

    A known browser makes up for its own only: its owner signs in every morning, and guessers would start anew with it.
    """
    theirs = _of.account_id == account_id
    if client is not None:
        theirs &= _of.client.in_([client.key] if client.is_known else [client.key, ANYWHERE])
    await connection.execute(delete(sign_in_locks).where(theirs))
