"""WHIP (RFC 9725) and WHEP: the same door in two directions."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from aiohttp import web

from classroom.live.service import Owner
from classroom.model import ClassroomError, SessionId
from classroom.sfu.negotiate import parse_fragment
from classroom.web.auth import Action, Claims, Forbidden
from classroom.web.context import CONTEXT, admit
from classroom.web.payload import read_text
from classroom.web.problem import Refusal

if TYPE_CHECKING:
    from classroom.sfu.session import Session

logger = logging.getLogger(__name__)

SDP = "application/sdp"
FRAGMENT = "application/trickle-ice-sdpfrag"

CORS = {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": "Location, ETag, Link, Retry-After"}
_PREFLIGHT = {
    "Access-Control-Allow-Headers": "Authorization, Content-Type, If-Match",
    "Access-Control-Max-Age": "86400",
}


class Door:
    """One of the two doors; ``publishing`` is WHIP."""

    def __init__(self, publishing: bool) -> None:
        self.name = "whip" if publishing else "whep"
        self._publishing = publishing
        self._action = Action.PUBLISH if publishing else Action.RECEIVE

    def routes(self) -> list[web.RouteDef]:
        """The routes; every other method on them is answered 405 with Allow (RFC 9725 §4.1)."""
        endpoint, session = f"/{self.name}/{{lesson}}", f"/{self.name}/{{lesson}}/{{session}}"
        return [
            web.post(endpoint, self._post),
            web.options(endpoint, self._options_endpoint),
            web.patch(session, self._patch),
            web.delete(session, self._delete),
            web.options(session, self._options_session),
        ]

    async def _post(self, request: web.Request) -> web.Response:
        claims = admit(request, self._action)
        participant = request.query.get("participant")
        if participant not in (None, claims.participant):
            raise Forbidden("participant 与令牌不符。 The participant is not the one of this token.")
        offer = await read_text(request, SDP, "bad_sdp")
        session = await self._open(request, claims, offer)
        try:
            admit(request, self._action)
        except ClassroomError:  # it was withdrawn while the offer came and was taken up
            await request.app[CONTEXT].service.close_session(self._owner(claims), session.id)
            raise
        headers = {"Location": f"/{self.name}/{claims.lesson}/{session.id}", "ETag": session.etag}
        logger.info("lesson=%s %s session of %s %s", claims.lesson, self.name, claims.role, claims.participant)
        return web.Response(status=201, text=session.answer, content_type=SDP, headers=headers)

    async def _open(self, request: web.Request, claims: Claims, offer: str) -> Session:
        service, person = request.app[CONTEXT].service, claims.person()
        if self._publishing:
            return await service.publish(claims.lesson, person, offer, may_open=claims.may(Action.OPEN))
        return await service.subscribe(claims.lesson, person, offer)

    async def _patch(self, request: web.Request) -> web.Response:
        claims = admit(request, self._action)
        fragment = await read_text(request, FRAGMENT, "bad_fragment")
        if_match = request.headers.get("If-Match")
        if if_match is None and parse_fragment(fragment).ufrag is not None:
            # It could be a restart or candidates for an ICE session that is over (RFC 9725 §4.3).
            raise Refusal(
                428,
                "etag_required",
                "需要 If-Match。 ICE credentials need If-Match: the current ETag, or * to restart ICE.",
            )
        if if_match == '"*"':  # so quoted in the examples of RFC 9725
            if_match = "*"
        patched = await request.app[CONTEXT].service.patch(
            self._owner(claims), self._session(request), fragment, if_match
        )
        if patched.fragment is None:
            return web.Response(status=204)
        return web.Response(text=patched.fragment, content_type=FRAGMENT, headers={"ETag": patched.etag})

    async def _delete(self, request: web.Request) -> web.Response:
        claims = admit(request, self._action)
        await request.app[CONTEXT].service.close_session(self._owner(claims), self._session(request))
        return web.Response()

    async def _options_endpoint(self, request: web.Request) -> web.Response:
        methods = {"Access-Control-Allow-Methods": "POST, OPTIONS", "Accept-Post": SDP}
        return web.Response(status=204, headers={**_PREFLIGHT, **methods})

    async def _options_session(self, request: web.Request) -> web.Response:
        methods = {"Access-Control-Allow-Methods": "PATCH, DELETE, OPTIONS", "Accept-Patch": FRAGMENT}
        return web.Response(status=204, headers={**_PREFLIGHT, **methods})

    def _owner(self, claims: Claims) -> Owner:
        return Owner(claims.lesson, claims.person(), self._publishing)

    def _session(self, request: web.Request) -> SessionId:
        return SessionId(request.match_info["session"])
