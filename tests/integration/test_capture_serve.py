"""`classroom capture` against `classroom serve`, as processes: what the agent sends is what is recorded."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import re
import signal
import socket
import subprocess
import sys
from fractions import Fraction
from typing import TYPE_CHECKING

import av
import numpy as np
import pytest
from aiohttp import ClientError, ClientSession

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

CLASSROOM = [sys.executable, "-m", "classroom"]


def free_port(kind: socket.SocketKind) -> int:
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


class Server:
    """A server process with a data directory of its own, which can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port, self.media_port = free_port(socket.SOCK_STREAM), free_port(socket.SOCK_DGRAM)
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        self.process = await asyncio.create_subprocess_exec(
            *CLASSROOM, "serve", "--host", "127.0.0.1", "--port", str(self.port), "--media-port", str(self.media_port),
            "--media-address", "127.0.0.1", "--recordings", str(self.folder),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        await self.until(lambda answer: answer is not None, "/healthz", "")

    async def kill(self) -> None:
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()

    async def token(self, role: str) -> str:
        command = [*CLASSROOM, "token", "--lesson", "maths", "--role", role, "--recordings", str(self.folder)]
        made = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
        out, _ = await made.communicate()
        assert made.returncode == 0
        return out.decode().strip()

    async def get(self, path: str, token: str) -> dict | None:
        async with ClientSession(headers={"Authorization": f"Bearer {token}"}) as http:
            with contextlib.suppress(ClientError):
                async with http.get(self.url + path) as response:
                    if response.status == 200:
                        return json.loads(await response.read())
        return None

    async def until(self, condition: Callable[[dict | None], bool], path: str, token: str) -> None:
        async with asyncio.timeout(20):
            while not condition(await self.get(path, token)):  # noqa: ASYNC110 - another process is asked
                await asyncio.sleep(0.1)


@contextlib.asynccontextmanager
async def running(server: Server, *options: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A server and an agent; both are gone afterwards."""
    agent = None
    try:
        await server.start()
        command = [*CLASSROOM, "capture", "--server", server.url, "--lesson", "maths", *options]
        command += ["--token", await server.token("capture")]
        agent = await asyncio.create_subprocess_exec(*command, stderr=subprocess.PIPE)
        yield agent
    finally:
        if agent is not None and agent.returncode is None:
            agent.kill()
            await agent.wait()
        await server.kill()


def published(answer: dict | None) -> dict[str, str]:
    """Label and id of every publication whose packets are coming."""
    publications = (answer or {}).get("publications", [])
    return {publication["label"]: publication["id"] for publication in publications if publication["live"]}


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
    server = Server(tmp_path / "data")
    path = film(tmp_path / "film.mp4", 2.0)
    async with running(server, "--camera", str(path)) as agent:
        async with asyncio.timeout(30):
            _, said = await agent.communicate()
        assert agent.returncode == 0, said.decode()
        assert re.search("camera: 320x240 25 fps .*→ live", said.decode())
        teacher = await server.token("teacher")
        headers = {"Authorization": f"Bearer {teacher}"}
        async with ClientSession(headers=headers) as http, http.post(f"{server.url}/api/lessons/maths/end") as ended:
            assert ended.status == 200
        await server.until(
            lambda answer: answer is not None and answer["recording"]["state"] == "complete",
            "/api/lessons/maths",
            teacher,
        )
    with av.open(io.BytesIO(recorded(tmp_path / "data", "camera"))) as container:
        pictures = [(frame.time, frame.to_ndarray()[120, 160]) for frame in container.decode(video=0)]
    assert len(pictures) == 50, "every picture of the file"
    assert [int(luma) for _, luma in pictures] == pytest.approx([20 + number * 2 for number in range(50)], abs=3)
    expected_s = [number / 25 for number in range(50)]
    assert [at_s - pictures[0][0] for at_s, _ in pictures] == pytest.approx(expected_s, abs=0.020)
    with av.open(io.BytesIO(recorded(tmp_path / "data", "mic"))) as container:
        packets = [packet for packet in container.demux(audio=0) if packet.size]
    assert abs(len(packets) - 101) <= 1


async def test_the_sample_lesson_goes_on_after_kill_9_of_the_server(tmp_path: Path) -> None:
    server = Server(tmp_path / "data")
    async with running(server, "--camera", "sample", "--slides", "sample") as agent:
        watcher = await server.token("observer")
        path = "/api/lessons/maths"
        await server.until(lambda answer: set(published(answer)) == {"camera", "mic", "slides"}, path, watcher)
        await server.kill()
        await server.start()
        await server.until(lambda answer: set(published(answer)) == {"camera", "mic", "slides"}, path, watcher)
        agent.send_signal(signal.SIGTERM)
        async with asyncio.timeout(10):
            _, said = await agent.communicate()
        assert agent.returncode == 0, said.decode()
        assert "the connection was lost, reconnecting" in said.decode()
        await server.until(lambda answer: answer is not None and not published(answer), path, watcher)
