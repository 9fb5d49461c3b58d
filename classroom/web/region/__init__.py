"""The region over HTTP: its things, the plan of the days, import and export (docs/protocol.md §8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from classroom.web.region import calendar, exchange, openapi, plans, things

if TYPE_CHECKING:
    from aiohttp import web


def routes() -> list[web.RouteDef]:
    """All doors of the region."""
    return [*things.routes(), *calendar.routes(), *plans.routes(), *exchange.routes(), *openapi.routes()]
