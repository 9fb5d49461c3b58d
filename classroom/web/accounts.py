"""Looking after accounts (docs/protocol.md §5)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

from aiohttp import web
from pydantic import Field

from classroom.catalogue.accounts.accounts import AccountValues, Manager
from classroom.live.instant import iso
from classroom.model import AccountRole
from classroom.web.bodies import Body, Query, number_in, read_body, read_query
from classroom.web.context import CONTEXT
from classroom.web.principal import account_of
from classroom.web.responses import json_response

if TYPE_CHECKING:
    from classroom.catalogue.accounts.account import Account

Id = Annotated[int, Field(ge=1, le=(1 << 62))]
Name = Annotated[str, Field(min_length=1, max_length=60)]


class _Values(Body):
    """All that may be said about an account."""

    name: Name
    role: AccountRole
    person_id: Id | None = None
    district_id: Id | None = None
    school_id: Id | None = None
    disabled: bool = False

    def values(self) -> AccountValues:
        """For the catalogue."""
        fields = self.model_dump(include=set(_Values.model_fields))
        return AccountValues(**fields)


class _New(_Values):
    """A new one; without a password it can only be signed in to through the OpenID provider."""

    login: Annotated[str, Field(min_length=2, max_length=60)]
    password: bool = True


class _Asked(Query):
    q: str = Field("", max_length=60)
    role: AccountRole | None = None
    school_id: Id | None = None
    page: int = Field(1, ge=1, le=100_000)
    page_size: int = Field(50, ge=1, le=200)


def routes() -> list[web.RouteDef]:
    """The doors."""
    one = "/api/accounts/{account}"
    return [
        web.get("/api/accounts", accounts),
        web.post("/api/accounts", add),
        web.get(one, account),
        web.put(one, change),
        web.delete(one, remove),
        web.post(f"{one}/password", reset_password),
        web.put(f"{one}/oidc", allow_binding),
        web.delete(f"{one}/oidc", unbind),
    ]


async def accounts(request: web.Request) -> web.Response:
    """One page of the accounts within reach."""
    asked = read_query(request, _Asked)
    found = await request.app[CONTEXT].accounts.page(
        _manager(request), asked.q, asked.role, asked.school_id, asked.page, asked.page_size
    )
    return json_response(
        {
            "total": found.total,
            "page": asked.page,
            "page_size": asked.page_size,
            "items": [describe(account) for account in found.items],
        }
    )


async def account(request: web.Request) -> web.Response:
    """One account."""
    found = await request.app[CONTEXT].accounts.one(_manager(request), number_in(request, "account"))
    return json_response(describe(found))


async def add(request: web.Request) -> web.Response:
    """A new account; its one-time password is told once."""
    body = await read_body(request, _New)
    context = request.app[CONTEXT]
    made, password = await context.accounts.add(
        _manager(request), body.login, body.values(), datetime.now(UTC), with_password=body.password
    )
    await context.audit.note(request, "account.add", made.login, {"role": made.role, "name": made.name})
    headers = {"Location": f"/api/accounts/{made.id}", "Cache-Control": "no-store"}
    return json_response({"account": describe(made), "password": password}, status=201, headers=headers)


async def change(request: web.Request) -> web.Response:
    """Say all of an account anew, but for its login."""
    body = await read_body(request, _Values)
    context = request.app[CONTEXT]
    number, now = number_in(request, "account"), datetime.now(UTC)
    changed = await context.accounts.change(_manager(request), number, body.values(), now)
    await context.withdrawn.look_at_once()
    await context.audit.note(request, "account.change", changed.login, body.model_dump(mode="json"))
    return json_response(describe(changed))


async def remove(request: web.Request) -> web.Response:
    """Forget an account."""
    context = request.app[CONTEXT]
    gone = await context.accounts.remove(_manager(request), number_in(request, "account"), datetime.now(UTC))
    await context.withdrawn.look_at_once()
    await context.audit.note(request, "account.remove", gone.login, {"name": gone.name})
    return web.Response(status=204)


async def reset_password(request: web.Request) -> web.Response:
    """A new one-time password, which is told once; whoever was signed in no longer is."""
    context = request.app[CONTEXT]
    number, now = number_in(request, "account"), datetime.now(UTC)
    account, password = await context.accounts.reset_password(_manager(request), number, now)
    await context.withdrawn.look_at_once()
    await context.audit.note(request, "account.reset_password", account.login)
    return json_response({"password": password})


async def allow_binding(request: web.Request) -> web.Response:
    """Let the next whom the OpenID provider calls like its login have the account."""
    context = request.app[CONTEXT]
    number, now = number_in(request, "account"), datetime.now(UTC)
    account = await context.accounts.allow_binding(_manager(request), number, now)
    await context.withdrawn.look_at_once()
    await context.audit.note(request, "account.allow_binding", account.login)
    return web.Response(status=204)


async def unbind(request: web.Request) -> web.Response:
    """Forget whom the account is at the OpenID provider."""
    context = request.app[CONTEXT]
    account = await context.accounts.unbind(_manager(request), number_in(request, "account"), datetime.now(UTC))
    await context.withdrawn.look_at_once()
    await context.audit.note(request, "account.unbind", account.login)
    return web.Response(status=204)


def _manager(request: web.Request) -> Manager:
    principal = account_of(request)
    return Manager(principal.role, principal.scope, principal.account_id)


def describe(account: Account) -> dict[str, Any]:
    """An account for JSON."""
    locked, signed_in = account.locked_until, account.signed_in_at
    return {
        "id": account.id,
        "login": account.login,
        "name": account.name,
        "role": account.role,
        "person_id": account.person_id,
        "district_id": account.district_id,
        "school_id": account.school_id,
        "disabled": account.disabled,
        "must_change": account.must_change,
        "has_password": account.has_password,
        "has_oidc": account.has_oidc,
        "may_bind": account.may_bind,
        "locked_until": None if locked is None or locked <= datetime.now(UTC) else iso(locked),
        "created_at": iso(account.created_at),
        "signed_in_at": None if signed_in is None else iso(signed_in),
    }
