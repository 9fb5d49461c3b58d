"""From the cookies of a request to who acts, and the token that keeps other sites from acting in that name."""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from aiohttp import web

from classroom.catalogue.accounts.sessions import SESSION_S
from classroom.web.origin import is_secure
from classroom.web.principal import AccountPrincipal, DevicePrincipal, Principal
from classroom.web.problem import Refusal

if TYPE_CHECKING:
    from classroom.catalogue.accounts.devices import Devices
    from classroom.catalogue.accounts.sessions import Sessions

SESSION_COOKIE, DEVICE_COOKIE = "session", "device"
DEVICE_COOKIE_S = 400 * 86_400  # no browser keeps one longer
CSRF_HEADER = "X-CSRF"
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})

_RENEWED = web.RequestKey("renewed session", str)


class Identities:
    """Finds out who acts. Methods may raise CatalogueUnavailable."""

    def __init__(self, sessions: Sessions, devices: Devices, secret: str) -> None:
        self._sessions = sessions
        self._devices = devices
        self._key = secret.encode()

    async def account(self, request: web.Request) -> AccountPrincipal | None:
        """Who has signed in; a session that is used lasts on."""
        cookie = request.cookies.get(SESSION_COOKIE, "")
        now = datetime.now(UTC)
        session = await self._sessions.find(cookie, now)
        if session is None:
            return None
        if session.is_stale(now):
            await self._sessions.see(cookie, now)
            request[_RENEWED] = cookie
        account = session.account
        return AccountPrincipal(
            account_id=account.id,
            login=account.login,
            name=account.name,
            role=account.role,
            person_id=account.person_id,
            district_id=account.district_id,
            school_id=account.school_id,
            scope=session.scope,
            must_change=account.must_change,
            expires_at=session.expires_at,
        )

    async def device(self, request: web.Request) -> DevicePrincipal | None:
        """Which device it is, by its cookie, or by its credential as a bearer token."""
        device = await self._devices.find(bearer_of(request) or request.cookies.get(DEVICE_COOKIE, ""))
        return None if device is None else DevicePrincipal(device.id, device.kind, device.classroom_id, device.name)

    def csrf_of(self, request: web.Request, kind: type[Principal]) -> str:
        """The token that a request in the name of this cookie has to have; empty without the cookie."""
        cookie = request.cookies.get(SESSION_COOKIE if kind is AccountPrincipal else DEVICE_COOKIE, "")
        return (
            hmac.new(self._key, f"csrf {cookie}".encode(errors="replace"), hashlib.sha256).hexdigest() if cookie else ""
        )

    def is_ours(self, request: web.Request, kind: type[Principal]) -> bool:
        """Whether a request that a cookie admits comes from a page of ours.

        What only reads shows its answer to pages of ours alone: browsers see to that. A WebSocket is not covered.
        """
        if kind is DevicePrincipal and bearer_of(request):
            return True
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return _host_in(request.headers.get("Origin", "")) == request.host
        if request.method in SAFE:
            return True
        given = request.headers.get(CSRF_HEADER, "")
        return hmac.compare_digest(self.csrf_of(request, kind).encode(), given.encode(errors="replace"))


def _host_in(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc
    except ValueError:  # no address at all
        return None


def bearer_of(request: web.Request) -> str:
    """The bearer token of a request; empty when it has none."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def refuse_foreign() -> Refusal:
    """The request may come from another site."""
    return Refusal(
        403,
        "csrf",
        "请求缺少来自本站的凭据，请刷新页面后再试。 "
        "The request does not prove that it comes from a page of this server; reload the page.",
    )


def set_session_cookie(request: web.Request, response: web.StreamResponse, cookie: str) -> None:
    """Let the browser keep a session, out of the reach of scripts and of other sites' forms."""
    response.set_cookie(
        SESSION_COOKIE, cookie, max_age=SESSION_S, path="/", httponly=True, samesite="Lax", secure=is_secure(request)
    )


def set_device_cookie(request: web.Request, response: web.StreamResponse, credential: str) -> None:
    """Let a terminal keep what it is."""
    response.set_cookie(
        DEVICE_COOKIE,
        credential,
        max_age=DEVICE_COOKIE_S,
        path="/",
        httponly=True,
        samesite="Strict",
        secure=is_secure(request),
    )


def renew_cookie(request: web.Request, response: web.StreamResponse) -> None:
    """Give an answer that has not begun the cookie of a session that lasts on."""
    if _RENEWED in request and SESSION_COOKIE not in response.cookies and not response.prepared:
        set_session_cookie(request, response, request[_RENEWED])
