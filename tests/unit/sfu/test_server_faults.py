"""A fault of ours, or of a sink, ends its lesson loudly and no other."""

import asyncio
import logging
import time

import pytest

from classroom.model import Label, LessonId, ParticipantId, SessionId, TrackKind
from classroom.sfu.core.peers import IncomingMedia
from classroom.sfu.core.rtp import build_rtp
from classroom.sfu.server import MediaServer
from classroom.sfu.session import MediaSettings, UnknownLesson

BAD, GOOD = LessonId("bad"), LessonId("good")
UP = SessionId("up")


class Sink:
    def __init__(self, fails_in: str = "") -> None:
        self.fails_in, self.got, self.closed = fails_in, 0, ""

    def _take(self, what: str) -> None:
        if what == self.fails_in:
            raise RuntimeError("the disk of this sink is on fire")
        self.got += 1

    def send(self, burst) -> None:
        self._take("send")

    def resend(self, down, data) -> None:
        self._take("resend")

    def send_rtcp(self, data) -> None:
        self._take("send_rtcp")

    def close(self, reason: str) -> None:
        self.closed = reason


@pytest.mark.parametrize("fails_in", ["send", "send_rtcp"])
async def test_a_sink_that_raises_is_not_swallowed(fails_in, caplog):
    server = MediaServer(MediaSettings(host="127.0.0.1", port=0), lambda *_: None, time.time() - time.monotonic())
    await server.start()
    try:
        failing, bystander = Sink(fails_in), Sink()
        feeds = {}
        for lesson, sink in ((BAD, failing), (GOOD, bystander)):
            await server.open_lesson(lesson)
            feeds[lesson] = await server.attach(lesson, sink)
        with caplog.at_level(logging.ERROR):
            for lesson in (BAD, GOOD):
                publish(server, lesson)
                feeds[lesson](b"")  # as any packet does: the core is drained
            async with asyncio.timeout(30):
                while not (failing.closed and bystander.got >= 2):
                    await asyncio.sleep(0.01)
        (record,) = [r for r in caplog.records if r.levelno >= logging.ERROR]
        assert "bad" in record.getMessage() and "on fire" in str(record.exc_info[1])
        assert failing.closed == "internal error" and not bystander.closed
        with pytest.raises(UnknownLesson):
            await server.attach(BAD, Sink())
        await server.attach(GOOD, Sink())
    finally:
        await server.close()
    assert bystander.closed == "the server stops"


def publish(server: MediaServer, lesson: LessonId) -> None:
    """One packet of sound, past the transport."""
    media = server._lessons[lesson].media
    incoming = IncomingMedia("0", TrackKind.AUDIO, Label.MIC, 111, 48_000, ssrc=1)
    media.add_publisher(UP, ParticipantId("t"), Sink(), [incoming], str, time.monotonic())
    media.receive(UP, build_rtp(pt=111, seq=1, ts=0, ssrc=1, payload=b"opus"), time.monotonic())
