"""What goes wrong inside stays inside: a faulty sink, a faulty listener, sessions that end in any order."""

import asyncio
import gc
import time
import weakref

import pytest

from classroom.model import LessonId, ParticipantId
from classroom.sfu.core.events import PublicationAdded, SessionClosed, SessionConnected
from classroom.sfu.server import MediaServer
from classroom.sfu.session import MediaSettings
from classroom.sfu.transport.client import ClientTransport
from tests.integration.test_sfu_transport import IDR, LESSON, SLICE, frame, media_server, offer, remote

OTHER = LessonId("physics")


class FaultySink:
    """Takes everything until ``breaks`` is set; ``closed`` is the reason."""

    def __init__(self) -> None:
        self.breaks = False
        self.closed = None

    def _take(self) -> None:
        if self.breaks:
            raise RuntimeError("a fault of the sink")

    def send(self, burst) -> None:
        self._take()

    def resend(self, down, data) -> None:
        self._take()

    def send_rtcp(self, data) -> None:
        self._take()

    def close(self, reason: str) -> None:
        self.closed = reason
        self._take()


async def test_a_sink_that_raises_ends_its_lesson_only_and_is_logged(caplog):
    got: asyncio.Queue[bytes] = asyncio.Queue()
    async with media_server() as server:
        await server.media.open_lesson(OTHER)
        sink, up, other = FaultySink(), ClientTransport(), ClientTransport()
        down = ClientTransport(on_rtp=got.put_nowait)
        await server.media.attach(LESSON, sink)
        await server.publish(up)
        session = await server.media.publish(OTHER, ParticipantId("t"), offer(other, "sendonly"), str)
        await other.connect(remote(session.answer))
        session = await server.media.subscribe(OTHER, ParticipantId("v"), offer(down, "recvonly"))
        await down.connect(remote(session.answer))
        await server.until(SessionConnected, 3)
        sink.breaks = True
        up.send_rtp([frame(1, IDR)])
        (closed,) = await server.until(SessionClosed)
        assert closed.reason == sink.closed == "internal error"
        assert f"lesson={LESSON}" in caplog.text
        other.send_rtp([frame(1, IDR)])
        await asyncio.wait_for(got.get(), 30)
        for transport in (up, other, down):
            await transport.close()


async def test_closing_a_lesson_ends_everything_although_a_sink_raises():
    async with media_server() as server:
        await server.media.open_lesson(OTHER)
        sink, second, up, down = FaultySink(), FaultySink(), ClientTransport(), ClientTransport()
        await server.media.attach(LESSON, sink)
        await server.media.attach(LESSON, second)
        await server.publish(up)
        await server.receive(down)
        up.send_rtp([frame(1, IDR)])
        await server.until(PublicationAdded)
        sink.breaks = True  # at the BYE of the publication
        await server.media.close_lesson(LESSON, "over")
        assert len(await server.until(SessionClosed, 2)) == 2
        assert sink.closed and second.closed
        assert server.media.stats()["sessions"] == 0
        await server.media.open_lesson(LESSON)  # and the same lesson can be held again
        again = ClientTransport()
        await server.publish(again)
        again.send_rtp([frame(1, IDR)])
        await server.until(PublicationAdded, 2)
        for transport in (up, down, again):
            await transport.close()


async def test_a_listener_that_raises_does_not_stop_the_housekeeping(caplog):
    closed: list[LessonId] = []

    def listen(lesson, event) -> None:
        if isinstance(event, SessionClosed):
            closed.append(lesson)
            raise RuntimeError("a fault of the listener")

    media = MediaServer(MediaSettings("127.0.0.1", 0), listen, time.time() - time.monotonic())
    await media.start()
    try:
        for lesson in (LESSON, OTHER):
            await media.open_lesson(lesson)
            up = ClientTransport()
            session = await media.publish(lesson, ParticipantId("t"), offer(up, "sendonly"), str)
            await up.connect(remote(session.answer))
            await up.close()
            async with asyncio.timeout(30):
                while lesson not in closed:
                    await asyncio.sleep(0.01)
        assert f"lesson={OTHER}" in caplog.text
    finally:
        await media.close()


async def test_a_session_that_never_connects_and_one_that_falls_silent_are_closed(monkeypatch):
    monkeypatch.setattr("classroom.sfu.transport.client.CONSENT_INTERVAL_S", 60)
    async with media_server() as server:
        up, never = ClientTransport(), ClientTransport()
        await server.publish(up)
        monkeypatch.setattr("classroom.sfu.server.UNCONNECTED_S", 0.6)
        monkeypatch.setattr("classroom.sfu.server.SILENT_PATH_S", 0.6)
        await server.media.subscribe(LESSON, ParticipantId("v"), offer(never, "recvonly"))
        closed = await server.until(SessionClosed, 2)
        assert {e.reason for e in closed} == {"no media connection was made", "the media path is silent"}
        await asyncio.gather(up.close(), never.close())


async def test_sessions_that_are_over_leave_nothing_behind():
    async with media_server() as server:
        up = ClientTransport()
        await server.publish(up)
        gc.collect()
        gc.disable()  # what is over is freed at once, not some time later by the collector of cycles
        try:
            peers = []
            for seq in range(5):
                down = ClientTransport()
                session = await server.receive(down)
                peers.append(weakref.ref(server.media._sessions[session.id].peer))
                up.send_rtp([frame(seq, SLICE if seq else IDR)])
                await down.close()
            await server.until(SessionClosed, 5)
            del session
            assert [ref() for ref in peers] == [None] * 5
        finally:
            gc.enable()
        mux = server.media._mux
        assert len(mux._by_ufrag) == len(mux._by_address) == 1
        await up.close()


async def test_a_session_that_could_not_be_answered_is_forgotten(monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("a fault of the negotiation")

    async with media_server() as server:
        monkeypatch.setattr("classroom.sfu.server.answer_offer", fail)
        up = ClientTransport()
        with pytest.raises(RuntimeError):
            await server.media.publish(LESSON, ParticipantId("t"), offer(up, "sendonly"), str)
        assert not server.media._mux._by_ufrag


async def test_feedback_of_a_sink_whose_lesson_is_over_does_nothing():
    async with media_server() as server:
        feedback = await server.media.attach(LESSON, FaultySink())
        await server.media.close_lesson(LESSON, "over")
        await server.media.open_lesson(LESSON)
        feedback(bytes([0x80, 201, 0, 1, 0, 0, 0, 1]))
        assert not server.media._touched
        await server.media.close()
        feedback(bytes([0x80, 201, 0, 1, 0, 0, 0, 1]))
        assert server.media._timer is None


async def test_feedback_that_meets_a_fault_ends_the_lesson_and_not_the_sink(monkeypatch, caplog):
    def fail(*_):
        raise RuntimeError("a fault of the core")

    async with media_server() as server:
        sink = FaultySink()
        feedback = await server.media.attach(LESSON, sink)
        monkeypatch.setattr(server.media._lessons[LESSON].media, "_receive_rtcp", fail)
        feedback(bytes([0x80, 201, 0, 1, 0, 0, 0, 1]))
        assert sink.closed == "internal error" and f"lesson={LESSON}" in caplog.text
