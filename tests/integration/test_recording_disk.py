"""A real ext4 whose power goes, or that the kernel makes read-only, in the middle of a recorded lesson."""

import array
import asyncio
import fcntl
import os
import shutil
import subprocess
import time
from contextlib import contextmanager

import pytest

from classroom.model import RecordingState
from classroom.recording.lesson_file import read_lesson
from classroom.recording.library import find_recording, manifest
from classroom.recording.recorder import Recorder
from classroom.recording.repair import repair_recordings
from classroom.sfu.core.sink import Burst
from tests.integration.test_recording_crash import follow, kill_9, start
from tests.unit.recording.lesson_source import Wire, encode_audio, encode_video, in_order
from tests.unit.recording.playback import pictures, sound

EXT4_SHUTDOWN, WITHOUT_FLUSH = 0x8004587D, 2  # _IOR('X', 125, u32), EXT4_GOING_FLAGS_NOLOGFLUSH


class Ext4:
    """A file system in a file, mounted by way of a loop device."""

    def __init__(self, folder):
        self.image, self.root = folder / "image", folder / "disk"
        self.root.mkdir()
        with self.image.open("wb") as file:
            file.truncate(64 << 20)
        run("mkfs.ext4", "-q", self.image)
        self.mount()

    def mount(self):
        run("mount", "-o", "loop", self.image, self.root)

    def unmount(self):
        run("umount", self.root)

    def cut_power(self):
        """From now on nothing comes to the disk any more; what was not synced is lost."""
        fd = os.open(self.root, os.O_RDONLY)
        try:
            fcntl.ioctl(fd, EXT4_SHUTDOWN, array.array("I", [WITHOUT_FLUSH]))
        finally:
            os.close(fd)

    def fail(self):
        """What the kernel does after an error of the disk: all files become read-only, also open ones."""
        run("mount", "-o", "remount,abort", self.root)

    def check(self):
        run("e2fsck", "-p", "-f", self.image, accepted=(0, 1))  # 1: errors were mended


def run(*command, accepted=(0,)):
    done = subprocess.run([str(part) for part in command], check=False, capture_output=True)
    if done.returncode not in accepted:
        raise subprocess.CalledProcessError(done.returncode, command, done.stdout, done.stderr)


@contextmanager
def ext4(folder):
    if os.geteuid() != 0 or shutil.which("mkfs.ext4") is None:
        pytest.skip("only root can mount a file system")
    try:
        disk = Ext4(folder)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no loop device: {error.stderr.decode().strip()}")
    try:
        yield disk
    finally:
        subprocess.run(["umount", disk.root], check=False, capture_output=True)  # it may not be mounted


def test_a_power_cut_of_a_real_disk(tmp_path):
    with ext4(tmp_path) as disk:
        process = start(disk.root)
        given_s = follow(process, 4.3)
        disk.cut_power()
        kill_9(process, given_s)
        disk.unmount()
        disk.mount()  # the journal is replayed
        (folder,) = repair_recordings(disk.root)
        record = read_lesson(folder)
        assert record.state is RecordingState.INTERRUPTED
        for track in record.tracks:
            lost_s = given_s - (record.epoch_s + track.start_s + track.duration_s)
            print(f"{track.name}: {lost_s:.3f} s were lost")
            assert lost_s < 2.0
        camera = record.track("camera")
        assert len(pictures(folder / "camera" / "index.m3u8")) == camera.frames > 60
        sound(folder / "mic" / "index.m3u8")  # raises for holes


async def test_a_disk_that_becomes_read_only_stops_the_recording_and_says_so(tmp_path):
    states = []
    wall_offset_s = time.time() - time.monotonic()
    with ext4(tmp_path) as disk:
        recorder = await Recorder.open(
            disk.root, "maths", "", wall_offset_s, lambda *state: states.append(state), resume=False
        )
        began_s = time.monotonic() + wall_offset_s
        wires = [
            Wire("camera", encode_video(8.0), began_s, ssrc=1),
            Wire("mic", encode_audio(8.0), began_s, ssrc=2),
        ]
        failed_s = None
        for at_s, wire, thing in in_order(wires):
            await asyncio.sleep(max(0.0, at_s - wall_offset_s - time.monotonic()))
            if isinstance(thing, bytes):
                recorder.send_rtcp(thing)
            else:
                recorder.send(Burst(wire.down, [thing], 0, 0))
            if at_s > began_s + 4.0 and failed_s is None:
                failed_s = at_s
                disk.fail()
            if len(states) == 2:
                break
        await recorder.finish(RecordingState.COMPLETE)
        assert [state for state, _ in states] == [RecordingState.RECORDING, RecordingState.FAILED]
        assert "磁盘只读" in states[1][1] and "read-only" in states[1][1]
        folder = find_recording(disk.root, "maths")
        assert len(manifest(folder)["tracks"]) == 2, "what is there can be read"
        assert repair_recordings(disk.root) == [], "it cannot be mended while the disk is read-only"

        disk.unmount()  # the operator has it checked, and mounts it again
        disk.check()
        disk.mount()
        assert repair_recordings(disk.root) == [folder]
        record = read_lesson(folder)
        assert record.state is RecordingState.INTERRUPTED
        for track in record.tracks:
            assert failed_s - (record.epoch_s + track.start_s + track.duration_s) < 2.0
        assert len(pictures(folder / "camera" / "index.m3u8")) == record.track("camera").frames > 60
        sound(folder / "mic" / "index.m3u8")
