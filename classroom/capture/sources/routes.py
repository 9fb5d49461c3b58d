"""From the packets of a demuxer to a track: decoded, or passed through as they are."""

from __future__ import annotations

import logging
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, cast

import av
import numpy as np

from classroom.capture.audio_encoder import level
from classroom.capture.frames import CodedFrame
from classroom.capture.h264 import IDR, AccessUnits, H264Error, is_baseline_or_main, nal_type
from classroom.capture.video_encoder import MAX_FPS, MAX_HEIGHT_PX, MAX_WIDTH_PX, VideoFormat
from classroom.capture.video_layer import describe

if TYPE_CHECKING:
    from collections.abc import Callable

    from classroom.capture.tracks import AudioTrack, VideoTrack

logger = logging.getLogger(__name__)

Packet: TypeAlias = "av.Packet[Any]"

# (time in the source's own seconds, what to do with it once that time is an instant of capture)
Delivery = tuple[float, "Callable[[float], None]"]

MAX_KEYFRAME_INTERVAL_S = 4.0  # a classroom that joins waits that long for its picture
MAX_PASSED_BPS = 5_000_000  # over any 4 s
_RATE_WINDOW_S = 4.0
_GOP_BYTES = 4 << 20


class Route(Protocol):
    """Takes packets in the order of the container."""

    def take(self, packet: Packet) -> list[Delivery]:
        """What is ready after this packet."""

    def finish(self) -> list[Delivery]:
        """What was still held back at the end of the stream."""


class DecodedPicture:
    """Decodes; the track encodes again. With ``passed`` only smaller layers: the stream itself is the largest."""

    def __init__(self, stream: av.VideoStream, track: VideoTrack, *, passed: bool = False) -> None:
        stream.codec_context.thread_type = "SLICE"  # frame threads would hold pictures back
        self._stream = stream
        self._track = track
        self._fps = frame_rate(stream)
        self._passed = passed

    def take(self, packet: Packet) -> list[Delivery]:
        """The pictures that this packet completes; a broken packet gives none."""
        try:
            return self._deliveries(packet.decode())
        except av.error.FFmpegError as error:
            logger.debug("undecodable video packet: %s", error)
            return []

    def finish(self) -> list[Delivery]:
        """The last pictures of a stream with reordering."""
        try:
            return self._deliveries(self._stream.codec_context.decode(None))
        except av.error.FFmpegError:
            return []

    def _deliveries(self, frames: list[av.VideoFrame]) -> list[Delivery]:
        unit = self._stream.time_base or Fraction(1, 90_000)  # frames of a flush do not have their own
        return [(float(frame.pts * unit), partial(self._deliver, frame)) for frame in frames if frame.pts is not None]

    def _deliver(self, frame: av.VideoFrame, capture_s: float) -> None:
        if self._passed:
            self._track.decoded(frame, capture_s)
        else:
            self._track.picture(frame, capture_s, self._fps)


class DecodedSound:
    """Decodes; the track encodes again."""

    def __init__(self, stream: av.AudioStream, track: AudioTrack) -> None:
        self._stream = stream
        self._track = track

    def take(self, packet: Packet) -> list[Delivery]:
        """The sound in this packet; a broken packet gives none."""
        try:
            return self._deliveries(cast("list[av.AudioFrame]", packet.decode()))
        except av.error.FFmpegError as error:
            logger.debug("undecodable audio packet: %s", error)
            return []

    def finish(self) -> list[Delivery]:
        """The decoder's remainder."""
        try:
            return self._deliveries(self._stream.codec_context.decode(None))
        except av.error.FFmpegError:
            return []

    def _deliveries(self, frames: list[av.AudioFrame]) -> list[Delivery]:
        unit = self._stream.time_base or Fraction(1, 48_000)
        return [
            (float(frame.pts * unit), partial(self._track.sound, frame)) for frame in frames if frame.pts is not None
        ]


class PassedSound:
    """Opus as it is; decoded beside that only to tell how loud it is (0.1 ms for 20 ms)."""

    def __init__(self, track: AudioTrack) -> None:
        self._track = track

    def take(self, packet: Packet) -> list[Delivery]:
        """The packet."""
        at_s = time_s(packet)
        if at_s is None or not packet.size:
            return []
        return [(at_s, partial(self._deliver, bytes(packet), self._level(packet)))]

    def finish(self) -> list[Delivery]:
        """Nothing is held back."""
        return []

    def _deliver(self, data: bytes, loudness: int | None, capture_s: float) -> None:
        self._track.coded(CodedFrame(capture_s, (data,), True, loudness), "Opus 48 kHz, 直通 / passed through")

    def _level(self, packet: Packet) -> int | None:
        try:
            frames = cast("list[av.AudioFrame]", packet.decode())
        except av.error.FFmpegError as error:
            logger.debug("undecodable audio packet: %s", error)
            return None
        planes = [frame.to_ndarray() for frame in frames]
        samples = [np.rint(plane * 32767) if plane.dtype.kind == "f" else plane for plane in planes]
        return level(np.concatenate(samples, axis=None).clip(-32768, 32767).astype(np.int16)) if samples else None


class FitCheck:
    """Judges packet by packet whether an H.264 stream may be passed through undecoded.

    It may when every receiver can decode it (constrained baseline or main), nothing is reordered, a keyframe
    comes at least every 4 s and it stays inside size, frame rate and 5 Mbit/s.
    """

    def __init__(self, stream: av.VideoStream) -> None:
        self.units = AccessUnits(stream.codec_context.extradata)
        self._width_px, self._height_px = stream.codec_context.width, stream.codec_context.height
        self._fps = frame_rate(stream)
        self._last_idr_s: float | None = None
        self._last_s = float("-inf")
        self._window_s = float("-inf")
        self._window_bits = 0

    def judge(self, packet: Packet) -> tuple[CodedFrame | None, str]:
        """The access unit at its own time, or why the stream does not fit (the other is None or empty)."""
        at_s = time_s(packet)
        try:
            nals = self.units.split(bytes(packet))
        except H264Error as error:
            return None, str(error)
        if at_s is None or not nals:
            return None, ""
        if (packet.pts is not None and packet.dts is not None and packet.pts != packet.dts) or at_s <= self._last_s:
            return None, "its pictures are reordered (B-frames)"
        self._last_s = at_s
        keyframe = any(nal_type(nal) == IDR for nal in nals)
        reason = self._format(keyframe) or self._interval(at_s, keyframe) or self._rate(at_s, packet.size)
        return (None, reason) if reason else (CodedFrame(at_s, nals, keyframe), "")

    def _format(self, keyframe: bool) -> str:
        if keyframe and self.units.sps is None:
            return "it has no parameter sets"
        if self.units.sps is not None and not is_baseline_or_main(self.units.sps):
            return "its profile is neither constrained baseline nor main"
        if self._width_px > MAX_WIDTH_PX or self._height_px > MAX_HEIGHT_PX or self._fps > MAX_FPS + 1:
            return f"it is larger than {MAX_WIDTH_PX}x{MAX_HEIGHT_PX} at {MAX_FPS} fps"
        return ""

    def _interval(self, at_s: float, keyframe: bool) -> str:
        if keyframe or self._last_idr_s is None:
            since_s = 0.0 if self._last_idr_s is None else at_s - self._last_idr_s
            self._last_idr_s = at_s
        else:
            since_s = at_s - self._last_idr_s
        return "its keyframes are more than 4 s apart" if since_s > MAX_KEYFRAME_INTERVAL_S + 0.05 else ""

    def _rate(self, at_s: float, size_bytes: int) -> str:
        if at_s - self._window_s >= _RATE_WINDOW_S:
            self._window_s, self._window_bits = at_s, 0
        self._window_bits += 8 * size_bytes
        return "its bitrate is over 5 Mbit/s" if self._window_bits > MAX_PASSED_BPS * _RATE_WINDOW_S else ""


class PassedPicture:
    """H.264 as it is, decoded beside that only while somebody wants its pictures.

    When it turns out not to fit it is decoded and encoded anew from then on, from its last keyframe.
    """

    def __init__(self, stream: av.VideoStream, track: VideoTrack, name: str) -> None:
        self._stream = stream
        self._track = track
        self._name = name
        self._check = FitCheck(stream)
        self._decoded: DecodedPicture | None = None
        self._beside: DecodedPicture | None = None
        self._gop: list[Packet] = []
        self._gop_bytes = 0
        self._started = False
        context = stream.codec_context
        self._format = VideoFormat(context.width, context.height, frame_rate(stream), track.content)
        self._description = f"{describe(self._format, context.bit_rate)}, 直通 / passed through"

    def take(self, packet: Packet) -> list[Delivery]:
        """The access unit in this packet, from the first keyframe on."""
        if self._decoded is not None:
            return self._decoded.take(packet)
        frame, reason = self._check.judge(packet)
        if reason:
            return self._fall_back(packet, reason)
        if frame is None:
            return []
        pictures = self._pictures(packet)
        self._keep(packet, frame.keyframe)
        self._started = self._started or frame.keyframe
        return [(frame.capture_s, partial(self._deliver, frame)), *pictures] if self._started else []

    def finish(self) -> list[Delivery]:
        """Nothing of the stream itself is held back while passing through."""
        decoded = self._decoded or self._beside
        return decoded.finish() if decoded is not None else []

    def _deliver(self, frame: CodedFrame, capture_s: float) -> None:
        self._track.coded(CodedFrame(capture_s, frame.units, frame.keyframe), self._format, self._description)

    def _pictures(self, packet: Packet) -> list[Delivery]:
        if not self._track.wants_pictures:
            self._beside = None
            return []
        if self._beside is None:
            self._beside = DecodedPicture(self._stream, self._track, passed=True)
            for earlier in self._gop:
                self._beside.take(earlier)  # nobody wanted these; the decoder needs them to go on
        return self._beside.take(packet)

    def _keep(self, packet: Packet, keyframe: bool) -> None:
        if keyframe:
            self._gop, self._gop_bytes = [], 0
        self._gop_bytes += packet.size
        if self._gop_bytes <= _GOP_BYTES:
            self._gop.append(packet)

    def _fall_back(self, packet: Packet, reason: str) -> list[Delivery]:
        logger.info("%s: 不能直通，改为转码 / is encoded anew, because %s", self._name, reason)
        self._decoded = DecodedPicture(self._stream, self._track)
        for earlier in self._gop:
            self._decoded.take(earlier)  # shown already; the decoder needs them to go on
        self._gop = []
        return self._decoded.take(packet)


def time_s(packet: Packet) -> float | None:
    """When a packet is to be shown, in seconds of its stream; from its decoding time when that is all there is."""
    ticks = packet.pts if packet.pts is not None else packet.dts
    return None if ticks is None or packet.time_base is None else float(ticks * packet.time_base)


def frame_rate(stream: av.VideoStream) -> float:
    """What the container says of the frame rate; 25 when it says nothing one can believe."""
    rate = float(stream.average_rate or stream.guessed_rate or 0)
    return rate if 0.5 <= rate <= 240 else 25.0


def picture_of(container: av.container.InputContainer) -> av.VideoStream | None:
    """The first video stream that is not a cover picture."""
    for stream in container.streams.video:
        if not stream.disposition & av.stream.Disposition.attached_pic:
            return stream
    return None


def sound_of(container: av.container.InputContainer) -> av.AudioStream | None:
    """The first audio stream."""
    return next(iter(container.streams.audio), None)


def sound_route(stream: av.AudioStream, track: AudioTrack) -> Route:
    """Opus is passed through, everything else decoded."""
    context = stream.codec_context
    if context.name in ("opus", "libopus") and context.sample_rate == 48_000 and context.channels <= 2:
        return PassedSound(track)
    return DecodedSound(stream, track)
