"""What a media worker does: an SFU and its recorders, asked over a channel."""

from __future__ import annotations

import asyncio
import logging
import time
from functools import partial
from typing import TYPE_CHECKING

from classroom.model import ClassroomError, RecordingState
from classroom.sfu.server import MediaServer
from classroom.sfu.workers.channel import FrameTooLarge
from classroom.sfu.workers.messages import (
    AddRecordingEvent,
    Answer,
    BadFrame,
    CloseLesson,
    CloseSession,
    Configure,
    Direct,
    Done,
    FinishRecording,
    Heartbeat,
    Observe,
    OpenLesson,
    Patch,
    Publish,
    Ready,
    RecordingChanged,
    StartRecording,
    StartRelay,
    Subscribe,
    refused,
)
from classroom.sfu.workers.recording import record
from classroom.sfu.workers.relay import RelayDoor, start_relay

if TYPE_CHECKING:
    from classroom.sfu.workers.channel import Channel
    from classroom.sfu.workers.messages import Ref, Request
    from classroom.sfu.workers.recording import OpenRecorder, Recorder

logger = logging.getLogger(__name__)

HEARTBEAT_S = 0.25


class Worker:
    """Serves one channel until its other end is gone; then it finishes its recordings as interrupted.

    Calls are carried out side by side, each in a task of its own; the control plane waits where order matters.
    """

    def __init__(self, channel: Channel, configure: Configure, open_recorder: OpenRecorder | None) -> None:
        self._channel = channel
        self._open_recorder = open_recorder
        self._relay_path = configure.relay_path
        self._server = MediaServer(
            configure.media,
            on_event=lambda lesson, event: channel.send(event, lesson),
            wall_offset_s=configure.wall_offset_s,
        )
        self._recorders: dict[int, Recorder] = {}
        self._calls: set[asyncio.Task[None]] = set()

    async def serve(self) -> None:
        """Run from the opening of the media port to the end of the channel."""
        try:
            await self._server.start()
        except ClassroomError as error:
            self._channel.send(refused(error))
            return
        door = RelayDoor(self._server, self._relay_path)
        self._channel.send(Ready(self._server.port))
        beating = asyncio.create_task(self._beat(), name="heartbeat")
        try:
            await self._listen()
        finally:
            beating.cancel()
            await asyncio.gather(beating, *self._calls, return_exceptions=True)
            door.close()
            await self._server.close()
            left = [recorder.finish(RecordingState.INTERRUPTED) for recorder in self._recorders.values()]
            await asyncio.gather(*left, return_exceptions=True)

    async def _listen(self) -> None:
        while True:
            try:
                received = await self._channel.receive()
            except BadFrame:
                logger.exception("the control plane cannot be understood")
                return
            if received is None:
                return
            request, ref = received
            if isinstance(request, AddRecordingEvent):
                self._note(request)
                continue
            call = asyncio.create_task(self._answer(request, ref))
            self._calls.add(call)
            call.add_done_callback(self._calls.discard)

    async def _beat(self) -> None:
        used_s, at_s = time.process_time(), time.monotonic()
        while True:
            await asyncio.sleep(HEARTBEAT_S)
            used_before_s, before_s = used_s, at_s
            used_s, at_s = time.process_time(), time.monotonic()
            self._channel.send(Heartbeat((used_s - used_before_s) / (at_s - before_s), self._server.stats()))

    async def _answer(self, request: Request, ref: Ref) -> None:
        try:
            answer = await self._obey(request)
        except ClassroomError as error:
            answer = refused(error)
        except Exception as error:
            logger.exception("%s failed", type(request).__name__)
            answer = refused(error)
        try:
            self._channel.send(answer, ref)
        except FrameTooLarge as error:  # figures of too many receivers: no reason to end their lesson
            logger.error("%s cannot be answered: %s", type(request).__name__, error)
            self._channel.send(refused(error), ref)

    async def _obey(self, request: Request) -> Answer:
        server = self._server
        match request:
            case OpenLesson(lesson):
                await server.open_lesson(lesson)
            case CloseLesson(lesson, reason):
                await server.close_lesson(lesson, reason)
            case Publish(lesson, participant, offer, names):
                return await server.publish(lesson, participant, offer, names.__getitem__)
            case Subscribe(lesson, participant, offer, last_time_bps):
                return await server.subscribe(lesson, participant, offer, last_time_bps)
            case Direct(lesson, direction):
                server.direct(lesson, direction)
            case Patch(session, fragment, if_match):
                return await server.patch(session, fragment, if_match)
            case CloseSession(session, reason):
                await server.close_session(session, reason)
            case Observe(lesson):
                return await server.observe(lesson)
            case StartRelay(lesson, path):
                await start_relay(server, lesson, path)
            case StartRecording():
                await self._record(request)
            case FinishRecording(recording, state):
                recorder = self._recorders.pop(recording, None)
                if recorder is not None:
                    await recorder.finish(state)
        return Done()

    async def _record(self, request: StartRecording) -> None:
        if self._open_recorder is None:
            raise ValueError("this worker was not told where to record")
        number = request.recording
        self._recorders[number] = await record(
            self._server,
            self._open_recorder,
            request.lesson,
            request.title,
            partial(self._tell, number),
            request.resume,
        )

    def _tell(self, recording: int, state: RecordingState, detail: str | None) -> None:
        self._channel.send(RecordingChanged(state, detail), recording)

    def _note(self, event: AddRecordingEvent) -> None:
        recorder = self._recorders.get(event.recording)
        if recorder is not None:
            recorder.add_event(event.name, **event.data)
