"""The process that indexes recordings: what it is, and how a server keeps one."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING

from classroom.parent import die_with_parent

if TYPE_CHECKING:
    from classroom.config import Settings
    from classroom.model import LessonId

logger = logging.getLogger(__name__)

COMMAND = (sys.executable, "-m", "classroom", "index", "--follow")
NICE = 19  # lessons go first
STOP_S = 5.0
# A process that dies is started again; one that keeps dying less and less often.
RESTART_S, RESTART_MOST_S, STEADY_S = 1.0, 60.0, 60.0


def run_index(settings: Settings, follow: bool, lesson: LessonId | None, parent: int | None) -> None:
    """Index recordings until all is done, or with ``follow`` until SIGTERM or SIGINT. Blocks."""
    if parent is not None:  # before what takes seconds to load
        die_with_parent(parent)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the group; the server stops us when it is done
    # Only here: the server, which imports this module, is to stay free of OpenCV and FFmpeg.
    from classroom.recording.index.dictation import Dictation
    from classroom.recording.index.follow import Follower

    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    if parent is None:
        signal.signal(signal.SIGINT, lambda *_: stop.set())
    os.nice(NICE)  # who sees that can stop us
    follower = Follower(settings.recordings, lesson, Dictation.with_model(settings.speech_model))
    if follow:
        follower.follow(stop)
    else:
        while not stop.is_set() and follower.turn():
            pass


class IndexProcess:
    """Keeps one indexing process running beside a server; whatever becomes of it, the server goes on."""

    def __init__(self, settings: Settings) -> None:
        self._command = (*COMMAND, "--recordings", str(settings.recordings), "--parent", str(os.getpid()))
        # A setting may come from a file that the process is not told of.
        model = settings.speech_model
        self._environment = {**os.environ, **({} if model is None else {"CLASSROOM_SPEECH_MODEL": str(model)})}
        self._keeping: asyncio.Task[None] | None = None
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        """Of the process; None while there is none."""
        return None if self._process is None or self._process.returncode is not None else self._process.pid

    def start(self) -> None:
        """Start it, and again whenever it dies, until ``close``."""
        self._keeping = asyncio.create_task(self._keep(), name="index process")

    async def close(self) -> None:
        """Let it save what it has, and end it."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.wait([self._keeping])
        process = self._process
        if process is not None and process.returncode is None:
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), STOP_S)
            except TimeoutError:
                process.kill()
                await process.wait()

    async def _keep(self) -> None:
        pause_s = RESTART_S
        while True:
            began_s = time.monotonic()
            try:
                self._process = await asyncio.create_subprocess_exec(
                    *self._command, stdin=asyncio.subprocess.DEVNULL, env=self._environment
                )
                status: object = await self._process.wait()
            except OSError as error:  # no memory, no file descriptors
                status = error
            if time.monotonic() - began_s >= STEADY_S:
                pause_s = RESTART_S
            logger.error("the index process ended (%s) and is started again in %g s", status, pause_s)
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, RESTART_MOST_S)
