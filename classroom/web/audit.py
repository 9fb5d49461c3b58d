"""The audit log: how doors write to it, and the door where it is read (docs/protocol.md §5)."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from aiohttp import web
from pydantic import Field

from classroom.catalogue.accounts.audit import AuditQuery, Entry
from classroom.catalogue.accounts.signing_in import AccountDisabled, BadLogin, Locked, UnknownPerson
from classroom.catalogue.region.audit_names import names_in
from classroom.live.instant import iso
from classroom.web.bodies import Query, read_query
from classroom.web.context import CONTEXT
from classroom.web.days import midnight
from classroom.web.origin import address_of, network_of
from classroom.web.principal import PRINCIPAL, AccountPrincipal, DevicePrincipal, account_of
from classroom.web.refusals import Refusals, Refused
from classroom.web.responses import json_response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from classroom.catalogue.accounts.audit import AuditLog
    from classroom.catalogue.accounts.signing_in import NotSignedIn
    from classroom.web.principal import Principal

logger = logging.getLogger(__name__)

_REFUSALS: dict[type[NotSignedIn], str] = {
    BadLogin: "session.refused",
    UnknownPerson: "session.refused",
    Locked: "session.locked",
    AccountDisabled: "session.disabled",
}


class Audit:
    """Writes to the log. Methods may raise CatalogueUnavailable."""

    def __init__(self, log: AuditLog) -> None:
        self.log = log
        self._refusals = Refusals()
        self._counting = asyncio.Lock()  # the first of an hour has to be in the log before it can be counted on

    async def note(
        self, who: web.Request | str, action: str, object: str, detail: Mapping[str, Any] | None = None
    ) -> None:
        """Keep what was done: by the principal of a request, or by somebody of that name.

        ``action`` is like ``account.add``, ``object`` what it was done to; ``detail`` has no secrets in it.
        """
        if isinstance(who, web.Request):
            principal: Principal | None = who.get(PRINCIPAL)
            account_id = principal.account_id if isinstance(principal, AccountPrincipal) else None
            actor, address = _name_of(principal), address_of(who)
        else:
            account_id, actor, address = None, who, ""
        await self.log.put(Entry(datetime.now(UTC), account_id, actor, action, object, detail or {}, address))

    async def note_sign_in(
        self,
        request: web.Request,
        account_id: int | None,
        login: str,
        action: str,
        detail: Mapping[str, Any] | None = None,
    ) -> None:
        """Keep that somebody signed in, or tried to: nobody is known by the request yet."""
        now, address = datetime.now(UTC), address_of(request)
        await self.log.put(Entry(now, account_id, login, action, login, detail or {}, address))

    async def note_refusal(
        self, request: web.Request, who: str, error: NotSignedIn, *, is_vouched: bool = False
    ) -> None:
        """Keep that somebody was not let in: once an hour for each account and network, with a count.

        ``who`` counts if it is an account here, or if an OpenID provider says so (``is_vouched``).
        """
        now = datetime.now(UTC)
        actor = who if error.account_id is not None or is_vouched else "-"
        refused = Refused(_REFUSALS[type(error)], error.account_id, actor, network_of(request))
        async with self._counting:
            tally = self._refusals.tally(refused, now)
            tally.count += 1
            detail = {"count": tally.count, "last_at": iso(now)}
            kept = tally.refused
            if tally.entry_id is None:
                address = kept.network if kept != refused else address_of(request)
                entry = Entry(now, kept.account_id, kept.actor, kept.action, kept.actor, detail, address)
                tally.entry_id = await self.log.put(entry)
            else:
                await self.log.say_more(tally.entry_id, detail)


def _name_of(principal: Principal | None) -> str:
    match principal:
        case AccountPrincipal():
            return f"{principal.login} {principal.name}"
        case DevicePrincipal():
            return f"{principal.kind} {principal.name}"
    return "-"


class _Asked(Query):
    actor: str = Field("", max_length=60)
    action: str = Field("", max_length=60)
    since: date | None = Field(None, alias="from")
    until: date | None = Field(None, alias="to")
    page: int = Field(1, ge=1, le=100_000)
    page_size: int = Field(50, ge=1, le=200)


def routes() -> list[web.RouteDef]:
    """The door."""
    return [web.get("/api/audit", entries)]


async def entries(request: web.Request) -> web.Response:
    """What was done by the accounts within reach, the latest first; days are the schools', ``to`` included.

    Each entry has in ``names`` what its ids are called.
    """
    asked, context = read_query(request, _Asked), request.app[CONTEXT]
    query = AuditQuery(
        actor=asked.actor,
        action=asked.action,
        since=None if asked.since is None else midnight(asked.since, context.region.zone),
        until=None if asked.until is None else midnight(_after(asked.until), context.region.zone),
        page=asked.page,
        page_size=asked.page_size,
    )
    found = await context.audit.log.page(query, account_of(request).scope)
    names = await names_in(context.region.database, found.items)
    return json_response(
        {
            "total": found.total,
            "page": query.page,
            "page_size": query.page_size,
            "items": [
                {
                    "at": iso(entry.at),
                    "account_id": entry.account_id,
                    "actor": entry.actor,
                    "action": entry.action,
                    "object": entry.object,
                    "detail": entry.detail,
                    "address": entry.address,
                    "names": called,
                }
                for entry, called in zip(found.items, names, strict=True)
            ],
        }
    )


def _after(day: date) -> date:
    return day if day == date.max else day + timedelta(days=1)
