"""Signing in through an OpenID provider: to it, and back from it (docs/protocol.md §5).

What is to come back with the browser waits in a signed cookie of its own: nothing is kept for those who never do.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING, Any

import jwt
from aiohttp import web

from classroom.catalogue.accounts.signing_in import NotSignedIn
from classroom.model import ClassroomError
from classroom.web.context import CONTEXT, Context
from classroom.web.origin import is_secure, network_of, origin_of
from classroom.web.plain_page import plain_page
from classroom.web.problem import Refusal, refusal_of
from classroom.web.provider_errors import SignInFailed
from classroom.web.sessions import begin_session, spend

if TYPE_CHECKING:
    from classroom.web.openid import OpenIdProvider

COOKIE, PATH = "oidc", "/api/oidc"
WAIT_S = 600  # for somebody to find the password over there
_ALGORITHM = "HS256"


def routes() -> list[web.RouteDef]:
    """The doors."""
    return [web.get(f"{PATH}/start", start), web.get(f"{PATH}/callback", callback)]


async def start(request: web.Request) -> web.Response:
    """Send the browser to the provider; afterwards it comes to ``next``, a path of ours."""
    context = request.app[CONTEXT]
    provider = _provider(context)
    spend(context.sign_ins, network_of(request))
    waiting = {
        "state": secrets.token_urlsafe(24),
        "nonce": secrets.token_urlsafe(24),
        "verifier": secrets.token_urlsafe(48),
        "next": _ours(request.query.get("next", "/")),
    }
    where = await provider.address(
        _redirect_uri(request), waiting["state"], waiting["nonce"], verifier=waiting["verifier"]
    )
    response = web.Response(status=302, headers={"Location": where, "Cache-Control": "no-store"})
    cookie = jwt.encode({**waiting, "exp": int(time.time()) + WAIT_S}, _key(context), algorithm=_ALGORITHM)
    # Not strict: the provider's page sends the browser back.
    response.set_cookie(
        COOKIE, cookie, max_age=WAIT_S, path=PATH, httponly=True, samesite="Lax", secure=is_secure(request)
    )
    return response


async def callback(request: web.Request) -> web.Response:
    """The browser is back: a session, or a page that says why not."""
    context = request.app[CONTEXT]
    provider = _provider(context)
    spend(context.sign_ins, network_of(request))
    try:
        waiting = _waiting(request, context)
        if "code" not in request.query or request.query.get("iss", provider.issuer) != provider.issuer:
            raise SignInFailed  # refused over there, or somebody thought better of it; or another's answer (RFC 9207)
        vouched = await provider.redeem(
            request.query["code"], _redirect_uri(request), waiting["nonce"], waiting["verifier"]
        )
        try:
            account = await context.signing_in.by_oidc(
                provider.issuer, vouched.subject, vouched.login, datetime.now(UTC)
            )
        except NotSignedIn as error:
            await context.audit.note_refusal(request, f"oidc {vouched.subject}", error, is_vouched=True)
            raise
    except ClassroomError as error:
        response = _refused(error)
    else:
        if not account.has_oidc:
            detail = {"issuer": provider.issuer, "sub": vouched.subject}
            await context.audit.note_sign_in(request, account.id, account.login, "account.bind", detail)
        response = web.Response(status=302, headers={"Location": waiting["next"], "Cache-Control": "no-store"})
        await begin_session(request, response, account)
    response.del_cookie(COOKIE, path=PATH)
    return response


def _waiting(request: web.Request, context: Context) -> dict[str, Any]:
    """What this browser was sent away with; raises SignInFailed when it was not, or not with this state."""
    try:
        waiting: dict[str, Any] = jwt.decode(
            request.cookies.get(COOKIE, ""), _key(context), algorithms=[_ALGORITHM], options={"require": ["exp"]}
        )
    except jwt.PyJWTError:
        raise SignInFailed from None
    if not hmac.compare_digest(waiting["state"].encode(), request.query.get("state", "").encode()):
        raise SignInFailed
    return waiting


def _refused(error: ClassroomError) -> web.Response:
    refusal = refusal_of(error)
    chinese, _, english = str(refusal).partition(" ")
    return plain_page(
        "没有登录成功 Not signed in",
        f'<h1>没有登录成功</h1><p>{escape(chinese)}</p><h2>Not signed in</h2><p lang="en">{escape(english)}</p>'
        '<p><a href="/signin">返回登录 Back to signing in</a></p>',
        status=refusal.status,
    )


def _provider(context: Context) -> OpenIdProvider:
    if context.openid is None:
        raise Refusal(404, "not_found", "没有设置统一身份认证。 No identity provider has been set.")
    return context.openid


def _redirect_uri(request: web.Request) -> str:
    return f"{origin_of(request)}{PATH}/callback"


def _ours(path: str) -> str:
    """The path if it is one of this server, else the first page: nobody is sent elsewhere from here."""
    is_ours = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable() and path.isascii()
    return path if is_ours else "/"


def _key(context: Context) -> bytes:
    """A key of its own: none of these cookies is a token, and no token is one of these."""
    return hmac.new(context.secret.encode(), b"waiting for OpenID", hashlib.sha256).digest()
