"""`classroom capture` against `classroom serve`, as processes: what the agent sends is what is recorded."""

from __future__ import annotations

import asyncio
import io
import re
import signal
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING

import av
import numpy as np
import pytest

from classroom.media.timeline import SETTLING_SLEW_S_PER_S
from tests.running import LESSON, capturing, published, serving

if TYPE_CHECKING:
    from pathlib import Path


def film(path: Path, seconds: float) -> Path:
    """Pictures that count, 25 a second, and Opus; it passes through undecoded."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = 320, 240, "yuv420p"
        video.options = {"preset": "superfast", "profile": "baseline", "g": "25"}
        audio = container.add_stream("libopus", rate=48_000, layout="mono")
        for number in range(round(seconds * 25)):
            picture = np.full((360, 320), 128, np.uint8)
            picture[:240] = 20 + number * 2
            frame = av.VideoFrame.from_ndarray(picture, "yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        for at in range(0, round(seconds * 48_000), 960):
            sound = av.AudioFrame.from_ndarray(np.zeros((1, 960), np.int16), "s16", "mono")
            sound.sample_rate, sound.pts = 48_000, at
            container.mux(audio.encode(sound))
        container.mux(audio.encode(None))
    return path


def recorded(folder: Path, name: str) -> bytes:
    """The init segment and all fragments of a track."""
    [init] = folder.glob(f"20*/*/maths*/{name}/init*.mp4")
    numbered = sorted(init.parent.glob("*.m4s"), key=lambda part: [int(n) for n in re.findall(r"\d+", part.name)])
    return b"".join(part.read_bytes() for part in (init, *numbered))


async def test_what_a_file_holds_is_what_is_recorded(tmp_path: Path) -> None:
    path = film(tmp_path / "film.mp4", 2.0)
    async with serving(tmp_path / "data") as server, capturing(server, "--camera", str(path)) as agent:
        async with asyncio.timeout(30):
            _, said = await agent.communicate()
        assert agent.returncode == 0, said.decode()
        assert re.search("camera: 320x240 25 fps .*→ live", said.decode())
        teacher = await server.token("teacher")
        assert await server.post(f"/api/lessons/{LESSON}/end", teacher) == 200
        await server.until(
            lambda answer: answer is not None and answer["recording"]["state"] == "complete",
            f"/api/lessons/{LESSON}",
            teacher,
        )
    with av.open(io.BytesIO(recorded(tmp_path / "data", "camera"))) as container:
        pictures = [(frame.time, frame.to_ndarray()[120, 160]) for frame in container.decode(video=0)]
    assert len(pictures) == 50, "every picture of the file"
    assert [int(luma) for _, luma in pictures] == pytest.approx([20 + number * 2 for number in range(50)], abs=3)
    for number, (at_s, _) in enumerate(pictures):
        true_s = number / 25
        # A first sender report that was late on its way, on a busy machine, is made good little by little.
        assert at_s - pictures[0][0] == pytest.approx(true_s, abs=0.020 + SETTLING_SLEW_S_PER_S * true_s)
    steps_s = [later_s - at_s for (at_s, _), (later_s, _) in pairwise(pictures)]
    assert steps_s == pytest.approx([1 / 25] * 49, abs=0.020), "however it is made good, none is far from the next"
    with av.open(io.BytesIO(recorded(tmp_path / "data", "mic"))) as container:
        packets = [packet for packet in container.demux(audio=0) if packet.size]
    assert abs(len(packets) - 101) <= 1


async def test_the_sample_lesson_goes_on_after_kill_9_of_the_server(tmp_path: Path) -> None:
    async with (
        serving(tmp_path / "data") as server,
        capturing(server, "--camera", "sample", "--slides", "sample") as agent,
    ):
        watcher = await server.token("observer")
        path = f"/api/lessons/{LESSON}"
        await server.until(lambda answer: set(published(answer)) == {"camera", "mic", "slides"}, path, watcher)
        await server.kill()
        await server.start()
        await server.until(lambda answer: set(published(answer)) == {"camera", "mic", "slides"}, path, watcher)
        agent.send_signal(signal.SIGTERM)
        async with asyncio.timeout(30):
            _, said = await agent.communicate()
        assert agent.returncode == 0, said.decode()
        assert "the connection was lost, reconnecting" in said.decode()
        await server.until(lambda answer: answer is not None and not published(answer), path, watcher)
