"""The real agent, the real server and bad ways between: the finished recording is the agent's copy, frame by frame."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import random
import signal
import time
from bisect import bisect_left
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar

import av
import pytest

from classroom.capture.agent import CaptureSettings, run_agent
from classroom.capture.copy.frame_log import DELIVERED
from classroom.capture.copy.settings import copy_settings
from classroom.sfu.core.ntp import FRACTION
from classroom.sfu.transport.client import ClientTransport
from tests.integration.test_capture import film
from tests.integration.test_copy_agent import copied
from tests.running import LESSON, Server, capturing, published, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

TRACKS = {"camera", "slides", "mic"}
SETTLED_S = 5.0  # on a busy machine the first sender reports are late; the recorder makes that good by 50 ms a second
FILLER_BYTES = 8  # silence that the recorder makes is no longer than that; a voice is


class Recorded:
    """The one holding of the lesson, read by FFmpeg."""

    def __init__(self, data: Path) -> None:
        [file] = data.glob("20*/*/maths*/lesson.json")
        self.folder = file.parent
        self.record = json.loads(file.read_bytes())
        self.tracks = {track["name"]: track for track in self.record["tracks"]}

    def samples(self, name: str) -> list[tuple[float, bytes]]:
        """(seconds on the axis, bytes) of every sample of a track."""
        folder = self.folder / self.tracks[name].get("folder", name)
        inits = {int(path.stem.removeprefix("init-")): path for path in folder.glob("init-*.mp4")}
        found = []
        for segment in sorted(folder.glob("[0-9]*.m4s")):
            init = inits[max(number for number in inits if number <= int(segment.stem))]
            with av.open(io.BytesIO(init.read_bytes() + segment.read_bytes())) as container:
                for packet in container.demux(container.streams[0]):
                    if packet.size and packet.pts is not None:
                        found.append((float(packet.pts * packet.time_base), bytes(packet)))  # noqa: PERF401
        return found

    def pictures(self, name: str) -> int:
        """How many pictures of it a decoder shows."""
        folder = self.folder / self.tracks[name].get("folder", name)
        inits = sorted(folder.glob("init-*.mp4"))
        assert len(inits) == 1, "one size from the first picture to the last"
        data = inits[0].read_bytes() + b"".join(path.read_bytes() for path in sorted(folder.glob("[0-9]*.m4s")))
        with av.open(io.BytesIO(data)) as container:
            return sum(1 for _ in container.decode(container.streams[0]))


def compare(recorded: Recorded, copies: Path, name: str, *, all_of_it: bool) -> list[tuple[float, float]]:
    """That the recording has the copy's frames, all and nothing else, as far apart as they were captured.

    Returns when each was captured and how far its time on the axis is away from that, in seconds. Without ``all_of_it``
    the copy may go on behind the end of the recording, where the lesson was over.
    """
    kept, samples = copied(copies)[name], recorded.samples(name)
    if name == "mic":
        known = {sample for _, sample in kept}
        samples = [sample for sample in samples if len(sample[1]) > FILLER_BYTES or sample[1] in known]
    expected = kept if all_of_it else kept[: len(samples)]
    wrong = next((n for n, (a, b) in enumerate(zip(samples, expected, strict=False)) if a[1] != b[1]), None)
    assert wrong is None, f"{name}: sample {wrong} of {len(samples)} is another than that of the copy"
    assert len(samples) == len(expected), f"{name}: {len(samples)} of {len(expected)} frames"
    captured_s = [identity.captured_ntp / FRACTION for identity, _ in expected]
    away = [(at_s, start_s - at_s) for at_s, (start_s, _) in zip(captured_s, samples, strict=True)]
    first = 1 if name == "camera" else 0  # which may be led in, to begin with the sound
    worst_s = max(abs(after - before) for (_, before), (_, after) in pairwise(away[first:]))
    print(f"{name}: {len(samples)} frames as kept, steps within {worst_s * 1000:.1f} ms")
    assert worst_s < 0.040
    return away


def assert_in_step(sound: list[tuple[float, float]], pictures: list[tuple[float, float]]) -> None:
    """That pictures are seen when what was captured with them is heard."""
    settled_s = sound[0][0] + SETTLED_S
    times = [at_s for at_s, _ in sound]
    apart = [
        away_s - sound[min(bisect_left(times, at_s), len(sound) - 1)][1]
        for at_s, away_s in pictures
        if at_s >= settled_s
    ]
    print(f"pictures {min(apart) * 1000:.1f} to {max(apart) * 1000:.1f} ms later than the sound")
    assert max(map(abs, apart)) < 0.040


async def end_lesson(server: Server) -> None:
    teacher = await server.token("teacher")
    assert await server.post(f"/api/lessons/{LESSON}/end", teacher) == 200


@pytest.mark.timeout(150)
async def test_a_server_that_was_killed_has_the_whole_film_in_the_end(tmp_path: Path) -> None:
    path = film(tmp_path / "film.mp4", 16.0)
    async with serving(tmp_path / "data") as server, capturing(server, "--camera", str(path)) as agent:
        watcher = await server.token("observer")
        where = f"/api/lessons/{LESSON}"
        await server.until(lambda answer: set(published(answer)) == {"camera", "mic"}, where, watcher)
        await asyncio.sleep(4)
        await server.kill()
        await asyncio.sleep(3)
        await server.start()
        said: list[str] = []
        assert agent.stderr is not None
        async with asyncio.timeout(60):
            async for line in agent.stderr:
                said.append(line.decode())
                if "waits for the lesson to end" in said[-1]:
                    await end_lesson(server)
        async with asyncio.timeout(30):
            assert await agent.wait() == 0, "".join(said)
    recorded = Recorded(tmp_path / "data")
    assert recorded.record["state"] == "complete", "".join(said)
    copies = tmp_path / "data-copies"
    pictures = compare(recorded, copies, "camera", all_of_it=True)
    sound = compare(recorded, copies, "mic", all_of_it=True)
    assert len(pictures) == 400 == recorded.pictures("camera") and abs(len(sound) - 801) <= 1
    assert_in_step(sound, pictures)
    assert not recorded.tracks["camera"]["gaps"] and not recorded.tracks["mic"]["gaps"]


class Bad(ClientTransport):
    """A way to the server that loses every fifth packet and, now and then, all for a second and a half."""

    rng: ClassVar[random.Random] = random.Random(5)
    lost: ClassVar[int] = 0

    def send_rtp(self, packets, *, voice=False) -> None:  # type: ignore[no-untyped-def]
        gone = time.monotonic() % 5 < 1.5
        arriving = [data for data in packets if not gone and self.rng.random() > 0.2]
        Bad.lost += len(packets) - len(arriving)
        super().send_rtp(arriving, voice=voice)


class Thin(ClientTransport):
    """A way that carries 0.7 Mbit/s, behind a queue of 60 kB."""

    RATE_BPS, QUEUE_BYTES = 700_000, 60_000

    def __init__(self, **callbacks) -> None:  # type: ignore[no-untyped-def]
        super().__init__(**callbacks)
        self.loop, self.free_s = asyncio.get_running_loop(), 0.0

    def send_rtp(self, packets, *, voice=False) -> None:  # type: ignore[no-untyped-def]
        for data in packets:
            now_s = time.monotonic()
            self.free_s = max(self.free_s, now_s)
            if (self.free_s - now_s) * self.RATE_BPS / 8 <= self.QUEUE_BYTES:
                self.free_s += (len(data) + 38) * 8 / self.RATE_BPS
                self.loop.call_later(self.free_s - now_s, super().send_rtp, [data])


@contextlib.asynccontextmanager
async def sampling(server: Server, copies: Path, layers: int) -> AsyncIterator[asyncio.Task[int]]:
    """An agent in this process, whose transport a test can spoil."""
    kept = copy_settings(str(copies), "1GB", "idle", None)
    token = await server.token("capture")
    settings = CaptureSettings(server.url, LESSON, token, "sample", "sample", layers=layers, copy=kept)
    task = asyncio.create_task(run_agent(settings))
    try:
        yield task
    finally:
        if not task.done():
            os.kill(os.getpid(), signal.SIGTERM)
        async with asyncio.timeout(30):
            await asyncio.gather(task, return_exceptions=True)


@pytest.mark.timeout(150)
@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("way", [Bad, Thin])
async def test_what_a_bad_way_has_lost_is_in_the_recording_when_the_lesson_has_ended(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    way: type[ClientTransport],
    layers: int,
) -> None:
    monkeypatch.setattr("classroom.capture.session.ClientTransport", way)
    monkeypatch.setattr("classroom.capture.agent.ENDED_POLL_S", 0.3)
    copies = tmp_path / "copies"
    async with serving(tmp_path / "data") as server:
        async with sampling(server, copies, layers) as agent:
            watcher = await server.token("observer")
            where = f"/api/lessons/{LESSON}"
            await server.until(
                lambda answer: "mic" in published(answer), where, watcher
            )  # on a bad way the others may not last
            await asyncio.sleep(14)
            await end_lesson(server)
            async with asyncio.timeout(60):  # what it says it has delivered may be what it knew of before the end
                while {path.name.split(".")[0] for path in copies.glob(f"*/*/*{DELIVERED}")} != TRACKS:
                    await asyncio.sleep(0.1)
            assert not agent.done()
        recorded = Recorded(tmp_path / "data")
    assert recorded.record["state"] == "complete"
    away = {name: compare(recorded, copies, name, all_of_it=False) for name in TRACKS}
    assert all(len(track) > 60 for track in away.values())
    for name in ("camera", "slides"):
        assert_in_step(away["mic"], away[name])
    assert recorded.pictures("camera") == len(recorded.samples("camera"))
    assert (recorded.tracks["camera"]["width"], recorded.tracks["camera"]["height"]) == (1280, 720)
