"""What a classroom feels: the first picture, teacher to screen, back after a crash, a whole recording."""

from __future__ import annotations

import asyncio
import contextlib
import io
import itertools
import json
import re
import tempfile
import time
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from tests.running import LESSON, Server, capturing, chromium, published, serving

JOINS = 10
FRAMES = 500
FILM_S = 60
FPS = 25
FLASH_S = 0.12
HLS = {"allowed_extensions": "ALL", "extension_picky": "0"}  # FFmpeg trusts few file names in playlists
# The page's camera picture carries the wall clock in 2 rows of 12 blocks (classroom capture --camera sample:stamped).
DELAYS = """frames => new Promise(resolve => {
  const video = document.querySelector('[data-slot="camera"] video');
  const canvas = document.createElement("canvas");
  canvas.width = 600; canvas.height = 80;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const delays = [];
  const read = () => {
    const now = Math.floor(performance.timeOrigin + performance.now()) % 16777216;
    context.drawImage(video, 0, 0, 600, 80, 0, 0, 600, 80);
    const pixels = context.getImageData(0, 0, 600, 80).data;
    let stamp = 0;
    for (let bit = 0; bit < 24; bit++) {
      const at = ((Math.floor(bit / 12) * 40 + 20) * 600 + (bit % 12) * 50 + 25) * 4;
      stamp = stamp * 2 + (pixels[at] > 128 ? 1 : 0);
    }
    delays.push((now - stamp + 16777216) % 16777216);
    if (delays.length < frames) video.requestVideoFrameCallback(read); else resolve(delays);
  };
  video.requestVideoFrameCallback(read);
})"""
FIRST_FRAME = """() => new Promise(resolve => {
  const wait = () => {
    const video = document.querySelector('[data-slot="camera"] video');
    if (!video) return setTimeout(wait, 5);
    video.requestVideoFrameCallback(() => {
      const asked = performance.getEntriesByType("resource").find(entry => entry.name.includes("/whep/"));
      const now = performance.now();
      resolve({ page: now, whep: now - asked.startTime });
    });
  };
  wait();
})"""
PICTURES = (
    "() => document.querySelector('[data-slot=\"camera\"] video')?.getVideoPlaybackQuality().totalVideoFrames ?? 0"
)


async def measure() -> dict[str, float]:
    """All figures, by name with unit."""
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        async with (
            serving(Path(folder)) as server,
            chromium() as browser,
            capturing(server, "--camera", "sample:stamped", "--slides", "sample"),
        ):
            address = await server.page("/terminal", "classroom")
            observer = await server.token("observer")
            await server.until(lambda answer: len(published(answer)) == 3, f"/api/lessons/{LESSON}", observer)
            firsts = []
            for _ in range(JOINS):
                page = await browser.new_page()
                await page.goto(address)
                firsts.append(await page.evaluate(FIRST_FRAME))
                await page.close()
            page = await browser.new_page()
            await page.goto(address)
            await page.evaluate(FIRST_FRAME)
            await asyncio.sleep(2)
            delays = sorted(await page.evaluate(DELAYS, FRAMES))
            figures |= await _crash(server, page)
    whep = sorted(first["whep"] for first in firsts)
    figures["join_first_frame_p50_ms"] = whep[len(whep) // 2]
    figures["join_first_frame_max_ms"] = whep[-1]
    figures["page_open_to_first_frame_p50_ms"] = sorted(first["page"] for first in firsts)[len(firsts) // 2]
    figures["capture_to_screen_p50_ms"] = delays[len(delays) // 2]
    figures["capture_to_screen_p95_ms"] = delays[len(delays) * 95 // 100]
    figures |= await _recording()
    return figures


async def _crash(server: Server, page: Any) -> dict[str, float]:
    """kill -9 in mid-lesson: how long until the picture is back, and what the recording lost."""
    observer = await server.token("observer")
    await server.kill()
    killed_wall_s = time.time()
    kept_s = _recorded_until_s(server.folder) - killed_wall_s
    await asyncio.sleep(3)
    started_s = time.monotonic()  # the start of the process counts: the classroom waits for that, too
    await server.start()
    # A session made anew counts its pictures from 0.
    async with asyncio.timeout(30):
        while await page.get_attribute("[data-phase]", "data-phase") != "live":
            await asyncio.sleep(0.02)
    before = await page.evaluate(PICTURES)
    async with asyncio.timeout(30):
        while await page.evaluate(PICTURES) == before:
            await asyncio.sleep(0.02)
    terminal_s = time.monotonic() - started_s
    path = f"/api/lessons/{LESSON}"
    await server.until(lambda answer: len(published(answer)) == 3, path, observer)
    return {"kill_recording_lost_s": -kept_s, "kill_terminal_back_s": terminal_s}


def _recorded_until_s(folder: Path) -> float:
    """Wall time up to which the killed recording plays, on the disk as the kill left it: the least of its tracks."""
    (lesson,) = folder.glob("20*/*/*/lesson.json")
    started = json.loads(lesson.read_text())["started_at"]
    epoch_s = datetime.fromisoformat(started).timestamp()
    ends = []
    for name in ("camera", "mic", "slides"):
        track = lesson.parent / name
        # A new picture format has a header of its own, in force from the segment on whose number it bears.
        init = max(track.glob("init*.mp4"))
        number = init.stem.removeprefix("init-")
        segments = sorted(part for part in track.glob("*.m4s") if part.stem >= number)
        data = b"".join(part.read_bytes() for part in (init, *segments))
        with contextlib.suppress(av.error.FFmpegError), av.open(io.BytesIO(data)) as container:
            end = 0.0
            with contextlib.suppress(av.error.FFmpegError):
                for packet in container.demux():
                    if packet.pts is not None:
                        end = max(end, float((packet.pts + (packet.duration or 0)) * packet.time_base))
            ends.append(end)
    return epoch_s + min(ends)


def flash_and_beep(path: Path, seconds: int) -> Path:
    """A film that flashes white and beeps at every full second but the first."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=FPS)
        video.width, video.height, video.pix_fmt = 640, 360, "yuv420p"
        video.options = {"preset": "superfast", "profile": "baseline", "g": "50", "bf": "0"}
        audio = container.add_stream("libopus", rate=48_000, layout="mono")
        for number in range(seconds * FPS):
            picture = np.full((540, 640), 128, np.uint8)
            picture[:360] = 230 if number >= FPS and number % FPS < FLASH_S * FPS else 30
            frame = av.VideoFrame.from_ndarray(picture, "yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        at = np.arange(seconds * 48_000)
        tone = np.sin(at * (2 * np.pi * 1000 / 48_000)) * 12_000
        tone[(at % 48_000 >= FLASH_S * 48_000) | (at < 48_000)] = 0
        for start in range(0, seconds * 48_000, 960):
            sound = av.AudioFrame.from_ndarray(tone[start : start + 960].astype(np.int16)[None], "s16", "mono")
            sound.sample_rate, sound.pts = 48_000, start
            container.mux(audio.encode(sound))
        container.mux(audio.encode(None))
    return path


async def _recording() -> dict[str, float]:
    """A lesson of 60 s from a file, recorded: its length, its sync, its frames against what the agent sent."""
    with tempfile.TemporaryDirectory() as folder:
        film = flash_and_beep(Path(folder) / "film.mp4", FILM_S)
        async with serving(Path(folder) / "data") as server:
            async with capturing(server, "--camera", str(film)) as agent:
                _, said = await asyncio.wait_for(agent.communicate(), FILM_S + 30)
            teacher = await server.token("teacher")
            ended_s = time.monotonic()
            await server.post(f"/api/lessons/{LESSON}/end", teacher)
            path = f"/api/lessons/{LESSON}/recording"
            await server.until(lambda answer: answer is not None and answer["state"] == "complete", path, teacher)
            ready_s = time.monotonic() - ended_s
            manifest = await server.get(path, teacher)
        assert manifest is not None
        (lesson,) = (Path(folder) / "data").glob("20*/*/*/lesson.json")
        with av.open(str(lesson.parent / "camera" / "index.m3u8"), options=HLS) as container:
            pictures = [(float(f.time), f.to_ndarray()[180, 320]) for f in container.decode(video=0)]
        with av.open(str(lesson.parent / "mic" / "index.m3u8"), options=HLS) as container:
            sounds = [(float(f.time), f.to_ndarray(), f.sample_rate) for f in container.decode(audio=0)]
    tracks = {track["name"]: track for track in manifest["tracks"]}
    sent = re.search(r"camera(?: h)?: (\d+) frames", said.decode())  # its best layer
    assert sent is not None, said.decode()
    flashes = [at for (_, before), (at, luma) in itertools.pairwise(pictures) if before < 120 <= luma]
    beeps = _beeps(sounds)
    offsets = [min((beep - flash for beep in beeps), key=abs) for flash in flashes]
    return {
        "recording_camera_duration_error_s": tracks["camera"]["duration_s"] - FILM_S,
        "recording_mic_duration_error_s": tracks["mic"]["duration_s"] - FILM_S,
        "recording_frames_missing": int(sent[1]) - len(pictures),
        "recording_sound_after_picture_max_ms": max(offsets, key=abs) * 1000,
        "recording_flashes_matched": len(offsets),
        "recording_ready_after_end_s": ready_s,
    }


def _beeps(sounds: list[tuple[float, Any, int]]) -> list[float]:
    """When the tone begins, to a millisecond."""
    beeps, silent = [], True
    for at, samples, rate in sounds:
        mono = np.abs(samples.reshape(samples.shape[0], -1)[0])
        for start in range(0, len(mono) - rate // 1000 + 1, rate // 1000):
            loud = mono[start : start + rate // 1000].max() > 0.1
            if loud and silent:
                beeps.append(at + start / rate)
            silent = not loud
    return beeps
