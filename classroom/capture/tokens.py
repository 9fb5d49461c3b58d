"""Where the token of a lesson comes from: it was given, or a paired device asks for one and renews it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol
from urllib.parse import quote

from aiohttp import ClientError, ClientTimeout

from classroom.capture.problem import problem_of
from classroom.capture.refusals import LessonNotOpen, Refused, WhipError

if TYPE_CHECKING:
    from aiohttp import ClientSession

RENEW_S = 5 * 60.0  # left of a token: a server that is away for a moment ends nobody's lesson
_TIMEOUT = ClientTimeout(total=5, sock_connect=2)


class Tokens(Protocol):
    """The tokens of one lesson."""

    async def token(self, http: ClientSession) -> str:
        """A token that is good for a while; raises Refused, LessonNotOpen, or WhipError when it may work later."""

    def refused(self, token: str) -> bool:
        """The server does not take this one; returns whether there may be another."""


class GivenToken:
    """The one token that somebody has made for this lesson."""

    def __init__(self, token: str) -> None:
        self._token = token

    async def token(self, http: ClientSession) -> str:
        """The token."""
        return self._token

    def refused(self, token: str) -> bool:
        """There is no other."""
        return False


class DeviceTokens:
    """Asks the server as a paired device, and again before a token ends."""

    def __init__(self, server: str, lesson: str, credential: str) -> None:
        self._address = f"{server.rstrip('/')}/api/lessons/{quote(lesson, safe='')}/token"
        self._headers = {"Authorization": f"Bearer {credential}"}
        self._token = ""
        self._good_until_s = float("-inf")  # monotonic: our clock need not agree with the server's

    async def token(self, http: ClientSession) -> str:
        """A token with some minutes left, or the one that we have while the server does not answer."""
        left_s = self._good_until_s - time.monotonic()
        if left_s > RENEW_S:
            return self._token
        try:
            await self._renew(http)
        except WhipError:
            if left_s <= 0:
                raise
        return self._token

    def refused(self, token: str) -> bool:
        """Ask for another the next time."""
        if token == self._token:
            self._good_until_s = float("-inf")
        return True

    async def _renew(self, http: ClientSession) -> None:
        asked_s = time.monotonic()
        try:
            async with http.post(self._address, headers=self._headers, timeout=_TIMEOUT) as response:
                body = await response.read()
                status = response.status
        except (ClientError, TimeoutError) as error:
            reason = str(error) or type(error).__name__
            raise WhipError(f"连不上服务器：{reason} / cannot reach the server: {reason}") from error
        told = problem_of(body)
        if status == 200:
            self._token = str(told["token"])
            self._good_until_s = asked_s + float(str(told["ttl_s"]))
            return
        detail = str(told.get("detail", ""))
        if status == 409 and told.get("code") == "not_started":
            raise LessonNotOpen(detail)
        if status in (401, 403, 404):
            text = "这台设备不能进入这节课 / this device has no part in the lesson"
            raise Refused(f"{text} (HTTP {status}: {detail})")
        raise WhipError(f"没有得到令牌 / the server gave no token (HTTP {status}: {detail})")
