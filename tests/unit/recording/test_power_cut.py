"""Power cuts at any moment of a lesson: what is durable is mended, plays, and lacks less than a second."""

from random import Random

import pytest

from classroom.model import RecordingState
from classroom.recording.lesson_file import read_lesson
from classroom.recording.library import find_recording
from classroom.recording.recorder import POLL_S
from classroom.recording.repair import repair_recordings
from classroom.recording.track import GapReason
from tests.unit.recording.lesson_source import (
    EPOCH_S,
    Wire,
    encode_audio,
    encode_video,
    feed,
    in_order,
    open_recording,
)
from tests.unit.recording.playback import pictures, sound
from tests.unit.recording.power_cut import Disk, Tree, write_tree
from tests.unit.recording.test_lesson import prefixed, stored_pictures

SECONDS = 9.0
LATENCY_S = 0.03
SIZE_CHANGES_S = 5.0


def lesson_wires():
    """A camera whose picture changes its size on the way, and a microphone."""
    small = encode_video(SIZE_CHANGES_S, width=160, height=120)
    large = encode_video(SECONDS - SIZE_CHANGES_S, width=320, height=240)
    later = [type(frame)(frame.at_s + SIZE_CHANGES_S, frame.nals, frame.keyframe) for frame in large]
    camera = Wire("camera", (*small, *later), EPOCH_S, ssrc=1)
    return [camera, Wire("mic", encode_audio(SECONDS), EPOCH_S, ssrc=2)]


def cuts_of_a_lesson(root, random, how_many):
    """Hold a lesson as the writer thread does; returns power cuts (seconds into the lesson, what is left).

    With ``random`` None nothing survives that was not synced.
    """
    root.mkdir()
    disk = Disk(root)
    choose = Random(how_many)
    cuts: list[tuple[float, Tree]] = []
    now_s = EPOCH_S

    def on_change():
        # Some 600 changes; until the writer comes round again, what came meanwhile waits in memory.
        if choose.random() < how_many / 600:
            cuts.append((now_s + POLL_S - EPOCH_S, disk.cut(random)))

    disk.on_change = on_change
    with disk.watch():
        archive = open_recording(root, EPOCH_S)
        events = in_order(lesson_wires())
        opened = set()
        for _ in range(round((SECONDS + 0.1) / POLL_S)):
            now_s += POLL_S
            while events and events[0][0] <= now_s:
                at_s, wire, thing = events.pop(0)
                if isinstance(thing, bytes):
                    archive.rtcp(thing, at_s)
                    continue
                if wire.ssrc not in opened:
                    opened.add(wire.ssrc)
                    archive.open_stream(wire.ssrc, wire.down.publication, wire.rate_hz, at_s)
                archive.packets(
                    wire.ssrc, [(thing.seq, thing.ts, thing.marker, thing.payload, thing.captured_ntp)], at_s
                )
            archive.advance(now_s)
        archive.finish(RecordingState.COMPLETE, now_s)
    disk.check()
    print(f"{disk.syncs} syncs, {len(cuts)} cuts")
    return cuts, disk


def check_what_is_left(root, had_s, states):
    """Everything plays, what is stored is what was sent without a hole, less than a second is missing."""
    folder = find_recording(root, "maths")
    missing_s = had_s
    if folder is not None:
        record = read_lesson(folder)
        assert record.state in states
        camera, _mic = lesson_wires()
        for track in record.tracks:
            if track.codec is None:
                continue
            playlist = folder / track.name / "index.m3u8"
            assert "#EXT-X-ENDLIST" in playlist.read_text()
            if track.name == "camera":
                stored = stored_pictures(folder / "camera")
                assert stored == [prefixed(frame) for frame in camera.frames[: len(stored)]]
                assert len(pictures(playlist)) == len(stored) == track.frames
            else:
                _start_s, samples = sound(playlist)
                assert len(samples) == pytest.approx(track.duration_s * 48_000, abs=1)
            missing_s = min(had_s - (track.start_s + track.duration_s) - LATENCY_S, missing_s)
        ends_s = [t.start_s + t.duration_s for t in record.tracks if t.codec is not None]
        if len(ends_s) == 2:
            missing_s = had_s - min(ends_s) - LATENCY_S
    assert missing_s < 1.0
    return missing_s


@pytest.mark.parametrize("seed", [None, 1, 2, 3])
def test_a_power_cut_at_any_moment_costs_less_than_a_second(tmp_path, seed):
    random = None if seed is None else Random(seed)
    cuts, _ = cuts_of_a_lesson(tmp_path / "recordings", random, 6)
    missing_s = []
    for number, (had_s, tree) in enumerate(cuts):
        root = tmp_path / f"cut-{number}"
        write_tree(root, tree)
        repair_recordings(root)
        missing_s.append(check_what_is_left(root, had_s, {RecordingState.INTERRUPTED, RecordingState.COMPLETE}))
    print(f"missing at most {max(missing_s):.3f} s")


@pytest.mark.parametrize("seed", [None, 4])
def test_a_power_cut_while_another_is_being_mended(tmp_path, seed):
    random = None if seed is None else Random(seed)
    cuts, _ = cuts_of_a_lesson(tmp_path / "recordings", random, 8)
    for number, (had_s, tree) in enumerate(cuts):
        root = tmp_path / f"cut-{number}"
        write_tree(root, tree)
        disk = Disk(root)
        again: list[Tree] = []
        disk.on_change = lambda disk=disk, again=again: again.append(disk.cut(random))
        with disk.watch():
            repair_recordings(root)
        disk.check()
        for turn, left in enumerate(again[:: max(1, len(again) // 2)]):
            second = tmp_path / f"cut-{number}-{turn}"
            write_tree(second, left)
            repair_recordings(second)
            check_what_is_left(second, had_s, {RecordingState.INTERRUPTED, RecordingState.COMPLETE})


@pytest.mark.parametrize("seed", [None, 5])
def test_a_lesson_goes_on_after_a_power_cut(tmp_path, seed):
    random = None if seed is None else Random(seed)
    cuts, _ = cuts_of_a_lesson(tmp_path / "recordings", random, 5)
    for number, (had_s, tree) in enumerate(cuts):
        root = tmp_path / f"cut-{number}"
        write_tree(root, tree)
        resumed_s = EPOCH_S + had_s + 2.0
        archive = open_recording(root, resumed_s, resume=True)
        wires = [
            Wire("camera", encode_video(3.0, width=160, height=120), resumed_s + 0.5, ssrc=8),
            Wire("mic", encode_audio(3.0), resumed_s + 0.5, ssrc=9),
        ]
        archive.finish(RecordingState.COMPLETE, feed(archive, in_order(wires)))
        record = read_lesson(archive.folder)
        assert record.state is RecordingState.COMPLETE
        for track in record.tracks:
            assert [gap.reason for gap in track.gaps] in ([GapReason.RESTART], [])
        assert len(pictures(archive.folder / "camera" / "index.m3u8")) >= 90
        sound(archive.folder / "mic" / "index.m3u8")  # raises for holes
