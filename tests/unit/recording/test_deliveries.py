"""What the door of deliveries can rely on: states, refusals, and what a crash leaves."""

import json
import os
import shutil

import pytest

from classroom.live.errors import BadDelivery, DiskShort, NotWanted, RecordingLive, UnknownRecording
from classroom.model import Label, RecordingState, TrackKind
from classroom.recording.deliveries import ABANDONED_S
from classroom.recording.lesson_file import read_lesson
from classroom.recording.library import manifest
from classroom.recording.repair import repair_recordings
from tests.unit.recording.delivering import (
    CLOCK_S,
    LATER_S,
    LESSON,
    NOW_NTP,
    Copy,
    agent_now,
    ask,
    assert_whole,
    camera,
    copies,
    deliver,
    deliveries_in,
    lossy,
    mic,
    outage,
)
from tests.unit.recording.lesson_source import EPOCH_S, Wire, encode_audio, encode_video, feed, in_order, open_recording


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
