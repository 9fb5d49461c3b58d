"""The lesson service with surroundings that note what they are asked."""

import contextlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from classroom.live.feed import FeedClosed
from classroom.live.journal import Journal
from classroom.live.links import LinkMemory
from classroom.live.participant import Person
from classroom.live.service import LessonService
from classroom.model import (
    LessonId,
    ParticipantId,
    RecordingState,
    Role,
    SessionId,
)
from classroom.sfu import session as sfu
from classroom.sfu.core.events import (
    SessionClosed,
)

if TYPE_CHECKING:
    from classroom.sfu.core.stats import LessonStats

MATHS = LessonId("maths")
CAPTURE = Person(ParticipantId("capture1"), Role.CAPTURE, "")
VILLAGE = Person(ParticipantId("village1"), Role.CLASSROOM, "三小")


class Media:
    """A media server that only notes what it is asked; the real one is used in tests/integration."""

    def __init__(self, log: list[str]) -> None:
        self.log = log
        self.open: set[str] = set()
        self.service: LessonService | None = None
        self.names = None
        self.refuse: Exception | None = None
        self.stats: LessonStats | None = None

    async def open_lesson(self, lesson):
        if self.refuse is not None:
            raise self.refuse
        self.log.append("open media")
        self.open.add(lesson)

    async def close_lesson(self, lesson, reason):
        self.log.append("close media")
        self.open.discard(lesson)

    def accept(self, lesson, what):
        if lesson not in self.open:
            raise sfu.UnknownLesson(lesson)
        self.log.append(what)
        return sfu.Session(SessionId(f"session{len(self.log)}"), "answer", '"0"')

    async def publish(self, lesson, participant, offer, names):
        self.names = names
        return self.accept(lesson, "publish")

    async def subscribe(self, lesson, participant, offer, last_time_bps=None):
        self.last_time_bps = last_time_bps
        return self.accept(lesson, "subscribe")

    def direct(self, lesson, direction):
        if self.refuse is not None:
            raise self.refuse
        self.direction = direction

    async def observe(self, lesson):
        if self.refuse is not None:
            raise self.refuse
        return self.stats

    async def close_session(self, session, reason):
        self.log.append("close session")
        self.service.on_event(MATHS, SessionClosed(session, CAPTURE.id, True, reason))


class Recording:
    """Notes what it is told; can refuse to finish."""

    def __init__(self, log, on_state, error=None) -> None:
        self.log, self.on_state, self.error = log, on_state, error
        self.events: list[tuple[str, dict]] = []

    def add_event(self, name, /, **data):
        self.events.append((name, data))

    async def finish(self, state):
        self.log.append(f"finish {state}")
        if self.error is not None:
            raise self.error


class House:
    """A service with its surroundings."""

    def __init__(self, folder) -> None:
        self.log: list[str] = []
        self.recordings: list[Recording] = []
        self.refuse: Exception | None = None
        self.refuse_finish: Exception | None = None
        self.now = datetime(2026, 9, 1, 12, 0, tzinfo=UTC)
        self.journal = Journal(folder / "lessons.json")
        self.media = Media(self.log)
        self.service = self.media.service = LessonService(
            self.media, self.record, self.journal, LinkMemory(folder / "links.json"), wall=lambda: self.now
        )

    async def record(self, lesson, title, on_state, resume):
        self.log.append("resume recording" if resume else "record")
        if self.refuse is not None:
            raise self.refuse
        self.recordings.append(Recording(self.log, on_state, self.refuse_finish))
        return self.recordings[-1]

    def recording(self) -> RecordingState:
        return self.service.find(MATHS).recording


async def everything(feed) -> list:
    told = []
    with contextlib.suppress(FeedClosed):
        while True:
            told.append((await feed.take()).message)
    return told
