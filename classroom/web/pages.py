"""The pages: one built application whose router knows the rest."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

from aiohttp import web

from classroom.web.context import CONTEXT
from classroom.web.plain_page import plain_page

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

PAGES = (
    "/",
    "/class/{lesson}",
    "/teacher",
    "/terminal",
    "/library",
    "/replay/{lesson}",
    "/replay/{lesson}/{holding}",
    "/signin",
    "/admin",
    "/admin/{section}",
)
_OF_PROGRAMS = re.compile(r"/(api|media|whep|whip|ws)(/|$)")

_INDEX = {"Cache-Control": "no-cache", "Vary": "Accept"}

_NOT_BUILT = """<h1>网页还没有生成</h1>
<p>服务器在运行，但网页文件还没有生成。请在项目目录中执行 <code>make run</code>，它会生成网页并启动一节课。</p>
<h2>The pages are not built</h2>
<p lang="en">The server is running, but its pages have not been built yet.
Run <code>make run</code> in the project's directory: it builds them and starts a lesson.</p>"""


def routes() -> list[web.RouteDef]:
    """The page routes, and the files that the build put beside ``index.html``: a page has no dot in its name."""
    found = [web.get(path, page) for path in PAGES]
    return [*found, web.get("/assets/{name}", asset), web.get(r"/{name:[\w-]+\.[\w.-]+}", beside_index)]


async def page(request: web.Request) -> web.StreamResponse:
    """``index.html`` for every page; it is asked for each time, because its assets are named by their contents."""
    index = request.app[CONTEXT].ui / "index.html"
    if not index.is_file():
        return plain_page("联体课堂", _NOT_BUILT, status=503)
    return web.FileResponse(index, headers=_INDEX)


@web.middleware
async def missing(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Show people a page where there is nothing; it says so and leads home. Programs are told as a problem."""
    try:
        return await handler(request)
    except web.HTTPNotFound:
        by_a_person = request.method in ("GET", "HEAD") and "text/html" in request.headers.get("Accept", "")
        if not by_a_person or _OF_PROGRAMS.match(request.path):
            raise
        without_slash = request.path.rstrip("/")
        if without_slash in PAGES:
            raise web.HTTPPermanentRedirect(without_slash) from None
        return await asyncio.to_thread(_missing, request)


async def asset(request: web.Request) -> web.StreamResponse:
    """A built file whose name changes with its contents."""
    return _built(request, "assets", "public, max-age=31536000, immutable")


async def beside_index(request: web.Request) -> web.StreamResponse:
    """A file of the build with a fixed name, such as an icon."""
    return _built(request, "", "no-cache")


def _missing(request: web.Request) -> web.Response:
    index = request.app[CONTEXT].ui / "index.html"
    if not index.is_file():
        return plain_page("联体课堂", _NOT_BUILT, status=404)
    return web.Response(body=index.read_bytes(), status=404, content_type="text/html", charset="utf-8", headers=_INDEX)


def _built(request: web.Request, folder: str, caching: str) -> web.StreamResponse:
    name = request.match_info["name"]
    path = request.app[CONTEXT].ui / folder / name
    if path.name != name or name == "index.html" or not path.is_file():
        raise web.HTTPNotFound
    return web.FileResponse(path, headers={"Cache-Control": caching})
