"""The audit log: who did what, and when. Nothing in it is changed; what is old is forgotten."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, func, insert, select

from classroom.catalogue.accounts.account import within
from classroom.catalogue.accounts.schema import accounts, audit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement

    from classroom.catalogue.database import Database
    from classroom.catalogue.scope import Scope

KEPT = timedelta(days=3 * 366)  # the Cybersecurity Law, Article 21, asks for six months
_FORGET_EVERY = timedelta(days=1)


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
        self._forgotten_at: datetime | None = None

    async def put(self, entry: Entry) -> None:
        """Keep an entry; once a day those are forgotten that are older than three years."""
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
            await connection.execute(insert(audit).values(values))
            if self._forgotten_at is None or entry.at - self._forgotten_at >= _FORGET_EVERY:
                self._forgotten_at = entry.at
                await connection.execute(delete(audit).where(audit.c.at < entry.at - KEPT))

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
