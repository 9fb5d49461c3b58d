"""What the pictures of one session may take of the way to the server, learnt from its transport-wide feedback."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from classroom.capture.allocation import HEADROOM, Allocator
from classroom.capture.pacer import Pacer
from classroom.capture.probing import ProbeTrain
from classroom.capture.sender import TRANSPORT_SEQ_AT
from classroom.model import Label
from classroom.sfu.core.bandwidth.estimator import BandwidthEstimator
from classroom.sfu.core.send_log import SendLog

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence

    from classroom.capture.frames import CodedFrame
    from classroom.capture.sender import RtpSender
    from classroom.capture.video_layer import Demand, VideoLayer
    from classroom.sfu.core.twcc import TransportFeedback

# Taken for what the session before had when there was none: the estimate begins at 0.7 of it, enough for all layers
# of camera and slides at their lowest rates. The first probe finds the rest.
FIRST_TIME_BPS = 3_200_000
TRUSTED_S = 2.0  # a link that is not known yet carries all layers until congestion is seen
USABLE = 0.92  # of the estimate: the rest is what is sent again
AMPLE = 1.5  # so much more than the pictures need is all that is ever probed
# On an ample path a keyframe leaves quickly; on a thin one it would make the voice behind it wait in somebody's queue.
PACING_AMPLE, PACING_THIN = 2.5, 1.2
NO_FEEDBACK_S = 2.0  # after which a server that promised feedback is taken to give none
NEWS = 1.3  # by which factor the estimate has to change for people to be told
KNOCK_S = 1.0  # between packets that only ask whether there is feedback again
TICK_S = 0.1
STUCK_S = 0.5
FLOWING_LOSS = 0.05  # beyond the path's own
FIRST_SIGN_S, FIRST_LOSS = 0.02, 0.02  # of a path that is used too much: what is not of the lesson stops
_RESENDS = 0  # before all streams: what is missing holds up everything behind it
_NOBODY = "没有教室需要 / nobody needs it"


@dataclass(frozen=True, slots=True)
class UplinkState:
    """What is left of the way to the server beside all that the lesson can use.

    ``disturbed``: a queue stands, packets or feedback are lost, or a picture has less than it could use.
    """

    spare_bps: float
    disturbed: bool


@dataclass(slots=True, eq=False)
class Lane:
    """One layer on its way out. ``worth`` is unique in a session; the lowest goes first."""

    layer: VideoLayer
    sender: RtpSender
    worth: int
    wanted: bool = True  # by the server
    sent: bool = False  # as far as the estimate allows


def order_of_worth(label: Label, rung: int, rungs: int) -> int:
    """The place of a layer: the smallest of everything first, slides before camera, then the next larger ones.

    Slides come before pictures; but their full size costs more than a face beside them that one can recognise.
    """
    return 2 * (rungs - rung) + (label is not Label.SLIDES)


class Uplink:
    """Paces the pictures, numbers what leaves, and gives each layer the rate that the estimate allows.

    ``on_stopped`` is called when a layer that the server wants has to be stopped. Voice does not come by here: it is
    sent as it comes. Without feedback (a server that gives none) everything
    is sent as it is, only spread.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        now_s: Callable[[], float],
        send: Callable[[Sequence[bytes]], None],
        on_stopped: Callable[[Lane], None],
        last_time_bps: int | None,
    ) -> None:
        self._now_s = now_s  # finer than the loop's time, which may be in milliseconds
        self._send = send
        self._on_stopped = on_stopped
        self._pacer = Pacer(loop, self._leave, self._overflow)
        self._train = ProbeTrain(loop, now_s, self._leave, self._probed)
        self._lanes: dict[int, Lane] = {}
        self._allocator = Allocator()
        self._log: SendLog | None = None
        self._estimator: BandwidthEstimator | None = None
        self._last_time_bps = last_time_bps
        self._opened_s = now_s()
        self._trusted_until_s = float("-inf")
        self._left_s = float("-inf")  # when the last packet left
        self._ticked_s = now_s()
        self._told_bps = 0.0
        self._heard = False
        self._needed_bps = 0.0

    @property
    def state(self) -> UplinkState | None:
        """What others may know of the path before they use it; None while there was no feedback to tell."""
        estimator = self._estimator
        if estimator is None or not self._heard:
            return None
        disturbed = (
            estimator.congested
            or estimator.silent
            or estimator.queue_delay_s > FIRST_SIGN_S
            or estimator.loss > estimator.inherent_loss + FIRST_LOSS
            or any(lane.wanted and not lane.sent and lane.layer.demand() for lane in self._lanes.values())
        )
        return UplinkState(max(0.0, estimator.estimate_bps - self._needed_bps), disturbed)

    @property
    def path_bps(self) -> int | None:
        """What the path carries, or did until it died; None while there was no feedback to tell."""
        return round(self._estimator.path_bps) if self._estimator is not None and self._heard else None

    @property
    def idle(self) -> bool:
        """Whether everything has left."""
        return self._pacer.idle

    def open(self, lanes: Sequence[Lane], *, numbered: bool) -> None:
        """Begin to share out; ``numbered`` when feedback was negotiated and packets have room for a number."""
        self._lanes = {lane.worth: lane for lane in sorted(lanes, key=lambda lane: lane.worth)}
        if numbered and lanes:
            self._log = SendLog()
            self._estimator = BandwidthEstimator(self._log, self._last_time_bps or FIRST_TIME_BPS)
            self._opened_s = self._now_s()
            if self._last_time_bps is None:
                self._trusted_until_s = self._opened_s + TRUSTED_S
        self.share_out()

    def send(self, lane: Lane, frame: CodedFrame, now_s: float) -> None:
        """Packetize a frame and let it leave."""
        self._pacer.push(lane.worth, lane.sender.packetize(frame, now_s))

    def has_begun(self, lane: Lane) -> bool:
        """Whether all that there was to send of a layer so far has left."""
        return lane.sender.packets_sent > 0 and not self._pacer.holds(lane.worth)

    def resend(self, lane: Lane, seqs: Sequence[int], now_s: float) -> None:
        """Answer a NACK."""
        self._pacer.push(_RESENDS, lane.sender.resend(seqs, now_s))

    def repeat_last(self, lane: Lane) -> None:
        """Send the last packet of a layer again."""
        self._pacer.push(_RESENDS, lane.sender.repeat_last())

    def want(self, lane: Lane, wanted: bool) -> None:
        """The server pauses a layer or has it resumed."""
        lane.wanted = wanted
        self.share_out()

    def feedback(self, feedback: TransportFeedback) -> None:
        """Learn what arrived, and act on it."""
        if self._estimator is not None:
            self._heard = True
            self._estimator.feedback(feedback, self._now_s())
            self.tick()

    def tick(self) -> None:
        """To be called each TICK_S: shares out anew, probes, notices that feedback has stopped."""
        self.share_out()
        estimator, now_s = self._estimator, self._now_s()
        if estimator is None:
            return
        if now_s < self._ticked_s + STUCK_S:  # else it was this computer that did not read what has come
            estimator.handle_timeout(now_s)
        self._ticked_s = now_s
        if estimator.silent and now_s >= self._left_s + KNOCK_S:
            self._leave(self._latest(1))  # with every layer stopped nothing else would bring feedback again
        cluster = estimator.start_probe(now_s)
        if cluster is None:
            return
        packets = self._latest(cluster.size_bytes)
        if packets:
            self._train.start(packets, cluster.rate_bps)
        else:
            estimator.end_probe(now_s, complete=False)

    def share_out(self) -> None:
        """Give each layer its rate."""
        lanes = list(self._lanes.values())
        demands = [lane.layer.demand() if lane.wanted else None for lane in lanes]
        estimator, now_s = self._estimator, self._now_s()
        if estimator is None or (not self._heard and now_s > self._opened_s + NO_FEEDBACK_S):
            self._pacer.rate_bps = None
            rates: list[int | None] = [None if demand is None else demand.full_bps for demand in demands]
            too_thin = ""
        else:
            needed_bps = sum(demand.full_bps for demand in demands if demand is not None) / USABLE
            self._needed_bps = needed_bps
            estimator.wanted_bps = AMPLE * needed_bps
            estimate_bps = max(estimator.estimate_bps, self._proven_bps(lanes, demands, now_s))
            ample = estimate_bps >= needed_bps and not estimator.congested
            self._pacer.rate_bps = estimate_bps * (PACING_AMPLE if ample else PACING_THIN)
            rates = self._allocator.allocate(demands, USABLE * estimate_bps, now_s)
            if not self._told_bps / NEWS <= estimate_bps <= self._told_bps * NEWS:
                self._told_bps = estimate_bps
            mbps = f"{self._told_bps / 1e6:.2g} Mbit/s"
            too_thin = f"上行带宽只有 {mbps} / the way to the server carries {mbps}"
        for lane, rate_bps in zip(lanes, rates, strict=True):
            lane.layer.send_at(rate_bps, too_thin if lane.wanted else _NOBODY)
            stopped, lane.sent = lane.sent and rate_bps is None and lane.wanted, rate_bps is not None
            if stopped:
                self._on_stopped(lane)

    def _proven_bps(self, lanes: Sequence[Lane], demands: Sequence[Demand | None], now_s: float) -> float:
        """What the path is taken to carry, whatever the estimate: what is sent, at its lowest rates, while it flows.

        A server or computer that was stuck for a moment looks to the estimate like a path that delivers less; but then
        no queue stands and nothing is lost. A link that is not known yet is taken to carry everything.
        """
        estimator = self._estimator
        if (
            estimator is None
            or estimator.congested
            or estimator.silent
            or estimator.loss > estimator.inherent_loss + FLOWING_LOSS
        ):
            return 0.0
        unknown = now_s < self._trusted_until_s
        lowest = [
            demand.lowest_bps for lane, demand in zip(lanes, demands, strict=True) if demand and (lane.sent or unknown)
        ]
        return sum(lowest) * (HEADROOM if unknown else 1.0) / USABLE

    def close(self) -> None:
        """Forget what has not left."""
        self._pacer.close()
        self._train.close()

    def _latest(self, size_bytes: int) -> list[bytes]:
        """So many bytes of what was sent last, the most valuable first; none when there is not enough."""
        packets: list[bytes] = []
        for lane in self._lanes.values():
            more = lane.sender.repeat_latest(size_bytes)
            packets += more
            size_bytes -= sum(map(len, more))
            if size_bytes <= 0:
                return packets
        return []

    def _probed(self) -> None:
        if self._estimator is not None:
            self._estimator.end_probe(self._now_s(), complete=True)

    def _leave(self, packets: Sequence[bytes]) -> None:
        log = self._log
        if log is not None:
            now_s = self._left_s = self._now_s()
            packets = [_numbered(packet, log.add(now_s, len(packet))) for packet in packets]
        self._send(packets)

    def _overflow(self, worth: int) -> None:
        lane = self._lanes.get(worth)
        if lane is not None:
            lane.layer.request_keyframe()


def _numbered(packet: bytes, number: int) -> bytes:
    return b"".join((packet[:TRANSPORT_SEQ_AT], number.to_bytes(2, "big"), packet[TRANSPORT_SEQ_AT + 2 :]))
