"""Watches the pictures of the slides, in a thread of its own, and says on the loop when a page was turned."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from classroom.capture.inbox import Inbox
from classroom.slides.changes import HEIGHT_PX, WIDTH_PX
from classroom.slides.turns import PageTurns

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from classroom.slides.changes import Grey
    from classroom.slides.turns import Turn

logger = logging.getLogger(__name__)

LOOK_S = 0.1  # at most one picture in so long is looked at, whatever the rate of the source
PICTURES_WAITING = 2  # then the oldest is dropped: what is shown by now is worth more


class PageWatch:
    """``picture`` may be called from any thread and costs it nothing; ``on_turn`` is called on the loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, on_turn: Callable[[Turn], None]) -> None:
        self._loop = loop
        self._on_turn = on_turn
        self._inbox: Inbox[tuple[av.VideoFrame, float]] = Inbox(PICTURES_WAITING)
        self._turns: PageTurns | None = None
        self._next_s = float("-inf")
        self._scaler = VideoReformatter()
        self._thread = threading.Thread(target=self._watch, name="watch pages", daemon=True)
        self._thread.start()

    def begin(self, page: int | None) -> None:
        """Watch from now on; ``page`` is what the lesson says is shown. Once begun, it goes on as it is."""
        if self._turns is None:
            self._turns = PageTurns(page)

    def picture(self, frame: av.VideoFrame, capture_s: float) -> None:
        """Take a picture of the slides."""
        if self._turns is not None and not self._next_s - LOOK_S < capture_s < self._next_s - 1e-3:
            self._next_s = capture_s + LOOK_S
            self._inbox.put((frame, capture_s))

    def close(self) -> None:
        """Look at what waits and end the thread; blocks."""
        self._inbox.close()
        self._thread.join()

    def _watch(self) -> None:
        latest_s = float("-inf")
        while (item := self._inbox.get()) is not None:
            frame, capture_s = item
            if self._turns is None or capture_s <= latest_s:  # a source that began anew, by its own clock
                continue
            latest_s = capture_s
            try:
                turns = self._turns.add(capture_s, self._grey(frame))
            except (av.FFmpegError, ValueError) as error:
                logger.debug("a picture of the slides cannot be looked at: %s", error)
                continue
            for turn in turns:
                try:
                    self._loop.call_soon_threadsafe(self._on_turn, turn)
                except RuntimeError:
                    return  # the loop is closed: the process is on its way out

    def _grey(self, frame: av.VideoFrame) -> Grey:
        small = self._scaler.reformat(frame, WIDTH_PX, HEIGHT_PX, format="gray", interpolation="AREA", threads=1)
        return np.asarray(small.to_ndarray(), np.uint8)
