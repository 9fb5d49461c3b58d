"""The media of one lesson: who publishes, who receives, what flows where. The only stateful entry to the core.

Sans-I/O. After every call that changes something the driver takes RTCP, bursts and events, in this order, and arms its
timer for ``next_timeout``. Times are monotonic seconds.

One class, for a packet, a report, a word of the teacher or time itself may each change what all others get: they share
the peers and what is to be sent. What can be decided without these is in the modules that it calls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from classroom.model import Publication, PublicationId, SlotWish
from classroom.sfu.core import rtcp
from classroom.sfu.core.assignment import Direction, assign, microphones, unique_name
from classroom.sfu.core.capture_clock import CaptureClock
from classroom.sfu.core.down_track import DownTrack
from classroom.sfu.core.events import (
    LinkMeasured,
    MediaEvent,
    PublicationAdded,
    PublicationLive,
    PublicationRemoved,
)
from classroom.sfu.core.forwarding import Forwarding
from classroom.sfu.core.ntp import NTP_EPOCH_OFFSET_S
from classroom.sfu.core.pause import PauseResume, PauseType
from classroom.sfu.core.pausing import pause_or_resume
from classroom.sfu.core.peers import IncomingMedia, Publisher, Receiver, Slot
from classroom.sfu.core.reports import answer_reference_times, read_reports, receiver_report, sender_reports
from classroom.sfu.core.routing import Routes, unwrap_rtx
from classroom.sfu.core.rtp import RtpError, extension, parse_rtp
from classroom.sfu.core.speakers import Speakers
from classroom.sfu.core.steering import Supplies, choose_layers
from classroom.sfu.core.twcc import TransportFeedback
from classroom.sfu.core.up_track import DIRECTED_SPACING_S, SILENCE_S, URGENT_SPACING_S, UpTrack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from classroom.model import Label, ParticipantId, SessionId
    from classroom.sfu.core.downlink import Downlink
    from classroom.sfu.core.peers import Encoding
    from classroom.sfu.core.rtp import RtpPacket
    from classroom.sfu.core.sink import Burst, Resend, Sink

TICK_S = 0.1
REPORT_INTERVAL_S = 1.0
MEASURE_INTERVAL_S = 10.0
MAX_NACK_SEQS = 250  # in one packet, so that it fits a datagram even when no two of them share a bit mask


class LessonMedia:
    """Routes packets from publishers to the slots of receivers.

    ``random32`` makes SSRCs and first numbers; ``wall_offset_s`` is what to add to ``now`` to get seconds since 1970.
    """

    def __init__(self, random32: Callable[[], int], wall_offset_s: float, cname: str) -> None:
        self._random32 = random32
        self._ntp_offset_s = wall_offset_s + NTP_EPOCH_OFFSET_S
        self._cname = cname
        self.publishers: dict[SessionId, Publisher] = {}
        self.receivers: dict[SessionId, Receiver] = {}
        self.publications: dict[PublicationId, IncomingMedia] = {}
        self._direction = Direction()
        self._speakers = Speakers()
        self._speaking: list[PublicationId] = []
        self._forwarding = Forwarding()
        self._rtcp: list[tuple[Sink, bytes]] = []
        self._byes: list[tuple[Sink, bytes]] = []  # they leave after the last packets
        self._events: list[MediaEvent] = []
        self._next_tick_s = 0.0
        self.malformed = 0
        self.unroutable = 0

    # --- who is there ------------------------------------------------------------------------------------------

    def add_publisher(
        self,
        session_id: SessionId,
        participant_id: ParticipantId,
        sink: Sink,
        media: list[IncomingMedia],
        name_for: Callable[[Label], str],
        now: float,
    ) -> None:
        """A publisher was accepted; its publications appear with their first packets."""
        publisher = Publisher(session_id, participant_id, sink, media, name_for, self._random32())
        publisher.next_report_at_s = now + REPORT_INTERVAL_S
        self.publishers[session_id] = publisher

    def add_encoding(self, session_id: SessionId, encoding: Encoding) -> None:
        """A publisher of one m-section sends it in one more layer, under an SSRC that is known."""
        publisher = self.publishers[session_id]
        publisher.media[0].encodings.append(encoding)
        publisher.routes = Routes(publisher.media)

    def add_receiver(
        self,
        session_id: SessionId,
        participant_id: ParticipantId,
        sink: Sink,
        slots: list[Slot],
        now: float,
        follow_all: bool = False,
        every_layer: bool = False,
        downlink: Downlink[Burst | Resend] | None = None,
    ) -> None:
        """A receiver is ready for media: its slots are filled now. Without ``downlink`` its path carries everything."""
        receiver = Receiver(session_id, participant_id, sink, slots, now, follow_all, every_layer, downlink)
        for slot in slots:
            slot.down.downlink = downlink
        receiver.next_report_at_s = now + REPORT_INTERVAL_S
        receiver.next_measure_at_s = now + MEASURE_INTERVAL_S
        self.receivers[session_id] = receiver
        if follow_all:
            for media in self.publications.values():
                self._add_following_slot(receiver, media)
        self._fill(receiver, Supplies(now))

    def remove(self, session_id: SessionId, reason: str, now: float) -> None:
        """A session is over; unknown ones are none of our business."""
        receiver = self.receivers.pop(session_id, None)
        if receiver is not None:
            for slot in receiver.slots:
                self._forwarding.unplug(slot.down, now)
            if receiver.downlink is not None:
                self._forwarding.forget(receiver.downlink)
        publisher = self.publishers.pop(session_id, None)
        if publisher is not None:
            for media in publisher.media:
                self._remove_publication(media, reason, now)

    def direct(self, direction: Direction, now: float) -> None:
        """The lesson has decided what is shown and who may speak."""
        self._direction = direction
        self._refill(now, DIRECTED_SPACING_S)
        self._next_tick_s = now  # what was paused is to resume at once

    # --- what comes in -----------------------------------------------------------------------------------------

    def receive(self, session_id: SessionId, data: bytes, now: float) -> None:
        """Take a decrypted RTP or RTCP packet of a session. What is malformed is counted and forgotten."""
        if rtcp.is_rtcp(data):
            self._receive_rtcp(session_id, data, now)
            return
        publisher = self.publishers.get(session_id)
        if publisher is None:
            self.unroutable += 1
            return
        try:
            packet = parse_rtp(data)
        except RtpError:
            self.malformed += 1
            return
        route = publisher.routes.find(packet, now)
        if route is None or route.media.replaced:
            self.unroutable += 1
            return
        media, encoding, repair = route
        if packet.extension_start:
            self._read_extensions(publisher, media, packet, now)
        if repair:
            original = unwrap_rtx(packet, route)
            if original is None:
                return  # padding, or a probe
            packet = original
        track = encoding.track
        if track is not None and track.ssrc != packet.ssrc:  # the publisher has changed it
            self._remove_track(encoding, now)
            track = None
        if track is None:
            if packet.payload_end == packet.payload_start:
                return  # padding alone does not make a publication; later it keeps its number and is passed on empty
            track = self._add_track(publisher, media, encoding, packet.ssrc, now)
        if not track.receive(packet, now, now + self._ntp_offset_s):
            if not track.restarted:
                return
            self._remove_track(encoding, now)
            track = self._add_track(publisher, media, encoding, track.ssrc, now)
            track.receive(packet, now, now + self._ntp_offset_s)
        if not media.live:
            media.live = True
            self._events.append(PublicationLive(track.publication.id, True))
        self._forwarding.touch(track)

    def _read_extensions(self, publisher: Publisher, media: IncomingMedia, packet: RtpPacket, now: float) -> None:
        if publisher.arrivals is not None and media.twcc_ext:
            number = extension(packet, media.twcc_ext)
            if number is not None and len(number) == 2:
                publisher.arrivals.received(number[0] << 8 | number[1], packet.ssrc, now)
        level = extension(packet, media.audio_level_ext) if media.audio_level_ext else None
        if level:  # an element of the two-byte form may be empty
            packet.audio_level = level[0] & 0x7F
            if media.publication is not None:
                self._speakers.heard(media.publication.id, packet.audio_level, now)

    def _receive_rtcp(self, session_id: SessionId, data: bytes, now: float) -> None:
        try:
            packets = rtcp.parse_rtcp(data)
        except rtcp.RtcpError:
            self.malformed += 1
            return
        ntp_s = now + self._ntp_offset_s
        publisher = self.publishers.get(session_id)
        if publisher is not None:
            gone = read_reports(publisher, packets, now, ntp_s)
            if gone:
                self._stop_streams(publisher, gone, now)
            self._rtcp += [(publisher.sink, answer) for answer in answer_reference_times(publisher.ssrc, packets)]
            stopped = [p.target_ssrc for p in packets if isinstance(p, PauseResume) and p.type is PauseType.PAUSED]
            if stopped:
                self._note_stopped(publisher, stopped, now)
        receiver = self.receivers.get(session_id)
        if receiver is not None:
            self._receive_feedback(receiver, packets, now, ntp_s)

    def _note_stopped(self, publisher: Publisher, ssrcs: list[int], now: float) -> None:
        """A publisher whose own link is too thin has stopped layers: nobody is to wait for their silence."""
        for media in publisher.media:
            for encoding in media.encodings:
                if encoding.track is not None and encoding.track.ssrc in ssrcs and not encoding.paused:
                    encoding.track.stopped = True
                    encoding.resumed_at_s = float("-inf")
        self._next_tick_s = now

    def _stop_streams(self, publisher: Publisher, ssrcs: set[int], now: float) -> None:
        for media in publisher.media:
            for encoding in media.encodings:
                if encoding.track is not None and encoding.track.ssrc in ssrcs:
                    if len(media.layers) == 1:
                        self._remove_publication(media, "bye", now)
                    else:
                        self._remove_track(encoding, now)

    def _receive_feedback(self, receiver: Receiver, packets: list[rtcp.Rtcp], now: float, ntp_s: float) -> None:
        downlink = receiver.downlink
        others: list[rtcp.Rtcp] = []
        for packet in packets:
            if not isinstance(packet, TransportFeedback):
                others.append(packet)
            elif downlink is not None:
                downlink.feedback(packet, now)
        if others:  # most packets hold nothing but transport-wide feedback: nothing more is looked up for them
            self._receive_requests(receiver, others, now, ntp_s)

    def _receive_requests(self, receiver: Receiver, packets: list[rtcp.Rtcp], now: float, ntp_s: float) -> None:
        read_reports(receiver, packets, now, ntp_s)
        downlink = receiver.downlink
        downs = {slot.down.ssrc: slot.down for slot in receiver.slots}
        self._rtcp += [(receiver.sink, a) for a in answer_reference_times(next(iter(downs), 0), packets)]
        for packet in packets:
            if downlink is not None and isinstance(packet, rtcp.Remb):
                about = frozenset(downs.keys() & packet.ssrcs)
                if about or not packet.ssrcs:
                    downlink.remb(packet.bitrate_bps, now, about)
            if not isinstance(packet, (rtcp.Nack, rtcp.PictureLoss)) or packet.media_ssrc not in downs:
                continue
            down = downs[packet.media_ssrc]
            if isinstance(packet, rtcp.PictureLoss):
                self._recover(receiver, down, now)
                continue
            for seq in packet.seqs:
                if not receiver.resends.allows(now):
                    break  # what is still missing is asked for again
                data = down.retransmission(seq, now, receiver.rtt_s)
                if data is not None:
                    receiver.resends.spend(len(data))
                    self._forwarding.resend(down, data, now)

    def _recover(self, receiver: Receiver, down: DownTrack, now: float) -> None:
        """A receiver cannot decode: from the cache if that is short, else by a new keyframe for everybody."""
        if not self._forwarding.restart(down, now, receiver.catch_up_bytes) and down.up is not None:
            down.up.want_keyframe(receiver.keyframe_spacing_s)

    # --- time --------------------------------------------------------------------------------------------------

    def handle_timeout(self, now: float) -> None:
        """Do what is due: NACKs, feedback and requests to publishers, reports, publications that fell silent."""
        for publisher in self.publishers.values():
            for track in publisher.tracks:
                self._ask(publisher, track, now)
            if publisher.arrivals is not None:
                self._rtcp += [(publisher.sink, feedback) for feedback in publisher.arrivals.take(now)]
        for held in self._forwarding.held():
            if held.next_timeout() <= now:
                self._forwarding.release(held, None, now)
        if now < self._next_tick_s:
            return
        self._next_tick_s = now + TICK_S
        self._look_around(now)
        for publisher in self.publishers.values():
            self._rtcp += [(publisher.sink, request) for request in pause_or_resume(publisher, now)]
            if now >= publisher.next_report_at_s:
                publisher.next_report_at_s = now + REPORT_INTERVAL_S
                report = receiver_report(publisher, self._cname, now, now + self._ntp_offset_s)
                self._rtcp.append((publisher.sink, report))
        for receiver in self.receivers.values():
            downlink = receiver.downlink
            if downlink is not None:
                self._forwarding.release(downlink, receiver.probing_track, now)
                if downlink.measured and now >= receiver.next_measure_at_s:
                    receiver.next_measure_at_s = now + MEASURE_INTERVAL_S
                    self._events.append(LinkMeasured(receiver.participant_id, downlink.path_bps))
            if now >= receiver.next_report_at_s:
                receiver.next_report_at_s = now + REPORT_INTERVAL_S
                self._report(receiver.sink, [slot.down for slot in receiver.slots], now)

    def next_timeout(self) -> float | None:
        """When handle_timeout has something to do; None for a lesson without anybody."""
        if not self.publishers and not self.receivers:
            return None
        due = min(self._next_tick_s, self._forwarding.next_timeout())
        for publisher in self.publishers.values():
            times = [track.next_timeout() for track in publisher.tracks]
            if publisher.arrivals is not None:
                times.append(publisher.arrivals.next_timeout())
            due = min([due, *(at for at in times if at is not None)])
        return due

    def _ask(self, publisher: Publisher, up: UpTrack, now: float) -> None:
        if up.nack is not None:
            missing = [ext_seq & 0xFFFF for ext_seq in up.nack.due(now, publisher.rtt_s)]
            for at in range(0, len(missing), MAX_NACK_SEQS):
                nack = rtcp.build_nack(publisher.ssrc, up.ssrc, missing[at : at + MAX_NACK_SEQS])
                self._rtcp.append((publisher.sink, nack))
            if up.nack.take_lost():
                up.want_keyframe(URGENT_SPACING_S)  # nobody can go on
        if up.take_keyframe_request(now, publisher.rtt_s):
            self._rtcp.append((publisher.sink, rtcp.build_pli(publisher.ssrc, up.ssrc)))

    def _report(self, sink: Sink, downs: list[DownTrack], now: float) -> None:
        for report in sender_reports(downs, self._cname, now + self._ntp_offset_s):
            self._rtcp.append((sink, report))

    def _look_around(self, now: float) -> None:
        """Notice who fell silent and who speaks, and what links carry."""
        for media in self.publications.values():
            sending = [e.track for e in media.encodings if e.track is not None and not e.paused]
            silent = all(now - track.last_received_at_s > SILENCE_S for track in sending)
            if media.live and sending and silent:
                media.live = False
                self._events.append(PublicationLive(_id(media), False))
        speaking = self._speakers.order(microphones(self.publications.values(), self._direction), now)
        if speaking != self._speaking:
            self._speaking = speaking
            self._refill(now)
        else:
            supplies = Supplies(now)
            for receiver in self.receivers.values():
                self._steer(receiver, supplies)

    # --- what goes out -----------------------------------------------------------------------------------------

    def take_rtcp(self) -> list[tuple[Sink, bytes]]:
        """Drain the RTCP packets to send; before the bursts."""
        self._forwarding.plan()
        for down in self._forwarding.take_started():
            self._report(down.sink, [down], down.started_at_s)
        taken, self._rtcp, self._byes = self._rtcp, self._byes, []
        return taken

    def take_bursts(self) -> list[Burst]:
        """Drain the packets to send."""
        return self._forwarding.take_bursts()

    def take_resends(self) -> list[Resend]:
        """Drain the retransmissions."""
        return self._forwarding.take_resends()

    def take_events(self) -> list[MediaEvent]:
        """Drain what happened."""
        taken, self._events = self._events, []
        return taken

    # --- publications ------------------------------------------------------------------------------------------

    def tracks(self) -> Iterator[UpTrack]:
        """Every received stream."""
        for publisher in self.publishers.values():
            yield from publisher.tracks

    def _add_track(
        self, publisher: Publisher, media: IncomingMedia, encoding: Encoding, ssrc: int, now: float
    ) -> UpTrack:
        publication = media.publication or self._publish(publisher, media, now)
        clock = CaptureClock(publisher.clock, media.clock_rate_hz)
        early = publisher.early_reports.pop(ssrc, None)
        if early is not None:
            clock.report(early[0], early[1])
        track = UpTrack(publication, ssrc, media.clock_rate_hz, clock, media.nack, encoding.rid, media.capture_time_ext)
        track.last_received_at_s = encoding.needed_at_s = now
        if len(media.encodings) > 1:
            track.want_keyframe()  # unless it begins with one: which layer it is shows in its size
        encoding.ssrc, encoding.track = ssrc, track
        self._refill(now)
        return track

    def _publish(self, publisher: Publisher, media: IncomingMedia, now: float) -> Publication:
        """The first packet of a publication: it replaces the same publisher's former one of that label."""
        for former in self.publishers.values():
            if former is publisher or former.participant_id != publisher.participant_id:
                continue
            for other in former.media:
                if other.publication is not None and (other.kind, other.label) == (media.kind, media.label):
                    self._remove_publication(other, "replaced", now)
                    other.replaced = True
        taken = {media.publication.name for media in self.publications.values() if media.publication is not None}
        publication = media.relayed or Publication(
            PublicationId(f"{self._random32():08x}"),
            publisher.participant_id,
            media.label,
            media.kind,
            unique_name(publisher.name_for(media.label), taken),
        )
        media.publication = publication
        media.live = True
        self.publications[publication.id] = media
        self._events.append(PublicationAdded(publication))
        for receiver in self.receivers.values():
            if receiver.follow_all:
                self._add_following_slot(receiver, media)
        return publication

    def _remove_publication(self, media: IncomingMedia, reason: str, now: float) -> None:
        publication = media.publication
        if publication is None:
            return
        media.publication = None
        del self.publications[publication.id]
        self._speakers.forget(publication.id)
        self._events.append(PublicationRemoved(publication.id, reason))
        for encoding in media.encodings:
            self._remove_track(encoding, now)
        for receiver in self.receivers.values():
            if receiver.follow_all:
                for slot in [slot for slot in receiver.slots if slot.pinned == publication.id]:
                    self._byes.append((receiver.sink, rtcp.build_bye([slot.down.ssrc])))
                    receiver.slots.remove(slot)
        self._refill(now)

    def _remove_track(self, encoding: Encoding, now: float) -> None:
        track, encoding.track = encoding.track, None
        if track is not None:
            self._forwarding.plan()  # what came before goes out before
            for down in tuple(track.downs):
                self._forwarding.unplug(down, now)
            for down in tuple(track.waiting):  # they go on with what they have
                self._forwarding.forget_wish(down)

    def _add_following_slot(self, receiver: Receiver, media: IncomingMedia) -> None:
        for encoding in media.encodings if receiver.every_layer else (None,):
            down = DownTrack(
                receiver.sink, ssrc=self._random32(), pt=96, clock_rate_hz=media.clock_rate_hz, realtime=False
            )
            receiver.slots.append(Slot(media.kind, SlotWish(media.label), down, _id(media), encoding))

    # --- what flows where --------------------------------------------------------------------------------------

    def _refill(self, now: float, spacing_s: float = URGENT_SPACING_S) -> None:
        supplies = Supplies(now)
        for receiver in self.receivers.values():
            self._fill(receiver, supplies, spacing_s)

    def _fill(self, receiver: Receiver, supplies: Supplies, spacing_s: float = URGENT_SPACING_S) -> None:
        assign(receiver, self.publications.values(), self._direction, self._speaking)
        self._steer(receiver, supplies, spacing_s)

    def _steer(self, receiver: Receiver, supplies: Supplies, spacing_s: float = URGENT_SPACING_S) -> None:
        """Let each slot take the layer that the receiver's link carries."""
        now = supplies.now
        for slot, up in choose_layers(receiver, supplies):
            down = slot.down
            if up is None:
                self._forwarding.unplug(down, now)
            else:
                layers = slot.layers
                if down.up in layers and layers.index(up) < layers.index(down.up):
                    self._forwarding.unplug(down, now)  # the link cannot carry it even until the next keyframe
                self._forwarding.plug(down, up, now, receiver.catch_up_bytes, spacing_s)
        for slot in receiver.slots:
            if slot.down.next_up is not None and (slot.down.up is not None or receiver.calm):
                self._bridge(receiver, slot, slot.down.next_up, now)

    def _bridge(self, receiver: Receiver, slot: Slot, awaited: UpTrack, now: float) -> None:
        """Let a slot that shows nothing of what it is to show begin with a smaller layer, or again with the same."""
        down, layers = slot.down, slot.layers
        if slot.media is None or awaited not in layers or down.up in layers:
            return
        larger = layers[layers.index(awaited) + 1 :]
        begin = [layer for layer in slot.media.flowing if layer not in larger]
        if not self._forwarding.bridge(down, begin, now, receiver.bridge_bytes) and down.up is None:
            awaited.hasten_keyframe(URGENT_SPACING_S)

    def __repr__(self) -> str:
        return (
            f"LessonMedia({len(self.publishers)} publishers, {len(self.receivers)} receivers, "
            f"{len(self.publications)} publications)"
        )


def _id(media: IncomingMedia) -> PublicationId:
    assert media.publication is not None
    return media.publication.id
