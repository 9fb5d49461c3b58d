"""Metrics of lessons, publications and receivers.

Their labels are bounded by what is live: a lesson, its participants and publications have series while their media are
open. A participant with several receiving sessions (a page that is being reloaded) is shown by the latest.
"""

from __future__ import annotations

from collections import Counter
from itertools import accumulate
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

from classroom.live.link import Link, judge
from classroom.sfu.core.histogram import BOUNDS_S
from classroom.sfu.core.layers import Reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from prometheus_client.core import Metric

    from classroom.sfu.core.stats import LessonStats, PublicationStats, ReceiverStats

_LESSON = ["lesson"]
_PUBLISHER = ["lesson", "participant", "publication"]
_LAYER = [*_PUBLISHER, "rid"]
_RECEIVER = ["lesson", "participant"]


class MediaFamilies:
    """The metric families of one scrape."""

    def __init__(self, lessons: Iterable[LessonStats]) -> None:
        self._families: dict[str, Metric] = {}
        for stats in lessons:
            self._add_lesson(stats)

    def __iter__(self) -> Iterator[Metric]:
        return iter(self._families.values())

    def _add_lesson(self, stats: LessonStats) -> None:
        lesson: list[str] = [stats.lesson]
        for reason, count in stats.dropped.items():
            text = "Received packets that were not forwarded."
            self._count("lesson_dropped_packets", text, [*_LESSON, "reason"], [*lesson, reason], count)
        family = self._families.setdefault(
            "lesson_forwarding_delay",
            HistogramMetricFamily(
                "classroom_lesson_forwarding_delay_seconds",
                "From the arrival of a batch of packets to the end of its forwarding.",
                labels=_LESSON,
            ),
        )
        assert isinstance(family, HistogramMetricFamily)
        bounds = [*(str(bound_s) for bound_s in BOUNDS_S), "+Inf"]
        buckets = list(zip(bounds, (float(n) for n in accumulate(stats.delay_counts)), strict=True))
        family.add_metric(lesson, buckets, stats.delay_sum_s)
        for publication in stats.publications:
            self._add_publication(lesson, publication)
        for receiver in {r.participant_id: r for r in stats.receivers if r.participant_id}.values():
            self._add_receiver(lesson, receiver)

    def _add_publication(self, lesson: list[str], publication: PublicationStats) -> None:
        publisher = [*lesson, publication.participant_id, publication.name]
        self._gauge("publication_live", "Whether packets come.", _PUBLISHER, publisher, publication.live)
        self._gauge("publication_rtt_seconds", "Round trip to its publisher.", _PUBLISHER, publisher, publication.rtt_s)
        for layer in publication.layers:
            at = [*publisher, layer.rid]
            self._gauge("publication_bitrate_bps", "Received bit/s.", _LAYER, at, layer.bitrate_bps)
            self._gauge("publication_loss_ratio", "Lost lately, 0 to 1.", _LAYER, at, layer.loss)
            self._gauge("publication_height_px", "Of the picture.", _LAYER, at, layer.height_px)
            self._gauge("publication_receivers", "Streams that it is sent as.", _LAYER, at, layer.receivers)
            self._gauge("publication_paused", "Whether nobody takes it.", _LAYER, at, layer.paused)
            self._count("publication_packets", "Received packets.", _LAYER, at, layer.packets)
            self._count("publication_lost_packets", "Packets that never came.", _LAYER, at, layer.lost)
            self._count("publication_keyframes", "Received keyframes.", _LAYER, at, layer.keyframes)
            self._count(
                "publication_keyframe_requests",
                "Keyframes asked of the publisher.",
                _LAYER,
                at,
                layer.keyframe_requests,
            )

    def _add_receiver(self, lesson: list[str], receiver: ReceiverStats) -> None:
        at = [*lesson, receiver.participant_id]
        self._gauge("receiver_bitrate_bps", "Sent bit/s, payload.", _RECEIVER, at, receiver.bitrate_bps)
        self._gauge("receiver_loss_ratio", "Loss by its last report, 0 to 1.", _RECEIVER, at, receiver.loss)
        self._gauge("receiver_rtt_seconds", "Round trip.", _RECEIVER, at, receiver.rtt_s)
        self._gauge(
            "receiver_estimate_bps", "What its link carries besides voice.", _RECEIVER, at, receiver.estimate_bps
        )
        self._gauge(
            "receiver_queue_delay_seconds", "What packets wait on the way.", _RECEIVER, at, receiver.queue_delay_s
        )
        link = list(Link).index(judge(receiver).link)
        self._gauge("receiver_link", "0 good, 1 fair, 2 poor.", _RECEIVER, at, link)
        self._count("receiver_packets", "Sent packets.", _RECEIVER, at, receiver.packets)
        self._count("receiver_octets", "Sent bytes, payload.", _RECEIVER, at, receiver.octets)
        self._count("receiver_resent_packets", "Packets sent again.", _RECEIVER, at, receiver.resent_packets)
        self._count(
            "receiver_dropped_packets", "Left out because they would have come too late.", [*_RECEIVER, "reason"],
            [*at, "late"], receiver.dropped_packets,
        )  # fmt: skip
        downgraded = Counter(slot.reason for slot in receiver.slots)
        for reason in Reason:
            if reason is not Reason.NONE:
                self._gauge(
                    "receiver_downgraded_slots", "Slots that show less than there is.", [*_RECEIVER, "reason"],
                    [*at, reason], downgraded[reason],
                )  # fmt: skip
        numbers: Counter[str] = Counter()
        for slot in receiver.slots:
            numbers[slot.wish] += 1
            name = slot.wish if numbers[slot.wish] == 1 else f"{slot.wish}-{numbers[slot.wish]}"
            layer = -1 if slot.layer is None else slot.layer
            self._gauge(
                "receiver_slot_layer", "Layer that a slot shows, 0 the smallest, -1 none.", [*_RECEIVER, "slot"],
                [*at, name], layer,
            )  # fmt: skip

    def _gauge(self, name: str, text: str, labels: list[str], values: list[str], value: float | None) -> None:
        if value is None:
            return
        family = self._families.setdefault(name, GaugeMetricFamily(f"classroom_{name}", text, labels=labels))
        assert isinstance(family, GaugeMetricFamily)
        family.add_metric(values, value)

    def _count(self, name: str, text: str, labels: list[str], values: list[str], value: float) -> None:
        family = self._families.setdefault(name, CounterMetricFamily(f"classroom_{name}", text, labels=labels))
        assert isinstance(family, CounterMetricFamily)
        family.add_metric(values, value)
