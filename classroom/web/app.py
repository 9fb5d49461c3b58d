"""The application: routes, middleware and headers; nothing else."""

from __future__ import annotations

from aiohttp import web

from classroom.web import (
    accounts,
    api,
    audit,
    deliveries,
    devices,
    library,
    oidc,
    pages,
    pairing,
    region,
    replay,
    sessions,
    stats,
    today,
)
from classroom.web.context import CONTEXT, Context
from classroom.web.control import OPEN_SOCKETS, WIRE, close_all, control
from classroom.web.doors import CORS, Door
from classroom.web.gate import gate
from classroom.web.limits import MAX_BODY_BYTES
from classroom.web.media import media_file
from classroom.web.metrics import count_requests, metrics
from classroom.web.metrics import set_up as set_up_metrics
from classroom.web.problem import problems
from classroom.web.wire import Wire

SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; style-src 'self' 'unsafe-inline'; media-src 'self' blob:; worker-src 'self' blob:; "
        "connect-src 'self' ws: wss:; img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; "
        "form-action 'self'; frame-ancestors 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Server": "Lianti-Classroom",
    "Permissions-Policy": "camera=(self), microphone=(self), display-capture=(self), geolocation=()",
}


def make_app(context: Context) -> web.Application:
    """Build the application around what the composition root gives it."""
    app = web.Application(middlewares=[count_requests, problems, gate], client_max_size=MAX_BODY_BYTES)
    app[CONTEXT] = context
    app[OPEN_SOCKETS] = set()
    app[WIRE] = Wire()
    app[devices.OPEN_DEVICES] = set()
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
    app.add_routes([web.get("/ws/{lesson}", control), web.get("/metrics", metrics)])
    app.add_routes([web.get("/media/{lesson}/{path:.+}", media_file)])
    app.add_routes(pages.routes())
    app.on_response_prepare.append(_add_headers)
    app.on_shutdown.append(close_all)
    app.on_shutdown.append(devices.close_all)
    app.cleanup_ctx.append(deliveries.keep_house)
    return app


async def _add_headers(request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(SECURITY_HEADERS)
    if request.path.startswith(("/whip/", "/whep/")):
        response.headers.update(CORS)
