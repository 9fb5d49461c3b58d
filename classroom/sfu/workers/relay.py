"""A lesson on more than one worker: what is published where it is held is published again where it is carried on.

Plaintext over a Unix socket (SOCK_SEQPACKET: whole messages, in order). The near end is a Sink like any other, the far
end a publisher like any other; NACKs and keyframe requests travel back as the RTCP that they are. Packets of sound have
their level on them, by which the far end tells who speaks.

A message begins with its kind: a lesson's id (first, once), a publication with its stream, RTP packets (each with its
length in front), compound RTCP.
"""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import struct
from collections import deque
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from classroom.model import ClassroomError, Label, LessonId, ParticipantId, Publication, PublicationId, TrackKind
from classroom.sfu.core import rtcp
from classroom.sfu.core.peers import Encoding, IncomingMedia
from classroom.sfu.core.rtp import HEADER_BYTES, build_extensions

if TYPE_CHECKING:
    from collections.abc import Callable

    from classroom.sfu.core.down_track import DownTrack
    from classroom.sfu.core.sink import Burst
    from classroom.sfu.server import MediaServer
    from classroom.sfu.session import Source

logger = logging.getLogger(__name__)

LESSON, PUBLICATION, RTP, RTCP = b"L", b"P", b"M", b"C"
MAX_MESSAGE_BYTES = 48 << 10
MAX_PACKET_BYTES = 1500
MESSAGES_AT_ONCE = 64  # of one relay, then others have their turn
EARLY_REPORTS = 16
BUFFER_BYTES = 4 << 20
AUDIO_LEVEL_EXT = 1  # whatever its id at the publisher
_SIZE = struct.Struct("!H")


class _Pipe:
    """One end of a relay's socket. What does not fit into it is dropped and counted: NACK brings it again."""

    def __init__(self, sock: socket.socket, on_message: Callable[[bytes, memoryview], None]) -> None:
        self._sock = sock
        self._on_message = on_message
        self._buffer = memoryview(bytearray(MAX_MESSAGE_BYTES))
        self._loop = asyncio.get_running_loop()
        self.on_end: Callable[[], None] | None = None
        self.dropped = 0
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_BYTES)
        self._loop.add_reader(sock, self._readable)

    def send(self, message: bytes | memoryview) -> bool:
        """Send a message; False when it was dropped."""
        try:
            self._sock.send(message)
        except OSError:  # full, or the other end is gone, which the reader will see
            self.dropped += 1
            return False
        return True

    def _readable(self) -> None:
        for _ in range(MESSAGES_AT_ONCE):
            try:
                size = self._sock.recv_into(self._buffer)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                size = 0
            if size == 0:
                self.close()
                return
            self._on_message(bytes(self._buffer[:1]), self._buffer[1:size])

    def close(self) -> None:
        """Close the socket, and say so once; a second time, as when a message has led to it, it does nothing."""
        if self._sock.fileno() < 0:
            return
        self._loop.remove_reader(self._sock)
        self._sock.close()
        on_end, self.on_end = self.on_end, None
        if on_end is not None:
            on_end()


class RelaySink:
    """Sends all media of a lesson to another worker. ``feedback`` is where RTCP from there goes."""

    def __init__(self, sock: socket.socket, lesson: LessonId) -> None:
        self._pipe = _Pipe(sock, self._receive)
        self._announced: dict[int, PublicationId] = {}
        self._outgoing = memoryview(bytearray(MAX_MESSAGE_BYTES))
        self._outgoing[:1] = RTP
        self.feedback: Callable[[bytes], None] = lambda data: None
        self._pipe.send(LESSON + lesson.encode())

    @property
    def on_end(self) -> Callable[[], None] | None:
        """Called once, when either end has closed."""
        return self._pipe.on_end

    @on_end.setter
    def on_end(self, listener: Callable[[], None]) -> None:
        self._pipe.on_end = listener

    def send(self, burst: Burst) -> None:
        """Send packets of one DownTrack."""
        down = burst.down
        if not self._announce(down):
            return
        view = self._outgoing
        at = 1
        for packet in burst.packets:
            if at + _SIZE.size + len(packet.data) + MAX_PACKET_BYTES > MAX_MESSAGE_BYTES:
                self._pipe.send(view[:at])
                at = 1
            size = down.write(packet, burst.seq_offset, burst.ts_offset, view, at + _SIZE.size)
            if packet.audio_level is not None:
                size = _add_level(view, at + _SIZE.size, size, packet.audio_level)
            _SIZE.pack_into(view, at, size)
            at += _SIZE.size + size
        self._pipe.send(view[:at])

    def resend(self, down: DownTrack, data: bytes) -> None:
        """Send a packet again that the socket could not take."""
        self._pipe.send(RTP + _SIZE.pack(len(data)) + data)

    def send_rtcp(self, data: bytes) -> None:
        """Send reports, feedback and BYE."""
        self._pipe.send(RTCP + data)

    def close(self, reason: str) -> None:
        """The lesson is over here, and thereby there."""
        self._pipe.close()

    def _announce(self, down: DownTrack) -> bool:
        """Say what a stream is before its first packet."""
        publication = down.publication
        if publication is None:
            return False
        if self._announced.get(down.ssrc) != publication.id:
            assert down.up is not None
            told = {
                "ssrc": down.ssrc,
                "rid": down.up.rid,
                "clock_rate_hz": down.clock_rate_hz,
                "publication": asdict(publication),
            }
            if not self._pipe.send(PUBLICATION + json.dumps(told).encode()):
                return False
            self._announced[down.ssrc] = publication.id
        return True

    def _receive(self, kind: bytes, message: memoryview) -> None:
        if kind == RTCP:
            self.feedback(bytes(message))


class _Back:
    """The way back to the publisher of a relayed publication: a Sink that takes RTCP only."""

    def __init__(self, pipe: _Pipe) -> None:
        self._pipe = pipe

    def send(self, burst: Burst) -> None:
        """A publisher gets no media."""

    def resend(self, down: DownTrack, data: bytes) -> None:
        """A publisher gets no media."""

    def send_rtcp(self, data: bytes) -> None:
        """Send NACKs, keyframe requests and reports."""
        self._pipe.send(RTCP + data)

    def close(self, reason: str) -> None:
        """The lesson is closed here: the other end need send nothing more."""
        self._pipe.close()


class RelayedLesson:
    """The far end: publishes in a lesson of this worker what comes over a socket, until that or the lesson closes."""

    def __init__(
        self,
        sock: socket.socket,
        server: MediaServer,
        on_begin: Callable[[RelayedLesson], None],
        on_end: Callable[[RelayedLesson], None],
    ) -> None:
        self._server = server
        self._on_begin = on_begin
        self._pipe = _Pipe(sock, self._receive)
        self._pipe.on_end = lambda: self._end(on_end)
        self.lesson: LessonId | None = None  # not said yet
        self._sources: dict[int, tuple[PublicationId, Source]] = {}  # by SSRC; one for all layers of a publication
        # A report may come ahead of what says whose it is; only the latest few matter.
        self._early: deque[bytes] = deque(maxlen=EARLY_REPORTS)

    def close(self) -> None:
        """Close the socket."""
        self._pipe.close()

    def _end(self, on_end: Callable[[RelayedLesson], None]) -> None:
        for source in self._published().values():
            source.close("the relay has ended")
        self._sources.clear()
        on_end(self)

    def _receive(self, kind: bytes, message: memoryview) -> None:
        if kind == RTP:
            self._receive_rtp(message)
        elif kind == RTCP:
            self._receive_rtcp(bytes(message))
        elif kind == PUBLICATION:
            self._publish(json.loads(bytes(message)))
        elif kind == LESSON:
            self.lesson = LessonId(bytes(message).decode())
            self._on_begin(self)

    def _receive_rtp(self, message: memoryview) -> None:
        at, end = 0, len(message)
        while at < end:
            (size,) = _SIZE.unpack_from(message, at)
            at += _SIZE.size
            ssrc = int.from_bytes(message[at + 8 : at + 12], "big")
            entry = self._sources.get(ssrc)
            if entry is not None:
                entry[1].receive(bytes(message[at : at + size]))
            at += size

    def _receive_rtcp(self, data: bytes) -> None:
        self._early.append(data)
        for source in self._published().values():
            source.receive(data)
        for packet in rtcp.parse_rtcp(data):
            for ssrc in packet.ssrcs if isinstance(packet, rtcp.Bye) else ():
                entry = self._sources.pop(ssrc, None)
                if entry is not None and entry[0] not in self._published():
                    entry[1].close("bye")  # with its last layer

    def _published(self) -> dict[PublicationId, Source]:
        return dict(self._sources.values())

    def _publish(self, told: dict[str, object]) -> None:
        publication = _publication(told["publication"])
        ssrc, rid, clock_rate_hz = told["ssrc"], told["rid"], told["clock_rate_hz"]
        assert isinstance(ssrc, int) and isinstance(rid, str) and isinstance(clock_rate_hz, int)
        source = self._published().get(publication.id)
        if source is None:
            source = self._add_source(publication, ssrc, rid, clock_rate_hz)
        else:
            source.add_encoding(Encoding(rid, ssrc))
        if source is not None:
            self._sources[ssrc] = (publication.id, source)
            for report in self._early:
                source.receive(report)

    def _add_source(self, publication: Publication, ssrc: int, rid: str, clock_rate_hz: int) -> Source | None:
        assert self.lesson is not None
        media = IncomingMedia(
            mid="",
            kind=publication.kind,
            label=publication.label,
            pt=96,
            clock_rate_hz=clock_rate_hz,
            nack=True,
            audio_level_ext=AUDIO_LEVEL_EXT,
            relayed=publication,
        )
        media.encodings = [Encoding(rid, ssrc)]
        try:
            return self._server.add_source(self.lesson, publication.participant_id, media, _Back(self._pipe))
        except ClassroomError as error:  # it is closed here
            logger.warning("lesson=%s is relayed in vain: %s", self.lesson, error)
            self._pipe.close()
            return None


def _add_level(view: memoryview, at: int, size: int, level: int) -> int:
    """Put the level of its sound on the packet of ``size`` bytes at view[at:], which has no extension; the new size."""
    payload_at = at + HEADER_BYTES
    tail = build_extensions([(AUDIO_LEVEL_EXT, bytes((level,)))]) + view[payload_at : at + size]
    view[at] |= 0x10
    view[payload_at : payload_at + len(tail)] = tail
    return HEADER_BYTES + len(tail)


def _publication(told: object) -> Publication:
    assert isinstance(told, dict)
    return Publication(
        PublicationId(told["id"]),
        ParticipantId(told["participant_id"]),
        Label(told["label"]),
        TrackKind(told["kind"]),
        told["name"],
    )


class RelayDoor:
    """Takes the relays of other workers at a path in the file system that only this server can reach."""

    def __init__(self, server: MediaServer, path: str) -> None:
        self._server = server
        self._relays: set[RelayedLesson] = set()
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._sock.setblocking(False)
        Path(path).unlink(missing_ok=True)  # of the one who died
        self._sock.bind(path)
        self._sock.listen(64)
        asyncio.get_running_loop().add_reader(self._sock, self._accept)

    def _accept(self) -> None:
        try:
            sock, _ = self._sock.accept()
        except OSError:
            return
        self._relays.add(RelayedLesson(sock, self._server, self._begin, self._relays.discard))

    def _begin(self, relay: RelayedLesson) -> None:
        """A lesson comes by one relay: one from before the lesson was closed here may have had nothing to end with."""
        for former in [other for other in self._relays if other is not relay and other.lesson == relay.lesson]:
            former.close()

    def close(self) -> None:
        """Close the door and what came in by it."""
        asyncio.get_running_loop().remove_reader(self._sock)
        self._sock.close()
        for relay in list(self._relays):
            relay.close()


async def start_relay(server: MediaServer, lesson: LessonId, path: str) -> None:
    """Let the worker at ``path`` have what is published in a lesson here; raises UnknownLesson, OSError."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        sock.setblocking(False)  # a worker that hangs takes nobody in, and its crowded door would hold us up
        sock.connect(path)
    except BaseException:
        sock.close()
        raise
    sink = RelaySink(sock, lesson)
    try:
        sink.feedback = await server.attach(lesson, sink, every_layer=True)
    except BaseException:
        sink.close("refused")
        raise
    sink.on_end = lambda: server.detach(lesson, sink)
