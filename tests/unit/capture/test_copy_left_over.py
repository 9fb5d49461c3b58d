"""A delivery beside a running lesson, over a simulated link in virtual time: the lesson does not notice it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from classroom.capture.copy.delivery_client import SEND_BUFFER_BYTES
from classroom.capture.copy.left_over import LeftOver
from classroom.capture.video_layer import Demand
from classroom.sfu.core.rtp import build_rtp, parse_rtp
from tests.sim.netem import Conditions
from tests.unit.capture.test_capture_uplink import ALL, OVERHEAD_BYTES, School

VOICE_SSRC, DELIVERY_SSRC = 1, 2
VOICE_S, SEGMENT_BYTES = 0.020, 1200


class Delivering(School):
    """A school that keeps a copy, speaks, and delivers beside it all the time, as far as LeftOver lets it.

    What is delivered leaves at once, as through a socket that holds 16 kB; no more than that is on its way.
    """

    def __init__(self, up: Conditions, *, delivering: bool) -> None:
        super().__init__(up)
        self.delivering = delivering
        self.left_over = LeftOver()
        self.delivered_bytes = 0
        self.allowed: list[tuple[float, float]] = []  # bit/s
        self.voice_delays_s: list[tuple[float, float]] = []
        self._voice: dict[int, float] = {}
        self._on_way: set[int] = set()
        self._next_voice_s, self._free_s, self._count = 0.0, 0.0, 0
        for name in ("camera 720", "slides 1080"):
            layer = self.lanes[name].layer
            full_bps = layer.format.bitrate_bps()  # type: ignore[union-attr]
            layer.demand = lambda bps=full_bps: Demand(bps, bps)  # type: ignore[method-assign, misc]

    def run(self, seconds: float) -> None:
        end_s = self.loop.now_s + seconds
        while self.loop.now_s < end_s:
            super().run(0.001)
            self._speak(self.loop.now_s)
            if self.delivering:
                self._deliver(self.loop.now_s)

    def _emit(self, ssrc: int, size: int) -> int:
        self._count += 1
        packet = build_rtp(pt=96, seq=self._count & 0xFFFF, ts=0, ssrc=ssrc, payload=bytes(size))
        self.link.send(packet + bytes(OVERHEAD_BYTES), self.loop.now_s)
        return self._count & 0xFFFF

    def _speak(self, now_s: float) -> None:
        if now_s >= self._next_voice_s:
            self._next_voice_s += VOICE_S
            self._voice[self._emit(VOICE_SSRC, 100)] = now_s

    def _deliver(self, now_s: float) -> None:
        rate_bps = self.left_over.rate_bps(self.uplink.state, now_s)
        self.allowed.append((now_s, rate_bps))
        if rate_bps and now_s >= self._free_s and len(self._on_way) * SEGMENT_BYTES < SEND_BUFFER_BYTES:
            self._free_s = max(self._free_s, now_s - 0.02) + SEGMENT_BYTES * 8 / rate_bps
            self._on_way.add(self._emit(DELIVERY_SSRC, SEGMENT_BYTES))

    def _receive(self, now_s: float) -> None:
        receive = self.link.receive

        def sorted_out(at_s: float) -> list[bytes]:
            found = []
            for datagram in receive(at_s):
                packet = parse_rtp(datagram[:-OVERHEAD_BYTES])
                if packet.ssrc == VOICE_SSRC:
                    self.voice_delays_s.append((at_s, at_s - self._voice[packet.seq]))
                elif packet.ssrc == DELIVERY_SSRC:
                    self._on_way.discard(packet.seq)
                    self.delivered_bytes += SEGMENT_BYTES
                else:
                    found.append(datagram)
            return found

        self.link.receive = sorted_out  # type: ignore[method-assign]
        try:
            super()._receive(now_s)
        finally:
            self.link.receive = receive  # type: ignore[method-assign]

    @property
    def sent(self) -> set[str]:
        return {name for name, lane in self.lanes.items() if lane.layer.rate_bps is not None}  # type: ignore[attr-defined]

    def voice_s(self, since_s: float) -> tuple[float, float]:
        """95 % and the longest, without the way itself."""
        delay_s = self.link.conditions.delay_s
        waits = sorted(wait_s - delay_s for at_s, wait_s in self.voice_delays_s if at_s >= since_s)
        return waits[len(waits) * 95 // 100], waits[-1]


def both(up: Conditions) -> tuple[Delivering, Delivering]:
    return Delivering(up, delivering=True), Delivering(up, delivering=False)


@pytest.mark.parametrize(("rate_bps", "least_bytes"), [(20_000_000, 2_000_000), (5_000_000, 600_000)])
def test_on_a_link_with_room_it_gets_on_and_the_lesson_has_everything(rate_bps: int, least_bytes: int) -> None:
    school, alone = both(Conditions(delay_s=0.02, rate_bps=rate_bps, queue_bytes=rate_bps // 8 // 4))
    for each in (school, alone):
        each.run(40.0)
    (p95_s, longest_s), (p95_alone_s, longest_alone_s) = school.voice_s(5.0), alone.voice_s(5.0)
    print(
        f"{rate_bps / 1e6:.0f} Mbit/s: {school.delivered_bytes * 8 / 40 / 1000:.0f} kbit/s delivered, voice waits "
        f"{p95_s * 1000:.1f} ms (95 %), {longest_s * 1000:.1f} at most; alone {p95_alone_s * 1000:.1f}, "
        f"{longest_alone_s * 1000:.1f}"
    )
    assert school.delivered_bytes > least_bytes
    assert school.sent == ALL and not school.stopped
    assert school.full_since_s() <= max(alone.full_since_s(), 2.0)
    assert p95_s < p95_alone_s + 0.005 and longest_s < longest_alone_s + 0.020


@pytest.mark.parametrize("rate_bps", [2_900_000, 1_500_000, 700_000])
def test_on_a_link_that_the_lesson_fills_nothing_is_delivered(rate_bps: int) -> None:
    school, alone = both(Conditions(delay_s=0.02, rate_bps=rate_bps, queue_bytes=60_000))
    for each in (school, alone):
        each.run(40.0)
    print(f"{school.delivered_bytes} bytes; {school.voice_s(10.0)} {alone.voice_s(10.0)}")
    assert school.delivered_bytes * 8 / 40 < 0.02 * rate_bps
    assert school.voice_s(10.0)[0] < alone.voice_s(10.0)[0] + 0.010


@pytest.mark.parametrize("rate_bps", [2_000_000, 800_000])
def test_a_link_that_becomes_thin_has_lost_the_delivery_at_once(rate_bps: int) -> None:
    wide = Conditions(delay_s=0.02, rate_bps=6_000_000, queue_bytes=150_000)
    school, alone = both(wide)
    for each in (school, alone):
        each.run(30.0)
        each.link.conditions = replace(wide, rate_bps=rate_bps, queue_bytes=60_000)
        each.run(30.0)
    before = [rate for at_s, rate in school.allowed if 29 < at_s < 30]
    assert min(before) > 0
    stopped_s = next(at_s for at_s, rate in school.allowed if at_s > 30 and rate == 0) - 30
    (p95_s, longest_s), (p95_alone_s, longest_alone_s) = school.voice_s(30.0), alone.voice_s(30.0)
    print(
        f"stopped {stopped_s * 1000:.0f} ms after; voice {p95_s * 1000:.0f} ms (95 %), {longest_s * 1000:.0f} at most; "
        f"alone {p95_alone_s * 1000:.0f}, {longest_alone_s * 1000:.0f}"
    )
    assert stopped_s < 0.8
    assert p95_s < p95_alone_s + 0.020 and longest_s < longest_alone_s + 0.080
