"""The audit log: who did what, and when. Nothing in it is changed, but for counts; what is old is forgotten."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, func, insert, select, update

from classroom.catalogue.accounts.account import within
from classroom.catalogue.accounts.schema import accounts, audit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement

    from classroom.catalogue.database import Database
    from classroom.catalogue.scope import Scope


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that was done. ``action`` is a verb of programs, as ``account.add``; ``object`` what it was done to."""

    at: datetime
    account_id: int | None
    actor: str
    action: str
    object: str
    detail: Mapping[str, Any]
    address: str


@dataclass(frozen=True, slots=True)
class AuditQuery:
    """What is asked of the log; everything empty is all of it, the newest first."""

    actor: str = ""
    action: str = ""
    since: datetime | None = None
    until: datetime | None = None
    page: int = 1
    page_size: int = 50


@dataclass(frozen=True, slots=True)
class AuditPage:
    """One page of what was asked for."""

    total: int
    items: Sequence[Entry]


class AuditLog:
    """The log. Methods may raise CatalogueUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, entry: Entry) -> int:
        """Keep an entry, and return its id."""
        values = {
            "at": entry.at,
            "account_id": entry.account_id,
            "actor": entry.actor[:200],
            "action": entry.action[:60],
            "object": entry.object[:200],
            "detail": dict(entry.detail),
            "address": entry.address[:64],
        }
        async with self._database.writing() as connection:
            made = await connection.execute(insert(audit).values(values).returning(audit.c.id))
            return int(made.scalar_one())

    async def say_more(self, entry_id: int, detail: Mapping[str, Any]) -> None:
        """Say in an entry how often what it tells has happened."""
        async with self._database.writing() as connection:
            await connection.execute(update(audit).where(audit.c.id == entry_id).values(detail=dict(detail)))

    async def forget(self, before: datetime) -> None:
        """Forget what is older; to be called once a day."""
        async with self._database.writing() as connection:
            await connection.execute(delete(audit).where(audit.c.at < before))

    async def page(self, query: AuditQuery, scope: Scope) -> AuditPage:
        """What was done by the accounts within reach."""
        conditions: list[ColumnElement[bool]] = []
        if not scope.everything:  # else also what strangers did, and accounts that are gone
            conditions.append(audit.c.account_id.in_(select(accounts.c.id).where(within(scope))))
        if query.actor:
            conditions.append(audit.c.actor.contains(query.actor, autoescape=True))
        if query.action:
            conditions.append(audit.c.action.startswith(query.action, autoescape=True))
        if query.since is not None:
            conditions.append(audit.c.at >= query.since)
        if query.until is not None:
            conditions.append(audit.c.at < query.until)
        found = select(audit).where(*conditions).order_by(audit.c.at.desc(), audit.c.id.desc())
        async with self._database.reading() as connection:
            total = await connection.scalar(select(func.count()).select_from(audit).where(*conditions))
            rows = await connection.execute(found.limit(query.page_size).offset((query.page - 1) * query.page_size))
            items = [
                Entry(row.at, row.account_id, row.actor, row.action, row.object, row.detail, row.address)
                for row in rows
            ]
        return AuditPage(total or 0, items)
