"""What a replay page shows, frame by frame: `requestVideoFrameCallback` of both pictures on the lesson's axis."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from tests.running import LESSON, Server, capturing

if TYPE_CHECKING:
    from playwright.async_api import Browser, BrowserContext, Page

SAMPLE = ("--camera", "sample", "--slides", "sample")

# Kept from before the page's own scripts run. `mediaTime` is that of the frame that is on the screen, which
# `currentTime` is not. A frame of the slides drifts by how far it lies from the camera's time at the moment it appears.
# `apart_s` is how far the clocks of both are apart at each frame of the camera: no busy machine's late frames in it.
PROBE = """(() => {
  const probe = { first_ms: {}, shown: {}, drifts_s: [], apart_s: [], starts_s: {} };
  window.replayProbe = probe;
  const fetched = window.fetch;
  window.fetch = async (...asked) => {
    const response = await fetched(...asked);
    if (/\\/recordings?(\\/[^/]+)?$/.test(new URL(response.url).pathname) && response.ok) {
      const { tracks } = await response.clone().json();
      for (const { label, start_s } of tracks) probe.starts_s[label] = start_s;
    }
    return response;
  };
  const watch = (video) => {
    const label = video.dataset.slot;
    const shown = (now, { mediaTime, expectedDisplayTime }) => {
      const at_s = mediaTime + (probe.starts_s[label] ?? 0);
      probe.first_ms[label] ??= performance.now();
      const camera = probe.shown.camera;
      if (label === "camera" && !video.paused && !video.seeking) {
        const slides = document.querySelector('video[data-slot="slides"]');
        const slides_s = slides.currentTime + (probe.starts_s.slides ?? 0);
        if (!slides.seeking) probe.apart_s.push(slides_s - video.currentTime - (probe.starts_s.camera ?? 0));
      }
      if (label === "slides" && camera && !video.paused && !video.seeking && now - camera.now_ms < 500) {
        const element = document.querySelector('video[data-slot="camera"]');
        if (!element.paused && !element.seeking) {
          const camera_s = camera.at_s + ((expectedDisplayTime - camera.display_ms) / 1000) * element.playbackRate;
          probe.drifts_s.push(at_s - camera_s);
        }
      }
      probe.shown[label] = { at_s, display_ms: expectedDisplayTime, now_ms: now };
      video.requestVideoFrameCallback(shown);
    };
    video.requestVideoFrameCallback(shown);
  };
  const seen = new WeakSet();
  new MutationObserver(() => {
    for (const video of document.querySelectorAll("video[data-slot]")) {
      if (!seen.has(video)) { seen.add(video); watch(video); }
    }
  }).observe(document, { childList: true, subtree: true });
})()"""

CAMERA_SHOWN = "() => 'camera' in replayProbe.first_ms"
BOTH_SHOWN = "() => 'camera' in replayProbe.first_ms && 'slides' in replayProbe.first_ms"
# Presses a digit and waits until both pictures are those of the place it leads to (one frame of the slides is 0.1 s),
# or of what was played from there since: the one that comes first does not wait for the other for ever.
SEEK = """async (digit) => {
  const end_s = Number(document.querySelector("[data-end]").dataset.end);
  const to_s = (end_s * digit) / 10;
  const playing = document.querySelector("[data-playing]").dataset.playing === "true";
  const rate = playing ? document.querySelector('video[data-slot="camera"]').playbackRate : 0;
  const from_ms = performance.now();
  document.body.dispatchEvent(new KeyboardEvent("keydown", { key: String(digit), bubbles: true }));
  replayProbe.apart_s = [];
  const right = ({ at_s, now_ms } = {}) => now_ms >= from_ms && at_s > to_s - 0.25 &&
    at_s < to_s + 0.25 + ((now_ms - from_ms) / 1000) * rate;
  while (!right(replayProbe.shown.camera) || !right(replayProbe.shown.slides)) {
    await new Promise(requestAnimationFrame);
    if (performance.now() - from_ms > 30000) throw new Error(JSON.stringify([to_s, replayProbe.shown]));
  }
  return performance.now() - from_ms;
}"""


def has_begun(answer: dict[str, Any] | None) -> bool:
    """Whether all that SAMPLE sends is in a recording, and there is a second of it."""
    return answer is not None and len(answer["tracks"]) == 3 and answer["duration_s"] > 1


async def recorded(server: Server, seconds: float) -> str:
    """Hold a lesson of so many seconds with a real capture agent; returns the token of its teacher."""
    teacher = await server.token("teacher", "王老师")
    async with capturing(server, *SAMPLE):
        await server.until(has_begun, f"/api/lessons/{LESSON}/recording", teacher)
        await asyncio.sleep(seconds)
        assert await server.post(f"/api/lessons/{LESSON}/end", teacher) == 200
    return teacher


async def opened(browser: Browser | BrowserContext, address: str, shown: str = BOTH_SHOWN) -> Page:
    """A replay page that shows both pictures, or what is asked for, with the probe in it."""
    page = await browser.new_page()
    await page.set_viewport_size({"width": 1366, "height": 768})
    await page.add_init_script(PROBE)
    await page.goto(address)
    await page.wait_for_function(shown, timeout=60_000)
    return page


async def drifts_s(page: Page, count: int) -> list[float]:
    """The drift of the next so many frames of the slides, in seconds."""
    await page.evaluate("() => { replayProbe.drifts_s = []; }")
    await page.wait_for_function(f"() => replayProbe.drifts_s.length >= {count}", timeout=60_000)
    drifts: list[float] = await page.evaluate("() => replayProbe.drifts_s")
    return drifts


async def seek_ms(page: Page, digit: int) -> float:
    """Seek with a digit key; milliseconds until both pictures are there."""
    took: float = await page.evaluate(SEEK, digit)
    return took


async def state(page: Page) -> dict[str, Any]:
    """What the stage says of itself: `playing`, `position`, `driftMs`."""
    said: dict[str, Any] = await page.evaluate("() => ({ ...document.querySelector('[data-playing]').dataset })")
    return said
