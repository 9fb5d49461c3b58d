"""What one path carries, from transport-wide feedback (or REMB): the one entry of this package.

Usable by whoever sends: a receiver's downlink in the SFU, the capture agent's uplink. It knows nothing of media; it
speaks of packets that carry transport-wide numbers, by their size as noted in the SendLog.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from classroom.sfu.core.bandwidth.aimd import APP_LIMITED, DECREASE, RateControl
from classroom.sfu.core.bandwidth.arrival_groups import CLUMP_S, TICK_S, ArrivalGroups
from classroom.sfu.core.bandwidth.loss import LossEstimator
from classroom.sfu.core.bandwidth.overuse import OveruseDetector, Usage
from classroom.sfu.core.bandwidth.probe import FACTOR, Cluster, ProbeController
from classroom.sfu.core.bandwidth.queue_delay import QueueDelay
from classroom.sfu.core.bandwidth.throughput import Throughput
from classroom.sfu.core.bandwidth.trendline import Trendline
from classroom.sfu.core.serial import Unwrapper32

if TYPE_CHECKING:
    from classroom.sfu.core.bandwidth.arrival_groups import Report
    from classroom.sfu.core.send_log import SendLog
    from classroom.sfu.core.twcc import TransportFeedback

DEFAULT_START_BPS = 600_000.0  # a small picture and slides at once; the first probes (1.8, 3.6 Mbit/s) do the rest
OF_LAST_TIME = 0.7
MIN_BPS = 50_000.0
STANDING_S = 0.04  # a queue that stands longer is not added to
REMB_STEADY, REMB_GROWTH = 0.97, 1.03  # at each REMB, of which receivers send some a second
REMB_STALE_S = 5.0  # a receiver that is sent nothing has nothing to tell: try a little more each second
EMPTY_S = 0.02  # no queue: what is lost now is not lost by queues that are full
JITTERS, MAX_JITTER_S = 4.0, 0.06  # a queue that is shorter than so many mean deviations may be jitter
DELIVERS_LESS = 0.9  # arrived so much slower than sent: the path is full, whatever the application sends
SEVERE_S, SHRUNK = 0.05, 0.6  # such a queue, and much less arrives than was sent: the path has become smaller
CLUMP_FASTER, CLUMP_BYTES = 2.0, 1500  # what waited and came so much faster than the estimate waited for a process
HELD_KNOWN_S = 0.5  # it reads in turns, and not each of them is a clump
HELD_MOST_S = 0.5  # a queue without an end is one, whoever reads: links that deliver in bundles make clumps, too
ASLEEP_S = 0.25  # between two looks at the time, of which there are ten a second: it was us who had no CPU
ASLEEP_AGAIN_S = 5.0  # who is so slow all the time can excuse nothing by it
DRAIN_S, DRAIN = 0.15, 0.5  # so long a queue is to be got rid of: voice stands in it
NEAR_CAPACITY_S = 30.0
LOSS_DECREASE = 0.9  # of what arrives
LOSS_REACTION_S = 0.2  # beyond a round trip: what a cut for loss has brought is known then
LARGE_EXCESS = 0.15  # below it, and without a queue, a sender limited by its application is not cut below what it sends
MAX_LATE = 512  # what is reported again from further back comes too late for anything
SILENCE_S = 1.0  # beyond a round trip: feedback comes each 50-250 ms from all receivers known
SILENCE_FACTOR = 0.5


def first_estimate_bps(last_time_bps: float | None) -> float:
    """Where to start: below what this classroom had last time, so that the first seconds make no queue."""
    return DEFAULT_START_BPS if last_time_bps is None else max(MIN_BPS, OF_LAST_TIME * last_time_bps)


class BandwidthEstimator:
    """``estimate_bps`` is what may be sent under transport-wide numbers; what leaves without them goes on top.

    ``wanted_bps`` is the media that the sender could use: nothing is probed beyond what that needs.
    """

    def __init__(self, log: SendLog, last_time_bps: float | None = None) -> None:
        self.wanted_bps = float("inf")
        self.rtt_s = 0.2
        self.unmatched_feedback = 0
        self.decreases = 0
        self._log = log
        start_bps = first_estimate_bps(last_time_bps)
        self._control = RateControl(start_bps, MIN_BPS)
        self._groups = ArrivalGroups(log)
        self._trendline = Trendline()
        self._detector = OveruseDetector()
        self._throughput = Throughput()
        self._loss = LossEstimator()
        self._queue = QueueDelay()
        self._probes = ProbeController(start_bps)
        self._reference = Unwrapper32()
        self._jitter_s = 0.0
        self._feedback_s: float | None = None
        self._silent_since_bps: float | None = None  # estimate before feedback stopped
        self._silence_s = 0.0
        self._remb_bps: float | None = None
        self._remb_due_s: float | None = None  # when the next one is missed; None until time has passed since the last
        self._told_bps = 0.0  # by the last REMB
        self._before_cut_bps = 0.0
        self._full_s = self._held_s = self._empty_s = self._slept_s = float("-inf")
        self._looked_s = float("inf")  # at the time; never yet
        self._deep_cut_s = float("-inf")
        self._draining = False  # since the first deep cut in a while

    # --- what it says ------------------------------------------------------------------------------------------

    @property
    def estimate_bps(self) -> float:
        """What may be sent now."""
        if self._feedback_s is None and self._remb_bps is not None:
            return self._remb_bps
        return self._control.rate_bps

    @property
    def path_bps(self) -> float:
        """What the path was last found to carry: silence lowers what may be sent, and tells nothing of that."""
        return self.estimate_bps if self._silent_since_bps is None else self._silent_since_bps

    @property
    def media_bps(self) -> float:
        """What of it is left for media when what the path loses by itself is to be sent again."""
        return self.estimate_bps * (1 - self._loss.inherent)

    @property
    def measured(self) -> bool:
        """Whether any feedback has come."""
        return self._feedback_s is not None

    @property
    def congested(self) -> bool:
        """Whether a queue grows or stands on the way now."""
        return self._detector.usage is Usage.OVER or self._queue.standing_s > STANDING_S

    def near_capacity(self, now: float) -> bool:
        """Whether the path was seen full lately: what leaves faster than the estimate makes a queue."""
        return now < self._full_s + NEAR_CAPACITY_S

    @property
    def silent(self) -> bool:
        """Whether feedback has stopped although packets leave."""
        return self._silent_since_bps is not None

    @property
    def queue_delay_s(self) -> float:
        """What even the fastest packets wait in queues."""
        return self._queue.standing_s

    @property
    def inherent_loss(self) -> float:
        """Loss of the path that no lower rate avoids, 0…1."""
        return self._loss.inherent

    @property
    def loss(self) -> float:
        """Loss lately, 0…1."""
        return self._loss.fraction

    @property
    def acked_bps(self) -> float:
        """What arrived lately."""
        return self._throughput.acked_bps or 0.0

    # --- what it is told ---------------------------------------------------------------------------------------

    def remb(self, bitrate_bps: float) -> None:
        """Take the receiver's own estimate: used as long as no transport-wide feedback has come.

        Receivers limit it to little more than what they get. One that does not fall says that nothing is wrong, so
        that ours may grow beyond it: what is not sent cannot be measured.
        """
        bitrate_bps = max(MIN_BPS, bitrate_bps)
        grown_bps = 0.0
        if self._remb_bps is not None and bitrate_bps >= REMB_STEADY * self._told_bps:
            grown_bps = min(self._remb_bps * REMB_GROWTH, self._limit_bps)
        self._told_bps = bitrate_bps
        self._remb_due_s = None
        self._remb_bps = max(bitrate_bps, grown_bps)

    def feedback(self, feedback: TransportFeedback, now: float) -> None:
        """Take a report."""
        log, arrivals = self._log, feedback.arrivals
        first = log.unwrap(feedback.base_seq)
        sent = first + len(arrivals) <= log.next_seq
        late = self._groups.highest + 1 - MAX_LATE - first
        if late > 0:
            first, arrivals = first + late, arrivals[late:]
        if not sent or not arrivals or not log.holds(first):
            self.unmatched_feedback += 1
            return
        reference_ticks = self._reference.unwrap(feedback.reference_64ms << 8)
        cluster = self._probes.cluster
        if cluster is not None:
            cluster.note(first, reference_ticks * TICK_S, arrivals, log)
        self._look_at_time(now)
        report = self._groups.read(first, reference_ticks, arrivals, self._queue.least_s)
        self._feedback_s = now
        if self._silent_since_bps is not None:
            self._end_silence(self._silent_since_bps, now)
        elif report.received_bytes:
            self._evaluate(report, now)
        self._judge_probe(now)

    def handle_timeout(self, now: float) -> None:
        """Notice silence: each SILENCE_S without feedback on what has left lowers the estimate."""
        self._judge_probe(now)
        self._look_at_time(now)
        self._looked_s = now
        log, first_unreported = self._log, self._groups.highest + 1
        if self._feedback_s is None:
            self._outgrow_remb(now)
            return
        if first_unreported >= log.next_seq:
            if self._throughput.acked_bps is not None and now > self._feedback_s + SILENCE_S:
                self._forget_delay()  # nothing is on its way: queues are empty by now
            return
        left_s = log.times_s[first_unreported & log.MASK] if log.holds(first_unreported) else self._feedback_s
        if now < max(left_s, self._feedback_s, self._silence_s) + self.rtt_s + SILENCE_S:
            return
        if self._silent_since_bps is None:
            self._silent_since_bps = self._control.rate_bps
        self._silence_s = now
        self._control.scale(SILENCE_FACTOR, now)

    def _outgrow_remb(self, now: float) -> None:
        """Of a receiver that has told nothing for a while; it may be sent nothing because of what it told."""
        if self._remb_bps is None:
            return
        if self._remb_due_s is None:
            self._remb_due_s = now + REMB_STALE_S
        elif now >= self._remb_due_s:
            self._remb_due_s = now + 1.0
            self._remb_bps = max(self._remb_bps, min(self._remb_bps * REMB_GROWTH, self._limit_bps))

    # --- probing -----------------------------------------------------------------------------------------------

    def start_probe(self, now: float) -> Cluster | None:
        """A cluster that shall leave from now on, at its rate and with at least its size; None when none is due."""
        if self._feedback_s is None or self.congested:
            return None
        if self.silent:
            rate_bps = self._sign_of_life_bps(now)
        else:
            rate_bps = self._probes.next_rate_bps(self._control.rate_bps, self._limit_bps, now)
        if rate_bps is None:
            return None
        cluster = Cluster(rate_bps, self._jitter_s, self._log.next_seq, now)
        self._probes.start(cluster)
        return cluster

    def end_probe(self, now: float, complete: bool) -> None:
        """The cluster has left, or there was too little to send for it."""
        cluster = self._probes.cluster
        if cluster is not None and complete:
            cluster.end(self._log.next_seq, self.rtt_s, now)
        else:
            self._probes.give_up(now)

    # --- inside ------------------------------------------------------------------------------------------------

    @property
    def _limit_bps(self) -> float:
        return self.wanted_bps / (1 - self._loss.inherent)

    def _evaluate(self, report: Report, now: float) -> None:
        self.rtt_s += (0.2 if self._throughput.acked_bps else 1.0) * (now - report.newest_sent_s - self.rtt_s)
        throughput, detector, trendline = self._throughput, self._detector, self._trendline
        throughput.update(report)
        for send_gap_s, arrival_gap_s, arrival_s in report.gaps:
            change_s = arrival_gap_s - send_gap_s
            self._jitter_s += 0.05 * (abs(change_s) - self._jitter_s)
            detector.update(trendline.update(arrival_s, change_s), send_gap_s, arrival_s)
        if report.gaps:
            self._queue.update(report.delays_s, now)
        acked_bps, sent_bps = throughput.acked_bps, throughput.sent_bps
        if acked_bps is None or sent_bps is None:
            return
        loss, control = self._loss, self._control
        arriving = 1 - loss.inherent  # of what is sent: what arrives tells what may be sent, not what may arrive
        acked_bps, latest_bps = acked_bps / arriving, throughput.latest_bps / arriving
        usage = detector.usage
        jitter_s = min(JITTERS * self._jitter_s, MAX_JITTER_S)
        # A process without CPU holds packets up as a full path does, but not group after group; and what a path has
        # held up comes at the rate of the path, not all at once.
        held = self._held_up(report, now)
        stands = self._queue.stands and not held
        severe = stands and self._queue.latest_s > SEVERE_S + 2 * jitter_s and latest_bps < SHRUNK * sent_bps
        if severe:
            usage = Usage.OVER  # the slope will tell as well, but later
        elif usage is Usage.OVER and self._queue.latest_s < jitter_s:
            usage = Usage.NORMAL  # the slope of jitter: no queue is behind it
        app_limited = sent_bps < APP_LIMITED * control.rate_bps
        if usage is Usage.OVER and app_limited and not stands:
            control.hold(now)  # so little that nothing says that the path is full
        elif usage is Usage.OVER:
            factor = DECREASE
            if severe or (stands and self._queue.latest_s > DRAIN_S):
                self._draining = now > self._deep_cut_s + NEAR_CAPACITY_S or self._draining
                self._deep_cut_s = now
                acked_bps, factor = min(acked_bps, latest_bps), DRAIN
            elif latest_bps < float("inf"):
                acked_bps = max(acked_bps, latest_bps)  # before a burst the path was not full
            limited = held or (app_limited and acked_bps >= DELIVERS_LESS * sent_bps)
            self._decreased(control.decrease(acked_bps, limited, self.rtt_s, now, factor), now)
        elif usage is Usage.NORMAL and not self.congested and not loss.on_trial:
            control.increase(acked_bps, app_limited, self.rtt_s, now)
        else:
            control.hold(now)
        if self._draining and self._queue.latest_s < EMPTY_S and self._probes.cluster is None:
            self._draining = False
            if self._held_s > self._deep_cut_s:  # what waited came all at once: the cut may have been wrong
                self._probes.drained(now)
        empty = usage is not Usage.OVER and self._queue.standing_s < EMPTY_S
        if loss.update(report, empty, sent_bps, now):
            self._react_to_loss(acked_bps, sent_bps, empty and app_limited, now)

    def _held_up(self, report: Report, now: float) -> bool:
        """Whether somebody without CPU has read many packets at once lately: a delay tells little of the path then."""
        clump_bytes = report.clump_bytes
        if clump_bytes >= CLUMP_BYTES and clump_bytes * 8 / CLUMP_S > CLUMP_FASTER * self._control.rate_bps:
            self._held_s = now
        if self._queue.latest_s < STANDING_S:
            self._empty_s = now
        return now < self._held_s + HELD_KNOWN_S and now < self._empty_s + HELD_MOST_S

    def _look_at_time(self, now: float) -> None:
        """What comes after we have slept may have waited for us, or for the machine that all run on."""
        if now > self._looked_s + ASLEEP_S:
            self._looked_s = now
            if now > self._slept_s + ASLEEP_AGAIN_S:
                self._slept_s = self._held_s = self._empty_s = now

    def _react_to_loss(self, acked_bps: float, sent_bps: float, spared: bool, now: float) -> None:
        """Go below what arrives and see whether that helps; ``spared``: cut only what the sender does not use."""
        loss, control = self._loss, self._control
        if loss.cut_in_vain:
            control.raise_to(self._before_cut_bps, now)
        elif loss.excess:
            loss.cut(sent_bps, now + self.rtt_s + LOSS_REACTION_S)
            self._before_cut_bps = control.rate_bps
            if not spared or loss.excess > LARGE_EXCESS:
                control.limit(acked_bps)
            self._decreased(control.scale(LOSS_DECREASE, now), now)

    def _decreased(self, changed: bool, now: float) -> None:
        if changed:
            self.decreases += 1
            self._full_s = now
            self._probes.decreased(now)

    def _end_silence(self, before_bps: float, now: float) -> None:
        self._silent_since_bps = None
        self._forget_delay()
        self._probes.retry(before_bps, now)

    def _forget_delay(self) -> None:
        self._groups.reset()
        self._throughput.reset()
        self._trendline, self._detector, self._queue = Trendline(), OveruseDetector(), QueueDelay()

    def _sign_of_life_bps(self, now: float) -> float | None:
        """In silence something must leave now and then, or its end would not be noticed when all is suspended."""
        log = self._log
        if self._probes.cluster is not None or now < log.times_s[log.next_seq - 1 & log.MASK] + SILENCE_S:
            return None
        return FACTOR * self._control.rate_bps

    def _judge_probe(self, now: float) -> None:
        measured = self._probes.verdict(self._groups.highest, self._loss.inherent, now)
        if measured is not None:
            measured_bps, full = measured
            if full:
                self._full_s = now
            self._control.raise_to(min(measured_bps, self._limit_bps), now)
