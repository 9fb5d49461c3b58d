"""The pages: one built application whose router knows the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from classroom.web.context import CONTEXT
from classroom.web.problem import Refusal

if TYPE_CHECKING:
    from pathlib import Path

PAGES = ("/", "/teacher", "/terminal", "/library", "/replay/{lesson}", "/replay/{lesson}/{holding}")

_NOT_BUILT = """<!doctype html>
<html lang="zh-CN"><meta charset="utf-8"><title>联体课堂</title>
<body style="font-family:sans-serif;max-width:40em;margin:15vh auto;line-height:1.7">
<h1>网页还没有生成</h1>
<p>服务器在运行，但网页文件还没有生成。请在项目目录中执行 <code>make run</code>，它会生成网页并启动一节课。</p>
<h2>The pages are not built</h2>
<p>The server is running, but its pages have not been built yet.
Run <code>make run</code> in the project's directory: it builds them and starts a lesson.</p>
</body></html>
"""


def routes(ui: Path) -> list[web.AbstractRouteDef]:
    """The page routes, and the files that the build put beside ``index.html``."""
    found: list[web.AbstractRouteDef] = [web.get(path, page) for path in PAGES]
    found.append(web.get("/assets/{name}", asset))
    beside = sorted(path.name for path in ui.iterdir() if path.is_file()) if ui.is_dir() else []
    return found + [web.get(f"/{name}", beside_index) for name in beside if name != "index.html"]


async def page(request: web.Request) -> web.StreamResponse:
    """``index.html`` for every page; it is asked for each time, because its assets are named by their contents."""
    index = request.app[CONTEXT].ui / "index.html"
    if not index.is_file():
        return web.Response(status=503, text=_NOT_BUILT, content_type="text/html")
    return web.FileResponse(index, headers={"Cache-Control": "no-cache"})


async def asset(request: web.Request) -> web.StreamResponse:
    """A built file whose name changes with its contents."""
    path = request.app[CONTEXT].ui / "assets" / request.match_info["name"]
    if path.name != request.match_info["name"] or not path.is_file():
        raise Refusal(404, "not_found", "没有这个地址。 There is nothing at this address.")
    return web.FileResponse(path, headers={"Cache-Control": "public, max-age=31536000, immutable"})


async def beside_index(request: web.Request) -> web.StreamResponse:
    """A file of the build with a fixed name, such as an icon."""
    return web.FileResponse(request.app[CONTEXT].ui / request.path[1:], headers={"Cache-Control": "no-cache"})
