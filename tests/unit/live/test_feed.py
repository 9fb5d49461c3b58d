"""The feed of a connection: order, numbering, and what becomes of a client that is too slow."""

import asyncio

import pytest

from classroom.live.feed import Feed, FeedClosed
from classroom.messages import Ack, LessonView, Note, ParticipantLeft, Pong, Snapshot
from classroom.model import LessonState, RecordingState


class State:
    """Something to take snapshots of."""

    def __init__(self) -> None:
        self.title = "first"

    def snapshot(self) -> Snapshot:
        view = LessonView("maths", self.title, LessonState.LIVE, None, None, RecordingState.OFF, None)
        return Snapshot(0, "", "you", "2026-09-01T12:00:00.000Z", view)


def left(who: str) -> ParticipantLeft:
    return ParticipantLeft(0, who)


async def test_the_snapshot_comes_first_and_tells_what_happened_before():
    state = State()
    feed = Feed(state.snapshot)
    feed.put(left("a"))
    state.title = "second"
    seq, first = await feed.take()
    assert (first.type, seq, first.seq, first.lesson.title) == ("snapshot", 1, 1, "second")
    feed.put(left("b"))
    seq, second = await feed.take()
    assert (seq, second.participant_id) == (2, "b")


async def test_replies_keep_their_place_and_have_no_number():
    feed = Feed(State().snapshot)
    await feed.take()
    feed.put(left("a"))
    feed.put(Ack("7"))
    feed.put(left("b"))
    assert [(await feed.take()).message.type for _ in range(3)] == ["participant_left", "ack", "participant_left"]
    feed.put(left("c"))
    assert (await feed.take()).seq == 4


async def test_a_slow_client_gets_a_fresh_snapshot_instead_of_what_it_missed():
    state = State()
    feed = Feed(state.snapshot, capacity=3)
    assert (await feed.take()).seq == 1
    for number in range(4):
        feed.put(left(str(number)))
    state.title = "later"
    feed.put(left("5"))
    seq, told = await feed.take()
    assert (told.type, seq, told.lesson.title) == ("snapshot", 2, "later")
    feed.put(left("6"))
    seq, told = await feed.take()
    assert (seq, told.participant_id) == (3, "6")


async def test_the_queue_is_bounded_for_replies_too():
    feed = Feed(State().snapshot, capacity=3)
    await feed.take()
    for _ in range(1000):
        feed.put(Pong())
    assert (await feed.take()).message.type == "snapshot"
    waiting = 0
    while True:
        try:
            await asyncio.wait_for(feed.take(), 0.01)
        except TimeoutError:
            break
        waiting += 1
    assert waiting <= 3


async def test_a_taker_waits_for_the_next_message():
    feed = Feed(State().snapshot)
    await feed.take()
    taker = asyncio.create_task(feed.take())
    await asyncio.sleep(0)
    assert not taker.done()
    feed.put(Pong())
    assert await asyncio.wait_for(taker, 30) == (None, Pong())


async def test_closing_lets_what_waits_through():
    feed = Feed(State().snapshot)
    feed.put(Ack("1"))
    feed.close("draining")
    feed.close("again")
    assert [(await feed.take()).message.type for _ in range(2)] == ["snapshot", "ack"]
    with pytest.raises(FeedClosed) as closed:
        await feed.take()
    assert closed.value.reason == "draining"


async def test_the_next_connection_goes_on_after_what_arrived():
    feed = Feed(State().snapshot)
    for who in "abc":
        feed.put(left(who))
    await feed.take()
    for who in "abc":
        feed.put(left(who))
    for _ in range(2):
        await feed.take()
    feed.put(Ack("1"))  # of the connection that is gone
    heir = feed.succeed(2)
    told = [await heir.take() for _ in range(3)]
    assert [(seq, getattr(m, "participant_id", m.type)) for seq, m in told] == [(None, "resumed"), (3, "b"), (4, "c")]
    with pytest.raises(FeedClosed, match="superseded"):
        await feed.take()


async def test_what_was_for_one_alone_survives_being_dropped():
    feed = Feed(State().snapshot, capacity=4)
    await feed.take()
    feed.put(Note(0, "first", ""))
    for number in range(9):
        feed.put(left(str(number)))
    assert [(await feed.take()).message.type for _ in range(2)] == ["snapshot", "note"]


async def test_what_for_one_alone_may_not_have_arrived_comes_after_the_snapshot():
    feed = Feed(State().snapshot, kept=2)
    await feed.take()
    for message in (left("a"), left("b"), Note(0, "look", "")):
        feed.put(message)
        await feed.take()
    heir = feed.succeed(1)
    assert [(await heir.take()).message.type for _ in range(2)] == ["snapshot", "note"]
