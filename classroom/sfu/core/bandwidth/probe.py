"""Probing: a short cluster of packets above the estimate shows whether the path carries more."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from classroom.sfu.core.send_log import SendLog

FIRST_FACTOR = 3.0  # of the first estimate
FACTOR = 2.0
CONFIRMED = 0.7  # measured that much of what was tried: try FACTOR more at once
INTERVAL_S = 5.0
RETRY_S = 1.0  # after a cluster of which too little came
EAGER_S = 5.0  # after an outage: what was held up or asked for again comes in between
AFTER_DECREASE_S = 3.0
WORTHWHILE = 1.05  # wanted over estimate
MIN_PACKETS = 5
MIN_DURATION_S = 0.015
JITTERS = 4.0  # a cluster is that much longer than the jitter of the path
MAX_DURATION_S = 0.25
PACKET_BYTES = 1200
VERDICT_S = 0.2  # beyond a round trip
MIN_RECEIVED_PACKETS = 4
MIN_RECEIVED = 0.8
MAX_COMPRESSION = 2.0  # arrived that much faster than sent: held up together on the way, which tells nothing
SATURATED, UTILISATION = 0.9, 0.95


class Cluster:
    """One probe: the numbers from ``first_seq`` on until ``end_seq``, sent at ``rate_bps``."""

    def __init__(self, rate_bps: float, jitter_s: float, first_seq: int, now: float) -> None:
        self.rate_bps = rate_bps
        self.duration_s = min(max(MIN_DURATION_S, JITTERS * jitter_s), MAX_DURATION_S)
        self.size_bytes = max(MIN_PACKETS * PACKET_BYTES, round(rate_bps * self.duration_s / 8))
        self.duration_s = self.size_bytes * 8 / rate_bps
        self.first_seq = first_seq
        self.end_seq: int | None = None
        self.started_s = now
        self.verdict_s = float("inf")
        self._received: dict[int, tuple[float, float, int]] = {}  # number: (sent, arrived, bytes)

    def end(self, end_seq: int, rtt_s: float, now: float) -> None:
        """All of it has left."""
        self.end_seq = end_seq
        self.verdict_s = now + rtt_s + VERDICT_S

    def note(self, first: int, reference_s: float, arrivals: list[int | None], log: SendLog) -> None:
        """Look for packets of the cluster among those that a feedback reports."""
        end = log.next_seq if self.end_seq is None else self.end_seq
        for seq in range(max(first, self.first_seq), min(first + len(arrivals), end)):
            tick = arrivals[seq - first]
            index = seq & log.MASK
            if tick is not None and log.sizes_bytes[index]:
                self._received[seq] = (log.times_s[index], reference_s + tick / 4000, log.sizes_bytes[index])

    def measure(self, inherent_loss: float) -> tuple[float, bool] | None:
        """The rate that has come through, and whether the path was full; None when too little came to tell."""
        received = self._received
        expected = (self.end_seq or 0) - self.first_seq
        if len(received) < max(MIN_RECEIVED_PACKETS, MIN_RECEIVED * (1 - inherent_loss) * expected):
            return None
        sent = sorted(received.values())
        size_bytes = sum(size for _, _, size in sent)
        send_span_s = sent[-1][0] - sent[0][0]
        first_arrived = min(sent, key=lambda packet: packet[1])
        arrival_span_s = max(packet[1] for packet in sent) - first_arrived[1]
        if send_span_s <= 0 or arrival_span_s <= 0:
            return None
        send_bps = (size_bytes - sent[-1][2]) * 8 / send_span_s
        arrival_bps = (size_bytes - first_arrived[2]) * 8 / arrival_span_s
        if arrival_bps > MAX_COMPRESSION * send_bps:
            return None
        if arrival_bps < SATURATED * send_bps:
            return UTILISATION * arrival_bps, True
        return min(send_bps, arrival_bps), False


class ProbeController:
    """Decides when to probe and at what rate. One cluster at a time."""

    def __init__(self, start_bps: float) -> None:
        self.cluster: Cluster | None = None
        self.done = self.failed = 0
        self._next_s = float("-inf")
        self._eager_until_s = float("-inf")
        self._rate_bps: float | None = FIRST_FACTOR * start_bps

    def next_rate_bps(self, estimate_bps: float, wanted_bps: float, now: float) -> float | None:
        """The rate to probe at now; None when none is due or nobody wants more than the estimate."""
        if self.cluster is not None or now < self._next_s or wanted_bps < WORTHWHILE * estimate_bps:
            return None
        rate_bps = self._rate_bps or FACTOR * estimate_bps
        return (
            min(rate_bps, wanted_bps)
            if rate_bps > WORTHWHILE * estimate_bps
            else min(FACTOR * estimate_bps, wanted_bps)
        )

    def start(self, cluster: Cluster) -> None:
        """The cluster begins to leave."""
        self.cluster = cluster
        self._rate_bps = None

    def verdict(self, highest_seq: int, inherent_loss: float, now: float) -> tuple[float, bool] | None:
        """What was measured, once, when all of the cluster is reported or it is late; plans what follows."""
        cluster = self.cluster
        if cluster is None or cluster.end_seq is None:
            return None
        if highest_seq < cluster.end_seq - 1 and now < cluster.verdict_s:
            return None
        self.cluster = None
        self.done += 1
        measured = cluster.measure(inherent_loss)
        if measured is None:
            self.failed += 1
        if self._rate_bps is not None:
            return measured  # another rate is to be tried already
        self._next_s = now + (INTERVAL_S if measured is not None and now >= self._eager_until_s else RETRY_S)
        if measured is not None and measured[0] > CONFIRMED * cluster.rate_bps:
            self._rate_bps = FACTOR * measured[0]
            self._next_s = now
        return measured

    def give_up(self, now: float) -> None:
        """There was too little to send for a cluster."""
        self.cluster = None
        self.failed += 1
        self._next_s = now + INTERVAL_S

    def decreased(self, now: float) -> None:
        """The path is full: what was planned is no use."""
        self._rate_bps = None
        self._next_s = max(self._next_s, now + AFTER_DECREASE_S)

    def drained(self, now: float) -> None:
        """What the path had to get rid of after a deep cut is gone: see at once whether the cut was right."""
        self._next_s = now

    def retry(self, rate_bps: float, now: float) -> None:
        """The path is back: see at once whether it is what it was."""
        self._rate_bps, self._next_s = rate_bps, now
        self._eager_until_s = now + EAGER_S
