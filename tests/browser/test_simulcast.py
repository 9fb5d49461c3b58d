"""Chromium publishes three layers of its camera, is told how they arrive, and a receiver gets the best of them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from tests.running import LESSON, chromium, published, serving

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from playwright.async_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

# Chromium sends three layers of pictures from 960x540 on, two of smaller ones.
FAKE_CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
CONNECT = """async (url, token, add) => {
  const pc = window.pc = new RTCPeerConnection();
  add(pc);
  await pc.setLocalDescription();
  const headers = { "Content-Type": "application/sdp", Authorization: `Bearer ${token}` };
  const response = await fetch(url, { method: "POST", body: pc.localDescription.sdp, headers });
  await pc.setRemoteDescription({ type: "answer", sdp: await response.text() });
}"""
PUBLISH = f"""async ([url, token]) => {{
  const video = {{ width: 960, height: 540, frameRate: 15 }};
  const camera = await navigator.mediaDevices.getUserMedia({{ video, audio: true }});
  await ({CONNECT})(url, token, pc => {{
    const sendEncodings = ["h", "m", "l"].map(
      (rid, n) => ({{ rid, scaleResolutionDownBy: 2 ** n, maxBitrate: 800_000 / 3 ** n }}));
    pc.addTransceiver(camera.getVideoTracks()[0], {{ direction: "sendonly", sendEncodings }});
    pc.addTransceiver(camera.getAudioTracks()[0], {{ direction: "sendonly" }});
  }});
}}"""
RECEIVE = f"""async ([url, token]) => {{
  const video = document.body.appendChild(document.createElement("video"));
  video.muted = video.autoplay = true;
  await ({CONNECT})(url, token, pc => {{
    pc.ontrack = ({{ track }}) => {{ if (track.kind === "video") video.srcObject = new MediaStream([track]); }};
    for (const kind of ["video", "audio"]) pc.addTransceiver(kind, {{ direction: "recvonly" }});
  }});
}}"""
# What Chromium says of its layers; "reported" is the server's word for each in receiver reports. The estimate is that
# of the path in use: of several that were nominated only one has it.
SENT = """async () => {
  const stats = [...(await window.pc.getStats()).values()];
  const layers = Object.fromEntries(stats.filter(s => s.type === "outbound-rtp" && s.kind === "video").map(s =>
    [s.rid, { width: s.frameWidth, frames: s.framesEncoded, reported: stats.some(r => r.id === s.remoteId) }]));
  const used = stats.find(s => s.type === "transport")?.selectedCandidatePairId;
  return { layers, bps: stats.find(s => s.id === used)?.availableOutgoingBitrate ?? 0 };
}"""
RECEIVED = """async () => {
  const stats = [...(await window.pc.getStats()).values()];
  const video = stats.find(s => s.type === "inbound-rtp" && s.kind === "video");
  return { width: video?.frameWidth ?? 0, frames: video?.framesDecoded ?? 0 };
}"""


async def until(page: Page, script: str, reached: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Ask the page until it says what is waited for; what it last said is in the failure."""
    said: dict[str, Any] = {}
    try:
        async with asyncio.timeout(30):
            while not reached(said := await page.evaluate(script)):
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise AssertionError(said) from None
    return said


async def test_three_layers_arrive_and_the_best_is_shown(tmp_path: Path) -> None:
    async with serving(tmp_path) as server, chromium(*FAKE_CAMERA) as browser:
        camera, terminal = await browser.new_page(), await browser.new_page()
        for page in (camera, terminal):
            await page.goto(f"{server.url}/terminal")
        observer = await server.token("observer")
        await camera.evaluate(PUBLISH, [f"{server.url}/whip/{LESSON}", await server.token("teacher")])
        path = f"/api/lessons/{LESSON}"
        await server.until(lambda answer: set(published(answer)) == {"camera", "mic"}, path, observer)
        await terminal.evaluate(RECEIVE, [f"{server.url}/whep/{LESSON}", observer])
        # A camera just opened may give its size late, a busy Chromium sends less for a while.
        widths = {"h": (960, True), "m": (480, True), "l": (240, True)}
        await until(
            camera,
            SENT,
            lambda said: {rid: (layer["width"], layer["reported"]) for rid, layer in said["layers"].items()} == widths,
        )
        # Its estimate starts at 300 kbit/s and grows only by transport-wide feedback.
        await until(camera, SENT, lambda said: said["bps"] > 1_000_000)
        shown = await until(terminal, RECEIVED, lambda said: said["width"] == 960)
        await until(terminal, RECEIVED, lambda said: said["frames"] > shown["frames"] + 20)
