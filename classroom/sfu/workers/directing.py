"""The newest direction of each lesson, on its way to one worker."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from classroom.model import ClassroomError
from classroom.sfu.workers.messages import Direct

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from classroom.model import LessonId
    from classroom.sfu.core.assignment import Direction

logger = logging.getLogger(__name__)


class Directing:
    """Tells one worker what its lessons have decided, at the pace of that worker: nobody waits for it.

    Bounded: of each lesson one direction waits. The drop policy: a newer one takes its place, and what was decided in
    between is never told. ``ask`` returns when the worker has followed; it raises ClassroomError when the worker holds
    the lesson no longer or has died: who opens the lesson anew tells what is decided then.
    """

    def __init__(self, ask: Callable[[Direct], Awaitable[object]]) -> None:
        self._ask = ask
        self._waiting: dict[LessonId, Direction] = {}
        self._task: asyncio.Task[None] | None = None

    def tell(self, lesson: LessonId, direction: Direction) -> None:
        """Let the worker know when it has followed what it was told before."""
        self._waiting[lesson] = direction
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="directing")

    def close(self) -> None:
        """The worker is gone; nothing is told any more."""
        self._waiting.clear()
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        while self._waiting:
            lesson = next(iter(self._waiting))
            direction = self._waiting.pop(lesson)
            try:
                await self._ask(Direct(lesson, direction))
            except ClassroomError as error:
                logger.debug("lesson=%s cannot be directed here: %s", lesson, error)
