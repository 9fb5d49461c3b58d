"""The log of frames on real files: what survives which end."""

from __future__ import annotations

import errno
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classroom.capture.copy.frame_log import (
    DELIVERED,
    FILE_S,
    KEPT,
    WRITTEN,
    FrameLog,
    files_of,
    read_entries,
    read_samples,
)
from classroom.capture.copy.frame_record import IDENTITY, Identity, encode_record, identify, read_heads
from classroom.model import Label
from classroom.sfu.core.ntp import FRACTION

REPOSITORY = Path(__file__).parents[3]


def frames(count: int, start: int = 1000, seed: int = 1) -> list[tuple[Identity, bytes]]:
    rng = random.Random(seed)
    samples = [rng.randbytes(rng.randint(1, 300)) for _ in range(count)]
    return [(identify(start + 7 * number, sample), sample) for number, sample in enumerate(samples)]


def packed(kept: list[tuple[Identity, bytes]]) -> bytes:
    return b"".join(IDENTITY.pack(*identity) for identity, _ in kept)


@given(st.lists(st.binary(min_size=1, max_size=60), max_size=8), st.data())
def test_a_log_that_ends_at_any_byte_holds_all_frames_before_it(samples: list[bytes], data: st.DataObject) -> None:
    kept = [(identify(number, sample), sample) for number, sample in enumerate(samples)]
    records = [encode_record(*frame) for frame in kept]
    log = b"".join(records)
    cut = data.draw(st.integers(0, len(log)))
    whole, end = 0, 0
    while whole < len(records) and end + len(records[whole]) <= cut:
        end += len(records[whole])
        whole += 1
    assert [identity for identity, _ in read_heads(log[:cut])] == [identity for identity, _ in kept[:whole]]
    # What a power cut leaves behind the end may be anything; zeros are what file systems like to leave.
    tail = data.draw(st.one_of(st.just(bytes(64)), st.binary(max_size=64)))
    assert [identity for identity, _ in read_heads(log[:end] + tail)][:whole] == [
        identity for identity, _ in kept[:whole]
    ]


@given(st.integers(0, 10_000))
def test_a_file_that_was_cut_anywhere_gives_back_whole_frames_only(cut: int) -> None:
    kept = frames(40)
    with tempfile.TemporaryDirectory() as folder:
        log = FrameLog(Path(folder), Label.CAMERA)
        log.append(kept)
        path, _ = log.close() or (Path(), b"")
        os.truncate(path, min(cut, path.stat().st_size))
        entries = read_entries(path)
        count = len(entries) // IDENTITY.size
        assert list(read_samples(path, entries, [(0, count)])) == kept[:count]
        more = sum(20 + len(sample) for _, sample in kept[: count + 1])
        assert count == len(kept) or more > min(cut, path.stat().st_size), "not one too few"


@given(st.integers(0, 5_000), st.integers(1, 255))
def test_a_byte_that_changed_on_disk_is_noticed(at: int, change: int) -> None:
    kept = frames(20)
    with tempfile.TemporaryDirectory() as folder:
        log = FrameLog(Path(folder), Label.MIC)
        log.append(kept)
        path, entries = log.close() or (Path(), b"")
        data = bytearray(path.read_bytes())
        data[at % len(data)] ^= change
        path.write_bytes(data)
        found = list(read_samples(path, entries, [(0, 20)]))
        assert len(found) >= 19 and set(found) <= set(kept), "the others are as they were"
        entries = read_entries(path)
        assert set(read_samples(path, entries, [(0, len(entries) // IDENTITY.size)])) <= set(kept)


def test_frames_come_back_by_their_places(tmp_path: Path) -> None:
    kept = frames(50)
    log = FrameLog(tmp_path, Label.CAMERA)
    log.append(kept[:20])
    log.append(kept[20:])
    assert [path.suffix for path in tmp_path.iterdir()] == [WRITTEN]
    path, entries = log.close() or (Path(), b"")
    assert path.suffix == KEPT and entries == read_entries(path) == packed(kept)
    assert list(read_samples(path, entries, [(3, 5), (49, 50)])) == [*kept[3:5], kept[49]]
    assert path.stat().st_mode & 0o077 == 0, "pictures of children: nobody else may read them"


def test_a_frame_that_is_not_later_is_left_out(tmp_path: Path) -> None:
    kept = frames(3)
    log = FrameLog(tmp_path, Label.CAMERA)
    log.append([kept[0], kept[2], kept[1], kept[2]])
    assert log.close() is not None
    [path] = files_of(tmp_path, KEPT)
    assert read_entries(path) == packed([kept[0], kept[2]])


def test_a_file_is_full_after_five_minutes_or_many_bytes(tmp_path: Path) -> None:
    log = FrameLog(tmp_path, Label.CAMERA, file_bytes=100)
    log.append([(identify(1000, bytes(10)), bytes(10))])
    assert not log.is_full(1000 + int(FILE_S - 1) * FRACTION) and log.is_full(1001 + int(FILE_S) * FRACTION)
    log.append([(identify(1001, bytes(70)), bytes(70))])
    assert log.is_full(1002)


def test_a_write_that_fails_in_the_middle_loses_nothing_of_what_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = frames(30)
    log = FrameLog(tmp_path, Label.CAMERA)
    log.append(kept[:10])
    write, left = os.write, [700]

    def full(fd: int, data: memoryview) -> int:
        if not left[0]:
            raise OSError(errno.ENOSPC, "no space")
        size, left[0] = min(left[0], len(data)), 0
        return write(fd, data[:size])

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="no space"):
        log.append(kept[10:20])
    monkeypatch.undo()
    log.append(kept[10:20])  # the same frames again, and they are not taken for late ones
    log.append(kept[20:])
    log.close()
    files = files_of(tmp_path, KEPT)
    assert b"".join(read_entries(path) for path in files) == packed(kept)


def test_other_files_in_the_folder_are_left_alone(tmp_path: Path) -> None:
    for name in ("camera.frames", "camera.xyz.frames", "notes.txt", f"mic.0010{DELIVERED}"):
        (tmp_path / name).write_bytes(b"x")
    assert [path.name for path in files_of(tmp_path, KEPT, WRITTEN, DELIVERED)] == [f"mic.0010{DELIVERED}"]


WRITER = """
import sys, time
from pathlib import Path
from classroom.capture.copy.frame_log import FrameLog
from classroom.capture.copy.frame_record import identify
from classroom.model import Label
log = FrameLog(Path(sys.argv[1]), Label.CAMERA)
for number in range(1_000_000):
    sample = number.to_bytes(4, "big") * (number % 50 + 1)
    log.append([(identify(number, sample), sample)])
    print(number, flush=True)
"""


def test_kill_9_loses_nothing_that_was_appended(tmp_path: Path) -> None:
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-c", WRITER, str(tmp_path)]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        said = [int(writer.stdout.readline()) for _ in range(300)]
        writer.kill()
        said += [int(line) for line in writer.stdout]
    [path] = files_of(tmp_path, WRITTEN)
    entries = read_entries(path)
    count = len(entries) // IDENTITY.size
    assert count > said[-1], "at least what was said to be written"
    for number, (identity, sample) in enumerate(read_samples(path, entries, [(0, count)])):
        assert (identity.captured_ntp, sample) == (number, number.to_bytes(4, "big") * (number % 50 + 1))
