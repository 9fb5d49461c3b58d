"""A media worker that is killed in class, as people see it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.browser.test_lesson import SAMPLE, is_held, until_moving, until_phase
from tests.running import LESSON, capturing, chromium, serving

if TYPE_CHECKING:
    from pathlib import Path

    import psutil
    from playwright.async_api import Route, WebSocket

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

# Notes for each slot when it showed a new picture, whatever element or session shows it. What a busy machine kept the
# page waiting is left out.
WATCH = """() => {
  window.sameDocument = true;
  let now = 0, last = performance.now();
  window.shownAt = { camera: [], slides: [] };
  const counts = {};
  setInterval(() => {
    now += Math.min(performance.now() - last, 60);
    last = performance.now();
    for (const label of Object.keys(shownAt)) {
      const video = document.querySelector(`[data-slot="${label}"] video, video[data-slot="${label}"]`);
      const count = video?.getVideoPlaybackQuality().totalVideoFrames ?? 0;
      if (count > 0 && count !== counts[label]) shownAt[label].push(now);
      counts[label] = count;
    }
  }, 20);
}"""
# The longest time without a new picture in any slot, once all of them go on.
GAP_S = """() => {
  const gaps = Object.values(shownAt).map(times => {
    const waits = times.slice(1).map((time, i) => time - times[i]);
    const longest = waits.indexOf(Math.max(...waits));
    return waits.length - longest > 10 ? waits[longest] / 1000 : 0;
  });
  return Math.min(...gaps) > 0.3 && Math.max(...gaps);
}"""


async def the_one_that_forwards(processes: list[psutil.Process]) -> psutil.Process:
    """Who has the media needs more CPU from now on than who waits for some; how much starting took says nothing."""
    before_s = [sum(process.cpu_times()[:2]) for process in processes]
    async with asyncio.timeout(30):
        while True:
            await asyncio.sleep(0.2)
            used_s = [sum(process.cpu_times()[:2]) - s for process, s in zip(processes, before_s, strict=True)]
            *_, next_s, most_s = sorted(used_s)
            if most_s > next_s + 0.1:
                return processes[used_s.index(most_s)]


async def test_the_picture_is_back_within_three_seconds_of_the_kill_of_its_worker(tmp_path: Path) -> None:
    async with serving(tmp_path, workers=2) as server, chromium() as browser, capturing(server, *SAMPLE):
        observer = await server.token("observer")
        page = await browser.new_page(viewport={"width": 1366, "height": 768})
        await page.goto(await server.page("/terminal", "classroom", "大足二小"))
        await asyncio.gather(until_moving(page, "camera"), until_moving(page, "slides"))
        await until_phase(page, "live")
        await page.evaluate(WATCH)
        holder = await the_one_that_forwards(server.media_processes())
        holder.kill()
        gap = await page.wait_for_function(GAP_S, timeout=30_000)
        gap_s = await gap.json_value()
        print(f"{gap_s:.2f} s without a picture after kill -9")
        assert gap_s <= 6.0  # 1.2 s when nothing else wants the two cores; other processes have their part in it
        assert await page.evaluate("() => window.sameDocument"), "nobody has reloaded the page"
        await until_phase(page, "live")
        await server.until(is_held, f"/api/lessons/{LESSON}", observer)


async def test_a_session_that_ended_before_its_answer_arrived_is_not_waited_for(tmp_path: Path) -> None:
    async with serving(tmp_path, workers=2) as server, chromium() as browser, capturing(server, *SAMPLE):
        page = await browser.new_page(viewport={"width": 1366, "height": 768})
        asked: list[str] = []
        answered, told = asyncio.Event(), asyncio.Event()

        async def first_answer_late(route: Route) -> None:
            asked.append(route.request.method)
            if len(asked) > 1:
                await route.continue_()
                return
            answer = await route.fetch()
            answered.set()
            await told.wait()
            await route.fulfill(response=answer)

        def listen(socket: WebSocket) -> None:
            socket.on("framereceived", lambda frame: told.set() if "session_ended" in str(frame) else None)

        page.on("websocket", listen)
        await page.route("**/whep/**", first_answer_late)
        await page.goto(await server.page("/terminal", "classroom", "大足二小"))
        async with asyncio.timeout(30):
            await answered.wait()
            (await the_one_that_forwards(server.media_processes())).kill()
            await told.wait()
        await until_moving(page, "camera")
        # Without the word of its end it would have been looked for (PATCH) and found to be unknown, seconds later.
        assert asked[:2] == ["POST", "POST"]
