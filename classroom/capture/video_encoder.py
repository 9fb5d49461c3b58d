"""x264 as this agent needs it: no delay, a hard rate, a keyframe when asked for."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from typing import TYPE_CHECKING

import av
from av.video.frame import PictureType

from classroom.capture.frames import CodedFrame
from classroom.capture.h264 import IDR, nal_type, split_annexb

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_WIDTH_PX, MAX_HEIGHT_PX, MAX_FPS = 1920, 1080, 30
KEYFRAME_INTERVAL_S = 2.0  # of what is recorded: a replay can be opened at every keyframe
# Of layers that nobody records; who needs one asks for it. Keyframes each 2 s would be a sixth of such a layer's rate.
SMALL_KEYFRAME_INTERVAL_S = 4.0
_CLOCK_HZ = 90_000
# Finer than this nobody sees; without a floor a page that stands still takes the whole rate for nothing.
_FINEST_QP_PAGES, _FINEST_QP_MOTION = 20, 18
_VBV_S = 0.6  # what a keyframe may cost at most: the smaller, the sooner it is through a thin link


class Content(Enum):
    """What the picture is like; decides how x264 spends its bits."""

    MOTION = "motion"
    PAGES = "pages"  # slides: still for seconds, then all new


@dataclass(frozen=True, slots=True)
class VideoFormat:
    """Size, frame rate and kind of a picture before it is encoded."""

    width_px: int
    height_px: int
    fps: float
    content: Content

    def fitted(self) -> VideoFormat:
        """The same picture inside 1920x1080 and 30 fps, with even sides."""
        scale = min(1.0, MAX_WIDTH_PX / self.width_px, MAX_HEIGHT_PX / self.height_px)
        return VideoFormat(
            max(2, int(self.width_px * scale) & ~1),
            max(2, int(self.height_px * scale) & ~1),
            min(self.fps, MAX_FPS),
            self.content,
        )

    def bitrate_bps(self) -> int:
        """A rate at which such a picture looks good: 1.2 Mbit/s for 720p25, 0.8 Mbit/s for pages at 1080p5.

        A picture of a quarter of the pixels needs a third: 0.4 Mbit/s for 360p25, 0.13 Mbit/s for 180p25.
        """
        pixels_per_s = self.width_px * self.height_px * self.fps
        pages = self.content is Content.PAGES
        bps, reference = (800_000, 10_368_000) if pages else (1_200_000, 23_040_000)
        return round(max(100_000.0, min(bps * math.pow(pixels_per_s / reference, 0.8), 4_000_000.0)) / 1000) * 1000


class VideoEncoder:
    """One x264 context for one picture format. Constrained baseline: decoded everywhere, and cheapest to make.

    Not thread-safe, except that ``bitrate_bps`` and ``request_keyframe`` may be used from any thread: they take
    effect with the next picture. Rates above that of the start are cut by the VBV.
    """

    def __init__(
        self, picture: VideoFormat, bitrate_bps: int, keyframe_interval_s: float = KEYFRAME_INTERVAL_S
    ) -> None:
        self.format = picture
        self.bitrate_bps = bitrate_bps
        self._keyframe_interval_s = keyframe_interval_s
        self._keyframe_wanted = True
        self._last_keyframe_s = 0.0
        self._origin_s: float | None = None
        self._last_pts = -1
        self._capture_s: dict[int, float] = {}  # by pts, of what the encoder holds
        pages = picture.content is Content.PAGES
        context = av.CodecContext.create("libx264", "w")
        context.width, context.height, context.pix_fmt = picture.width_px, picture.height_px, "yuv420p"
        context.time_base = Fraction(1, _CLOCK_HZ)
        context.framerate = Fraction(picture.fps).limit_denominator(1001)
        context.bit_rate = bitrate_bps
        context.max_b_frames = 0
        context.thread_count = 1
        context.qmin = _FINEST_QP_PAGES if pages else _FINEST_QP_MOTION
        # The interval is kept by time below, a dark camera gives fewer frames than it promises; this is the fallback.
        context.gop_size = max(2, round(2 * keyframe_interval_s * picture.fps))
        context.options = {
            "preset": "veryfast" if pages else "superfast",
            "tune": "stillimage,zerolatency" if pages else "zerolatency",
            "profile": "baseline",
            "maxrate": str(bitrate_bps),
            "bufsize": str(round(bitrate_bps * _VBV_S)),
            "forced-idr": "1",
            # A new page starts with a keyframe; a cut in a film is cheaper without one.
            "sc_threshold": "40" if pages else "0",
            "x264-params": "sliced-threads=0:repeat-headers=1:annexb=1",
        }
        context.open()
        self._context = context

    def request_keyframe(self) -> None:
        """Make the next picture an IDR."""
        self._keyframe_wanted = True

    def encode(self, frame: av.VideoFrame, capture_s: float) -> list[CodedFrame]:
        """Encode a yuv420p picture of the right size; the result is there at once, without delay.

        ``capture_s`` must grow. The frame's pts, time base and picture type are overwritten.
        """
        if self._origin_s is None:
            self._origin_s = capture_s
        if self._context.bit_rate != self.bitrate_bps:
            self._context.bit_rate = self.bitrate_bps
        half_frame_s = 0.5 / self.format.fps
        due = capture_s - self._last_keyframe_s >= self._keyframe_interval_s - half_frame_s
        wanted, self._keyframe_wanted = self._keyframe_wanted or due, False
        frame.pict_type = PictureType.I if wanted else PictureType.NONE
        self._last_pts = max(self._last_pts + 1, round((capture_s - self._origin_s) * _CLOCK_HZ))
        frame.pts, frame.time_base = self._last_pts, Fraction(1, _CLOCK_HZ)
        self._capture_s[self._last_pts] = capture_s
        return self._coded(self._context.encode(frame))

    def flush(self) -> list[CodedFrame]:
        """What the encoder still holds; it cannot be used afterwards."""
        return self._coded(self._context.encode(None)) if self._origin_s is not None else []

    def _coded(self, packets: Iterable[av.Packet[av.VideoStream]]) -> list[CodedFrame]:
        frames = []
        for packet in packets:
            assert packet.pts is not None
            nals = tuple(split_annexb(bytes(packet)))
            keyframe = any(nal_type(nal) == IDR for nal in nals)
            capture_s = self._capture_s.pop(packet.pts)  # the exact one: the layers of a picture share a timestamp
            if keyframe:
                self._last_keyframe_s = capture_s
            frames.append(CodedFrame(capture_s, nals, keyframe))
        return frames
