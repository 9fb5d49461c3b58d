"""A lesson fed as RTP in virtual time, and what PyAV says of the files."""

import json
from dataclasses import replace
from itertools import pairwise

import av
import numpy as np
import pytest

from classroom.model import RecordingState
from classroom.recording.lesson_file import read_lesson
from classroom.recording.library import manifest
from classroom.recording.stored_track import read_track
from classroom.recording.track import GapReason
from classroom.sfu.core.rtcp import PictureLoss, build_bye, parse_rtcp
from tests.unit.recording.lesson_source import (
    EPOCH_S,
    Wire,
    encode_audio,
    encode_video,
    feed,
    in_order,
    open_recording,
    record,
)
from tests.unit.recording.playback import beeps, flashes, pictures, sound

LOOKAHEAD_S = 0.0065  # of the Opus encoder
SKEW = 500e-6


def stored_pictures(folder):
    """The coded pictures in the files, as NAL units behind lengths."""
    with av.open(str(folder / "index.m3u8"), options={"allowed_extensions": "ALL"}) as container:
        return [bytes(packet) for packet in container.demux(video=0) if packet.size]


def prefixed(frame):
    return b"".join(len(nal).to_bytes(4, "big") + nal for nal in frame.nals)


def test_a_minute_is_recorded_frame_by_frame_and_in_sync(tmp_path):
    video, audio = encode_video(60.0), encode_audio(60.0)
    camera = Wire("camera", video, EPOCH_S + 1.0, ssrc=1, latency_s=0.08)
    mic = Wire("mic", audio, EPOCH_S + 1.0, ssrc=2, latency_s=0.03)
    folder = record(tmp_path, [camera, mic])

    assert stored_pictures(folder / "camera") == [prefixed(frame) for frame in video]
    seen = pictures(folder / "camera" / "index.m3u8")
    start_s, samples = sound(folder / "mic" / "index.m3u8")
    assert len(seen) == 1800
    assert len(samples) / 48_000 == pytest.approx(60.0, abs=0.001)
    whole = manifest(folder)
    assert whole["state"] == "complete"
    assert whole["duration_s"] == pytest.approx(60.0, abs=0.1)
    assert [track["start_s"] for track in whole["tracks"]] == [0.0, 0.0]
    assert start_s == pytest.approx(1.0, abs=0.001), "times in the files count from the beginning of the recording"
    seen_s, heard_s = flashes(seen), beeps(start_s, samples)
    # The first flash is where the lesson begins: there is no dark picture before it.
    assert seen_s == pytest.approx([1.0 + n for n in range(1, 60)], abs=0.001)
    assert heard_s == pytest.approx([1.0 + n + LOOKAHEAD_S for n in range(60)], abs=0.005)


def test_camera_and_mic_begin_together_whoever_is_first(tmp_path):
    video, audio = encode_video(6.0), encode_audio(6.0)
    for name, camera_s, mic_s in (("mic first", 2.0, 1.5), ("camera first", 1.0, 3.0)):
        root = tmp_path / name
        folder = record(
            root,
            [Wire("camera", video, EPOCH_S + camera_s, ssrc=1), Wire("mic", audio, EPOCH_S + mic_s, ssrc=2)],
        )
        starts = {track["name"]: track["start_s"] for track in manifest(folder)["tracks"]}
        assert starts == {"camera": 0.0, "mic": 0.0}
        first_s = min(camera_s, mic_s)
        seen = pictures(folder / "camera" / "index.m3u8")
        start_s, samples = sound(folder / "mic" / "index.m3u8")
        assert (seen[0][0], start_s) == pytest.approx((first_s, first_s), abs=0.001)
        assert flashes(seen) == pytest.approx([camera_s + n for n in range(1, 6)], abs=0.001)
        assert beeps(start_s, samples) == pytest.approx([mic_s + n + LOOKAHEAD_S for n in range(6)], abs=0.005)
        silent = samples[: round((mic_s - start_s) * 48_000)]
        assert not np.abs(silent).max(initial=0.0) > 1e-4


def test_slides_begin_when_they_do(tmp_path):
    slides = Wire("slides", encode_video(3.0, rate=10), EPOCH_S + 2.0, ssrc=2)
    mic = Wire("mic", encode_audio(6.0), EPOCH_S, ssrc=1)
    folder = record(tmp_path, [mic, slides], [(slides.bye()[0] + 0.01, slides, slides.bye()[1])])
    tracks = {track["name"]: track for track in manifest(folder)["tracks"]}
    assert tracks["slides"]["start_s"] == pytest.approx(2.0, abs=0.001)
    assert tracks["slides"]["duration_s"] == pytest.approx(3.0, abs=0.01)


def test_late_and_doubled_packets_change_nothing(tmp_path):
    video, audio = encode_video(8.0), encode_audio(8.0)
    wires = [Wire("camera", video, EPOCH_S, ssrc=1), Wire("mic", audio, EPOCH_S, ssrc=2)]
    rng = np.random.default_rng(5)
    for wire in wires:
        moved = []
        for at_s, thing in wire.deliveries:
            late = not isinstance(thing, bytes) and rng.random() < 0.1
            moved.append((at_s + rng.uniform(0.05, 0.6) if late else at_s, thing))
            if rng.random() < 0.05:
                moved.append((at_s + 0.2, thing))
        wire.deliveries = moved
    folder = record(tmp_path, wires)
    assert stored_pictures(folder / "camera") == [prefixed(frame) for frame in video]
    assert len(sound(folder / "mic" / "index.m3u8")[1]) == 8 * 48_000
    assert all(not track.gaps for track in read_lesson(folder).tracks)


def test_a_loss_drops_pictures_until_the_next_keyframe_and_is_said(tmp_path):
    video, audio = encode_video(8.0), encode_audio(8.0)
    camera, mic = Wire("camera", video, EPOCH_S, ssrc=1), Wire("mic", audio, EPOCH_S, ssrc=2)
    camera.deliveries = [d for d in camera.deliveries if not 2.5 < d[0] - camera.latency_s - EPOCH_S < 2.6]
    mic.deliveries = [d for d in mic.deliveries if not 4.99 < d[0] - mic.latency_s - EPOCH_S < 5.39]
    asked = []
    archive = open_recording(tmp_path, EPOCH_S, lambda data: asked.append(parse_rtcp(data)))
    archive.finish(RecordingState.COMPLETE, feed(archive, in_order([camera, mic])))
    folder = archive.folder

    seen = pictures(folder / "camera" / "index.m3u8")
    assert [at_s for at_s, _ in seen if 2.51 < at_s < 3.99] == [], "nothing that cannot be decoded is stored"
    assert flashes(seen) == pytest.approx([1, 2, 4, 5, 6, 7], abs=0.001)
    start_s, samples = sound(folder / "mic" / "index.m3u8")
    assert len(samples) == 8 * 48_000, "silence takes the place of what is missing"
    assert beeps(start_s, samples) == pytest.approx([n + LOOKAHEAD_S for n in (0, 1, 2, 3, 4, 6, 7)], abs=0.005)
    gaps = {track.name: track.gaps for track in read_lesson(folder).tracks}
    ((camera_gap,), (mic_gap,)) = gaps["camera"], gaps["mic"]
    assert (camera_gap.start_s, camera_gap.end_s) == pytest.approx((2.533, 4.0), abs=0.04)
    assert (mic_gap.start_s, mic_gap.end_s) == pytest.approx((5.0, 5.4), abs=0.003)
    assert {camera_gap.reason, mic_gap.reason} == {GapReason.LOSS}
    assert {type(packet) for packets in asked for packet in packets} == {PictureLoss}
    assert asked[0][0].media_ssrc == 1


def test_a_publisher_that_comes_back_goes_on_in_its_track(tmp_path):
    video, audio = encode_video(4.0), encode_audio(4.0)
    before = [Wire("camera", video, EPOCH_S, ssrc=1), Wire("mic", audio, EPOCH_S, ssrc=2)]
    after = [
        Wire("camera", video, EPOCH_S + 9.5, ssrc=3, first_seq=7, first_ts=12345),
        Wire("mic", audio, EPOCH_S + 9.5, ssrc=4, first_seq=8, first_ts=99),
    ]
    byes = [(wire.bye()[0] + 0.01, wire, wire.bye()[1]) for wire in before]
    folder = record(tmp_path, before + after, byes)
    seen = pictures(folder / "camera" / "index.m3u8")
    start_s, samples = sound(folder / "mic" / "index.m3u8")
    assert len(seen) == 240
    assert flashes(seen) == pytest.approx([1, 2, 3, 9.5, 10.5, 11.5, 12.5], abs=0.001)
    assert len(samples) / 48_000 == pytest.approx(13.5, abs=0.005)
    heard_s = [n + LOOKAHEAD_S for n in (0, 1, 2, 3, 9.5, 10.5, 11.5, 12.5)]
    assert beeps(start_s, samples) == pytest.approx(heard_s, abs=0.005)
    for track in read_lesson(folder).tracks:
        (gap,) = track.gaps
        assert (gap.start_s, gap.end_s) == pytest.approx((4.0, 9.5), abs=0.04)
        assert gap.reason is GapReason.OUTAGE
    events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    assert [event["event"] for event in events] == [
        "recording_started",
        *["publication_added"] * 2,
        *["publication_removed"] * 2,
        *["publication_added", "gap"] * 2,
        "recording_ended",
    ]


def test_another_picture_size_gets_its_own_header(tmp_path):
    small, large = encode_video(4.0), encode_video(4.0, width=642, height=362)
    folder = record(
        tmp_path,
        [Wire("camera", small, EPOCH_S, ssrc=1), Wire("camera", large, EPOCH_S + 4.0, ssrc=2)],
    )
    playlist = (folder / "camera" / "index.m3u8").read_text()
    assert playlist.count("#EXT-X-MAP") == 2
    assert "DISCONTINUITY" not in playlist
    with av.open(str(folder / "camera" / "index.m3u8"), options={"allowed_extensions": "ALL"}) as container:
        sizes = [(frame.width, frame.height) for frame in container.decode(video=0)]
    assert sizes == [(320, 240)] * 120 + [(642, 362)] * 120
    track = manifest(folder)["tracks"][0]
    assert (track["width"], track["height"]) == (642, 362)


def test_skewed_clocks_stay_in_sync_for_a_lesson(tmp_path):
    """The clock of the sound runs fast by 120 ms in four minutes: as far apart as 100 ppm take it in twenty."""
    video = encode_video(4.0, width=64, height=48, rate=10, bit_rate=20_000)
    looped = tuple(
        type(frame)(frame.at_s + 4.0 * turn, frame.nals, frame.keyframe) for turn in range(60) for frame in video
    )
    audio = encode_audio(4.0)
    hummed = tuple(type(frame)(frame.at_s + 4.0 * turn, frame.nals) for turn in range(60) for frame in audio)
    folder = record(
        tmp_path,
        [Wire("camera", looped, EPOCH_S, ssrc=1), Wire("mic", hummed, EPOCH_S, ssrc=2, skew=SKEW)],
    )
    seen = flashes(pictures(folder / "camera" / "index.m3u8"))
    heard = beeps(*sound(folder / "mic" / "index.m3u8"))
    assert seen[-1] == pytest.approx(239.0, abs=0.001)
    # The source itself beeps earlier and earlier: what was captured at whole seconds of its own clock.
    for beep_s in heard:
        captured_s = round(beep_s * (1 + SKEW)) / (1 + SKEW)
        assert beep_s - captured_s == pytest.approx(0.0, abs=0.04)
    assert len(heard) == 240


def test_the_last_picture_of_a_publisher_that_is_gone_is_on_disk(tmp_path):
    camera = encode_video(2.0)
    wire = Wire("camera", camera, EPOCH_S, ssrc=1)
    archive = open_recording(tmp_path, EPOCH_S)
    now_s = feed(archive, in_order([wire]))
    archive.rtcp(build_bye([wire.ssrc]), now_s)
    archive.advance(now_s + 0.5)
    archive.advance(now_s + 2.0)
    stored = b"".join(path.read_bytes() for path in sorted((archive.folder / "camera").glob("*.m4s")))
    assert all(prefixed(frame) in stored for frame in camera)
    archive.finish(RecordingState.COMPLETE, now_s + 2.0)


def test_a_still_picture_is_on_disk_and_held_until_the_end(tmp_path):
    """Slides whose sender sends nothing while nothing changes."""
    slides = encode_video(1.0, rate=10)
    mic = Wire("mic", encode_audio(20.0), EPOCH_S, ssrc=2)
    archive = open_recording(tmp_path, EPOCH_S)
    now_s = feed(archive, in_order([Wire("slides", slides, EPOCH_S, ssrc=1), mic]))
    folder = archive.folder / "slides"
    assert sum(1 for _ in folder.glob("*.m4s")) == 1
    segment = next(folder.glob("*.m4s")).read_bytes()
    assert segment.count(b"moof") >= 2 and prefixed(slides[-1]) in segment
    archive.finish(RecordingState.COMPLETE, now_s)
    track = next(track for track in manifest(archive.folder)["tracks"] if track["name"] == "slides")
    assert track["duration_s"] == pytest.approx(20.0, abs=0.1)
    assert len(pictures(folder / "index.m3u8")) == 10


def test_a_picture_that_comes_late_begins_when_it_was_captured(tmp_path):
    """The one before it was written meanwhile, for as long as the one before that: which was longer than usual."""
    times = [n / 10 for n in range(10)] + [1.2 + n / 25 for n in range(10)]
    frames = tuple(replace(frame, at_s=at_s) for frame, at_s in zip(encode_video(2.0, rate=10), times, strict=True))
    wire = Wire("slides", frames, EPOCH_S, ssrc=1, latency_s=0.0)
    wire.deliveries = [(at_s if at_s < EPOCH_S + 1.22 else at_s + 1.5, thing) for at_s, thing in wire.deliveries]
    folder = record(tmp_path, [wire])
    stored = read_track(folder / "slides").samples
    assert [sample.start / 90_000 for sample in stored] == pytest.approx(times, abs=0.001)
    assert all(a.start + a.duration == b.start for a, b in pairwise(stored))
    assert len(pictures(folder / "slides" / "index.m3u8")) == 20
