"""kill -9 in the middle of a recorded lesson: what is lost, and that it goes on."""

import asyncio
import math
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from classroom.model import RecordingState
from classroom.recording.lesson_file import read_lesson
from classroom.recording.library import find_recording, manifest
from classroom.recording.recorder import Recorder
from classroom.recording.repair import repair_recordings
from classroom.recording.track import GapReason
from classroom.sfu.core.sink import Burst
from tests.unit.recording.lesson_source import Wire, encode_audio, encode_video, in_order
from tests.unit.recording.playback import as_it_is_now, pictures, sound

REPOSITORY = Path(__file__).parents[2]
SECONDS = 8.0


async def hold_lesson(root: Path, resume: bool, seconds: float, wall_step_s: float) -> None:
    """Record in real time; after every packet group say up to which time the recorder has been given media.

    The clock of the machine is wrong by ``wall_step_s``. A lesson that fails says why.
    """
    longest_s = max(SECONDS, math.ceil(seconds))
    video, audio = encode_video(longest_s), encode_audio(longest_s)
    wall_offset_s = time.time() + wall_step_s - time.monotonic()
    recorder = await Recorder.open(root, "maths", "", wall_offset_s, lambda state, detail: None, resume)
    began_s = time.monotonic() + wall_offset_s
    wires = [Wire("camera", video, began_s, ssrc=1), Wire("mic", audio, began_s, ssrc=2)]
    for at_s, wire, thing in in_order(wires):
        if at_s > began_s + seconds:
            break
        late_s = at_s - (time.monotonic() + wall_offset_s)
        if late_s > 0:
            print(f"{at_s:.3f}", flush=True)
            await asyncio.sleep(late_s)
        if isinstance(thing, bytes):
            recorder.send_rtcp(thing)
        else:
            recorder.send(Burst(wire.down, [thing], 0, 0))
    await recorder.finish(RecordingState.COMPLETE)
    print(recorder.state, recorder.detail, flush=True)


def start(root, resume=False, seconds=SECONDS, wall_step_s=0.0):
    command = [
        sys.executable,
        "-m",
        "tests.integration.test_recording_crash",
        str(root),
        str(int(resume)),
        str(seconds),
        str(wall_step_s),
    ]
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    return subprocess.Popen(command, cwd=REPOSITORY, env=env, stdout=subprocess.PIPE, text=True)


def follow(process, seconds):
    """Wait until so much of the lesson has been held; returns up to when the recorder has been given media."""
    first_s = given_s = float(process.stdout.readline())
    while given_s < first_s + seconds:
        given_s = float(process.stdout.readline())
    return given_s


def kill_9(process, given_s):
    """Kill it; what it said before it died has been given to it."""
    process.kill()
    given_s = max([given_s, *(float(line) for line in process.stdout if line.endswith("\n"))])
    process.wait()
    process.stdout.close()
    return given_s


@pytest.mark.parametrize("seconds", [3.3, 5.7])
def test_kill_9_loses_less_than_two_seconds_and_the_lesson_goes_on(tmp_path, seconds):
    process = start(tmp_path)
    given_s = follow(process, seconds)
    given_s = kill_9(process, given_s)
    folder = find_recording(tmp_path, "maths")
    assert manifest(folder)["state"] == "recording"
    as_left = pictures(as_it_is_now(folder / "camera" / "index.m3u8"))
    assert len(as_left) >= 60, "plays as the crash left it"

    second = start(tmp_path, resume=True, seconds=2.5)
    assert second.wait(timeout=30) == 0
    second.stdout.close()
    assert repair_recordings(tmp_path) == []
    record = read_lesson(folder)
    assert record.state is RecordingState.COMPLETE
    for track in record.tracks:
        (gap,) = track.gaps
        assert gap.reason is GapReason.RESTART
        lost_s = given_s - (record.epoch_s + gap.start_s)
        print(f"{track.name}: {lost_s:.3f} s of what the recorder had been given were lost")
        assert lost_s < 2.0
    seen = pictures(folder / "camera" / "index.m3u8")
    times = [at_s for at_s, _ in seen]
    assert times == sorted(times) and len(seen) == record.track("camera").frames > len(as_left)
    start_s, samples = sound(folder / "mic" / "index.m3u8")  # raises for holes
    assert start_s + len(samples) / 48_000 == pytest.approx(times[-1] + 1 / 30, abs=0.1)


@pytest.mark.parametrize("step_s", [-3600.0, 3600.0])
def test_the_clock_of_the_machine_is_put_right_between_two_starts(tmp_path, step_s):
    first = start(tmp_path)
    given_s = kill_9(first, follow(first, 3.0))
    second = start(tmp_path, resume=True, seconds=2.5, wall_step_s=step_s)
    assert second.communicate(timeout=40)[0].endswith("complete None\n")

    folder = find_recording(tmp_path, "maths")
    assert folder.name == "maths", "the same recording, before and after"
    record = read_lesson(folder)
    away_s = max(0.0, step_s)
    camera, mic = record.track("camera"), record.track("mic")
    assert 4.0 + away_s < camera.duration_s < 60.0 + away_s
    times = [at_s for at_s, _ in pictures(folder / "camera" / "index.m3u8")]
    assert times == sorted(times) and len(times) == camera.frames
    if step_s < 0:  # an hour of silence takes its time
        _, samples = sound(folder / "mic" / "index.m3u8")  # raises for holes
        assert len(samples) / 48_000 == pytest.approx(mic.duration_s, abs=0.1)
    assert mic.start_s + mic.duration_s == pytest.approx(camera.start_s + camera.duration_s, abs=0.1)
    for track in record.tracks:
        if step_s < 0:  # nobody knows how long the server was away; the axis goes on where it ended
            assert sum(gap.end_s - gap.start_s for gap in track.gaps) < 30.0
            continue
        (gap,) = track.gaps
        assert gap.reason is GapReason.RESTART
        assert given_s - (record.epoch_s + gap.start_s) < 2.0
        assert away_s < gap.end_s - gap.start_s < away_s + 30.0


def test_another_process_never_writes_the_same_recording(tmp_path):
    first = start(tmp_path, seconds=60)  # longer than others wait for a splice
    given_s = follow(first, 1.5)
    second = start(tmp_path, resume=True, seconds=1.0)
    said, _ = second.communicate(timeout=30)
    assert repair_recordings(tmp_path) == []
    assert "failed" in said.splitlines()[-1] and "正在被另一个录制进程写入" in said and "Another process" in said
    given_s = kill_9(first, given_s)
    (folder,) = repair_recordings(tmp_path)
    record = read_lesson(folder)
    assert record.state is RecordingState.INTERRUPTED
    assert {track.name for track in record.tracks} == {"camera", "mic"}
    assert given_s - (record.epoch_s + record.duration_s) < 2.0


if __name__ == "__main__":
    asyncio.run(hold_lesson(Path(sys.argv[1]), sys.argv[2] == "1", float(sys.argv[3]), float(sys.argv[4])))
