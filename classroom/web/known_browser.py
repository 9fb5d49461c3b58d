"""Browsers in which somebody has signed in before: guesses from elsewhere do not lock them out (lockout.py).

A cookie holds a random name for the browser and for each login a mark that only this server can make of both: the
server stores nothing, and who steals it has five guesses, as from any network. It names nobody.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from base64 import urlsafe_b64encode
from typing import TYPE_CHECKING

from classroom.catalogue.accounts.lockout import Client
from classroom.web.origin import is_secure, network_of

if TYPE_CHECKING:
    from aiohttp import web

COOKIE, PATH = "browser", "/api/session"
KEPT_S = 400 * 86_400  # no browser keeps one longer; each sign-in renews it
MAX_LOGINS = 30  # the teachers who use the computer of one room; the one that has not been here for longest goes
_COOKIE = re.compile(r"[A-Za-z0-9_-]{22}(\.[A-Za-z0-9_-]{22})*")


class KnownBrowsers:
    """Tells them by their cookies."""

    def __init__(self, secret: str) -> None:
        self._key = hmac.digest(secret.encode(), b"known browsers", hashlib.sha256)

    def client_of(self, request: web.Request, login: str) -> Client:
        """Where somebody signs in from: this browser if it is known for the login, else its network."""
        name, marks = _read(request)
        is_known = any(hmac.compare_digest(self._mark(name, login), mark) for mark in marks)
        return Client(f"browser {name}", is_known=True) if is_known else Client(network_of(request)[:64])

    def remember(self, request: web.Request, response: web.StreamResponse, login: str) -> None:
        """Let the browser be known for a login that has signed in."""
        name, marks = _read(request)
        mine = self._mark(name, login)
        kept = [mine, *(mark for mark in marks if mark != mine)][:MAX_LOGINS]
        response.set_cookie(
            COOKIE,
            ".".join([name, *kept]),
            max_age=KEPT_S,
            path=PATH,
            httponly=True,
            samesite="Strict",
            secure=is_secure(request),
        )

    def _mark(self, name: str, login: str) -> str:
        digest = hmac.digest(self._key, f"{name} {login}".encode(errors="replace"), hashlib.sha256)
        return urlsafe_b64encode(digest)[:22].decode()


def _read(request: web.Request) -> tuple[str, list[str]]:
    """The name of the browser, a new one if it has none, and the marks that it shows, genuine or not."""
    cookie = request.cookies.get(COOKIE, "")
    if _COOKIE.fullmatch(cookie) is None:
        return secrets.token_urlsafe(16), []
    name, *marks = cookie.split(".")
    return name, marks[:MAX_LOGINS]
