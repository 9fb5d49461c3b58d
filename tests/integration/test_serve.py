"""`classroom serve` and `classroom demo` as processes, with aiortc as an independent client."""

import asyncio
import contextlib
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from contextlib import asynccontextmanager

import aiohttp
import numpy as np
import psutil
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpSender, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, VideoStreamTrack
from av import VideoFrame

from classroom.model import LessonId, Role
from classroom.recording.library import find_recording, manifest
from classroom.web.auth import issue_token, new_claims
from classroom.web.secret import load_secret
from tests.ports import free_port, free_ports


class Server:
    """A server process, and a client for its doors."""

    def __init__(self, folder, http) -> None:
        self.folder, self.http = folder, http
        self.port, self.media_port = free_port(socket.SOCK_STREAM), free_ports(1)
        self.base = f"http://127.0.0.1:{self.port}"
        self.process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        self.process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "classroom", "serve", "--port", str(self.port)),
            *("--media-port", str(self.media_port), "--workers", "1", "--recordings", str(self.folder)),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        async with asyncio.timeout(30):
            while "recordings" not in (line := (await self.process.stdout.readline()).decode()):
                assert line, "the server stopped"

    async def stop(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        if self.process.returncode is None:
            self.process.send_signal(number)
        out, _ = await asyncio.wait_for(self.process.communicate(), 30)
        return self.process.returncode, out.decode()

    def token(self, role: str) -> str:
        claims = new_claims(LessonId("maths"), Role(role), 3600, role, time.time())
        return issue_token(load_secret(self.folder / ".state"), claims)

    async def ask(self, method: str, path: str, token: str = "", **options):
        headers = {"Authorization": f"Bearer {token}", **options.pop("headers", {})}
        async with self.http.request(method, self.base + path, headers=headers, **options) as response:
            return response.status, dict(response.headers), (await response.read()).decode()

    async def lesson(self) -> dict:
        return json.loads((await self.ask("GET", "/api/lessons/maths", self.token("observer")))[2])

    async def connect(self, pc: RTCPeerConnection, door: str, token: str) -> str:
        await pc.setLocalDescription(await pc.createOffer())
        status, headers, answer = await self.ask(
            "POST",
            f"/{door}/maths",
            token,
            data=pc.localDescription.sdp,
            headers={"Content-Type": "application/sdp"},
        )
        assert status == 201, answer
        await pc.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        return headers["Location"]


@asynccontextmanager
async def serving(folder):
    async with aiohttp.ClientSession() as http:
        server = Server(folder, http)
        await server.start()
        try:
            yield server
        finally:
            if server.process.returncode is None:
                server.process.kill()
            await server.process.communicate()


class Blue(VideoStreamTrack):
    """A blue picture."""

    async def recv(self):
        pts, time_base = await self.next_timestamp()
        picture = np.zeros((240, 320, 3), np.uint8)
        picture[:, :, 2] = 220
        frame = VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts, frame.time_base = pts, time_base
        return frame


def publisher() -> RTCPeerConnection:
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    prefer_h264(pc.addTransceiver(Blue(), direction="sendonly"))
    pc.addTransceiver(AudioStreamTrack(), direction="sendonly")
    return pc


def receiver() -> RTCPeerConnection:
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    prefer_h264(pc.addTransceiver("video", direction="recvonly"))
    pc.addTransceiver("audio", direction="recvonly")
    return pc


def prefer_h264(transceiver) -> None:
    codecs = RTCRtpSender.getCapabilities("video").codecs
    transceiver.setCodecPreferences([c for c in codecs if c.mimeType in ("video/H264", "video/rtx")])


async def until(question, limit_s: float = 30.0):
    async with asyncio.timeout(limit_s):
        while not (answer := await question()):
            await asyncio.sleep(0.05)
        return answer


async def test_a_lesson_from_whip_to_whep_to_a_recording(tmp_path):
    async with serving(tmp_path) as server:
        up, down = publisher(), receiver()
        try:
            capture, classroom = server.token("capture"), server.token("classroom")
            location = await server.connect(up, "whip", capture)

            async def live():
                return {p["label"] for p in (await server.lesson())["publications"] if p["live"]} == {"camera", "mic"}

            await until(live)
            await server.connect(down, "whep", classroom)
            track = next(t.receiver.track for t in down.getTransceivers() if t.kind == "video")
            async with asyncio.timeout(30):
                while (pixels := (await track.recv()).to_ndarray(format="rgb24"))[120, 160, 2] < 150:
                    pass
            assert pixels[120, 160, 0] < 100

            async def all_shown():  # the media come from another process than the word of who receives them
                told = await server.lesson()
                assert told["lesson"]["state"] == "live"
                assert told["recording"]["state"] == "recording"
                shown = {p["role"]: (p["publishing"], p["receiving"]) for p in told["participants"]}
                return shown == {"capture": (True, False), "classroom": (False, True)}

            await until(all_shown)

            async def recorded():
                return (await server.lesson())["recording"]["duration_s"] > 1

            await until(recorded)
            assert (await server.ask("DELETE", location, capture))[0] == 200
            status, _, answer = await server.ask("POST", "/api/lessons/maths/end", server.token("teacher"))
            told = json.loads(answer)
            assert (status, told["lesson"]["state"], told["recording"]["state"]) == (200, "ended", "complete")
            assert told["publications"] == []
            assert {track["label"] for track in told["recording"]["tracks"]} == {"camera", "mic"}
            playlist = told["recording"]["tracks"][0]["playlist"]
            status, _, text = await server.ask("GET", playlist, classroom)
            assert status == 200
            assert "#EXT-X-ENDLIST" in text
        finally:
            await asyncio.gather(up.close(), down.close())
        assert (await server.stop())[0] == 0
    assert manifest(find_recording(tmp_path, "maths"))["state"] == "complete"


async def test_sigterm_drains_and_the_lesson_goes_on(tmp_path):
    async with serving(tmp_path) as server:
        teacher = server.token("teacher")
        assert (await server.ask("POST", "/api/lessons/maths/start", teacher))[0] == 200
        async with server.http.ws_connect(f"{server.base}/ws/maths") as control:
            await control.send_json({"type": "hello", "token": teacher})
            assert (await control.receive_json())["type"] == "snapshot"
            stopped = asyncio.create_task(server.stop())
            async for _ in control:
                pass
            assert control.close_code == 1012
        status, output = await stopped
        assert status == 0, output
        assert "Traceback" not in output
        assert teacher not in output
        started_at = json.loads((tmp_path / ".state" / "lessons.json").read_text())["lessons"][0]["started_at"]
        await server.start()
        told = await server.lesson()
        assert (told["lesson"]["state"], told["recording"]["state"]) == ("live", "recording")
        assert told["lesson"]["started_at"][:19] == started_at[:19]


async def test_kill_9_and_the_same_lesson_goes_on(tmp_path):
    async with serving(tmp_path) as server:
        assert (await server.ask("POST", "/api/lessons/maths/start", server.token("teacher")))[0] == 200
        await server.stop(signal.SIGKILL)
        await server.start()
        told = await server.lesson()
        assert (told["lesson"]["state"], told["recording"]["state"]) == ("live", "recording")
        await server.stop(signal.SIGKILL)
        await server.start()
        status, _, answer = await server.ask("POST", "/api/lessons/maths/end", server.token("teacher"))
        assert (status, json.loads(answer)["recording"]["state"]) == (200, "complete")


def runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def workers_gone(pids) -> None:
    async with asyncio.timeout(30):
        while any(map(runs, pids)):
            await asyncio.sleep(0.02)


async def test_a_killed_server_leaves_no_worker_behind(tmp_path):
    async with serving(tmp_path) as server:
        pids = [child.pid for child in psutil.Process(server.process.pid).children(recursive=True)]
        assert pids
        await server.stop(signal.SIGKILL)
        await workers_gone(pids)


async def test_a_signal_to_the_whole_group_lets_workers_finish_their_recordings(tmp_path):
    """Ctrl-C in a terminal and systemd send it to every process."""
    async with serving(tmp_path) as server:
        assert (await server.ask("POST", "/api/lessons/maths/start", server.token("teacher")))[0] == 200
        children = psutil.Process(server.process.pid).children(recursive=True)
        for child in children:
            child.send_signal(signal.SIGTERM)
            child.send_signal(signal.SIGINT)
        await asyncio.sleep(0.2)
        status, output = await server.stop()
        assert status == 0, output
        assert "has died" not in output
        await workers_gone([child.pid for child in children])
    assert manifest(find_recording(tmp_path, "maths"))["state"] == "interrupted"


async def test_a_first_start_tells_the_first_password_and_of_no_error(tmp_path):
    command = ("serve", "--port", str(free_port(socket.SOCK_STREAM)), "--media-port", str(free_ports(1)))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "classroom", *command, "--workers", "1", "--recordings", str(tmp_path)),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "PYTHONUNBUFFERED": "1", "CLASSROOM_INDEX": "false"},
    )
    said = ""
    async with asyncio.timeout(60):
        while "one-time password" not in said:
            line = await process.stdout.readline()
            assert line, said
            said += line.decode()
        process.terminate()
        said += (await process.communicate())[0].decode()
    assert "ERROR" not in said, said


async def test_a_second_server_is_refused_with_a_reason(tmp_path):
    async with serving(tmp_path) as server:
        for port, media_port, folder, names in (
            (server.port, 0, tmp_path / "other", f"{server.port}/TCP"),
            (0, server.media_port, tmp_path / "other", f"{server.media_port}/UDP"),
            (0, 0, tmp_path, "--recordings"),
        ):
            second = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "classroom", "serve", "--port", str(port)),
                *("--media-port", str(media_port), "--recordings", str(folder)),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
            _, error = await asyncio.wait_for(second.communicate(), 30)
            assert second.returncode == 1
            assert names in error.decode()
            assert "Traceback" not in error.decode()
        assert (await server.ask("GET", "/healthz"))[0] == 200


async def test_many_silent_connections_do_not_use_up_the_files_of_the_server(tmp_path):
    usual = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, usual[1]))  # as a child of ours the server begins with it
    try:
        async with serving(tmp_path) as server:
            resource.setrlimit(resource.RLIMIT_NOFILE, usual)
            with contextlib.ExitStack() as silent:
                for _ in range(300):
                    silent.enter_context(socket.create_connection(("127.0.0.1", server.port)))
                async with asyncio.timeout(30):
                    assert (await server.ask("GET", "/healthz"))[0] == 200
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, usual)


async def demo(folder, *options):
    port, media_port = free_port(socket.SOCK_STREAM), free_ports(1)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "classroom", "demo", "--port", str(port), "--media-port", str(media_port)),
        *("--recordings", str(folder), "--lesson", "maths", *options),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    return process, port, media_port


async def welcomed(process) -> list[str]:
    """What the demo says up to the line about Ctrl-C."""
    lines = []
    async with asyncio.timeout(90):
        while not lines or "Ctrl-C" not in lines[-1]:
            line = await process.stdout.readline()
            assert line, lines
            lines.append(line.decode().rstrip())
    return lines


@pytest.mark.timeout(120)
async def test_the_demo_holds_a_lesson_until_ctrl_c(tmp_path):
    process, port, _ = await demo(tmp_path)
    try:
        lines = await welcomed(process)
        addresses = [line.strip() for line in lines if "#token=" in line]
        assert [address.split("#")[0] for address in addresses] == [
            f"http://localhost:{port}/{page}" for page in ("teacher", "terminal", "replay/maths", "library")
        ]
        assert f"  http://localhost:{port}/signin" in lines
        async with asyncio.timeout(30):
            while not any("一次性密码" in line for line in lines):  # the server makes it while the lesson begins
                lines.append((await process.stdout.readline()).decode())
        async with aiohttp.ClientSession() as http:
            teacher, terminal, _, operator = (address.split("#token=")[1] for address in addresses)
            url = f"http://localhost:{port}/api/lessons/maths"

            async def all_recorded():
                async with http.get(url, headers={"Authorization": f"Bearer {terminal}"}) as response:
                    told = await response.json()
                assert (told["lesson"]["state"], told["recording"]["state"]) == ("live", "recording")
                assert [person["role"] for person in told["participants"]] == ["capture"]  # the demo itself is unseen
                return {track["label"] for track in told["recording"]["tracks"]} == {"camera", "slides", "mic"}

            async def in_the_library():
                headers = {"Authorization": f"Bearer {operator}"}
                async with http.get(f"http://localhost:{port}/api/library", headers=headers) as response:
                    told = await response.json()
                return [(item["lesson"], item["state"]) for item in told.get("items", ())] == [("maths", "recording")]

            await until(all_recorded)
            await until(in_the_library)
            async with http.post(url + "/end", headers={"Authorization": f"Bearer {terminal}"}) as response:
                assert response.status == 403
            assert teacher != terminal
        process.send_signal(signal.SIGINT)
        rest, _ = await asyncio.wait_for(process.communicate(), 40)
        assert process.returncode == 0, rest.decode()
        assert "complete" in rest.decode()
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
    folder = find_recording(tmp_path, "maths")
    told = manifest(folder)
    assert told["state"] == "complete"
    assert {track["label"] for track in told["tracks"]} == {"camera", "slides", "mic"}
    with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
        pass  # its server is gone with it


async def test_the_demo_says_which_port_is_taken(tmp_path):
    with socket.create_server(("0.0.0.0", 0)) as taken:
        port = taken.getsockname()[1]
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "classroom", "demo", "--port", str(port), "--recordings", str(tmp_path)),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        output, _ = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 1
    assert f"{port}/TCP" in output.decode()


@pytest.mark.timeout(120)
async def test_the_demo_reports_an_agent_that_dies_and_completes_the_recording(tmp_path):
    process, *_ = await demo(tmp_path, "--mic", "sample")
    try:
        await welcomed(process)
        [agent] = [c for c in psutil.Process(process.pid).children() if "capture" in c.cmdline()]
        agent.kill()
        output, _ = await asyncio.wait_for(process.communicate(), 40)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
    assert process.returncode == 1
    assert "stopped unexpectedly with status -9" in output.decode()
    assert manifest(find_recording(tmp_path, "maths"))["state"] == "complete"
