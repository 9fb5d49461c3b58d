"""From a source's thread to the streams of a publication: a picture in its layers, or a voice."""

from __future__ import annotations

import logging
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import av

from classroom.capture.audio_encoder import AudioEncoder
from classroom.capture.clock import Instants
from classroom.capture.inbox import Inbox
from classroom.capture.ladder import ladder, rids
from classroom.capture.stream import Stream
from classroom.capture.video_encoder import MAX_FPS, Content, VideoFormat
from classroom.capture.video_layer import Picture, VideoLayer

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from classroom.capture.frames import CodedFrame
    from classroom.model import Label

logger = logging.getLogger(__name__)

# What a picture is taken to be like until the first one is there: the uplink is shared out before that.
_EXPECTED = {
    Content.MOTION: VideoFormat(1280, 720, 25, Content.MOTION),
    Content.PAGES: VideoFormat(1920, 1080, 5, Content.PAGES),
}
SOUNDS_WAITING = 50  # about 1 s; the oldest is dropped and the encoder fills its place with silence


class VideoTrack:
    """Pictures in (raw, or H.264 that is passed through), H.264 access units out, in up to three layers.

    A picture goes down the ladder layer by layer, each in a thread of its own. All layers of a picture have the same
    instant of capture, so that a receiver can go from one to another without a seam. ``on_picture`` gets every picture
    in the thread that brings it.
    """

    def __init__(self, label: Label, loop: asyncio.AbstractEventLoop, content: Content, layers: int = 1) -> None:
        self.label = label
        self.content = content
        self.on_picture: Callable[[av.VideoFrame, float], None] | None = None
        names = rids(content, layers)
        below: VideoLayer | None = None
        made: list[VideoLayer] = []
        for rung in reversed(range(len(names))):
            below = VideoLayer(label, names[rung] if len(names) > 1 else "", loop, rung, below)
            made.append(below)
        self.streams: tuple[VideoLayer, ...] = tuple(reversed(made))  # largest first
        self._format: VideoFormat | None = None
        self._rungs: tuple[VideoFormat, ...] = ()
        self._instants = Instants()
        self._next_picture_s = float("-inf")
        self._shape(_EXPECTED[content])

    @property
    def description(self) -> str:
        """What is sent of each layer and why not more, in one line; empty before the first picture."""
        if not any(layer.description for layer in self.streams):
            return ""
        layers = " · ".join(filter(None, (layer.status() for layer in self.streams)))
        reasons = dict.fromkeys(layer.held_back for layer in self.streams if layer.held_back)
        return f"{layers}（{'；'.join(reasons)}）" if reasons else layers

    def keep(self, on_coded: Callable[[CodedFrame], None] | None) -> None:
        """Give every frame of the largest layer to ``on_coded``, in the thread that makes it, until it is None."""
        self.streams[0].on_coded = on_coded
        self.streams[0].request_keyframe()

    @property
    def pictures_dropped(self) -> int:
        """Pictures that the encoders were too slow for."""
        return sum(layer.pictures_dropped for layer in self.streams)

    @property
    def wants_pictures(self) -> bool:
        """Whether pictures of a passed-through stream are wanted too: for the layers below it, or to be looked at."""
        return self.on_picture is not None or self._wants_smaller

    def picture(self, frame: av.VideoFrame, capture_s: float, fps: float) -> None:
        """Take a picture from any thread. Above 30 fps some are left out."""
        if fps > MAX_FPS + 1:
            if capture_s < self._next_picture_s - 0.25 / MAX_FPS:
                return
            if capture_s > self._next_picture_s + 1 / MAX_FPS:
                self._next_picture_s = capture_s
            self._next_picture_s += 1 / MAX_FPS
        if self.on_picture is not None:
            self.on_picture(frame, capture_s)
        self._shape(VideoFormat(frame.width, frame.height, fps, self.content).fitted())
        self.streams[0].picture(Picture(frame, self._instants.distinct(capture_s), self._rungs))

    def coded(self, frame: CodedFrame, form: VideoFormat, description: str) -> None:
        """Take an access unit that is passed through, from any thread."""
        self._shape(form)
        self.streams[0].coded(replace(frame, capture_s=self._instants.distinct(frame.capture_s)), description)

    def decoded(self, frame: av.VideoFrame, capture_s: float) -> None:
        """Take a picture of a stream that is passed through."""
        if self.on_picture is not None:
            self.on_picture(frame, capture_s)
        if self._wants_smaller:
            self.streams[1].picture(Picture(frame, capture_s, self._rungs))

    def close(self) -> None:
        """Encode what waits and end the threads, from the top down; blocks."""
        for layer in self.streams:
            layer.close()

    @property
    def _wants_smaller(self) -> bool:
        return len(self._rungs) > 1 and self.streams[1].wanted

    def _shape(self, form: VideoFormat) -> None:
        if form != self._format:
            self._format, self._rungs = form, ladder(form, len(self.streams))
            for rung, layer in enumerate(self.streams):
                layer.format = self._rungs[rung] if rung < len(self._rungs) else None


class AudioTrack(Stream):
    """Sound in (raw, or Opus that is passed through), Opus packets out."""

    def __init__(self, label: Label, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(label, "", loop)
        self.streams = (self,)
        self._instants = Instants()
        self._inbox: Inbox[tuple[av.AudioFrame, float]] = Inbox(SOUNDS_WAITING)
        self._thread = threading.Thread(target=self._encode_all, name=f"encode {label}", daemon=True)
        self._thread.start()

    def sound(self, frame: av.AudioFrame, capture_s: float) -> None:
        """Take sound from any thread; ``capture_s`` is of its first sample."""
        self._inbox.put((frame, capture_s))

    def coded(self, frame: CodedFrame, description: str) -> None:
        """Take an Opus packet that is passed through, from any thread."""
        self.description = description
        self._hand_over_all([frame])

    def keep(self, on_coded: Callable[[CodedFrame], None] | None) -> None:
        """Give every packet to ``on_coded``, in the thread that makes it, until it is None."""
        self.on_coded = on_coded

    def close(self) -> None:
        """Encode what waits and end the encoder's thread; blocks."""
        self._inbox.close()
        self._thread.join()

    def _encode_all(self) -> None:
        encoder = AudioEncoder()
        while (item := self._inbox.get()) is not None:
            self.description = "Opus 48 kHz 32 kbit/s"
            try:
                self._hand_over_all(encoder.encode(*item))
            except (av.FFmpegError, ValueError) as error:
                logger.error("%s: 编码失败，重新开始 / encoding failed, starting anew: %s", self.label, error)
                encoder = AudioEncoder()
        self._hand_over_all(encoder.flush())

    def _hand_over_all(self, frames: list[CodedFrame]) -> None:
        for frame in frames:
            self.hand_over(replace(frame, capture_s=self._instants.distinct(frame.capture_s)))


Track = VideoTrack | AudioTrack
