"""The whole agent and its copy: outages, ends of lessons and of the agent, against the real media server and a door."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from typing import TYPE_CHECKING

import pytest

from classroom.capture.copy.frame_log import DELIVERED, KEPT, WRITTEN, files_of, read_entries, read_samples
from classroom.capture.copy.frame_record import IDENTITY, Identity
from classroom.capture.copy.settings import CopySettings, copy_settings
from classroom.sfu.core.ntp import ntp_to_unix
from tests.integration.delivery_door import TOKEN, DeliveryDoor
from tests.integration.test_capture import Endpoint, Recorder, agent, film

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from aiohttp import web


class School(Endpoint):
    """A WHIP endpoint with a door for deliveries at the same address."""

    def __init__(self) -> None:
        super().__init__()
        self.door = DeliveryDoor()

    def add_routes(self, app: web.Application) -> None:
        self.door.routes(app)


@pytest.fixture
async def school() -> AsyncIterator[School]:
    school = School()
    await school.start()
    yield school
    await school.stop()


def settings(folder: Path, upload: str = "idle") -> CopySettings:
    kept = copy_settings(str(folder), "1GB", upload, None)
    assert kept is not None
    return kept


def copied(root: Path) -> dict[str, list[tuple[Identity, bytes]]]:
    """All frames of all copies, by track, in the order of their files."""
    found: dict[str, list[tuple[Identity, bytes]]] = {}
    for folder in sorted(path.parent for path in root.glob("*/*/sitting.json")):
        for path in files_of(folder, WRITTEN, KEPT, DELIVERED):
            entries = read_entries(path)
            samples = read_samples(path, entries, [(0, len(entries) // IDENTITY.size)])
            found.setdefault(path.name.partition(".")[0], []).extend(samples)
    return found


def instants_s(frames: list[tuple[Identity, bytes]]) -> list[float]:
    return [ntp_to_unix(identity.captured_ntp) for identity, _ in frames]


@contextlib.asynccontextmanager
async def process(school: School, copies: Path, *options: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """The agent as its users start it."""
    command = [sys.executable, "-m", "classroom", "capture", "--server", school.url, "--lesson", "maths"]
    env = {**os.environ, "CLASSROOM_TOKEN": "secret-token"}
    running = await asyncio.create_subprocess_exec(
        *command, "--copy", str(copies), *options, env=env, stderr=asyncio.subprocess.PIPE
    )
    try:
        yield running
    finally:
        if running.returncode is None:
            running.kill()
            await running.wait()


async def test_through_an_outage_the_copy_has_everything_and_the_end_delivers_what_is_lacking(
    school: School, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    path, copies = film(tmp_path / "lesson.mp4", 4.0), tmp_path / "copies"
    school.door.lacks = lambda track, identity: identity.crc32 % 3 == 0
    async with agent(school, camera=str(path), copy=settings(copies)) as running:
        await school.until(lambda: len(school.recorder.frames()) == 2 and school.recorder.frames()[0] >= 20)
        await school.stop(goodbye=False)
        school.recorder = Recorder()
        await asyncio.sleep(1.0)
        await school.start()
        async with asyncio.timeout(30):
            assert await running == 0
    frames = copied(copies)
    assert len(frames["camera"]) == 100 and abs(len(frames["mic"]) - 201) <= 1, "every frame of the film"
    assert school.door.staged == {
        (track, identity.captured_ntp): sample
        for track, kept in frames.items()
        for identity, sample in kept
        if identity.crc32 % 3 == 0
    }
    assert not school.door.problems and school.door.completed == 1
    assert TOKEN not in caplog.text and "gaps that recording 2026-11-1 still has: 0" in caplog.text


async def test_what_the_server_gets_of_a_frame_is_what_is_kept_of_it(school: School, tmp_path: Path) -> None:
    path, copies = film(tmp_path / "lesson.mp4", 2.0), tmp_path / "copies"
    async with agent(school, camera=str(path), copy=settings(copies)) as running, asyncio.timeout(30):
        await running
    [sound] = [packets for packets in school.recorder.packets.values() if packets[0].pt == 111]
    kept = {sample for _, sample in copied(copies)["mic"]}
    assert {bytes(packet.payload) for packet in sound} == kept


async def test_kill_9_of_the_agent_and_the_next_one_delivers_both_halves_on_a_clock_that_goes_on(
    school: School, tmp_path: Path
) -> None:
    path, copies = film(tmp_path / "lesson.mp4", 3.0), tmp_path / "copies"
    school.door.lacks = lambda track, identity: True
    async with process(school, copies, "--camera", str(path), "--loop") as first:
        await school.until(lambda: len(school.recorder.frames()) == 2 and school.recorder.frames()[0] >= 40)
        first.kill()
        await first.wait()
    killed = copied(copies)
    assert len(killed["camera"]) >= 30, "on disk within half a second"
    async with process(school, copies, "--camera", str(path)) as second:
        async with asyncio.timeout(40):
            _, said = await second.communicate()
        assert second.returncode == 0, said.decode()
    frames = copied(copies)
    for label in ("camera", "mic"):
        times = instants_s(frames[label])
        assert times == sorted(times) and frames[label][: len(killed[label])] == killed[label]
    assert school.door.staged == {
        (track, identity.captured_ntp): sample for track, kept in frames.items() for identity, sample in kept
    }
    assert not school.door.problems and "secret-token" not in said.decode() and TOKEN not in said.decode()


async def test_sigterm_ends_at_once_and_the_next_start_goes_on(school: School, tmp_path: Path) -> None:
    path, copies = film(tmp_path / "lesson.mp4", 2.0), tmp_path / "copies"
    school.door.lacks = lambda track, identity: True
    async with process(school, copies, "--camera", str(path), "--upload-rate", "100k") as first:
        await school.door.until(lambda: len(school.door.received_at_s) > 3)
        first.send_signal(signal.SIGTERM)
        async with asyncio.timeout(30):
            await first.communicate()
        assert first.returncode == 0
    frames = {(track, i.captured_ntp): sample for track, kept in copied(copies).items() for i, sample in kept}
    assert len(school.door.staged) < len(frames)
    school.status, school.code = 409, "lesson_ended"
    async with process(school, copies, "--camera", "sample") as second:
        await school.door.until(lambda: school.door.completed == 1)
        assert second.returncode is None, "it goes on waiting for its lesson"
    assert school.door.staged == frames and not school.door.problems


async def test_when_the_teacher_ends_the_lesson_it_delivers_while_the_camera_runs_on(
    school: School, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("classroom.capture.agent.ENDED_POLL_S", 0.3)
    copies = tmp_path / "copies"
    school.door.lacks = lambda track, identity: identity.crc32 % 2 == 0
    async with agent(school, camera="sample", copy=settings(copies)) as running:
        await school.until(lambda: len(school.recorder.frames()) == 2 and school.recorder.frames()[0] >= 40)
        await school.door.until(lambda: school.door.asked["token"] == 1)
        await asyncio.sleep(0.5)
        assert school.door.asked == {"token": 1}, "in class nothing but a token is asked for"
        await school.stop()
        school.status, school.code = 409, "lesson_ended"
        await school.start()
        await school.door.until(lambda: school.door.completed == 1)
        assert not running.done() and len(school.door.staged) > 30
    assert not school.door.problems


async def test_without_a_place_to_keep_it_the_lesson_goes_on(
    school: School, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("not a folder")
    path = film(tmp_path / "lesson.mp4", 2.0)
    async with agent(school, camera=str(path), copy=settings(tmp_path / "file" / "copies")) as running:
        async with asyncio.timeout(30):
            assert await running == 0
    assert school.recorder.frames()[0] == 50
    assert caplog.text.count("the lesson goes on, but no copy of it is kept") == 1


async def test_a_paused_top_layer_is_in_the_copy(school: School, tmp_path: Path) -> None:
    """The server has it paused (nobody watches); it is encoded for the copy alone."""
    from classroom.sfu.core.pause import PauseResume, PauseType, build_pause
    from tests.integration.test_capture_simulcast import Tampered, Watched

    copies = tmp_path / "copies"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("classroom.capture.session.ClientTransport", Watched)
        patch.setattr(Tampered, "made", [])
        async with agent(school, camera="sample", copy=settings(copies)):
            await school.until(lambda: bool(Tampered.made) and len(Tampered.made[0].rids) == 3)  # type: ignore[attr-defined]
            server = Tampered.made[0]
            target = next(ssrc for ssrc, rid in server.rids.items() if rid == "h")  # type: ignore[attr-defined]
            server.receive_rtcp(build_pause(PauseResume(7, target, PauseType.PAUSE, 40)))
            await school.until(lambda: bool(server.paused(40)))  # type: ignore[attr-defined]
            [paused] = server.paused(40)  # type: ignore[attr-defined]
            last = target.to_bytes(4, "big"), (paused.highest_ext_seq & 0xFFFF).to_bytes(2, "big")
            # Some may have waited in the pacer.
            await school.until(lambda: any((data[8:12], data[2:4]) == last for data in server.sent))  # type: ignore[attr-defined]
            server.sent.clear()  # type: ignore[attr-defined]
            before = len(copied(copies).get("camera", ()))
            await school.until(lambda: len(copied(copies).get("camera", ())) > before + 40)
            assert target not in {int.from_bytes(data[8:12], "big") for data in server.sent}  # type: ignore[attr-defined]
