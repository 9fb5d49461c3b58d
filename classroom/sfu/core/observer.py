"""Reads the state of a lesson's media."""

from __future__ import annotations

from typing import TYPE_CHECKING

from classroom.sfu.core.layers import Reason
from classroom.sfu.core.stats import LayerStats, LessonStats, PublicationStats, ReceiverStats, SlotStats

if TYPE_CHECKING:
    from classroom.model import LessonId
    from classroom.sfu.core.histogram import Histogram
    from classroom.sfu.core.lesson import LessonMedia
    from classroom.sfu.core.peers import Encoding, IncomingMedia, Publisher, Receiver, Slot
    from classroom.sfu.core.up_track import UpTrack

INTERVAL_S = 1.0  # whoever asks sooner gets the former answer: rates over less say little, and looking costs something


class LessonObserver:
    """Costs nothing while nobody asks. Rates and loss are those since the answer before."""

    def __init__(self, lesson: LessonId, media: LessonMedia, delays: Histogram) -> None:
        self._lesson = lesson
        self._media = media
        self._delays = delays
        self._latest: LessonStats | None = None
        self._at_s = 0.0
        # By id(), so that nothing is kept alive: octets of sent streams, (received, lost) of received ones.
        self._octets: dict[int, int] = {}
        self._counts: dict[int, tuple[int, int]] = {}

    def observe(self, now: float) -> LessonStats:
        """The state now, or less than INTERVAL_S ago."""
        if self._latest is not None and now < self._at_s + INTERVAL_S:
            return self._latest
        media = self._media
        elapsed_s = now - self._at_s if self._latest is not None else 0.0
        octets, counts = self._octets, self._counts
        self._octets, self._counts = {}, {}
        publications = [
            self._publication(publisher, incoming, counts, now)
            for publisher in media.publishers.values()
            for incoming in publisher.media
            if incoming.publication is not None
        ]
        receivers = [
            self._receiver(receiver, octets, elapsed_s) for receiver in media.receivers.values() if receiver.slots
        ]
        dropped = {
            "malformed": media.malformed,
            "unroutable": media.unroutable,
            "duplicate": sum(track.duplicates for track in media.tracks()),
        }
        self._at_s = now
        self._latest = LessonStats(
            self._lesson,
            tuple(publications),
            tuple(receivers),
            dropped,
            tuple(self._delays.counts),
            self._delays.sum_s,
        )
        return self._latest

    def _publication(
        self, publisher: Publisher, media: IncomingMedia, counts: dict[int, tuple[int, int]], now: float
    ) -> PublicationStats:
        publication = media.publication
        assert publication is not None
        encodings = {id(encoding.track): encoding for encoding in media.encodings}
        layers = [self._layer(track, encodings[id(track)], counts, now) for track in media.layers]
        return PublicationStats(
            publication.id,
            publication.participant_id,
            publication.label,
            publication.kind,
            publication.name,
            media.live,
            publisher.rtt_s,
            tuple(layers),
        )

    def _layer(self, track: UpTrack, encoding: Encoding, counts: dict[int, tuple[int, int]], now: float) -> LayerStats:
        received, lost = track.reception.packets, track.reception.lost
        received_before, lost_before = counts.get(id(track), (0, 0))
        self._counts[id(track)] = received, lost
        lost_lately = max(0, lost - lost_before)
        expected = max(0, received - received_before) + lost_lately
        return LayerStats(
            track.rid,
            track.width_px,
            track.height_px,
            track.bitrate_bps(now),
            lost_lately / expected if expected else 0.0,
            received,
            lost,
            track.duplicates,
            track.keyframes,
            track.keyframe_requests,
            len(track.downs),
            encoding.paused,
        )

    def _receiver(self, receiver: Receiver, octets: dict[int, int], elapsed_s: float) -> ReceiverStats:
        slots = [self._slot(slot, octets, elapsed_s) for slot in receiver.slots]
        downs = [slot.down for slot in receiver.slots]
        downlink = receiver.downlink
        return ReceiverStats(
            receiver.session_id,
            receiver.participant_id,
            sum(slot.bitrate_bps for slot in slots),
            sum(down.packets for down in downs),
            sum(down.octets for down in downs),
            sum(down.resent_packets for down in downs),
            receiver.fraction_lost,
            receiver.rtt_s,
            None if downlink is None else downlink.estimate_bps,
            None if downlink is None else downlink.estimator.queue_delay_s,
            0 if downlink is None else downlink.dropped_items,
            tuple(slots),
        )

    def _slot(self, slot: Slot, octets: dict[int, int], elapsed_s: float) -> SlotStats:
        down, media = slot.down, slot.media
        before = octets.get(id(down), down.octets)
        self._octets[id(down)] = down.octets
        layers = [] if media is None else media.layers
        reason = slot.reason
        if reason is Reason.NONE and down.up is None and down.next_up is not None:
            reason = Reason.NO_KEYFRAME
        return SlotStats(
            slot.kind,
            slot.wish,
            None if media is None or media.publication is None else media.publication.name,
            next((number for number, layer in enumerate(layers) if layer is down.up), None),
            len(layers),
            max(0, down.octets - before) * 8 / elapsed_s if elapsed_s else 0.0,
            reason,
        )
