"""What never reached the server, put into the recording: the finished track is the copy, frame by frame."""

import json
import os
import random
import shutil
import tempfile
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from classroom.live.errors import BadDelivery, DiskShort, NotWanted, RecordingLive, UnknownRecording
from classroom.model import Label, RecordingState, TrackKind
from classroom.recording.deliveries import ABANDONED_S, Deliveries
from classroom.recording.editing import editing
from classroom.recording.lesson_file import read_lesson
from classroom.recording.library import manifest
from classroom.recording.repair import repair_recordings
from classroom.recording.splice import write_generation
from classroom.recording.track import GapReason
from tests.unit.recording.delivering import (
    LESSON,
    Copy,
    agent_now,
    ask,
    assert_contiguous,
    assert_whole,
    deliver,
    track_frames,
)
from tests.unit.recording.lesson_source import EPOCH_S, Wire, encode_audio, encode_video, feed, in_order, open_recording
from tests.unit.recording.playback import beeps, flashes, pictures, sound

CLOCK_S = 1234.5  # how wrong the clock of the agent is
LATER_S = EPOCH_S + 1000.0
NOW_NTP = agent_now(LATER_S, CLOCK_S)


def camera(seconds=12.0, at_s=0.5, **options):
    return Wire("camera", encode_video(seconds), EPOCH_S + at_s, ssrc=1, capture_clock_s=CLOCK_S, **options)


def mic(seconds=12.0, at_s=0.5, **options):
    return Wire("mic", encode_audio(seconds), EPOCH_S + at_s, ssrc=2, capture_clock_s=CLOCK_S, **options)


def drop(wire, lost):
    """Lose the packets that came at times (seconds since the epoch) of which ``lost`` says so.

    Never a report: those that the recorder gets are made by the SFU.
    """
    wire.deliveries = [
        (at_s, thing) for at_s, thing in wire.deliveries if isinstance(thing, bytes) or not lost(at_s - EPOCH_S)
    ]


def outage(wire, begin_s, end_s):
    drop(wire, lambda at_s: begin_s <= at_s < end_s)


def record_until(root, wires, end_s, state=RecordingState.COMPLETE):
    archive = open_recording(root, EPOCH_S)
    feed(archive, in_order(wires))
    archive.finish(state, EPOCH_S + end_s)
    return archive.folder


def deliveries_in(root, later_s=LATER_S):
    return Deliveries(root, lambda: later_s)


def copies(*wires):
    return [Copy.of(wire) for wire in wires]


def assert_plays(folder, seconds, at_s=0.5):
    """FFmpeg decodes all of it, with flashes and beeps where they were."""
    record = read_lesson(folder)
    seen = pictures(folder / record.track("camera").folder / "index.m3u8")
    start_s, samples = sound(folder / record.track("mic").folder / "index.m3u8")
    assert flashes(seen) == pytest.approx([at_s + n for n in range(1, int(seconds))], abs=0.002)
    heard = beeps(start_s, samples)[-len(flashes(seen)) :]
    assert heard == pytest.approx([at_s + n + 0.0065 for n in range(1, int(seconds))], abs=0.005)


def test_an_outage_and_losses_are_mended_to_the_frame(tmp_path):
    wires = [camera(), mic()]
    kept = copies(*wires)
    for wire in wires:
        outage(wire, 4.1, 6.6)
    rng = random.Random(3)
    drop(wires[0], lambda at_s: rng.random() < 0.01)
    drop(wires[1], lambda at_s: rng.random() < 0.05)
    folder = record_until(tmp_path, wires, 13.0)
    before = read_lesson(folder)
    assert before.track("camera").gaps and before.track("mic").gaps
    untouched = {path.name: path.read_bytes() for path in (folder / "mic").iterdir()}

    deliver(deliveries_in(tmp_path), kept, NOW_NTP)

    for copy in kept:
        assert_whole(folder, copy)
    assert_contiguous(folder)
    assert_plays(folder, 12.0)
    record = read_lesson(folder)
    assert record.state is RecordingState.COMPLETE and record.repair is None
    assert [track.folder for track in record.tracks] == ["camera.2", "mic.2"]
    assert [gap for track in record.tracks for gap in track.gaps] == []
    # Players that still read the former generation find it as it was.
    assert {path.name: path.read_bytes() for path in (folder / "mic").iterdir()} == untouched
    assert 'URI="mic.2/index.m3u8"' in (folder / "master.m3u8").read_text()
    assert [track["playlist"] for track in manifest(folder)["tracks"]] == ["camera.2/index.m3u8", "mic.2/index.m3u8"]
    assert not any((folder / ".deliveries").iterdir())


def test_what_is_not_affected_is_not_written_again(tmp_path):
    wires = [camera(30.0), mic(30.0)]
    kept = copies(*wires)
    for wire in wires:
        outage(wire, 12.1, 12.4)
    folder = record_until(tmp_path, wires, 31.0)
    deliver(deliveries_in(tmp_path), kept, NOW_NTP)
    for copy in kept:
        assert_whole(folder, copy)
        segments = list((folder / f"{copy.track}.2").glob("*.m4s"))
        written = [path for path in segments if path.stat().st_nlink == 1]
        assert len(segments) >= 14 and len(written) <= 3, "the one with the hole, and the last, which is a copy"


def test_the_smaller_layer_that_the_uplink_carried_is_replaced(tmp_path):
    high = camera()
    low = Wire("camera", encode_video(12.0, 160, 120, bit_rate=60_000), EPOCH_S + 0.5, 1, capture_clock_s=CLOCK_S)
    mixed = tuple(
        small if 4.0 <= large.at_s < 8.0 else large for large, small in zip(high.frames, low.frames, strict=True)
    )
    wires = [replace(high, frames=mixed, deliveries=[]), mic()]
    kept = copies(high, mic())
    folder = record_until(tmp_path, wires, 13.0)
    assert len(list((folder / "camera").glob("init-*.mp4"))) == 3
    deliver(deliveries_in(tmp_path), kept, NOW_NTP)
    assert_whole(folder, kept[0])
    assert_contiguous(folder)
    assert_plays(folder, 12.0)
    assert len(list((folder / "camera.2").glob("init-*.mp4"))) == 1, "one format throughout"


def test_a_track_that_never_came_is_created_beside_its_neighbour(tmp_path):
    wires = [camera(), mic()]
    kept = copies(*wires)
    folder = record_until(tmp_path, wires[:1], 13.0)
    deliver(deliveries_in(tmp_path), kept, NOW_NTP)
    assert_whole(folder, kept[1])
    assert_contiguous(folder)
    assert_plays(folder, 12.0)
    assert read_lesson(folder).track("mic").gaps == []


def test_without_anything_in_the_archive_the_time_of_the_request_counts(tmp_path):
    wires = [camera(), mic()]
    kept = copies(*wires)
    folder = record_until(tmp_path, [], 13.0)
    deliver(deliveries_in(tmp_path), kept, NOW_NTP)
    assert_plays(folder, 12.0)
    for copy in kept:
        assert_whole(folder, copy)


def test_an_agent_that_started_again_with_another_clock(tmp_path):
    first = [camera(6.0), mic(6.0)]
    again_s = 9.0  # and its clock was set by a quarter of an hour meanwhile
    second = [
        Wire("camera", encode_video(6.0), EPOCH_S + again_s, 3, capture_clock_s=CLOCK_S + 900),
        Wire("mic", encode_audio(6.0), EPOCH_S + again_s, 4, capture_clock_s=CLOCK_S + 900),
    ]
    kept = [Copy.of(*pair) for pair in zip(first, second, strict=True)]
    for wire in first:
        outage(wire, 5.0, 99.0)
    for wire in second:
        outage(wire, 0.0, 10.7)
    folder = record_until(tmp_path, [*first, *second], 16.0)
    deliver(deliveries_in(tmp_path), kept, agent_now(LATER_S, CLOCK_S + 900))
    for copy in kept:
        assert_whole(folder, copy)
    assert_contiguous(folder)
    for name in ("camera", "mic"):
        (gap,) = read_lesson(folder).track(name).gaps
        assert gap.start_s == pytest.approx(6.5, abs=0.05) and gap.end_s == pytest.approx(9.0, abs=0.05)
    seen = pictures(folder / "camera.2" / "index.m3u8")
    assert flashes(seen) == pytest.approx([1.5, 2.5, 3.5, 4.5, 5.5, 9.0, 10.0, 11.0, 12.0, 13.0, 14.0], abs=0.002)


def test_packets_that_drift_made_the_recorder_drop_come_back(tmp_path):
    wire = mic(20.0, skew=0.004)  # a packet too much every five seconds
    kept = copies(wire)
    folder = record_until(tmp_path, [wire], 22.0)
    assert len(track_frames(folder, "mic")) < len(kept[0].frames)
    deliver(deliveries_in(tmp_path), kept, NOW_NTP)
    assert_whole(folder, kept[0])
    assert_contiguous(folder)


def test_frames_beyond_both_ends_are_taken_and_camera_and_sound_begin_together(tmp_path):
    wires = [camera(), mic()]
    kept = copies(*wires)
    outage(wires[0], 0.0, 3.0)
    outage(wires[0], 10.0, 99.0)
    outage(wires[1], 0.0, 2.0)
    folder = record_until(tmp_path, wires, 13.0)
    deliver(deliveries_in(tmp_path), kept[:1], NOW_NTP)
    assert_whole(folder, kept[0])
    record = read_lesson(folder)
    assert record.track("camera").start_s == record.track("mic").start_s == pytest.approx(0.5, abs=0.001)
    assert_contiguous(folder)


def test_a_copy_that_is_not_whole_gives_what_can_be_decoded(tmp_path):
    wires = [camera(), mic()]
    copy = Copy.of(wires[0])
    outage(wires[0], 4.1, 8.6)
    folder = record_until(tmp_path, wires, 13.0)
    deliveries = deliveries_in(tmp_path)
    wanted = ask(deliveries, copy, NOW_NTP)
    ((first, count),) = wanted.wanted
    # The keyframe at 6.5 s (frame 180) is not to be had, nor anything that needs it.
    for body in copy.bodies([(first, 180 - first), (181, first + count - 181)]):
        deliveries.take_frames(LESSON, wanted.holding, "camera", body)
    done = deliveries.complete(LESSON, wanted.holding)
    assert done.state is RecordingState.COMPLETE and done.gaps == 1
    (gap,) = read_lesson(folder).track("camera").gaps
    assert (gap.start_s, gap.end_s) == pytest.approx((6.5, 8.5), abs=0.04)
    assert gap.reason is GapReason.LOSS
    assert_contiguous(folder)
    pictures(folder / "camera.2" / "index.m3u8")  # raises when something cannot be decoded
    # What waits for the keyframe is not asked for again.
    assert ask(deliveries, copy, NOW_NTP).wanted == [(180, 1)]
    assert deliveries.complete(LESSON, wanted.holding) == done
    deliver(deliveries, [copy], NOW_NTP)
    assert_whole(folder, copy)
    assert not any((folder / ".deliveries").iterdir())


def test_a_second_delivery_makes_a_third_generation_and_the_former_ones_go(tmp_path):
    wires = [camera(), mic()]
    kept = copies(*wires)
    for wire in wires:
        outage(wire, 3.1, 3.6)
        outage(wire, 8.1, 8.6)
    folder = record_until(tmp_path, wires, 13.0)
    half = Copy("camera", kept[0].frames[:180])
    deliver(deliveries_in(tmp_path), [half], NOW_NTP)
    deliver(deliveries_in(tmp_path), kept, NOW_NTP)
    for copy in kept:
        assert_whole(folder, copy)
    record = read_lesson(folder)
    assert [track.folder for track in record.tracks] == ["camera.3", "mic.2"]
    repair_recordings(tmp_path)
    assert sorted(path.name for path in folder.iterdir() if path.is_dir()) == [".deliveries", "camera.3", "mic.2"]
    assert_plays(folder, 12.0)


def test_the_lesson_goes_on_in_the_generation_that_is_in_force(tmp_path):
    wires = [camera(), mic()]
    kept = copies(*wires)
    for wire in wires:
        outage(wire, 4.0, 5.0)
    folder = record_until(tmp_path, wires, 13.0)
    deliver(deliveries_in(tmp_path), kept, NOW_NTP)
    former = {path: path.read_bytes() for path in (folder / "camera").iterdir()}
    again = [Wire("camera", encode_video(4.0), EPOCH_S + 20, 7), Wire("mic", encode_audio(4.0), EPOCH_S + 20, 8)]
    archive = open_recording(tmp_path, EPOCH_S + 19.0)
    assert archive.folder == folder
    feed(archive, in_order(again))
    archive.finish(RecordingState.COMPLETE, EPOCH_S + 24.5)
    assert [track.folder for track in read_lesson(folder).tracks] == ["camera.2", "mic.2"]
    assert {path: path.read_bytes() for path in (folder / "camera").iterdir()} == former
    assert_contiguous(folder)
    assert len(pictures(folder / "camera.2" / "index.m3u8")) == 480


def test_a_recorder_waits_for_a_commit_and_goes_on_with_what_it_made(tmp_path):
    wires = [camera(), mic()]
    for wire in wires:
        outage(wire, 4.0, 5.0)
    folder = record_until(tmp_path, wires, 13.0)
    shutil.copytree(folder / "camera", folder / "camera.2")
    inside, go = threading.Event(), threading.Event()

    def commit():
        with editing(folder) as (record, _):
            inside.set()
            go.wait()
            record.track("camera").folder = "camera.2"

    committing = threading.Thread(target=commit)
    committing.start()
    inside.wait()
    threading.Timer(0.2, go.set).start()
    archive = open_recording(tmp_path, EPOCH_S + 19.0)
    committing.join()
    assert [track.folder for track in archive.record.tracks] == ["camera.2", "mic"]
    archive.finish(RecordingState.COMPLETE, EPOCH_S + 20.0)
    assert read_lesson(folder).track("camera").folder == "camera.2"


def test_a_splice_gives_up_when_the_lesson_has_gone_on_meanwhile(tmp_path, monkeypatch):
    folder, (copy, _) = lossy(tmp_path)
    deliveries = deliveries_in(tmp_path)
    wanted = ask(deliveries, copy, NOW_NTP)
    for body in copy.bodies(wanted.wanted):
        deliveries.take_frames(LESSON, wanted.holding, "camera", body)
    archives = []

    def write_and_be_late(*arguments):
        archives.append(open_recording(tmp_path, EPOCH_S + 19.0))
        return write_generation(*arguments)

    monkeypatch.setattr("classroom.recording.splicing.write_generation", write_and_be_late)
    with pytest.raises(RecordingLive):
        deliveries.complete(LESSON, wanted.holding)
    monkeypatch.undo()
    assert not (folder / "camera.2").exists()
    archives[0].finish(RecordingState.COMPLETE, EPOCH_S + 20.0)
    assert deliveries.complete(LESSON, wanted.holding).state is RecordingState.COMPLETE
    assert_whole(folder, copy)


# --- what the door can rely on ---------------------------------------------------------------------------------


def lossy(tmp_path, state=RecordingState.COMPLETE):
    wires = [camera(), mic()]
    kept = copies(*wires)
    for wire in wires:
        outage(wire, 4.1, 6.6)
    return record_until(tmp_path, wires, 13.0, state), kept


@pytest.mark.parametrize("state", [RecordingState.COMPLETE, RecordingState.INTERRUPTED])
def test_the_state_says_what_goes_on_and_a_repair_that_stops_is_none(tmp_path, state):
    folder, (copy, _) = lossy(tmp_path, state)
    deliveries = deliveries_in(tmp_path)
    wanted = ask(deliveries, copy, NOW_NTP)
    record = read_lesson(folder)
    assert record.state is RecordingState.REPAIRING and "delivered" in record.detail
    assert (record.repair.wanted_bytes, record.repair.received_bytes) == (wanted.wanted_bytes, 0)
    body = copy.bodies(wanted.wanted, 20_000)[0]
    deliveries.take_frames(LESSON, wanted.holding, "camera", body)
    received = manifest(folder)["repair"]["received_bytes"]
    assert 0 < received < wanted.wanted_bytes
    assert deliveries.told(LESSON).state is RecordingState.REPAIRING

    soon = deliveries_in(tmp_path, LATER_S + ABANDONED_S - 60)
    assert [told.state for told in soon.keep_house()] == [RecordingState.REPAIRING]
    late = deliveries_in(tmp_path, LATER_S + ABANDONED_S + 60)
    assert [told.state for told in late.keep_house()] == [state]
    record = read_lesson(folder)
    assert (record.state, record.detail, record.repair) == (state, None, None)

    # The agent comes back all the same: what has come is not asked for again.
    rest = ask(late, copy, agent_now(LATER_S + ABANDONED_S + 60, CLOCK_S))
    assert rest.wanted_bytes == wanted.wanted_bytes - received
    for body in copy.bodies(rest.wanted):
        late.take_frames(LESSON, rest.holding, "camera", body)
    assert late.complete(LESSON, rest.holding).state is RecordingState.COMPLETE
    assert_whole(folder, copy)


def test_nothing_is_put_in_while_the_lesson_is_recorded(tmp_path):
    wires = [camera(), mic()]
    kept = copies(*wires)
    for wire in wires:
        outage(wire, 4.1, 6.6)
    archive = open_recording(tmp_path, EPOCH_S)
    feed(archive, in_order(wires))
    archive.advance(EPOCH_S + 100)
    deliveries = deliveries_in(tmp_path, EPOCH_S + 100)
    wanted = ask(deliveries, kept[0], agent_now(EPOCH_S + 100, CLOCK_S))
    assert wanted.live and wanted.wanted_bytes
    for body in kept[0].bodies(wanted.wanted):
        deliveries.take_frames(LESSON, wanted.holding, "camera", body)
    with pytest.raises(RecordingLive, match=r"下课.*after its end"):
        deliveries.complete(LESSON, wanted.holding)
    assert read_lesson(archive.folder).state is RecordingState.RECORDING
    archive.finish(RecordingState.COMPLETE, EPOCH_S + 101)
    assert ask(deliveries, kept[0], agent_now(EPOCH_S + 102, CLOCK_S)).wanted == []
    assert read_lesson(archive.folder).state is RecordingState.REPAIRING
    deliveries.complete(LESSON, wanted.holding)
    assert_whole(archive.folder, kept[0])


def test_what_was_captured_a_moment_ago_is_not_missing_yet(tmp_path):
    wire = camera()
    copy = Copy.of(wire)
    archive = open_recording(tmp_path, EPOCH_S)
    events = [event for event in in_order([wire]) if event[0] < EPOCH_S + 6]
    feed(archive, events)
    archive.advance(EPOCH_S + 12)
    wanted = ask(deliveries_in(tmp_path, EPOCH_S + 12), copy, agent_now(EPOCH_S + 12, CLOCK_S))
    assert wanted.wanted == []
    archive.finish(RecordingState.COMPLETE, EPOCH_S + 13)


def test_frames_are_taken_all_or_nothing_and_once(tmp_path):
    folder, (copy, _) = lossy(tmp_path)
    deliveries = deliveries_in(tmp_path)
    with pytest.raises(NotWanted):
        deliveries.take_frames(LESSON, "2027-01-1", "camera", copy.record(120))
    wanted = ask(deliveries, copy, NOW_NTP)
    (body,) = copy.bodies(wanted.wanted)
    log = folder / ".deliveries/camera/frames"
    damaged = bytearray(body)
    damaged[-1] ^= 1
    stranger = Copy("camera", [(5, b"\0\0\0\1\x41")])
    for bad, error in [
        (bytes(damaged), BadDelivery),
        (body[:-1], BadDelivery),
        (body + body[:7], BadDelivery),
        (body + stranger.record(0), NotWanted),
    ]:
        with pytest.raises(error):
            deliveries.take_frames(LESSON, wanted.holding, "camera", bad)
        assert not log.exists()
    for _ in range(2):
        deliveries.take_frames(LESSON, wanted.holding, "camera", body)
        assert log.read_bytes() == body
    deliveries.take_frames(LESSON, wanted.holding, "camera", copy.record(0))  # the archive has it already
    assert log.read_bytes() == body
    with pytest.raises(UnknownRecording):
        deliveries.take_frames(LESSON, "2026-01-1", "camera", body)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("camera", b"no picture at all"),
        ("camera", b"\0\0\0\5\x67\x42\0\0\0" + b"\0\0\0\2\x65\x88"),
        ("camera", b"\0\0\0\0"),
        ("mic", b"\xff"),
    ],
    ids=["no lengths", "a parameter set that is none", "empty unit", "no Opus"],
)
def test_what_cannot_be_stored_is_refused_even_if_it_was_announced(tmp_path, name, data):
    _, kept = lossy(tmp_path)
    copy = next(copy for copy in kept if copy.track == name)
    index = 5 * (30 if name == "camera" else 50)
    copy.frames[index] = (copy.frames[index][0], data)
    deliveries = deliveries_in(tmp_path)
    wanted = ask(deliveries, copy, NOW_NTP)
    with pytest.raises(BadDelivery):
        deliveries.take_frames(LESSON, wanted.holding, name, copy.record(index))


@pytest.mark.parametrize(
    "damage",
    [lambda data: data[:-1], lambda data: data[16:32] + data[:16], lambda data: data[:16] * 2, lambda _: bytes(16)],
    ids=["cut", "out of order", "twice", "time 0"],
)
def test_an_inventory_that_is_none(tmp_path, damage):
    _, (copy, _) = lossy(tmp_path)
    with pytest.raises(BadDelivery):
        deliveries_in(tmp_path).take_inventory(
            LESSON, "camera", Label.CAMERA, TrackKind.VIDEO, NOW_NTP, damage(copy.inventory())
        )


def test_frames_of_another_day_belong_to_no_recording(tmp_path):
    folder, _ = lossy(tmp_path)
    late = Wire("camera", encode_video(2.0), EPOCH_S + 86_400 * 3, 1, capture_clock_s=CLOCK_S)
    with pytest.raises(UnknownRecording):
        ask(deliveries_in(tmp_path, EPOCH_S + 86_400 * 3), Copy.of(late), agent_now(EPOCH_S + 86_400 * 3, CLOCK_S))
    with pytest.raises(UnknownRecording):
        deliveries_in(tmp_path / "nothing").take_inventory(
            LESSON, "camera", Label.CAMERA, TrackKind.VIDEO, NOW_NTP, Copy.of(late).inventory()
        )
    assert read_lesson(folder).state is RecordingState.COMPLETE


def test_a_lesson_that_was_held_twice_gets_the_frames_of_each(tmp_path):
    first, kept = lossy(tmp_path)
    again = [
        Wire("camera", encode_video(6.0), EPOCH_S + 7200, 5, capture_clock_s=CLOCK_S),
        Wire("mic", encode_audio(6.0), EPOCH_S + 7200, 6, capture_clock_s=CLOCK_S),
    ]
    both = Copy("camera", kept[0].frames + Copy.of(again[0]).frames)
    outage(again[0], 7203.0, 7204.0)
    archive = open_recording(tmp_path, EPOCH_S + 7199)
    feed(archive, in_order(again))
    archive.finish(RecordingState.COMPLETE, EPOCH_S + 7206)
    later_s = EPOCH_S + 8000
    deliveries = deliveries_in(tmp_path, later_s)
    assert deliver(deliveries, [both], agent_now(later_s, CLOCK_S)).holding == "2027-01-2"
    assert_whole(archive.folder, Copy.of(again[0]))
    assert deliver(deliveries, [kept[0]], agent_now(later_s, CLOCK_S)).holding == "2027-01-1"
    assert_whole(first, kept[0])


def test_a_full_disk_is_said_and_changes_nothing(tmp_path, monkeypatch):
    folder, (copy, _) = lossy(tmp_path)
    deliveries = deliveries_in(tmp_path)
    wanted = ask(deliveries, copy, NOW_NTP)
    (body,) = copy.bodies(wanted.wanted)
    usage = shutil.disk_usage(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1 << 20))
        with pytest.raises(DiskShort, match=r"磁盘.*disk"):
            deliveries.take_frames(LESSON, wanted.holding, "camera", body)
    deliveries.take_frames(LESSON, wanted.holding, "camera", body)
    with monkeypatch.context() as patched:
        patched.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1 << 20))
        with pytest.raises(DiskShort):
            deliveries.complete(LESSON, wanted.holding)
    assert sorted(path.name for path in folder.iterdir() if path.is_dir()) == [".deliveries", "camera", "mic"]
    deliveries.complete(LESSON, wanted.holding)
    assert_whole(folder, copy)


@pytest.mark.parametrize("torn", [1, 9, 16, 700])
def test_what_a_crash_left_half_written_is_asked_for_again(tmp_path, torn):
    folder, (copy, _) = lossy(tmp_path)
    wanted = ask(deliveries_in(tmp_path), copy, NOW_NTP)
    (body,) = copy.bodies(wanted.wanted)
    deliveries_in(tmp_path).take_frames(LESSON, wanted.holding, "camera", body)
    log = folder / ".deliveries/camera/frames"
    os.truncate(log, len(body) - torn)
    again = deliveries_in(tmp_path)
    rest = ask(again, copy, NOW_NTP)
    assert 0 < rest.wanted_bytes < wanted.wanted_bytes
    for missing in copy.bodies(rest.wanted):
        again.take_frames(LESSON, rest.holding, "camera", missing)
    again.complete(LESSON, rest.holding)
    assert_whole(folder, copy)


def test_a_splice_that_was_not_committed_leaves_nothing(tmp_path):
    folder, (copy, _) = lossy(tmp_path)
    shutil.copytree(folder / "camera", folder / "camera.2")
    record = json.loads((folder / "lesson.json").read_text())
    repair_recordings(tmp_path)
    assert not (folder / "camera.2").exists() and (folder / "camera").exists()
    assert json.loads((folder / "lesson.json").read_text()) == record
    deliver(deliveries_in(tmp_path), [copy], NOW_NTP)
    assert_whole(folder, copy)


# --- any loss whatever -----------------------------------------------------------------------------------------

SECONDS = 9.0
instants = st.floats(0.0, SECONDS, allow_nan=False)
stretches = st.tuples(instants, st.floats(0.03, 4.0)).map(lambda pair: (pair[0], pair[0] + pair[1]))


@pytest.mark.timeout(300)
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
)
@given(
    outages=st.lists(stretches, max_size=3),
    camera_loss=st.sampled_from([0.0, 0.002, 0.02, 0.2]),
    mic_loss=st.sampled_from([0.0, 0.01, 0.3]),
    small=st.none() | stretches,
    restart=st.none() | st.tuples(st.floats(1.0, 4.0), st.floats(0.0, 600.0)),
    skew=st.sampled_from([0.0, 1e-4, -1e-4]),
    seed=st.integers(0, 1000),
)
def test_whatever_was_lost_the_track_becomes_the_copy(outages, camera_loss, mic_loss, small, restart, skew, seed):
    # In memory where there is such a folder: nothing here is about durability.
    memory = "/dev/shm"
    with tempfile.TemporaryDirectory(dir=memory if os.path.isdir(memory) else None) as folder:
        splice_whatever(Path(folder), outages, camera_loss, mic_loss, small, restart, skew, seed)


def splice_whatever(root, outages, camera_loss, mic_loss, small, restart, skew, seed):
    """Hold a lesson of which all that is lost, deliver, compare."""
    high, low = encode_video(SECONDS, gop_s=1.0), encode_video(SECONDS, 160, 120, gop_s=1.0, bit_rate=60_000)
    # Layers change at keyframes.
    sent = tuple(
        little if small is not None and small[0] <= int(large.at_s) < small[1] else large
        for large, little in zip(high, low, strict=True)
    )
    rng = random.Random(seed)
    all_sent, kept, end_s = [], {"camera": [], "mic": []}, 0.5

    def hold(clock_s, ssrc):
        options = {"capture_clock_s": clock_s, "skew": skew}
        begins_s = EPOCH_S + end_s
        whole = [
            Wire("camera", high, begins_s, ssrc, **options),
            Wire("mic", encode_audio(SECONDS), begins_s, ssrc + 1, **options),
        ]
        for wire, loss in zip(whole, (camera_loss, mic_loss), strict=True):
            kept[wire.name].append(wire)
            frames = sent if wire.name == "camera" else wire.frames
            lossy_wire = replace(wire, frames=frames, deliveries=[])
            for begin_s, stop_s in outages:
                outage(lossy_wire, end_s + begin_s, end_s + stop_s)
            drop(lossy_wire, lambda at_s, loss=loss: rng.random() < loss)
            all_sent.append(lossy_wire)

    hold(CLOCK_S, 1)
    end_s += SECONDS + 0.1
    clock_s = CLOCK_S
    if restart is not None:
        end_s += restart[0]
        clock_s += restart[1]
        hold(clock_s, 3)
        end_s += SECONDS + 0.1
    folder = record_until(root, all_sent, end_s + 1.0)
    wanted = [Copy.of(*wires) for wires in kept.values()]
    deliver(deliveries_in(root), wanted, agent_now(LATER_S, clock_s))
    for copy in wanted:
        found = track_frames(folder, copy.track)
        assert [(ntp, data) for ntp, _, data, _ in found] == copy.frames
        assert_whole(folder, copy)
    assert_contiguous(folder)
