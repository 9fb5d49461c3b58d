"""Holds the lessons of this node: joins participants, their media sessions and the recorder into one state."""

from __future__ import annotations

import asyncio
import logging
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from classroom.live.errors import Busy, Draining, LessonEnded, NotYours, unknown_lesson
from classroom.live.feed import Feed
from classroom.live.journal import Entry, Journal
from classroom.live.lesson import UNNUMBERED, Delta, LiveLesson, Person
from classroom.live.recording import LessonRecording
from classroom.messages import ParticipantChanged, SessionEnded
from classroom.model import ClassroomError, Label, LessonId, LessonState, ParticipantId, RecordingState, SessionId
from classroom.sfu import session as sfu
from classroom.sfu.core.events import (
    LinkMeasured,
    MediaEvent,
    MediaLost,
    PublicationAdded,
    PublicationLive,
    PublicationRemoved,
    SessionClosed,
    SessionConnected,
    SessionInterrupted,
)
from classroom.sfu.negotiate import parse_offer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator

    from classroom.live.links import LinkMemory
    from classroom.live.ports import MediaServer, Record

logger = logging.getLogger(__name__)

HOUSEKEEPING_S = 30.0
KEEP_ENDED = timedelta(days=7)  # for so long an ended lesson refuses publishers that were not told
DRAINING = "draining"

_T = TypeVar("_T")


@dataclass(slots=True, eq=False)
class _Held:
    lesson: LiveLesson
    recording: LessonRecording
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)  # one start, end or new session at a time
    feeds: dict[Feed, ParticipantId] = field(default_factory=dict)  # and whose they are
    media_lost: bool = False


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose a media session is, and of which lesson and door."""

    lesson: LessonId
    person: Person
    publishing: bool


class LessonService:
    """The lessons of this node. Everything runs on one event loop.

    ``media`` must tell its events to ``on_event``. Without ``record`` nothing is recorded.
    State changes and the deltas they give are made without an await in between; what takes time (media, files) follows
    under the lock of the lesson, in a task of the service, so that a client that goes away interrupts nothing.
    """

    def __init__(
        self,
        media: MediaServer,
        record: Record | None,
        journal: Journal,
        links: LinkMemory,
        *,
        max_sessions: int = 1000,
        wall: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._media = media
        self._record = record
        self._journal = journal
        self._links = links
        self._max_sessions = max_sessions
        self._wall = wall
        self._lessons: dict[LessonId, _Held] = {}
        self._sessions: dict[SessionId, Owner] = {}
        self._tasks: set[asyncio.Task[object]] = set()
        self._house: asyncio.Task[None] | None = None
        self.draining = False

    # --- life --------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Go on with the lessons that were live when the server stopped."""
        for entry in await self._journal.load():
            lesson = LiveLesson(entry.id, entry.title, entry.state, entry.started_at, entry.ended_at)
            held = self._hold(entry.id, lesson)
            if entry.state is LessonState.LIVE:
                logger.info("lesson=%s goes on", entry.id)
                await self._open_media(held, resume=True)
            else:
                lesson.set_recording(entry.recording, entry.recording_detail)
        await self._links.load()
        self._house = asyncio.create_task(self._keep_house(), name="lesson housekeeping")

    async def drain(self) -> None:
        """Take nobody in, tell everybody, finish recordings; what is live stays so for the next start."""
        self.draining = True
        if self._house is not None:
            self._house.cancel()
        for held in self._lessons.values():
            for feed in held.feeds:
                feed.close(DRAINING)
        await asyncio.gather(*self._tasks, return_exceptions=True)
        live = [held for held in self._lessons.values() if held.lesson.state is LessonState.LIVE]
        await asyncio.gather(
            *(self._close_media(held, "the server restarts", RecordingState.INTERRUPTED) for held in live)
        )
        await self._save()
        await self._links.save()

    # --- lessons -----------------------------------------------------------------------------------------------

    async def start(self, lesson: LessonId) -> None:
        """Start a lesson, known or not; one that is live goes on. Raises Draining."""
        self._refuse_when_draining()
        await self._to_the_end(self._start(self._hold(lesson)))

    async def end(self, lesson: LessonId) -> None:
        """End a lesson for everybody and finish its recording; one that has ended stays so.

        Raises UnknownLesson, Draining.
        """
        self._refuse_when_draining()
        held = self._lessons.get(lesson)
        if held is None or held.lesson.state is LessonState.PLANNED:
            raise unknown_lesson(lesson)
        await self._to_the_end(self._end(held))

    async def direct(self, lesson: LessonId, programme: str | None, floor: Iterable[str]) -> None:
        """Show a publication, by name, as the programme of a live lesson, and let these participants be heard and seen.

        Raises UnknownLesson, Draining.
        """
        self._refuse_when_draining()
        held = self._lessons.get(lesson)
        if held is None or held.lesson.state is not LessonState.LIVE:
            raise unknown_lesson(lesson)
        before = held.lesson.direction
        self._tell(held, held.lesson.direct(programme, [ParticipantId(who) for who in floor], self._wall()))
        direction = held.lesson.direction
        if direction.programme != before.programme:
            held.recording.note_programme(direction.programme)
        if direction.floor != before.floor:
            held.recording.note_floor(who for who in held.lesson.participants() if who.id in direction.floor)
        await self._to_the_end(self._direct(held))

    async def note_recording(self, lesson: LessonId, state: RecordingState, detail: str | None) -> None:
        """Hear what became of the recording of a lesson after its end; one that is live or unknown is left alone."""
        held = self._lessons.get(lesson)
        if held is not None and held.lesson.state is LessonState.ENDED:
            deltas = held.lesson.set_recording(state, detail)
            self._tell(held, deltas)
            if deltas:
                await self._to_the_end(self._save())

    def find(self, lesson: LessonId) -> LiveLesson:
        """A lesson that was opened; raises UnknownLesson."""
        held = self._lessons.get(lesson)
        if held is None or held.lesson.state is LessonState.PLANNED:
            raise unknown_lesson(lesson)
        return held.lesson

    def lessons(self) -> list[LiveLesson]:
        """Every lesson this node knows, also those that are only waited for."""
        return [held.lesson for held in self._lessons.values()]

    @contextmanager
    def connect(self, lesson: LessonId, person: Person) -> Iterator[Feed]:
        """A control connection: yields what it is to be told. The lesson need not exist yet."""
        held = self._hold(lesson)
        feed = Feed(lambda: held.lesson.snapshot(person.id, self._wall()))
        self._tell(held, held.lesson.join(person, self._wall()))
        held.feeds[feed] = person.id
        if self.draining:
            feed.close(DRAINING)
        try:
            yield feed
        finally:
            del held.feeds[feed]
            self._tell(held, held.lesson.leave(person.id, self._wall()))
            self._let_go(held)

    # --- media sessions ----------------------------------------------------------------------------------------

    async def publish(self, lesson: LessonId, person: Person, offer: str, *, may_open: bool) -> sfu.Session:
        """Accept a publisher; with ``may_open`` its coming starts a lesson that nobody has opened.

        Raises BadOffer, UnacceptableOffer, UnknownLesson, LessonEnded, Busy, Draining.
        """
        parse_offer(offer)  # nonsense starts no lesson

        def accept(held: _Held) -> Awaitable[sfu.Session]:
            names = {label: held.lesson.publication_name(person, label) for label in Label}
            return self._media.publish(lesson, person.id, offer, names)

        return await self._open_session(Owner(lesson, person, True), accept, may_open)

    async def subscribe(self, lesson: LessonId, person: Person, offer: str) -> sfu.Session:
        """Accept a receiver; raises BadOffer, UnacceptableOffer, UnknownLesson, LessonEnded, Busy, Draining."""
        return await self._open_session(
            Owner(lesson, person, False),
            lambda _: self._media.subscribe(lesson, person.id, offer, self._links.last_time_bps(person.id)),
            may_open=False,
        )

    async def patch(self, owner: Owner, session: SessionId, fragment: str, if_match: str | None) -> sfu.Patched:
        """Hand a fragment to a session of its owner; raises UnknownSession, NotYours, BadFragment, EtagMismatch."""
        self._own(owner, session)
        return await self._media.patch(session, fragment, if_match)

    async def close_session(self, owner: Owner, session: SessionId) -> None:
        """End a session of its owner; raises UnknownSession, NotYours."""
        self._own(owner, session)
        await self._media.close_session(session, "the client left")

    def sessions(self, *, publishing: bool) -> int:
        """How many WHIP (publishing) or WHEP sessions are open."""
        return sum(owner.publishing == publishing for owner in self._sessions.values())

    def _own(self, owner: Owner, session: SessionId) -> None:
        owned = self._sessions.get(session)
        if owned is None or (owned.lesson, owned.publishing) != (owner.lesson, owner.publishing):
            raise sfu.UnknownSession("没有这个媒体会话（可能已结束）。 There is no such session (it may have ended).")
        if owned.person.id != owner.person.id:
            raise NotYours("这是别人的媒体会话。 The session belongs to somebody else.")

    async def _open_session(
        self,
        owner: Owner,
        accept: Callable[[_Held], Awaitable[sfu.Session]],
        may_open: bool,
    ) -> sfu.Session:
        self._refuse_when_draining()
        if len(self._sessions) >= self._max_sessions:
            raise Busy("服务器已满，请稍后再试。 The server is full; try again later.")
        held = self._lessons.get(owner.lesson)
        if held is None:
            if not may_open:
                raise unknown_lesson(owner.lesson)
            held = self._hold(owner.lesson)
        return await self._to_the_end(self._accept(held, owner, accept, may_open))

    async def _accept(
        self,
        held: _Held,
        owner: Owner,
        accept: Callable[[_Held], Awaitable[sfu.Session]],
        may_open: bool,
    ) -> sfu.Session:
        async with held.lock:
            self._refuse_when_draining()
            if held.lesson.state is LessonState.ENDED:
                raise LessonEnded(
                    "课程已结束；主讲教师可以重新开始。 The lesson has ended; its teacher may start it again."
                )
            if held.lesson.state is LessonState.PLANNED:
                if not may_open:
                    raise unknown_lesson(held.lesson.id)
                await self._go_live(held)
            try:
                session = await accept(held)
            except sfu.UnknownLesson:  # its media were lost this moment; the lesson goes on
                await self._open_media(held, resume=True)
                session = await accept(held)
            self._sessions[session.id] = owner
            self._tell(held, held.lesson.open_session(session.id, owner.person, owner.publishing, self._wall()))
            return session

    def on_event(self, lesson: LessonId, event: MediaEvent) -> None:
        """Hear what the media server says happened."""
        held = self._lessons.get(lesson)
        owner = self._sessions.pop(event.session_id, None) if isinstance(event, SessionClosed) else None
        if held is None:
            return
        live, wall = held.lesson, self._wall()
        match event:
            case PublicationAdded(publication):
                deltas = live.add_publication(publication)
            case PublicationLive(publication_id, is_live):
                deltas = live.set_publication_live(publication_id, is_live)
            case PublicationRemoved(publication_id, _):
                deltas = live.remove_publication(publication_id)
            case SessionConnected(session_id, participant_id, _):
                deltas = live.connect_session(session_id, participant_id, wall)
            case SessionInterrupted(session_id, participant_id, _):
                logger.info("lesson=%s nothing is heard from participant %s", lesson, participant_id)
                deltas = live.connect_session(session_id, participant_id, wall, connected=False)
            case SessionClosed(session_id, participant_id, _, reason):
                deltas = live.close_session(session_id, participant_id, wall)
                if owner is not None:
                    self._tell_owner(held, owner, SessionEnded(UNNUMBERED, session_id, reason))
            case LinkMeasured(participant_id, estimate_bps):
                self._links.measured(participant_id, estimate_bps)
                return
            case MediaLost(reason):
                logger.warning("lesson=%s has lost its media: %s", lesson, reason)
                deltas = live.lose_media()
                held.media_lost = True
                self._begin(self._reopen(held))
        self._tell(held, deltas)

    # --- transitions, under the lock of the lesson -------------------------------------------------------------

    async def _start(self, held: _Held) -> None:
        async with held.lock:
            self._refuse_when_draining()
            if held.lesson.state is not LessonState.LIVE:
                await self._go_live(held)

    async def _end(self, held: _Held) -> None:
        async with held.lock:
            if held.lesson.state is LessonState.LIVE:
                self._tell(held, held.lesson.end(self._wall()))
                logger.info("lesson=%s ended", held.lesson.id)
                await self._close_media(held, "the lesson has ended", RecordingState.COMPLETE)
                await self._save()

    async def _direct(self, held: _Held) -> None:
        async with held.lock:
            if held.lesson.state is LessonState.LIVE and not held.media_lost:  # else it is told when they are back
                await self._media.direct(held.lesson.id, held.lesson.direction)

    async def _go_live(self, held: _Held) -> None:
        self._tell(held, held.lesson.start(self._wall()))
        logger.info("lesson=%s started", held.lesson.id)
        await self._open_media(held, resume=False)
        await self._save()

    async def _open_media(self, held: _Held, resume: bool) -> None:
        """Media can come when this is done, and all of it is recorded."""
        await self._media.open_lesson(held.lesson.id)
        held.media_lost = False  # what is lost from here on is another loss
        await self._media.direct(held.lesson.id, held.lesson.direction)
        await held.recording.open(held.lesson.title, resume)

    async def _reopen(self, held: _Held) -> None:
        """Let media come again before anybody asks for it: the recording goes on, and nobody waits for it."""
        async with held.lock:
            if held.media_lost and held.lesson.state is LessonState.LIVE and not self.draining:
                try:
                    await self._open_media(held, resume=True)
                except ClassroomError as error:  # the next session opens it
                    logger.error("lesson=%s has no media: %s", held.lesson.id, error)

    async def _close_media(self, held: _Held, reason: str, state: RecordingState) -> None:
        await self._media.close_lesson(held.lesson.id, reason)
        await held.recording.finish(state)

    async def _save(self) -> None:
        try:
            await self._journal.save(self._entries)
        except OSError:
            logger.exception("the list of live lessons cannot be written; they will not go on after a restart")

    def _entries(self) -> Iterator[Entry]:
        for held in self._lessons.values():
            lesson = held.lesson
            if lesson.state is not LessonState.PLANNED:
                yield Entry(
                    lesson.id,
                    lesson.title,
                    lesson.state,
                    lesson.started_at,
                    lesson.ended_at,
                    lesson.recording,
                    lesson.recording_detail,
                )

    # --- inside ------------------------------------------------------------------------------------------------

    def _hold(self, lesson_id: LessonId, lesson: LiveLesson | None = None) -> _Held:
        held = self._lessons.get(lesson_id)
        if held is None:
            recording = LessonRecording(lesson_id, self._record, partial(self._on_recording, lesson_id))
            held = self._lessons[lesson_id] = _Held(lesson or LiveLesson(lesson_id), recording)
        return held

    def _on_recording(self, lesson_id: LessonId, state: RecordingState, detail: str | None) -> None:
        held = self._lessons.get(lesson_id)
        if held is not None:
            self._tell(held, held.lesson.set_recording(state, detail))

    def _let_go(self, held: _Held) -> None:
        """Forget a lesson that was only waited for."""
        idle = not held.feeds and not held.lock.locked()
        if idle and held.lesson.state is LessonState.PLANNED and self._lessons.get(held.lesson.id) is held:
            del self._lessons[held.lesson.id]

    def _tell(self, held: _Held, deltas: list[Delta]) -> None:
        for delta in deltas:
            for feed in held.feeds:
                feed.put(delta)
            if isinstance(delta, ParticipantChanged):
                held.recording.note_participant(delta.participant)

    def _tell_owner(self, held: _Held, owner: Owner, message: SessionEnded) -> None:
        """Only its owner is told of a session: its id is nobody else's business."""
        for feed, participant_id in held.feeds.items():
            if participant_id == owner.person.id:
                feed.put(message)

    def _refuse_when_draining(self) -> None:
        if self.draining:
            raise Draining("服务器正在重启，请稍后再试。 The server is restarting; try again in a moment.")

    async def _to_the_end(self, work: Coroutine[object, object, _T]) -> _T:
        """Do the work even when the client that asked for it goes away meanwhile."""
        return await asyncio.shield(self._begin(work))

    def _begin(self, work: Coroutine[object, object, _T]) -> asyncio.Task[_T]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _keep_house(self) -> None:
        while True:
            await asyncio.sleep(HOUSEKEEPING_S)
            await self._links.save()
            wall = self._wall()
            for held in list(self._lessons.values()):
                lesson = held.lesson
                self._tell(held, lesson.forget_absent(wall))
                self._let_go(held)
                busy = held.feeds or held.lock.locked()
                if not busy and lesson.ended_at is not None and wall - lesson.ended_at >= KEEP_ENDED:
                    del self._lessons[lesson.id]
