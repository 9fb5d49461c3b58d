"""The lesson service: what it asks of media server and recorder, in which order, and what it survives."""

import asyncio
import contextlib
from datetime import UTC, datetime, timedelta

import pytest

from classroom.live.errors import LessonEnded, UnknownLesson
from classroom.live.feed import FeedClosed
from classroom.live.journal import Journal
from classroom.live.lesson import DESERTED_AFTER
from classroom.live.links import LinkMemory
from classroom.live.participant import Person
from classroom.live.service import KEEP_ENDED, LessonService, Owner
from classroom.model import (
    Label,
    LessonId,
    LessonState,
    ParticipantId,
    Publication,
    PublicationId,
    RecordingState,
    Role,
    SessionId,
    TrackKind,
)
from classroom.sfu import session as sfu
from classroom.sfu.core.assignment import Direction
from classroom.sfu.core.events import (
    LinkMeasured,
    MediaLost,
    PublicationAdded,
    PublicationLive,
    PublicationRemoved,
    SessionClosed,
)
from classroom.sfu.core.stats import LessonStats, ReceiverStats
from classroom.sfu.negotiate import BadOffer
from tests.unit.web.running_node import make_offer

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


@pytest.fixture
def house(tmp_path):
    return House(tmp_path)


@pytest.fixture(scope="module")
def offer() -> str:
    return asyncio.run(make_offer(sending=True))


async def test_the_recorder_is_there_before_the_first_frame(house, offer):
    await house.service.publish(MATHS, CAPTURE, offer, may_open=True)
    assert house.log == ["open media", "record", "publish"]
    assert house.recording() is RecordingState.RECORDING
    await house.service.publish(MATHS, CAPTURE, offer, may_open=True)
    assert house.log[3:] == ["publish"]


async def test_publishers_that_come_at_once_open_one_lesson(house, offer):
    await asyncio.gather(*(house.service.publish(MATHS, CAPTURE, offer, may_open=True) for _ in range(5)))
    assert house.log.count("record") == 1
    assert house.log.count("publish") == 5


async def test_nonsense_starts_no_lesson(house):
    with pytest.raises(BadOffer):
        await house.service.publish(MATHS, CAPTURE, "nonsense", may_open=True)
    assert (house.log, house.service.lessons()) == ([], [])


async def test_the_end_closes_media_then_the_recorder(house, offer):
    await house.service.publish(MATHS, CAPTURE, offer, may_open=True)
    del house.log[:]
    await house.service.end(MATHS)
    assert house.log == ["close media", "finish complete"]
    assert house.recording() is RecordingState.COMPLETE
    with pytest.raises(LessonEnded):
        await house.service.subscribe(MATHS, VILLAGE, offer)


async def test_a_recorder_that_cannot_open_fails_and_the_lesson_goes_on(house, offer):
    house.refuse = OSError("no space left")
    await house.service.publish(MATHS, CAPTURE, offer, may_open=True)
    live = house.service.find(MATHS)
    assert (live.state, live.recording) == (LessonState.LIVE, RecordingState.FAILED)
    assert "no space left" in live.recording_detail
    await house.service.end(MATHS)
    assert house.recording() is RecordingState.FAILED


async def test_a_recorder_that_cannot_finish_is_never_called_complete(house):
    house.refuse_finish = OSError("gone")
    await house.service.start(MATHS)
    await house.service.end(MATHS)
    assert house.recording() is RecordingState.FAILED


async def test_a_recorder_that_failed_meanwhile_is_never_called_complete(house):
    await house.service.start(MATHS)
    house.recordings[0].on_state(RecordingState.FAILED, "disk full")
    assert (house.recording(), house.service.find(MATHS).recording_detail) == (RecordingState.FAILED, "disk full")
    await house.service.end(MATHS)
    assert house.recording() is RecordingState.FAILED


async def test_a_former_recorder_is_not_listened_to(house):
    await house.service.start(MATHS)
    await house.service.end(MATHS)
    await house.service.start(MATHS)
    house.recordings[0].on_state(RecordingState.FAILED, "late")
    assert house.recording() is RecordingState.RECORDING


async def test_a_fault_in_its_media_does_not_end_the_lesson(house, offer):
    await house.service.start(MATHS)
    house.media.open.clear()  # what the media server does after a fault of ours
    del house.log[:]
    await house.service.publish(MATHS, CAPTURE, offer, may_open=True)
    assert house.log == ["open media", "finish interrupted", "resume recording", "publish"]
    assert house.recording() is RecordingState.RECORDING


async def test_lost_media_are_opened_again_before_anybody_asks(house, offer):
    session = await house.service.publish(MATHS, CAPTURE, offer, may_open=True)
    camera = Publication(PublicationId("p"), CAPTURE.id, Label.CAMERA, TrackKind.VIDEO, "camera")
    house.service.on_event(MATHS, PublicationAdded(camera))
    del house.log[:]
    with house.service.connect(MATHS, CAPTURE) as own, house.service.connect(MATHS, VILLAGE) as other:
        assert (await own.take()).message.publications
        await other.take()
        house.service.on_event(MATHS, SessionClosed(session.id, CAPTURE.id, True, "its media process died"))
        house.service.on_event(MATHS, MediaLost("its media process died"))
        house.service.on_event(MATHS, MediaLost("its media process died"))
        assert house.service.find(MATHS).publications() == []
        async with asyncio.timeout(30):
            while house.log != ["open media", "finish interrupted", "resume recording"]:
                await asyncio.sleep(0.001)
            told = [(await own.take()).message for _ in range(3)]
        assert [m.session_id for m in told if m.type == "session_ended"] == [session.id]
        for feed in (own, other):
            feed.close("")
        assert "session_ended" not in [message.type for message in await everything(other)]
    assert house.recording() is RecordingState.RECORDING
    with pytest.raises(sfu.UnknownSession):
        await house.service.close_session(Owner(MATHS, CAPTURE, True), session.id)


async def everything(feed) -> list:
    told = []
    with contextlib.suppress(FeedClosed):
        while True:
            told.append((await feed.take()).message)
    return told


async def test_what_the_teacher_directs_is_told_to_the_media_also_when_they_come_back(house, offer):
    await house.service.start(MATHS)
    assert house.media.direction == Direction()
    house.service.direct(MATHS, "camera-east", ["east"])
    expected = Direction("camera-east", frozenset({"east"}))
    assert house.media.direction == house.service.find(MATHS).direction == expected
    house.media.direction = None
    house.service.on_event(MATHS, MediaLost("its process died"))
    async with asyncio.timeout(30):
        while house.media.direction != expected:
            await asyncio.sleep(0.001)
    await house.service.end(MATHS)
    with pytest.raises(UnknownLesson):
        house.service.direct(MATHS, None, [])
    await house.service.start(MATHS)
    assert house.media.direction == Direction()


async def test_what_the_teacher_directs_is_part_of_the_recording(house, offer):
    await house.service.start(MATHS)
    with house.service.connect(MATHS, VILLAGE):
        house.service.direct(MATHS, "camera-village", [VILLAGE.id, "nobody"])
        house.service.direct(MATHS, "camera-village", [VILLAGE.id, "nobody"])
        house.service.direct(MATHS, "camera-village", [])
    directed = [event for event in house.recordings[0].events if event[0] != "participant"]
    assert directed == [
        ("programme", {"programme": "camera-village"}),
        ("floor", {"participants": [{"id": VILLAGE.id, "name": "三小"}]}),
        ("floor", {"participants": []}),
    ]


async def test_the_next_session_of_a_classroom_begins_with_what_its_link_carried(house, offer):
    await house.service.start(MATHS)
    await house.service.subscribe(MATHS, VILLAGE, offer)
    assert house.media.last_time_bps is None
    house.service.on_event(MATHS, LinkMeasured(VILLAGE.id, 2e6))
    await house.service.subscribe(MATHS, VILLAGE, offer)
    assert house.media.last_time_bps == 2e6


async def test_media_that_cannot_be_opened_again_at_once_are_opened_for_the_next_session(house, offer, caplog):
    await house.service.publish(MATHS, CAPTURE, offer, may_open=True)
    house.media.refuse = sfu.NoWorker("the media workers are being restarted")
    house.media.open.clear()
    house.service.on_event(MATHS, MediaLost("its media process died"))
    async with asyncio.timeout(30):
        while "has no media" not in caplog.text:
            await asyncio.sleep(0.001)
    house.media.refuse = None
    await house.service.publish(MATHS, CAPTURE, offer, may_open=True)
    assert house.recording() is RecordingState.RECORDING


async def test_media_lost_after_the_end_stay_closed(house):
    await house.service.start(MATHS)
    await house.service.end(MATHS)
    del house.log[:]
    house.service.on_event(MATHS, MediaLost("its media process died"))
    await asyncio.sleep(0.01)
    assert house.log == []


async def test_events_become_what_others_are_told(house, offer):
    await house.service.publish(MATHS, CAPTURE, offer, may_open=True)
    assert house.media.names[Label.CAMERA] == "camera"
    with house.service.connect(MATHS, VILLAGE) as feed:
        snapshot = (await feed.take()).message
        assert [participant.role for participant in snapshot.participants] == [Role.CAPTURE, Role.CLASSROOM]
        camera = Publication(PublicationId("p"), CAPTURE.id, Label.CAMERA, TrackKind.VIDEO, "camera")
        for event in (
            PublicationAdded(camera),
            PublicationLive(camera.id, False),
            PublicationRemoved(camera.id, "bye"),
        ):
            house.service.on_event(MATHS, event)
        told = [await feed.take() for _ in range(3)]
        assert [message.type for _, message in told] == [
            "publication_changed",
            "publication_changed",
            "publication_removed",
        ]
        assert [seq for seq, _ in told] == [2, 3, 4]
    assert house.recordings[0].events[-1][1]["name"] == "三小"  # who was there is part of the recording
    assert [data["online"] for _, data in house.recordings[0].events if data["id"] == VILLAGE.id] == [True, False]
    house.service.on_event(LessonId("other"), PublicationAdded(camera))  # of a lesson that is over


async def test_a_session_is_forgotten_when_it_is_closed(house, offer):
    session = await house.service.publish(MATHS, CAPTURE, offer, may_open=True)
    owner = Owner(MATHS, CAPTURE, True)
    assert house.service.sessions(publishing=True) == 1
    await house.service.close_session(owner, session.id)
    assert house.service.sessions(publishing=True) == 0
    with pytest.raises(sfu.UnknownSession):
        await house.service.close_session(owner, session.id)


async def test_drained_lessons_are_interrupted_and_go_on(house, tmp_path):
    await house.service.open()
    await house.service.start(MATHS)
    await house.service.start(LessonId("music"))
    await house.service.end(LessonId("music"))
    await house.service.drain()
    assert "finish interrupted" in house.log
    again = House(tmp_path)
    await again.service.open()
    assert again.log == ["open media", "resume recording"]
    assert again.service.find(MATHS).started_at == house.now
    music = again.service.find(LessonId("music"))
    assert (music.state, music.recording) == (LessonState.ENDED, RecordingState.COMPLETE)
    await again.service.drain()


async def test_lessons_that_go_on_are_all_in_the_journal_whatever_becomes_of_the_first(house, tmp_path):
    await house.service.open()
    await house.service.start(MATHS)
    await house.service.start(LessonId("music"))
    await house.service.drain()
    again = House(tmp_path)
    opened, kept = [], []

    async def open_lesson(lesson):
        opened.append(lesson)
        again.service.find(lesson).set_recording(RecordingState.RECORDING)
        await again.service.settle()
        kept.append({entry.id for entry in await Journal(tmp_path / "lessons.json").load()})
        raise sfu.NoWorker("none is ready")

    again.media.open_lesson = open_lesson
    await again.service.open()
    assert opened == [MATHS, LessonId("music")], "one that cannot go on now holds up no other"
    assert kept == [{MATHS, LessonId("music")}] * 2, "a power cut now would end none"
    await again.service.drain()


async def test_a_client_that_gives_up_interrupts_no_start(house):
    task = asyncio.create_task(house.service.start(MATHS))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await house.service.start(MATHS)
    assert house.log == ["open media", "record"]
    assert [entry.state for entry in await house.journal.load()] == [LessonState.LIVE]


async def test_ended_lessons_are_forgotten_after_a_week(house, monkeypatch):
    monkeypatch.setattr("classroom.live.service.HOUSEKEEPING_S", 0.001)
    await house.service.start(MATHS)
    await house.service.end(MATHS)
    await house.service.open()
    house.now += KEEP_ENDED - timedelta(seconds=1)
    await asyncio.sleep(0.02)
    assert house.service.find(MATHS).state is LessonState.ENDED
    house.now += timedelta(seconds=1)
    async with asyncio.timeout(30):
        while house.service.lessons():
            await asyncio.sleep(0.001)
    await house.service.drain()


async def test_the_recording_of_an_ended_lesson_may_still_become_another(house):
    await house.service.note_recording(MATHS, RecordingState.REPAIRING, None)  # nobody knows it
    await house.service.start(MATHS)
    house.recordings[-1].on_state(RecordingState.RECORDING, None)
    await house.service.note_recording(MATHS, RecordingState.REPAIRING, "an older one")
    assert house.recording() is RecordingState.RECORDING
    await house.service.end(MATHS)
    with house.service.connect(MATHS, VILLAGE) as feed:
        await house.service.note_recording(MATHS, RecordingState.REPAIRING, "正在补传 being delivered")
        feed.close("")
        told = [message.lesson for message in await everything(feed) if hasattr(message, "lesson")]
    assert (told[-1].recording, told[-1].recording_detail) == ("repairing", "正在补传 being delivered")
    (entry,) = await house.journal.load()
    assert (entry.recording, entry.recording_detail) == (RecordingState.REPAIRING, "正在补传 being delivered")


async def test_the_media_follow_a_call_and_the_camera_that_comes_after_it(house):
    await house.service.start(MATHS)
    with house.service.connect(MATHS, VILLAGE):
        house.service.change(MATHS, lambda live, wall: live.call_on(VILLAGE.id, False, wall))
        assert house.media.direction == Direction(None, frozenset({VILLAGE.id}))
        camera = Publication(PublicationId("p"), VILLAGE.id, Label.CAMERA, TrackKind.VIDEO, "camera-village1")
        house.service.on_event(MATHS, PublicationAdded(camera))
        async with asyncio.timeout(5):
            while house.media.direction != Direction("camera-village1", frozenset({VILLAGE.id})):
                await asyncio.sleep(0.001)
    directed = [event for event in house.recordings[0].events if event[0] != "participant"]
    assert directed == [
        ("floor", {"participants": [{"id": VILLAGE.id, "name": "三小"}]}),
        ("programme", {"programme": "camera-village1"}),
    ]


async def test_media_that_cannot_be_directed_now_are_directed_with_the_next_change(house):
    await house.service.start(MATHS)
    house.media.refuse = sfu.NoWorker("the media workers are being restarted")
    house.service.direct(MATHS, None, ["east"])
    assert house.service.find(MATHS).view().floor == ["east"], "what was decided stands"
    house.media.refuse = None
    house.service.change(MATHS, lambda live, wall: live.turn_page(2, wall))
    assert house.media.direction == Direction(None, frozenset({"east"}))


async def test_who_conducts_is_told_how_links_are(house, monkeypatch):
    monkeypatch.setattr("classroom.live.service.WATCHING_S", 0.001)
    await house.service.open()
    await house.service.start(MATHS)
    receiver = ReceiverStats(SessionId("s"), VILLAGE.id, 2e6, 1, 1, 0, 0.2, 0.05, 3e6, None, 0, ())
    house.media.stats = LessonStats(MATHS, (), (receiver,), {}, (), 0.0)
    teacher = Person(ParticipantId("teacher1"), Role.TEACHER, "王老师")
    with house.service.connect(MATHS, VILLAGE), house.service.connect(MATHS, teacher) as feed:
        async with asyncio.timeout(5):
            while not (link := getattr(getattr((await feed.take()).message, "participant", None), "link", None)):
                pass
    assert (link.word, link.cause, link.loss_percent, link.down_kbps) == ("poor", "loss", 20.0, 3000)
    house.media.refuse = sfu.NoWorker("gone")
    await asyncio.sleep(0.01)
    assert all(not task.done() for task in house.service._routines), "the watch goes on"
    await house.service.drain()


async def test_long_past_the_bell_a_lesson_in_which_nobody_is_left_is_ended(house, monkeypatch):
    monkeypatch.setattr("classroom.live.service.HOUSEKEEPING_S", 0.001)
    bell = house.now + timedelta(minutes=40)
    house.service.plan(MATHS, "数学", bell, True)
    await house.service.open()
    await asyncio.sleep(0.01)
    await house.service.start(MATHS)
    assert house.service.find(MATHS).title == "数学", "who is expected is not forgotten"
    with house.service.connect(MATHS, VILLAGE):
        house.now = bell + DESERTED_AFTER
        await asyncio.sleep(0.01)
        assert house.service.find(MATHS).state is LessonState.LIVE, "the lesson may overrun"
    house.now += DESERTED_AFTER - timedelta(seconds=1)
    await asyncio.sleep(0.01)
    assert house.service.find(MATHS).state is LessonState.LIVE
    house.now += timedelta(seconds=1)
    async with asyncio.timeout(5):
        while house.recording() is not RecordingState.COMPLETE:
            await asyncio.sleep(0.001)
    assert house.service.find(MATHS).state is LessonState.ENDED
    await house.service.drain()


async def test_who_comes_back_after_being_dismissed_is_not_counted_out_by_a_connection_from_before(house):
    """That one notices last: what was to be told to it waits for a network that is gone."""

    def online() -> list[bool]:
        return [view.online for view in house.service.find(MATHS).participants()]

    await house.service.start(MATHS)
    with contextlib.ExitStack() as dead:
        feed = dead.enter_context(house.service.connect(MATHS, VILLAGE))
        await house.service.expel(VILLAGE.id, "another device was paired for its room")
        with house.service.connect(MATHS, VILLAGE):
            house.service.hear(MATHS, VILLAGE, feed, silent=True)
            assert online() == [True]
            dead.close()
            assert online() == [True]
        assert online() == [False]
