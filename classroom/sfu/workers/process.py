"""A media worker as the control plane sees it: started, asked, watched, killed."""

from __future__ import annotations

import asyncio
import logging
import socket
from itertools import count
from typing import TYPE_CHECKING, Any

from classroom.model import ClassroomError
from classroom.sfu.workers.channel import Channel
from classroom.sfu.workers.directing import Directing
from classroom.sfu.workers.messages import Answer, BadFrame, Heartbeat, Ready, Refused, error_of
from classroom.sfu.workers.worker import HEARTBEAT_S

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from classroom.model import LessonId
    from classroom.sfu.core.assignment import Direction
    from classroom.sfu.workers.messages import Configure, Ref, Request

logger = logging.getLogger(__name__)

START_S = 30.0  # a slow machine that has to compile everything first
MISSED_HEARTBEATS = 7  # then it hangs: 1.75 s. Counted on our own clock, so that a stop of ours is not held against it.
STOP_S = 10.0  # for the recordings to be finished
LOAD_SMOOTHING = 0.3


class WorkerGone(ClassroomError):
    """The worker has died, or could not be started; the text says why."""


class WorkerProcess:
    """One process, from start() until ``gone`` is done, which is when it has exited.

    ``on_message`` hears what the worker says of its own accord, in order and on the event loop. Whoever waits for
    an answer sees it before the messages that follow it are heard.
    """

    def __init__(self, number: int, on_message: Callable[[WorkerProcess, Any, Ref], None]) -> None:
        self.number = number
        self._on_message = on_message
        self._calls: dict[int, asyncio.Future[Any]] = {}
        self._numbers = count(1)
        self._channel: Channel | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._directing = Directing(self.ask)
        self._missed = 0
        self._stopping = False
        self.gone: asyncio.Task[None] | None = None
        self.port = 0
        self.cpu = 0.0  # share of a core, smoothed
        self.stats: dict[str, float] = {}

    @property
    def pid(self) -> int:
        """Of the process; 0 before it is started."""
        return 0 if self._process is None else self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it can be asked."""
        return self.gone is not None and not self.gone.done() and self._channel is not None

    async def start(self, command: Sequence[str], configure: Configure) -> None:
        """Start it and wait until its media port is open; raises WorkerGone, or MediaPortTaken as it raised that."""
        ours, theirs = socket.socketpair()
        channel = await Channel.over(ours)
        try:
            with theirs:
                self._process = await asyncio.create_subprocess_exec(
                    *command, str(theirs.fileno()), pass_fds=(theirs.fileno(),), stdin=asyncio.subprocess.DEVNULL
                )
            channel.send(configure)
            async with asyncio.timeout(START_S):
                first = await channel.receive()
            match first:
                case (Ready(port), _):
                    self.port = port
                case (Refused() as refusal, _):
                    raise error_of(refusal)
                case _:
                    raise WorkerGone(
                        "媒体进程没有启动，见日志。 A media worker ended before it was ready; the log says why."
                    )
        except BaseException as error:
            channel.close()
            self.kill()
            if self._process is not None:
                await self._process.wait()
            if isinstance(error, TimeoutError):
                raise WorkerGone(
                    f"媒体进程 {START_S:g} 秒内没有就绪。 A media worker was not ready within {START_S:g} s."
                ) from None
            raise
        self._channel = channel
        self.gone = asyncio.create_task(self._live(channel), name=f"worker {self.number}")

    async def ask(self, request: Request) -> Answer:
        """Have something done; raises WorkerGone, FrameTooLarge and what the worker raised."""
        if self._channel is None:
            raise WorkerGone("媒体进程已退出。 The media worker is gone.")
        number = next(self._numbers)
        answer = self._calls[number] = asyncio.get_running_loop().create_future()
        try:
            self._channel.send(request, number)
            answered: Answer = await answer
        finally:
            self._calls.pop(number, None)
        if isinstance(answered, Refused):
            raise error_of(answered)
        return answered

    def tell(self, request: Request) -> None:
        """Have something done that is not answered."""
        if self._channel is not None:
            self._channel.send(request)

    def direct(self, lesson: LessonId, direction: Direction) -> None:
        """Have the newest direction of a lesson followed; one that hangs keeps nobody waiting."""
        if self.alive:
            self._directing.tell(lesson, direction)

    async def stop(self) -> None:
        """Let it end by itself; kill it when it does not."""
        if self.gone is None:
            return
        self._stopping = True
        if self._channel is not None:
            self._channel.close()
        try:
            await asyncio.wait_for(asyncio.shield(self.gone), STOP_S)
        except TimeoutError:
            logger.error("worker %d (pid %d) does not end and is killed", self.number, self.pid)
            self.kill()
            await self.gone

    def kill(self) -> None:
        """As a crash would."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()

    async def _live(self, channel: Channel) -> None:
        assert self._process is not None
        watching = asyncio.create_task(self._watch(), name=f"worker {self.number} heartbeats")
        try:
            await self._hear(channel)
        except BadFrame:
            logger.exception("worker %d (pid %d) cannot be understood", self.number, self.pid)
        finally:
            watching.cancel()
            self._channel = None  # nothing is asked any more while it ends
            self._directing.close()
            for call in self._calls.values():
                if not call.done():
                    call.set_exception(WorkerGone("媒体进程已退出。 The media worker is gone."))
            channel.close()
            if not self._stopping:
                self.kill()  # without its channel it is of no use
            await self._process.wait()

    async def _hear(self, channel: Channel) -> None:
        loop = asyncio.get_running_loop()
        while (received := await channel.receive()) is not None:
            self._missed = 0
            message, ref = received
            if isinstance(message, Heartbeat):
                self.cpu += (message.cpu - self.cpu) * LOAD_SMOOTHING
                self.stats = message.stats
            elif isinstance(message, Answer):
                call = self._calls.get(ref) if isinstance(ref, int) else None
                if call is not None and not call.done():
                    call.set_result(message)
            else:
                loop.call_soon(self._on_message, self, message, ref)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_S)
            self._missed += 1
            if self._missed > MISSED_HEARTBEATS:
                logger.error("worker %d (pid %d) does not answer and is killed", self.number, self.pid)
                self.kill()
                return
