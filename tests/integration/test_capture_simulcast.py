"""The layers of the agent at the real media server: which arrive, what is paused, what is repaired."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from typing import TYPE_CHECKING, ClassVar

import pytest

from classroom.sfu.core import pausing, rtcp
from classroom.sfu.core.pause import PauseResume, PauseType, build_pause
from classroom.sfu.core.rtp import header_extensions, parse_rtp
from classroom.sfu.core.twcc import TransportFeedback
from tests.integration.test_capture import Endpoint, Tampered, agent, film

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path


class Watched(Tampered):
    """What goes to the server and comes back from it, besides."""

    def __init__(self, **callbacks) -> None:  # type: ignore[no-untyped-def]
        super().__init__(**callbacks)
        self.feedback: list[rtcp.Rtcp] = []
        self.rids: dict[int, str] = {}  # by SSRC, of what is no repetition
        self.first: dict[bytes, str] = {}  # the layer that came first, by MID
        self.levels: set[int] = set()
        self.sent: list[bytes] = []
        deliver = self.receive_rtcp

        def receive(data: bytes) -> None:
            self.feedback += rtcp.parse_rtcp(data)
            deliver(data)

        self._on_rtcp = receive

    def send_rtp(self, packets, *, voice=False) -> None:  # type: ignore[no-untyped-def]
        self.sent += packets
        for data in packets:
            packet = parse_rtp(data)
            extensions = dict(header_extensions(packet))
            if packet.pt in (96, 98) and 4 in extensions:
                self.rids[packet.ssrc] = extensions[4].decode()
                self.first.setdefault(extensions[1], self.rids[packet.ssrc])
            elif packet.pt == 111:
                self.levels.add(extensions[6][0])
        super().send_rtp(packets, voice=voice)

    def told(self, kind: type) -> list:  # type: ignore[type-arg]
        return [packet for packet in self.feedback if isinstance(packet, kind)]

    def paused(self, pause_id: int) -> list[PauseResume]:
        """How the agent has answered that PAUSE."""
        told = [packet for packet in self.reported if isinstance(packet, PauseResume)]
        return [packet for packet in told if packet.type is PauseType.PAUSED and packet.pause_id == pause_id]

    def received(self) -> set[int]:
        """The streams on which the server reports."""
        return {block.ssrc for report in self.told(rtcp.ReceiverReport) for block in report.blocks} | {
            block.ssrc for report in self.told(rtcp.SenderReport) for block in report.blocks
        }


class Thin(Watched):
    """A way to the server that carries ``rate_bps``, behind a queue of 60 kB; voice goes through it, too."""

    rate_bps: ClassVar[float] = 700_000
    QUEUE_BYTES = 60_000

    def __init__(self, **callbacks) -> None:  # type: ignore[no-untyped-def]
        super().__init__(**callbacks)
        self.loop = asyncio.get_running_loop()
        self.free_s = 0.0
        self.overflowed = 0
        self.voice_delays_s: list[float] = []

    def send_rtp(self, packets, *, voice=False) -> None:  # type: ignore[no-untyped-def]
        for data in packets:
            now_s = time.monotonic()
            self.free_s = max(self.free_s, now_s)
            if (self.free_s - now_s) * self.rate_bps / 8 > self.QUEUE_BYTES:
                self.overflowed += 1
                continue
            self.free_s += (len(data) + 38) * 8 / self.rate_bps
            self.loop.call_later(self.free_s - now_s, super().send_rtp, [data])
            if voice:
                self.voice_delays_s.append(self.free_s - now_s)


@pytest.fixture
async def endpoint() -> AsyncIterator[Endpoint]:
    endpoint = Endpoint()
    await endpoint.start()
    yield endpoint
    await endpoint.stop()


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Watched]:
    monkeypatch.setattr("classroom.capture.session.ClientTransport", Watched)
    monkeypatch.setattr(Tampered, "made", [])
    return Tampered.made  # type: ignore[return-value]


@pytest.fixture
def wanted(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Nobody here takes the small layers, but the server pauses them only when this has been called."""
    after_s = pausing.PAUSE_AFTER_S
    monkeypatch.setattr(pausing, "PAUSE_AFTER_S", 1e9)
    return lambda: monkeypatch.setattr(pausing, "PAUSE_AFTER_S", after_s)


async def test_all_layers_arrive_and_the_server_pauses_what_nobody_takes(
    endpoint: Endpoint,
    made: list[Watched],
    wanted: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr("classroom.capture.session._TOP_LAYER_FIRST_S", 30.0)  # a busy machine may take longer than 1 s
    async with agent(endpoint, camera="sample", slides="sample"):
        await endpoint.until(lambda: bool(made) and len(made[0].rids) == 5 and made[0].received() >= set(made[0].rids))
        server = made[0]
        assert sorted(server.rids.values()) == ["h", "h", "l", "l", "m"]
        assert server.first == {b"0": "h", b"1": "h"}, "a recording begins with the largest"
        assert server.told(TransportFeedback), "the estimate has what it needs"
        assert len(server.levels) > 3, "a voice is not always equally loud"
        # The recorder takes the largest of each. Who shows a keyframe of a smaller one first?
        assert {packets[0].ssrc for packets in endpoint.recorder.packets.values()} <= {
            *(ssrc for ssrc, rid in server.rids.items() if rid == "h"),
            *(ssrc for ssrc in server.received() if ssrc not in server.rids),
        }
        wanted()
        await endpoint.until(lambda: len({pause.target_ssrc for pause in server.told(PauseResume)}) == 3)
        assert {server.rids[pause.target_ssrc] for pause in server.told(PauseResume)} == {"m", "l"}
        await endpoint.until(
            lambda: bool(re.search(r"640x360 暂停 paused · 320x180 暂停 paused（没有教室需要", caplog.text))
        )
    assert re.search(r"camera: 1280x720 25 fps 1200 kbit/s · 640x360 .* · 320x180 .* → live", caplog.text)


async def test_pause_stops_one_layer_and_resume_brings_it_back_with_a_keyframe(
    endpoint: Endpoint, made: list[Watched], wanted: Callable[[], None]
) -> None:
    def packets_of(ssrc: int) -> list[bytes]:
        return [data for data in server.sent if int.from_bytes(data[8:12], "big") == ssrc]

    async with agent(endpoint, camera="sample"):
        await endpoint.until(lambda: bool(made) and len(made[0].rids) == 3)
        server = made[0]
        by_rid = {rid: ssrc for ssrc, rid in server.rids.items()}
        target = by_rid["h"]

        def ask(kind: PauseType, pause_id: int) -> None:
            server.receive_rtcp(build_pause(PauseResume(7, target, kind, pause_id)))

        await endpoint.until(lambda: len(packets_of(target)) > 10)
        ask(PauseType.PAUSE, 40)
        await endpoint.until(lambda: bool(server.paused(40)))
        [paused] = server.paused(40)
        last = paused.highest_ext_seq & 0xFFFF
        assert paused.target_ssrc == target
        await endpoint.until(lambda: parse_rtp(packets_of(target)[-1]).seq == last)  # some may have waited in the pacer
        server.sent.clear()
        await endpoint.until(lambda: len(packets_of(by_rid["l"])) >= 8)
        assert not packets_of(target)
        ask(PauseType.RESUME, 40)
        ask(PauseType.PAUSE, 40)  # overtaken on the way
        await endpoint.until(lambda: len(packets_of(target)) > 10)
        first = parse_rtp(packets_of(target)[0])
        assert first.payload[0] & 0x1F == 24, "parameter sets and IDR"
        assert first.seq == (last + 1) & 0xFFFF, "no number is missing"
        starts = [data for data in packets_of(target) if parse_rtp(data).payload[0] & 0x1F == 24]
        assert len(starts) == 1


async def test_a_film_that_is_passed_through_has_smaller_layers_while_they_are_wanted(
    endpoint: Endpoint,
    made: list[Watched],
    wanted: Callable[[], None],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    path = film(tmp_path / "lesson.mp4", 2.0, width=640, height=480)
    async with agent(endpoint, camera=str(path), loop=True):
        await endpoint.until(lambda: bool(made) and sorted(made[0].rids.values()) == ["h", "m"])
        await endpoint.until(lambda: "passed through · 320x240 25 fps" in caplog.text)
        wanted()
        await endpoint.until(lambda: bool(re.search("passed through · 320x240 暂停 paused", caplog.text)))


async def test_what_is_lost_of_any_layer_is_sent_again(
    endpoint: Endpoint, made: list[Watched], wanted: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Tampered, "lose_every", 9)
    async with agent(endpoint, camera="sample", slides="sample"):
        await endpoint.until(lambda: bool(made) and len(made[0].received()) == 6)
        await endpoint.until(lambda: len({nack.media_ssrc for nack in made[0].told(rtcp.Nack)}) == 6)
        feedback = made[0].told(TransportFeedback)
        assert any(None in report.arrivals for report in feedback), "and the estimate knows of it"


async def test_a_thin_uplink_carries_voice_and_small_pictures_and_a_wide_one_everything_again(
    endpoint: Endpoint, wanted: Callable[[], None], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The real encoders and the real feedback; only the line between them is made of timers."""
    caplog.set_level(logging.INFO)
    monkeypatch.setattr("classroom.capture.session.ClientTransport", Thin)
    monkeypatch.setattr("classroom.capture.agent._TELL_INTERVAL_S", 0.5)
    monkeypatch.setattr(Tampered, "made", [])

    def told() -> str:
        return next((line for line in reversed(caplog.messages) if line.startswith("camera: ")), "")

    async with agent(endpoint, camera="sample", slides="sample"):
        await endpoint.until(lambda: "1280x720 暂停 paused" in told() and "the way to the server carries" in told())
        server = Tampered.made[0]
        assert isinstance(server, Thin)
        stopped = [p.target_ssrc for p in server.reported if isinstance(p, PauseResume) and p.type is PauseType.PAUSED]
        assert "h" in {server.rids.get(ssrc) for ssrc in stopped}, "the server need not find out by itself"
        await asyncio.sleep(2.0)
        for _ in range(5):  # what a busy machine sends in bursts waits on the line: then once more
            first, overflowed = len(server.voice_delays_s), server.overflowed
            await asyncio.sleep(4.0)
            delays_s = sorted(server.voice_delays_s[first:])
            late_s, latest_s = delays_s[len(delays_s) * 95 // 100], delays_s[-1]
            print(f"voice waits {1000 * late_s:.0f} ms (95 %), {1000 * latest_s:.0f} at most")
            if late_s < 0.15 and server.overflowed == overflowed and "320x180 暂停" not in told():
                break
        else:
            raise AssertionError(f"voice waits on a thin uplink, or small pictures are not carried: {told()}")
        monkeypatch.setattr(Thin, "rate_bps", 50_000_000)
        await endpoint.until(
            lambda: re.search("1280x720 25 fps 1200 .* 640x360 25 fps 396 .* → live", told()) is not None
        )
