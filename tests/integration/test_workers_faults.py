"""Media workers when the machine, or what listens to them, fails at a bad moment."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
from types import SimpleNamespace

import pytest

from classroom.live.lesson import LiveLesson
from classroom.model import Label, LessonState, ParticipantId
from classroom.serving import WORKER
from classroom.sfu.core.assignment import Direction
from classroom.sfu.core.events import MediaLost, PublicationAdded
from classroom.sfu.core.stats import LessonStats
from classroom.sfu.server import MediaServer
from classroom.sfu.session import MediaSettings, Quarantined
from classroom.sfu.transport.client import ClientTransport
from classroom.sfu.workers import process
from classroom.sfu.workers.messages import Observe, WorkerError
from classroom.sfu.workers.pool import WorkerPool
from classroom.sfu.workers.relay import RTCP, RelaySink, start_relay
from classroom.web.problem import refusal_of
from classroom.web.stats import observe
from tests.integration.test_sfu_transport import offer, remote
from tests.integration.test_workers import MATHS, MUSIC, VILLAGE, keep_sending, pool, until


async def test_a_worker_is_started_again_although_the_machine_refuses_at_first(monkeypatch):
    pairs = socket.socketpair
    refusals = [OSError(errno.EMFILE, os.strerror(errno.EMFILE))]

    def socketpair():
        if refusals:
            raise refusals.pop()
        return pairs()

    async with pool(1) as media:
        (pid,) = media.media.pids
        monkeypatch.setattr(process.socket, "socketpair", socketpair)
        os.kill(pid, signal.SIGKILL)
        await until(lambda: media.media.pids != (pid,))
        assert not refusals
        await media.media.open_lesson(MATHS)


async def test_a_worker_is_started_again_although_a_listener_fails():
    told = []

    def listen(lesson, event):
        told.append(event)
        raise ValueError("a fault of the listener")

    media = WorkerPool(1, WORKER, MediaSettings("127.0.0.1", 0), 0.0, None, listen)
    await media.start()
    try:
        await media.open_lesson(MATHS)
        await media.open_lesson(MUSIC)
        (pid,) = media.pids
        os.kill(pid, signal.SIGKILL)
        await until(lambda: media.pids != (pid,))
        assert [type(event) for event in told] == [MediaLost, MediaLost]
    finally:
        await media.close()


async def test_a_lesson_that_kills_every_worker_in_turn_is_kept_out_and_the_others_go_on(caplog):
    got: asyncio.Queue[bytes] = asyncio.Queue()
    async with pool(2) as media:
        for _ in range(10):
            opened = await asyncio.gather(*map(media.media.open_lesson, (MATHS, MUSIC)), return_exceptions=True)
            if opened[0] is not None:
                break
            os.kill(media.media._lessons[MATHS].worker.pid, signal.SIGKILL)
            await until(lambda: MATHS not in media.media._lessons)
        refused, other = opened
        assert isinstance(refused, Quarantined) and "maths" in str(refused) and other is None
        assert "lesson=maths is in quarantine" in caplog.text and "music is in" not in caplog.text
        assert refusal_of(refused).headers["Retry-After"], "its pages come back by themselves"
        await until(lambda: media.media.stats()["workers"] == 2)
        up, down = ClientTransport(), ClientTransport(on_rtp=got.put_nowait)
        try:
            await media.publish(MUSIC, up)
            await media.receive(MUSIC, down)
            sending = asyncio.create_task(keep_sending(up))
            async with asyncio.timeout(30):
                await got.get()
            sending.cancel()
        finally:
            await asyncio.gather(up.close(), down.close())


async def programme_of(worker) -> set[str | None]:
    """What those who receive from a worker are shown."""
    stats = await worker.ask(Observe(MATHS))
    return {slot.publication for one in stats.receivers if one.participant_id == VILLAGE for slot in one.slots}


async def until_shown(worker, programme: str) -> None:
    async with asyncio.timeout(30):
        while await programme_of(worker) != {programme}:
            await asyncio.sleep(0.01)


async def test_a_worker_that_hangs_holds_up_no_direction_and_follows_the_last_when_it_goes_on(monkeypatch):
    monkeypatch.setattr(process, "MISSED_HEARTBEATS", 10_000)  # it is not killed: its death would let the others go on
    monkeypatch.setattr("classroom.sfu.transport.client.SILENCE_S", 60)  # nor given up by those whose media it has
    async with pool(2) as media:
        near, far, again = ClientTransport(), ClientTransport(), ClientTransport()
        ups = {"camera": ClientTransport(), "camera-east": ClientTransport()}
        sending = []
        try:
            await media.media.open_lesson(MATHS)
            holder, other = media.media._lessons[MATHS].worker, media.media._workers[1]
            for name, up in ups.items():
                who = ParticipantId(f"of {name}")
                session = await media.media.publish(MATHS, who, offer(up, "sendonly"), dict.fromkeys(Label, name))
                await up.connect(remote(session.answer))
                sending.append(asyncio.create_task(keep_sending(up, gop=50)))  # who comes late begins at one
            await media.until(PublicationAdded, 2)
            await media.receive(MATHS, near)
            monkeypatch.setattr("classroom.sfu.workers.pool.FULL_CPU", -1.0)
            monkeypatch.setattr("classroom.sfu.workers.pool.MIN_RELIEF_CPU", -9.0)
            await media.receive(MATHS, far)
            for hung, free in ((other, holder), (holder, other)):
                os.kill(hung.pid, signal.SIGSTOP)
                for programme in ("camera", "camera-east", "camera", "camera-east"):
                    media.media.direct(MATHS, Direction(programme))
                    await until_shown(free, programme)
                media.media.direct(MATHS, Direction("camera"))
                os.kill(hung.pid, signal.SIGCONT)
                await until_shown(hung, "camera")
                await until_shown(free, "camera")
            # Who is started in the place of one that hung until it died is told what is the case.
            os.kill(other.pid, signal.SIGSTOP)
            media.media.direct(MATHS, Direction("camera-east"))
            os.kill(other.pid, signal.SIGKILL)
            await until(lambda: media.media._workers[1] is not other)
            await media.receive(MATHS, again)
            await until_shown(media.media._workers[1], "camera-east")
        finally:
            for worker in media.media._workers.values():
                os.kill(worker.pid, signal.SIGCONT)
            for task in sending:
                task.cancel()
            await asyncio.gather(*(transport.close() for transport in (near, far, again, *ups.values())))


async def test_a_worker_whose_door_is_crowded_holds_up_nobody(tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as door:
        path = str(tmp_path / "door")
        door.bind(path)
        door.listen(0)
        server = MediaServer(MediaSettings("127.0.0.1", 0), lambda *_: None, 0.0)
        await server.open_lesson(MATHS)
        with pytest.raises(OSError):
            for _ in range(3):  # nobody accepts: it hangs, and its backlog is full
                await start_relay(server, MATHS, path)
        await server.close()


async def test_a_relay_whose_message_ends_its_lesson_closes_once(caplog):
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    sink, ended = RelaySink(ours, MATHS), []
    sink.feedback = lambda data: sink.close("a fault in its lesson")
    sink.on_end = lambda: ended.append(True)
    with theirs:
        for _ in range(2):
            theirs.send(RTCP + b"report")
        await until(lambda: ended)
        await asyncio.sleep(0.05)
    assert (ended, caplog.records) == ([True], [])


async def test_a_lesson_that_cannot_be_observed_hides_no_other():
    async def look(lesson):
        if lesson == MATHS:
            raise WorkerError("a fault of its observer")
        return LessonStats(lesson, (), (), {}, (), 0.0)

    lessons = [LiveLesson(lesson, state=LessonState.LIVE) for lesson in (MATHS, MUSIC)]
    assert [stats.lesson for _, stats in await observe(SimpleNamespace(observe=look), lessons)] == [MUSIC]
