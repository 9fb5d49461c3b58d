"""The four requests by which a copy is delivered to the archive (docs/protocol.md §6)."""

from __future__ import annotations

import json
import socket
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector
from yarl import URL

from classroom.capture.copy.sitting import About
from classroom.capture.problem import problem_of
from classroom.model import ClassroomError, Label

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from aiohttp import ClientResponse

# What the kernel holds of a request has left our hands: on a path that has just become thin it is a queue.
SEND_BUFFER_BYTES = 16 << 10
_TIMEOUT = ClientTimeout(total=None, sock_connect=5, sock_read=60)
_GZIP = 16 + zlib.MAX_WBITS


class DeliveryError(ClassroomError):
    """The archive cannot take it now, or the way to it is gone; worth trying again, not before ``retry_after_s``."""

    def __init__(self, text: str, retry_after_s: float = 0.0) -> None:
        super().__init__(text)
        self.retry_after_s = retry_after_s


class NotAuthorized(ClassroomError):
    """The token is no good for this, or not any more."""


class NoDeliveries(ClassroomError):
    """The server knows no deliveries: an older one, or another program."""


class UnknownRecording(ClassroomError):
    """The archive has no recording into which these frames fall."""


class StartOver(ClassroomError):
    """The archive and we do not mean the same frames (any more); the inventory tells anew."""


class LessonLive(ClassroomError):
    """The lesson is still being recorded; ask again after ``retry_after_s``."""

    def __init__(self, text: str, retry_after_s: float) -> None:
        super().__init__(text)
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the archive wants of an inventory: (first, count), ascending, for the recording ``holding``."""

    holding: str
    ranges: tuple[tuple[int, int], ...]
    wanted_bytes: int
    live: bool


def delivery_session(*, gentle: bool = False) -> ClientSession:
    """A session for deliveries; a ``gentle`` one never has more than 16 kB on its way."""
    return ClientSession(connector=TCPConnector(limit=2, socket_factory=_small_socket if gentle else None))


def pack_entries(entries: bytes) -> bytes:
    """The entries of an inventory as they travel (gzip)."""
    packer = zlib.compressobj(level=1, wbits=_GZIP)
    return packer.compress(entries) + packer.flush()


class DeliveryClient:
    """One lesson at one server, with one token."""

    def __init__(self, http: ClientSession, server: str, lesson: str, token: str) -> None:
        self._http = http
        self._base = server.rstrip("/") + f"/api/lessons/{quote(lesson, safe='')}/deliveries"
        self._server = server
        self._headers = {"Authorization": f"Bearer {token}"}

    async def authorize(self) -> About:
        """Get a token that is good for deliveries alone and for longer than a lesson."""
        told = await self._ask("POST", "", expected=201)
        return About(self._server, _text(told, "token"), _text(told, "expires_at"))

    async def inventory(self, track: str, body: AsyncIterator[bytes], size_bytes: int, now_ntp: int) -> Wanted:
        """Tell what frames of a track there are, as pack_entries() has packed them."""
        told = await self._ask(
            "PUT",
            f"/{quote(track, safe='')}/inventory",
            params={"label": track, "kind": "audio" if track == Label.MIC else "video", "now": str(now_ntp)},
            data=body,
            headers={"Content-Encoding": "gzip", "Content-Length": str(size_bytes)},
        )
        try:
            ranges = tuple(sorted((int(first), int(count)) for first, count in told["wanted"]))
            return Wanted(_text(told, "holding"), ranges, int(told["wanted_bytes"]), bool(told["live"]))
        except (KeyError, TypeError, ValueError) as error:
            raise _unreadable(error) from error

    async def frames(self, track: str, holding: str, body: AsyncIterator[bytes], size_bytes: int) -> None:
        """Deliver records; they are durable there when this returns."""
        await self._ask(
            "POST",
            f"/{quote(track, safe='')}/frames",
            params={"holding": holding},
            data=body,
            headers={"Content-Length": str(size_bytes)},
            expected=204,
        )

    async def complete(self, holding: str) -> int:
        """Have everything that was delivered put into the recording; how many gaps it still has."""
        told = await self._ask("POST", "/complete", params={"holding": holding})
        gaps = told.get("gaps")
        if not _text(told, "state") or not isinstance(gaps, int):
            raise _unreadable(TypeError("gaps"))
        return gaps

    async def _ask(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        data: AsyncIterator[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        expected: int = 200,
    ) -> dict[str, Any]:
        all_headers = {**self._headers, **(headers or {})}
        if data is not None:
            all_headers["Content-Type"] = "application/octet-stream"
        try:
            async with self._http.request(
                method, URL(self._base + path), params=params, data=data, headers=all_headers, timeout=_TIMEOUT
            ) as response:
                body = await response.read()
                if response.status != expected:
                    raise _refusal(response, body)
        except (ClientError, TimeoutError, OSError) as error:
            reason = str(error) or type(error).__name__
            raise DeliveryError(f"连不上服务器：{reason} / cannot reach the server: {reason}") from error
        if expected == 204:
            return {}
        try:
            told = json.loads(body)
        except ValueError as error:
            raise _unreadable(error) from error
        if not isinstance(told, dict):
            raise _unreadable(TypeError("no object"))
        return told


def _refusal(response: ClientResponse, body: bytes) -> ClassroomError:
    problem = problem_of(body)
    code, status = problem.get("code"), response.status
    detail = str(problem.get("detail", "")) or response.reason or ""
    retry_after = response.headers.get("Retry-After", "")
    retry_after_s = float(retry_after) if retry_after.isdigit() else 0.0
    if status in (401, 403):
        return NotAuthorized(f"服务器不接受补传令牌 / the server does not accept the delivery token: {detail}")
    if status == 404 and code == "unknown_recording":
        return UnknownRecording(detail)
    if status in (404, 405, 501):
        return NoDeliveries(f"这个服务器不接收补传 / this server takes no deliveries: {detail}")
    if status == 409 and code == "lesson_live":
        return LessonLive(detail, retry_after_s)
    if status in (409, 422):
        return StartOver(detail)
    return DeliveryError(
        f"服务器暂时不能接收补传 / the server cannot take it now (HTTP {status}: {detail})", retry_after_s
    )


def _text(told: Mapping[str, Any], key: str) -> str:
    value = told.get(key)
    if not isinstance(value, str):
        raise _unreadable(KeyError(key))
    return value


def _unreadable(error: Exception) -> DeliveryError:
    return DeliveryError(f"看不懂服务器的应答 / the answer of the server cannot be read: {error}")


def _small_socket(address: tuple[Any, ...]) -> socket.socket:
    family, kind, protocol, *_ = address
    made = socket.socket(family=family, type=kind, proto=protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
    return made
