"""Deliveries over HTTP to a real server, by a client that follows docs/protocol.md §6, and kill -9 in between."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import io
import re
import time
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from aiohttp import ClientError, ClientSession

from classroom.model import RecordingState
from classroom.recording.lesson_file import read_lesson
from classroom.recording.stored_track import read_track
from classroom.sfu.core.ntp import FRACTION
from tests.running import LESSON, capturing, serving
from tests.unit.recording.delivering import Copy, agent_now, assert_contiguous, assert_whole
from tests.unit.recording.lesson_source import EPOCH_S, Wire, encode_audio, encode_video, feed, in_order, open_recording
from tests.unit.recording.playback import pictures, sound

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.running import Server

CLOCK_S = 77.0
SECONDS = 24.0
BASE = f"/api/lessons/{LESSON}/deliveries"


def lossy_recording(root: Path, gone: tuple[float, float] = (4.0, 20.0)) -> tuple[Path, list[Copy]]:
    """A recording that misses a stretch of both tracks, and the copies that have it."""
    wires = [
        Wire("camera", encode_video(SECONDS), EPOCH_S + 0.5, 1, capture_clock_s=CLOCK_S),
        Wire("mic", encode_audio(SECONDS), EPOCH_S + 0.5, 2, capture_clock_s=CLOCK_S),
    ]
    copies = [Copy.of(wire) for wire in wires]
    for wire in wires:
        wire.deliveries = [
            (at_s, thing)
            for at_s, thing in wire.deliveries
            if isinstance(thing, bytes) or not gone[0] <= at_s - EPOCH_S < gone[1]
        ]
    archive = open_recording(root, EPOCH_S)
    feed(archive, in_order(wires))
    archive.finish(RecordingState.COMPLETE, EPOCH_S + SECONDS + 1)
    return archive.folder, copies


class Agent:
    """The client's side of the protocol."""

    def __init__(self, server: Server, token: str) -> None:
        self.server = server
        self.http = ClientSession(server.url, headers={"Authorization": f"Bearer {token}"})

    async def ask(self, method: str, path: str, **options: Any) -> tuple[int, Any]:
        if isinstance(options.get("data"), bytes):
            options["data"] = io.BytesIO(options["data"])
        async with self.http.request(method, BASE + path, **options) as response:
            text = await response.text()
            return response.status, await response.json(content_type=None) if text else None

    async def inventory(self, copy: Copy, data: bytes | None = None, **headers: str) -> tuple[int, Any]:
        params = {"label": copy.label, "kind": copy.kind, "now": str(agent_now(time.time(), CLOCK_S))}
        body = copy.inventory() if data is None else data
        return await self.ask("PUT", f"/{copy.track}/inventory", params=params, data=body, headers=headers)

    async def wanted(self, copy: Copy) -> Any:
        status, answer = await self.inventory(copy)
        assert status == 200, answer
        return answer

    async def frames(self, copy: Copy, holding: str, body: bytes) -> tuple[int, Any]:
        return await self.ask("POST", f"/{copy.track}/frames", params={"holding": holding}, data=body)

    async def deliver(self, copy: Copy, limit: int = 40_000) -> str:
        answer = await self.wanted(copy)
        for body in copy.bodies(answer["wanted"], limit):
            status, problem = await self.frames(copy, answer["holding"], body)
            assert status == 204, problem
        assert (await self.wanted(copy))["wanted"] == []
        return str(answer["holding"])

    async def complete(self, holding: str) -> tuple[int, Any]:
        return await self.ask("POST", "/complete", params={"holding": holding})


@contextlib.asynccontextmanager
async def agent_of(server: Server, token: str = "") -> AsyncIterator[Agent]:
    agent = Agent(server, token or await server.token("capture"))
    async with agent.http:
        yield agent


def assert_as_delivered(folder: Path, copies: list[Copy]) -> None:
    for copy in copies:
        assert_whole(folder, copy)
    assert_contiguous(folder)
    record = read_lesson(folder)
    assert record.state is RecordingState.COMPLETE
    assert len(pictures(folder / record.track("camera").folder / "index.m3u8")) == SECONDS * 30
    sound(folder / record.track("mic").folder / "index.m3u8")


async def test_a_delivery_from_the_first_request_to_the_replay(tmp_path):
    folder, copies = lossy_recording(tmp_path)
    async with serving(tmp_path) as server, agent_of(server) as first:
        status, made = await first.ask("POST", "")
        assert status == 201 and made["expires_at"] > "20"
        observer = await server.token("observer")
        async with agent_of(server, made["token"]) as agent:
            assert (await agent.ask("POST", ""))[0] == 401, "it is good for deliveries, not for another token"
            assert await server.get(f"/api/lessons/{LESSON}/recording", made["token"]) is None
            camera, mic = copies
            zipped = await agent.inventory(camera, gzip.compress(camera.inventory()), **{"Content-Encoding": "gzip"})
            assert zipped[0] == 200 and zipped[1] == await agent.wanted(camera)
            assert zipped[1]["holding"] == "2027-01-1" and zipped[1]["live"] is False
            manifest = await server.get(f"/api/lessons/{LESSON}/recording", observer)
            assert manifest["state"] == "repairing" and "delivered" in manifest["detail"]
            assert manifest["repair"] == {"wanted_bytes": zipped[1]["wanted_bytes"], "received_bytes": 0}
            assert [len(track["gaps"]) for track in manifest["tracks"]] == [1, 1]
            holding = await agent.deliver(camera)
            await agent.deliver(mic)
            assert await agent.complete(holding) == (200, {"state": "complete", "gaps": 0})
            assert await agent.complete(holding) == (200, {"state": "complete", "gaps": 0}), "again"
            assert (await agent.wanted(camera))["wanted"] == []
        manifest = await server.get(f"/api/lessons/{LESSON}/recording", observer)
        assert (manifest["state"], manifest["detail"], manifest["repair"]) == ("complete", None, None)
        assert [track["gaps"] for track in manifest["tracks"]] == [[], []]
        for track in manifest["tracks"]:
            headers = {"Authorization": f"Bearer {observer}"}
            async with ClientSession(headers=headers) as http, http.get(server.url + track["playlist"]) as playlist:
                assert playlist.status == 200
                assert f"/{track['name']}.2/" in track["playlist"] and "#EXT-X-ENDLIST" in await playlist.text()
    assert_as_delivered(folder, copies)


async def test_what_the_door_refuses(tmp_path):
    _, (camera, mic) = lossy_recording(tmp_path)
    async with serving(tmp_path) as server, agent_of(server) as agent:
        assert (await agent.frames(camera, "2027-01-1", camera.record(150)))[1]["code"] == "not_wanted"
        await agent.wanted(camera)
        holding = "2027-01-1"
        damaged = bytearray(camera.record(150))
        damaged[20] ^= 1
        large = b"x" * ((4 << 20) + 1)
        bomb = gzip.compress(bytes(64 << 20))
        query = {"label": "camera", "kind": "video", "now": "5"}
        for (status, answer), expected, code in [
            (await agent.frames(camera, holding, bytes(damaged)), 422, "bad_frames"),
            (await agent.frames(camera, holding, b"short"), 422, "bad_frames"),
            (await agent.frames(camera, "2027-01-7", camera.record(150)), 404, "unknown_recording"),
            (await agent.frames(camera, "../../etc", camera.record(150)), 400, "bad_request"),
            (await agent.frames(camera, holding, large), 413, "too_large"),
            (await agent.inventory(camera, b"nonsense"), 422, "bad_frames"),
            (await agent.inventory(camera, bomb, **{"Content-Encoding": "gzip"}), 413, "too_large"),
            (await agent.inventory(camera, b"no gzip", **{"Content-Encoding": "gzip"}), 400, "bad_request"),
            (await agent.ask("PUT", "/camera.2/inventory", params=query), 400, "bad_request"),
            (await agent.ask("PUT", "/camera/inventory", params={**query, "kind": "audio"}), 400, "bad_request"),
            (await agent.ask("PUT", "/camera/inventory", params={**query, "now": "-1"}), 400, "bad_request"),
            (await agent.ask("PUT", "/index/inventory", params=query), 400, "bad_request"),
            (await agent.ask("PUT", "/..%2Fcamera/inventory", params=query), 400, "bad_request"),
        ]:
            assert (status, answer["code"]) == (expected, code), answer
            assert re.search(r"[\u4e00-\u9fff].*[A-Za-z]{4}", answer["detail"]), "in Chinese and English"
        for role, allowed in [("teacher", True), ("observer", False), ("classroom", False)]:
            async with agent_of(server, await server.token(role)) as other:
                status, answer = await other.inventory(mic)
                assert (status == 200) is allowed, answer
        classroom = await server.token("classroom")
        own = jwt.decode(classroom, options={"verify_signature": False})["sub"][:8]
        async with agent_of(server, classroom) as other:
            status, _ = await other.inventory(Copy(f"camera-{own}", camera.frames))
            assert status == 200, "a classroom delivers what it has sent itself"
        async with agent_of(server, "nonsense") as other:
            assert (await other.inventory(camera))[0] == 401


async def test_two_requests_at_once_and_no_more(tmp_path):
    _, (camera, _) = lossy_recording(tmp_path)

    async with serving(tmp_path) as server, agent_of(server) as agent:
        answer = await agent.wanted(camera)
        body = camera.bodies(answer["wanted"], 4 << 20)[0]
        go = asyncio.Event()

        async def slowly() -> AsyncIterator[bytes]:
            yield body[:100]
            await go.wait()
            yield body[100:]

        async def post() -> int:
            return (await agent.frames(camera, answer["holding"], slowly()))[0]

        three = [asyncio.create_task(post()) for _ in range(3)]
        async with asyncio.timeout(30):
            (refused,), both = await asyncio.wait(three, return_when=asyncio.FIRST_COMPLETED)
            assert refused.result() == 429
            go.set()
            assert await asyncio.gather(*both) == [204, 204]
            assert await post() == 204


@pytest.mark.parametrize("requests", [1, 3])
async def test_kill_9_while_frames_come_in_loses_none_that_were_acknowledged(tmp_path, requests):
    folder, copies = lossy_recording(tmp_path)
    camera = copies[0]
    async with serving(tmp_path) as server:
        async with agent_of(server) as agent:
            before = await agent.wanted(camera)
            bodies = camera.bodies(before["wanted"], 20_000)
            for body in bodies[:requests]:
                assert (await agent.frames(camera, before["holding"], body))[0] == 204
            under_way = asyncio.create_task(agent.frames(camera, before["holding"], bodies[requests]))
            await server.kill()
            with contextlib.suppress(ClientError):
                await under_way
        await server.start()
        async with agent_of(server) as agent:
            after = await agent.wanted(camera)
            acknowledged = sum(len(body) - 16 * frames_in(body) for body in bodies[:requests])
            assert after["wanted_bytes"] <= before["wanted_bytes"] - acknowledged
            for copy in copies:
                holding = await agent.deliver(copy)
            assert (await agent.complete(holding))[1] == {"state": "complete", "gaps": 0}
    assert_as_delivered(folder, copies)


def frames_in(body: bytes) -> int:
    at = count = 0
    while at < len(body):
        at += 16 + int.from_bytes(body[at + 8 : at + 12], "big")
        count += 1
    return count


@pytest.mark.parametrize("files", [0, 3, 8, None], ids=["at its start", "early", "late", "after its commit"])
async def test_kill_9_in_the_middle_of_a_splice_leaves_the_former_recording_or_the_new_one(tmp_path, files):
    folder, copies = lossy_recording(tmp_path)
    async with serving(tmp_path) as server:
        async with agent_of(server) as agent:
            for copy in copies:
                holding = await agent.deliver(copy)
            done = asyncio.create_task(agent.complete(holding))
            made = folder / "camera.2"
            while not (
                read_lesson(folder).track("camera").folder == made.name
                if files is None
                else made.is_dir() and len(list(made.iterdir())) >= files
            ):
                await asyncio.sleep(0)
            await server.kill()
            with contextlib.suppress(ClientError):
                await done
        record = read_lesson(folder)
        new = record.track("camera").folder == "camera.2"
        print("killed after the commit" if new else "killed before the commit")
        assert (record.track("mic").folder == "mic.2") is new
        for track in record.tracks:
            assert (folder / track.folder / "index.m3u8").is_file()
        assert len(pictures(folder / record.track("camera").folder / "index.m3u8")) == record.track("camera").frames
        await server.start()
        kept = {path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")}
        assert kept == {track.folder for track in record.tracks}, "what no record names is gone"
        async with agent_of(server) as agent:
            for copy in copies:
                assert (await agent.wanted(copy))["wanted"] == [], "nothing has to be sent again"
            assert (await agent.complete(holding))[1] == {"state": "complete", "gaps": 0}
    assert_as_delivered(folder, copies)
    text = (folder / "master.m3u8").read_text()
    assert all(f"{track.folder}/index.m3u8" in text for track in read_lesson(folder).tracks)


def recorded(answer: dict[str, Any] | None, tracks: int, seconds: float) -> bool:
    recording = {} if answer is None else answer["recording"]
    return len(recording.get("tracks", [])) == tracks and recording["duration_s"] > seconds


async def test_what_the_agent_sends_has_its_identity_in_the_archive(tmp_path):
    """From the header extension through the media process onto the disk, for every frame."""
    async with serving(tmp_path) as server:
        teacher = await server.token("teacher")
        async with capturing(server, "--camera", "sample", "--slides", "sample"), asyncio.timeout(55):
            while not recorded(await server.get(f"/api/lessons/{LESSON}", teacher), tracks=3, seconds=4.0):
                await asyncio.sleep(0.1)
            assert await server.post(f"/api/lessons/{LESSON}/end", teacher) == 200
    (lesson_file,) = tmp_path.glob("*/*/*/lesson.json")
    record = read_lesson(lesson_file.parent)
    assert {track.name for track in record.tracks} == {"camera", "slides", "mic"}
    for track in record.tracks:
        stored = read_track(lesson_file.parent / track.folder)
        captured = [sample.captured_ntp for sample in stored.samples]
        known = [each for each in captured if each]
        assert len(known) >= 0.9 * len(captured) and known == sorted(set(known))
        if track.name == "mic":
            apart_s = [(later - earlier) / FRACTION for earlier, later in pairwise(known)]
            assert sum(abs(apart - 0.02) < 0.001 for apart in apart_s) >= 0.9 * len(apart_s)
