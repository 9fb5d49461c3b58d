"""One receiver's path: estimate, pacing and probing over one SendLog."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic

from classroom.sfu.core.bandwidth.estimator import BandwidthEstimator
from classroom.sfu.core.pacer import BURST_S, RESEND_SHARE, Item, Pacer, Priority

if TYPE_CHECKING:
    from collections.abc import Hashable

    from classroom.sfu.core.bandwidth.probe import Cluster
    from classroom.sfu.core.send_log import SendLog
    from classroom.sfu.core.twcc import TransportFeedback

PACING = 2.5  # of the estimate: a picture passes in less than half of its time
PACING_NEAR_CAPACITY = 1.1  # the path would spread it as much: pacing costs no time there, and leaves no queue
QUEUE_S = 0.2  # what waits shall leave within this, unless it would wait on the path instead
PROBE_BURST_S = 0.002  # a cluster keeps its rate
CHECK_S = 0.1
MIN_SLICE_BYTES = 1500
PROBE_GRACE_S = 0.1
CLUSTER_END_S = 0.001


class Downlink(Generic[Item]):
    """Where all media of one receiver passes: ``push`` it, send what passes at once, and what ``due`` gives later.

    After each ``push`` and ``due`` ask ``take_stalled``; after each ``due`` ask ``take_probe_bytes`` and push that many
    bytes of recent media (as RTX) with ``Priority.PROBE``. What was given back must be sent before the time passes on:
    its numbers are taken and noted in the log by whoever sends it.
    """

    def __init__(self, log: SendLog, last_time_bps: float | None = None) -> None:
        self.estimator = BandwidthEstimator(log, last_time_bps)
        self._pacer: Pacer[Item] = Pacer(1.0, 1.0)
        self._cluster: Cluster | None = None
        self._cluster_left_bytes = 0
        self._cluster_full_s: float | None = None
        self._probe_bytes = 0
        self._rembs: dict[frozenset[int], float] = {}  # of disjoint sets of SSRCs
        self._check_s = float("-inf")
        self._set_rates(0.0)

    @property
    def estimate_bps(self) -> float:
        """What may be sent besides voice."""
        return self.estimator.estimate_bps

    @property
    def path_bps(self) -> float:
        """What the path was last found to carry, also when it is dead now."""
        return self.estimator.path_bps

    @property
    def media_bps(self) -> float:
        """What of it is left for media when what the path loses by itself is sent again."""
        return self.estimator.media_bps

    @property
    def measured(self) -> bool:
        """Whether the estimate rests on more than what is assumed at first."""
        return self.estimator.measured

    @property
    def congested(self) -> bool:
        """Whether a queue grows or stands on the path now."""
        return self.estimator.congested

    @property
    def silent(self) -> bool:
        """Whether packets leave and no feedback comes."""
        return self.estimator.silent

    @property
    def slice_bytes(self) -> int:
        """The caller cuts what is larger (a keyframe from the cache) into items of about this size."""
        return max(MIN_SLICE_BYTES, int(PACING * self.estimate_bps * BURST_S / 8))

    @property
    def queued_bytes(self) -> int:
        """What waits in the pacer."""
        return self._pacer.queued_bytes

    @property
    def dropped_items(self) -> int:
        """What the pacer has dropped."""
        return self._pacer.dropped_items

    def want(self, bitrate_bps: float) -> None:
        """What the next better choice of layers would need, or all that could be sent: nothing is probed beyond it."""
        self.estimator.wanted_bps = bitrate_bps

    def push(
        self, item: Item, size_bytes: int, priority: Priority, stream: Hashable, now: float, *, keyframe: bool = False
    ) -> bool:
        """Whether the item is to be sent now; see Pacer.push."""
        passed = self._pacer.push(item, size_bytes, priority, stream, now, keyframe=keyframe)
        if self._cluster is not None and passed and priority is not Priority.VOICE:
            self._count(size_bytes, now)
        return passed

    def due(self, now: float) -> list[Item]:
        """What is to be sent now; to be called when ``next_timeout`` is reached."""
        if now >= self._check_s:
            self._check(now)
        cluster = self._cluster
        if cluster is not None:
            self._end_cluster(cluster, now)
        before_bytes = self._pacer.queued_bytes
        items = self._pacer.due(now)
        if self._cluster is not None:
            self._count(before_bytes - self._pacer.queued_bytes, now)
        return items

    def next_timeout(self) -> float:
        """When ``due`` has something to do."""
        pacer_s = self._pacer.next_timeout()
        due_s = self._check_s if pacer_s is None else min(pacer_s, self._check_s)
        # A cluster that has left is to end before what follows it in numbers gets into it.
        if self._cluster is None or self._cluster_full_s is None:
            return due_s
        return min(due_s, self._cluster_full_s + CLUSTER_END_S)

    @property
    def idle(self) -> bool:
        """Whether nothing waits and nothing is measured: ``due`` need not be called but every CHECK_S."""
        return self._cluster is None and self._pacer.queued_bytes == 0

    def take_probe_bytes(self) -> int:
        """How many bytes of recent media are to be pushed with Priority.PROBE now, in items of one packet each."""
        size_bytes, self._probe_bytes = self._probe_bytes, 0
        return size_bytes

    def drop(self, stream: Hashable) -> bool:
        """Let no picture leave any more that waits of a stream, because it is not wanted; whether any did."""
        return self._pacer.queued_bytes > 0 and self._pacer.drop(stream) > 0

    def take_stalled(self) -> set[Hashable]:
        """Streams that wait for a keyframe from now on; see Pacer.take_stalled."""
        return self._pacer.take_stalled()

    def feedback(self, feedback: TransportFeedback, now: float) -> None:
        """Take transport-wide feedback."""
        self.estimator.feedback(feedback, now)
        self._set_rates(now)

    def remb(self, bitrate_bps: float, now: float, about: frozenset[int] = frozenset()) -> None:
        """Take REMB about some SSRCs or all, which counts as long as there is no transport-wide feedback.

        Some receivers estimate each stream by itself (aiortc): what they tell of the path is the sum.
        """
        self._rembs = {other: bps for other, bps in self._rembs.items() if about and other and not about & other}
        self._rembs[about] = bitrate_bps
        self.estimator.remb(sum(self._rembs.values()))
        self._set_rates(now)

    def _check(self, now: float) -> None:
        self._check_s = now + CHECK_S
        self.estimator.handle_timeout(now)
        if self._cluster is None:
            cluster = self.estimator.start_probe(now)
            if cluster is not None:
                self._cluster, self._cluster_full_s = cluster, None
                self._cluster_left_bytes = self._probe_bytes = cluster.size_bytes
        self._set_rates(now)

    def _count(self, size_bytes: int, now: float) -> None:
        self._cluster_left_bytes -= size_bytes
        if self._cluster_left_bytes <= 0 and self._cluster_full_s is None:
            self._cluster_full_s = now
            self._pacer.drop_probes()

    def _end_cluster(self, cluster: Cluster, now: float) -> None:
        """Its last packet has its number as soon as time has passed on."""
        if self._cluster_full_s is not None:
            if now == self._cluster_full_s:
                return
        elif now < cluster.started_s + 2 * cluster.duration_s + PROBE_GRACE_S:
            return
        self.estimator.end_probe(now, self._cluster_full_s is not None)
        self._pacer.drop_probes()
        self._cluster = None
        self._set_rates(now)

    def _set_rates(self, now: float) -> None:
        estimator, cluster = self.estimator, self._cluster
        estimate_bps = estimator.estimate_bps
        if cluster is not None:
            self._pacer.set_rates(cluster.rate_bps, cluster.rate_bps, PROBE_BURST_S)  # resends are the best probes
        else:
            rate_bps = PACING * estimate_bps
            if estimator.near_capacity(now):
                drain_bps = 0.0 if estimator.congested else self._pacer.queued_bytes * 8 / QUEUE_S
                rate_bps = min(rate_bps, max(PACING_NEAR_CAPACITY * estimate_bps, drain_bps))
            self._pacer.set_rates(rate_bps, RESEND_SHARE * estimate_bps)
