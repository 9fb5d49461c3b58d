"""Since when what accounts have been given for lessons is void. The server looks: any process may have said so."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import delete, insert, select

from classroom.catalogue.accounts.schema import account_withdrawals

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection

    from classroom.catalogue.database import Database

KEPT = timedelta(days=31)  # longer than any token of theirs: that for deliveries is good for 30 days


class Withdrawals:
    """The withdrawals. Methods may raise CatalogueUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def since(self, instant: datetime) -> dict[int, datetime]:
        """The latest one of each account that has had any since then."""
        query = select(account_withdrawals).where(account_withdrawals.c.at >= instant)
        async with self._database.reading() as connection:
            return {row.account_id: row.at for row in await connection.execute(query)}

    async def forget(self, now: datetime) -> None:
        """Remove those that no token is old enough for; to be called once a day."""
        async with self._database.writing() as connection:
            await connection.execute(delete(account_withdrawals).where(account_withdrawals.c.at < now - KEPT))


async def withdraw(connection: AsyncConnection, account_id: int, now: datetime) -> None:
    """Let void what an account has now, in the transaction that gives the reason and has written to the account."""
    mine = account_withdrawals.c.account_id == account_id
    await connection.execute(delete(account_withdrawals).where(mine))
    await connection.execute(insert(account_withdrawals).values(account_id=account_id, at=now))
