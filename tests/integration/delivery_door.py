"""The server's side of a delivery as docs/protocol.md has it, in memory and strict: for tests of who delivers."""

from __future__ import annotations

import asyncio
import struct
import zlib
from collections import Counter
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Callable

    from classroom.capture.copy.frame_record import Identity

ENTRY = struct.Struct(">QII")
MAX_FRAMES_BYTES, MAX_INVENTORY_BYTES = 4 << 20, 16 << 20
TOKEN = "delivery-token-of-maths"


class DeliveryDoor:
    """``lacks`` says which frames of an inventory the archive does not have. Staged frames survive a restart()."""

    def __init__(self, lesson: str = "maths", lesson_token: str = "secret-token") -> None:
        self.lesson, self.lesson_token = lesson, lesson_token
        self.lacks: Callable[[str, Identity], bool] = lambda track, identity: False
        self.live = False
        self.known = True
        self.refuse: dict[int, Callable[[], web.Response]] = {}  # what the request of that number is answered
        self.drop_after_bytes: int | None = None  # of the next body of frames: then the connection is cut
        self.staged: dict[tuple[str, int], bytes] = {}
        self.completed = 0
        self.asked: Counter[str] = Counter()
        self.problems: list[str] = []  # what a client should never do
        self.changed = asyncio.Event()
        self.received_at_s: list[tuple[float, int]] = []
        self._wanted: dict[str, set[Identity]] = {}

    def routes(self, app: web.Application) -> None:
        base = f"/api/lessons/{self.lesson}/deliveries"
        app.router.add_post(base, self._guarded("token", self._token, self.lesson_token))
        app.router.add_post(base + "/complete", self._guarded("complete", self._complete, TOKEN))
        app.router.add_put(base + "/{track}/inventory", self._guarded("inventory", self._inventory, TOKEN))
        app.router.add_post(base + "/{track}/frames", self._guarded("frames", self._frames, TOKEN))

    def restart(self) -> None:
        """It has forgotten what it wanted; what is staged is on its disk."""
        self._wanted.clear()

    def _guarded(self, name: str, handler, token: str):  # type: ignore[no-untyped-def]
        async def handle(request: web.Request) -> web.StreamResponse:
            self.asked[name] += 1
            self.changed.set()
            if self.asked.total() in self.refuse:
                await request.read()
                return self.refuse[self.asked.total()]()
            if request.headers.get("Authorization") != f"Bearer {token}":
                return problem(401, "bad_token")
            return await handler(request)  # type: ignore[no-any-return]

        return handle

    async def _token(self, request: web.Request) -> web.Response:
        return web.json_response({"token": TOKEN, "expires_at": "2026-12-25T09:00:00Z"}, status=201)

    async def _inventory(self, request: web.Request) -> web.Response:
        from classroom.capture.copy.frame_record import Identity

        if not self.known:
            await request.read()
            return problem(404, "unknown_recording")
        body = await request.read()  # aiohttp inflates it
        track, query = request.match_info["track"], request.query
        entries = [Identity(*fields) for fields in ENTRY.iter_unpack(body)]
        times = [entry.captured_ntp for entry in entries]
        self._expect(request.content_type == "application/octet-stream", "type")
        self._expect(request.headers.get("Content-Encoding") == "gzip", "gzip")
        self._expect(0 < len(body) <= MAX_INVENTORY_BYTES, "size of the inventory")
        self._expect(times == sorted(set(times)), "ascending")
        self._expect(query["label"] == track, "label")
        self._expect(query["kind"] == ("audio" if track == "mic" else "video"), "kind")
        self._expect(0 < int(query["now"]) - times[-1] < 3600 << 32, "now")
        lacking = [self.lacks(track, entry) and (track, entry.captured_ntp) not in self.staged for entry in entries]
        wanted, first = [], None
        for index, lacks in enumerate([*lacking, False]):
            if lacks and first is None:
                first = index
            elif not lacks and first is not None:
                wanted.append([first, index - first])
                first = None
        self._wanted[track] = {entry for entry, lacks in zip(entries, lacking, strict=True) if lacks}
        size = sum(entry.size_bytes for entry in self._wanted[track])
        return web.json_response({"holding": "2026-11-1", "wanted": wanted, "wanted_bytes": size, "live": self.live})

    async def _frames(self, request: web.Request) -> web.Response:
        self._expect((request.content_length or 0) > 0, "length in front")
        body = bytearray()
        async for chunk in request.content.iter_any():
            body += chunk
            self.received_at_s.append((asyncio.get_running_loop().time(), len(chunk)))
            if self.drop_after_bytes is not None and len(body) >= self.drop_after_bytes:
                self.drop_after_bytes = None
                assert request.transport is not None
                request.transport.abort()
                raise web.HTTPInternalServerError
        self._expect(len(body) <= MAX_FRAMES_BYTES, "size of a request")
        track, at, found = request.match_info["track"], 0, {}
        wanted = self._wanted.get(track, set())
        while at < len(body):
            captured_ntp, size, crc32 = ENTRY.unpack_from(body, at)
            sample = bytes(body[at + ENTRY.size : at + ENTRY.size + size])
            if len(sample) != size or zlib.crc32(sample) != crc32:
                self.problems.append("checksum")
                return problem(422, "bad_frames")
            if (captured_ntp, size, crc32) not in wanted or request.query["holding"] != "2026-11-1":
                return problem(409, "not_wanted")
            found[track, captured_ntp] = sample
            at += ENTRY.size + size
        self._expect(not found.keys() & self.staged.keys(), "a frame that is there already")
        self.staged |= found
        self.changed.set()
        return web.Response(status=204)

    async def _complete(self, request: web.Request) -> web.Response:
        self._expect(request.query["holding"] == "2026-11-1", "holding")
        if self.live:
            return problem(409, "lesson_live", {"Retry-After": "1"})
        self.completed += 1
        self.changed.set()
        return web.json_response({"state": "complete", "gaps": 0})

    def _expect(self, condition: bool, what: str) -> None:
        if not condition:
            self.problems.append(what)

    async def until(self, condition: Callable[[], bool], seconds: float = 30) -> None:
        async with asyncio.timeout(seconds):
            while not condition():
                self.changed.clear()
                try:
                    await asyncio.wait_for(self.changed.wait(), 0.05)
                except TimeoutError:
                    pass


def problem(status: int, code: str, headers: dict[str, str] | None = None) -> web.Response:
    body = {"status": status, "code": code, "detail": f"because of the test: {code}"}
    return web.json_response(body, status=status, content_type="application/problem+json", headers=headers)
