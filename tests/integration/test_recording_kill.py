"""kill -9 of everything that takes part in a recording, one after the other, in one lesson with a real agent."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from typing import TYPE_CHECKING

import pytest

from classroom.model import RecordingState
from classroom.recording.lesson_file import read_lesson
from classroom.recording.library import find_recording
from tests.running import LESSON, Server, capturing, published, serving
from tests.unit.recording.playback import pictures, sound

if TYPE_CHECKING:
    from pathlib import Path

EVERYTHING = {"camera", "mic", "slides"}
SAMPLE = ("--camera", "sample", "--slides", "sample")


def ends_s(folder: Path) -> dict[str, float]:
    """Up to where each track is on the disk."""
    return {track.name: (track.start_s or 0.0) + track.duration_s for track in read_lesson(folder).tracks}


async def recorded_for(server: Server, seconds: float) -> None:
    """Wait until everything comes and so many seconds more of each track are on the disk."""
    watcher = await server.token("observer")
    path = f"/api/lessons/{LESSON}"
    await server.until(lambda answer: set(published(answer)) == EVERYTHING, path, watcher)
    folder = find_recording(server.folder, LESSON)
    assert folder is not None
    # From now on, not from what is on the disk: the gap before now is no part of it.
    until_s = time.time() - read_lesson(folder).epoch_s + seconds
    async with asyncio.timeout(60):
        while ends_s(folder).keys() != EVERYTHING or min(ends_s(folder).values()) < until_s:
            await asyncio.sleep(0.1)


@pytest.mark.timeout(240)
async def test_a_lesson_survives_the_death_of_everybody(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        token = await server.token("capture")
        async with capturing(server, *SAMPLE, token=token) as agent:
            await recorded_for(server, 4.0)
            os.kill(server.media_processes()[0].pid, signal.SIGKILL)  # it records, too
            await recorded_for(server, 4.0)
            agent.send_signal(signal.SIGKILL)
            await agent.wait()
        async with capturing(server, *SAMPLE, token=token):
            await recorded_for(server, 4.0)
            await server.kill()
            await server.start()
            await recorded_for(server, 4.0)
            assert await server.post(f"/api/lessons/{LESSON}/end", await server.token("teacher")) == 200

    folder = find_recording(tmp_path, LESSON)
    assert folder is not None and folder.name == LESSON, "one recording, whatever happened"
    record = read_lesson(folder)
    assert record.state is RecordingState.COMPLETE
    assert {track.name for track in record.tracks} == EVERYTHING
    for track in record.tracks:
        print(track.name, [f"{gap.reason} {gap.end_s - gap.start_s:.2f} s" for gap in track.gaps])
        reasons = [str(gap.reason) for gap in track.gaps if gap.reason != "loss"]
        assert reasons == ["restart", "outage", "restart"]
        assert track.start_s is not None
        assert track.start_s + track.duration_s == pytest.approx(record.duration_s, abs=2.0)
    for name in ("camera", "slides"):
        seen = [at_s for at_s, _ in pictures(folder / name / "index.m3u8")]
        counted = record.track(name)
        assert counted is not None and len(seen) == counted.frames and seen == sorted(seen)
    start_s, samples = sound(folder / "mic" / "index.m3u8")  # raises for holes
    assert start_s + len(samples) / 48_000 == pytest.approx(record.duration_s, abs=0.5)
