"""The gate: every request passes it, and none without the right that ROUTES asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from classroom.web.auth import Forbidden
from classroom.web.context import CONTEXT
from classroom.web.identity import refuse_foreign, renew_cookie
from classroom.web.principal import PRINCIPAL, AccountPrincipal, DevicePrincipal, not_signed_in
from classroom.web.problem import Refusal
from classroom.web.rights import BY_TOKEN, ROUTES, Right, rights_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from classroom.web.identity import Identities
    from classroom.web.principal import Principal

_STRANGERS = frozenset({Right.PUBLIC, Right.PAIRING, Right.BEARER})


@web.middleware
async def gate(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Find out who acts, and refuse what that one may not do."""
    resource = request.match_info.route.resource
    if resource is not None:  # else there is no such door, and the handler says so
        method = "GET" if request.method == "HEAD" else request.method
        right = ROUTES.get((method, resource.canonical))
        if right is None:
            raise Forbidden("这里没有开放。 Nobody may use this address.")
        request[PRINCIPAL] = await _admit(request, right)
    response = await handler(request)
    renew_cookie(request, response)
    return response


async def _admit(request: web.Request, right: Right) -> Principal | None:
    """Who acts; None for strangers, where they may pass or the handler has to look at their token."""
    if right in _STRANGERS:
        return None
    by_token = "Authorization" in request.headers or "key" in request.query
    if right in BY_TOKEN and by_token:
        return None
    identities = request.app[CONTEXT].identities
    if right is Right.LESSON_TOKEN and (device := await _device_meant(request, identities)) is not None:
        return device
    principal = await identities.account(request)
    if principal is None:
        if right in BY_TOKEN:
            return None
        raise not_signed_in()
    if not identities.is_ours(request, AccountPrincipal):
        raise refuse_foreign()
    if principal.must_change and right is not Right.OWN_SESSION:
        raise Refusal(403, "must_change", "请先修改初始密码。 Please change your first password before anything else.")
    if right not in rights_of(principal.role, principal.scope):
        raise Forbidden("您的账号没有这项权限。 Your account may not do this.")
    return principal


async def _device_meant(request: web.Request, identities: Identities) -> DevicePrincipal | None:
    """The device, if the request is in its name: in a browser that is paired somebody may be signed in as well."""
    if not identities.is_ours(request, DevicePrincipal):
        return None
    return await identities.device(request)
