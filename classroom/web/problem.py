"""Every refusal of an HTTP door as ``application/problem+json`` (RFC 9457)."""

from __future__ import annotations

import json
import logging
from http import HTTPStatus
from typing import TYPE_CHECKING

from aiohttp import web

from classroom.catalogue.accounts.accounts import LoginTaken, NotYourself, UnknownAccount
from classroom.catalogue.accounts.logins import BadAccount
from classroom.catalogue.accounts.passwords import BadPassword, TooManyPasswords
from classroom.catalogue.accounts.signing_in import AccountDisabled, BadLogin, Locked, UnknownPerson
from classroom.catalogue.database import CatalogueUnavailable
from classroom.catalogue.metadata import BadMetadata, MetadataChanged
from classroom.catalogue.region import errors as region
from classroom.catalogue.region.tables import BadFile
from classroom.catalogue.scope import OutOfScope
from classroom.live import errors as live
from classroom.media.webvtt import BadCaptions
from classroom.model import ClassroomError, InvalidLessonId
from classroom.schoolday.pairing import PairingExpired, UnknownCode
from classroom.sfu import negotiate
from classroom.sfu import session as sfu
from classroom.web.auth import BadToken, Forbidden
from classroom.web.provider_errors import ProviderUnreachable, SignInFailed
from classroom.web.responses import NO_STORE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

logger = logging.getLogger(__name__)

RETRY_AFTER_S = "2"


class Refusal(ClassroomError):
    """A request is refused for a reason of HTTP; ``code`` is for programs, the text for people.

    ``field`` is the part of the body that is wrong, where it is one.
    """

    def __init__(self, status: int, code: str, detail: str, **headers: str) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.field: str | None = None
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


_CODES: dict[type[ClassroomError], tuple[int, str]] = {
    InvalidLessonId: (400, "bad_lesson_id"),
    negotiate.BadOffer: (400, "bad_sdp"),
    negotiate.BadFragment: (400, "bad_fragment"),
    BadMetadata: (422, "bad_metadata"),
    MetadataChanged: (412, "metadata_changed"),
    BadCaptions: (422, "bad_captions"),
    CatalogueUnavailable: (503, "catalogue_unavailable"),
    OutOfScope: (403, "out_of_scope"),
    BadLogin: (401, "bad_login"),
    Locked: (423, "locked"),
    AccountDisabled: (403, "account_disabled"),
    UnknownPerson: (403, "unknown_person"),
    SignInFailed: (403, "oidc_failed"),
    ProviderUnreachable: (503, "oidc_unreachable"),
    BadPassword: (422, "bad_password"),
    TooManyPasswords: (503, "busy"),
    BadAccount: (422, "bad_account"),
    UnknownAccount: (404, "unknown_account"),
    LoginTaken: (409, "login_taken"),
    NotYourself: (409, "not_yourself"),
    PairingExpired: (410, "expired"),
    UnknownCode: (404, "unknown_code"),
    region.NotFound: (404, "not_found"),
    region.Duplicate: (409, "duplicate"),
    region.InUse: (409, "in_use"),
    region.Conflict: (409, "conflict"),
    region.ValueChanged: (412, "changed"),
    region.BadValue: (422, "bad_value"),
    BadFile: (422, "bad_file"),
    BadToken: (401, "unauthorized"),
    Forbidden: (403, "forbidden"),
    live.NotYours: (403, "forbidden"),
    live.UnknownLesson: (404, "unknown_lesson"),
    sfu.UnknownLesson: (404, "unknown_lesson"),
    sfu.UnknownSession: (404, "unknown_session"),
    live.LessonEnded: (409, "lesson_ended"),
    live.UnknownRecording: (404, "unknown_recording"),
    live.RecordingLive: (409, "lesson_live"),
    live.NotWanted: (409, "not_wanted"),
    live.BadDelivery: (422, "bad_frames"),
    live.DiskShort: (507, "disk_full"),
    sfu.EtagMismatch: (412, "etag_mismatch"),
    negotiate.UnacceptableOffer: (422, "unacceptable_offer"),
    sfu.NoWorker: (503, "busy"),
    sfu.Quarantined: (503, "busy"),
    live.Busy: (503, "busy"),
    live.Draining: (503, "draining"),
}

# The core speaks English only; people here are told in Chinese as well.
_CHINESE: dict[str, str] = {
    "bad_lesson_id": "课程编号不对。",
    "bad_sdp": "SDP 有误。",
    "bad_fragment": "ICE 片段有误。",
    "etag_mismatch": "ICE 会话已经更新。",
    "unacceptable_offer": "没有可用的音视频格式。",
}

_HTTP: dict[int, tuple[str, str]] = {
    400: ("bad_request", "请求有误。 The request cannot be understood."),
    404: ("not_found", "没有这个地址。 There is nothing at this address."),
    405: ("method_not_allowed", "这里不能用这个方法，见 Allow。 This method does not work here; see Allow."),
    413: ("too_large", "内容太大。 The body is too large; the limit is 256 KiB."),
}


def problem(
    status: int, code: str, detail: str, headers: dict[str, str] | None = None, field: str | None = None
) -> web.Response:
    """An error response. ``title`` is the phrase of the status: the type of every problem is about:blank."""
    body = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
    }
    if field is not None:
        body["field"] = field
    text = json.dumps(body, ensure_ascii=False)
    headers = {**NO_STORE, **(headers or {})}
    return web.Response(status=status, text=text, content_type="application/problem+json", headers=headers)


def refusal_of(error: ClassroomError) -> Refusal:
    """What an error that we raise on purpose means to a client; an unforeseen one is raised again."""
    if isinstance(error, Refusal):
        return error
    if type(error) not in _CODES:
        raise error
    status, code = _CODES[type(error)]
    chinese = _CHINESE.get(code)
    refusal = Refusal(status, code, f"{chinese} {error}" if chinese else str(error))
    if isinstance(error, region.BadValue):
        refusal.field = error.field
    if isinstance(error, BadToken):
        refusal.headers["WWW-Authenticate"] = "Bearer"
    elif isinstance(error, Locked):
        refusal.headers["Retry-After"] = str(error.wait_s)
    elif status in (503, 507) or code == "lesson_live":
        refusal.headers["Retry-After"] = RETRY_AFTER_S
    return refusal


@web.middleware
async def problems(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Turn errors into problems; a fault of ours becomes a 500 and a log entry, and the server goes on."""
    try:
        try:
            return await handler(request)
        except ClassroomError as error:
            refusal = refusal_of(error)
            return problem(refusal.status, refusal.code, str(refusal), refusal.headers, refusal.field)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        code, detail = _HTTP.get(error.status, (f"http_{error.status}", error.reason))
        allow = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else None
        return problem(error.status, code, detail, allow)
    except web.RequestPayloadError:
        text = "内容的压缩或分块有误。 The body cannot be decoded; see its Content-Encoding."
        return problem(400, "bad_request", text)
    except Exception:
        logger.exception("a fault of the server in %s %s", request.method, request.path)
        return problem(500, "internal", "服务器内部错误。 The server has a fault; its log says more.")
