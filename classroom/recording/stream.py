"""One DownTrack as it comes in: packets and sender reports to frames with times, handed to the track on disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from classroom.media.depacketize import AccessUnit, H264Depacketizer, Lost, OpusDepacketizer, OpusFrame
from classroom.media.timeline import Timeline
from classroom.recording.track import AudioTrack, GapReason, VideoTrack
from classroom.sfu.core.serial import Unwrapper16, Unwrapper32

if TYPE_CHECKING:
    from collections.abc import Iterable

FIRST_ASK_S = 0.5  # a stream begins with a keyframe; only when it has not come by then it is asked for
ASK_AGAIN_S = 1.0
LONGEST_SEGMENT_S = 10.0  # one cannot seek into a segment: beyond this a keyframe is asked for


class Stream:
    """Numbers and clock of one SSRC. ``axis_s`` everywhere: seconds since the beginning of the recording."""

    def __init__(self, ssrc: int, clock_rate_hz: int, track: VideoTrack | AudioTrack) -> None:
        self.ssrc = ssrc
        self.track = track
        self.ended_at_s: float | None = None  # when BYE came
        self._seqs = Unwrapper16()
        self._timestamps = Unwrapper32()
        self._timeline = Timeline(clock_rate_hz)
        self._video = H264Depacketizer() if isinstance(track, VideoTrack) else None
        self._audio = OpusDepacketizer() if isinstance(track, AudioTrack) else None
        self._ask_from_s: float | None = None

    def report(self, rtp_ts: int, axis_s: float) -> None:
        """Take a sender report."""
        self._timeline.report(self._timestamps.unwrap(rtp_ts), axis_s)

    def push(self, seq: int, ts: int, marker: bool, payload: bytes, captured_ntp: int, axis_now_s: float) -> None:
        """Take a packet that came at ``axis_now_s``. Raises OSError."""
        ext_ts = self._timestamps.unwrap(ts)
        ext_seq = self._seqs.unwrap(seq)
        if not self._timeline.anchored:
            self._timeline.anchor(ext_ts, axis_now_s)
        if self._video is not None:
            self._take(self._video.push(ext_seq, ext_ts, marker, payload, axis_now_s, captured_ntp))
        elif self._audio is not None:
            self._take(self._audio.push(ext_seq, ext_ts, payload, axis_now_s, captured_ntp))

    def advance(self, axis_now_s: float) -> None:
        """Give up on late packets. Raises OSError."""
        depacketizer = self._video or self._audio
        assert depacketizer is not None
        self._take(depacketizer.advance(axis_now_s))

    def close(self) -> None:
        """The DownTrack has ended. Raises OSError."""
        depacketizer = self._video or self._audio
        assert depacketizer is not None
        self._take(depacketizer.flush())
        self.track.interrupt(GapReason.OUTAGE)

    def wants_keyframe(self, axis_now_s: float) -> bool:
        """Whether to ask for a keyframe now; True at most once a second."""
        if self._video is None or not isinstance(self.track, VideoTrack):
            return False
        if self._ask_from_s is None:
            self._ask_from_s = axis_now_s + FIRST_ASK_S
        wanted = self._video.needs_keyframe or self.track.open_segment_s(axis_now_s) >= LONGEST_SEGMENT_S
        if not wanted or axis_now_s < self._ask_from_s:
            return False
        self._ask_from_s = axis_now_s + ASK_AGAIN_S
        return True

    def _take(self, results: Iterable[AccessUnit | OpusFrame | Lost]) -> None:
        track, timeline = self.track, self._timeline
        for result in results:
            if isinstance(result, Lost):
                track.interrupt(GapReason.LOSS)
            elif isinstance(result, AccessUnit):
                assert isinstance(track, VideoTrack) and self._video is not None
                if not track.add(result, timeline.time_s(result.ts)):
                    self._video.needs_keyframe = True
            else:
                assert isinstance(track, AudioTrack)
                track.add(result, timeline.time_s(result.ts))
