"""The media of one lesson: who publishes, who receives, what flows where. The only stateful entry to the core.

Sans-I/O. After every call that changes something the driver takes RTCP, bursts and events, in this order, and arms
its timer for ``next_timeout``. Times are monotonic seconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from classroom.model import Publication, PublicationId
from classroom.sfu.core import rtcp
from classroom.sfu.core.capture_clock import CaptureClock
from classroom.sfu.core.down_track import DownTrack
from classroom.sfu.core.events import MediaEvent, PublicationAdded, PublicationLive, PublicationRemoved
from classroom.sfu.core.forwarding import Forwarding
from classroom.sfu.core.ntp import NTP_EPOCH_OFFSET_S
from classroom.sfu.core.peers import IncomingMedia, Publisher, Receiver, Slot, choose_publication, unique_name
from classroom.sfu.core.reports import answer_reference_times, read_reports, receiver_report, sender_reports
from classroom.sfu.core.routing import route, unwrap_rtx
from classroom.sfu.core.rtp import RtpError, parse_rtp
from classroom.sfu.core.up_track import SILENCE_S, UpTrack

if TYPE_CHECKING:
    from collections.abc import Callable

    from classroom.model import Label, ParticipantId, SessionId
    from classroom.sfu.core.sink import Burst, Sink

TICK_S = 0.1
REPORT_INTERVAL_S = 1.0
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
        self.ups: dict[PublicationId, UpTrack] = {}
        self._forwarding = Forwarding()
        self._rtcp: list[tuple[Sink, bytes]] = []
        self._byes: list[tuple[Sink, bytes]] = []  # they leave after the last packets
        self._resends: list[tuple[DownTrack, bytes]] = []
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

    def add_receiver(
        self,
        session_id: SessionId,
        participant_id: ParticipantId,
        sink: Sink,
        slots: list[Slot],
        now: float,
        follow_all: bool = False,
    ) -> None:
        """A receiver is ready for media: its slots are filled now."""
        receiver = Receiver(session_id, participant_id, sink, slots, follow_all)
        receiver.next_report_at_s = now + REPORT_INTERVAL_S
        self.receivers[session_id] = receiver
        if follow_all:
            for up in self.ups.values():
                self._add_following_slot(receiver, up)
        self._assign(receiver, now)

    def remove(self, session_id: SessionId, reason: str, now: float) -> None:
        """A session is over; unknown ones are none of our business."""
        receiver = self.receivers.pop(session_id, None)
        if receiver is not None:
            for slot in receiver.slots:
                self._forwarding.unplug(slot.down, now)
        publisher = self.publishers.pop(session_id, None)
        if publisher is not None:
            for media in publisher.media:
                if media.track is not None:
                    self._remove_up(media.track, reason, now)
                    media.track = None

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
        media = route(publisher.media, packet)
        if media is None or media.replaced:
            self.unroutable += 1
            return
        if packet.pt == media.rtx_pt:
            original = unwrap_rtx(packet, media)
            if original is None:
                return  # padding, or a probe
            packet = original
        track = media.track
        if track is None:
            if packet.payload_end == packet.payload_start:
                return  # padding alone does not make a publication; later it keeps its number and is passed on empty
            track = self._add_up(publisher, media, packet.ssrc, now)
        if not track.receive(packet, now, now + self._ntp_offset_s):
            return
        if not track.live:
            track.live = True
            self._events.append(PublicationLive(track.publication.id, True))
        self._forwarding.touch(track)

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
            for media in publisher.media:
                if media.track is not None and media.track.ssrc in gone:
                    self._remove_up(media.track, "bye", now)
                    media.track = None
            self._rtcp += [(publisher.sink, answer) for answer in answer_reference_times(publisher.ssrc, packets)]
        receiver = self.receivers.get(session_id)
        if receiver is not None:
            self._receive_feedback(receiver, packets, now, ntp_s)

    def _receive_feedback(self, receiver: Receiver, packets: list[rtcp.Rtcp], now: float, ntp_s: float) -> None:
        read_reports(receiver, packets, now, ntp_s)
        downs = {slot.down.ssrc: slot.down for slot in receiver.slots}
        self._rtcp += [(receiver.sink, a) for a in answer_reference_times(next(iter(downs), 0), packets)]
        for packet in packets:
            if not isinstance(packet, (rtcp.Nack, rtcp.PictureLoss)) or packet.media_ssrc not in downs:
                continue
            down = downs[packet.media_ssrc]
            if isinstance(packet, rtcp.PictureLoss):
                self._recover(down, now)
                continue
            for seq in packet.seqs:
                if not receiver.resends.allows(now):
                    break  # what is still missing is asked for again
                data = down.retransmission(seq, now, receiver.rtt_s)
                if data is not None:
                    receiver.resends.spend(len(data))
                    self._resends.append((down, data))

    def _recover(self, down: DownTrack, now: float) -> None:
        """A receiver cannot decode: from the cache if that is short, else by a new keyframe for everybody."""
        if not self._forwarding.restart(down, now) and down.up is not None:
            down.up.want_keyframe()

    # --- time --------------------------------------------------------------------------------------------------

    def handle_timeout(self, now: float) -> None:
        """Do what is due: NACKs and keyframe requests to publishers, reports, publications that fell silent."""
        for publisher in self.publishers.values():
            for media in publisher.media:
                if media.track is not None:
                    self._ask(publisher, media.track, now)
        if now < self._next_tick_s:
            return
        self._next_tick_s = now + TICK_S
        for publisher in self.publishers.values():
            if now >= publisher.next_report_at_s:
                publisher.next_report_at_s = now + REPORT_INTERVAL_S
                report = receiver_report(publisher, self._cname, now, now + self._ntp_offset_s)
                self._rtcp.append((publisher.sink, report))
        for receiver in self.receivers.values():
            if now >= receiver.next_report_at_s:
                receiver.next_report_at_s = now + REPORT_INTERVAL_S
                self._report(receiver.sink, [slot.down for slot in receiver.slots], now)
        for up in self.ups.values():
            if up.live and now - up.last_received_at_s > SILENCE_S:
                up.live = False
                self._events.append(PublicationLive(up.publication.id, False))

    def next_timeout(self) -> float | None:
        """When handle_timeout has something to do; None for a lesson without anybody."""
        if not self.publishers and not self.receivers:
            return None
        due = self._next_tick_s
        for up in self.ups.values():
            at = up.next_timeout()
            if at is not None and at < due:
                due = at
        return due

    def _ask(self, publisher: Publisher, up: UpTrack, now: float) -> None:
        if up.nack is not None:
            missing = [ext_seq & 0xFFFF for ext_seq in up.nack.due(now, publisher.rtt_s)]
            for at in range(0, len(missing), MAX_NACK_SEQS):
                nack = rtcp.build_nack(publisher.ssrc, up.ssrc, missing[at : at + MAX_NACK_SEQS])
                self._rtcp.append((publisher.sink, nack))
            if up.nack.take_lost():
                up.want_keyframe()
        if up.take_keyframe_request(now):
            self._rtcp.append((publisher.sink, rtcp.build_pli(publisher.ssrc, up.ssrc)))

    def _report(self, sink: Sink, downs: list[DownTrack], now: float) -> None:
        for report in sender_reports(downs, self._cname, now + self._ntp_offset_s):
            self._rtcp.append((sink, report))

    # --- what goes out -----------------------------------------------------------------------------------------

    def take_rtcp(self) -> list[tuple[Sink, bytes]]:
        """Drain the RTCP packets to send; before the bursts."""
        self._plan()
        taken, self._rtcp, self._byes = self._rtcp, self._byes, []
        return taken

    def take_bursts(self) -> list[Burst]:
        """Drain the packets to send."""
        return self._forwarding.take_bursts()

    def take_resends(self) -> list[tuple[DownTrack, bytes]]:
        """Drain the retransmissions."""
        taken, self._resends = self._resends, []
        return taken

    def take_events(self) -> list[MediaEvent]:
        """Drain what happened."""
        taken, self._events = self._events, []
        return taken

    def _plan(self) -> None:
        self._forwarding.plan()
        for down in self._forwarding.take_started():
            self._report(down.sink, [down], down.started_at_s)

    # --- what flows where --------------------------------------------------------------------------------------

    def _add_up(self, publisher: Publisher, media: IncomingMedia, ssrc: int, now: float) -> UpTrack:
        """The first packet of a publication: it replaces the same publisher's former one of that label."""
        for former in self.publishers.values():
            if former is publisher or former.participant_id != publisher.participant_id:
                continue
            for other in former.media:
                if other.track is not None and (other.kind, other.label) == (media.kind, media.label):
                    self._remove_up(other.track, "replaced", now)
                    other.track, other.replaced = None, True
        publication = Publication(
            PublicationId(f"{self._random32():08x}"),
            publisher.participant_id,
            media.label,
            media.kind,
            unique_name(publisher.name_for(media.label), {up.publication.name for up in self.ups.values()}),
        )
        clock = CaptureClock(publisher.clock, media.clock_rate_hz)
        early = publisher.early_reports.pop(ssrc, None)
        if early is not None:
            clock.report(early[0], early[1])
        track = UpTrack(publication, ssrc, media.clock_rate_hz, clock, media.nack)
        track.last_received_at_s = now
        media.ssrc, media.track = ssrc, track
        self.ups[publication.id] = track
        self._events.append(PublicationAdded(publication))
        for receiver in self.receivers.values():
            if receiver.follow_all:
                self._add_following_slot(receiver, track)
            self._assign(receiver, now)
        return track

    def _remove_up(self, up: UpTrack, reason: str, now: float) -> None:
        del self.ups[up.publication.id]
        self._events.append(PublicationRemoved(up.publication.id, reason))
        for receiver in self.receivers.values():
            for slot in list(receiver.slots):
                if up not in (slot.down.up, slot.down.next_up):
                    continue
                self._forwarding.unplug(slot.down, now)
                if receiver.follow_all:
                    self._byes.append((receiver.sink, rtcp.build_bye([slot.down.ssrc])))
                    receiver.slots.remove(slot)
            self._assign(receiver, now)

    def _add_following_slot(self, receiver: Receiver, up: UpTrack) -> None:
        down = DownTrack(receiver.sink, ssrc=self._random32(), pt=96, clock_rate_hz=up.clock_rate_hz, realtime=False)
        receiver.slots.append(Slot(up.publication.kind, up.publication.label, down, up.publication.id))

    def _assign(self, receiver: Receiver, now: float) -> None:
        publications = [up.publication for up in self.ups.values()]
        for slot in receiver.slots:
            chosen = choose_publication(slot, publications)
            up = None if chosen is None else self.ups[chosen.id]
            if up is None:
                self._forwarding.unplug(slot.down, now)
            elif up is not (slot.down.next_up or slot.down.up):
                self._forwarding.plug(slot.down, up, now)

    def __repr__(self) -> str:
        return f"LessonMedia({len(self.publishers)} publishers, {len(self.receivers)} receivers, {len(self.ups)} ups)"
