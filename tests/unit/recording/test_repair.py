"""What startup finds on the disk: each kind of damage, one by one."""

import json
import os
import shutil

import pytest

from classroom.model import Label, RecordingState
from classroom.recording.lesson_file import read_lesson
from classroom.recording.library import find_recording, manifest
from classroom.recording.repair import repair_recordings
from classroom.recording.track import GapReason
from tests.unit.recording.lesson_source import EPOCH_S, Wire, encode_audio, encode_video, feed, in_order, open_recording
from tests.unit.recording.playback import pictures, sound
from tests.unit.recording.test_lesson import prefixed, stored_pictures

SMALL_S, LARGE_S, AWAY_S = 4.0, 3.0, 2.0
PICTURES = round((SMALL_S + LARGE_S) * 30)


@pytest.fixture(scope="module")
def left_by_a_crash(tmp_path_factory):
    """A lesson that was killed: a picture that changes its size, a teacher who was away, nothing closed."""
    root = tmp_path_factory.mktemp("crash") / "recordings"
    archive = open_recording(root, EPOCH_S)
    back_s = EPOCH_S + SMALL_S + AWAY_S
    first = Wire("camera", encode_video(SMALL_S, width=160, height=120), EPOCH_S, ssrc=1)
    wires = [
        first,
        Wire("camera", encode_video(LARGE_S), back_s, ssrc=3),
        Wire("mic", encode_audio(SMALL_S + AWAY_S + LARGE_S), EPOCH_S, ssrc=2),
    ]
    bye_s, bye = first.bye()
    feed(archive, in_order(wires, [(bye_s + 0.01, first, bye)]))
    archive.advance(back_s + LARGE_S + 1.5)
    copy = root.with_name("left")
    shutil.copytree(root, copy)
    archive.finish(RecordingState.COMPLETE, back_s + LARGE_S)
    return copy


def cut(name, keep):
    def damage(folder):
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(data[: keep if keep >= 0 else len(data) + keep])

    return damage


def overwrite(name, data):
    def damage(folder):
        (folder / name).write_bytes(data)

    return damage


def zeros_at_the_end(name, count):
    """What XFS and ext4 leave when the size of a file was on the disk before its contents."""

    def damage(folder):
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(data[:-count] + bytes(count))

    return damage


def lose(*names):
    def damage(folder):
        for name in names:
            (folder / name).unlink()

    return damage


def all_of(*damages):
    def damage(folder):
        for each in damages:
            each(folder)

    return damage


def make_folder(name):
    return lambda folder: (folder / name).mkdir()


LAST_CAMERA = "camera/000004.m4s"
# What is damaged, how, and how many pictures are there afterwards.
CASES = {
    "nothing": (lambda folder: None, PICTURES),
    "a chunk that is cut": (cut(LAST_CAMERA, -100), PICTURES - 30),
    "a chunk that is zeros": (zeros_at_the_end(LAST_CAMERA, 700), PICTURES - 30),
    "a segment that is empty": (overwrite("camera/000005.m4s", b""), PICTURES),
    "a segment that is zeros": (overwrite("camera/000005.m4s", bytes(4096)), PICTURES),
    "a segment that only began": (overwrite("camera/000005.m4s", b"\0\0\0\x1cstypcmfs"), PICTURES),
    "a segment of somebody else": (overwrite("camera/000005.m4s", b"what is this?"), PICTURES),
    "a folder called like a segment": (make_folder("camera/000005.m4s"), PICTURES),
    "the first header": (lose("camera/init-000001.mp4"), PICTURES),
    "the second header": (overwrite("camera/init-000003.mp4", b"\0" * 700), PICTURES),
    "the header of the sound": (lose("mic/init-000001.mp4"), PICTURES),
    "all playlists": (lose("camera/index.m3u8", "mic/index.m3u8", "master.m3u8"), PICTURES),
    "playlists that are empty": (all_of(overwrite("camera/index.m3u8", b""), overwrite("master.m3u8", b"")), PICTURES),
    "a header of a segment that was never begun": (overwrite("camera/init-000009.mp4", b"x"), PICTURES),
    "half-written files": (
        all_of(overwrite(".lesson.json.tmp", b"{"), overwrite("camera/.index.m3u8.tmp", b"#EXT")),
        PICTURES,
    ),
    "files of somebody else": (
        all_of(overwrite("notes.txt", b"!"), overwrite("camera/Thumbs.db", b"!"), make_folder("holiday")),
        PICTURES,
    ),
    "the log": (lose("events.jsonl"), PICTURES),
    "the end of the log": (zeros_at_the_end("events.jsonl", 40), PICTURES),
    "the reserve": (lose(".reserve"), PICTURES),
    "lesson.json cut": (cut("lesson.json", 100), PICTURES),
    "lesson.json empty": (overwrite("lesson.json", b""), PICTURES),
    "lesson.json lost": (lose("lesson.json"), PICTURES),
    "lesson.json of another program": (overwrite("lesson.json", b'{"id": 7, "tracks": []}'), PICTURES),
    "lesson.json and all headers": (
        lose("lesson.json", "camera/init-000001.mp4", "camera/init-000003.mp4", "mic/init-000001.mp4"),
        PICTURES,
    ),
    "lesson.json and the log": (lose("lesson.json", "events.jsonl"), PICTURES),
    "everything but the media": (
        lose("lesson.json", "events.jsonl", ".reserve", "master.m3u8", "camera/index.m3u8", "mic/index.m3u8"),
        PICTURES,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_startup_finds_is_mended_and_plays(tmp_path, left_by_a_crash, case):
    root = tmp_path / "recordings"
    shutil.copytree(left_by_a_crash, root)
    folder = find_recording(root, "maths")
    damage, expected = CASES[case]
    damage(folder)
    rebuilt = "lesson.json" in case or case.startswith("everything")

    assert repair_recordings(root) == [folder]
    assert repair_recordings(root) == [], "there is nothing left to mend"

    record = read_lesson(folder)
    assert record.state is RecordingState.INTERRUPTED
    assert (record.detail is not None) == rebuilt
    assert [(track.name, track.label) for track in sorted(record.tracks, key=lambda t: t.name)] == [
        ("camera", Label.CAMERA),
        ("mic", Label.MIC),
    ]
    camera = record.track("camera")
    sent = [*encode_video(SMALL_S, width=160, height=120), *encode_video(LARGE_S)]
    stored = stored_pictures(folder / "camera")
    assert stored == [prefixed(frame) for frame in sent[: len(stored)]]
    assert expected <= len(stored) <= PICTURES
    assert (len(stored) < PICTURES) == case.startswith("a chunk")
    assert len(pictures(folder / "camera" / "index.m3u8")) == len(stored) == camera.frames
    start_s, samples = sound(folder / "mic" / "index.m3u8")  # raises for holes
    assert start_s + len(samples) / 48_000 == pytest.approx(SMALL_S + AWAY_S + LARGE_S, abs=0.03)
    assert manifest(folder)["master"] == "master.m3u8"
    assert not list(folder.rglob("*.tmp")) and not (folder / ".reserve").exists()
    if "the log" not in case and "everything" not in case:
        assert record.epoch_s == EPOCH_S and record.title == "数学课"
        assert [gap.reason for gap in camera.gaps] == [GapReason.OUTAGE]
        assert camera.gaps[0].end_s == pytest.approx(SMALL_S + AWAY_S, abs=0.01)


def test_what_nobody_knows_is_kept(tmp_path, left_by_a_crash):
    root = tmp_path / "recordings"
    shutil.copytree(left_by_a_crash, root)
    folder = find_recording(root, "maths")
    (folder / "notes.txt").write_text("!")
    (folder / "camera/000005.m4s").write_text("what is this?")
    (folder / "lesson.json").write_text("and this?")
    repair_recordings(root)
    kept = {p.name: p.read_text() for p in folder.rglob("*") if p.suffix in (".txt", ".damaged")}
    assert kept == {
        "notes.txt": "!", ".000005.m4s.damaged": "what is this?", ".lesson.json.damaged": "and this?"
    }  # fmt: skip


def test_the_state_that_a_lost_record_had_is_found_in_the_log(tmp_path):
    archive = open_recording(tmp_path, EPOCH_S)
    feed(archive, in_order([Wire("mic", encode_audio(3.0), EPOCH_S, ssrc=1)]))
    archive.finish(RecordingState.COMPLETE, EPOCH_S + 3.0)
    (archive.folder / "lesson.json").unlink()
    assert repair_recordings(tmp_path) == [archive.folder]
    record = read_lesson(archive.folder)
    assert (record.state, record.title) == (RecordingState.COMPLETE, "数学课")
    assert record.duration_s == pytest.approx(3.0, abs=0.03)
    assert "已根据媒体文件重建" in record.detail and "rebuilt" in record.detail


def test_without_a_log_the_time_of_the_files_tells_when_it_was(tmp_path, left_by_a_crash):
    root = tmp_path / "recordings"
    shutil.copytree(left_by_a_crash, root)
    folder = find_recording(root, "maths")
    first = folder / "camera" / "000001.m4s"
    os.utime(first, (EPOCH_S + 2.1, EPOCH_S + 2.1))
    os.utime(folder / "mic" / "000001.m4s", (EPOCH_S + 2.3, EPOCH_S + 2.3))
    (folder / "lesson.json").unlink()
    (folder / "events.jsonl").unlink()
    repair_recordings(root)
    assert read_lesson(folder).epoch_s == pytest.approx(EPOCH_S, abs=0.5)


def test_folders_without_a_recording(tmp_path):
    month = tmp_path / "2027" / "01"
    (month / "maths" / "camera").mkdir(parents=True)  # a recorder that did not come further
    (month / "maths" / ".reserve").write_bytes(bytes(100))
    (month / "maths" / "events.jsonl").write_text("")
    (month / "physics").mkdir()
    (month / "photos").mkdir()
    (month / "photos" / "class.jpg").write_text("!")
    (month / "Ä name no lesson has").mkdir()
    (month / "a file").write_text("!")
    assert repair_recordings(tmp_path) == []
    assert sorted(path.name for path in month.iterdir()) == ["a file", "photos", "Ä name no lesson has"]
    assert find_recording(tmp_path, "photos") is None


def test_a_recording_that_had_only_begun_is_closed(tmp_path):
    archive = open_recording(tmp_path, EPOCH_S)
    copy = tmp_path.with_name("copy")
    shutil.copytree(tmp_path, copy)
    archive.finish(RecordingState.COMPLETE, EPOCH_S)
    (folder,) = repair_recordings(copy)
    assert read_lesson(folder).state is RecordingState.INTERRUPTED
    assert json.loads((folder / "events.jsonl").read_text().splitlines()[-1])["state"] == "interrupted"
