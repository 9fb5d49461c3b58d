"""WHIP and WHEP clients of others, on a page of another origin, publish and receive through a real server."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from tests.running import LESSON, chromium, free_port, published, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

CLIENTS = Path(__file__).parents[1] / "clients"
PAGE = '<!doctype html><video autoplay playsinline muted></video><script type="module" src="clients.js"></script>'
PUBLISH = "([name, url, token]) => clients[name].publish(url, token)"
VIEW = "([name, url, token]) => clients[name].view(url, token, document.querySelector('video'))"
# The middle of the picture is red, time goes on, and there is sound.
PLAYS = """() => {
  const video = document.querySelector("video");
  if (video.videoWidth !== 320 || video.currentTime < 0.5) return null;
  const context = new OffscreenCanvas(320, 240).getContext("2d");
  context.drawImage(video, 0, 0);
  const [red, green, blue] = context.getImageData(160, 120, 1, 1).data;
  const sound = video.srcObject.getAudioTracks().some(track => !track.muted);
  return red > 180 && green < 60 && blue < 60 && sound ? video.currentTime : null;
}"""


@contextlib.asynccontextmanager
async def elsewhere() -> AsyncIterator[str]:
    """A web server with the page of the clients: another origin than the media server's."""
    made = await asyncio.create_subprocess_exec("npm", "run", "-s", "bundle", cwd=CLIENTS, stdout=subprocess.PIPE)
    bundle, _ = await made.communicate()
    assert made.returncode == 0

    async def page(_: web.Request) -> web.Response:
        return web.Response(text=PAGE, content_type="text/html")

    async def script(_: web.Request) -> web.Response:
        return web.Response(body=bundle, content_type="text/javascript")

    app = web.Application()
    app.router.add_get("/", page)
    app.router.add_get("/clients.js", script)
    runner = web.AppRunner(app)
    await runner.setup()
    port = free_port(socket.SOCK_STREAM)
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield f"http://localhost:{port}/"
    finally:
        await runner.cleanup()


async def until_playing(page: Page, after_s: float = 0.0) -> float:
    """Wait until the right picture is shown at a later time; returns that time."""
    async with asyncio.timeout(30):
        while (time_s := await page.evaluate(PLAYS)) is None or time_s <= after_s:
            await asyncio.sleep(0.05)
    return time_s


@pytest.mark.parametrize("name", ["medooze", "eyevinn"])
async def test_a_client_of_others_publishes_and_receives(tmp_path: Path, name: str) -> None:
    async with serving(tmp_path) as server, elsewhere() as origin, chromium() as browser:
        page = await browser.new_page()
        await page.goto(origin)
        observer, path = await server.token("observer"), f"/api/lessons/{LESSON}"
        await page.evaluate(PUBLISH, [name, f"{server.url}/whip/{LESSON}", await server.token("teacher")])
        await server.until(lambda answer: set(published(answer)) == {"camera", "mic"}, path, observer)
        await page.evaluate(VIEW, [name, f"{server.url}/whep/{LESSON}", observer])
        time_s = await until_playing(page)
        await until_playing(page, after_s=time_s + 1)
        await page.evaluate("name => clients[name].stop()", name)
        await server.until(lambda answer: published(answer) == {}, path, observer)
