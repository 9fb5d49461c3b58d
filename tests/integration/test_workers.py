"""Media workers as processes of their own: placement, death, hanging, and what becomes of lessons meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import psutil
import pytest

from classroom.model import Label, LessonId, ParticipantId, RecordingState
from classroom.serving import WORKER
from classroom.sfu.core import rtcp
from classroom.sfu.core.assignment import Direction
from classroom.sfu.core.events import MediaLost, PublicationAdded, SessionClosed, SessionConnected
from classroom.sfu.core.rtp import parse_rtp
from classroom.sfu.negotiate import BadOffer
from classroom.sfu.session import EtagMismatch, MediaSettings, UnknownLesson, UnknownSession
from classroom.sfu.transport.client import ClientTransport
from classroom.sfu.transport.ports import MediaPortTaken
from classroom.sfu.workers.pool import WorkerPool
from tests.integration.test_sfu_transport import IDR, SLICE, frame, offer, remote
from tests.stopwatch import Stopwatch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

MATHS, MUSIC = LessonId("maths"), LessonId("music")
TEACHER, VILLAGE = ParticipantId("teacher"), ParticipantId("village")
NAMES = {label: label.value for label in Label}


class Pool:
    """A pool, what it told, and clients of its workers."""

    def __init__(self, media: WorkerPool, told: list) -> None:
        self.media = media
        self.told = told

    def of(self, kind: type) -> list:
        return [event for _, event in self.told if isinstance(event, kind)]

    async def until(self, kind: type, count: int = 1) -> list:
        async with asyncio.timeout(30):
            while len(self.of(kind)) < count:
                await asyncio.sleep(0.01)
        return self.of(kind)

    async def publish(self, lesson: LessonId, transport: ClientTransport) -> str:
        session = await self.media.publish(lesson, TEACHER, offer(transport, "sendonly"), NAMES)
        await transport.connect(remote(session.answer))
        return session.id

    async def receive(self, lesson: LessonId, transport: ClientTransport) -> str:
        session = await self.media.subscribe(lesson, VILLAGE, offer(transport, "recvonly"))
        await transport.connect(remote(session.answer))
        return session.id


@asynccontextmanager
async def pool(workers: int, recordings: Path | None = None, port: int = 0) -> AsyncIterator[Pool]:
    told: list = []
    media = WorkerPool(
        workers,
        WORKER,
        MediaSettings("127.0.0.1", port),
        time.time() - time.monotonic(),
        str(recordings) if recordings else None,
        lambda lesson, event: told.append((lesson, event)),
    )
    await media.start()
    try:
        yield Pool(media, told)
    finally:
        await media.close()


def workers() -> list[psutil.Process]:
    """Those of this process, which may have other children: the databases of other tests."""
    found = []
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.NoSuchProcess):  # or a zombie
            found += [child] if "worker" in child.cmdline() else []
    return found


async def until(condition, timeout_s: float = 30) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.01)


async def test_lessons_are_spread_and_their_media_flow(tmp_path):
    got: dict[LessonId, asyncio.Queue] = {MATHS: asyncio.Queue(), MUSIC: asyncio.Queue()}
    async with pool(2) as media:
        assert len(set(media.media.ports)) == 2
        ups = {lesson: ClientTransport() for lesson in got}
        downs = {lesson: ClientTransport(on_rtp=queue.put_nowait) for lesson, queue in got.items()}
        ports = set()
        try:
            for lesson in got:
                await media.media.open_lesson(lesson)
                await media.publish(lesson, ups[lesson])
                session = await media.media.subscribe(lesson, VILLAGE, offer(downs[lesson], "recvonly"))
                ports.add(remote(session.answer).candidates[0][1])
                await downs[lesson].connect(remote(session.answer))
            assert ports == set(media.media.ports)
            await media.until(SessionConnected, 4)
            for number, lesson in enumerate(got):
                ups[lesson].send_rtp([frame(100 * number, IDR)])
            for queue in got.values():
                async with asyncio.timeout(30):
                    await queue.get()
            added = await media.until(PublicationAdded, 2)
            assert [event.publication.name for event in added] == ["camera", "camera"]
            await until(lambda: media.media.stats().get("sessions") == 4)
            assert (media.media.stats()["lessons"], media.media.stats()["workers"]) == (2, 2)
        finally:
            await asyncio.gather(*(transport.close() for transport in (*ups.values(), *downs.values())))


async def test_what_a_worker_refuses_is_raised_here():
    async with pool(1) as media:
        await media.media.open_lesson(MATHS)
        with pytest.raises(BadOffer):
            await media.media.subscribe(MATHS, VILLAGE, "nonsense")
        with pytest.raises(UnknownLesson):
            await media.media.subscribe(MUSIC, VILLAGE, "nonsense")
        transport = ClientTransport()
        session = await media.media.publish(MATHS, TEACHER, offer(transport, "sendonly"), NAMES)
        with pytest.raises(EtagMismatch):
            await media.media.patch(session.id, "a=end-of-candidates\r\n", '"9"')
        assert (await media.media.patch(session.id, "a=end-of-candidates\r\n", session.etag)).fragment is None
        await media.media.close_session(session.id, "enough")
        await media.until(SessionClosed)
        with pytest.raises(UnknownSession):
            await media.media.close_session(session.id, "enough")
        await transport.close()


async def test_a_taken_media_port_is_told_as_such():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(MediaPortTaken, match=str(taken.getsockname()[1])):
            async with pool(2, port=taken.getsockname()[1]):
                pass
    await until(lambda: not workers())


async def test_a_worker_that_dies_takes_only_its_own_lessons_with_it_and_comes_back():
    got: asyncio.Queue[bytes] = asyncio.Queue()
    async with pool(2) as media:
        up, down, other = ClientTransport(), ClientTransport(on_rtp=got.put_nowait), ClientTransport()
        try:
            await media.media.open_lesson(MATHS)
            await media.media.open_lesson(MUSIC)
            lost = await media.publish(MUSIC, other)
            await media.publish(MATHS, up)
            await media.receive(MATHS, down)
            await media.until(SessionConnected, 3)
            before = media.media.pids
            port = media.media.ports[1]
            os.kill(before[1], signal.SIGKILL)
            await media.until(MediaLost)
            assert [lesson for lesson, event in media.told if isinstance(event, MediaLost)] == [MUSIC]
            assert [event.session_id for event in media.of(SessionClosed)] == [lost]
            up.send_rtp([frame(1, IDR)])
            async with asyncio.timeout(30):
                await got.get()
            with pytest.raises(UnknownSession):
                await media.media.close_session(lost, "enough")
            with pytest.raises(UnknownLesson):
                await media.media.subscribe(MUSIC, VILLAGE, "")
            await media.media.open_lesson(MUSIC)  # at once, on the other
            again = ClientTransport()
            await media.publish(MUSIC, again)
            await again.close()
            await until(lambda: media.media.stats()["workers"] == 2)
            assert media.media.pids[0] == before[0]
            assert media.media.pids[1] not in before
            assert media.media.stats()["worker_restarts_total"] == 1
            assert port != 0
        finally:
            await asyncio.gather(up.close(), down.close(), other.close())


async def test_a_worker_that_hangs_is_noticed_within_two_seconds():
    async with pool(1) as media:
        await media.media.open_lesson(MATHS)
        pid = media.media.pids[0]
        await asyncio.sleep(0.5)
        os.kill(pid, signal.SIGSTOP)
        async with Stopwatch() as watch:
            await media.until(MediaLost)
        assert watch.s < 2.5  # 1.75 s, and it has to be killed
        assert not psutil.pid_exists(pid)
        await media.media.open_lesson(MATHS)  # waits for the new one


async def test_calls_under_way_when_a_worker_dies_are_told():
    async with pool(1) as media:
        await media.media.open_lesson(MATHS)
        os.kill(media.media.pids[0], signal.SIGSTOP)  # it will not answer
        asking = asyncio.create_task(media.media.subscribe(MATHS, VILLAGE, ""))
        with pytest.raises(UnknownLesson):
            await asking


async def test_a_recording_goes_on_after_its_worker_died(tmp_path):
    states: list[RecordingState] = []
    async with pool(2, tmp_path) as media:
        await media.media.open_lesson(MATHS)
        first = await media.media.record(MATHS, "数学", lambda state, _: states.append(state), False)
        first.add_event("bell", number=1)
        up = ClientTransport()
        await media.publish(MATHS, up)
        await media.until(SessionConnected)
        up.send_rtp([frame(1, IDR)])
        await media.until(PublicationAdded)
        await until(lambda: any("bell" in file.read_text() for file in tmp_path.glob("*/*/maths*/events.jsonl")))
        os.kill(media.media.pids[0], signal.SIGKILL)
        await media.until(MediaLost)
        await first.finish(RecordingState.INTERRUPTED)  # nobody is there, and nothing is left to do
        await media.media.open_lesson(MATHS)
        second = await media.media.record(MATHS, "数学", lambda state, _: states.append(state), True)
        await second.finish(RecordingState.COMPLETE)
        assert states == [RecordingState.RECORDING, RecordingState.RECORDING, RecordingState.COMPLETE]
        await up.close()
    folders = list(tmp_path.glob("*/*/maths*"))
    assert len(folders) == 1
    events = (folders[0] / "events.jsonl").read_text()
    assert "recording_started" in events
    assert "bell" in events
    assert "recording_resumed" in events


async def test_closing_the_pool_finishes_what_is_being_recorded(tmp_path):
    async with pool(1, tmp_path) as media:
        await media.media.open_lesson(MATHS)
        await media.media.record(MATHS, "", lambda state, _: None, False)
        children = workers()
    assert children
    assert not any(child.is_running() for child in children)
    folder = next(tmp_path.glob("*/*/maths"))
    assert '"interrupted"' in (folder / "lesson.json").read_text()


async def keep_sending(transport: ClientTransport, gop: int = 10_000) -> None:
    for seq in range(10_000):
        transport.send_rtp([frame(seq, IDR if seq % gop == 0 else SLICE)])
        await asyncio.sleep(0.02)


async def test_a_lesson_that_outgrows_its_worker_is_carried_on_by_another(monkeypatch):
    got: asyncio.Queue[bytes] = asyncio.Queue()
    relayed: asyncio.Queue[bytes] = asyncio.Queue()
    async with pool(2) as media:
        heard: list[bytes] = []
        up = ClientTransport(on_rtcp=heard.append)
        near, far, late = (ClientTransport(on_rtp=queue.put_nowait) for queue in (got, relayed, asyncio.Queue()))
        try:
            await media.media.open_lesson(MATHS)
            await media.publish(MATHS, up)
            await media.receive(MATHS, near)
            await media.until(SessionConnected, 2)
            monkeypatch.setattr("classroom.sfu.workers.pool.FULL_CPU", -1.0)
            monkeypatch.setattr("classroom.sfu.workers.pool.MIN_RELIEF_CPU", -9.0)
            session = await media.media.subscribe(MATHS, VILLAGE, offer(far, "recvonly"))
            assert remote(session.answer).candidates[0][1] == media.media.ports[1]
            await far.connect(remote(session.answer))
            await media.until(SessionConnected, 3)
            sending = asyncio.create_task(keep_sending(up))
            async with asyncio.timeout(30):
                first, other = parse_rtp(await got.get()), parse_rtp(await relayed.get())
            assert first.data[first.payload_start] == other.data[other.payload_start] == IDR[0]
            added = await media.until(PublicationAdded)
            assert len(added) == 1, "it is one publication, however many workers carry it"
            # What a far receiver cannot decode is asked of the publisher.
            asked = len([data for data in heard if is_keyframe_request(data)])
            far.send_rtcp(rtcp.build_pli(1, other.ssrc))
            await until(lambda: len([data for data in heard if is_keyframe_request(data)]) > asked)
            observed = await media.media.observe(MATHS)
            assert len(observed.publications) == 1
            assert [receiver.participant_id for receiver in observed.receivers].count(VILLAGE) == 2
            await media.receive(MATHS, late)
            media.media.direct(MATHS, Direction(floor=frozenset({TEACHER})))
            # The far worker dies: those with it are told, the others see nothing of it.
            os.kill(media.media.pids[1], signal.SIGKILL)
            closed = await media.until(SessionClosed, 2)
            assert session.id in {event.session_id for event in closed}
            assert not media.of(MediaLost)
            while not got.empty():
                got.get_nowait()
            async with asyncio.timeout(30):
                await got.get()
            again = ClientTransport()
            await media.receive(MATHS, again)
            await again.close()
            await media.media.close_lesson(MATHS, "the lesson has ended")
            await media.until(SessionClosed, 4)
            sending.cancel()
        finally:
            await asyncio.gather(*(transport.close() for transport in (up, near, far, late)))


async def test_a_relay_ends_when_nobody_has_received_there_for_a_while(monkeypatch):
    monkeypatch.setattr("classroom.sfu.workers.pool.FULL_CPU", -1.0)
    monkeypatch.setattr("classroom.sfu.workers.pool.MIN_RELIEF_CPU", -9.0)
    monkeypatch.setattr("classroom.sfu.workers.pool.IDLE_RELAY_S", 1.0)
    monkeypatch.setattr("classroom.sfu.workers.pool.RELAY_CHECK_S", 0.1)
    got: asyncio.Queue[bytes] = asyncio.Queue()
    async with pool(2) as media:
        up, far, again = ClientTransport(), ClientTransport(), ClientTransport(on_rtp=got.put_nowait)
        try:
            await media.media.open_lesson(MATHS)
            await media.publish(MATHS, up)
            session = await media.receive(MATHS, far)
            await until(lambda: media.media.stats().get("lessons") == 2)  # one lesson, on two of them
            await asyncio.sleep(1.5)
            assert media.media.stats()["lessons"] == 2, "it has a receiver"
            await media.media.close_session(session, "enough")
            await until(lambda: media.media.stats()["lessons"] == 1)
            assert not media.of(MediaLost)
            sending = asyncio.create_task(keep_sending(up))
            await media.receive(MATHS, again)  # it begins again
            async with asyncio.timeout(30):
                await got.get()
            assert media.media.stats()["workers"] == 2
            sending.cancel()
        finally:
            await asyncio.gather(up.close(), far.close(), again.close())


async def test_receivers_with_another_worker_are_told_when_the_lesson_is_lost(monkeypatch):
    monkeypatch.setattr("classroom.sfu.workers.pool.FULL_CPU", -1.0)
    monkeypatch.setattr("classroom.sfu.workers.pool.MIN_RELIEF_CPU", -9.0)
    async with pool(2) as media:
        up, far = ClientTransport(), ClientTransport()
        try:
            await media.media.open_lesson(MATHS)
            await media.publish(MATHS, up)
            session = await media.receive(MATHS, far)
            await until(lambda: media.media.stats().get("lessons") == 2)  # one lesson, on two of them
            os.kill(media.media.pids[0], signal.SIGKILL)
            await media.until(MediaLost)
            closed = await media.until(SessionClosed, 2)
            assert session in {event.session_id for event in closed}
        finally:
            await asyncio.gather(up.close(), far.close())


def is_keyframe_request(data: bytes) -> bool:
    return any(isinstance(packet, rtcp.PictureLoss) for packet in rtcp.parse_rtcp(data))
