"""Holds the lessons of this node: joins participants, their media sessions and the recorder into one state."""

from __future__ import annotations

import asyncio
import logging
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from classroom.live.errors import Busy, Draining, LessonEnded, NotYours, unknown_lesson
from classroom.live.held import HeldLesson
from classroom.live.instant import iso
from classroom.live.journal import Entry, Journal, entry_of, lesson_of
from classroom.live.lesson import DESERTED_AFTER, UNNUMBERED, Delta, LiveLesson
from classroom.live.link import links_of
from classroom.messages import Note, SessionEnded, VolumeSet
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

    from classroom.live.feed import Feed
    from classroom.live.links import LinkMemory
    from classroom.live.participant import Person
    from classroom.live.ports import MediaServer, Record
    from classroom.messages import ReportView

logger = logging.getLogger(__name__)

HOUSEKEEPING_S = 30.0
WATCHING_S = 2.0  # how often somebody who conducts is told how the links are
MAX_OF_ONE = 32  # media sessions of a participant: one token must not take the places of a whole district
KEEP_ENDED = timedelta(days=7)  # for so long an ended lesson refuses publishers that were not told
DRAINING = "draining"

_T = TypeVar("_T")


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
        self._lessons: dict[LessonId, HeldLesson] = {}
        self._sessions: dict[SessionId, Owner] = {}
        self._tasks: set[asyncio.Task[object]] = set()
        self._routines: list[asyncio.Task[None]] = []
        self._followers: list[Callable[[LiveLesson], None]] = []
        self.draining = False

    def follow(self, hear: Callable[[LiveLesson], None]) -> None:
        """Let ``hear`` be called at once whenever something about a lesson has changed."""
        self._followers.append(hear)

    # --- life --------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Go on with the lessons that were live when the server stopped."""
        live = []
        for entry in await self._journal.load():
            lesson = lesson_of(entry, self._wall())
            held = self._hold(entry.id, lesson)
            held.streams.keep(entry.kept)
            if entry.state is LessonState.LIVE:
                live.append(held)
            else:
                lesson.set_recording(entry.recording, entry.recording_detail)
        for held in live:  # when all are held: what happens to the first writes the journal anew
            logger.info("lesson=%s goes on", held.lesson.id)
            await self._resume_media(held)
        await self._links.load()
        self._routines = [
            asyncio.create_task(self._keep_house(), name="lesson housekeeping"),
            asyncio.create_task(self._watch_links(), name="link watch"),
        ]

    async def drain(self) -> None:
        """Take nobody in, tell everybody, finish recordings; what is live stays so for the next start."""
        self.draining = True
        for routine in self._routines:
            routine.cancel()
        for held in self._lessons.values():
            held.streams.close(DRAINING)
        await asyncio.gather(*self._tasks, return_exceptions=True)
        live = [held for held in self._lessons.values() if held.lesson.state is LessonState.LIVE]
        await asyncio.gather(*(held.close_media("the server restarts", RecordingState.INTERRUPTED) for held in live))
        await self._journal.close()
        await self._journal.flush(self._entries)
        await self._links.save()

    async def settle(self) -> None:
        """Wait until all that has happened by now survives the death of this process, unless the disk fails."""
        await self._journal.settle(self._entries)

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

    def plan(self, lesson: LessonId, title: str, ends_at: datetime | None, interactive: bool) -> None:
        """Hear what the timetable says of a lesson, before it is started or later."""
        held = self._hold(lesson)
        held.tell(held.lesson.plan(title, ends_at, interactive))

    def direct(self, lesson: LessonId, programme: str | None, floor: Iterable[str]) -> None:
        """Show a publication, by name, as the programme of a live lesson, and let these participants be heard and seen.

        Raises UnknownLesson, Draining.
        """
        who = [ParticipantId(participant) for participant in floor]
        self.change(lesson, lambda live, wall: live.direct(programme, who, wall))

    def change(self, lesson: LessonId, apply: Callable[[LiveLesson, datetime], list[Delta]]) -> None:
        """Change something in a live lesson, tell everybody, let the media follow.

        Raises UnknownLesson, Draining, and what ``apply`` raises.
        """
        self._refuse_when_draining()
        held = self._find(lesson)
        if held.lesson.state is not LessonState.LIVE:
            raise unknown_lesson(lesson)
        held.tell(apply(held.lesson, self._wall()))

    def report(self, lesson: LessonId, person: Person, report: ReportView) -> None:
        """Hear what a terminal says of itself."""
        held = self._lessons.get(lesson)
        if held is not None:
            held.tell(held.lesson.report(person.id, report))

    def send_note(self, lesson: LessonId, text: str, to: ParticipantId | None) -> None:
        """Tell a participant, or every classroom, something in words. Raises UnknownLesson, UnknownParticipant."""
        held = self._find(lesson)
        live = held.lesson
        people = [live.require(who) for who in (live.classrooms() if to is None else [to])]
        for person in people:
            held.streams.tell_one(person.id, Note(UNNUMBERED, text, iso(self._wall())))
        self._journal.save_soon(self._entries)
        held.note("note", text=text, to=[] if to is None else [{"id": p.id, "name": p.name} for p in people])

    def set_volume(self, lesson: LessonId, who: ParticipantId, volume: int) -> None:
        """Tell a participant how loud to be, 0 to 100. Raises UnknownLesson, UnknownParticipant."""
        held = self._find(lesson)
        held.streams.tell_one(held.lesson.require(who).id, VolumeSet(UNNUMBERED, volume))
        self._journal.save_soon(self._entries)

    async def note_recording(self, lesson: LessonId, state: RecordingState, detail: str | None) -> None:
        """Hear what became of the recording of a lesson after its end; one that is live or unknown is left alone."""
        held = self._lessons.get(lesson)
        if held is not None and held.lesson.state is LessonState.ENDED:
            deltas = held.lesson.set_recording(state, detail)
            held.tell(deltas)
            if deltas:
                await self._to_the_end(self.settle())

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
    def connect(self, lesson: LessonId, person: Person, stream: str | None = None, seq: int = 0) -> Iterator[Feed]:
        """A control connection: yields what it is to be told. The lesson need not exist yet.

        A client that had a ``stream`` up to ``seq`` goes on there if it comes back within a minute.
        """
        held = self._hold(lesson)
        feed = held.streams.open(person, stream, seq, self._wall())
        held.tell(held.lesson.join(person, self._wall()))
        if self.draining:
            feed.close(DRAINING)
        try:
            yield feed
        finally:
            held.streams.leave(feed, self._wall())
            if not feed.expelled:
                held.tell(held.lesson.leave(person.id, self._wall(), silent=feed.silent, cut=feed.cut))
            self._let_go(held)

    def hear(self, lesson: LessonId, person: Person, feed: Feed, *, silent: bool) -> None:
        """A control connection has fallen silent, or is heard again: whoever is on it is shown as cut off meanwhile."""
        held = self._lessons.get(lesson)
        if held is not None and feed.silent != silent and not feed.expelled:
            held.streams.hear(feed, silent=silent)
            held.tell(held.lesson.hear(person.id, self._wall(), silent=silent))

    # --- media sessions ----------------------------------------------------------------------------------------

    async def publish(self, lesson: LessonId, person: Person, offer: str, *, may_open: bool) -> sfu.Session:
        """Accept a publisher; with ``may_open`` its coming starts a lesson that nobody has opened.

        Raises BadOffer, UnacceptableOffer, UnknownLesson, LessonEnded, Busy, Draining.
        """
        parse_offer(offer)  # nonsense starts no lesson

        def accept(held: HeldLesson) -> Awaitable[sfu.Session]:
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

    async def expel(self, participant_id: ParticipantId, reason: str) -> None:
        """End every connection and media session of somebody whose token is void from now on."""
        for held in self._lessons.values():
            held.streams.expel(participant_id, reason)
            held.tell(held.lesson.dismiss(participant_id, self._wall()))
        await self._close_sessions(participant_id, reason)

    async def _close_sessions(self, participant_id: ParticipantId, reason: str, but: int = 0) -> None:
        """End the media sessions of somebody, but for the newest."""
        theirs = [session for session, owner in self._sessions.items() if owner.person.id == participant_id]
        for session in theirs[: max(0, len(theirs) - but)]:
            try:
                await self._media.close_session(session, reason)
            except sfu.UnknownSession:
                pass  # it ended meanwhile

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
        accept: Callable[[HeldLesson], Awaitable[sfu.Session]],
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
        held: HeldLesson,
        owner: Owner,
        accept: Callable[[HeldLesson], Awaitable[sfu.Session]],
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
                await held.open_media(resume=True)
                session = await accept(held)
            self._sessions[session.id] = owner
            self._begin(self._close_sessions(owner.person.id, "too many sessions of one participant", but=MAX_OF_ONE))
            held.tell(held.lesson.open_session(session.id, owner.person, owner.publishing, self._wall()))
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
                    held.streams.tell_one(owner.person.id, SessionEnded(UNNUMBERED, session_id, reason))
            case LinkMeasured(participant_id, estimate_bps):
                self._links.measured(participant_id, estimate_bps)
                return
            case MediaLost(reason):
                logger.warning("lesson=%s has lost its media: %s", lesson, reason)
                deltas = live.lose_media()
                held.media_lost = True
                self._begin(self._reopen(held))
        held.tell(deltas)

    # --- transitions, under the lock of the lesson -------------------------------------------------------------

    async def _start(self, held: HeldLesson) -> None:
        async with held.lock:
            self._refuse_when_draining()
            if held.lesson.state is not LessonState.LIVE:
                await self._go_live(held)

    async def _end(self, held: HeldLesson) -> None:
        async with held.lock:
            if held.lesson.state is LessonState.LIVE:
                held.tell(held.lesson.end(self._wall()))
                logger.info("lesson=%s ended", held.lesson.id)
                await held.close_media("the lesson has ended", RecordingState.COMPLETE)
                await self.settle()

    async def _go_live(self, held: HeldLesson) -> None:
        held.tell(held.lesson.start(self._wall()))
        logger.info("lesson=%s started", held.lesson.id)
        await held.open_media(resume=False)
        await self.settle()

    async def _reopen(self, held: HeldLesson) -> None:
        """Let media come again before anybody asks for it: the recording goes on, and nobody waits for it."""
        async with held.lock:
            if held.media_lost and held.lesson.state is LessonState.LIVE and not self.draining:
                await self._resume_media(held)

    async def _resume_media(self, held: HeldLesson) -> None:
        try:
            await held.open_media(resume=True)
        except ClassroomError as error:  # the next session opens it
            logger.error("lesson=%s has no media: %s", held.lesson.id, error)

    def _entries(self) -> Iterator[Entry]:
        for held in self._lessons.values():
            if held.lesson.state is not LessonState.PLANNED:
                yield entry_of(held.lesson, held.streams.kept)

    # --- inside ------------------------------------------------------------------------------------------------

    def _hold(self, lesson_id: LessonId, lesson: LiveLesson | None = None) -> HeldLesson:
        held = self._lessons.get(lesson_id)
        if held is None:
            lesson = lesson or LiveLesson(lesson_id)
            changed = partial(self._changed, lesson)
            held = HeldLesson(lesson, self._media, self._record, self._wall, changed)
            self._lessons[lesson_id] = held
        return held

    def _changed(self, lesson: LiveLesson) -> None:
        self._journal.save_soon(self._entries)
        for hear in self._followers:
            hear(lesson)

    def _find(self, lesson: LessonId) -> HeldLesson:
        held = self._lessons.get(lesson)
        if held is None:
            raise unknown_lesson(lesson)
        return held

    def _let_go(self, held: HeldLesson) -> None:
        """Forget a lesson that was only waited for, and is not expected."""
        lesson = held.lesson
        expected = lesson.ends_at is not None and self._wall() - lesson.ends_at < DESERTED_AFTER
        idle = not held.streams.connected and not held.lock.locked() and not expected
        if idle and lesson.state is LessonState.PLANNED and self._lessons.get(lesson.id) is held:
            del self._lessons[lesson.id]

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
                held.streams.forget_expired(wall)
                held.tell(lesson.forget_absent(wall))
                self._let_go(held)
                if lesson.is_deserted(wall):
                    logger.info("lesson=%s is over: long past the bell nobody has ended it", lesson.id)
                    self._begin(self._end(held))
                busy = held.streams.connected or held.lock.locked()
                if not busy and lesson.ended_at is not None and wall - lesson.ended_at >= KEEP_ENDED:
                    del self._lessons[lesson.id]

    async def _watch_links(self) -> None:
        while True:
            await asyncio.sleep(WATCHING_S)
            for held in list(self._lessons.values()):
                if held.lesson.state is not LessonState.LIVE or not held.streams.watched:
                    continue
                try:
                    stats = await self._media.observe(held.lesson.id)
                except ClassroomError as error:  # its media are being opened, or their process starts again
                    logger.debug("lesson=%s cannot be observed: %s", held.lesson.id, error)
                    continue
                held.tell(held.lesson.set_links(links_of(stats)))
