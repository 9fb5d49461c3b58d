"""The WHIP client (RFC 9725): POST an offer, DELETE the session."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from aiohttp import ClientError, ClientTimeout
from yarl import URL

from classroom.capture.problem import problem_of
from classroom.capture.refusals import LessonEnded, LessonNotOpen, Refused, WhipError

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession

    from classroom.capture.tokens import Tokens
    from classroom.model import ClassroomError

_POST_TIMEOUT = ClientTimeout(total=5, sock_connect=2)
_DELETE_TIMEOUT = ClientTimeout(total=2)
# Asking again with the same token and offer would get the same answer.
_FINAL = {
    400: (
        "服务器不接受这个请求，请检查课程编号和程序版本",
        "the server does not accept the request: check the lesson id and the versions",
    ),
    401: (
        "令牌无效或已过期，请用 classroom token 重新生成",
        "the token is wrong or has expired: make a new one with `classroom token`",
    ),
    403: ("令牌不允许在这节课上推流", "the token may not publish in this lesson"),
    404: (
        "这个地址不接受推流，请检查服务器地址",
        "nothing takes a lesson at this address: check the address of the server",
    ),
    413: ("请求过大", "the offer is too large for the server"),
    415: ("这个地址不接受 WHIP 推流", "the address does not take WHIP offers"),
    422: ("服务器不支持这里的音视频格式", "the server can use none of the offered media"),
}


@dataclass(frozen=True, slots=True)
class WhipSession:
    """A session that the server has made."""

    location: URL
    answer: str


class WhipClient:
    """One endpoint; each session with the token of the moment."""

    def __init__(self, http: ClientSession, server: str, lesson: str, tokens: Tokens) -> None:
        self._http = http
        self._endpoint = URL(server.rstrip("/") + "/whip/" + quote(lesson, safe=""), encoded=True)
        self._tokens = tokens
        self.token = ""  # that of the latest session

    async def post(self, offer: str) -> WhipSession:
        """Offer a session; raises Refused, LessonEnded, LessonNotOpen, or WhipError when it may work later."""
        self.token = await self._tokens.token(self._http)
        headers = {
            **self._bearer(),
            "Content-Type": "application/sdp",
            "Accept": "application/sdp, application/problem+json",
        }
        try:
            async with self._http.post(
                self._endpoint, data=offer.encode(), headers=headers, timeout=_POST_TIMEOUT
            ) as response:
                body = await response.read()
                if response.status == 401 and self._tokens.refused(self.token):
                    raise WhipError("令牌已失效，重新领取 / the token is void, getting another one")
                if response.status != 201:
                    raise _refusal(response, body)
                location = response.headers.get("Location")
                if not location:
                    raise WhipError("服务器的应答没有 Location / the answer has no Location")
                return WhipSession(response.url.join(URL(location)), body.decode("utf-8", "replace"))
        except (ClientError, TimeoutError) as error:
            reason = str(error) or type(error).__name__
            raise WhipError(f"连不上服务器：{reason} / cannot reach the server: {reason}") from error

    async def delete(self, session: WhipSession) -> None:
        """End a session; a server that is gone has forgotten it already."""
        try:
            async with self._http.delete(session.location, headers=self._bearer(), timeout=_DELETE_TIMEOUT):
                pass
        except (ClientError, TimeoutError):
            pass

    def _bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


def _refusal(response: ClientResponse, body: bytes) -> ClassroomError:
    problem = problem_of(body)
    detail = str(problem.get("detail", "")) or response.reason or ""
    status = response.status
    if status == 409:
        return LessonEnded(detail)
    if status == 404 and problem.get("code") == "unknown_lesson":  # not an address that is wrong
        return LessonNotOpen(detail)
    if status in _FINAL:
        zh, en = _FINAL[status]
        return Refused(f"{zh} / {en} (HTTP {status}: {detail})")
    retry_after = response.headers.get("Retry-After", "")
    text = f"服务器暂时不能接收 / the server cannot take it now (HTTP {status}: {detail})"
    return WhipError(text, float(retry_after) if retry_after.isdigit() else 0.0)
