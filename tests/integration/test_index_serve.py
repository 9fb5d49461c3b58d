"""The index process beside a real server: it follows a live lesson, is started again when killed, and ends with it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import time
from typing import TYPE_CHECKING

import psutil
import pytest

from classroom.recording.index.chapters import SETTLED_S
from classroom.recording.index_file import IndexState, read_index
from tests.running import LESSON, capturing, published, serving

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from classroom.recording.index_file import IndexRecord
    from tests.running import Server


def index_processes(server: Server) -> list[psutil.Process]:
    """Those that live; one that was killed may still wait to be noticed."""
    assert server.process is not None
    found = []
    for child in psutil.Process(server.process.pid).children():
        with contextlib.suppress(psutil.NoSuchProcess):
            if "index" in child.cmdline():
                found.append(child)
    return found


async def another_index_process(server: Server, former: psutil.Process) -> psutil.Process:
    async with asyncio.timeout(60):
        while True:
            found = [process for process in index_processes(server) if process != former]
            if found:
                [process] = found
                return process
            await asyncio.sleep(0.05)


async def until(data: Path, condition: Callable[[IndexRecord], bool]) -> IndexRecord:
    async with asyncio.timeout(90):
        while True:
            for folder in await asyncio.to_thread(lambda: list(data.glob(f"20*/*/{LESSON}"))):
                found = read_index(folder)
                if found is not None and condition(found):
                    return found
            await asyncio.sleep(0.1)


@pytest.mark.timeout(200)
async def test_the_index_follows_a_lesson_survives_a_kill_and_is_done_soon_after_the_bell(tmp_path: Path) -> None:
    data = tmp_path / "data"
    sources = ("--camera", "sample", "--slides", "sample", "--mic", "sample")
    async with serving(data, index=True) as server, capturing(server, *sources):
        teacher = await server.token("teacher")
        await server.until(lambda lesson: len(published(lesson)) == 3, f"/api/lessons/{LESSON}", teacher)
        assert await server.post(f"/api/lessons/{LESSON}/start", teacher) == 200
        assert (await until(data, lambda found: found.indexed_to_s > 8)).state is IndexState.RUNNING
        [process] = index_processes(server)
        assert process.nice() == 19
        process.kill()
        again = await another_index_process(server, process)
        behind = await until(data, lambda found: len(found.chapters) >= 3)
        assert await server.get("/healthz") is not None
        ended_s = time.monotonic()
        assert await server.post(f"/api/lessons/{LESSON}/end", teacher) == 200
        found = await until(data, lambda found: found.state is IndexState.DONE)
        print(f"from the end of the lesson to its index: {time.monotonic() - ended_s:.1f} s")
        memory_mb = again.memory_info().rss / 1e6
        print(f"memory of the index process: {memory_mb:.0f} MB")
        assert memory_mb < 800
    lengths_s = [chapter.end_s - chapter.start_s for chapter in found.chapters[1:-1]]
    assert lengths_s == pytest.approx([8.0] * len(lengths_s), abs=0.7)  # the sample turns a page every eight seconds
    # What was told stays; where a page was found to begin may be moved to where it is then said to have been turned.
    settled = [chapter for chapter in behind.chapters if chapter.end_s < behind.indexed_to_s - 2 * SETTLED_S]
    assert settled and found.chapters[: len(settled)] == settled
    assert found.voice is not None and found.voice.teacher_s > found.indexed_to_s / 2
    assert set(found.loudness) == {"mic"} and found.cover and found.strip
    again.wait(30)  # it is gone with its server, or this raises


@pytest.mark.timeout(120)
async def test_sigterm_lets_it_save_what_it_has_and_the_server_can_do_without(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "classroom", "index", "--follow", "--recordings", str(tmp_path)]
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
    async with asyncio.timeout(60):
        while psutil.Process(process.pid).nice() != 19:  # from then on it can be asked to stop
            await asyncio.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        _, said = await process.communicate()
    assert process.returncode == 0, said.decode()
    async with serving(tmp_path / "data") as server:
        assert index_processes(server) == []
