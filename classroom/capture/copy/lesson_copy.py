"""The agent's own copy of its lesson and the delivery of it, as one thing that the agent starts, informs and ends."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING

from classroom.capture.clock import CaptureClock
from classroom.capture.copy.deliverer import Deliverer
from classroom.capture.copy.keeper import Keeper
from classroom.capture.copy.shelf import BREAK_S, Shelf

if TYPE_CHECKING:
    from collections.abc import Callable

    from classroom.capture.copy.settings import CopySettings
    from classroom.capture.threads import Threads
    from classroom.capture.tracks import Track
    from classroom.capture.uplink import UplinkState

logger = logging.getLogger(__name__)

DISK_TIMEOUT_S = 5.0  # for a disk that answers; a lesson waits no longer for one that does not


class LessonCopy:
    """Keeps the largest layer of every track while a lesson is on, and for 15 minutes after it, and delivers it.

    ``keeping``: it is on already, as far as we know. A lesson that ended by mistake goes on in the same recording; what
    is captured until we hear of it is kept, too.
    """

    def __init__(
        self,
        settings: CopySettings,
        shelf: Shelf,
        clock: CaptureClock,
        threads: Threads,
        lesson: tuple[str, str],
        uplink_state: Callable[[], UplinkState | None],
        keeping: bool,
    ) -> None:
        """``lesson``: server and id. See begin()."""
        self.clock = clock
        self._lesson = lesson = (lesson[0].rstrip("/"), lesson[1])
        self._shelf = shelf
        self._threads = threads
        self._loop = asyncio.get_running_loop()
        self._keeper = Keeper(shelf, lesson[1], lesson[0], clock)
        self._deliverer = Deliverer(
            shelf, self._keeper, threads, clock, settings.upload, settings.rate_bps, uplink_state
        )
        self._tracks: list[Track] = []
        self._pausing: asyncio.TimerHandle | None = None
        self._keeping = self._deliverer.sending = keeping
        self._delivering = self._loop.create_task(self._deliverer.run(), name="deliver copies")

    @classmethod
    async def begin(
        cls,
        settings: CopySettings,
        threads: Threads,
        lesson: tuple[str, str],
        uplink_state: Callable[[], UplinkState | None],
        *,
        keeping: bool = True,
    ) -> LessonCopy:
        """Look what there is of the lesson already: its clock begins after that."""
        shelf = Shelf(settings.folder, settings.limit_bytes)
        last_ntp = 0
        try:
            async with asyncio.timeout(DISK_TIMEOUT_S):
                await threads.run("tidy copies", shelf.tidy)
                last_ntp = await threads.run("look at copies", partial(shelf.last_instant, lesson[1]))
        except (OSError, TimeoutError) as error:
            reason = str(error) or "timeout"
            logger.warning("副本目录读不了（%s） / the folder of copies cannot be read (%s)", reason, reason)
        return cls(settings, shelf, CaptureClock(not_before_ntp=last_ntp), threads, lesson, uplink_state, keeping)

    def add(self, track: Track) -> None:
        """Keep what this track captures."""
        self._tracks.append(track)
        if self._keeping:
            track.keep(partial(self._keeper.keep, track.label))

    def lesson_on(self, token: str) -> None:
        """The server takes the lesson with this token: it is being sent from now on."""
        self._deliverer.token = (*self._lesson, token)
        self._deliverer.sending = True
        self._deliverer.changed()
        if self._pausing is not None:
            self._pausing.cancel()
            self._pausing = None
        if not self._keeping:
            self._keeping = True
            for track in self._tracks:
                track.keep(partial(self._keeper.keep, track.label))

    def lesson_off(self) -> None:
        """Nothing of the lesson is being sent: the server has ended it, or not begun it. May be called repeatedly."""
        if not self._deliverer.sending:
            return
        self._deliverer.sending = False
        self._deliverer.changed()
        self._pausing = self._loop.call_later(BREAK_S, self._pause)

    def _pause(self) -> None:
        self._pausing, self._keeping = None, False
        for track in self._tracks:
            track.keep(None)
        self._keeper.begin_another()

    async def deliver_rest(self) -> None:
        """Deliver before the agent ends; returns when all is done, or cannot be done now."""
        await self._end_delivering()
        try:
            await self._deliverer.finish(self._lesson[1])
        except Exception:
            logger.exception("补传内部错误，下次启动时继续 / internal error of the delivery; the next start goes on")

    async def close(self) -> None:
        """Write what waits, end everything."""
        if self._pausing is not None:
            self._pausing.cancel()
        await self._end_delivering()
        try:
            async with asyncio.timeout(DISK_TIMEOUT_S):
                await self._threads.run("close copy", self._keeper.close)
        except TimeoutError:
            logger.warning(
                "磁盘没有响应，副本的最后一段没有写完 / the disk is stuck: the end of the copy is not written"
            )
        self._shelf.close()

    async def _end_delivering(self) -> None:
        self._delivering.cancel()
        await asyncio.gather(self._delivering, return_exceptions=True)
