"""The thread that writes the copy: on disk soon, whatever becomes of the agent and of the disk."""

from __future__ import annotations

import logging
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from classroom.capture.clock import CaptureClock
from classroom.capture.copy.frame_log import DELIVERED, KEPT, WRITTEN, files_of, read_entries, read_samples
from classroom.capture.copy.frame_record import IDENTITY, Identity
from classroom.capture.copy.keeper import Keeper
from classroom.capture.copy.shelf import Shelf
from classroom.capture.frames import CodedFrame
from classroom.model import Label
from classroom.sfu.core.ntp import ntp_to_unix

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SERVER = "http://school:8080"


def picture(number: int, size_bytes: int = 2000) -> CodedFrame:
    """With parameter sets now and then, as an encoder gives them."""
    key = number % 25 == 0
    sets = (b"\x67" + bytes(8), b"\x68" + bytes(3)) if key else ()
    return CodedFrame(100 + number / 25, (*sets, b"\x65" + number.to_bytes(4, "big") + bytes(size_bytes)), key)


def packet(number: int) -> CodedFrame:
    return CodedFrame(100 + number / 50, (number.to_bytes(4, "big") * 20,), True)


def kept(root: Path, *suffixes: str) -> dict[str, list[tuple[Identity, bytes]]]:
    """Everything on disk, by track."""
    found: dict[str, list[tuple[Identity, bytes]]] = {}
    for folder in sorted(path.parent for path in root.glob("*/*/sitting.json")):
        for path in files_of(folder, *(suffixes or (WRITTEN, KEPT))):
            entries = read_entries(path)
            samples = list(read_samples(path, entries, [(0, len(entries) // IDENTITY.size)]))
            found.setdefault(path.name.split(".")[0], []).extend(samples)
    return found


def until(condition: Callable[[], bool]) -> None:
    end_s = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end_s
        time.sleep(0.02)


@pytest.fixture
def clock() -> CaptureClock:
    return CaptureClock()


def test_what_is_kept_is_what_the_wire_and_the_archive_know_of_a_frame(tmp_path: Path, clock: CaptureClock) -> None:
    keeper = Keeper(Shelf(tmp_path, 10**9), "maths", SERVER, clock)
    for number in range(30):
        keeper.keep(Label.CAMERA, picture(number))
        keeper.keep(Label.MIC, packet(number))
    keeper.settle()
    found = kept(tmp_path, KEPT)
    keeper.close()
    assert [identity.captured_ntp for identity, _ in found["camera"]] == [
        clock.ntp(picture(number).capture_s) for number in range(30)
    ]
    _, first = found["camera"][0]
    assert first[:13] == b"\0\0\0\x09\x67" + bytes(8) and first[13:18] == b"\0\0\0\x04\x68", "lengths, not start codes"
    assert [sample for _, sample in found["mic"]] == [packet(number).units[0] for number in range(30)]


def test_frames_are_on_disk_soon_without_being_asked_for(tmp_path: Path, clock: CaptureClock) -> None:
    keeper = Keeper(Shelf(tmp_path, 10**9), "maths", SERVER, clock)
    keeper.keep(Label.CAMERA, picture(0))
    until(lambda: len(kept(tmp_path, WRITTEN).get("camera", [])) == 1)
    keeper.close()


def test_another_sitting_begins_when_it_is_told(tmp_path: Path, clock: CaptureClock) -> None:
    keeper = Keeper(Shelf(tmp_path, 10**9), "maths", SERVER, clock)
    keeper.keep(Label.MIC, packet(0))
    keeper.settle()
    keeper.begin_another()
    keeper.keep(Label.MIC, CodedFrame(100 + 3600, (b"later",), True))
    keeper.close()
    assert len(list(tmp_path.glob("maths/*/mic.*"))) == 2 and len(list(tmp_path.glob("maths/*"))) == 2


def test_a_clock_that_was_put_back_does_not_bring_the_same_instants_again(tmp_path: Path) -> None:
    first = CaptureClock(lambda: 100.0, lambda: 1_790_003_600.0)
    keeper = Keeper(Shelf(tmp_path, 10**9), "maths", SERVER, first)
    for number in range(50):
        keeper.keep(Label.CAMERA, picture(number))
    keeper.close()
    last = Shelf(tmp_path, 10**9).last_instant("maths")
    assert last == first.ntp(picture(49).capture_s)
    again = CaptureClock(lambda: 5.0, lambda: 1_790_000_000.0, not_before_ntp=last)  # an hour back
    assert last < again.ntp(5.0) and ntp_to_unix(again.ntp(5.0)) - ntp_to_unix(last) < 1
    ahead = CaptureClock(lambda: 5.0, lambda: 1_790_100_000.0, not_before_ntp=last)
    assert ntp_to_unix(ahead.ntp(5.0)) == pytest.approx(1_790_100_000.0)


def test_a_disk_that_is_stuck_costs_frames_of_the_copy_and_nobody_waits(
    tmp_path: Path, clock: CaptureClock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("classroom.capture.copy.keeper.MAX_WAITING_BYTES", 10_000)
    shelf = Shelf(tmp_path, 10**9)
    keeper = Keeper(shelf, "maths", SERVER, clock)
    with shelf._lock:  # what the writer needs to begin a file
        keeper.keep(Label.CAMERA, picture(0))
        time.sleep(0.5)  # it has taken that one
        for number in range(1, 100):
            keeper.keep(Label.CAMERA, picture(number))
    keeper.close()
    assert len(kept(tmp_path)["camera"]) in (6, 7) and "磁盘太慢" in caplog.text


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1 MB of its own; only root can have one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "copies", str(folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("may not mount a file system here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_disk_that_is_full_is_told_once_and_tried_again(
    small_disk: Path, clock: CaptureClock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr("classroom.capture.copy.keeper.RETRY_S", 0.2)
    keeper = Keeper(Shelf(small_disk, 10**9), "maths", SERVER, clock)
    number = 0

    def more(until_said: str) -> None:
        nonlocal number
        end_s = time.monotonic() + 30
        while until_said not in caplog.text:
            assert time.monotonic() < end_s
            keeper.keep(Label.CAMERA, picture(number))
            number += 1
            time.sleep(0.002)

    more("the lesson goes on, but no copy")
    assert "No space left" in caplog.text and "暂不保留副本" in caplog.text
    before = kept(small_disk)["camera"]
    assert len(before) > 300, "what was kept is whole"
    for path in small_disk.glob("maths/*/camera.*"):
        path.unlink()
    more("a copy is kept again")
    keeper.close()
    assert caplog.text.count("no copy of it is kept") == 1
    after = kept(small_disk)["camera"]
    assert after and after[0][0].captured_ntp > before[-1][0].captured_ntp


def test_on_a_full_disk_delivered_copies_make_room(
    small_disk: Path, clock: CaptureClock, caplog: pytest.LogCaptureFixture
) -> None:
    shelf = Shelf(small_disk, 10**9)
    keeper = Keeper(shelf, "maths", SERVER, clock)
    for number in range(200):
        keeper.keep(Label.CAMERA, picture(number))
    keeper.settle()
    shelf.mark_delivered(small_disk.glob(f"maths/*/*{KEPT}"))
    for number in range(200, 600):
        keeper.keep(Label.CAMERA, picture(number))
        if number % 50 == 0:
            keeper.settle()
    keeper.close()
    assert not list(small_disk.glob(f"maths/*/*{DELIVERED}")) and len(kept(small_disk)["camera"]) == 400
    assert not caplog.messages


def test_a_disk_that_is_read_only_from_the_start_is_told(
    small_disk: Path, clock: CaptureClock, caplog: pytest.LogCaptureFixture
) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    keeper = Keeper(Shelf(small_disk / "copies", 10**9), "maths", SERVER, clock)
    keeper.keep(Label.CAMERA, picture(0))
    until(lambda: "Read-only file system" in caplog.text)
    keeper.settle()
    keeper.close()
