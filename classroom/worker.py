"""Puts a media worker together: an SFU that records, in a process of its own, asked by the server that started it."""

from __future__ import annotations

import signal
import socket
from pathlib import Path
from typing import TYPE_CHECKING

from classroom.parent import die_with_parent
from classroom.recording.recorder import Recorder
from classroom.sfu.workers.channel import Channel
from classroom.sfu.workers.messages import Configure
from classroom.sfu.workers.worker import Worker

if TYPE_CHECKING:
    from classroom.model import LessonId
    from classroom.sfu.workers.recording import OnRecordingState, OpenRecorder


async def run_worker(channel_fd: int) -> None:
    """Serve the channel on an inherited file descriptor until its other end is gone."""
    for number in (
        signal.SIGINT,
        signal.SIGTERM,
    ):  # they reach the whole group; the server stops us when it has drained
        signal.signal(number, signal.SIG_IGN)
    die_with_parent()
    channel = await Channel.over(socket.socket(fileno=channel_fd))
    first = await channel.receive()
    if first is None or not isinstance(first[0], Configure):
        return
    configure = first[0]
    opener = None if configure.recordings is None else recorders_in(Path(configure.recordings), configure.wall_offset_s)
    await Worker(channel, configure, opener).serve()
    channel.close()


def recorders_in(root: Path, wall_offset_s: float) -> OpenRecorder:
    """Opens recorders that write to a data directory."""

    async def open_recorder(lesson: LessonId, title: str, on_state: OnRecordingState, resume: bool) -> Recorder:
        return await Recorder.open(root, lesson, title, wall_offset_s, on_state, resume)

    return open_recorder
