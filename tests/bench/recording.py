"""What recording a stream of 2 Mbit/s costs: CPU on the event loop and in the recorder's thread, waits for the disk."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from itertools import groupby
from pathlib import Path
from typing import Any

from classroom.model import RecordingState
from classroom.recording.recorder import Recorder
from classroom.sfu.core.sink import Burst
from tests.unit.recording.lesson_source import Wire, encode_video


async def measure(seconds: float) -> dict[str, Any]:
    """One recorder with one stream, 720p25, in real time; percent of a core."""
    frames = encode_video(seconds, width=1280, height=720, rate=25, bit_rate=2_000_000, flash=False)
    wall_offset_s = time.time() - time.monotonic()
    wire = Wire("camera", frames, time.time() + 1.0, ssrc=1)
    with tempfile.TemporaryDirectory() as root, _Syncs() as syncs:
        recorder = await Recorder.open(Path(root), "maths", "", wall_offset_s, lambda *_: None, resume=False)
        thread = recorder._thread
        assert thread is not None and thread.ident is not None
        clock = time.pthread_getcpuclockid(thread.ident)
        bits, loop_s = 0, 0.0
        began_s, thread_s = time.monotonic(), time.clock_gettime(clock)
        for at_s, things in groupby(wire.deliveries, key=lambda delivery: delivery[0]):
            await asyncio.sleep(max(0.0, at_s - wall_offset_s - time.monotonic()))
            packets = [thing for _, thing in things if not isinstance(thing, bytes)]
            before_s = time.thread_time()
            if packets:
                recorder.send(Burst(wire.down, packets, 0, 0))  # type: ignore[arg-type]
            loop_s += time.thread_time() - before_s
            bits += 8 * sum(len(packet.data) for packet in packets)
        took_s = time.monotonic() - began_s
        thread_s = time.clock_gettime(clock) - thread_s
        figures = {
            "mbit_per_s": bits / took_s / 1e6,
            "loop_percent": 100 * loop_s / took_s,
            "thread_percent": 100 * thread_s / took_s,
            "syncs_per_s": syncs.count / took_s,
        }
        await recorder.finish(RecordingState.COMPLETE)
    return figures


class _Syncs:
    """Counts the waits for the disk."""

    def __enter__(self) -> _Syncs:
        self.count = 0
        self._real = os.fsync, os.fdatasync
        os.fsync, os.fdatasync = (self._counting(call) for call in self._real)
        return self

    def __exit__(self, *_: object) -> None:
        os.fsync, os.fdatasync = self._real

    def _counting(self, call: Any) -> Any:
        def counting(fd: int) -> None:
            self.count += 1
            call(fd)

        return counting
