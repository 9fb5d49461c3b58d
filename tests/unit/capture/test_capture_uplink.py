"""The uplink over a simulated link in virtual time: what a server's feedback makes of the layers."""

from __future__ import annotations

import heapq
import re
from dataclasses import dataclass, field

import pytest

from classroom.capture.clock import CaptureClock
from classroom.capture.frames import CodedFrame
from classroom.capture.ladder import ladder
from classroom.capture.sender import Extensions, RtpParameters, RtpSender, Timestamps
from classroom.capture.uplink import NO_FEEDBACK_S, TICK_S, Lane, Uplink, order_of_worth
from classroom.capture.video_encoder import Content, VideoFormat
from classroom.capture.video_layer import LOWEST_SHARE, Demand
from classroom.model import Label, TrackKind
from classroom.sfu.core.rtcp import parse_rtcp
from classroom.sfu.core.rtp import header_extensions, parse_rtp
from classroom.sfu.core.serial import Unwrapper16
from classroom.sfu.core.twcc import Arrivals
from tests.sim.netem import Conditions, Link

EXTENSIONS = Extensions(mid=1, capture_time=2, transport_seq=3, rid=4, repaired_rid=5)
GOOD = Conditions(delay_s=0.02, rate_bps=20_000_000, queue_bytes=250_000)
OVERHEAD_BYTES = 28 + 16


class Loop:
    """call_later in virtual time; the clock is at whole milliseconds, as uvloop's."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self._timers: list[tuple[float, int, object]] = []
        self._count = 0

    def time(self) -> float:
        return int(self.now_s * 1000) / 1000

    def call_later(self, delay_s: float, callback):  # type: ignore[no-untyped-def]
        self._count += 1
        timer = Timer(callback)
        heapq.heappush(self._timers, (self.now_s + delay_s, self._count, timer))
        return timer

    def run(self, until_s: float) -> None:
        while self._timers and self._timers[0][0] <= until_s:
            self.now_s, _, timer = heapq.heappop(self._timers)
            timer.run()  # type: ignore[attr-defined]
        self.now_s = until_s


@dataclass
class Timer:
    callback: object

    def cancel(self) -> None:
        self.callback = None

    def run(self) -> None:
        if self.callback is not None:
            self.callback()  # type: ignore[operator]


@dataclass
class Layer:
    """An encoder that always uses all that it is given; a keyframe is a quarter of a second of its rate."""

    name: str
    format: VideoFormat
    rate_bps: int | None = 1 << 40
    why: str = ""
    keyframe: bool = True
    busy: float = 1.0  # how much of its rate the picture needs
    history: list[tuple[float, int | None]] = field(default_factory=list)

    def demand(self) -> Demand:
        full_bps = self.format.bitrate_bps()
        return Demand(round(full_bps * LOWEST_SHARE), full_bps)

    def send_at(self, rate_bps: int | None, why: str = "") -> None:
        self.keyframe = self.keyframe or self.rate_bps is None
        self.rate_bps, self.why = rate_bps, why

    def request_keyframe(self) -> None:
        self.keyframe = True

    def frame(self, capture_s: float) -> CodedFrame | None:
        if self.rate_bps is None:
            return None
        rate_bps = min(self.rate_bps, self.format.bitrate_bps())
        size = round(self.busy * rate_bps / 8 * (0.25 if self.keyframe else 1 / self.format.fps))
        keyframe, self.keyframe = self.keyframe, False
        return CodedFrame(capture_s, (bytes([0x65 if keyframe else 0x41]) + bytes(size),), keyframe)


class School:
    """An agent with camera and slides behind a link, and the server's feedback."""

    def __init__(
        self, up: Conditions, *, numbered: bool = True, feedback: bool = True, last_time_bps=None, height_px: int = 720
    ) -> None:
        self.loop = Loop()
        self.stopped: list[Lane] = []
        self.stuck_until_s = 0.0  # the server, which then finds that everything has come at once
        self.link = Link(up, seed=1)
        self.back = Link(Conditions(delay_s=up.delay_s), seed=2)
        self.uplink = Uplink(self.loop, lambda: self.loop.now_s, self._send, self.stopped.append, last_time_bps)  # type: ignore[arg-type]
        self.arrivals = Arrivals(1)
        self.feedback = feedback
        self.arrived: list[tuple[float, int, int]] = []  # (when, ssrc, bytes)
        self.numbers: list[int] = []
        self.delays_s: list[tuple[float, float]] = []
        self._sent_s: dict[int, float] = {}
        self._unwrap = Unwrapper16()
        clock = CaptureClock(lambda: self.loop.now_s, lambda: self.loop.now_s + 1e9)
        timestamps = Timestamps(90_000, 0.0, 0)
        camera = VideoFormat(height_px * 16 // 9, height_px, 25, Content.MOTION)
        pages = VideoFormat(1920, 1080, 5, Content.PAGES)
        self.lanes: dict[str, Lane] = {}
        for label, source, count in ((Label.CAMERA, camera, 3), (Label.SLIDES, pages, 2)):
            for rung, form in enumerate(ladder(source, count)):
                ssrc = 10 * (1 + len(self.lanes))
                extensions = EXTENSIONS if numbered else Extensions()
                parameters = RtpParameters(
                    "0", "hml"[rung], TrackKind.VIDEO, 96, 90_000, ssrc, 97, ssrc + 1, extensions
                )  # fmt: skip
                name = f"{label} {form.height_px}"
                sender = RtpSender(parameters, clock, timestamps, "c", first_seq=0)
                layer = Layer(name, form)
                self.lanes[name] = Lane(layer, sender, order_of_worth(label, rung, count))  # type: ignore[arg-type]
        self.uplink.open(list(self.lanes.values()), numbered=numbered)
        self._next_s = dict.fromkeys(self.lanes, 0.05)
        self._tick_s = 0.0

    def _send(self, packets) -> None:  # type: ignore[no-untyped-def]
        for packet in packets:
            self.link.send(packet + bytes(OVERHEAD_BYTES), self.loop.now_s)
            number = dict(header_extensions(parse_rtp(packet))).get(3)
            if number is not None:
                seq = self._unwrap.unwrap(int.from_bytes(number, "big"))
                self.numbers.append(seq)
                self._sent_s[seq & 0xFFFF] = self.loop.now_s

    def run(self, seconds: float) -> None:
        end_s = self.loop.now_s + seconds
        while self.loop.now_s < end_s:
            self.loop.run(min(self.loop.now_s + 0.001, end_s))
            now_s = self.loop.now_s
            for name, lane in self.lanes.items():
                while self._next_s[name] <= now_s:
                    frame = lane.layer.frame(self._next_s[name])  # type: ignore[attr-defined]
                    if frame is not None:
                        self.uplink.send(lane, frame, now_s)
                    self._next_s[name] += 1 / lane.layer.format.fps  # type: ignore[union-attr]
            self._receive(now_s)
            if now_s >= self._tick_s:
                self._tick_s = now_s + TICK_S
                self.uplink.tick()
                for lane in self.lanes.values():
                    lane.layer.history.append((now_s, lane.layer.rate_bps))  # type: ignore[attr-defined]

    def _receive(self, now_s: float) -> None:
        if now_s < self.stuck_until_s:
            return
        for datagram in self.link.receive(now_s):
            packet = parse_rtp(datagram[:-OVERHEAD_BYTES])
            self.arrived.append((now_s, packet.ssrc, len(datagram)))
            number = dict(header_extensions(packet)).get(3)
            if number is not None:
                seq = int.from_bytes(number, "big")
                self.arrivals.received(seq, packet.ssrc, now_s)
                self.delays_s.append((now_s, now_s - self._sent_s[seq]))
        if self.feedback:
            for data in self.arrivals.take(now_s):
                self.back.send(data, now_s)
        for data in self.back.receive(now_s):
            [feedback] = parse_rtcp(data)
            self.uplink.feedback(feedback)  # type: ignore[arg-type]

    @property
    def rates(self) -> dict[str, int | None]:
        return {name: lane.layer.rate_bps for name, lane in self.lanes.items()}  # type: ignore[attr-defined]

    @property
    def sent(self) -> set[str]:
        return {name for name, rate in self.rates.items() if rate is not None}

    def full_since_s(self) -> float:
        """Since when every layer has had its full rate."""
        since_s = 0.0
        for lane in self.lanes.values():
            layer: Layer = lane.layer  # type: ignore[assignment]
            full_bps = layer.format.bitrate_bps()
            since_s = max([since_s, *(at_s for at_s, rate in layer.history if (rate or 0) < full_bps)])
        return since_s

    def queue_delay_s(self, since_s: float) -> float:
        waits = sorted(delay_s - self.link.conditions.delay_s for at_s, delay_s in self.delays_s if at_s >= since_s)
        return waits[len(waits) * 95 // 100]


ALL = {"camera 720", "camera 360", "camera 180", "slides 1080", "slides 540"}


def test_on_a_good_link_everything_is_sent_from_the_start_and_in_full_soon() -> None:
    school = School(GOOD)
    assert school.sent == ALL, "no layer waits for an estimate"
    school.run(10.0)
    print(f"full after {school.full_since_s():.2f} s, estimate {school.uplink.path_bps} bit/s")
    assert school.full_since_s() <= 1.5
    assert school.numbers == list(range(school.numbers[0], school.numbers[0] + len(school.numbers)))
    assert school.queue_delay_s(3.0) < 0.02


def test_a_large_camera_need_not_wait_for_the_estimate_either() -> None:
    school = School(GOOD, height_px=1080)
    assert len(school.sent) == 5
    school.run(8.0)
    assert school.full_since_s() <= 1.0


@pytest.mark.parametrize("rtt_s", [0.04, 0.3, 0.6])
def test_far_away_too(rtt_s: float) -> None:
    school = School(Conditions(delay_s=rtt_s / 2, rate_bps=10_000_000, queue_bytes=250_000))
    school.run(10.0)
    assert school.full_since_s() <= 1.5 + 3 * rtt_s


def test_a_thin_link_carries_slides_and_a_small_face_without_a_queue() -> None:
    school = School(Conditions(delay_s=0.04, rate_bps=600_000, queue_bytes=60_000))
    school.run(30.0)
    print(school.rates, school.uplink.path_bps, f"queue p95 {1000 * school.queue_delay_s(10):.0f} ms")
    assert {"slides 540", "camera 180"} <= school.sent
    assert "camera 720" not in school.sent
    told = [lane.layer.why for lane in school.lanes.values()]  # type: ignore[attr-defined]
    assert len(set(told)) == 1 and re.fullmatch(r"上行带宽只有 0\.[4-7]\d? Mbit/s / the way .* 0\.\d+ Mbit/s", told[0])
    assert school.queue_delay_s(10.0) < 0.12


def test_it_goes_down_at_once_and_comes_back() -> None:
    school = School(GOOD)
    school.run(10.0)
    thin = Conditions(delay_s=0.02, rate_bps=800_000, queue_bytes=60_000)
    school.link.conditions = thin
    school.run(3.0)
    assert "camera 720" not in school.sent and {"slides 540", "camera 180"} <= school.sent
    assert school.lanes["camera 720"] in school.stopped, "the server is told not to wait for it"
    school.run(17.0)
    assert {"slides 540", "camera 180"} <= school.sent
    school.link.conditions = GOOD
    back_s = school.loop.now_s
    school.run(40.0)
    print(f"back in full {school.full_since_s() - back_s:.1f} s after the link was")
    assert school.full_since_s() - back_s < 6


def test_feedback_that_stays_away_stops_everything_and_its_return_brings_it_back() -> None:
    school = School(GOOD)
    school.run(5.0)
    school.feedback = False
    school.run(9.0)
    assert not school.sent
    sent = len(school.numbers)
    school.run(5.0)
    assert 3 <= len(school.numbers) - sent <= 6, "a knock a second"
    school.feedback = True
    back_s = school.loop.now_s
    school.run(10.0)
    assert school.sent == ALL
    assert school.full_since_s() - back_s < 3


@pytest.mark.parametrize("stuck_s", [0.1, 0.3, 0.6])
def test_a_server_that_is_stuck_for_a_moment_is_no_thin_link(stuck_s: float) -> None:
    school = School(GOOD)
    school.run(5.0)
    for lane in school.lanes.values():
        lane.layer.busy = 0.1  # type: ignore[attr-defined]  # nothing moves
    for _ in range(20):
        school.run(0.7)
        school.stuck_until_s = school.loop.now_s + stuck_s
        school.run(stuck_s)
        assert school.sent == ALL
    assert not school.stopped


def test_a_computer_that_was_stuck_does_not_blame_the_link() -> None:
    school = School(GOOD)
    school.run(5.0)
    before_bps = school.uplink.path_bps
    school.loop.now_s += 3.0  # nothing is read, sent or timed meanwhile
    school.uplink.tick()
    assert school.uplink.path_bps == before_bps
    school.run(3.0)
    assert school.sent == ALL


def test_a_server_that_dies_says_nothing_of_the_path() -> None:
    school = School(GOOD)
    school.run(5.0)
    before_bps = school.uplink.path_bps
    school.feedback = False
    school.run(5.0)
    assert school.uplink.path_bps == before_bps, "the next session begins where this one was"
    assert school.sent != ALL, "though little is sent into the dark"


def test_loss_that_is_the_paths_own_takes_nothing_away() -> None:
    school = School(Conditions(delay_s=0.02, rate_bps=20_000_000, queue_bytes=250_000, loss=0.08))
    school.run(20.0)
    assert school.sent == ALL and (school.uplink.path_bps or 0) > 2_500_000


def test_what_the_server_pauses_is_not_sent_and_its_share_is_free() -> None:
    school = School(Conditions(delay_s=0.02, rate_bps=1_500_000, queue_bytes=100_000))
    school.run(10.0)
    assert "camera 720" not in school.sent
    stopped = len(school.stopped)
    for name in ("slides 1080", "slides 540", "camera 360"):
        school.uplink.want(school.lanes[name], False)
    assert len(school.stopped) == stopped, "the server knows that without being told"
    assert school.sent <= {"camera 720", "camera 180"}
    school.run(40.0)
    assert school.sent == {"camera 720", "camera 180"}
    assert "nobody needs it" in school.lanes["slides 540"].layer.why  # type: ignore[attr-defined]
    for name in ("slides 540", "camera 360"):
        school.uplink.want(school.lanes[name], True)
    school.run(1.0)
    assert "slides 540" in school.sent


@pytest.mark.parametrize(("numbered", "after_s"), [(False, 0.0), (True, NO_FEEDBACK_S)])
def test_without_feedback_everything_is_sent_in_full(numbered: bool, after_s: float) -> None:
    school = School(GOOD, numbered=numbered, feedback=False)
    school.run(5.0)
    assert school.full_since_s() <= after_s + 0.15
    assert school.uplink.path_bps is None


def test_a_session_that_follows_another_begins_below_what_that_one_had() -> None:
    thin = School(Conditions(delay_s=0.02, rate_bps=600_000, queue_bytes=60_000), last_time_bps=500_000)
    assert thin.sent == {"slides 540", "camera 180"}
    thin.run(3.0)
    assert thin.queue_delay_s(0.0) < 0.25


def test_what_is_asked_for_again_goes_before_what_is_new() -> None:
    school = School(Conditions(delay_s=0.02, rate_bps=600_000, queue_bytes=60_000), last_time_bps=500_000)
    school.run(2.0)
    lane = school.lanes["camera 180"]
    lost = lane.sender.highest_ext_seq & 0xFFFF
    school.uplink.send(lane, CodedFrame(school.loop.now_s, (bytes([0x65]) + bytes(40_000),), True), school.loop.now_s)
    school.arrived.clear()
    school.uplink.resend(lane, [lost], school.loop.now_s)
    school.run(0.2)
    assert lane.sender.parameters.rtx_ssrc in [ssrc for _, ssrc, _ in school.arrived[:8]]
    school.uplink.close()
    assert school.uplink.idle
