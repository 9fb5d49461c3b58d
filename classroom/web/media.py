"""The files of a recording: playlists, CMAF headers, segments; pictures and captions of its index."""

from __future__ import annotations

import asyncio
import hashlib
import re
from typing import TYPE_CHECKING

from aiohttp import hdrs, web
from aiohttp.web_fileresponse import FileResponse

from classroom.model import LessonId
from classroom.web.context import CONTEXT, admit_reader
from classroom.web.problem import Refusal

if TYPE_CHECKING:
    from aiohttp.abc import AbstractStreamWriter
    from aiohttp.web_request import BaseRequest

FOR_EVER, ASK_AGAIN = "private, max-age=31536000, immutable", "private, no-cache"
_HOLDING = re.compile(r"(\d{4}-\d{2}-\d{1,9})/")
_RANGE = re.compile(r"bytes=(?:([0-9]{1,18})-([0-9]{0,18})|-[0-9]{1,18})", re.IGNORECASE)


class RangedFile(FileResponse):
    """A file with ranges and conditions (RFC 9110 §13, §14).

    aiohttp knows dates only in If-Range. With an entity tag of other contents the range does not count (§13.1.5): the
    rest of a segment that has grown meanwhile would not fit what the client has. Nor do several ranges, other units, or
    nonsense (§14.2), which it would answer by 416. A refusal is for nobody to keep.
    """

    async def prepare(self, request: BaseRequest) -> AbstractStreamWriter | None:
        """Answer the request, as one for the whole file if its range does not count."""
        if hdrs.RANGE in request.headers and not await self._counts(request):
            headers = request.headers.copy()
            del headers[hdrs.RANGE]
            request = request.clone(headers=headers)
        return await super().prepare(request)

    def set_status(self, status: int, reason: str | None = None) -> None:
        """See web.Response."""
        super().set_status(status, reason)
        if status >= 400:
            self.headers[hdrs.CACHE_CONTROL] = "no-store"

    async def _counts(self, request: BaseRequest) -> bool:
        match = _RANGE.fullmatch(request.headers[hdrs.RANGE].strip())
        if match is None or (match[2] and int(match[2]) < int(match[1])):
            return False
        if_range = request.headers.get(hdrs.IF_RANGE, "").strip()
        return not if_range.endswith('"') or if_range == await asyncio.to_thread(self._tag)

    def _tag(self) -> str:
        """The tag that aiohttp gives this file; no weak one is ever equal to it."""
        try:
            status = self._path.stat()
        except OSError:
            return ""
        return f'"{status.st_mtime_ns:x}-{status.st_size:x}"'


async def media_file(request: web.Request) -> web.StreamResponse:
    """One file of the recording of a lesson."""
    path = request.match_info["path"]
    match = _HOLDING.match(path)
    admit_reader(request, match[1] if match else None, key_in_address=True)
    lesson = LessonId(request.match_info["lesson"])
    recordings = request.app[CONTEXT].recordings
    if path.endswith(".vtt"):
        captions = await asyncio.to_thread(recordings.captions, lesson, path)
        return _missing() if captions is None else _whole(request, captions)
    found = await asyncio.to_thread(recordings.file, lesson, path)
    if found is None:
        return _missing()
    caching = FOR_EVER if found.final else ASK_AGAIN
    return RangedFile(found.path, headers={"Content-Type": found.media_type, "Cache-Control": caching})


def _whole(request: web.Request, captions: bytes) -> web.Response:
    """Captions, made anew for each request, under a tag of what is in them."""
    tag = hashlib.sha256(captions).hexdigest()[:32]
    known = request.if_none_match
    fresh = known is not None and any(it.value in (tag, "*") for it in known)
    response = web.Response(status=304) if fresh else web.Response(body=captions)
    if not fresh:
        response.headers["Content-Type"] = "text/vtt; charset=utf-8"
    response.headers["Cache-Control"] = ASK_AGAIN
    response.etag = tag
    return response


def _missing() -> web.Response:
    raise Refusal(404, "unknown_recording", "录像中没有这个文件。 There is no such file in the recording.")
