"""The whole agent against a WHIP endpoint on the real media server: every packet over UDP, every request over HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import signal
import socket
import time
from collections import defaultdict
from fractions import Fraction
from typing import TYPE_CHECKING, ClassVar

import av
import numpy as np
import pytest
from aiohttp import web

from classroom.capture.agent import CaptureSettings, run_agent
from classroom.model import LessonId, ParticipantId, SessionId
from classroom.sfu.core import rtcp
from classroom.sfu.core.events import PublicationAdded
from classroom.sfu.core.ntp import ntp_to_unix
from classroom.sfu.core.rtp import parse_rtp
from classroom.sfu.server import MediaServer
from classroom.sfu.session import MediaSettings, UnknownSession
from classroom.sfu.transport.client import ClientTransport
from tests.running import free_port, free_ports

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from classroom.sfu.core.sink import Burst

LESSON = LessonId("maths")


class Recorder:
    """A sink that keeps everything, and remembers whether a report came before the first packet."""

    def __init__(self) -> None:
        self.packets: dict[int, list] = defaultdict(list)
        self.reports: dict[int, list[rtcp.SenderReport]] = defaultdict(list)
        self.unannounced: set[int] = set()
        self.bursts: dict[int, Burst] = {}
        self.changed = asyncio.Event()

    def send(self, burst) -> None:
        down, packets = burst.down, burst.packets
        self.bursts.setdefault(down.ssrc, burst)
        if down.ssrc not in self.reports:
            self.unannounced.add(down.ssrc)
        self.packets[down.ssrc] += packets
        self.changed.set()

    def send_rtcp(self, data: bytes) -> None:
        for packet in rtcp.parse_rtcp(data):
            if isinstance(packet, rtcp.SenderReport):
                self.reports[packet.ssrc].append(packet)

    def resend(self, down, data: bytes) -> None:
        pass

    def close(self, reason: str) -> None:
        pass

    def frames(self) -> list[int]:
        """How many frames of each stream have come, fewest first."""
        return sorted(len({packet.ts for packet in packets}) for packets in self.packets.values())


class Endpoint:
    """``POST /whip/maths`` and ``DELETE`` of what it makes; ``status`` other than 201 refuses.

    Without ``udp`` its answers have TCP candidates only, as if the network let nothing else through.
    """

    def __init__(self) -> None:
        self.status = 201
        self.code = "x"
        self.udp = True
        self.posts: list[str] = []
        self.deleted: list[str] = []
        self.publications: list[str] = []
        self.recorder = Recorder()
        self.port, self.media_port = free_port(socket.SOCK_STREAM), free_ports(1)
        self._media: MediaServer | None = None
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def media(self) -> MediaServer:
        assert self._media is not None
        return self._media

    async def start(self) -> None:
        self._media = MediaServer(
            MediaSettings("127.0.0.1", self.media_port), self._note, time.time() - time.monotonic()
        )
        await self._media.start()
        await self._media.open_lesson(LESSON)
        await self._media.attach(LESSON, self.recorder)
        app = web.Application()
        app.router.add_post("/whip/maths", self._post)
        app.router.add_delete("/whip/maths/{session}", self._delete)
        self.add_routes(app)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True)
        await site.start()

    def add_routes(self, app: web.Application) -> None:
        """For a test that needs more than this."""

    async def stop(self, *, goodbye: bool = True) -> None:
        """``goodbye=False``: like kill -9, the agent is told nothing."""
        runner, media = self._runner, self._media
        self._runner = self._media = None
        if runner is not None and media is not None:
            await runner.cleanup()
            if not goodbye:
                media._mux.close()  # the sessions are never told
                media._tcp.close()
                media._timer.cancel()
            else:
                await media.close()

    def _note(self, lesson: LessonId, event: object) -> None:
        if isinstance(event, PublicationAdded):
            self.publications.append(str(event.publication.label))

    async def _post(self, request: web.Request) -> web.Response:
        self.posts.append(request.headers.get("Authorization", ""))
        self.recorder.changed.set()
        if self.status != 201:
            problem = {"status": self.status, "code": self.code, "detail": "because of the test"}
            return web.json_response(problem, status=self.status, content_type="application/problem+json")
        assert request.content_type == "application/sdp" and self._media is not None
        session = await self._media.publish(LESSON, ParticipantId("agent"), await request.text(), str)
        headers = {"Location": f"/whip/maths/{session.id}", "ETag": session.etag}
        lines = session.answer.splitlines(keepends=True)
        answer = "".join(line for line in lines if self.udp or " udp " not in line)
        return web.Response(status=201, text=answer, content_type="application/sdp", headers=headers)

    async def _delete(self, request: web.Request) -> web.Response:
        assert self._media is not None
        with contextlib.suppress(UnknownSession):
            await self._media.close_session(SessionId(request.match_info["session"]), "deleted")
        self.deleted.append(request.headers.get("Authorization", ""))
        return web.Response()

    async def until(self, condition: Callable[[], bool], seconds: float = 30) -> None:
        """Wait for what packets, requests or, looked at every 50 ms, log lines bring about."""
        async with asyncio.timeout(seconds):
            while not condition():
                self.recorder.changed.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self.recorder.changed.wait(), 0.05)


@pytest.fixture
async def endpoint() -> AsyncIterator[Endpoint]:
    endpoint = Endpoint()
    await endpoint.start()
    yield endpoint
    await endpoint.stop()


@contextlib.asynccontextmanager
async def agent(endpoint: Endpoint, **sources: object) -> AsyncIterator[asyncio.Task[int]]:
    """A running agent; ended by SIGTERM to this process, as systemd does it."""
    settings = CaptureSettings(endpoint.url, "maths", "secret-token", **sources)  # type: ignore[arg-type]
    task = asyncio.create_task(run_agent(settings))
    try:
        yield task
    finally:
        if not task.done():
            os.kill(os.getpid(), signal.SIGTERM)
        async with asyncio.timeout(30):
            await asyncio.gather(task, return_exceptions=True)


def film(path: Path, seconds: float, width: int = 320, height: int = 240) -> Path:
    """Baseline H.264 with Opus, which passes through; its keyframes are 1 s apart."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        video.options = {"preset": "superfast", "profile": "baseline", "g": "25"}
        audio = container.add_stream("libopus", rate=48_000, layout="mono")
        rng = np.random.default_rng(3)
        noise = rng.integers(0, 255, (height * 3 // 2, width)).astype(np.uint8)
        for number in range(round(seconds * 25)):
            picture = noise // 4 + 64
            picture[:, number % 320] = 20
            frame = av.VideoFrame.from_ndarray(picture, "yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        for at in range(0, round(seconds * 48_000), 960):
            sound = av.AudioFrame.from_ndarray(rng.integers(-99, 99, (1, 960)).astype(np.int16), "s16", "mono")
            sound.sample_rate, sound.pts = 48_000, at
            container.mux(audio.encode(sound))
        container.mux(audio.encode(None))
    return path


async def test_the_sample_lesson_arrives_complete_and_on_one_clock(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Time for a busy machine to start all threads, and to have the first large picture encoded before smaller ones.
    monkeypatch.setattr("classroom.capture.agent._START_DELAY_S", 1.0)
    monkeypatch.setattr("classroom.capture.session._TOP_LAYER_FIRST_S", 30.0)
    recorder = endpoint.recorder
    async with agent(endpoint, camera="sample", slides="sample") as running:
        await endpoint.until(lambda: len(recorder.frames()) == 3 and recorder.frames()[0] >= 10)
        # What is known of the agent's clock improves with each of its reports: compare what was known at one moment.
        await endpoint.until(lambda: len({reports[-1].ntp for reports in recorder.reports.values()}) == 1)
    assert running.result() == 0
    assert sorted(endpoint.publications) == ["camera", "mic", "slides"]
    assert endpoint.posts == endpoint.deleted == ["Bearer secret-token"]
    assert not recorder.unannounced, "a sender report comes before the first packet"
    starts = []
    for ssrc, packets in recorder.packets.items():
        seqs = [packet.ext_seq for packet in packets]
        assert sorted(seqs) == list(range(min(seqs), max(seqs) + 1)), "nothing is missing, nothing comes twice"
        report = recorder.reports[ssrc][-1]
        ts = packets[0].ts + recorder.bursts[ssrc].ts_offset
        ticks = (ts - report.rtp_ts + 2**31) % 2**32 - 2**31
        starts.append(ntp_to_unix(report.ntp) + ticks / (48_000 if packets[0].pt == 111 else 90_000))
    # Camera and slides begin together; the sound's first packet is early by the encoder's look-ahead, 6.5 ms.
    assert max(starts) - min(starts) < 0.015


async def test_picture_slides_and_voice_go_out_over_tcp_where_there_is_no_udp(endpoint: Endpoint) -> None:
    endpoint.udp = False
    async with agent(endpoint, camera="sample", slides="sample") as running:
        await endpoint.until(lambda: len(endpoint.recorder.frames()) == 3 and endpoint.recorder.frames()[0] >= 10)
    assert running.result() == 0
    assert endpoint.media.stats()["tcp_frames_received_total"] > 100
    assert endpoint.media.stats()["datagrams_received_total"] == 0


async def test_a_file_that_ends_is_sent_to_its_last_frame_and_the_session_deleted(
    endpoint: Endpoint, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    path = film(tmp_path / "lesson.mp4", 2.0)
    async with agent(endpoint, camera=str(path)) as running:
        async with asyncio.timeout(30):
            assert await running == 0
    assert endpoint.recorder.frames() == [50, pytest.approx(101, abs=1)]
    assert len(endpoint.deleted) == 1
    assert sorted(endpoint.publications) == ["camera", "mic"]
    assert re.search("camera: 320x240 25 fps .*passed through → live", caplog.text)


class Tampered(ClientTransport):
    """The real transport with a bad network in front, and with its ends in the hand of the test."""

    lose_every = 0
    lose_frames: ClassVar[dict[int, int]] = {}  # by payload type; counted from 1, lost once
    nacks_after_s = 0.0  # reports overtake them
    made: ClassVar[list[Tampered]] = []

    def __init__(self, **callbacks) -> None:  # type: ignore[no-untyped-def]
        self.receive_rtcp = callbacks["on_rtcp"]
        super().__init__(**{**callbacks, "on_rtcp": self._deliver})
        self.reported: list[rtcp.Rtcp] = []
        self.lost: set[tuple[int, int]] = set()
        self._frames: dict[int, set[int]] = defaultdict(set)
        self._count = 0
        Tampered.made.append(self)

    def send_rtp(self, packets, *, voice=False) -> None:  # type: ignore[no-untyped-def]
        arriving = []
        for data in packets:
            packet = parse_rtp(data)
            self._frames[packet.ssrc].add(packet.ts)
            self._count += 1
            unlucky = self.lose_every and self._count % self.lose_every == 0
            chosen = len(self._frames[packet.ssrc]) == self.lose_frames.get(packet.pt)
            if unlucky or (chosen and (packet.ssrc, packet.seq) not in self.lost):
                self.lost.add((packet.ssrc, packet.seq))
            else:
                arriving.append(data)
        super().send_rtp(arriving, voice=voice)

    def _deliver(self, data: bytes) -> None:
        late = self.nacks_after_s and any(isinstance(packet, rtcp.Nack) for packet in rtcp.parse_rtcp(data))
        if late:
            asyncio.get_running_loop().call_later(self.nacks_after_s, self.receive_rtcp, data)
        else:
            self.receive_rtcp(data)

    def send_rtcp(self, data: bytes) -> None:
        self.reported += rtcp.parse_rtcp(data)
        super().send_rtcp(data)


@pytest.fixture
def tampered(monkeypatch: pytest.MonkeyPatch) -> type[Tampered]:
    monkeypatch.setattr("classroom.capture.session.ClientTransport", Tampered)
    monkeypatch.setattr(Tampered, "made", [])
    return Tampered


async def test_what_is_lost_on_the_way_is_sent_again(
    endpoint: Endpoint, tmp_path: Path, tampered: type[Tampered], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tampered, "lose_every", 8)
    monkeypatch.setattr("classroom.capture.agent.DRAIN_TIMEOUT_S", 20.0)  # not for this computer to decide
    path = film(tmp_path / "lesson.mp4", 2.0)
    async with agent(endpoint, camera=str(path)) as running:
        async with asyncio.timeout(30):
            assert await running == 0
    assert len(tampered.made[0].lost) > 20
    for packets in endpoint.recorder.packets.values():
        seqs = {packet.ext_seq for packet in packets}
        assert max(seqs) - min(seqs) + 1 == len(seqs)


@pytest.mark.parametrize("from_the_end", [1, 2])
async def test_the_end_arrives_though_it_was_lost_and_asked_for_late_or_not_at_all(
    endpoint: Endpoint, tmp_path: Path, tampered: type[Tampered], monkeypatch: pytest.MonkeyPatch, from_the_end: int
) -> None:
    path = film(tmp_path / "lesson.mp4", 2.0)
    with av.open(str(path)) as container:
        sounds = sum(packet.size > 0 for packet in container.demux(audio=0))
    last = {96: 50, 111: sounds}
    monkeypatch.setattr(tampered, "lose_frames", {pt: number + 1 - from_the_end for pt, number in last.items()})
    monkeypatch.setattr(tampered, "nacks_after_s", 0.5)
    monkeypatch.setattr("classroom.capture.agent.DRAIN_TIMEOUT_S", 20.0)  # not for this computer to decide
    monkeypatch.setattr("classroom.sfu.core.lesson.REPORT_INTERVAL_S", 0.05)  # one names the last packet before that
    async with agent(endpoint, camera=str(path)) as running:
        async with asyncio.timeout(30):
            assert await running == 0
    assert len({ssrc for ssrc, _ in tampered.made[0].lost}) == 2
    assert endpoint.recorder.frames() == [50, sounds]


async def test_a_picture_loss_is_answered_by_one_keyframe_and_a_time_request_by_dlrr(
    endpoint: Endpoint, tampered: type[Tampered]
) -> None:
    def pictures() -> list:
        return next((packets for packets in endpoint.recorder.packets.values() if packets[0].pt != 111), [])

    def keyframes() -> int:
        return sum(packet.payload[0] & 0x1F == 24 for packet in pictures())

    async with agent(endpoint, camera="sample"):
        await endpoint.until(lambda: keyframes() == 1 and len(pictures()) > 10)
        transport = tampered.made[0]
        ssrc = next(report.ssrc for report in transport.reported if isinstance(report, rtcp.SenderReport))
        for _ in range(5):
            transport.receive_rtcp(rtcp.build_pli(1, ssrc))
        transport.receive_rtcp(rtcp.build_rr(77, []) + rtcp.build_rrtr(77, 0x1122_3344_5566_7788))
        transport.receive_rtcp(b"\x80\xc9\xff\xff")  # a length that lies is survived
        await endpoint.until(lambda: keyframes() == 2)
        marked = sum(packet.marker for packet in pictures())
        await endpoint.until(lambda: sum(packet.marker for packet in pictures()) > marked + 10)
        assert keyframes() == 2, "five requests at once are one"
        answers = [report for report in transport.reported if isinstance(report, rtcp.DelaySinceLastRr)]
        assert (77, 0x3344_5566) in [(answer.ssrc, answer.lrr) for answer in answers]


async def test_the_agent_is_back_after_the_server_was_killed(
    endpoint: Endpoint, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    path = film(tmp_path / "lesson.mp4", 3.0)
    async with agent(endpoint, camera=str(path), loop=True) as running:
        await endpoint.until(lambda: len(endpoint.recorder.frames()) == 2 and endpoint.recorder.frames()[0] >= 20)
        await endpoint.stop(goodbye=False)
        endpoint.recorder = Recorder()
        await endpoint.start()
        began_s = time.monotonic()
        await endpoint.until(lambda: len(endpoint.recorder.frames()) == 2 and endpoint.recorder.frames()[0] >= 20)
        print(f"back {time.monotonic() - began_s:.2f} s after the restart, 20 frames included")
        video = next(packets for packets in endpoint.recorder.packets.values() if packets[0].pt != 111)
        assert video[0].payload[0] & 0x1F == 24, "it begins with parameter sets (STAP-A), in mid-GOP of the file"
        assert not running.done()
    assert running.result() == 0
    assert len(endpoint.posts) >= 2
    assert "正在重连 / the connection was lost" in caplog.text


async def test_it_waits_for_a_server_that_is_not_there_yet_and_loses_nothing(
    endpoint: Endpoint, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = film(tmp_path / "lesson.mp4", 1.0)
    await endpoint.stop()
    async with agent(endpoint, camera=str(path)) as running:
        await endpoint.until(lambda: "cannot reach the server" in caplog.text)
        await endpoint.start()
        async with asyncio.timeout(30):
            assert await running == 0
    assert endpoint.recorder.frames()[0] == 25


@pytest.mark.parametrize(
    ("status", "said"),
    [(400, "请检查课程编号"), (401, "令牌无效或已过期"), (403, "不允许"), (404, "请检查服务器地址")],
)
async def test_a_refusal_for_good_ends_the_agent_with_2(
    endpoint: Endpoint, caplog: pytest.LogCaptureFixture, status: int, said: str
) -> None:
    endpoint.status = status
    async with agent(endpoint, mic="sample") as running, asyncio.timeout(30):
        assert await running == 2
    assert re.search(f"{said}.* / .*HTTP {status}: because of the test", caplog.text)
    assert len(endpoint.posts) == 1


async def test_before_the_lesson_it_waits_for_the_teacher(
    endpoint: Endpoint, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("classroom.capture.agent.NOT_OPEN_POLL_S", 0.2)
    endpoint.status, endpoint.code = 404, "unknown_lesson"  # a classroom's token opens no lesson
    async with agent(endpoint, mic="sample") as running:
        await endpoint.until(lambda: len(endpoint.posts) >= 3)
        assert not running.done()
        endpoint.status = 201
        await endpoint.until(lambda: endpoint.recorder.frames() != [])
    assert caplog.text.count("课程还没有开始") == 1


async def test_after_the_end_of_the_lesson_it_waits_for_the_teacher(
    endpoint: Endpoint, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("classroom.capture.agent.ENDED_POLL_S", 0.2)
    endpoint.status = 409
    async with agent(endpoint, mic="sample") as running:
        await endpoint.until(lambda: len(endpoint.posts) >= 3)
        assert not running.done()
        endpoint.status = 201
        await endpoint.until(lambda: endpoint.recorder.frames() != [])
    assert caplog.text.count("本节课已结束") == 1, "said once, not at every attempt"


async def test_a_missing_source_does_not_hold_up_the_others_and_is_taken_up_when_it_comes(
    endpoint: Endpoint, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("classroom.capture.agent.SOURCE_RETRY_S", 0.3)
    path = tmp_path / "late.mp4"
    async with agent(endpoint, slides="sample", camera=str(path)) as running:
        await endpoint.until(lambda: len(endpoint.recorder.frames()) == 1 and endpoint.recorder.frames()[0] >= 5)
        assert re.search(r"late.mp4：找不到文件 / .*late.mp4: no such file", caplog.text)
        film(tmp_path / "film.mp4", 2.0).rename(path)
        await endpoint.until(lambda: sorted(set(endpoint.publications)) == ["camera", "mic", "slides"])
        await endpoint.until(lambda: max(endpoint.recorder.frames()) > 50)
        assert not running.done()


async def test_settings_that_make_no_sense_are_refused(caplog: pytest.LogCaptureFixture) -> None:
    assert await run_agent(CaptureSettings("http://x", "../etc", "t", camera="sample")) == 2
    assert await run_agent(CaptureSettings("x:8080", "maths", "t", camera="sample")) == 2
    assert await run_agent(CaptureSettings("http://x", "maths", "t")) == 2
    for said in ("课程编号不对", "http://", "没有指定来源"):
        assert said in caplog.text
