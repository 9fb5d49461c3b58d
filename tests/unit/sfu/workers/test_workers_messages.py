"""What goes between the control plane and its workers arrives as it was sent."""

import asyncio
import json
import socket
from typing import get_args

import pytest

from classroom.model import (
    Label,
    LessonId,
    ParticipantId,
    Publication,
    PublicationId,
    RecordingState,
    SessionId,
    TrackKind,
)
from classroom.sfu.core.assignment import Direction
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
from classroom.sfu.negotiate import BadOffer
from classroom.sfu.session import EtagMismatch, MediaSettings, Patched, Session
from classroom.sfu.workers import channel as channels
from classroom.sfu.workers import messages
from classroom.sfu.workers.channel import Channel, FrameTooLarge
from classroom.sfu.workers.messages import BadFrame, WorkerError, decode, encode, error_of, refused
from classroom.sfu.workers.worker import Worker

LESSON, SESSION, TEACHER = LessonId("maths"), SessionId("s"), ParticipantId("t")
PUBLICATION = Publication(PublicationId("p"), TEACHER, Label.CAMERA, TrackKind.VIDEO, "camera")
MESSAGES = [
    messages.Configure(MediaSettings("::1", 8189, ("192.0.2.1", "2001:db8::1")), 1.5e9, "/data", "/run/0"),
    messages.Configure(MediaSettings(), 0.0, None, ""),
    messages.OpenLesson(LESSON),
    messages.CloseLesson(LESSON, "下课"),
    messages.Publish(LESSON, TEACHER, "v=0\r\n", {label: f"{label}-2" for label in Label}),
    messages.Subscribe(LESSON, TEACHER, "v=0\r\n", 350_000.0),
    messages.Direct(LESSON, Direction("camera", frozenset({TEACHER}))),
    messages.Patch(SESSION, "a=x", None),
    messages.CloseSession(SESSION, ""),
    messages.StartRecording(3, LESSON, "数学", True),
    messages.AddRecordingEvent(3, "participant", {"online": True, "name": "三小"}),
    messages.FinishRecording(3, RecordingState.COMPLETE),
    messages.StartRelay(LESSON, "/run/1"),
    messages.Observe(LESSON),
    messages.Ready(8190),
    messages.Heartbeat(0.25, {"sessions": 2.0}),
    messages.Done(),
    messages.Refused("BadOffer", "no"),
    messages.RecordingChanged(RecordingState.FAILED, "磁盘已满"),
    Session(SESSION, "v=0\r\n", '"1"'),
    Patched(None, '"1"'),
    PublicationAdded(PUBLICATION),
    PublicationRemoved(PUBLICATION.id, "bye"),
    PublicationLive(PUBLICATION.id, False),
    SessionConnected(SESSION, TEACHER, True),
    SessionClosed(SESSION, TEACHER, False, "gone"),
    SessionInterrupted(SESSION, TEACHER, True),
    LinkMeasured(TEACHER, 800_000.0),
    MediaLost("died"),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
@pytest.mark.parametrize("ref", [7, "maths", None])
def test_a_message_survives_the_journey(message, ref):
    assert decode(encode(message, ref)) == (message, ref)


def test_every_request_and_event_is_among_them():
    known = {type(message) for message in MESSAGES}
    assert set(get_args(messages.Request)) <= known
    assert set(get_args(MediaEvent)) <= known


@pytest.mark.parametrize(
    "frame",
    [b"", b"\xff", b"null", b"{}", b"[]", b"[1,2,3]", b'["OpenLesson",1]', b'["OpenLesson",1,{}]', b'["exit",1,{}]',
     json.dumps(["RecordingChanged", 1, {"state": "perhaps", "detail": None}]).encode()],
)  # fmt: skip
def test_what_is_no_message_is_refused(frame):
    with pytest.raises(BadFrame):
        decode(frame)


def test_errors_keep_their_class_and_text():
    for error in (BadOffer("no video"), EtagMismatch("older")):
        raised = error_of(refused(error))
        assert (type(raised), str(raised)) == (type(error), str(error))
    foreign = error_of(refused(OSError(28, "No space left on device")))
    assert isinstance(foreign, WorkerError)
    assert "No space left" in str(foreign)


async def both_ends() -> tuple[Channel, Channel]:
    ours, theirs = socket.socketpair()
    return await Channel.over(ours), await Channel.over(theirs)


async def test_messages_arrive_in_order_and_then_the_end():
    ours, theirs = await both_ends()
    for message in MESSAGES:
        ours.send(message, 1)
    ours.close()
    ours.send(messages.Done())  # nobody is there: dropped
    got = [await theirs.receive() for _ in MESSAGES]
    assert [message for message, _ in got] == MESSAGES
    assert await theirs.receive() is None
    theirs.close()


async def test_nonsense_from_the_other_end_is_told():
    ours, theirs = socket.socketpair()
    channel = await Channel.over(ours)
    theirs.sendall((channels.MAX_FRAME_BYTES + 1).to_bytes(4, "big"))
    with pytest.raises(BadFrame):
        await channel.receive()
    theirs.close()
    channel.close()


async def test_a_channel_that_nobody_reads_is_given_up_before_it_takes_all_memory(monkeypatch):
    monkeypatch.setattr(channels, "MAX_WAITING_BYTES", 1 << 20)
    ours, theirs = await both_ends()
    for _ in range(100):
        ours.send(messages.CloseLesson(LESSON, "x" * 100_000))
    async with asyncio.timeout(30):
        assert await ours.receive() is None
    ours.close()
    theirs.close()


async def test_what_is_too_large_is_refused_where_it_is_sent_and_the_channel_lives(monkeypatch):
    monkeypatch.setattr(channels, "MAX_FRAME_BYTES", 1000)
    ours, theirs = await both_ends()
    with pytest.raises(FrameTooLarge):
        ours.send(messages.CloseLesson(LESSON, "x" * 1000))
    ours.send(messages.CloseLesson(LESSON, "x"))
    assert await theirs.receive() == (messages.CloseLesson(LESSON, "x"), None)
    ours.close()
    theirs.close()


async def test_an_answer_that_is_too_large_is_refused_and_the_worker_goes_on(monkeypatch):
    monkeypatch.setattr(channels, "MAX_FRAME_BYTES", 150)
    ours, theirs = await both_ends()
    worker = Worker(theirs, messages.Configure(MediaSettings("127.0.0.1", 0), 0.0, None, ""), None)
    for number, request in enumerate((messages.OpenLesson(LESSON), messages.Observe(LESSON))):
        await worker._answer(request, number)
    assert await ours.receive() == (messages.Done(), 0)
    refusal, ref = await ours.receive()
    assert (refusal.error, ref) == ("FrameTooLarge", 1)
    ours.close()
    theirs.close()
