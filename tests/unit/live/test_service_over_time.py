"""The lesson service over time: stopped and started again, past the bell, a week later."""

import asyncio
import contextlib
from datetime import timedelta

from classroom.live.journal import Journal
from classroom.live.lesson import DESERTED_AFTER
from classroom.live.service import KEEP_ENDED
from classroom.model import (
    LessonId,
    LessonState,
    RecordingState,
)
from classroom.sfu import session as sfu
from tests.unit.live.house import MATHS, VILLAGE, House, everything


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
    async with asyncio.timeout(30):
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
