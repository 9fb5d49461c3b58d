"""Follows the agenda of a classroom: sources run in standby, are sent while the lesson is live, and rest afterwards."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from classroom.capture.agent import EXIT_OK, EXIT_REFUSED, Agent, assignments_of, stopped_by_signals
from classroom.capture.device.link import DeviceLink, NotPaired
from classroom.capture.frames import SourceError
from classroom.capture.threads import Threads
from classroom.capture.tokens import DeviceTokens
from classroom.model import Label
from classroom.schoolday.messages import Check, Checks, Phase, RoomRole

if TYPE_CHECKING:
    from classroom.capture.agent import CaptureSettings
    from classroom.capture.sources.choose import Assignment
    from classroom.schoolday.messages import Agenda

logger = logging.getLogger(__name__)

REFUSED_RETRY_S = 5.0


@dataclass(slots=True, eq=False)
class _Attendance:
    """An agent for one lesson; ``over`` once it was told that the lesson is."""

    lesson: str
    agent: Agent
    task: asyncio.Task[None]
    over: bool = False


async def run_device(settings: CaptureSettings, credential: str) -> int:
    """Go by the agenda until SIGINT or SIGTERM comes or the device is revoked; returns the exit status."""
    assignments = assignments_of(settings)
    if assignments is None:
        return EXIT_REFUSED
    device = DeviceAgent(settings, assignments, credential)
    with stopped_by_signals(device.stop):
        return await device.run()


class DeviceAgent:
    """Attends the lessons that its classroom teaches, one after the other. It never starts one."""

    def __init__(self, settings: CaptureSettings, assignments: list[Assignment], credential: str) -> None:
        self._settings = settings
        self._assignments = assignments
        self._credential = credential
        self._link = DeviceLink(settings.server, credential)
        self._stopping = asyncio.Event()
        self._checks = Checks()
        self._attendance: _Attendance | None = None
        self._told = ""

    def stop(self) -> None:
        """End as soon as goodbye has been said."""
        self._stopping.set()

    async def run(self) -> int:
        """Follow the agenda; returns the exit status."""
        loop = asyncio.get_running_loop()
        link = loop.create_task(self._link.run(), name="device link")
        stopping = loop.create_task(self._stopping.wait(), name="stop")
        following = loop.create_task(self._follow(), name="agenda")
        tasks: tuple[asyncio.Task[Any], ...] = (link, stopping, following)
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if stopping.done():
                return EXIT_OK
            for task in (link, following):
                if task.done():
                    task.result()
            return EXIT_OK
        except NotPaired:
            logger.error("这台设备没有绑定，请用 --pair 配对 / this device is not paired, or not any more: use --pair")
            return EXIT_REFUSED
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._leave()

    async def _follow(self) -> None:
        tried = False
        while True:
            await self._link.changed.wait()
            self._link.changed.clear()
            agenda = self._link.agenda
            if agenda is None:
                continue
            self._tell(agenda)
            await self._attend(agenda)
            if self._attendance is None and not tried:
                tried = True
                await self._try_sources()

    async def _attend(self, agenda: Agenda) -> None:
        """Be in the lesson that the room teaches now, or is about to, and in no other."""
        lesson, now = agenda.lesson, self._attendance
        ours = lesson is not None and lesson.role is RoomRole.MAIN and agenda.phase in (Phase.STANDBY, Phase.LIVE)
        wanted = lesson.id if lesson is not None and ours else None
        if now is not None and now.lesson != wanted and not now.over:
            now.over = True
            now.agent.end()  # what did not get through is delivered while there is nothing else to do
        if wanted is None:
            return
        if now is None or now.over:
            await self._leave()
            now = self._attendance = self._begin(wanted)
        if agenda.phase is Phase.LIVE:
            now.agent.go_live()

    def _begin(self, lesson: str) -> _Attendance:
        tokens = DeviceTokens(self._settings.server, lesson, self._credential)
        agent = Agent(self._settings, self._assignments, lesson, tokens, standby=True, on_check=self._checked)
        return _Attendance(lesson, agent, asyncio.create_task(self._run(agent), name=f"lesson {lesson}"))

    async def _run(self, agent: Agent) -> None:
        try:
            status = await agent.run()
        except Exception:
            logger.exception("内部错误，重新开始 / internal error, starting anew")
            status = EXIT_REFUSED
        if status != EXIT_OK:  # it may be put right while the lesson lasts
            asyncio.get_running_loop().call_later(REFUSED_RETRY_S, self._try_again, agent)

    def _try_again(self, agent: Agent) -> None:
        if self._attendance is not None and self._attendance.agent is agent:
            self._attendance = None
            self._link.changed.set()

    async def _leave(self) -> None:
        """End what there is of a lesson, deliveries included: the next agent goes on with those."""
        now, self._attendance = self._attendance, None
        if now is not None:
            now.agent.stop()
            await asyncio.wait([now.task])

    # --- how the sources are -------------------------------------------------------------------------------------

    async def _try_sources(self) -> None:
        """Look at every source once: an operator is to know in the morning, not when the bell rings."""
        threads = Threads()
        await asyncio.gather(*(self._try(threads, assignment) for assignment in self._assignments))

    async def _try(self, threads: Threads, assignment: Assignment) -> None:
        try:
            await threads.run(f"probe {assignment.source.name}", assignment.source.probe)
        except SourceError as error:
            logger.warning("%s", error)
            self._checked(assignment, str(error))
        else:
            self._checked(assignment, None)

    def _checked(self, assignment: Assignment, fault: str | None) -> None:
        """A source works, or does not for this reason."""
        check = Check(True) if fault is None else Check(False, fault[:200])
        match assignment.video or Label.MIC:
            case Label.CAMERA:
                self._checks = replace(self._checks, camera=check)
            case Label.SLIDES:
                self._checks = replace(self._checks, slides=check)
            case _:
                self._checks = replace(self._checks, microphone=check)
        self._link.check(self._checks)

    def _tell(self, agenda: Agenda) -> None:
        lesson = agenda.lesson or agenda.next
        text = f"{agenda.classroom.school} {agenda.classroom.name}：{agenda.phase}"
        if lesson is not None:
            text += f"，{lesson.starts_at} {lesson.subject} {lesson.title} ({lesson.id})"
        if text != self._told:
            self._told = text
            logger.info("%s", text)
