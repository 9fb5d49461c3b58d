"""What links carried, from one lesson to the next."""

import pytest

from classroom.live import links
from classroom.live.links import LinkMemory
from classroom.model import ParticipantId

EAST = ParticipantId("东村小学")


async def test_what_was_measured_is_there_after_a_restart(tmp_path):
    memory = LinkMemory(tmp_path / "state" / "links.json")
    await memory.load()
    assert memory.last_time_bps(EAST) is None
    memory.measured(EAST, 1_234_567.8)
    await memory.save()
    again = LinkMemory(tmp_path / "state" / "links.json")
    await again.load()
    assert again.last_time_bps(EAST) == 1_234_568


async def test_nothing_new_writes_nothing(tmp_path):
    memory = LinkMemory(tmp_path / "links.json")
    memory.measured(EAST, 1e6)
    await memory.save()
    (tmp_path / "links.json").unlink()
    await memory.save()
    assert not (tmp_path / "links.json").exists()


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"a": "fast"}', '{"a": null}'])
async def test_a_broken_file_is_as_good_as_none(tmp_path, text, caplog):
    (tmp_path / "links.json").write_text(text)
    memory = LinkMemory(tmp_path / "links.json")
    await memory.load()
    assert memory.last_time_bps(ParticipantId("a")) is None and "cannot be read" in caplog.text


async def test_a_disk_that_refuses_is_no_fault_of_the_lesson(tmp_path, caplog):
    (tmp_path / "state").write_text("not a folder")
    memory = LinkMemory(tmp_path / "state" / "links.json")
    memory.measured(EAST, 1e6)
    await memory.save()
    assert "cannot be written" in caplog.text


def test_the_longest_unheard_of_are_forgotten(tmp_path, monkeypatch):
    monkeypatch.setattr(links, "MAX_LINKS", 2)
    memory = LinkMemory(tmp_path / "links.json")
    for name in ("a", "b", "a", "c"):
        memory.measured(ParticipantId(name), 1e6)
    assert [memory.last_time_bps(ParticipantId(name)) for name in ("a", "b", "c")] == [1e6, None, 1e6]
