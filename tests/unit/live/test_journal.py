"""What a server that was killed finds when it starts again."""

from datetime import UTC, datetime

import pytest

from classroom.live.journal import Entry, Journal
from classroom.model import LessonId, LessonState, RecordingState

NOON = datetime(2026, 9, 1, 12, 0, tzinfo=UTC)
ENTRY = Entry(LessonId("maths"), "数学", LessonState.LIVE, NOON, None, RecordingState.RECORDING, None)


async def test_what_was_saved_is_loaded(tmp_path):
    path = tmp_path / ".state" / "lessons.json"
    await Journal(path).save(lambda: [ENTRY])
    assert await Journal(path).load() == [ENTRY]
    assert [file.name for file in path.parent.iterdir()] == ["lessons.json"]


async def test_without_a_file_there_are_no_lessons(tmp_path):
    assert await Journal(tmp_path / "lessons.json").load() == []


async def test_the_state_is_read_when_it_is_written(tmp_path):
    journal = Journal(tmp_path / "lessons.json")
    entries = [ENTRY]
    first = journal.save(lambda: entries)
    entries.clear()
    await first
    assert await journal.load() == []


@pytest.mark.parametrize("text", ["{", '{"lessons": [{"id": "../x"}]}', '{"lessons": 3}', ""])
async def test_a_broken_file_is_put_aside(tmp_path, text):
    path = tmp_path / "lessons.json"
    path.write_text(text)
    assert await Journal(path).load() == []
    assert (tmp_path / "lessons.broken").read_text() == text


async def test_a_disk_that_refuses_leaves_the_old_file(tmp_path):
    path = tmp_path / "lessons.json"
    journal = Journal(path)
    await journal.save(lambda: [ENTRY])
    (tmp_path / "lessons.part").mkdir()  # nothing can be written there
    with pytest.raises(OSError, match=r"lessons\.part"):
        await journal.save(list)
    assert await journal.load() == [ENTRY]
