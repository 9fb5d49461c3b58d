"""Headless Firefox, driven by WebDriver BiDi."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

from websockets.asyncio.client import ClientConnection, connect

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

FIREFOX = next((p for p in map(shutil.which, ("firefox-esr", "firefox")) if p), None)
# Firefox downloads its H.264 for WebRTC at the first start. These have it from the decoders of the system instead.
PREFERENCES = {
    "gfx.blacklist.webrtc.hw.acceleration.h264": 1,
    "media.webrtc.hw.h264.enabled": True,
    "media.autoplay.default": 0,
    "media.gmp-manager.url": "",
    "app.update.auto": False,
}


class Page:
    """One tab. One call at a time."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._last_id = 0
        self._context = ""

    async def open(self) -> None:
        """Begin a session in the first tab."""
        await self._call("session.new", {"capabilities": {}})
        self._context = (await self._call("browsingContext.getTree", {}))["contexts"][0]["context"]

    async def goto(self, url: str) -> None:
        """Load a page."""
        await self._call("browsingContext.navigate", {"context": self._context, "url": url, "wait": "complete"})

    async def evaluate(self, function: str, argument: object = None) -> Any:
        """Call a function of JavaScript with one argument; both ways as JSON."""
        called = await self._call(
            "script.callFunction",
            {
                "functionDeclaration": f"async text => JSON.stringify(await ({function})(JSON.parse(text)) ?? null)",
                "arguments": [{"type": "string", "value": json.dumps(argument)}],
                "target": {"context": self._context},
                "awaitPromise": True,
            },
        )
        assert called["type"] == "success", called["exceptionDetails"]["text"]
        return json.loads(called["result"]["value"])

    async def _call(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        self._last_id += 1
        await self._socket.send(json.dumps({"id": self._last_id, "method": method, "params": params}))
        while (message := json.loads(await self._socket.recv())).get("id") != self._last_id:
            pass  # an event
        assert message["type"] == "success", message
        return dict(message["result"])


def _make_profile(folder: Path) -> None:
    folder.mkdir()
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in PREFERENCES.items()]
    (folder / "user.js").write_text("\n".join(lines))


@contextlib.asynccontextmanager
async def firefox(profile: Path) -> AsyncIterator[Page]:
    """A Firefox with a new profile, gone afterwards."""
    assert FIREFOX is not None
    _make_profile(profile)
    process = await asyncio.create_subprocess_exec(
        FIREFOX, "--headless", "--no-remote", "--profile", str(profile), "--remote-debugging-port", "0", "about:blank",
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env={**os.environ, "HOME": str(profile)},
    )  # fmt: skip
    assert process.stderr is not None
    try:
        async with asyncio.timeout(30):
            while "WebDriver BiDi listening on" not in (line := (await process.stderr.readline()).decode()):
                assert line, "Firefox stopped"
        drained = asyncio.create_task(process.stderr.read())
        async with connect(f"{line.split()[-1]}/session", max_size=None) as socket:
            page = Page(socket)
            await page.open()
            yield page
        drained.cancel()
    finally:
        process.kill()
        await process.wait()
