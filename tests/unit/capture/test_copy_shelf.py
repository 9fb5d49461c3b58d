"""All copies of a computer on real files: sittings, what goes first, tokens, locks."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from classroom.capture.copy.frame_log import DELIVERED, KEPT, FrameLog, files_of
from classroom.capture.copy.frame_record import IDENTITY, identify
from classroom.capture.copy.inventory import batches
from classroom.capture.copy.shelf import BREAK_S, DELIVERED_S, MAX_TRACKS, Shelf
from classroom.capture.copy.sitting import ABOUT_FILE, About, Sitting
from classroom.model import Label
from classroom.sfu.core.ntp import FRACTION, unix_to_ntp

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

SERVER = "http://school:8080"
NOW = unix_to_ntp(1_790_000_000.0)


def fill(sitting: Sitting, start_s: float, label: Label = Label.CAMERA, count: int = 3, size: int = 100) -> Path:
    """One whole file of frames, from so many seconds after NOW on."""
    log = FrameLog(sitting.folder, label)
    samples = [bytes([number % 251]) * size for number in range(count)]
    start = NOW + int(start_s * FRACTION)
    log.append([(identify(start + number * (FRACTION // 25), sample), sample) for number, sample in enumerate(samples)])
    closed = log.close()
    assert closed is not None
    return closed[0]


def test_a_short_break_is_the_same_sitting_and_a_long_one_another(tmp_path: Path) -> None:
    first = Shelf(tmp_path, 10**9).begin("maths", SERVER, NOW)
    fill(first, 0)
    last = first.last_instant()
    first.unlock()
    shelf = Shelf(tmp_path, 10**9)
    assert shelf.last_instant("maths") == last and shelf.last_instant("physics") == 0
    assert shelf.begin("maths", SERVER, last + int((BREAK_S - 1) * FRACTION)).folder == first.folder
    shelf.close()
    assert shelf.begin("maths", SERVER, last + int((BREAK_S + 1) * FRACTION)).folder != first.folder
    shelf.close()
    assert Shelf(tmp_path, 10**9).begin("maths", "http://other", last + 1).folder != first.folder, "another server"


def test_two_agents_of_one_lesson_do_not_write_into_each_other(tmp_path: Path) -> None:
    one, two = Shelf(tmp_path, 10**9), Shelf(tmp_path, 10**9)
    first = one.begin("maths", SERVER, NOW)
    second = two.begin("maths", SERVER, NOW)
    assert first.folder != second.folder and not two.claim(Sitting(first.folder))
    fill(first, 0)
    two.limit_bytes = 0
    two.make_room()
    assert files_of(first.folder, KEPT), "nor does one delete what the other has not delivered"


def test_what_a_crash_left_open_is_whole_for_who_claims_it(tmp_path: Path) -> None:
    sitting = Shelf(tmp_path, 10**9).begin("maths", SERVER, NOW)
    log = FrameLog(sitting.folder, Label.MIC)
    log.append([(identify(NOW, b"abc"), b"abc")])
    assert not sitting.undelivered() and sitting.waits
    sitting.unlock()
    shelf = Shelf(tmp_path, 10**9)
    [waiting] = shelf.waiting()
    assert shelf.claim(waiting)
    [inventory] = shelf.inventories(waiting)
    assert inventory.entries == IDENTITY.pack(*identify(NOW, b"abc"))


def test_a_token_is_kept_beside_the_copy_where_only_its_user_can_read_it(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, 10**9)
    before = shelf.begin("maths", SERVER, NOW)
    fill(before, 0)
    before.unlock()
    shelf = Shelf(tmp_path, 10**9)
    about = About(SERVER, "secret", "2026-12-25T00:00:00Z")
    shelf.authorize("maths", about)
    assert before.read_about() == about, "also what an earlier start has left"
    later = shelf.begin("maths", SERVER, NOW + int(2 * BREAK_S * FRACTION))
    assert later.folder != before.folder and later.read_about() == about
    other = shelf.begin("maths", "http://other", NOW)
    assert other.read_about() == About("http://other")
    for path in (tmp_path / "maths", before.folder, before.folder / ABOUT_FILE):
        assert path.stat().st_mode & 0o077 == 0


def test_delivered_copies_go_first_then_the_oldest_and_that_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shelf = Shelf(tmp_path, 10**9)
    old, new = shelf.begin("maths", SERVER, NOW), shelf.begin("physics", SERVER, NOW)
    paths = [fill(sitting, 1000 * n, size=40_000) for n, sitting in enumerate((old, new, old, new))]
    shelf.mark_delivered(paths[2:3])
    size = paths[0].stat().st_size
    spared = MAX_TRACKS * shelf.file_bytes

    def left(files: int) -> list[str]:
        shelf.limit_bytes = spared + files * size
        shelf.make_room()
        return [path.name for path in sorted(tmp_path.rglob(f"*{KEPT}"), key=lambda path: path.name)]

    assert left(4) == [path.name for path in paths[:2] + paths[3:]] and list(tmp_path.rglob(f"*{DELIVERED}"))
    assert len(left(3)) == 3 and not list(tmp_path.rglob(f"*{DELIVERED}")), "the delivered one, though it is newer"
    assert not caplog.messages
    assert left(2) == [paths[1].name, paths[3].name]
    assert "maths" in caplog.text and "--copy-size" in caplog.text
    assert left(1) == [paths[3].name]


def test_what_was_delivered_a_week_ago_goes_and_empty_folders_with_it(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, 10**9)
    sitting = shelf.begin("maths", SERVER, NOW)
    path = fill(sitting, 0)
    shelf.mark_delivered([path])
    assert not shelf.waiting()
    shelf.make_room()
    shelf.close()
    shelf.tidy()
    delivered = path.with_suffix(DELIVERED)
    assert delivered.exists()
    long_ago_s = time.time() - DELIVERED_S - 60
    os.utime(delivered, (long_ago_s, long_ago_s))
    shelf.make_room()
    shelf.tidy()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_holds_other_things_too_keeps_them(tmp_path: Path) -> None:
    (tmp_path / "photos" / "summer").mkdir(parents=True)
    (tmp_path / "notes.txt").write_text("x")
    shelf = Shelf(tmp_path, 0)
    assert shelf.last_instant("photos") == 0 and shelf.waiting() == []
    shelf.make_room()
    shelf.tidy()
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["notes.txt", "photos", "summer"]


def test_an_inventory_tells_of_all_files_and_finds_what_is_wanted_in_them(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, 10**9)
    sitting = shelf.begin("maths", SERVER, NOW)
    for start_s in (0, 400, 800):
        fill(sitting, start_s, Label.CAMERA, count=10)
    fill(sitting, 0, Label.MIC)
    mic, camera = shelf.inventories(sitting)
    assert (mic.label, camera.label) == ("mic", "camera"), "voice first"
    entries = [camera.entries[at : at + 16] for at in range(0, len(camera.entries), 16)]
    assert len(entries) == 30 and entries == sorted(entries)
    found = list(camera.records([(0, 1), (8, 4), (29, 1)]))
    assert [record[:16] for record in found] == [entries[n] for n in (0, 8, 9, 10, 11, 29)]
    assert [record[16:] for record in found] == [bytes([n % 10]) * 100 for n in (0, 8, 9, 10, 11, 29)]
    camera.paths[1].unlink()
    assert len(list(camera.records([(0, 30)]))) == 20, "what is gone is left out"
    assert [len(batch) for batch in batches(camera.records([(0, 10)]), lambda: 348)] == [348] * 3 + [116]
    assert shelf.inventories(sitting, without=camera.paths)[1:] == []


def test_hours_of_sound_are_told_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("classroom.capture.copy.inventory.MAX_ENTRIES_BYTES", 100)
    shelf = Shelf(tmp_path, 10**9)
    sitting = shelf.begin("maths", SERVER, NOW)
    for start_s in range(0, 2000, 400):
        fill(sitting, start_s, Label.MIC)
    parts: list[list[str]] = []
    while found := shelf.inventories(sitting):
        parts.append([path.name for path in found[0].paths])
        shelf.mark_delivered(found[0].paths)
    assert list(map(len, parts)) == [2, 2, 1] and parts == sorted(parts)
