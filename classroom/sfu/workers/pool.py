"""The media server of the control plane: a number of worker processes, each with a port of its own.

A lesson is held by one worker, the least loaded one when it is opened; publishers and recorder are there. When that is
full, further receivers are taken in by others, to which it relays the lesson as long as they have any. A worker that
dies is started again; what it held is reported as lost and may be opened on another one at once, unless it is what
workers die of.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from classroom.model import ClassroomError, LessonId, RecordingState
from classroom.sfu.core.assignment import Direction
from classroom.sfu.core.events import MediaLost, PublicationAdded, PublicationLive, PublicationRemoved, SessionClosed
from classroom.sfu.core.stats import LessonStats
from classroom.sfu.session import NoWorker, Patched, Quarantined, Session, UnknownLesson, UnknownSession
from classroom.sfu.workers import messages
from classroom.sfu.workers.messages import BadFrame, Configure, RecordingChanged
from classroom.sfu.workers.process import WorkerGone, WorkerProcess
from classroom.sfu.workers.suspicion import Suspicion

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from classroom.model import Label, ParticipantId, SessionId
    from classroom.sfu.core.events import MediaEvent
    from classroom.sfu.server import OnEvent
    from classroom.sfu.session import MediaSettings
    from classroom.sfu.workers.messages import Ref, Request
    from classroom.sfu.workers.recording import OnRecordingState

logger = logging.getLogger(__name__)

STEADY_S = 10.0  # who dies sooner than that, and again, is not started again at once
FIRST_BACKOFF_S, LAST_BACKOFF_S = 0.5, 10.0
NO_WORKER_S = 8.0
# A lesson that was just opened has no load yet, and at the bell all are opened at once.
NEW_LESSON_LOAD, NEW_LESSON_S = 0.05, 10.0
LOAD_STEP = 0.05  # differences below it are noise
FULL_CPU = 0.75  # share of a core, beyond which others take in further receivers of a lesson
MIN_RELIEF_CPU = 0.2  # by so much they must be less loaded
IDLE_RELAY_S = 30.0  # without a receiver: a page that is loaded again has its relay still
RELAY_CHECK_S = 5.0
APART_S = 3.0  # for so long a suspect waits for a worker without another
_OF_PUBLICATIONS = (PublicationAdded, PublicationLive, PublicationRemoved)
DIED = "its media process died"


@dataclass(slots=True, eq=False)
class _Lesson:
    worker: WorkerProcess
    opened_s: float
    relays: dict[WorkerProcess, float] = field(default_factory=dict)  # those that carry it on: when that was of use
    leaving: set[WorkerProcess] = field(default_factory=set)  # those that are told to carry it on no longer
    direction: Direction = field(default_factory=Direction)


@dataclass(slots=True)
class _Session:
    lesson: LessonId
    participant: ParticipantId
    publishing: bool
    worker: WorkerProcess


class WorkerPool:
    """Implements classroom.live.ports.MediaServer over processes. Everything runs on one event loop.

    ``command`` starts a worker; the number of the file descriptor of its channel is added to it.
    """

    def __init__(
        self,
        workers: int,
        command: Sequence[str],
        media: MediaSettings,
        wall_offset_s: float,
        recordings: str | None,
        on_event: OnEvent,
    ) -> None:
        self._command = command
        sockets = self._sockets = TemporaryDirectory(prefix="classroom-")  # nobody else may look into it
        self._configures = [
            Configure(_ports_of(media, number), wall_offset_s, recordings, relay_path=f"{sockets.name}/{number}")
            for number in range(workers)
        ]
        self._on_event = on_event
        self._workers: dict[int, WorkerProcess] = {}
        self._lessons: dict[LessonId, _Lesson] = {}
        self._sessions: dict[SessionId, _Session] = {}
        self._recordings: dict[int, tuple[WorkerProcess, OnRecordingState]] = {}
        self._recording_numbers = count(1)
        self._keepers: list[asyncio.Task[None]] = []
        self._closing: set[asyncio.Task[None]] = set()
        self._came = asyncio.Condition()
        self._past: Counter[str] = Counter()  # totals of the dead
        self._restarts = 0
        self._suspicion = Suspicion()

    # --- life --------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Start all workers; raises MediaPortTaken, WorkerGone."""
        started = await asyncio.gather(
            *(self._start(number) for number in range(len(self._configures))), return_exceptions=True
        )
        faults = [fault for fault in started if isinstance(fault, BaseException)]
        if faults:
            await self.close()
            raise faults[0]
        self._keepers = [
            asyncio.create_task(self._keep(worker), name=f"keeper of worker {worker.number}")
            for worker in self._workers.values()
        ]
        self._keepers.append(asyncio.create_task(self._keep_relays(), name="keeper of relays"))

    async def close(self) -> None:
        """Stop all workers."""
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        await asyncio.gather(*self._closing, *(worker.stop() for worker in self._workers.values()))
        self._sockets.cleanup()

    @property
    def ports(self) -> tuple[int, ...]:
        """The media ports of the workers."""
        return tuple(worker.port for _, worker in sorted(self._workers.items()))

    @property
    def pids(self) -> tuple[int, ...]:
        """The process ids of the workers."""
        return tuple(worker.pid for _, worker in sorted(self._workers.items()))

    async def _start(self, number: int) -> WorkerProcess:
        worker = WorkerProcess(number, self._hear)
        await worker.start(self._command, self._configures[number])
        logger.info("worker %d: pid %d, media port %d/UDP", number, worker.pid, worker.port)
        self._workers[number] = worker
        async with self._came:
            self._came.notify_all()
        return worker

    async def _keep(self, worker: WorkerProcess) -> None:
        """Start a worker again whenever it dies."""
        began_s, wait_s = time.monotonic(), 0.0
        while True:
            assert worker.gone is not None
            await asyncio.shield(worker.gone)
            logger.error("worker %d (pid %d) has died", worker.number, worker.pid)
            self._bury(worker)
            if time.monotonic() - began_s >= STEADY_S:
                wait_s = 0.0
            while True:
                await asyncio.sleep(wait_s)
                wait_s = min(LAST_BACKOFF_S, 2 * wait_s or FIRST_BACKOFF_S)
                began_s = time.monotonic()
                self._restarts += 1
                try:
                    worker = await self._start(worker.number)
                except (ClassroomError, OSError, BadFrame) as error:  # too many files, no memory: for now
                    logger.error("worker %d cannot be started: %s", worker.number, error)
                else:
                    break

    def _bury(self, worker: WorkerProcess) -> None:
        """Tell of everything that died with a worker; again it does nothing."""
        self._past.update({name: int(value) for name, value in worker.stats.items() if name.endswith("_total")})
        worker.stats = {}
        for number, (holder, _) in list(self._recordings.items()):
            if holder is worker:
                del self._recordings[number]
        for session_id, session in list(self._sessions.items()):
            if session.worker is worker:
                del self._sessions[session_id]
                event = SessionClosed(session_id, session.participant, session.publishing, DIED)
                self._tell(session.lesson, event)
        held = [lesson for lesson, entry in self._lessons.items() if worker in (entry.worker, *entry.relays)]
        culprit = self._suspicion.died(held, time.monotonic())
        if culprit is not None:
            logger.error("lesson=%s is in quarantine: workers died of it, again and again", culprit)
        for lesson, entry in list(self._lessons.items()):
            entry.relays.pop(worker, None)
            if entry.worker is worker:
                del self._lessons[lesson]
                self._end_relays(lesson, entry, DIED)
                self._tell(lesson, MediaLost(DIED))

    def _tell(self, lesson: LessonId, event: MediaEvent) -> None:
        """A fault of the listener is its own: what died is buried and started again all the same."""
        try:
            self._on_event(lesson, event)
        except Exception:
            logger.exception("lesson=%s: the listener failed at %s", lesson, event)

    # --- lessons -----------------------------------------------------------------------------------------------

    async def open_lesson(self, lesson: LessonId) -> None:
        """Let media into a lesson; opening it again does nothing. Raises NoWorker, Quarantined."""
        while True:
            entry = self._lessons.get(lesson)
            if entry is None:
                entry = self._lessons[lesson] = _Lesson(await self._place(lesson), time.monotonic())
            try:
                await entry.worker.ask(messages.OpenLesson(lesson))
                return
            except WorkerGone:
                assert entry.worker.gone is not None
                await asyncio.shield(entry.worker.gone)  # nobody else writes to the lesson's recording then
                self._bury(entry.worker)
                await asyncio.sleep(0)  # who carried it on is told to close it, before one of them is told to open it

    async def close_lesson(self, lesson: LessonId, reason: str) -> None:
        """End the sessions and sinks of a lesson."""
        entry = self._lessons.pop(lesson, None)
        if entry is not None:
            self._end_relays(lesson, entry, reason)
            await _close(entry.worker, lesson, reason)

    async def record(self, lesson: LessonId, title: str, on_state: OnRecordingState, resume: bool) -> PoolRecording:
        """Record a lesson where it is held; raises UnknownLesson, WorkerError."""
        worker = self._entry(lesson).worker
        number = next(self._recording_numbers)
        self._recordings[number] = (worker, on_state)
        try:
            await self._ask(worker, messages.StartRecording(number, lesson, title, resume), lesson)
        except BaseException:
            self._recordings.pop(number, None)
            raise
        return PoolRecording(worker, number, partial(self._recordings.pop, number, None))

    # --- sessions ----------------------------------------------------------------------------------------------

    async def publish(
        self, lesson: LessonId, participant: ParticipantId, offer: str, names: Mapping[Label, str]
    ) -> Session:
        """Accept a publisher (WHIP); raises BadOffer, UnacceptableOffer, UnknownLesson."""
        worker = self._entry(lesson).worker
        request = messages.Publish(lesson, participant, offer, dict(names))
        return self._opened(await self._ask(worker, request, lesson), lesson, participant, worker, publishing=True)

    async def subscribe(
        self, lesson: LessonId, participant: ParticipantId, offer: str, last_time_bps: float | None = None
    ) -> Session:
        """Accept a receiver (WHEP) whose link carried so much; raises BadOffer, UnacceptableOffer, UnknownLesson."""
        worker = await self._taker(lesson, self._entry(lesson))
        request = messages.Subscribe(lesson, participant, offer, last_time_bps)
        return self._opened(await self._ask(worker, request, lesson), lesson, participant, worker, publishing=False)

    def direct(self, lesson: LessonId, direction: Direction) -> None:
        """Show and let speak what the lesson has decided, each worker as soon as it can; raises UnknownLesson.

        After the death of a worker this is told again with the lesson: by who opens it, and to who carries it on.
        """
        entry = self._entry(lesson)
        entry.direction = direction
        for worker in (entry.worker, *entry.relays):
            worker.direct(lesson, direction)

    async def patch(self, session: SessionId, fragment: str, if_match: str | None) -> Patched:
        """Take trickled candidates or restart ICE; raises UnknownSession, BadFragment, EtagMismatch."""
        answer = await self._ask_session(session, messages.Patch(session, fragment, if_match))
        assert isinstance(answer, Patched)
        return answer

    async def close_session(self, session: SessionId, reason: str) -> None:
        """End a session; raises UnknownSession."""
        await self._ask_session(session, messages.CloseSession(session, reason))

    def _entry(self, lesson: LessonId) -> _Lesson:
        entry = self._lessons.get(lesson)
        if entry is None:
            raise UnknownLesson(f"课堂 {lesson} 没有打开。 The lesson {lesson} is not open.")
        return entry

    async def _ask(self, worker: WorkerProcess, request: Request, lesson: LessonId) -> messages.Answer:
        try:
            return await worker.ask(request)
        except WorkerGone as error:
            raise UnknownLesson(f"课堂 {lesson} 的媒体进程已退出。 The media of {lesson} were lost.") from error

    async def _ask_session(self, session: SessionId, request: Request) -> messages.Answer:
        entry = self._sessions.get(session)
        try:
            if entry is not None:
                return await entry.worker.ask(request)
        except WorkerGone:
            pass
        raise UnknownSession("没有这个媒体会话(可能已结束)。 There is no such media session (it may have ended).")

    def _opened(
        self,
        session: messages.Answer,
        lesson: LessonId,
        participant: ParticipantId,
        worker: WorkerProcess,
        *,
        publishing: bool,
    ) -> Session:
        assert isinstance(session, Session)
        self._sessions[session.id] = _Session(lesson, participant, publishing, worker)
        return session

    # --- where -------------------------------------------------------------------------------------------------

    async def _place(self, lesson: LessonId) -> WorkerProcess:
        """The least loaded worker; suspects are kept apart, so that the next death tells which of them it is."""
        now = time.monotonic()
        quarantine_s = self._suspicion.quarantine_s(lesson, now)
        if quarantine_s > 0:
            raise Quarantined(
                f"媒体进程多次因课堂 {lesson} 退出，该课堂暂停 {quarantine_s:.0f} 秒，请联系管理员查看日志。 "
                f"Media workers died of the lesson {lesson} again and again: it is kept out for {quarantine_s:.0f} s; "
                "ask whoever runs the server to look at its log."
            )
        gravity = self._suspicion.gravity(lesson, now)
        async with self._came:
            if gravity > 1:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(APART_S):
                        await self._came.wait_for(lambda: all(worker.alive for worker in self._workers.values()))
            try:
                async with asyncio.timeout(NO_WORKER_S):
                    await self._came.wait_for(lambda: any(worker.alive for worker in self._workers.values()))
            except TimeoutError:
                raise NoWorker(
                    "媒体进程正在重启，请稍后再试。 The media workers are being restarted; try again in a moment."
                ) from None

        def fellows(worker: WorkerProcess) -> int:
            others = [other for other, entry in self._lessons.items() if entry.worker is worker]
            return sum(self._suspicion.gravity(other, now) >= gravity for other in others) if gravity > 1 else 0

        alive = [worker for worker in self._workers.values() if worker.alive]
        return min(alive, key=lambda worker: (fellows(worker), *self._load(worker)))

    def _load(self, worker: WorkerProcess) -> tuple[int, int, int]:
        now = time.monotonic()
        held = [entry for entry in self._lessons.values() if entry.worker is worker]
        new = sum(now - entry.opened_s < NEW_LESSON_S for entry in held)
        return round((worker.cpu + new * NEW_LESSON_LOAD) / LOAD_STEP), len(held), worker.number

    # --- lessons that outgrow a worker -------------------------------------------------------------------------

    async def _taker(self, lesson: LessonId, entry: _Lesson) -> WorkerProcess:
        """Who takes in a further receiver: who holds the lesson, or when that is full who is much less loaded."""
        holder = entry.worker
        if self._suspicion.quarantine_s(lesson, time.monotonic()) > 0:
            return holder
        alive = [worker for worker in self._workers.values() if worker.alive and worker is not holder]
        others = [w for w in alive if w.cpu <= holder.cpu - MIN_RELIEF_CPU and w not in entry.leaving]
        if holder.cpu < FULL_CPU or not others:
            return holder
        # One that carries it on already costs no further relay.
        taker = min(others, key=lambda worker: (worker not in entry.relays or worker.cpu >= FULL_CPU, worker.cpu))
        if taker not in entry.relays:
            path = self._configures[taker.number].relay_path
            try:
                await taker.ask(messages.OpenLesson(lesson))
                await holder.ask(messages.StartRelay(lesson, path))
            except ClassroomError as error:
                logger.warning("lesson=%s cannot be carried on by worker %d: %s", lesson, taker.number, error)
                self._close_later(taker, lesson, "it is not carried on here")
                return holder
            logger.info("lesson=%s is carried on by worker %d, too", lesson, taker.number)
            taker.direct(lesson, entry.direction)  # as it is now, and with the next it is among those that are told
        entry.relays[taker] = time.monotonic()
        return taker

    async def _keep_relays(self) -> None:
        """End those that have had no receiver for a while. One that is being taken in is there long before that."""
        while True:
            await asyncio.sleep(RELAY_CHECK_S)
            now, ending = time.monotonic(), []
            used = {(session.lesson, session.worker) for session in self._sessions.values()}
            for lesson, entry in self._lessons.items():
                for worker, used_s in list(entry.relays.items()):
                    if (lesson, worker) in used:
                        entry.relays[worker] = now
                    elif now - used_s >= IDLE_RELAY_S:
                        del entry.relays[worker]
                        entry.leaving.add(worker)
                        ending.append(self._end_relay(lesson, entry, worker))
            await asyncio.gather(*ending)

    async def _end_relay(self, lesson: LessonId, entry: _Lesson, worker: WorkerProcess) -> None:
        await _close(worker, lesson, "nobody receives it here any more")
        entry.leaving.discard(worker)
        logger.info("lesson=%s is no longer carried on by worker %d", lesson, worker.number)

    def _end_relays(self, lesson: LessonId, entry: _Lesson, reason: str) -> None:
        relays, entry.relays = entry.relays, {}
        for worker in relays:
            self._close_later(worker, lesson, reason)

    def _close_later(self, worker: WorkerProcess, lesson: LessonId, reason: str) -> None:
        task = asyncio.create_task(_close(worker, lesson, reason), name="end of a relay")
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    # --- what workers say --------------------------------------------------------------------------------------

    def _hear(self, worker: WorkerProcess, message: Any, ref: Ref) -> None:
        if isinstance(message, RecordingChanged):
            known = self._recordings.get(ref) if isinstance(ref, int) else None
            if known is not None:
                known[1](message.state, message.detail)
            return
        assert isinstance(ref, str)
        lesson = LessonId(ref)
        entry = self._lessons.get(lesson)
        if isinstance(message, SessionClosed):
            if self._sessions.pop(message.session_id, None) is None:
                return  # told already
        elif entry is None:
            return
        elif isinstance(message, MediaLost) and entry.worker is worker:
            self._end_relays(lesson, entry, message.reason)
        elif isinstance(message, MediaLost):
            entry.relays.pop(worker, None)
            return
        elif isinstance(message, _OF_PUBLICATIONS) and entry.worker is not worker:
            return  # of what is relayed its origin tells
        self._tell(lesson, message)

    async def observe(self, lesson: LessonId) -> LessonStats:
        """What is the case in a lesson, wherever its receivers are; raises UnknownLesson."""
        entry = self._entry(lesson)
        workers = (entry.worker, *entry.relays)
        first, *others = await asyncio.gather(*(self._ask(w, messages.Observe(lesson), lesson) for w in workers))
        assert isinstance(first, LessonStats)
        receivers = [r for other in others if isinstance(other, LessonStats) for r in other.receivers]
        return replace(first, receivers=(*first.receivers, *receivers))

    def stats(self) -> dict[str, float]:
        """Counters and gauges of all workers together, and of the pool."""
        numbers = Counter[str](self._past)
        for worker in self._workers.values():
            numbers.update(worker.stats)
        alive = [worker for worker in self._workers.values() if worker.alive]
        return {
            **numbers,
            "workers": len(alive),
            "worker_restarts_total": self._restarts,
            "busiest_worker_cpu_ratio": max((worker.cpu for worker in alive), default=0.0),
        }


async def _close(worker: WorkerProcess, lesson: LessonId, reason: str) -> None:
    try:
        await worker.ask(messages.CloseLesson(lesson, reason))
    except WorkerGone:
        pass  # and its sessions with it
    except ClassroomError as error:  # the end of the others, and of the server, goes on
        logger.error("lesson=%s cannot be closed by worker %d: %s", lesson, worker.number, error)


def _ports_of(media: MediaSettings, number: int) -> MediaSettings:
    """The settings of one worker: neighbouring ports, unless any will do."""
    tcp_port = media.tcp_port + number if media.tcp_port else media.tcp_port
    return replace(media, port=media.port + number if media.port else 0, tcp_port=tcp_port)


class PoolRecording:
    """A recording that a worker writes. When the worker is gone it ends as a crash would leave it."""

    def __init__(self, worker: WorkerProcess, number: int, forget: Callable[[], object]) -> None:
        self._worker = worker
        self._number = number
        self._forget = forget

    def add_event(self, name: str, /, **data: object) -> None:
        """Note what happened, at the present time."""
        self._worker.tell(messages.AddRecordingEvent(self._number, name, data))

    async def finish(self, state: RecordingState) -> None:
        """Write what is left and close the files; raises WorkerGone when it cannot be COMPLETE."""
        try:
            await self._worker.ask(messages.FinishRecording(self._number, state))
        except WorkerGone:
            if state is RecordingState.COMPLETE:
                raise
        finally:
            self._forget()
