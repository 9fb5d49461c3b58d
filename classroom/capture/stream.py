"""One encoded stream, a voice or one layer of a picture, on its way from an encoder's thread to the event loop."""

from __future__ import annotations

import logging
import threading
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from classroom.capture.frames import CodedFrame
    from classroom.model import Label

logger = logging.getLogger(__name__)

CODED_WAITING = 64  # behind the encoder: all are dropped and a keyframe is asked for


class Stream:
    """``on_frame`` gets the frames on the loop; it is set by who sends them and may be None while nobody does.

    ``on_coded`` gets every frame at once in the thread that has made it, also those that nobody is sent.
    ``rid`` is the name of a layer, empty where there is only one. ``description`` tells people what it is.
    """

    def __init__(self, label: Label, rid: str, loop: asyncio.AbstractEventLoop) -> None:
        self.label = label
        self.rid = rid
        self.on_frame: Callable[[CodedFrame], None] | None = None
        self.on_coded: Callable[[CodedFrame], None] | None = None
        self.description = ""
        self._loop = loop
        self._handed: deque[CodedFrame] = deque()
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """Label and RID, for logs."""
        return f"{self.label} {self.rid}".rstrip()

    def request_keyframe(self) -> None:
        """The receiver cannot go on without one; nothing to do for sound."""

    def opening(self) -> list[CodedFrame]:
        """What a new session needs before the frames that come next."""
        return []

    def hand_over(self, frame: CodedFrame) -> None:
        """Bring a frame to the loop, from any one thread."""
        on_coded = self.on_coded
        if on_coded is not None:
            on_coded(frame)
        with self._lock:
            if len(self._handed) >= CODED_WAITING:
                self._handed.clear()
                self._overflow()
            self._handed.append(frame)
            first = len(self._handed) == 1
        if first:
            self._loop.call_soon_threadsafe(self._deliver)

    def _overflow(self) -> None:
        logger.warning("%s: 程序来不及发送，丢帧 / the event loop is stuck, frames were dropped", self.label)

    def _deliver(self) -> None:
        with self._lock:
            frames = list(self._handed)
            self._handed.clear()
        for frame in frames:
            self._arrived(frame)

    def _arrived(self, frame: CodedFrame) -> None:
        if self.on_frame is not None:
            self.on_frame(frame)
