"""The files of a recording: playlists, CMAF headers, segments."""

from __future__ import annotations

import asyncio

from aiohttp import web

from classroom.web.auth import Action
from classroom.web.context import CONTEXT, admit
from classroom.web.problem import Refusal


async def media_file(request: web.Request) -> web.StreamResponse:
    """One file of the recording of a lesson; ranges and conditions are aiohttp's (RFC 9110 §13, §14)."""
    claims = admit(request, Action.FOLLOW)
    find = request.app[CONTEXT].recordings.file
    found = await asyncio.to_thread(find, claims.lesson, request.match_info["path"])
    if found is None:
        raise Refusal(404, "unknown_recording", "录像中没有这个文件。 There is no such file in the recording.")
    caching = "private, max-age=31536000, immutable" if found.final else "private, no-cache"
    return web.FileResponse(found.path, headers={"Content-Type": found.media_type, "Cache-Control": caching})
