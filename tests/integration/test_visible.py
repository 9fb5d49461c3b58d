"""What operators and teachers see of a lesson: metrics, API and `classroom top` of a real server with its workers."""

import asyncio
import contextlib
import re
import subprocess
import time

import pytest
from aiohttp import ClientSession
from prometheus_client.parser import text_string_to_metric_families

from classroom.sfu.core import rtcp
from classroom.sfu.core.rtp import build_rtp, parse_rtp
from classroom.sfu.transport.client import ClientTransport
from classroom.web.auth import issue_operator_token
from classroom.web.secret import load_secret
from tests.integration.test_sfu_transport import offer, remote
from tests.running import CLASSROOM, LESSON, serving

SIZE_BYTES = 1000
PICTURES_PER_S = 50


class Ends:
    """A publisher of a picture and a receiver that says it loses every fourth packet."""

    def __init__(self, server) -> None:
        self.server = server
        self.up, self.down = ClientTransport(), ClientTransport(on_rtp=self._take, on_rtcp=self._report)
        self.got = 0
        self.ssrc = None
        self.last_report = 0

    def _take(self, data: bytes) -> None:
        self.got += 1
        self.ssrc = parse_rtp(data).ssrc

    def _report(self, data: bytes) -> None:
        for packet in rtcp.parse_rtcp(data):
            if isinstance(packet, rtcp.SenderReport):
                self.last_report = rtcp.ntp_middle(packet.ntp)

    async def open(self) -> None:
        await self.server.post(f"/api/lessons/{LESSON}/start", await self.server.token("teacher"))
        for door, transport, role, direction in (
            ("whip", self.up, "capture", "sendonly"), ("whep", self.down, "classroom", "recvonly"),
        ):  # fmt: skip
            token = await self.server.token(role, f"the {role}")
            headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/sdp"}
            async with ClientSession(headers=headers) as http:
                url = f"{self.server.url}/{door}/{LESSON}"
                async with http.post(url, data=offer(transport, direction)) as response:
                    assert response.status == 201
                    await transport.connect(remote(await response.text()))

    async def run(self) -> None:
        """Send and report until cancelled: as many pictures as are due, however late this has its turn."""
        began_s, number = time.monotonic(), 0
        while True:
            await asyncio.sleep(max(0.0, began_s + number / PICTURES_PER_S - time.monotonic()))
            nal = (b"\x65\x80" if number % PICTURES_PER_S == 0 else b"\x41\x80") + bytes(SIZE_BYTES - 2)
            self.up.send_rtp([build_rtp(pt=96, seq=number, ts=1800 * number, ssrc=77, payload=nal, marker=True)])
            if self.got >= 100 and number % 10 == 0:  # before that, a link so bad might have its picture paused
                block = rtcp.ReportBlock(self.ssrc, 64, 0, number, 0, self.last_report, 1)
                self.down.send_rtcp(rtcp.build_rr(1, [block]))
            number += 1

    async def close(self) -> None:
        await asyncio.gather(self.up.close(), self.down.close())


@pytest.fixture
async def lesson(tmp_path):
    async with serving(tmp_path) as server:
        ends = Ends(server)
        try:
            await ends.open()
            sending = asyncio.create_task(ends.run())
            try:
                async with asyncio.timeout(30):
                    while ends.got < 100:
                        await asyncio.sleep(0.05)
                yield ends
            finally:
                sending.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await sending
        finally:
            await ends.close()


async def fetch(url: str, token: str = "") -> tuple[int, str]:
    async with ClientSession(headers={"Authorization": f"Bearer {token}"}) as http, http.get(url) as response:
        return response.status, await response.text()


def operator(server) -> str:
    return issue_operator_token(load_secret(server.folder / ".state"), 0, 2**33)


async def test_metrics_tell_of_lesson_publication_and_receiver(lesson):
    families = {}

    async def scrape() -> None:
        status, text = await fetch(lesson.server.url + "/metrics")
        assert status == 200
        families.update({family.name: family for family in text_string_to_metric_families(text)})

    def value(name: str, **labels) -> float:
        family = families[f"classroom_{name}"]
        (sample,) = [
            s for s in family.samples if labels.items() <= s.labels.items() and not s.name.endswith("_created")
        ]
        assert sample.labels["lesson"] == LESSON
        return sample.value

    sent_bps = pytest.approx(8 * SIZE_BYTES * PICTURES_PER_S, rel=0.4)
    await scrape()
    async with asyncio.timeout(30):  # a rate is of the time since the scrape before, and a busy machine sends in bursts
        while True:
            await asyncio.sleep(1.5)
            await scrape()
            bitrates = value("publication_bitrate_bps"), value("receiver_bitrate_bps")
            if bitrates == (sent_bps, sent_bps) and value("receiver_loss_ratio") > 0:
                break
    assert value("publication_live", publication="camera") == 1
    assert value("publication_loss_ratio") == 0
    assert value("publication_packets") >= 100
    assert value("publication_keyframes") >= 2
    assert value("publication_keyframe_requests") >= 0
    assert value("receiver_loss_ratio") == 0.25
    assert 0 <= value("receiver_rtt_seconds") < 5
    assert value("receiver_octets") > 100_000
    assert value("receiver_link") == 2
    assert value("receiver_downgraded_slots", reason="bandwidth") == 0
    assert value("lesson_dropped_packets", reason="malformed") == 0
    delays = families["classroom_lesson_forwarding_delay_seconds"].samples
    counts = [s.value for s in delays if s.name.endswith("_bucket")]
    assert counts == sorted(counts) and counts[-1] >= 100
    assert 0 < next(s.value for s in delays if s.name.endswith("_sum")) < 0.1 * counts[-1]


async def test_series_go_with_what_they_are_of(lesson):
    await lesson.down.close()
    async with asyncio.timeout(30):
        while "receiver_bitrate" in (await fetch(lesson.server.url + "/metrics"))[1]:
            await asyncio.sleep(0.1)
    assert "publication_bitrate" in (await fetch(lesson.server.url + "/metrics"))[1]


async def test_the_api_tells_an_operator_of_all_and_a_teacher_of_the_own_lesson(lesson):
    server = lesson.server
    own = f"{server.url}/api/lessons/{LESSON}/stats"
    assert (await fetch(server.url + "/api/stats"))[0] == 401
    assert (await fetch(server.url + "/api/stats", await server.token("teacher")))[0] == 401
    assert (await fetch(own, await server.token("classroom")))[0] == 403
    assert (await fetch(own, operator(server)))[0] == 401
    async with asyncio.timeout(30):
        while (await server.get("/api/stats", operator(server)))["lessons"][0]["receivers"][0]["cause"] != "loss":
            await asyncio.sleep(0.05)
    for path, token in (
        ("/api/stats", operator(server)),
        (own.removeprefix(server.url), await server.token("teacher")),
    ):
        (told,) = (await server.get(path, token))["lessons"]
        assert told["id"] == LESSON
        (camera,) = told["publications"]
        assert camera["name"] == "camera" and camera["layers"][0]["packets"] >= 100
        (receiver,) = told["receivers"]
        assert (receiver["name"], receiver["role"]) == ("the classroom", "classroom")
        assert (receiver["link"], receiver["cause"]) == ("poor", "loss")
        (slot,) = receiver["slots"]
        assert (slot["publication"], slot["layer"], slot["layers"], slot["reason"]) == ("camera", 0, 1, "none")
        assert sum(told["forwarding_delay"]["counts"]) >= 100


async def top(*options: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *CLASSROOM, "top", *options, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={"COLUMNS": "160"}
    )  # fmt: skip
    out, _ = await asyncio.wait_for(process.communicate(), 30)
    return process.returncode, out.decode()


async def test_top_shows_every_link_in_words(lesson):
    server = lesson.server
    sent_mbps = pytest.approx(8 * SIZE_BYTES * PICTURES_PER_S / 1e6, rel=0.4)
    async with asyncio.timeout(50):
        while True:  # a busy machine sends in bursts
            status, shown = await top("--server", server.url, "--recordings", str(server.folder), "--once")
            assert status == 0
            if "25.0%" in shown and max(map(float, re.findall(r"\b0\.\d\d\b", shown)), default=0.0) == sent_mbps:
                break
    for text in (LESSON, "the classroom", "差 poor", "丢包", "packet loss", "25.0%", "camera", "1/1"):
        assert text in shown, shown
    token = await server.token("teacher")
    status, own = await top("--server", server.url, "--lesson", LESSON, "--token", token, "--once")
    assert status == 0 and "the classroom" in own


async def test_top_says_what_is_wrong():
    status, said = await top("--server", "http://127.0.0.1:9", "--token", "t", "--lesson", "maths", "--once")
    assert status == 1 and "服务器没有应答" in said and "Traceback" not in said
