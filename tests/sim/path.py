"""One sender, one link, one receiver in virtual time: a Downlink with media of given rates, without a lesson around."""

from __future__ import annotations

import random
import struct
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import fmean

from classroom.sfu.core.downlink import Downlink
from classroom.sfu.core.pacer import Priority
from classroom.sfu.core.rtcp import parse_rtcp
from classroom.sfu.core.send_log import SendLog
from classroom.sfu.core.twcc import Arrivals
from tests.sim.netem import Conditions, Link

TICK_S = 0.005  # of the server: what its pacer holds back leaves on a tick
FEEDBACK_DELAY_S = 0.02
PACKET_BYTES = 1200
FRAME_S = 1 / 30
VOICE_S, VOICE_BYTES = 0.02, 100
NO_NUMBER = 0xFFFF_FFFF
_HEAD = struct.Struct("!dIBB")  # sent at, unwrapped transport-wide number, kind, keyframe
KINDS = ("voice", "picture", "resend", "probe")


Stall = tuple[float, float]  # (from, to): a process gets no CPU; what comes meanwhile waits for it


def _awake_s(stalls: tuple[Stall, ...], at_s: float) -> float:
    """When a process that would run at this time does."""
    return next((to_s for from_s, to_s in stalls if from_s <= at_s < to_s), at_s)


@dataclass(slots=True)
class Packet:
    """What the pacer handles."""

    kind: str
    size_bytes: int
    keyframe: bool = False


@dataclass(slots=True)
class Arrived:
    """One packet at the receiver."""

    kind: str
    size_bytes: int
    sent_s: float
    arrived_s: float


class Elastic:
    """An encoder that follows the estimate."""

    def __init__(self, share: float = 0.97, max_bps: float = 8e6) -> None:
        self.share, self.max_bps = share, max_bps

    def wanted_bps(self) -> float:
        return self.max_bps

    def frame_bytes(self, media_bps: float, stalled: bool) -> tuple[int, bool]:
        return int(min(self.share * media_bps, self.max_bps) * FRAME_S / 8), False


class Silent(Elastic):
    """No picture at all, and none wanted."""

    def wanted_bps(self) -> float:
        return 0.0

    def frame_bytes(self, media_bps: float, stalled: bool) -> tuple[int, bool]:
        return 0, False


class Steady(Elastic):
    """A camera far below the link whose better layers are wanted and do not come."""

    def frame_bytes(self, media_bps: float, stalled: bool) -> tuple[int, bool]:
        return int(self.share * FRAME_S / 8), False  # share is the rate itself


@dataclass
class Layered:
    """Simulcast: down at once when the estimate is below the layer, up with some room; each switch is a keyframe."""

    layers_bps: tuple[float, ...] = (150e3, 500e3, 1.5e6)
    headroom: float = 1.2
    keyframe_factor: float = 6.0
    layer: int = -1  # -1 while suspended
    switches: list[int] = field(default_factory=list)

    def wanted_bps(self) -> float:
        return 1.1 * self.headroom * self.layers_bps[-1]

    def frame_bytes(self, media_bps: float, stalled: bool) -> tuple[int, bool]:
        layer = self.layer
        while layer >= 0 and self.layers_bps[layer] > media_bps:
            layer -= 1
        while layer + 1 < len(self.layers_bps) and self.layers_bps[layer + 1] * self.headroom <= media_bps:
            layer += 1
        switched = layer != self.layer
        if switched:
            self.switches.append(layer)
        self.layer = layer
        if layer < 0:
            return 0, False
        keyframe = switched or stalled
        return int(self.layers_bps[layer] * FRAME_S / 8 * (self.keyframe_factor if keyframe else 1)), keyframe


class Path:
    """Runs a source and voice through a Downlink and a Link; the receiver tells arrivals as a browser does."""

    def __init__(
        self, conditions: Conditions, seed: int, source: Elastic | Layered, *,
        last_time_bps: float | None = None, feedback: Conditions | None = None, voice: bool = True,
        sender_stalls: tuple[Stall, ...] = (), receiver_stalls: tuple[Stall, ...] = (),
    ) -> None:  # fmt: skip
        self.sender_stalls, self.receiver_stalls = sender_stalls, receiver_stalls
        self.now = 100.0
        self.log = SendLog()
        self.downlink: Downlink[Packet] = Downlink(self.log, last_time_bps)
        self.link = Link(conditions, seed)
        self.feedback_link = Link(feedback or Conditions(delay_s=max(conditions.delay_s, FEEDBACK_DELAY_S)), seed + 1)
        self.source, self.voice = source, voice
        self.arrivals = Arrivals(1)
        self.arrived: list[Arrived] = []
        self.estimates: list[tuple[float, float]] = []
        self.stalls = 0
        self.voice_sent = 0
        self._stalled = False
        self._random = random.Random(seed)
        self._next_frame_s = self._next_voice_s = self._next_sample_s = self.now

    def run(self, seconds: float) -> None:
        until_s = self.now + seconds
        while True:
            pacer_s = max(self.downlink.next_timeout(), self.now + 1e-6)
            sender = [self._next_frame_s, self._next_voice_s, -(-pacer_s // TICK_S) * TICK_S]
            receiver = [self.link.next_timeout(), self.arrivals.next_timeout()]
            if (at := self.feedback_link.next_timeout()) is not None:
                sender.append(at)
            times = [_awake_s(self.sender_stalls, max(min(sender), self.now))]
            times += [_awake_s(self.receiver_stalls, max(at, self.now)) for at in receiver if at is not None]
            at = min(times)
            if at > until_s:
                self.now = until_s
                return
            self.now = max(at, self.now)
            self._step(self.now)

    def _step(self, now: float) -> None:
        if _awake_s(self.receiver_stalls, now) == now:
            self._receive(now)
        if _awake_s(self.sender_stalls, now) == now:
            self._sender_step(now)
        if now >= self._next_sample_s:
            self._next_sample_s += 0.1
            self.estimates.append((now, self.downlink.estimate_bps))

    def _sender_step(self, now: float) -> None:
        self._feedback(now)
        for packet in self.downlink.due(now):
            self._send(packet, now)
        self._probe(now)
        self._stall()
        if now >= self._next_voice_s:
            self._next_voice_s += VOICE_S
            if self.voice:
                self.voice_sent += 1
                self._push(Packet("voice", VOICE_BYTES), Priority.VOICE, now)
        if now >= self._next_frame_s:
            self._next_frame_s += FRAME_S
            self._frame(now)

    def _frame(self, now: float) -> None:
        self.downlink.want(self.source.wanted_bps())
        size, keyframe = self.source.frame_bytes(self.downlink.estimator.media_bps, self._stalled)
        if self._stalled and not keyframe and isinstance(self.source, Layered):
            return
        self._stalled = False
        size = round(size * self._random.uniform(0.75, 1.25))  # no encoder hits its rate in each picture
        while size > 0:
            self._push(Packet("picture", min(size, PACKET_BYTES), keyframe), Priority.PICTURE, now)
            size -= PACKET_BYTES
        self._stall()

    def _push(self, packet: Packet, priority: Priority, now: float) -> None:
        if self.downlink.push(packet, packet.size_bytes, priority, "camera", now, keyframe=packet.keyframe):
            self._send(packet, now)

    def _probe(self, now: float) -> None:
        size = self.downlink.take_probe_bytes()
        while size > 0:
            self._push(Packet("probe", PACKET_BYTES), Priority.PROBE, now)
            size -= PACKET_BYTES

    def _stall(self) -> None:
        if self.downlink.take_stalled():
            self.stalls += 1
            self._stalled = True

    def _send(self, packet: Packet, now: float) -> None:
        number = NO_NUMBER
        if packet.kind != "voice":
            number = self.log.next_seq
            self.log.add(now, packet.size_bytes)
        head = _HEAD.pack(now, number, KINDS.index(packet.kind), packet.keyframe)
        self.link.send(head + bytes(max(0, packet.size_bytes - len(head))), now)

    def _receive(self, now: float) -> None:
        for data in self.link.receive(now):
            sent_s, number, kind, _ = _HEAD.unpack_from(data)
            self.arrived.append(Arrived(KINDS[kind], len(data), sent_s, now))
            if number != NO_NUMBER:
                self.arrivals.received(number & 0xFFFF, 1, now)
        for report in self.arrivals.take(now):
            self.feedback_link.send(report, now)

    def _feedback(self, now: float) -> None:
        for data in self.feedback_link.receive(now):
            for report in parse_rtcp(data):
                first = self.log.unwrap(report.base_seq)
                lost = [first + place for place, tick in enumerate(report.arrivals) if tick is None]
                sizes = [self.log.sizes_bytes[seq & self.log.MASK] for seq in lost]
                self.downlink.feedback(report, now)
                for size in sizes:
                    if size:
                        self._push(Packet("resend", size), Priority.RESEND, now)

    # --- what a test asks ------------------------------------------------------------------------------------------

    def estimates_in(self, since_s: float, until_s: float) -> list[float]:
        """Samples of the estimate, one per 100 ms, times from the start of the run."""
        return [bps for at, bps in self.estimates if since_s <= at - 100.0 < until_s]

    def rate_bps(self, since_s: float, until_s: float) -> float:
        """What arrived."""
        size = sum(p.size_bytes for p in self.arrived if since_s <= p.arrived_s - 100.0 < until_s)
        return size * 8 / (until_s - since_s)

    def queue_delays_s(self, since_s: float, until_s: float) -> list[float]:
        """What each packet waited on the link, ascending; jitter is in it."""
        rate_bps, delay_s = self.link.conditions.rate_bps, self.link.conditions.delay_s
        return sorted(
            p.arrived_s - p.sent_s - delay_s - (p.size_bytes * 8 / rate_bps if rate_bps else 0.0)
            for p in self.arrived
            if since_s <= p.sent_s - 100.0 < until_s
        )

    def voice_gap_s(self, since_s: float, until_s: float) -> float:
        """The longest time without a packet of voice."""
        times = [p.arrived_s for p in self.arrived if p.kind == "voice" and since_s <= p.arrived_s - 100.0 < until_s]
        return max(b - a for a, b in pairwise(times))

    def picture_after_s(self, at_s: float) -> float:
        """How long after this time the next picture that was sent after it arrived."""
        return min(p.arrived_s for p in self.arrived if p.kind == "picture" and p.sent_s >= at_s + 100.0) - 100.0 - at_s


def variation(samples: list[float]) -> float:
    """Coefficient of variation."""
    mean = fmean(samples)
    return fmean([(x - mean) ** 2 for x in samples]) ** 0.5 / mean
