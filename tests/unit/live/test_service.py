"""The lesson service: what it asks of media server and recorder, in which order, and what it survives."""

import asyncio

import pytest

from classroom.live.errors import LessonEnded, UnknownLesson
from classroom.live.participant import Person
from classroom.live.service import Owner
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
from tests.unit.live.house import CAPTURE, MATHS, VILLAGE, everything
from tests.unit.web.running_node import make_offer


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


async def test_a_client_that_gives_up_interrupts_no_start(house):
    task = asyncio.create_task(house.service.start(MATHS))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await house.service.start(MATHS)
    assert house.log == ["open media", "record"]
    assert [entry.state for entry in await house.journal.load()] == [LessonState.LIVE]


async def test_the_media_follow_a_call_and_the_camera_that_comes_after_it(house):
    await house.service.start(MATHS)
    with house.service.connect(MATHS, VILLAGE):
        house.service.change(MATHS, lambda live, wall: live.call_on(VILLAGE.id, False, wall))
        assert house.media.direction == Direction(None, frozenset({VILLAGE.id}))
        camera = Publication(PublicationId("p"), VILLAGE.id, Label.CAMERA, TrackKind.VIDEO, "camera-village1")
        house.service.on_event(MATHS, PublicationAdded(camera))
        async with asyncio.timeout(30):
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
        async with asyncio.timeout(30):
            while not (link := getattr(getattr((await feed.take()).message, "participant", None), "link", None)):
                pass
    assert (link.word, link.cause, link.loss_percent, link.down_kbps) == ("poor", "loss", 20.0, 3000)
    house.media.refuse = sfu.NoWorker("gone")
    await asyncio.sleep(0.01)
    assert all(not task.done() for task in house.service._routines), "the watch goes on"
    await house.service.drain()
