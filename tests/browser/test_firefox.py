"""Firefox as a terminal in a linked classroom, and as a publisher."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.browser.firefox import FIREFOX, firefox
from tests.browser.test_lesson import SAMPLE, SHOWS
from tests.running import LESSON, capturing, published, serving

if TYPE_CHECKING:
    from pathlib import Path

    from tests.browser.firefox import Page

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(120),
    pytest.mark.skipif(FIREFOX is None, reason="there is no Firefox here, and no Debian package of it"),
]

HEARS = """() => {
  const audio = document.querySelector('audio[data-slot="mic"]');
  return audio !== null && !audio.paused && !audio.muted && audio.currentTime > 1;
}"""
# A tone, and a picture in three sizes; Firefox encodes H.264 only with its plugin, so the picture is only negotiated.
PUBLISH = """async ({ url, token }) => {
  const audio = new AudioContext();
  const tone = audio.createOscillator();
  const output = audio.createMediaStreamDestination();
  tone.connect(output);
  tone.start();
  const canvas = document.createElement("canvas");
  canvas.getContext("2d").fillRect(0, 0, 1, 1);
  const pc = window.pc = new RTCPeerConnection();
  pc.addTransceiver(canvas.captureStream(5).getVideoTracks()[0],
    { direction: "sendonly", sendEncodings: ["h", "m", "l"].map(rid => ({ rid })) });
  pc.addTransceiver(output.stream.getAudioTracks()[0], { direction: "sendonly" });
  await pc.setLocalDescription();
  const headers = { "Content-Type": "application/sdp", Authorization: `Bearer ${token}` };
  const response = await fetch(url, { method: "POST", body: pc.localDescription.sdp, headers });
  const sdp = await response.text();
  await pc.setRemoteDescription({ type: "answer", sdp });
  const [video] = pc.getTransceivers();
  return { sdp, directions: pc.getTransceivers().map(t => t.currentDirection),
    rids: video.sender.getParameters().encodings.map(e => e.rid) };
}"""


async def until_moving(page: Page, label: str) -> None:
    """Wait until the slot shows a picture that goes on."""
    first = None
    async with asyncio.timeout(30):
        while True:
            shown = await page.evaluate(SHOWS, label)
            if shown is not None and shown["range"] > 100:
                if first is not None and shown["time"] > first:
                    return
                first = shown["time"] if first is None else first
            await asyncio.sleep(0.05)


async def test_a_terminal_in_firefox_shows_teacher_and_slides_with_sound(tmp_path: Path) -> None:
    async with serving(tmp_path / "recordings") as server, capturing(server, *SAMPLE), firefox(tmp_path / "ff") as page:
        await page.goto(await server.page("/terminal", "classroom", "大足二小"))
        for slot in ("camera", "slides"):
            await until_moving(page, slot)
        async with asyncio.timeout(30):
            while not await page.evaluate(HEARS):
                await asyncio.sleep(0.05)


async def test_firefox_publishes_sound_and_takes_our_answer_to_its_simulcast(tmp_path: Path) -> None:
    async with serving(tmp_path / "recordings") as server, firefox(tmp_path / "ff") as page:
        await page.goto(f"{server.url}/terminal")
        where = {"url": f"{server.url}/whip/{LESSON}", "token": await server.token("teacher")}
        made = await page.evaluate(PUBLISH, where)
        assert made["directions"] == ["sendonly", "sendonly"] and made["rids"] == ["h", "m", "l"]
        assert "a=simulcast:recv h;m;l" in made["sdp"]
        path, observer = f"/api/lessons/{LESSON}", await server.token("observer")
        await server.until(lambda answer: "mic" in published(answer), path, observer)
