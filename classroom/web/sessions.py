"""Signing in and out (docs/protocol.md §5)."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

from aiohttp import web
from pydantic import Field

from classroom.catalogue.accounts.logins import login_of
from classroom.catalogue.accounts.signing_in import NotSignedIn
from classroom.web.bodies import Body, read_body
from classroom.web.context import CONTEXT
from classroom.web.identity import SESSION_COOKIE, set_session_cookie
from classroom.web.origin import address_of
from classroom.web.principal import account_of
from classroom.web.problem import Refusal
from classroom.web.responses import json_response
from classroom.web.rights import rights_of

if TYPE_CHECKING:
    from classroom.catalogue.accounts.account import Account
    from classroom.web.limits import RateLimit
    from classroom.web.principal import AccountPrincipal, DevicePrincipal, Principal

Typed = Annotated[str, Field(min_length=1, max_length=1000)]


class _SignIn(Body):
    login: Typed
    password: Typed


class _NewPassword(Body):
    old: Typed
    new: Typed


def routes() -> list[web.RouteDef]:
    """The doors."""
    return [
        web.get("/api/session", session),
        web.post("/api/session", sign_in),
        web.delete("/api/session", sign_out),
        web.put("/api/session/password", change_password),
    ]


async def session(request: web.Request) -> web.Response:
    """Who is here: an account, a device, both or nobody, with what a request in their name has to have."""
    context = request.app[CONTEXT]
    identities = context.identities
    account, device = await identities.account(request), await identities.device(request)

    def csrf(principal: Principal | None) -> str:
        return "" if principal is None else identities.csrf_of(request, type(principal))

    return json_response(
        {
            "account": None if account is None else _account(account),
            "device": None if device is None else {**_device(device), "csrf": csrf(device)},
            "csrf": csrf(account or device),
            "oidc": context.openid_name,
            "timezone": context.region.zone.key,
        }
    )


async def sign_in(request: web.Request) -> web.Response:
    """Begin a session with login and password."""
    context = request.app[CONTEXT]
    body = await read_body(request, _SignIn)
    login = login_of(body.login)
    client = context.browsers.client_of(request, login)
    spend(context.sign_ins, client.key)
    spend(context.sign_ins_of_login, f"{login} {client.key}")
    try:
        account = await context.signing_in.by_password(login, body.password, client, datetime.now(UTC))
    except NotSignedIn as error:
        await context.audit.note_refusal(request, login, error)
        raise
    response = web.Response(status=204)
    await begin_session(request, response, account)
    context.browsers.remember(request, response, login)
    return response


async def begin_session(request: web.Request, response: web.Response, account: Account) -> None:
    """Let somebody in who has proved to be that: the session is new, whatever the browser had before."""
    context = request.app[CONTEXT]
    if former := request.cookies.get(SESSION_COOKIE):
        await context.sessions.end(former)
    cookie = await context.sessions.begin(account.id, address_of(request), datetime.now(UTC))
    set_session_cookie(request, response, cookie)
    await context.audit.note_sign_in(request, account.id, f"{account.login} {account.name}", "session.begin")


async def sign_out(request: web.Request) -> web.Response:
    """End the session."""
    context = request.app[CONTEXT]
    await context.sessions.end(request.cookies[SESSION_COOKIE])
    await context.audit.note(request, "session.end", account_of(request).login)
    response = web.Response(status=204)
    response.del_cookie(SESSION_COOKIE, path="/")
    return response


async def change_password(request: web.Request) -> web.Response:
    """Somebody's own new password. Every session of the account ends; this browser gets a new one."""
    principal = account_of(request)
    context = request.app[CONTEXT]
    body = await read_body(request, _NewPassword)
    spend(context.sign_ins_of_login, f"account {principal.account_id}")
    try:
        await context.signing_in.change_password(principal.account_id, body.old, body.new, datetime.now(UTC))
    except NotSignedIn as error:
        await context.audit.note_refusal(request, principal.login, error)
        raise
    await context.withdrawn.look()
    await context.audit.note(request, "session.password", principal.login)
    cookie = await context.sessions.begin(principal.account_id, address_of(request), datetime.now(UTC))
    response = web.Response(status=204)
    set_session_cookie(request, response, cookie)
    return response


def spend(limit: RateLimit, key: str) -> None:
    """Raise Refusal (429) when there was too much of something."""
    wait_s = limit.spend(key, time.monotonic())
    if wait_s is not None:
        raise Refusal(
            429,
            "too_many_requests",
            f"尝试太频繁，请 {wait_s} 秒后再试。 Too many attempts; try again in {wait_s} s.",
            Retry_After=str(wait_s),
        )


def _account(account: AccountPrincipal) -> dict[str, Any]:
    return {
        "id": account.account_id,
        "login": account.login,
        "name": account.name,
        "role": account.role,
        "person_id": account.person_id,
        "district_id": account.district_id,
        "school_id": account.school_id,
        "must_change": account.must_change,
        "rights": sorted(rights_of(account.role, account.scope)),
    }


def _device(device: DevicePrincipal) -> dict[str, Any]:
    return {
        "id": device.device_id,
        "kind": device.kind,
        "classroom_id": device.classroom_id,
        "name": device.name,
    }
