"""One layer of a picture: scaled, encoded in a thread of its own, and not encoded at all while nobody needs it."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import av
from av.video.reformatter import VideoReformatter

from classroom.capture.inbox import Inbox
from classroom.capture.stream import Stream
from classroom.capture.video_encoder import KEYFRAME_INTERVAL_S, SMALL_KEYFRAME_INTERVAL_S, VideoEncoder

if TYPE_CHECKING:
    import asyncio

    from classroom.capture.frames import CodedFrame
    from classroom.capture.video_encoder import VideoFormat
    from classroom.model import Label

logger = logging.getLogger(__name__)

PICTURES_WAITING = 8  # before the encoder, 0.3 s: then the oldest is dropped, for the next one is worth more
GOP_BYTES = 4 << 20  # of a passed-through GOP that is kept
LOWEST_SHARE = 0.5  # of its full rate: below that a smaller layer looks better than this one
_STEPS = (1.0, 0.75, LOWEST_SHARE)  # in which a lowered rate is told to people
_UNLIMITED_BPS = 1 << 40


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture on its way down the ladder. ``rungs`` are the formats of all its layers, largest first."""

    frame: av.VideoFrame
    capture_s: float
    rungs: tuple[VideoFormat, ...]


@dataclass(frozen=True, slots=True)
class Demand:
    """Between which rates a layer is worth sending."""

    lowest_bps: int
    full_bps: int


class VideoLayer(Stream):
    """Takes pictures from the layer above, passes them on to the layer ``below`` already scaled, and encodes them.

    The top layer may be passed through instead: then it takes coded frames and its rate is what it is. A layer that is
    kept (``on_coded``) is encoded all the time and at its full rate: it may be sent or not, but not at less.
    """

    def __init__(
        self, label: Label, rid: str, loop: asyncio.AbstractEventLoop, rung: int, below: VideoLayer | None
    ) -> None:
        super().__init__(label, rid, loop)
        self.format: VideoFormat | None = None  # None when the source is too small for this layer
        self._rung = rung
        self._below = below
        self._encoder: VideoEncoder | None = None
        self._scaler = VideoReformatter()  # kept: to set up a scaler costs five times as much as to scale
        self._inbox: Inbox[Picture] = Inbox(PICTURES_WAITING)
        self._bitrate_bps: int | None = _UNLIMITED_BPS  # at most; None while it is not sent
        self._held_back = ""
        self._passing = False
        self._passed_bps = 0
        self._gop: list[CodedFrame] = []  # of a passed-through stream, since its last keyframe
        self._gop_bytes = 0
        self._keyframe_missing = False
        self._thread = threading.Thread(target=self._encode_all, name=f"encode {label} {rid}", daemon=True)
        self._thread.start()

    # --- from the source, any thread -----------------------------------------------------------------------------

    @property
    def pictures_dropped(self) -> int:
        """Pictures that the encoder was too slow for."""
        return self._inbox.dropped

    @property
    def wanted(self) -> bool:
        """Whether pictures are of use to this layer or to one below it."""
        return self._kept or self._bitrate_bps is not None or (self._below is not None and self._below.wanted)

    def picture(self, picture: Picture) -> None:
        """Take a picture, scaled already to some layer above or as large as the source gave it."""
        self._passing = False
        self._inbox.put(picture)

    def coded(self, frame: CodedFrame, description: str) -> None:
        """Take an access unit that is passed through."""
        self._passing = True
        self.description = description
        self.hand_over(frame)

    def close(self) -> None:
        """Encode what waits and end the encoder's thread; blocks. Frames may still be on their way to the loop."""
        self._inbox.close()
        self._thread.join()

    # --- from the session, on the loop ---------------------------------------------------------------------------

    def demand(self) -> Demand | None:
        """What it may cost; None when there is no such layer."""
        if self.format is None:
            return None
        if self._passing:
            rate_bps = self._passed_bps or self.format.bitrate_bps()
            return Demand(rate_bps, rate_bps)
        full_bps = self.format.bitrate_bps()
        return Demand(full_bps if self._kept else round(full_bps * LOWEST_SHARE), full_bps)

    def send_at(self, bitrate_bps: int | None, held_back: str = "") -> None:
        """Encode at up to that rate, or with None not at all until the next call; ``held_back`` says why."""
        before = self._bitrate_bps
        self._bitrate_bps, self._held_back = bitrate_bps, held_back
        if before is None and bitrate_bps is not None:
            self.begin_anew()

    def request_keyframe(self) -> None:
        """Make the next picture a keyframe; a passed-through stream has one within 4 s."""
        if self._encoder is not None:
            self._encoder.request_keyframe()

    def begin_anew(self) -> None:
        """Send nothing before the next keyframe, and make the next picture one."""
        self._keyframe_missing = True
        self.request_keyframe()

    def opening(self) -> list[CodedFrame]:
        """The GOP so far of a passed-through stream; an encoder is asked for a keyframe instead."""
        if self._passing and self._gop and self._bitrate_bps is not None:
            self._keyframe_missing = False
            return list(self._gop)
        self.begin_anew()
        return []

    @property
    def held_back(self) -> str:
        """Why less than the full rate is sent of it; empty when all is."""
        return self._held_back if self.format is not None and self._share() < 1.0 else ""

    def status(self) -> str:
        """What is sent of this layer; empty when there is nothing to tell yet."""
        form, share = self.format, self._share()
        if form is None:
            return ""
        if share == 0.0:
            return f"{form.width_px}x{form.height_px} 暂停 paused"
        if share == 1.0 or self._passing or not self.description:
            return self.description
        return f"{describe(form, None)} ↓{form.bitrate_bps() * share / 1000:.0f} kbit/s"

    @property
    def _kept(self) -> bool:
        return self.on_coded is not None

    def _share(self) -> float:
        """How much of its full rate it has, in steps; 0 while it is not sent."""
        if self._bitrate_bps is None or self.format is None:
            return 0.0
        full_bps = self.format.bitrate_bps()
        return next((step for step in _STEPS if self._bitrate_bps >= step * full_bps), _STEPS[-1])

    def _overflow(self) -> None:
        super()._overflow()
        self.begin_anew()

    def _arrived(self, frame: CodedFrame) -> None:
        if self._passing:
            self._keep(frame)
        if self._bitrate_bps is None or (self._keyframe_missing and not frame.keyframe):
            return
        self._keyframe_missing = False
        super()._arrived(frame)

    def _keep(self, frame: CodedFrame) -> None:
        if frame.keyframe:
            if self._gop and frame.capture_s > self._gop[0].capture_s:
                self._passed_bps = round(self._gop_bytes * 8 / (frame.capture_s - self._gop[0].capture_s))
            self._gop, self._gop_bytes = [], 0
        elif not self._gop:
            return
        self._gop.append(frame)
        self._gop_bytes += frame.size_bytes
        if self._gop_bytes > GOP_BYTES:
            self._gop, self._gop_bytes = [], 0

    # --- the encoder's thread ------------------------------------------------------------------------------------

    def _encode_all(self) -> None:
        while (picture := self._inbox.get()) is not None:
            try:
                self._take(picture)
            except (av.FFmpegError, ValueError) as error:
                logger.error("%s: 编码失败，重新开始 / encoding failed, starting anew: %s", self.label, error)
                self._encoder = None
        if self._encoder is not None:
            for coded in self._encoder.flush():
                self.hand_over(coded)

    def _take(self, picture: Picture) -> None:
        if self._rung >= len(picture.rungs):
            return
        bitrate_bps, frame = _UNLIMITED_BPS if self._kept else self._bitrate_bps, picture.frame
        if bitrate_bps is not None:
            size = picture.rungs[self._rung]
            frame = self._scaler.reformat(
                frame, size.width_px, size.height_px, format="yuv420p", interpolation="AREA", threads=1
            )
        if self._below is not None and self._below.wanted:
            self._below.picture(replace(picture, frame=frame))
        if bitrate_bps is None:
            return
        encoder = self._encoder_for(picture.rungs[self._rung])
        encoder.bitrate_bps = min(bitrate_bps, encoder.format.bitrate_bps())
        for coded in encoder.encode(frame, picture.capture_s):
            self.hand_over(coded)

    def _encoder_for(self, form: VideoFormat) -> VideoEncoder:
        if self._encoder is None or self._encoder.format != form:
            interval_s = SMALL_KEYFRAME_INTERVAL_S if self._rung else KEYFRAME_INTERVAL_S
            self._encoder = VideoEncoder(form, form.bitrate_bps(), interval_s)
            self.description = describe(form, form.bitrate_bps())
        return self._encoder


def describe(form: VideoFormat, bitrate_bps: int | None) -> str:
    """A format in one line: ``1280x720 25 fps 1500 kbit/s``."""
    rate = f" {bitrate_bps / 1000:.0f} kbit/s" if bitrate_bps else ""
    return f"{form.width_px}x{form.height_px} {form.fps:.3g} fps{rate}"
