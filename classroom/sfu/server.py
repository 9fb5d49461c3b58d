"""The asyncio driver of the SFU: owns the sockets, the clock, the timer and the lessons' media."""

from __future__ import annotations

import asyncio
import gc
import logging
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ParamSpec

from classroom.model import ClassroomError, Label, LessonId, ParticipantId, SessionId
from classroom.sfu.core.events import MediaEvent, MediaLost, SessionClosed, SessionConnected, SessionInterrupted
from classroom.sfu.core.histogram import Histogram
from classroom.sfu.core.lesson import LessonMedia
from classroom.sfu.core.observer import LessonObserver
from classroom.sfu.core.send_log import SendLog
from classroom.sfu.negotiate import LocalTransport, SlotPlan, answer_offer, build_fragment, parse_fragment
from classroom.sfu.negotiate import parse_offer as parse_offer_text
from classroom.sfu.planned import incoming_media, make_downlink, make_slots
from classroom.sfu.session import EtagMismatch, MediaSettings, Patched, Session, Source, UnknownLesson, UnknownSession
from classroom.sfu.transport.certificate import Certificate
from classroom.sfu.transport.mux import UdpMux, total
from classroom.sfu.transport.peer import Peer
from classroom.sfu.transport.tcp_listener import TcpListener

if TYPE_CHECKING:
    from classroom.sfu.core.assignment import Direction
    from classroom.sfu.core.peers import Encoding, IncomingMedia
    from classroom.sfu.core.sink import Sink
    from classroom.sfu.core.stats import LessonStats

P = ParamSpec("P")
logger = logging.getLogger(__name__)

HOUSEKEEPING_S = 0.25
SILENT_PATH_S = 10.0  # a peer that is not heard for so long is gone; till then it may come back on any path
# Garbage collections: what a packet takes is freed without them, and a full one would stop everything for 60 ms.
COLLECT_AFTER_OBJECTS = 10_000
UNCONNECTED_S = 15.0  # for ICE and DTLS after the answer
PublicationNames = Callable[[Label], str]
OnEvent = Callable[[LessonId, MediaEvent], None]


@dataclass(slots=True)
class _Session:
    lesson: LessonId
    participant: ParticipantId
    peer: Peer
    publishing: bool
    opened_s: float
    silent: bool = False  # as it was told


@dataclass(slots=True)
class _Lesson:
    media: LessonMedia
    delays: Histogram
    observer: LessonObserver
    sinks: dict[SessionId, Sink] = field(default_factory=dict)


class MediaServer:
    """One SFU worker. Everything runs on the event loop that called ``start``.

    ``on_event`` is told what happens in a lesson. ``wall_offset_s`` is what to add to monotonic seconds to get seconds
    since 1970, taken once: a step of the machine's clock moves nothing here.
    """

    def __init__(self, settings: MediaSettings, on_event: OnEvent, wall_offset_s: float) -> None:
        self._settings = settings
        self._on_event = on_event
        self._wall_offset_s = wall_offset_s
        self._certificate = Certificate()
        self._mux = UdpMux(self._flush, compiled=settings.compiled)
        self._tcp = TcpListener(self._mux, self._flush)
        self._addresses: tuple[tuple[str, int], ...] = ()
        self._tcp_addresses: tuple[tuple[str, int], ...] = ()
        self._lessons: dict[LessonId, _Lesson] = {}
        self._sessions: dict[SessionId, _Session] = {}
        self._touched: set[LessonId] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at_s = float("inf")
        self._housekeeping_at_s = 0.0
        self._cname = secrets.token_hex(8)
        self.port = 0
        self.tcp_port: int | None = None

    # --- life --------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Open the media ports; raises MediaPortTaken."""
        gc.freeze()  # what the process has loaded stays; no collection need look at it
        gc.set_threshold(COLLECT_AFTER_OBJECTS)
        settings = self._settings
        self.port = self._mux.open(settings.host, settings.port)
        addresses = settings.addresses or self._mux.addresses()
        self._addresses = tuple((address, self.port) for address in addresses)
        if settings.tcp:
            wanted = settings.port if settings.tcp_port is None else settings.tcp_port
            try:
                tcp_port = self.tcp_port = self._tcp.open(settings.host, wanted)
            except ClassroomError:
                self._mux.close()
                raise
            self._tcp_addresses = tuple((address, tcp_port) for address in addresses)
        self._arm(time.monotonic() + HOUSEKEEPING_S)

    async def close(self) -> None:
        """Close every lesson and the port."""
        for lesson in list(self._lessons):
            await self.close_lesson(lesson, "the server stops")
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._tcp.close()
        self._mux.close()

    async def open_lesson(self, lesson: LessonId) -> None:
        """Let media into a lesson; opening it again does nothing."""
        if lesson not in self._lessons:
            media = LessonMedia(lambda: secrets.randbits(32), self._wall_offset_s, self._cname)
            delays = Histogram()
            self._lessons[lesson] = _Lesson(media, delays, LessonObserver(lesson, media, delays))

    async def close_lesson(self, lesson: LessonId, reason: str) -> None:
        """End the sessions and sinks of a lesson."""
        for session_id, session in list(self._sessions.items()):
            if session.lesson == lesson:
                self._close_session(session_id, reason)
        entry = self._lessons.pop(lesson, None)
        if entry is not None:
            _close_sinks(lesson, entry, reason)

    # --- sessions ----------------------------------------------------------------------------------------------

    async def publish(
        self, lesson: LessonId, participant: ParticipantId, offer: str, names: PublicationNames
    ) -> Session:
        """Accept a publisher (WHIP); raises BadOffer, UnacceptableOffer, UnknownLesson."""
        return self._accept(lesson, participant, offer, names)

    async def subscribe(
        self, lesson: LessonId, participant: ParticipantId, offer: str, last_time_bps: float | None = None
    ) -> Session:
        """Accept a receiver (WHEP); raises BadOffer, UnacceptableOffer, UnknownLesson.

        ``last_time_bps`` is what its link carried when it was last measured.
        """
        return self._accept(lesson, participant, offer, None, last_time_bps)

    def direct(self, lesson: LessonId, direction: Direction) -> None:
        """Show and let speak what the lesson has decided; raises UnknownLesson."""
        entry = self._entry(lesson)
        self._guarded(lesson, entry.media.direct)(direction, time.monotonic())
        self._touched.add(lesson)
        self._flush()

    def _accept(
        self,
        lesson: LessonId,
        participant: ParticipantId,
        text: str,
        names: PublicationNames | None,
        last_time_bps: float | None = None,
    ) -> Session:
        entry = self._entry(lesson)
        offer = parse_offer_text(text)
        session_id = SessionId(secrets.token_urlsafe(16))
        publishing = names is not None
        media = entry.media
        slots: list[SlotPlan] = []

        def on_connected(peer: Peer) -> None:
            self._touched.add(lesson)
            if not publishing:
                log = SendLog()
                media.add_receiver(
                    session_id,
                    participant,
                    peer,
                    make_slots(slots, peer, log),
                    time.monotonic(),
                    downlink=make_downlink(slots, log, last_time_bps),
                )
            self._tell(lesson, SessionConnected(session_id, participant, publishing))

        def on_packet(data: bytes) -> None:
            self._touched.add(lesson)
            media.receive(session_id, data, time.monotonic())

        peer = Peer(
            self._mux,
            self._certificate,
            remote_ufrag=offer.ufrag,
            remote_pwd=offer.pwd,
            fingerprint=offer.fingerprint,
            dtls_client=offer.setup == "passive",
            on_packet=self._guarded(lesson, on_packet),
            on_connected=self._guarded(lesson, on_connected),
            now=time.monotonic,
        )
        try:
            negotiated = answer_offer(
                offer, self._local(peer), publishing=publishing, cname=self._cname, random32=_random32
            )
        except Exception:
            peer.close("refused")
            raise
        slots += negotiated.slots
        now = time.monotonic()
        if names is not None:
            incoming = [incoming_media(plan) for plan in negotiated.ups]
            try:
                media.add_publisher(session_id, participant, peer, incoming, names, now)
            except Exception:
                peer.close("internal error")
                self._break(lesson)
                raise
        self._sessions[session_id] = _Session(lesson, participant, peer, publishing, now)
        return Session(session_id, negotiated.answer, f'"{peer.generation}"')

    async def patch(self, session: SessionId, fragment: str, if_match: str | None) -> Patched:
        """Take trickled candidates or restart ICE; raises UnknownSession, BadFragment, EtagMismatch."""
        peer = self._find(session).peer
        parsed = parse_fragment(fragment)
        etag = f'"{peer.generation}"'
        if if_match not in (None, "*", etag):
            raise EtagMismatch("the ICE session has been restarted since; see the ETag of the last answer")
        if parsed.ufrag is None or parsed.pwd is None or parsed.ufrag == peer.remote_ufrag:
            return Patched(None, etag)  # candidates, with the credentials they belong to (RFC 8840)
        peer.restart_ice(parsed.ufrag, parsed.pwd)
        return Patched(build_fragment(self._local(peer)), f'"{peer.generation}"')

    async def close_session(self, session: SessionId, reason: str) -> None:
        """End a session; raises UnknownSession."""
        self._find(session)
        self._close_session(session, reason)

    async def attach(self, lesson: LessonId, sink: Sink, *, every_layer: bool = False) -> Callable[[bytes], None]:
        """Let a sink in this process follow every publication; returns where its RTCP feedback goes.

        It gets the best layer of each, or all of them.
        """
        entry = self._entry(lesson)
        session_id = SessionId(secrets.token_urlsafe(16))
        entry.sinks[session_id] = sink
        entry.media.add_receiver(session_id, ParticipantId(""), sink, [], time.monotonic(), True, every_layer)

        receive = self._guarded(lesson, entry.media.receive)

        def feedback(data: bytes) -> None:
            if self._lessons.get(lesson) is entry:
                now = time.monotonic()
                self._touched.add(lesson)
                self._arm(now)
                receive(session_id, data, now)

        self._touched.add(lesson)
        self._flush()
        return feedback

    def _entry(self, lesson: LessonId) -> _Lesson:
        entry = self._lessons.get(lesson)
        if entry is None:
            raise UnknownLesson(f"课堂 {lesson} 没有打开。 The lesson {lesson} is not open.")
        return entry

    def detach(self, lesson: LessonId, sink: Sink) -> None:
        """Let a sink follow no more; it is not closed. One that is unknown is none of our business."""
        entry = self._lessons.get(lesson)
        if entry is None:
            return
        for session_id in [session_id for session_id, other in entry.sinks.items() if other is sink]:
            del entry.sinks[session_id]
            self._remove(lesson, entry, session_id, "detached")

    def add_source(self, lesson: LessonId, participant: ParticipantId, media: IncomingMedia, back: Sink) -> Source:
        """Let something in this process publish; ``back`` gets the RTCP for it, and is closed with the lesson.

        Raises UnknownLesson.
        """
        entry = self._entry(lesson)
        session_id = SessionId(secrets.token_urlsafe(16))
        entry.sinks[session_id] = back
        entry.media.add_publisher(session_id, participant, back, [media], str, time.monotonic())
        receive = self._guarded(lesson, entry.media.receive)

        def publish(data: bytes) -> None:
            if self._lessons.get(lesson) is entry:
                now = time.monotonic()
                if lesson not in self._touched:  # else somebody will look after it already
                    self._touched.add(lesson)
                    self._arm(now)
                receive(session_id, data, now)

        def close(reason: str) -> None:
            if self._lessons.get(lesson) is entry:
                entry.sinks.pop(session_id, None)
                self._remove(lesson, entry, session_id, reason)

        def add_encoding(encoding: Encoding) -> None:
            if self._lessons.get(lesson) is entry:
                entry.media.add_encoding(session_id, encoding)

        return Source(publish, add_encoding, close)

    def _remove(self, lesson: LessonId, entry: _Lesson, session_id: SessionId, reason: str) -> None:
        self._guarded(lesson, entry.media.remove)(session_id, reason, time.monotonic())
        self._flush_lesson(lesson, entry.media)

    def _find(self, session: SessionId) -> _Session:
        found = self._sessions.get(session)
        if found is None:
            raise UnknownSession("没有这个媒体会话(可能已结束)。 There is no such media session (it may have ended).")
        return found

    def _close_session(self, session_id: SessionId, reason: str) -> None:
        session = self._sessions.pop(session_id, None)
        if session is None:
            return  # a fault that showed when another session ended has ended the whole lesson
        entry = self._lessons.get(session.lesson)
        if entry is not None:
            self._guarded(session.lesson, entry.media.remove)(session_id, reason, time.monotonic())
            self._flush_lesson(session.lesson, entry.media)
        session.peer.close(reason)
        self._tell(session.lesson, SessionClosed(session_id, session.participant, session.publishing, reason))

    def _local(self, peer: Peer) -> LocalTransport:
        return LocalTransport(peer.ufrag, peer.pwd, self._certificate.fingerprint, self._addresses, self._tcp_addresses)

    # --- the loop ----------------------------------------------------------------------------------------------

    def _guarded(self, lesson: LessonId, function: Callable[P, None]) -> Callable[P, None]:
        """Let a fault of ours end this lesson, not the server."""

        def guarded(*args: P.args, **kwargs: P.kwargs) -> None:
            try:
                function(*args, **kwargs)
            except Exception:
                self._break(lesson)

        return guarded

    def _break(self, lesson: LessonId) -> None:
        logger.exception("lesson=%s is closed: a fault of the server in its media", lesson)
        entry = self._lessons.pop(lesson, None)
        if entry is None:
            return
        for session_id, session in list(self._sessions.items()):
            if session.lesson == lesson:
                self._close_session(session_id, "internal error")
        _close_sinks(lesson, entry, "internal error")
        self._tell(lesson, MediaLost("internal error"))

    def _tell(self, lesson: LessonId, event: MediaEvent) -> None:
        try:
            self._on_event(lesson, event)
        except Exception:
            logger.exception("lesson=%s: the listener failed at %s", lesson, event)

    def _flush(self) -> None:
        """Send what the last batch of packets led to."""
        touched, self._touched = self._touched, set()
        arrived_s = self._mux.arrived_s
        due_s = float("inf")
        for lesson in touched:
            entry = self._lessons.get(lesson)
            if entry is None:
                continue
            due_s = min(due_s, self._flush_lesson(lesson, entry.media))
            if arrived_s is not None:
                entry.delays.observe(time.monotonic() - arrived_s)
        if due_s < self._timer_at_s:
            self._arm(due_s)

    def _flush_lesson(self, lesson: LessonId, media: LessonMedia) -> float:
        """Send what a lesson has to send; return when it has something to do again, inf for never."""
        try:
            for sink, data in media.take_rtcp():
                sink.send_rtcp(data)
            for burst in media.take_bursts():
                burst.down.sink.send(burst)
            for down, data in media.take_resends():
                down.sink.resend(down, data)
            self._mux.flush()
            events = media.take_events()
            next_s = media.next_timeout()
        except Exception:
            self._break(lesson)
            return float("inf")
        for event in events:
            self._tell(lesson, event)
        return float("inf") if next_s is None else next_s

    def _arm(self, at_s: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at_s = at_s
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(max(0.0, at_s - time.monotonic()), self._on_timer)

    def _on_timer(self) -> None:
        now = time.monotonic()
        if now >= self._housekeeping_at_s:
            self._housekeeping_at_s = now + HOUSEKEEPING_S
            self._keep_house(now)
        due_s = self._housekeeping_at_s
        touched, self._touched = self._touched, set()
        for lesson, entry in list(self._lessons.items()):
            media = entry.media
            try:
                next_s = media.next_timeout()
                due = lesson in touched or (next_s is not None and next_s <= now)
                if due:
                    media.handle_timeout(now)
            except Exception:
                self._break(lesson)
                continue
            if due:
                next_s = self._flush_lesson(lesson, media)
            if next_s is not None and next_s < due_s:
                due_s = next_s
        self._arm(now if self._touched else due_s)  # a sink may answer at once to what it gets

    def _keep_house(self, now: float) -> None:
        self._tcp.handle_timeout(now)
        for session_id, session in list(self._sessions.items()):
            self._guarded(session.lesson, self._watch)(session_id, session, now)

    def _watch(self, session_id: SessionId, session: _Session, now: float) -> None:
        peer = session.peer
        peer.handle_timeout(now)
        if peer.over is not None:
            self._close_session(session_id, peer.over)
        elif not peer.connected and now - session.opened_s > UNCONNECTED_S:
            self._close_session(session_id, "no media connection was made")
        elif peer.connected and now - peer.last_heard_s > SILENT_PATH_S:
            self._close_session(session_id, "the media path is silent")
        elif peer.silent is not session.silent:
            session.silent = peer.silent
            event = SessionInterrupted if peer.silent else SessionConnected
            self._tell(session.lesson, event(session_id, session.participant, session.publishing))

    # --- numbers -----------------------------------------------------------------------------------------------

    async def observe(self, lesson: LessonId) -> LessonStats:
        """What is the case in a lesson; raises UnknownLesson."""
        return self._entry(lesson).observer.observe(time.monotonic())

    def stats(self) -> dict[str, float]:
        """Counters since the start, by Prometheus-like names."""
        mux = self._mux
        numbers: dict[str, float] = {
            "lessons": len(self._lessons),
            "sessions": len(self._sessions),
            "datagrams_received_total": mux.received,
            "datagrams_sent_total": total(mux.egresses, "datagrams"),
            "send_calls_total": total(mux.egresses, "calls"),
            "datagrams_unsent_total": total(mux.egresses, "dropped"),
            "datagrams_dropped_total": mux.dropped.total(),
            **self._tcp.stats(),
        }
        medias = [entry.media for entry in self._lessons.values()]
        numbers["packets_malformed_total"] = sum(media.malformed for media in medias)
        numbers["packets_unroutable_total"] = sum(media.unroutable for media in medias)
        ups = [up for media in medias for up in media.tracks()]
        numbers["publications"] = len(ups)
        numbers["keyframe_requests_total"] = sum(up.keyframe_requests for up in ups)
        return numbers


def _close_sinks(lesson: LessonId, entry: _Lesson, reason: str) -> None:
    for sink in entry.sinks.values():
        try:
            sink.close(reason)
        except Exception:
            logger.exception("lesson=%s: a sink could not be closed", lesson)


def _random32() -> int:
    return secrets.randbits(32)
