"""From a source's thread to the event loop: one track each, with its encoder in a thread of its own."""

from __future__ import annotations

import logging
import threading
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Generic, TypeVar

import av

from classroom.capture.audio_encoder import AudioEncoder
from classroom.capture.video_encoder import MAX_FPS, Content, VideoEncoder, VideoFormat

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from classroom.capture.frames import CodedFrame
    from classroom.model import Label

T = TypeVar("T")
logger = logging.getLogger(__name__)

PICTURES_WAITING = 8  # before the encoder, 0.3 s: then the oldest is dropped, for the next one is worth more
SOUNDS_WAITING = 50  # about 1 s; the oldest is dropped and the encoder fills its place with silence
CODED_WAITING = 64  # behind the encoder: all are dropped and a keyframe is asked for
GOP_BYTES = 4 << 20  # of a passed-through GOP that is kept
_SAME_INSTANT_S = 0.001


class _Inbox(Generic[T]):
    """A bounded queue between two threads that drops the oldest when it is full."""

    def __init__(self, capacity: int) -> None:
        self._items: deque[T] = deque(maxlen=capacity)
        self._changed = threading.Condition()
        self._closed = False
        self.dropped = 0

    def put(self, item: T) -> None:
        with self._changed:
            self.dropped += len(self._items) == self._items.maxlen
            self._items.append(item)
            self._changed.notify()

    def get(self) -> T | None:
        """The oldest; waits for one. None once it is closed and empty."""
        with self._changed:
            while not self._items:
                if self._closed:
                    return None
                self._changed.wait()
            return self._items.popleft()

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify()


class Track:
    """What sound and picture have in common: the way of coded frames from a thread to the event loop.

    ``on_frame`` gets them on the loop; it is set by who sends them and may be None while nobody does.
    """

    def __init__(self, label: Label, loop: asyncio.AbstractEventLoop) -> None:
        self.label = label
        self.on_frame: Callable[[CodedFrame], None] | None = None
        self.description = ""
        self._loop = loop
        self._handed: deque[CodedFrame] = deque()
        self._lock = threading.Lock()
        self._last_capture_s = float("-inf")

    def request_keyframe(self) -> None:
        """The receiver cannot go on without one; nothing to do for sound."""

    def opening(self) -> list[CodedFrame]:
        """What a new session needs before the frames that come next."""
        return []

    def close(self) -> None:
        """Encode what waits and end the encoder's thread; blocks. Frames may still be on their way to the loop."""

    def _hand_over(self, frame: CodedFrame) -> None:
        # Two frames at one instant (a timeline that was moved) would share an RTP timestamp and be taken for one.
        if frame.capture_s - self._last_capture_s < _SAME_INSTANT_S and self._last_capture_s - frame.capture_s < 1.0:
            frame = replace(frame, capture_s=self._last_capture_s + _SAME_INSTANT_S)
        self._last_capture_s = frame.capture_s
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


class VideoTrack(Track):
    """Pictures in (raw, or H.264 that is passed through), H.264 access units out."""

    def __init__(self, label: Label, loop: asyncio.AbstractEventLoop, content: Content) -> None:
        super().__init__(label, loop)
        self.content = content
        self._encoder: VideoEncoder | None = None
        self._inbox: _Inbox[tuple[av.VideoFrame, float, float]] = _Inbox(PICTURES_WAITING)
        self._thread = threading.Thread(target=self._encode_all, name=f"encode {label}", daemon=True)
        self._thread.start()
        self._next_picture_s = float("-inf")
        self._passing = False
        self._gop: list[CodedFrame] = []  # of a passed-through stream, since its last keyframe
        self._gop_bytes = 0
        self._keyframe_missing = False

    @property
    def pictures_dropped(self) -> int:
        """Pictures that the encoder was too slow for."""
        return self._inbox.dropped

    def picture(self, frame: av.VideoFrame, capture_s: float, fps: float) -> None:
        """Take a picture from any thread. Above 30 fps some are left out."""
        if fps > MAX_FPS + 1:
            if capture_s < self._next_picture_s - 0.25 / MAX_FPS:
                return
            if capture_s > self._next_picture_s + 1 / MAX_FPS:
                self._next_picture_s = capture_s
            self._next_picture_s += 1 / MAX_FPS
        self._passing = False
        self._inbox.put((frame, capture_s, fps))

    def coded(self, frame: CodedFrame, description: str) -> None:
        """Take an access unit that is passed through, from any thread."""
        self._passing = True
        self.description = description
        self._hand_over(frame)

    def request_keyframe(self) -> None:
        """Make the next picture a keyframe; a passed-through stream has one within 4 s."""
        if self._encoder is not None:
            self._encoder.request_keyframe()

    def opening(self) -> list[CodedFrame]:
        """The GOP so far of a passed-through stream; an encoder is asked for a keyframe instead."""
        self._keyframe_missing = not (self._passing and self._gop)
        if self._keyframe_missing:
            self.request_keyframe()
            return []
        return list(self._gop)

    def close(self) -> None:
        """Encode what waits and end the encoder's thread; blocks."""
        self._inbox.close()
        self._thread.join()

    def _overflow(self) -> None:
        super()._overflow()
        self._keyframe_missing = True
        self.request_keyframe()

    def _arrived(self, frame: CodedFrame) -> None:
        if self._passing:
            self._keep(frame)
        if self._keyframe_missing and not frame.keyframe:
            return
        self._keyframe_missing = False
        super()._arrived(frame)

    def _keep(self, frame: CodedFrame) -> None:
        if frame.keyframe:
            self._gop, self._gop_bytes = [], 0
        elif not self._gop:
            return
        self._gop.append(frame)
        self._gop_bytes += frame.size_bytes
        if self._gop_bytes > GOP_BYTES:
            self._gop, self._gop_bytes = [], 0

    def _encode_all(self) -> None:
        while (item := self._inbox.get()) is not None:
            try:
                self._encode(*item)
            except (av.FFmpegError, ValueError) as error:
                logger.error("%s: 编码失败，重新开始 / encoding failed, starting anew: %s", self.label, error)
                self._encoder = None
        if self._encoder is not None:
            for coded in self._encoder.flush():
                self._hand_over(coded)

    def _encode(self, frame: av.VideoFrame, capture_s: float, fps: float) -> None:
        encoder = self._encoder_for(VideoFormat(frame.width, frame.height, fps, self.content).fitted())
        size = (encoder.format.width_px, encoder.format.height_px)
        if (frame.width, frame.height) != size or frame.format.name != "yuv420p":
            frame = frame.reformat(*size, format="yuv420p", interpolation="AREA")
        for coded in encoder.encode(frame, capture_s):
            self._hand_over(coded)

    def _encoder_for(self, picture: VideoFormat) -> VideoEncoder:
        if self._encoder is None or self._encoder.format != picture:
            bitrate_bps = picture.bitrate_bps()
            self._encoder = VideoEncoder(picture, bitrate_bps)
            self.description = describe(picture.width_px, picture.height_px, picture.fps, bitrate_bps)
        return self._encoder


class AudioTrack(Track):
    """Sound in (raw, or Opus that is passed through), Opus packets out."""

    def __init__(self, label: Label, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(label, loop)
        self._inbox: _Inbox[tuple[av.AudioFrame, float]] = _Inbox(SOUNDS_WAITING)
        self._thread = threading.Thread(target=self._encode_all, name=f"encode {label}", daemon=True)
        self._thread.start()

    def sound(self, frame: av.AudioFrame, capture_s: float) -> None:
        """Take sound from any thread; ``capture_s`` is of its first sample."""
        self._inbox.put((frame, capture_s))

    def coded(self, frame: CodedFrame, description: str) -> None:
        """Take an Opus packet that is passed through, from any thread."""
        self.description = description
        self._hand_over(frame)

    def close(self) -> None:
        """Encode what waits and end the encoder's thread; blocks."""
        self._inbox.close()
        self._thread.join()

    def _encode_all(self) -> None:
        encoder = AudioEncoder()
        while (item := self._inbox.get()) is not None:
            self.description = "Opus 48 kHz 32 kbit/s"
            try:
                for coded in encoder.encode(*item):
                    self._hand_over(coded)
            except (av.FFmpegError, ValueError) as error:
                logger.error("%s: 编码失败，重新开始 / encoding failed, starting anew: %s", self.label, error)
                encoder = AudioEncoder()
        for coded in encoder.flush():
            self._hand_over(coded)


def describe(width_px: int, height_px: int, fps: float, bitrate_bps: int | None) -> str:
    """A format in one line: ``1280x720 25 fps 1500 kbit/s``."""
    rate = f" {bitrate_bps / 1000:.0f} kbit/s" if bitrate_bps else ""
    return f"{width_px}x{height_px} {fps:.3g} fps{rate}"
