"""The pages: one built application whose router knows the rest."""

from __future__ import annotations

from aiohttp import web

from classroom.web.context import CONTEXT
from classroom.web.plain_page import plain_page
from classroom.web.problem import Refusal

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
    return web.FileResponse(index, headers={"Cache-Control": "no-cache"})


async def asset(request: web.Request) -> web.StreamResponse:
    """A built file whose name changes with its contents."""
    return _built(request, "assets", "public, max-age=31536000, immutable")


async def beside_index(request: web.Request) -> web.StreamResponse:
    """A file of the build with a fixed name, such as an icon."""
    return _built(request, "", "no-cache")


def _built(request: web.Request, folder: str, caching: str) -> web.StreamResponse:
    name = request.match_info["name"]
    path = request.app[CONTEXT].ui / folder / name
    if path.name != name or name == "index.html" or not path.is_file():
        raise Refusal(404, "not_found", "没有这个地址。 There is nothing at this address.")
    return web.FileResponse(path, headers={"Cache-Control": caching})
