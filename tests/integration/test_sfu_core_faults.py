"""A bug in the core of one lesson ends that lesson, loudly, and nothing else: the others go on without a gap."""

import asyncio
import contextlib
import logging

import pytest

from classroom.model import LessonId, ParticipantId
from classroom.sfu.core.events import SessionClosed
from classroom.sfu.core.lesson import LessonMedia
from classroom.sfu.core.rtp import build_rtp, parse_rtp
from classroom.sfu.session import UnknownLesson
from classroom.sfu.transport.client import ClientTransport
from tests.integration.test_sfu_transport import LESSON, media_server, offer, remote

BROKEN = LessonId("broken")
# A round trip of what is lost: with a timer that stands still nobody would be asked again.
NUMBERS = [n for n in range(1, 60) if n % 10]


class Class:
    """A publisher and a receiver of one lesson."""

    def __init__(self, server, lesson: LessonId) -> None:
        self.server, self.lesson = server, lesson
        self.got: list[int] = []
        self.asked = 0
        self.up = ClientTransport(on_rtcp=self._asked)
        self.down = ClientTransport(on_rtp=lambda data: self.got.append(parse_rtp(data).seq))

    def _asked(self, data: bytes) -> None:
        self.asked += 1

    async def open(self) -> None:
        media = self.server.media
        await media.open_lesson(self.lesson)
        session = await media.publish(self.lesson, ParticipantId("t"), offer(self.up, "sendonly"), str)
        await self.up.connect(remote(session.answer))
        session = await media.subscribe(self.lesson, ParticipantId("v"), offer(self.down, "recvonly"))
        await self.down.connect(remote(session.answer))

    def send(self, seq: int) -> None:
        nal = (b"\x65" if seq == 1 else b"\x41") + bytes(50)
        self.up.send_rtp([build_rtp(pt=96, seq=seq, ts=seq * 3600, ssrc=77, payload=nal, marker=True)])

    async def close(self) -> None:
        await asyncio.gather(self.up.close(), self.down.close())


@pytest.mark.parametrize(
    "method",
    ["receive", "handle_timeout", "next_timeout", "take_rtcp", "take_bursts", "take_resends", "take_events", "remove"],
)
async def test_the_other_lesson_has_no_gap(method, monkeypatch, caplog):
    async with media_server() as server:
        sick, well = Class(server, BROKEN), Class(server, LESSON)
        await sick.open()
        await well.open()
        media = server.media._lessons[BROKEN].media
        for seq in NUMBERS:
            sick.send(seq)
            well.send(seq)
            await asyncio.sleep(0.01)
            if seq == 25:

                def bug(*_, **__):
                    raise ZeroDivisionError(f"a bug in {method}")

                monkeypatch.setattr(media, method, bug)
                if method == "remove":
                    await sick.down.close()
        async with asyncio.timeout(30):
            while len(well.got) < len(NUMBERS) or not well.asked:
                await asyncio.sleep(0.01)
            while len([e for e in server.events if isinstance(e, SessionClosed)]) < 2:
                await asyncio.sleep(0.01)
        first = well.got[0]
        assert [seq - first + 1 for seq in well.got] == NUMBERS
        logged = [record for record in caplog.records if record.levelno >= logging.ERROR]
        assert logged and all(f"lesson={BROKEN}" in record.getMessage() for record in logged)
        assert any(f"a bug in {method}" in str(record.exc_info[1]) for record in logged)
        with pytest.raises(UnknownLesson):
            await server.media.observe(BROKEN)
        assert (await server.media.observe(LESSON)).lesson == LESSON
        assert server.media.stats()["sessions"] == 2
        await server.media.open_lesson(BROKEN)  # it may be held again
        again = Class(server, BROKEN)
        await again.open()
        again.send(1)
        async with asyncio.timeout(30):
            while not again.got:
                await asyncio.sleep(0.01)
        await asyncio.gather(*(end.close() for end in (sick, well, again)))


async def test_a_publisher_that_meets_a_bug_when_it_comes_leaves_nothing_behind(monkeypatch, caplog):
    async with media_server() as server:
        well = Class(server, LESSON)
        await well.open()
        await server.media.open_lesson(BROKEN)

        def bug(*_, **__):
            raise ZeroDivisionError("a bug in add_publisher")

        monkeypatch.setattr(server.media._lessons[BROKEN].media, "add_publisher", bug)
        up = ClientTransport()
        with contextlib.suppress(ZeroDivisionError):
            await server.media.publish(BROKEN, ParticipantId("t"), offer(up, "sendonly"), str)
        assert f"lesson={BROKEN}" in caplog.text and "a bug in add_publisher" in caplog.text
        assert server.media.stats()["sessions"] == 2 and len(server.media._mux._by_ufrag) == 2
        assert isinstance(server.media._lessons[LESSON].media, LessonMedia)
        await well.close()
