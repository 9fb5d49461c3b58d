"""The application: routes, middleware and headers; nothing else."""

from __future__ import annotations

import re

from aiohttp import web

from classroom.web import (
    accounts,
    api,
    audit,
    deliveries,
    devices,
    extra,
    library,
    oidc,
    pages,
    pairing,
    region,
    replay,
    sessions,
    stats,
    today,
    trust,
)
from classroom.web.context import CONTEXT, Context
from classroom.web.control import OPEN_SOCKETS, STRANGERS, WIRE, close_all, control
from classroom.web.doors import CORS, Door
from classroom.web.gate import gate
from classroom.web.limits import MAX_BODY_BYTES
from classroom.web.media import media_file
from classroom.web.metrics import count_requests, metrics
from classroom.web.metrics import set_up as set_up_metrics
from classroom.web.origin import PROXIES, is_secure
from classroom.web.plain_page import STYLE_HASH
from classroom.web.problem import problems
from classroom.web.wire import Wire

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Server": "Lianti-Classroom",
    "Permissions-Policy": "camera=(self), microphone=(self), display-capture=(self), geolocation=()",
}
# Styles are files, too: Vue and Element Plus set theirs by script (CSSOM), which needs no permission. The hash is that
# of the pages without a script. A WebSocket is "self" only to some browsers.
CSP = (
    "default-src 'self'; style-src 'self' {style}; media-src 'self' blob:; worker-src 'self' blob:; "
    "connect-src 'self'{sockets}; img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'self'"
)
HSTS = "max-age=31536000"
_HOST = re.compile(r"[A-Za-z0-9.-]+(:[0-9]+)?|\[[0-9a-fA-F:.]+\](:[0-9]+)?")


def make_app(context: Context) -> web.Application:
    """Build the application around what the composition root gives it."""
    app = web.Application(middlewares=[count_requests, problems, pages.missing, gate], client_max_size=MAX_BODY_BYTES)
    app[CONTEXT] = context
    app[OPEN_SOCKETS] = set()
    app[STRANGERS] = {}
    app[WIRE] = Wire()
    app[devices.OPEN_DEVICES] = set()
    app[PROXIES] = context.proxies
    set_up_metrics(app)
    app.add_routes(Door(publishing=True).routes())
    app.add_routes(Door(publishing=False).routes())
    app.add_routes(api.routes())
    app.add_routes(deliveries.routes())
    app.add_routes(replay.routes())
    app.add_routes(library.routes())
    app.add_routes(stats.routes())
    app.add_routes(region.routes())
    app.add_routes(sessions.routes())
    app.add_routes(oidc.routes())
    app.add_routes(accounts.routes())
    app.add_routes(audit.routes())
    app.add_routes(pairing.routes())
    app.add_routes(devices.routes())
    app.add_routes(today.routes())
    app.add_routes(extra.routes())
    app.add_routes([web.get("/ws/{lesson}", control), web.get("/metrics", metrics)])
    app.add_routes([web.get("/media/{lesson}/{path:.+}", media_file)])
    app.add_routes(trust.routes())
    app.add_routes(pages.routes())
    app.on_response_prepare.append(_add_headers)
    app.on_shutdown.append(close_all)
    app.on_shutdown.append(devices.close_all)
    app.cleanup_ctx.append(deliveries.keep_house)
    return app


async def _add_headers(request: web.Request, response: web.StreamResponse) -> None:
    secure = is_secure(request)
    sockets = f" {'wss' if secure else 'ws'}://{request.host}" if _HOST.fullmatch(request.host) else ""
    response.headers.update(HEADERS)
    response.headers["Content-Security-Policy"] = CSP.format(style=STYLE_HASH, sockets=sockets)
    if secure:
        response.headers["Strict-Transport-Security"] = HSTS
    if request.path.startswith(("/whip/", "/whep/")):
        response.headers.update(CORS)
