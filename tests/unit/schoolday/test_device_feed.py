"""What a device is told, and in what order, however slow it is."""

import asyncio
from dataclasses import replace

import pytest

from classroom.schoolday.feed import DeviceFeed, DeviceFeedClosed
from classroom.schoolday.messages import Agenda, ClassroomView, Configure, DeviceError, DevicePong, Phase, Revoked

IDLE = Agenda("d1", ClassroomView(1, "三年级教室", "山坪小学"), "2026-09-01T00:00:00.000Z", Phase.IDLE, None, None)


class Room:
    """A room whose agenda can be changed."""

    def __init__(self, volume: int | None = None) -> None:
        self.agenda = IDLE
        self.feed = DeviceFeed(lambda: self.agenda, volume)

    def is_in(self, phase: Phase, second: int = 0) -> None:
        self.agenda = replace(self.agenda, phase=phase, server_time=f"2026-09-01T00:00:{second:02}.000Z")
        self.feed.agenda_changed()

    async def waits(self) -> bool:
        """Whether there is nothing to tell."""
        taking = asyncio.create_task(self.feed.take())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        waiting = not taking.done()
        taking.cancel()
        return waiting


async def test_the_agenda_comes_first_and_then_only_when_it_is_another():
    room = Room()
    assert await room.feed.take() == IDLE
    room.is_in(Phase.IDLE, second=1)
    assert await room.waits()
    room.is_in(Phase.STANDBY, second=2)
    assert (await room.feed.take()).phase is Phase.STANDBY


async def test_who_is_slow_is_told_how_it_is_now():
    room = Room()
    for phase in (Phase.STANDBY, Phase.LIVE, Phase.OVER):
        room.is_in(phase)
    for _ in range(1000):
        room.feed.pong()
    assert [await room.feed.take(), await room.feed.take()] == [DevicePong(), room.agenda]
    assert await room.waits()


async def test_who_waits_is_woken():
    room = Room(volume=40)
    assert [await room.feed.take(), await room.feed.take()] == [Configure(40), IDLE]
    taking = asyncio.create_task(room.feed.take())
    await asyncio.sleep(0)
    room.feed.configure(None)
    assert await taking == Configure(None)
    room.feed.fault("the message is wrong")
    assert await room.feed.take() == DeviceError("bad_message", "the message is wrong")


async def test_who_is_revoked_is_told_that_and_nothing_else():
    room = Room()
    room.feed.close(revoked=True)
    assert await room.feed.take() == Revoked()
    with pytest.raises(DeviceFeedClosed):
        await room.feed.take()


async def test_a_server_that_stops_tells_no_more():
    room = Room()
    room.feed.close()
    with pytest.raises(DeviceFeedClosed):
        await room.feed.take()
