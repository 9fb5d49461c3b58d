"""The doors of pairing (docs/protocol.md §7): a device asks for a code, shows it, and asks what became of it."""

from __future__ import annotations

import io
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import segno
from aiohttp import web
from pydantic import Field

from classroom.live.instant import iso
from classroom.model import DeviceKind
from classroom.schoolday.pairing import PairingExpired, format_code, parse_code
from classroom.web.bodies import Body, read_body
from classroom.web.context import CONTEXT
from classroom.web.identity import set_device_cookie
from classroom.web.origin import network_of, origin_of
from classroom.web.problem import Refusal
from classroom.web.responses import json_response

if TYPE_CHECKING:
    from classroom.web.limits import RateLimit

QR_LIGHT, QR_DARK = "#ffffff", "#0b1220"


class _Begin(Body):
    kind: Annotated[DeviceKind, Field(strict=False)]
    name: Annotated[str, Field(max_length=60)] = ""


class _Poll(Body):
    poll: Annotated[str, Field(min_length=20, max_length=100)]


def routes() -> list[web.RouteDef]:
    """The doors."""
    return [
        web.post("/api/pairing", begin),
        web.post("/api/pairing/poll", poll),
        web.get("/api/pairing/{code}/qr.svg", qr),
    ]


async def begin(request: web.Request) -> web.Response:
    """Give a device a code."""
    be_patient(request.app[CONTEXT].pairing_guesses, network_of(request))
    asked = await read_body(request, _Begin)
    pairing = request.app[CONTEXT].pairings.begin(asked.kind, asked.name, network_of(request), datetime.now(UTC))
    told = {"code": format_code(pairing.code), "expires_at": iso(pairing.expires_at), "poll": pairing.poll}
    return json_response(told, status=201)


async def poll(request: web.Request) -> web.Response:
    """Tell a device what became of its code: 202 nothing yet, 200 it was paired, 410 it has expired."""
    asked = await read_body(request, _Poll)
    context = request.app[CONTEXT]
    try:
        pairing = context.pairings.poll(asked.poll, datetime.now(UTC))
    except PairingExpired:
        be_patient(context.pairing_guesses, network_of(request))
        raise
    if pairing.credential is None:
        return json_response({"paired": False}, status=202)
    if pairing.kind is DeviceKind.TERMINAL:  # a page must not see what is for its cookie
        response = json_response({"paired": True})
        set_device_cookie(request, response, pairing.credential)
        return response
    return json_response({"paired": True, "credential": pairing.credential})


async def qr(request: web.Request) -> web.Response:
    """Where an operator's telephone is to go, as a picture; of every code, so that it tells nobody which there are."""
    be_patient(request.app[CONTEXT].pairing_guesses, network_of(request))
    code = parse_code(request.match_info["code"])
    if code is None:
        raise Refusal(404, "not_found", "没有这个地址。 There is nothing at this address.")
    address = f"{origin_of(request)}/admin/terminals?code={format_code(code)}"
    picture = io.BytesIO()
    segno.make(address, error="m", micro=False).save(
        picture, kind="svg", border=2, dark=QR_DARK, light=QR_LIGHT, xmldecl=False, svgns=True, omitsize=True
    )
    return web.Response(
        body=picture.getvalue(), content_type="image/svg+xml", headers={"Cache-Control": "private, max-age=600"}
    )


def be_patient(guesses: RateLimit, key: str) -> None:
    """Refuse (429) whoever asks for codes, or guesses them, too often. Who asks with the right secret may go on."""
    wait_s = guesses.spend(key, time.monotonic())
    if wait_s is not None:
        raise Refusal(
            429,
            "too_many_requests",
            "配对请求过多，请稍后再试。 Too many requests for codes, or wrong ones; try again later.",
            Retry_After=str(wait_s),
        )
