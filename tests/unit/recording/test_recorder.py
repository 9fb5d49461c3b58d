"""The Recorder as the lesson sees it: a Sink with a thread behind it, whose disk may refuse."""

import asyncio
import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from classroom.model import RecordingState
from classroom.recording import recorder as recorder_module
from classroom.recording.library import manifest
from classroom.recording.recorder import Recorder, explain
from classroom.sfu.core.rtcp import PictureLoss, parse_rtcp
from classroom.sfu.core.sink import Burst
from tests.unit.recording.lesson_source import EPOCH_S, Wire, encode_audio, encode_video, in_order, open_recording

REPOSITORY = Path(__file__).parents[3]


class Clock:
    """Virtual time, moved by the test."""

    def __init__(self):
        self.now_s = 1000.0

    def __call__(self):
        return self.now_s


async def open_recorder(root, states, clock=None, resume=False):
    clock = clock or Clock()

    def on_state(state, detail):
        states.append((state, detail))

    recorder = await Recorder.open(root, "maths", "数学课", EPOCH_S - 1000.0, on_state, resume, clock)
    return recorder, clock


async def play(recorder, clock, events):
    """Feed a lesson in virtual time, letting the thread follow now and then."""
    for index, (at_s, wire, thing) in enumerate(events):
        clock.now_s = at_s - EPOCH_S + 1000.0
        if isinstance(thing, bytes):
            recorder.send_rtcp(thing)
        else:
            recorder.send(Burst(wire.down, [thing], 0, 0))
        if index % 500 == 0:
            await asyncio.sleep(0)


async def until(event, clock):
    """Let virtual time go by until something happens."""
    async with asyncio.timeout(30):
        while not event.is_set():
            clock.now_s += 0.1
            await asyncio.sleep(0.02)


async def test_a_lesson_from_open_to_complete(tmp_path):
    states = []
    recorder, clock = await open_recorder(tmp_path, states)
    assert states == [(RecordingState.RECORDING, None)]
    recorder.add_event("participant", name="东村小学", event="not mine to choose", online=True)
    wires = [Wire("camera", encode_video(5.0), EPOCH_S, ssrc=1), Wire("mic", encode_audio(5.0), EPOCH_S, ssrc=2)]
    await play(recorder, clock, in_order(wires))
    await recorder.finish(RecordingState.COMPLETE)
    await recorder.finish(RecordingState.INTERRUPTED)
    recorder.send(Burst(wires[0].down, [wires[0].deliveries[-1][1]], 0, 0))
    assert states == [(RecordingState.RECORDING, None), (RecordingState.COMPLETE, None)]
    whole = manifest(recorder.folder)
    assert whole["state"] == "complete"
    assert whole["duration_s"] == pytest.approx(5.0, abs=0.05)
    events = (recorder.folder / "events.jsonl").read_text().splitlines()
    assert '"event": "participant"' in events[1] and '"name": "东村小学"' in events[1]
    assert not list(recorder.folder.glob(".reserve"))


async def test_a_keyframe_is_asked_for_when_there_is_none(tmp_path):
    recorder, clock = await open_recorder(tmp_path, [])
    asked = asyncio.Event()
    requests = []

    def feedback(data):
        requests.extend(parse_rtcp(data))
        asked.set()

    recorder.feedback = feedback
    headless = Wire("camera", encode_video(2.0)[1:50], EPOCH_S, ssrc=77)
    await play(recorder, clock, in_order([headless]))
    await until(asked, clock)
    assert {(type(request), request.media_ssrc) for request in requests} == {(PictureLoss, 77)}
    await recorder.finish(RecordingState.COMPLETE)


async def test_a_publisher_without_keyframes_is_asked_for_one_so_that_one_can_seek(tmp_path):
    recorder, clock = await open_recorder(tmp_path, [])
    asked = asyncio.Event()
    recorder.feedback = lambda data: asked.set()
    endless = Wire("camera", encode_video(12.0, gop_s=100.0), EPOCH_S, ssrc=1)
    await play(recorder, clock, in_order([endless]))
    await until(asked, clock)
    await recorder.finish(RecordingState.COMPLETE)


async def test_a_root_that_cannot_be_written_is_a_state(tmp_path):
    (tmp_path / "recordings").write_text("a file where the folder should be")
    states = []
    recorder, clock = await open_recorder(tmp_path / "recordings", states)
    ((state, detail),) = states
    assert state is RecordingState.FAILED
    assert "录制已停止" in detail and "recording stopped" in detail
    await play(recorder, clock, in_order([Wire("mic", encode_audio(1.0), EPOCH_S, ssrc=1)]))
    recorder.add_event("participant", name="x")
    await recorder.finish(RecordingState.COMPLETE)
    assert recorder.state is RecordingState.FAILED


async def test_a_disk_that_is_too_slow_stops_the_recording_loudly(tmp_path, monkeypatch):
    monkeypatch.setattr(recorder_module, "MAX_WAITING_BYTES", 200_000)
    monkeypatch.setattr(recorder_module, "POLL_S", 30.0)  # the thread does not come round
    states = []
    recorder, clock = await open_recorder(tmp_path, states)
    await play(recorder, clock, in_order([Wire("camera", encode_video(8.0), EPOCH_S, ssrc=1)]))
    assert [state for state, _ in states] == [RecordingState.RECORDING, RecordingState.FAILED]
    assert "太慢" in states[-1][1] and "too slow" in states[-1][1]
    await recorder.finish(RecordingState.COMPLETE)
    assert manifest(recorder.folder)["state"] == "failed"
    assert len(states) == 2


@pytest.mark.parametrize(
    ("number", "chinese", "english"),
    [
        (errno.ENOSPC, "磁盘空间已满", "disk is full"),
        (errno.EROFS, "磁盘只读", "read-only"),
        (errno.EACCES, "权限", "permission"),
        (errno.EIO, "出错", "Input/output error"),
    ],
)
def test_what_people_are_told(number, chinese, english):
    text = explain(OSError(number, os.strerror(number)))
    assert chinese in text and english in text and "课堂继续进行" in text and "the lesson goes on" in text


FULL_DISK = """
import asyncio, shutil, sys
from pathlib import Path
from tests.unit.recording.test_recorder import fill_the_disk, save_what_there_is
asyncio.run(fill_the_disk(Path(sys.argv[1])))
shutil.rmtree(Path(sys.argv[1], "2027"))
save_what_there_is(Path(sys.argv[1]))
"""


async def fill_the_disk(root):
    """Record until the disk is full; print what became of it. Runs in a process with a small disk of its own."""
    states = []
    recorder, clock = await open_recorder(root, states)
    video = encode_video(30.0, bit_rate=4_000_000, width=640, height=480)
    events = in_order([Wire("camera", video, EPOCH_S, ssrc=1)])
    for at in range(0, len(events), 200):
        await play(recorder, clock, events[at : at + 200])
        await asyncio.sleep(0.02)  # as in a lesson, the disk is written meanwhile
    await recorder.finish(RecordingState.COMPLETE)
    print(*[f"{state} {detail}" for state, detail in states], sep="\n")
    print(manifest(recorder.folder))
    print("ENDLIST" in (recorder.folder / "camera" / "index.m3u8").read_text())


def save_what_there_is(root):
    """Fill the disk step by step; print how much of the lesson is missing when it is full."""
    archive = open_recording(root, EPOCH_S)
    video = encode_video(30.0, bit_rate=4_000_000, width=640, height=480)
    events = in_order([Wire("camera", video, EPOCH_S, ssrc=1, latency_s=0.0)])
    now_s = EPOCH_S
    archive.open_stream(1, events[0][1].down.publication, 90_000, now_s)
    try:
        while True:
            now_s += recorder_module.POLL_S
            while events[0][0] <= now_s:
                at_s, _, thing = events.pop(0)
                if not isinstance(thing, bytes):
                    archive.packets(1, [(thing.seq, thing.ts, thing.marker, thing.payload, thing.captured_ntp)], at_s)
            archive.advance(now_s)
    except OSError:
        archive.fail("full", now_s)
    print(now_s - EPOCH_S - manifest(archive.folder)["duration_s"])


def test_a_full_disk_stops_the_recording_and_keeps_what_is_there(tmp_path):
    """On a real file system of 6 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    script = f'mount -t tmpfs -o size=6m none "{disk}" && exec "$0" -c "$1" "{disk}"'
    if subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False).returncode:
        pytest.skip("no mount namespace for a small file system")
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script, sys.executable, FULL_DISK],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "PYTHONUTF8": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stderr
    assert lines[0] == "recording None"
    assert lines[1].startswith("failed ") and "磁盘空间已满" in lines[1] and "disk is full" in lines[1]
    assert "'state': 'failed'" in lines[2] and "'duration_s': 0" not in lines[2]
    assert lines[3] == "True"
    assert float(lines[4]) < 0.2, "what had not been written found place in the reserve"
