"""Signing in and out (docs/protocol.md §5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohttp import web

from classroom.web.context import CONTEXT
from classroom.web.responses import json_response
from classroom.web.rights import GRANTS

if TYPE_CHECKING:
    from classroom.web.principal import AccountPrincipal, DevicePrincipal, Principal


def routes() -> list[web.RouteDef]:
    """The doors."""
    return [web.get("/api/session", session)]


async def session(request: web.Request) -> web.Response:
    """Who is here: an account, a device, both or nobody, with what a request in their name has to have."""
    identities = request.app[CONTEXT].identities
    account, device = await identities.account(request), await identities.device(request)

    def csrf(principal: Principal | None) -> str:
        return "" if principal is None else identities.csrf_of(request, type(principal))

    return json_response(
        {
            "account": None if account is None else _account(account),
            "device": None if device is None else {**_device(device), "csrf": csrf(device)},
            "csrf": csrf(account or device),
        }
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
        "rights": sorted(GRANTS[account.role]),
    }


def _device(device: DevicePrincipal) -> dict[str, Any]:
    return {
        "id": device.device_id,
        "kind": device.kind,
        "classroom_id": device.classroom_id,
        "name": device.name,
    }
