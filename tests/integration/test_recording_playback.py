"""Recordings in a real player: hls.js in Chromium, camera and sound of master.m3u8 together."""

import asyncio
import shutil
import time
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median

import pytest
from aiohttp import web
from playwright.async_api import async_playwright

from classroom.model import RecordingState
from classroom.recording.deliveries import Deliveries
from classroom.recording.library import media_file
from tests.unit.recording.delivering import Copy, agent_now, deliver
from tests.unit.recording.lesson_source import (
    EPOCH_S,
    FLASH_S,
    Wire,
    encode_audio,
    encode_video,
    feed,
    in_order,
    open_recording,
    record,
)

pytestmark = pytest.mark.browser

HLS_JS = Path(__file__).parents[2] / "classroom/web/ui/node_modules/hls.js/dist/hls.min.js"
# The page says of each picture that it shows (by its media time) whether it is bright, and when the sound turns loud.
# The latter is known on the clock of the audio context; how far that is from the media clock is sampled all the time.
PAGE = """<!doctype html><video id="video"></video><script src="/hls.js"></script><script>
const worklet = `registerProcessor("onsets", class extends AudioWorkletProcessor {
  quiet = 0;
  process([input]) {
    for (const [index, value] of (input[0] ?? []).entries()) {
      if (Math.abs(value) > 0.15) {
        if (this.quiet > 12000) this.port.postMessage((currentFrame + index) / sampleRate);
        this.quiet = 0;
      } else this.quiet++;
    }
    return true;
  }
});`;
async function play(start_s, until_s) {
  const video = document.getElementById("video"), shown = [], heard = [], apart = [], errors = [], widths = [];
  const context = new AudioContext({ sampleRate: 48000 });
  await context.audioWorklet.addModule(URL.createObjectURL(new Blob([worklet], { type: "text/javascript" })));
  const onsets = new AudioWorkletNode(context, "onsets");
  context.createMediaElementSource(video).connect(onsets).connect(context.destination);
  onsets.port.onmessage = ({ data }) => heard.push(data);
  const hls = new Hls({ startPosition: start_s, enableWorker: false });
  hls.on(Hls.Events.ERROR, (_, data) => errors.push(`${data.details} ${data.fatal}`));
  hls.loadSource("/recording/master.m3u8");
  hls.attachMedia(video);
  const canvas = new OffscreenCanvas(8, 6).getContext("2d", { willReadFrequently: true });
  const onFrame = (_, { width }) => {
    const picture = new VideoFrame(video);  // with its own time: the video may have gone on since this was called
    canvas.drawImage(picture, 0, 0, 8, 6);
    shown.push([picture.timestamp / 1e6, canvas.getImageData(4, 3, 1, 1).data[0] > 128]);
    picture.close();
    if (!widths.includes(width)) widths.push(width);
    apart.push(context.currentTime - video.currentTime);
    video.requestVideoFrameCallback(onFrame);
  };
  video.requestVideoFrameCallback(onFrame);
  await context.resume();
  await video.play();
  await new Promise((done) => video.addEventListener("timeupdate", () => video.currentTime >= until_s && done()));
  apart.sort((a, b) => a - b);
  const offset = apart[Math.floor(apart.length / 2)];
  return { shown, heard: heard.map((at) => at - offset), errors, widths, duration_s: video.duration };
}
// Opened in the middle of a lesson: play from its beginning for a while, then go to where it is now.
async function rewind(play_s) {
  const video = document.getElementById("video"), errors = [], times = [];
  const hls = new Hls({ startPosition: 0, enableWorker: false, liveSyncDuration: 5 });
  hls.on(Hls.Events.ERROR, (_, data) => errors.push(`${data.details} ${data.fatal}`));
  hls.loadSource("/recording/master.m3u8");
  hls.attachMedia(video);
  const passes = (at_s) => new Promise((done) => {
    const look = () => {
      times.push(video.currentTime);
      if (video.currentTime >= at_s) { video.removeEventListener("timeupdate", look); done(); }
    };
    video.addEventListener("timeupdate", look);
  });
  await video.play();
  const first_s = video.currentTime;
  await passes(play_s);
  const from_beginning = times.splice(0), known_s = video.seekable.end(0);
  video.currentTime = hls.liveSyncPosition;
  const live_s = hls.liveSyncPosition;
  await passes(live_s + 4);  // pictures that were not there when the page was opened
  return { first_s, from_beginning, known_s, live_s, at_s: video.currentTime, duration_s: video.duration, errors };
}
</script>"""


@asynccontextmanager
async def player(folder):
    """A page in Chromium that can play the recording in a folder."""

    async def media(request):
        found = media_file(folder, request.match_info["path"])
        return web.FileResponse(found[0], headers={"Content-Type": found[1]}) if found else web.Response(status=404)

    async def page_itself(request):
        return web.Response(text=PAGE, content_type="text/html")

    async def hls_js(request):
        return web.FileResponse(HLS_JS)

    app = web.Application()
    app.add_routes([web.get("/", page_itself), web.get("/hls.js", hls_js), web.get("/recording/{path:.+}", media)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(
                executable_path=shutil.which("chromium"),
                args=["--autoplay-policy=no-user-gesture-required", "--no-sandbox"],
            )
            page = await browser.new_page()
            await page.goto(f"http://127.0.0.1:{runner.addresses[0][1]}/")
            yield page
            await browser.close()
    finally:
        await runner.cleanup()


def flashes(played, from_s=0.0, first_s=0.0):
    """When the flashes that were seen begin; pictures are bright in these and dark outside, each that was shown.

    ``first_s`` is when the first of them begins, one a second; before that its first picture is held. A busy machine
    leaves out pictures, even whole flashes; and a player may show one before it has gone to ``from_s``, its beginning.
    """
    begin_s = set()
    for at_s, bright in played["shown"]:
        since_s = (at_s - first_s + 0.002) % 1.0
        held = at_s < first_s - 0.002
        assert bright is (held or since_s < FLASH_S), f"the picture at {at_s:.3f} s"
        if bright and not held and at_s >= from_s:
            begin_s.add(round(at_s + 0.002 - since_s, 6))
    return sorted(begin_s)


def sound_after_picture_s(played, flashes_s, true_difference_s):
    """How much later than the picture the sound is, beyond what it was in the lesson."""
    pairs = [(flash_s, beep_s) for flash_s in flashes_s for beep_s in played["heard"]]
    return [b - f - true_difference_s for f, b in pairs if abs(b - f - true_difference_s) < 0.5]


@pytest.mark.parametrize(
    ("camera_s", "mic_s"), [(1.0, 0.7), (0.5, 2.5)], ids=["mic first", "camera two seconds before mic"]
)
async def test_camera_and_sound_play_together(tmp_path, camera_s, mic_s):
    wires = [
        Wire("camera", encode_video(7.0), EPOCH_S + camera_s, ssrc=1, latency_s=0.1),
        Wire("mic", encode_audio(7.0), EPOCH_S + mic_s, ssrc=2),
    ]
    folder = record(tmp_path, wires)
    first_s = min(camera_s, mic_s)
    async with player(folder) as page:
        played = await page.evaluate("play(0, 6.5)")
    assert played["errors"] == []
    assert played["duration_s"] == pytest.approx(max(camera_s, mic_s) + 7.0 - first_s, abs=0.1)
    true_difference_s = (mic_s - camera_s) % 1.0 - (1.0 if (mic_s - camera_s) % 1.0 > 0.5 else 0.0)
    apart_s = sound_after_picture_s(played, flashes(played, first_s=camera_s - first_s), true_difference_s)
    print(f"sound after picture in Chromium: {[round(1000 * each) for each in apart_s]} ms")
    assert len(apart_s) >= 4
    assert abs(median(apart_s)) < 0.04


async def test_who_comes_late_begins_at_the_beginning_and_can_go_to_the_present(tmp_path):
    """A lesson of a minute that goes on: the playlist grows while it is played."""
    before_s, more_s = 60.0, 40.0
    archive = open_recording(tmp_path, EPOCH_S)
    wires = [
        Wire("camera", encode_video(before_s + more_s), EPOCH_S, ssrc=1),
        Wire("mic", encode_audio(before_s + more_s), EPOCH_S, ssrc=2),
    ]
    events = in_order(wires)
    now = next(index for index, event in enumerate(events) if event[0] > EPOCH_S + before_s)
    feed(archive, events[:now])

    async def go_on():
        began_s = time.monotonic()
        for at in range(now, len(events), 20):
            await asyncio.sleep(max(0.0, events[at][0] - EPOCH_S - before_s - (time.monotonic() - began_s)))
            for at_s, wire, thing in events[at : at + 20]:
                if isinstance(thing, bytes):
                    archive.rtcp(thing, at_s)
                else:
                    archive.packets(
                        wire.ssrc, [(thing.seq, thing.ts, thing.marker, thing.payload, thing.captured_ntp)], at_s
                    )
            archive.advance(events[at][0])

    lesson = asyncio.create_task(go_on())
    async with player(archive.folder) as page:
        played = await page.evaluate("rewind(3)")
    lesson.cancel()
    archive.finish(RecordingState.COMPLETE, EPOCH_S + before_s + more_s)
    print({name: value for name, value in played.items() if name != "from_beginning"})
    assert played["errors"] == []
    assert played["first_s"] < 0.5 and played["from_beginning"][0] < 1.0
    assert played["from_beginning"] == sorted(played["from_beginning"]), "it stays where one put it"
    assert played["known_s"] > before_s - 4.0
    assert played["live_s"] > played["known_s"] - 10.0
    assert played["at_s"] >= played["live_s"] + 4.0


async def test_one_can_begin_behind_a_change_of_the_picture_size(tmp_path):
    """What EXT-X-DISCONTINUITY in the camera alone would make impossible: hls.js waits for the sound's."""
    wires = [
        Wire("camera", encode_video(4.0), EPOCH_S, ssrc=1),
        Wire("camera", encode_video(8.0, width=640, height=480), EPOCH_S + 4.0, ssrc=3),
        Wire("mic", encode_audio(12.0), EPOCH_S, ssrc=2),
    ]
    folder = record(tmp_path, wires)
    async with player(folder) as page:
        behind = await page.evaluate("play(6.5, 9.6)")
    async with player(folder) as page:
        through = await page.evaluate("play(2.5, 5.6)")
    assert (behind["errors"], through["errors"]) == ([], [])
    assert behind["widths"] == [640] and through["widths"] == [320, 640]
    for played, from_s, true_s in ((behind, 6.5, {7, 8, 9}), (through, 2.5, {3, 4, 5})):
        seen_s = flashes(played, from_s)
        assert {round(at_s) for at_s in seen_s} <= true_s
        apart_s = sound_after_picture_s(played, seen_s, 0.0)
        assert len(apart_s) >= 2 and abs(median(apart_s)) < 0.04


async def test_a_recording_that_was_spliced_plays_through_as_if_nothing_had_been_lost(tmp_path):
    """With what its samples are to their publisher in front of each chunk, and windows that were written again."""
    wires = [
        Wire("camera", encode_video(10.0), EPOCH_S, ssrc=1, capture_clock_s=5.0),
        Wire("mic", encode_audio(10.0), EPOCH_S, ssrc=2, capture_clock_s=5.0),
    ]
    copies = [Copy.of(wire) for wire in wires]
    for wire in wires:
        wire.deliveries = [
            (at_s, thing)
            for at_s, thing in wire.deliveries
            if isinstance(thing, bytes) or not 3.2 <= at_s - EPOCH_S < 6.7
        ]
    folder = record(tmp_path, wires)
    deliver(Deliveries(tmp_path, lambda: EPOCH_S + 60), copies, agent_now(EPOCH_S + 60, 5.0))
    assert b"uuid" in (folder / "camera.2/000001.m4s").read_bytes()[:64]
    async with player(folder) as page:
        played = await page.evaluate("play(1.5, 8.6)")
    assert played["errors"] == []
    seen_s = flashes(played, 1.5)
    assert {round(at_s) for at_s in seen_s} <= {2, 3, 4, 5, 6, 7, 8}
    apart_s = sound_after_picture_s(played, seen_s, 0.0)
    assert len(apart_s) >= 6 and abs(median(apart_s)) < 0.04
