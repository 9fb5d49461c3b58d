"""What a server that was killed finds when it starts again."""

import asyncio
import os
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from classroom.live.journal import Entry, Journal, entry_of, lesson_of
from classroom.live.lesson import LiveLesson
from classroom.live.participant import Person
from classroom.messages import Note, VolumeSet
from classroom.model import FloorMode, LessonId, LessonState, ParticipantId, RecordingState, Role

NOON = datetime(2026, 9, 1, 12, 0, tzinfo=UTC)
ENTRY = Entry(LessonId("maths"), "数学", LessonState.LIVE, NOON, None, RecordingState.RECORDING, None)


async def save(path, *entries: Entry) -> None:
    journal = Journal(path)
    journal.save_soon(lambda: entries)
    await journal.settle(lambda: entries)
    await journal.close()


async def test_what_was_saved_is_loaded(tmp_path):
    path = tmp_path / ".state" / "lessons.json"
    await save(path, ENTRY)
    assert await Journal(path).load() == [ENTRY]
    assert [file.name for file in path.parent.iterdir()] == ["lessons.json"]


async def test_without_a_file_there_are_no_lessons(tmp_path):
    assert await Journal(tmp_path / "lessons.json").load() == []


async def test_the_state_is_read_when_it_is_written(tmp_path):
    journal = Journal(tmp_path / "lessons.json")
    entries = [ENTRY]
    journal.save_soon(lambda: entries)
    first = journal.flush(lambda: entries)
    entries.clear()
    await first
    assert await journal.load() == []
    await journal.close()


@pytest.mark.parametrize("text", ["{", '{"lessons": [{"id": "../x"}]}', '{"lessons": 3}', ""])
async def test_a_broken_file_is_put_aside(tmp_path, text):
    path = tmp_path / "lessons.json"
    path.write_text(text)
    assert await Journal(path).load() == []
    assert (tmp_path / "lessons.broken").read_text() == text


async def test_a_disk_that_refuses_leaves_the_old_file(tmp_path, caplog):
    path = tmp_path / "lessons.json"
    await save(path, ENTRY)
    (tmp_path / ".lessons.json.tmp").mkdir()  # nothing can be written there
    await save(path)
    assert "cannot be written" in caplog.text
    assert await Journal(path).load() == [ENTRY]


OF_VERSION_0_4 = """{"lessons": [{"id": "maths", "title": "数学", "state": "live",
  "started_at": "2026-09-01T12:00:00+00:00", "ended_at": null, "recording": "recording", "recording_detail": null}]}"""


async def test_a_file_of_an_earlier_version_is_read(tmp_path):
    (tmp_path / "lessons.json").write_text(OF_VERSION_0_4)
    assert await Journal(tmp_path / "lessons.json").load() == [ENTRY]


async def test_a_lesson_comes_back_with_floor_people_and_plan(tmp_path):
    live = LiveLesson(LessonId("maths"))
    live.plan("数学", NOON + timedelta(minutes=40), False)
    live.start(NOON)
    east, west = (Person(ParticipantId(name), Role.CLASSROOM, name) for name in ("east", "west"))
    for person in (east, west):
        live.join(person, NOON)
    live.call_on(east.id, False, NOON)
    live.raise_hand(west.id, True)
    live.set_mode(FloorMode.DISCUSS)
    live.mute(None, True, NOON)
    live.mute(east.id, False, NOON)
    live.turn_page(7, NOON)
    await save(tmp_path / "lessons.json", entry_of(live, {}))
    [entry] = await Journal(tmp_path / "lessons.json").load()
    restored = lesson_of(entry, NOON)
    for person in (east, west):
        live.leave(person.id, NOON, cut=True)  # nobody has said goodbye
    assert restored.view() == live.view()
    assert restored.participants() == live.participants()
    assert restored.participants()[0].asked == 1


async def test_notes_and_volumes_for_those_who_are_away_are_kept(tmp_path):
    live = LiveLesson(LessonId("maths"))
    live.start(NOON)
    kept = {ParticipantId("east"): [Note(0, "请检查麦克风", "2026-09-01T12:00:00.000Z"), VolumeSet(0, 40)]}
    await save(tmp_path / "lessons.json", entry_of(live, kept))
    [entry] = await Journal(tmp_path / "lessons.json").load()
    assert entry.kept == kept
    live.end(NOON)
    assert entry_of(live, kept).kept == {}, "nobody needs it any more"


async def test_those_who_wait_for_the_disk_together_share_a_write(tmp_path, monkeypatch):
    monkeypatch.setattr("classroom.live.journal.SLOW_S", 60)  # however slow it is here
    journal = Journal(tmp_path / "lessons.json")
    writes: list[int] = []
    live = LiveLesson(LessonId("maths"))
    live.start(NOON)

    def entries():
        writes.append(live.page)
        return [entry_of(live, {})]

    async def turn(page: int) -> None:
        live.turn_page(page, NOON)
        journal.save_soon(entries)
        await journal.settle(entries)
        assert writes[-1] >= page

    await asyncio.gather(*(turn(page) for page in range(1, 51)))
    assert f'"page": {live.page}' in await asyncio.to_thread(written_text, tmp_path)
    assert len(writes) <= 3
    await journal.settle(entries)
    assert len(writes) <= 3, "nothing has changed since"
    await journal.close()


async def test_what_changes_often_is_written_at_most_once_a_second_and_the_last_of_it_surely(tmp_path, monkeypatch):
    monkeypatch.setattr("classroom.live.journal.WRITE_EVERY_S", 0.2)
    journal = Journal(tmp_path / "lessons.json")
    written: list[int] = []
    live = LiveLesson(LessonId("maths"))
    live.start(NOON)

    def entries():
        written.append(live.page)
        return [entry_of(live, {})]

    loop = asyncio.get_running_loop()
    began_s = loop.time()
    for page in range(1, 101):
        live.turn_page(page, NOON)
        journal.save_soon(entries)
        await asyncio.sleep(0.001)
    async with asyncio.timeout(30):
        while '"page": 100' not in await asyncio.to_thread(written_text, tmp_path):
            await asyncio.sleep(0.01)
    assert len(written) <= (loop.time() - began_s) / 0.2 + 2
    await journal.close()
    journal.save_soon(entries)
    assert journal._writing.done(), "who has closed it writes for himself"


def written_text(folder) -> str:
    path = folder / "lessons.json"
    return path.read_text() if path.exists() else ""


async def test_a_disk_that_refuses_is_logged_and_tried_again(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr("classroom.live.journal.WRITE_EVERY_S", 0.01)
    journal = Journal(tmp_path / "lessons.json")
    (tmp_path / ".lessons.json.tmp").mkdir()
    journal.save_soon(lambda: [ENTRY])
    async with asyncio.timeout(30):
        while "cannot be written" not in caplog.text:
            await asyncio.sleep(0.01)
    (tmp_path / ".lessons.json.tmp").rmdir()
    journal.save_soon(lambda: [ENTRY])
    async with asyncio.timeout(30):
        while not (tmp_path / "lessons.json").exists():
            await asyncio.sleep(0.01)
    await journal.close()


async def test_what_a_disk_refused_is_written_when_it_takes_it_again_though_nothing_has_changed_since(
    tmp_path, monkeypatch, caplog
):
    monkeypatch.setattr("classroom.live.journal.WRITE_EVERY_S", 0.01)
    journal = Journal(tmp_path / "lessons.json")
    (tmp_path / ".lessons.json.tmp").mkdir()
    journal.save_soon(lambda: [ENTRY])
    for _ in range(3):
        await journal.settle(lambda: [ENTRY])
    async with asyncio.timeout(30):
        assert caplog.text.count("cannot be written") == 1, "a disk that is full for an hour is told of once"
        (tmp_path / ".lessons.json.tmp").rmdir()
        while not (tmp_path / "lessons.json").exists():
            await asyncio.sleep(0.01)
    assert await journal.load() == [ENTRY]
    await journal.close()


async def test_nobody_waits_for_a_disk_that_does_not_answer(tmp_path, monkeypatch, caplog):
    answers, fsync = threading.Event(), os.fsync

    def held_up(number: int) -> None:
        answers.wait(30)
        fsync(number)

    monkeypatch.setattr("os.fsync", held_up)
    monkeypatch.setattr("classroom.live.journal.SLOW_S", 0.05)
    journal = Journal(tmp_path / "lessons.json")
    live = LiveLesson(LessonId("maths"))
    live.start(NOON)
    async with asyncio.timeout(30):
        for page in range(1, 101):
            live.turn_page(page, NOON)
            journal.save_soon(lambda: [entry_of(live, {})])
            await journal.settle(lambda: [entry_of(live, {})])
    assert "nobody waits for it" in caplog.text
    assert len(journal._awaited) <= 2, "nor do they pile up"
    answers.set()
    await journal.close()
    await journal.flush(lambda: [entry_of(live, {})])
    [entry] = await journal.load()
    assert entry.page == 100


async def test_what_is_being_written_when_it_is_closed_does_not_meet_what_is_written_after_it(tmp_path, monkeypatch):
    begun, go_on, fsync = threading.Event(), threading.Event(), os.fsync

    def slow(number: int) -> None:
        begun.set()
        go_on.wait(30)
        fsync(number)

    monkeypatch.setattr("os.fsync", slow)
    journal = Journal(tmp_path / "lessons.json")
    journal.save_soon(lambda: [replace(ENTRY, title="数" * 1000)])
    await asyncio.to_thread(begun.wait, 30)
    closing = asyncio.create_task(journal.close())
    for _ in range(5):
        await asyncio.sleep(0)
    journal.save_soon(lambda: [ENTRY])
    last = asyncio.create_task(journal.flush(lambda: [ENTRY]))
    for _ in range(5):
        await asyncio.sleep(0)
    assert not closing.done(), "the disk is still writing"
    go_on.set()
    await asyncio.gather(closing, last)
    assert await journal.load() == [ENTRY]


def test_of_a_lesson_that_has_ended_little_is_kept():
    live = LiveLesson(LessonId("maths"))
    live.start(NOON)
    for number in range(16):
        person = Person(ParticipantId(f"room-{number}"), Role.CLASSROOM, "山坪小学")
        live.join(person, NOON)
        live.call_on(person.id, False, NOON)
    live.end(NOON)
    entry = entry_of(live, {})
    assert (entry.people, entry.floor["meters"]) == ([], {})
    assert lesson_of(entry, NOON).state is LessonState.ENDED
