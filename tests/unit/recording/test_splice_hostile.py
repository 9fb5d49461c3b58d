"""What must not get into a recording, and what must not keep others from it."""

import random
from dataclasses import replace

import pytest

from classroom.live.errors import BadDelivery, UnknownRecording
from classroom.media.h264 import to_length_prefixed
from classroom.model import Label, RecordingState, TrackKind
from classroom.recording.inventory import IDENTITY
from classroom.recording.lesson_file import read_lesson
from classroom.recording.repair import repair_recordings
from classroom.recording.staging import FOLDER
from classroom.sfu.core.ntp import FRACTION, unix_to_ntp
from tests.unit.recording.delivering import (
    CLOCK_S,
    LATER_S,
    LESSON,
    NOW_NTP,
    Copy,
    agent_now,
    ask,
    assert_contiguous,
    assert_whole,
    camera,
    copies,
    deliver,
    deliveries_in,
    drop,
    mic,
    outage,
    record_until,
    track_frames,
)
from tests.unit.recording.lesson_source import EPOCH_S, Wire, encode_video
from tests.unit.recording.playback import pictures


def test_the_copy_of_another_agent_of_the_same_lesson_is_not_put_between_the_pictures(tmp_path):
    """A spare computer was started with the same token: its camera never was in the lesson."""
    wires = [camera(), mic()]
    spare = [
        Wire("camera", encode_video(12.0, flash=False), EPOCH_S + 0.513, 7, capture_clock_s=CLOCK_S),
        mic(at_s=0.509),
    ]
    kept = copies(*wires)
    rng = random.Random(1)
    for wire in wires:
        drop(wire, lambda at_s: rng.random() < 0.02)
    folder = record_until(tmp_path, wires, 13.0)
    deliveries = deliveries_in(tmp_path)
    for copy in copies(*spare):
        with pytest.raises(UnknownRecording):
            ask(deliveries, copy, NOW_NTP)
    deliver(deliveries, kept, NOW_NTP)
    for copy in kept:
        assert_whole(folder, copy)


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda data: b"", id="empty"),
        pytest.param(lambda data: bytes(len(data)), id="zeros"),
        pytest.param(lambda data: data[:-3], id="cut"),
        pytest.param(lambda data: data.replace(b'"camera"', b'"kamera"'), id="other words"),
    ],
)
def test_a_delivery_that_the_disk_has_spoilt_begins_anew(tmp_path, damage):
    wire = camera()
    (copy,) = copies(wire)
    outage(wire, 4.0, 6.0)
    folder = record_until(tmp_path, [wire], 13.0)
    wanted = ask(deliveries_in(tmp_path), copy, NOW_NTP)
    deliveries_in(tmp_path).take_frames("maths", wanted.holding, "camera", copy.bodies(wanted.wanted)[0])
    request = folder / FOLDER / "camera" / "request"
    request.write_bytes(damage(request.read_bytes()))
    deliveries_in(tmp_path).keep_house()  # what it cannot read keeps nobody from being looked after
    deliver(deliveries_in(tmp_path), [copy], NOW_NTP)
    assert_whole(folder, copy)


@pytest.mark.parametrize("lost", ["all but one", "begin", "end"])
def test_a_lesson_of_two_seconds(tmp_path, lost):
    wires = [camera(2.0), mic(2.0)]
    kept = copies(*wires)
    outage(wires[0], *{"all but one": (0.6, 9.0), "begin": (0.0, 1.9), "end": (1.6, 9.0)}[lost])
    outage(wires[1], *{"all but one": (0.6, 9.0), "begin": (0.0, 1.9), "end": (1.6, 9.0)}[lost])
    folder = record_until(tmp_path, wires, 2.6)
    deliver(deliveries_in(tmp_path), kept, NOW_NTP)
    for copy in kept:
        assert_whole(folder, copy)
    assert_contiguous(folder)


def test_a_lesson_with_sound_only(tmp_path):
    wire = mic()
    (copy,) = copies(wire)
    outage(wire, 0.0, 3.0)
    outage(wire, 6.0, 7.0)
    outage(wire, 11.0, 99.0)
    folder = record_until(tmp_path, [wire], 13.0)
    deliver(deliveries_in(tmp_path), [copy], NOW_NTP)
    assert_whole(folder, copy)
    assert_contiguous(folder)


def test_another_picture_size_inside_the_outage(tmp_path):
    small = Wire("camera", encode_video(4.0, 160, 120), EPOCH_S + 0.5, 1, capture_clock_s=CLOCK_S)
    large = Wire("camera", encode_video(4.0, 320, 240), EPOCH_S + 4.5, 2, capture_clock_s=CLOCK_S)
    last = Wire("camera", encode_video(4.0, 160, 120), EPOCH_S + 8.5, 3, capture_clock_s=CLOCK_S)
    copy = Copy.of(small, large, last)
    for wire in (small, large, last):
        outage(wire, 3.1, 9.7)
    folder = record_until(tmp_path, [small, large, last], 13.0)
    deliver(deliveries_in(tmp_path), [copy], NOW_NTP)
    assert_whole(folder, copy)
    assert_contiguous(folder)
    assert len(pictures(folder / "camera.2" / "index.m3u8")) == 360


def test_slides_that_stand_still_for_ten_minutes(tmp_path):
    still = encode_video(2.0)[0]
    slow = tuple(replace(still, at_s=10.0 * n) for n in range(60))
    slides = Wire("slides", slow, EPOCH_S + 0.5, 5, capture_clock_s=CLOCK_S)
    sound = mic(12.0)
    kept = [Copy.of(slides), Copy.of(sound)]
    outage(slides, 95.0, 275.0)
    folder = record_until(tmp_path, [slides, sound], 600.0)
    deliver(deliveries_in(tmp_path), kept, NOW_NTP)
    assert [f[0] for f in track_frames(folder, "slides")] == [f[0] for f in kept[0].frames]
    starts = [f[1] / 90_000 for f in track_frames(folder, "slides")]
    assert starts == pytest.approx([0.5 + 10.0 * n for n in range(60)], abs=0.05)


def test_a_record_that_was_lost_after_a_splice_names_what_was_spliced(tmp_path):
    wires = [camera(), mic()]
    kept = copies(*wires)
    for wire in wires:
        outage(wire, 4.0, 6.0)
    folder = record_until(tmp_path, wires, 13.0)
    deliver(deliveries_in(tmp_path), kept, NOW_NTP)
    (folder / "lesson.json").unlink()
    assert repair_recordings(tmp_path) == [folder]
    record = read_lesson(folder)
    assert {track.folder for track in record.tracks} == {"camera.2", "mic.2"}
    assert record.track("camera").label is Label.CAMERA and record.state is RecordingState.COMPLETE
    for copy in kept:
        assert_whole(folder, copy)
    assert [gap for track in record.tracks for gap in track.gaps] == [], "they were filled"
    for copy in kept:
        assert ask(deliveries_in(tmp_path), copy, NOW_NTP).wanted == []


def test_a_delivery_to_a_recording_whose_record_was_lost_before_it(tmp_path):
    wires = [camera(), mic()]
    kept = copies(*wires)
    for wire in wires:
        outage(wire, 4.0, 6.0)
    folder = record_until(tmp_path, wires, 13.0)
    (folder / "lesson.json").unlink()
    assert repair_recordings(tmp_path) == [folder]
    deliver(deliveries_in(tmp_path), kept, agent_now(LATER_S, CLOCK_S))
    for copy in kept:
        assert_whole(folder, copy)


@pytest.mark.parametrize("apart_s", [1e-9, 0.001])
@pytest.mark.parametrize("name", ["camera", "mic"])
def test_thousands_of_frames_where_there_is_room_for_one(tmp_path, name, apart_s):
    """They must not occupy the server for ever, nor keep others from delivering."""
    wire = camera() if name == "camera" else mic()
    (copy,) = copies(wire)
    folder = record_until(tmp_path, [wire], 13.0)
    began_ntp, data = copy.frames[130]
    many = [(began_ntp + round((1 + n) * apart_s * FRACTION), data) for n in range(3000)]
    flood = Copy(name, sorted([*copy.frames[100:200], *many]))
    flood.frames = [frame for n, frame in enumerate(flood.frames) if n == 0 or frame[0] > flood.frames[n - 1][0]]
    deliver(deliveries_in(tmp_path), [flood], NOW_NTP)
    assert_contiguous(folder)
    assert read_lesson(folder).state is RecordingState.COMPLETE


@pytest.mark.parametrize("alone", [True, False])
def test_pictures_that_nothing_can_show_do_not_keep_the_others_out(tmp_path, alone):
    """A classroom delivers keyframes without parameter sets: it is told so, and the lesson's own tracks are mended."""
    wire = camera()
    (copy,) = copies(wire)
    outage(wire, 4.0, 6.0)
    folder = record_until(tmp_path, [wire], 13.0)
    bare = to_length_prefixed([nal for nal in encode_video(2.0)[0].nals if nal[0] & 0x1F == 5])
    wicked = Copy("camera-1a2b3c4d", [(captured_ntp, bare) for captured_ntp, _ in copy.frames[:40]])
    deliveries = deliveries_in(tmp_path)
    wanted = ask(deliveries, wicked, NOW_NTP)
    deliveries.take_frames(LESSON, wanted.holding, wicked.track, wicked.bodies(wanted.wanted)[0])
    if alone:
        with pytest.raises(BadDelivery):
            deliveries.complete(LESSON, wanted.holding)
    deliver(deliveries, [copy], NOW_NTP)
    assert_whole(folder, copy)
    record = read_lesson(folder)
    assert record.state is RecordingState.COMPLETE and [track.name for track in record.tracks] == ["camera"]
    assert list((folder / FOLDER).iterdir()) == []


def test_more_than_a_camera_can_have_sent_is_not_wanted(tmp_path):
    wires = [camera(), mic()]
    outage(wires[0], 4.0, 8.0)
    kept = copies(*wires)
    record_until(tmp_path, wires, 13.0)
    deliveries = deliveries_in(tmp_path)
    first = unix_to_ntp(EPOCH_S + 5.0 + CLOCK_S)
    flood = [IDENTITY.pack(first + n * FRACTION // 25, 1_000_000, n) for n in range(50)]  # 200 Mbit/s
    with pytest.raises(BadDelivery, match="10 Mbit/s"):
        deliveries.take_inventory(LESSON, "camera", Label.CAMERA, TrackKind.VIDEO, NOW_NTP, b"".join(flood))
    deliver(deliveries, kept, NOW_NTP)
    for copy in kept:
        assert_whole(next(tmp_path.glob("*/*/maths")), copy)
