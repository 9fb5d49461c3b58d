"""The index of whole recordings: also while they grow, after a crash, a splice or damage, and with captions."""

import functools
import json
import os
import shutil
import subprocess
import sys
from fractions import Fraction
from itertools import pairwise

import av
import cv2
import numpy as np
import pytest

from classroom.capture.sample.speech import Speech
from classroom.media.webvtt import parse_webvtt
from classroom.model import RecordingState
from classroom.recording.index import recording as recording_module
from classroom.recording.index.dictation import Dictation, pieces, third
from classroom.recording.index.follow import Follower
from classroom.recording.index.text import TextReader
from classroom.recording.index_file import Captions, IndexState, read_index
from classroom.recording.lesson_file import read_lesson, write_lesson
from tests import deck
from tests.unit.recording.lesson_source import (
    EPOCH_S,
    Frame,
    Wire,
    encode_video,
    feed,
    in_order,
    open_recording,
    record,
    split_annexb,
)

SCENES = deck.chosen("cover", "bullets that appear", "a sum", "one number is another", "homework")
CHANGES_S = [5.0, 14.0, 20.0, 26.0]
LENGTH_S = 32.0
STARTS_S = 0.5  # of the slides, after the recording began


@functools.cache
def slides():
    encoded = deck.encode(5, 960, 540, 600_000, 4.0, SCENES)
    return tuple(Frame(at_s, split_annexb(data), key) for at_s, data, key in encoded)


@functools.cache
def speech(from_s, until_s):
    """Opus of somebody who speaks from one time to another, in the length of the lesson."""
    encoder = av.CodecContext.create("libopus", "w")
    encoder.sample_rate, encoder.format, encoder.layout, encoder.bit_rate = 48_000, "s16", "mono", 32_000
    sound = np.zeros(round(LENGTH_S * 48_000), np.int16)
    spoken = slice(round(from_s * 48_000), round(until_s * 48_000))
    sound[spoken] = Speech().samples(0, spoken.stop - spoken.start)
    frames = []
    for at in range(0, len(sound), 960):
        frame = av.AudioFrame.from_ndarray(sound[None, at : at + 960], format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 48_000, at, Fraction(1, 48_000)
        frames += [Frame(len(frames) * 0.02 + n * 0.02, (bytes(p),)) for n, p in enumerate(encoder.encode(frame))]
    return tuple(frames)


def lesson():
    return [
        Wire("slides", slides(), EPOCH_S + STARTS_S, ssrc=1),
        Wire("mic", speech(2, 22), EPOCH_S + STARTS_S, ssrc=2),
        Wire("mic-2", speech(24, 30), EPOCH_S + STARTS_S, ssrc=3),
        Wire("camera", encode_video(LENGTH_S), EPOCH_S + STARTS_S, ssrc=4),
    ]


def work(follower):
    while follower.turn():
        pass


def index(root):
    work(Follower(root))
    [folder] = root.glob("20*/*/maths")
    return read_index(folder)


def picture(folder, name):
    return cv2.imread(str(folder / "index" / name))


def likeness(one, other):
    """Correlation of two pictures of any size, 1.0 when they are alike."""
    small = [
        cv2.resize(each, (80, 45), interpolation=cv2.INTER_AREA).astype(np.float32).ravel() for each in (one, other)
    ]
    return float(np.corrcoef(small)[0, 1])


def page(number, t):
    return SCENES[number].draw(t)


def test_a_recording_has_chapters_pictures_loudness_and_voices(tmp_path):
    folder = record(tmp_path, lesson())
    found = index(tmp_path)
    assert found.state is IndexState.DONE
    assert found.indexed_to_s == pytest.approx(LENGTH_S + STARTS_S, abs=0.1)
    assert [chapter.start_s for chapter in found.chapters[1:]] == pytest.approx(
        [at_s + STARTS_S for at_s in CHANGES_S], abs=0.5
    )
    assert found.chapters[0].start_s == pytest.approx(STARTS_S, abs=0.1)
    for chapter, following in pairwise(found.chapters):
        assert chapter.end_s == following.start_s
    # A thumbnail is of the page as it was before the next: with all its bullets.
    for number, chapter in enumerate(found.chapters):
        thumbnail = picture(folder, chapter.thumbnail)
        assert thumbnail.shape == (270, 480, 3)
        assert likeness(thumbnail, page(number, SCENES[number].duration_s - 0.1)) > 0.98
        assert (folder / "index" / chapter.thumbnail).stat().st_size < 40_000
    assert likeness(picture(folder, found.cover), page(0, 0)) > 0.98
    strip = found.strip
    assert (strip.interval_s, strip.width_px, strip.height_px, strip.columns, strip.rows) == (5.0, 160, 90, 10, 10)
    [sheet] = [picture(folder, name) for name in strip.sheets]
    assert sheet.shape == (90, 1600, 3)
    for cell, (number, t) in enumerate([(0, 0), (0, 4), (1, 4.5), (2, 0.5), (2, 5.5), (3, 4.5), (4, 3.5)]):
        shown = sheet[:, 160 * cell : 160 * cell + 160]
        assert likeness(shown, page(number, t)) > 0.97, cell
    assert set(found.loudness) == {"mic", "mic-2"}
    assert (
        -12
        <= found.loudness["mic"].gain_db
        == pytest.approx(min(-23 - found.loudness["mic"].integrated_lufs, 12), abs=2)
    )
    assert found.voice.teacher_s == pytest.approx(20, abs=2.5)
    assert found.voice.classroom_s == pytest.approx(6, abs=1.5)
    assert found.voice.silence_s == pytest.approx(6, abs=3)
    assert [who for start_s, _, who in found.voice.spans if start_s > 23 + STARTS_S] == ["classroom"] * sum(
        start_s > 23 + STARTS_S for start_s, _, _ in found.voice.spans
    )
    assert found.source == {"slides": "slides", "mic": "mic", "mic-2": "mic-2"}


def test_without_slides_the_camera_gives_strip_and_cover(tmp_path):
    folder = record(tmp_path, [Wire("camera", encode_video(12.0), EPOCH_S, ssrc=4)])
    found = index(tmp_path)
    assert (found.state, found.chapters, found.voice, found.ocr) == (IndexState.DONE, [], None, "off")
    assert picture(folder, found.cover).shape[:2] == (240, 320)  # never larger than it is
    assert len(found.strip.sheets) == 1


def told(folder):
    """What an index says, without names of files of which there may be several with the same contents."""
    text = (folder / "index" / "index.json").read_text()
    return {**json.loads(text), "strip": None}


def test_an_index_grows_behind_the_lesson_and_is_the_same_in_the_end(tmp_path):
    whole = record(tmp_path / "whole", lesson())
    work(Follower(tmp_path / "whole"))
    root = tmp_path / "growing"
    archive = open_recording(root, EPOCH_S)
    follower, states = Follower(root), []

    def watched(events):
        next_s = EPOCH_S + 4
        for event in events:
            if event[0] >= next_s:
                next_s += 4
                work(follower)
                states.append((event[0] - EPOCH_S, read_index(archive.folder)))
            yield event

    until_s = feed(archive, watched(in_order(lesson())))
    archive.finish(RecordingState.COMPLETE, until_s + 0.02)
    work(follower)
    assert told(archive.folder) == told(whole)
    seen = [(at_s, state) for at_s, state in states if state is not None]
    assert {state.state for _, state in seen} == {IndexState.RUNNING}
    at_s, last = seen[-1]
    assert at_s - last.indexed_to_s < recording_module.PUBLISH_S + 7  # published every ten seconds, GOP of four
    assert len(last.chapters) >= 3 and all(chapter.thumbnail for chapter in last.chapters[:-1])


def test_a_lesson_that_goes_on_is_indexed_on(tmp_path):
    first = [wire for wire in lesson() if wire.name == "slides"]
    folder = record(tmp_path, first)
    assert len(index(tmp_path).chapters) == 5
    archive = open_recording(tmp_path, EPOCH_S + 60)
    assert archive.folder == folder
    again = Wire("slides", slides(), EPOCH_S + 60, ssrc=9)
    archive.finish(RecordingState.COMPLETE, feed(archive, in_order([again])) + 0.02)
    found = index(tmp_path)
    assert found.state is IndexState.DONE
    assert [chapter.start_s for chapter in found.chapters[5:]] == pytest.approx(
        [60.0] + [at_s + 60 for at_s in CHANGES_S], abs=1.5
    )


@pytest.mark.parametrize("killed_after", [1, 9, 23, 41])
def test_a_killed_indexer_goes_on_and_finds_the_same(tmp_path, monkeypatch, killed_after):
    monkeypatch.setattr(recording_module, "SAVE_S", 4.0)
    folder = record(tmp_path, lesson())
    index(tmp_path)
    undisturbed = told(folder)
    for file in (folder / "index").iterdir():
        file.unlink()
    indexing = recording_module.RecordingIndex(folder, TextReader(), Dictation.with_model(None))
    steps = sum(indexing.step() for _ in range(killed_after))
    assert steps == killed_after
    index(tmp_path)  # another process that knows only what is on disk
    assert told(folder) == undisturbed


@pytest.mark.parametrize("damage", [b"", b"\x00" * 500, b"PK\x03\x04nonsense"])
def test_a_damaged_state_begins_anew(tmp_path, damage):
    folder = record(tmp_path, lesson()[:1])
    found = index(tmp_path)
    (folder / "index" / "state.npz").write_bytes(damage)
    os.utime(folder / "lesson.json")
    assert index(tmp_path) == found


@pytest.mark.parametrize("damage", [{"chapters": [{"start_s": -1}]}, {"cover": "../lesson.json"}, {"strip": []}])
def test_an_index_of_which_a_part_is_damaged_is_told_without_it_and_made_again(tmp_path, caplog, damage):
    folder = record(tmp_path, lesson()[:2])
    found = index(tmp_path)
    path = folder / "index" / "index.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **damage}))
    damaged = read_index(folder)
    [part] = damage
    assert not getattr(damaged, part) and "is damaged" in caplog.text
    assert (damaged.state, damaged.voice, damaged.source) == (IndexState.RUNNING, found.voice, found.source)
    assert index(tmp_path) == found


def test_a_splice_is_noticed_and_the_old_index_stays_until_the_new_is_made(tmp_path):
    folder = record(tmp_path, lesson()[:1])
    follower = Follower(tmp_path)
    work(follower)
    before = read_index(folder)
    # The next generation of the track has another ending.
    (folder / "slides").rename(folder / "slides.2")
    last = max((folder / "slides.2").glob("*.m4s"))
    last.unlink()
    told_of = read_lesson(folder)
    told_of.tracks[0].folder = "slides.2"
    write_lesson(folder, told_of)
    begun = recording_module.RecordingIndex(folder, TextReader(), Dictation.with_model(None))
    assert begun.step()
    begun.publish(done=False)
    meanwhile = read_index(folder)
    assert (meanwhile.state, meanwhile.chapters) == (IndexState.RUNNING, before.chapters)
    work(follower)
    after = read_index(folder)
    assert (after.state, after.source) == (IndexState.DONE, {"slides": "slides.2"})
    assert after.indexed_to_s < before.indexed_to_s
    assert after.chapters[:4] == before.chapters[:4]


def test_what_ended_long_ago_is_indexed_too_one_after_the_other(tmp_path):
    folder = record(tmp_path, lesson()[:1])
    former = [tmp_path / "2025" / month / "maths" for month in ("01", "02", "03")]
    for path in former:
        shutil.copytree(folder, path)
    work(Follower(tmp_path))
    assert {read_index(path).state for path in (folder, *former)} == {IndexState.DONE}


def test_a_damaged_segment_is_left_out_and_said_once(tmp_path, caplog):
    folder = record(tmp_path, lesson()[:2])
    for number in (3, 4):
        path = folder / "slides" / f"{number:06d}.m4s"
        data = bytearray(path.read_bytes())
        at = data.find(b"mdat")
        data[at + 4 :] = bytes(len(data) - at - 4)
        path.write_bytes(data)
    (folder / "mic" / "000002.m4s").write_bytes(b"\x00" * 100)
    found = index(tmp_path)
    assert found.state is IndexState.DONE
    assert len(found.chapters) >= 3 and found.voice.teacher_s > 10
    said = [each.message for each in caplog.records if "cannot be decoded" in each.message]
    assert len(said) == 2  # once a track


def test_a_damaged_recording_is_said_once_and_others_are_indexed(tmp_path, caplog):
    bad = tmp_path / "2027" / "01" / "bad"
    bad.mkdir(parents=True)
    (bad / "lesson.json").write_text("{")
    record(tmp_path, lesson()[:1])
    follower = Follower(tmp_path)
    work(follower)
    work(follower)
    [good] = tmp_path.glob("20*/*/maths")
    assert read_index(good).state is IndexState.DONE
    assert len([each for each in caplog.records if "cannot be indexed" in each.message]) == 1
    assert not (bad / "index").exists()


DEADLY = """
import os, signal, sys, threading
from pathlib import Path
from classroom.recording.index import follow, recording
load = recording.load_segment
def deadly(file, video):
    if str(file.path).endswith("bad/slides/000003.m4s"):
        {death}
    return load(file, video)
recording.load_segment = deadly
follow.WEDGED_S = float(sys.argv[2])
follower = follow.Follower(Path(sys.argv[1]))
while follower.turn():
    pass
"""


@pytest.mark.parametrize(
    ("death", "wedged_s"),
    [("os.kill(os.getpid(), signal.SIGSEGV)", 600), ("threading.Event().wait()", 5)],
    ids=["crashes", "is stuck"],
)
def test_a_recording_that_kills_the_process_twice_is_skipped_and_said(tmp_path, caplog, death, wedged_s):
    made = record(tmp_path, lesson()[:1])
    bad = made.rename(made.with_name("bad"))
    told_of = read_lesson(bad)
    told_of.id = "bad"
    write_lesson(bad, told_of)
    good = record(tmp_path, lesson()[:1])

    def run(wedged_s):
        command = [sys.executable, "-c", DEADLY.format(death=death), str(tmp_path), str(wedged_s)]
        return subprocess.run(command, capture_output=True, check=False)

    first, second, third_time = run(wedged_s), run(wedged_s), run(600)
    assert first.returncode != 0 and second.returncode != 0
    assert third_time.returncode == 0, third_time.stderr
    assert "处理到 slides/000003.m4s 时程序两次中断" in third_time.stderr.decode()
    assert read_index(good).state is IndexState.DONE
    # What has changed is tried again.
    os.utime(bad / "lesson.json")
    work(Follower(tmp_path))
    assert read_index(bad).state is IndexState.DONE
    assert not (bad / "index" / "attempt.json").exists()


def test_what_ends_a_server_is_not_held_against_a_recording(tmp_path):
    folder = record(tmp_path, lesson()[:1])
    for parent in (7, 8, 9):
        (folder / "index").mkdir(exist_ok=True)
        note = {"parent": parent, "at": "slides/000003.m4s", "died_at": "slides/000003.m4s", "deaths": 1}
        (folder / "index" / "attempt.json").write_text(json.dumps(note))
        indexing = recording_module.RecordingIndex(folder, TextReader(), Dictation.with_model(None))
        assert indexing.step()


def test_an_index_that_was_given_up_does_not_say_that_it_is_being_made(tmp_path):
    folder = record(tmp_path, lesson()[:1])
    indexing = recording_module.RecordingIndex(folder, TextReader(), Dictation.with_model(None))
    assert indexing.step()
    indexing.publish(done=False)
    (folder / "slides").rename(folder / "gone")
    work(Follower(tmp_path))
    assert read_index(folder).state is IndexState.FAILED


def test_what_is_indexed_is_not_indexed_again(tmp_path):
    folder = record(tmp_path, lesson()[:1])
    index(tmp_path)
    written = (folder / "index" / "index.json").stat().st_mtime_ns
    index(tmp_path)
    assert (folder / "index" / "index.json").stat().st_mtime_ns == written


def test_supplied_captions_are_checked_brought_into_one_form_and_listed(tmp_path, caplog):
    folder = record(tmp_path, lesson()[:1])
    follower = Follower(tmp_path)
    work(follower)
    assert read_index(folder).captions == []
    (folder / "captions").mkdir()
    (folder / "captions" / "zh-CN.vtt").write_text("WEBVTT\n\n00:01.000 --> 00:02.000 align:end\n<b>同学们好</b>\n")
    (folder / "captions" / "en.vtt").write_text("no captions at all")
    work(follower)
    [captions] = read_index(folder).captions
    assert captions == Captions("zh-CN", captions.file, "supplied")
    assert (folder / "index" / captions.file).read_text() == ("WEBVTT\n\n00:00:01.000 --> 00:00:02.000\n同学们好\n")
    assert "en.vtt" in caplog.text
    # Another text is another file: what is in a cache is never wrong.
    (folder / "captions" / "zh-CN.vtt").write_text("WEBVTT\n\n00:01.000 --> 00:02.000\n上课\n")
    work(follower)
    [again] = read_index(folder).captions
    assert again.file != captions.file


def test_files_that_nobody_reads_any_more_go(tmp_path):
    folder = record(tmp_path, lesson()[:1])
    found = index(tmp_path)
    stale = folder / "index" / "page-00000000-00000001.webp"
    fresh = folder / "index" / "page-00000000-00000002.webp"
    for path in (stale, fresh):
        path.write_bytes(b"x")
    os.utime(stale, (0, 0))
    for chapter in found.chapters:
        os.utime(folder / "index" / chapter.thumbnail, (0, 0))
    work(Follower(tmp_path))
    assert (stale.exists(), fresh.exists()) == (False, True)
    assert all((folder / "index" / chapter.thumbnail).is_file() for chapter in found.chapters)


class Listener:
    """Writes down how long somebody spoke, and how loud: a recogniser that needs no model."""

    def text(self, sound):
        return f"{len(sound) / 48_000:.1f} s, {20 * np.log10(np.sqrt((sound**2).mean()) + 1e-9):.0f} dB"


def test_what_the_teacher_says_becomes_captions(tmp_path):
    folder = record(tmp_path, lesson())
    work(Follower(tmp_path, dictation=Dictation(Listener(), "done")))
    found = read_index(folder)
    [captions] = found.captions
    assert (found.speech, captions.language, captions.source) == ("done", "zh-CN", "speech")
    cues = parse_webvtt((folder / "index" / captions.file).read_bytes())
    teacher = [(start_s, end_s) for start_s, end_s, who in found.voice.spans if who == "teacher"]
    assert (cues[0].start_s, cues[-1].end_s) == pytest.approx((teacher[0][0], teacher[-1][1]), abs=0.1)
    assert sum(cue.end_s - cue.start_s for cue in cues) == pytest.approx(found.voice.teacher_s, abs=0.5)
    for cue in cues:  # each heard the sound of its own time: speech, not silence
        length, level = cue.text.split(", ")
        assert length == f"{cue.end_s - cue.start_s:.1f} s" and float(level.split()[0]) > -35


def test_supplied_captions_go_before_those_of_a_machine(tmp_path):
    folder = record(tmp_path, lesson()[:2])
    (folder / "captions").mkdir()
    (folder / "captions" / "zh-CN.vtt").write_text("WEBVTT\n\n00:01.000 --> 00:02.000\n同学们好\n")
    work(Follower(tmp_path, dictation=Dictation(Listener(), "done")))
    assert [(each.language, each.source) for each in read_index(folder).captions] == [("zh-CN", "supplied")]


def test_who_wants_captions_is_told_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "sherpa_onnx", None)  # Python's own way to say that it is not installed
    dictation = Dictation.with_model(tmp_path)
    assert not dictation.ready
    assert dictation.state.startswith("unavailable: 未安装语音识别") and "not installed" in dictation.state


@pytest.mark.parametrize("seconds", [0.5, 9, 47])
def test_speech_is_cut_where_it_is_quiet(seconds):
    sound = np.ones(round(seconds * 48_000), np.float32)
    sound[round(6.3 * 48_000) : round(6.5 * 48_000)] = 0
    cuts = list(pieces(sound))
    assert cuts[0][0] == 0 and cuts[-1][1] == len(sound)
    assert all(end == begin for (_, end), (begin, _) in pairwise(cuts))
    assert all(end - begin <= 10 * 48_000 for begin, end in cuts)
    if seconds > 10:
        assert cuts[0][1] / 48_000 == pytest.approx(6.4, abs=0.1)
        assert third(sound).shape == (len(sound) // 3,)
