"""What never reached the server, put into the recording: the finished track is the copy, frame by frame."""

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

from classroom.live.errors import RecordingLive
from classroom.model import RecordingState
from classroom.recording.editing import editing
from classroom.recording.lesson_file import read_lesson
from classroom.recording.library import manifest
from classroom.recording.repair import repair_recordings
from classroom.recording.splice import write_generation
from classroom.recording.track import GapReason
from tests.unit.recording.delivering import (
    CLOCK_S,
    LATER_S,
    LESSON,
    NOW_NTP,
    Copy,
    agent_now,
    ask,
    assert_contiguous,
    assert_plays,
    assert_whole,
    camera,
    copies,
    deliver,
    deliveries_in,
    drop,
    lossy,
    mic,
    outage,
    record_until,
    track_frames,
)
from tests.unit.recording.lesson_source import EPOCH_S, Wire, encode_audio, encode_video, feed, in_order, open_recording
from tests.unit.recording.playback import flashes, pictures


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


@pytest.mark.parametrize("back_s", [1.0, 2.0, 3.0])
@pytest.mark.parametrize("first_s", [0.0, 4.0])
def test_the_larger_layer_that_came_from_an_earlier_keyframe_on_is_where_it_was_captured(tmp_path, first_s, back_s):
    """It was lost at first: the smaller one had shown all that it begins with, and both lie behind each other."""
    high = encode_video(12.0, gop_s=1.0)
    low = encode_video(12.0, 160, 120, gop_s=1.0, bit_rate=60_000)
    first, end = round(first_s * 30), round((first_s + 3.0) * 30)
    sent = high[:first] + low[first:end] + high[end - round(back_s * 30) :]
    wire = replace(camera(), frames=sent, deliveries=[])
    sound = mic(at_s=0.48)
    outage(wire, first_s + 3.1, first_s + 3.2)
    outage(wire, first_s + 5.1, first_s + 5.5)
    kept = copies(replace(camera(), frames=high, deliveries=[]), mic(at_s=0.48))
    folder = record_until(tmp_path, [wire, sound], 13.0)
    assert len(track_frames(folder, "camera")) > 360
    deliver(deliveries_in(tmp_path), kept, NOW_NTP)
    assert_whole(folder, kept[0])
    assert_contiguous(folder)
    found = track_frames(folder, "camera")
    assert found[-1][1] / 90_000 == pytest.approx(0.5 + 12.0 - 1 / 30, abs=0.002)
    assert found[1][1] / 90_000 == pytest.approx(0.5 + 1 / 30, abs=0.002)


def test_what_is_there_in_two_layers_stays_in_one_although_nothing_is_missing(tmp_path):
    high = encode_video(12.0, gop_s=1.0)
    low = encode_video(12.0, 160, 120, gop_s=1.0, bit_rate=60_000)
    wire = replace(camera(), frames=high[:120] + low[120:141] + high[120:], deliveries=[])
    copy = Copy.of(replace(camera(), frames=high, deliveries=[]))
    folder = record_until(tmp_path, [wire, mic()], 13.0)
    deliveries = deliveries_in(tmp_path)
    wanted = ask(deliveries, copy, NOW_NTP)
    assert wanted.wanted == [] and read_lesson(folder).state is RecordingState.COMPLETE
    deliveries = deliveries_in(tmp_path)  # the server was started anew meanwhile
    assert deliveries.complete(LESSON, wanted.holding).state is RecordingState.COMPLETE
    assert_whole(folder, copy)
    assert_contiguous(folder)
    assert deliver(deliveries, [copy], NOW_NTP).wanted == []
    assert read_lesson(folder).track("camera").folder == "camera.2", "once is enough"


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
    back_s=st.sampled_from([0, 1, 3]),
)
def test_whatever_was_lost_the_track_becomes_the_copy(**lesson):
    # In memory where there is such a folder: nothing here is about durability.
    memory = "/dev/shm"
    with tempfile.TemporaryDirectory(dir=memory if os.path.isdir(memory) else None) as folder:
        splice_whatever(Path(folder), **lesson)


def splice_whatever(root, outages, camera_loss, mic_loss, small, restart, skew, seed, back_s):
    """Hold a lesson of which all that is lost, deliver, compare."""
    high, low = encode_video(SECONDS, gop_s=1.0), encode_video(SECONDS, 160, 120, gop_s=1.0, bit_rate=60_000)
    # Layers change at keyframes; the larger one may come again from one on that the smaller one has shown already.
    inside = [n for n, frame in enumerate(high) if small is not None and small[0] <= int(frame.at_s) < small[1]]
    begin, end = (inside[0], inside[-1] + 1) if inside else (0, 0)
    sent = high[:begin] + low[begin:end] + high[max(begin, end - back_s * 30) :]
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
