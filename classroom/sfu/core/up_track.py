"""One received stream: what a publisher sends in one m-section."""

from __future__ import annotations

from typing import TYPE_CHECKING

from classroom.model import TrackKind
from classroom.sfu.core.cache import PacketCache
from classroom.sfu.core.meter import WINDOW_S, StreamMeter
from classroom.sfu.core.nack import NackGenerator
from classroom.sfu.core.ntp import seconds_to_ntp
from classroom.sfu.core.payload import NAL_SPS, begins_keyframe, sequence_parameter_set
from classroom.sfu.core.reception import Reception
from classroom.sfu.core.restart import RestartDetector
from classroom.sfu.core.rtp import extension
from classroom.sfu.core.serial import Unwrapper16, distance32
from classroom.sfu.core.sps import BadParameterSet, parse_sps

if TYPE_CHECKING:
    from classroom.model import Publication
    from classroom.sfu.core.capture_clock import CaptureClock
    from classroom.sfu.core.down_track import DownTrack
    from classroom.sfu.core.rtp import RtpPacket

# At 2 Mbit/s a second is about 200 packets: five seconds of picture, twenty of sound.
VIDEO_CACHE_PACKETS, AUDIO_CACHE_PACKETS = 1024, 1024
KEYFRAME_REQUEST_INTERVAL_S = 0.5  # and a round trip, while none comes
MAX_REQUEST_RTT_S = 1.0  # whatever round trip a publisher claims
# After a keyframe, before another one is asked for. Keyframes are large: many of them make the picture worse for
# everybody. The teacher directs, and a class waits for the picture; somebody has something else to show from now on;
# somebody lost a picture. Browsers answer no request within 0.3 s of the one before.
DIRECTED_SPACING_S, URGENT_SPACING_S, SPACING_S = 0.3, 1.0, 2.0
PAUSE_S = 1.0  # a longer silence is no part of its bitrate
SILENCE_S = 3.0  # without a packet for so long a publication is not live


class UpTrack:
    """Takes the packets of one SSRC, once each, and holds them for everybody who needs them.

    ``downs`` get what comes as it comes; ``waiting`` get nothing until a keyframe begins (sound: a packet comes).
    ``fresh`` collects what came in order since the last drain, ``late`` what filled a hole. ``rid`` names it among the
    layers of its publication; ``width_px`` and ``height_px`` are those of its latest keyframe, 0 before.
    ``capture_time_ext`` is the id of the extension with which its publisher says when a frame was captured, 0 for none.
    """

    def __init__(
        self,
        publication: Publication,
        ssrc: int,
        clock_rate_hz: int,
        clock: CaptureClock,
        nack: bool,
        rid: str = "",
        capture_time_ext: int = 0,
    ) -> None:
        self.publication = publication
        self.ssrc = ssrc
        self.rid = rid
        self.clock_rate_hz = clock_rate_hz
        self.clock = clock
        self.video = publication.kind is TrackKind.VIDEO
        self.cache = PacketCache(VIDEO_CACHE_PACKETS if self.video else AUDIO_CACHE_PACKETS)
        self.reception = Reception(ssrc, clock_rate_hz)
        self.nack = NackGenerator() if nack else None
        self.downs: list[DownTrack] = []
        self.waiting: list[DownTrack] = []
        self.fresh: list[RtpPacket] = []
        self.late: list[RtpPacket] = []
        self.highest = -1
        self.last_ts = 0
        self.keyframe_ts: int | None = None  # of the latest one
        self.last_received_at_s = 0.0
        self.highest_at_s = 0.0  # when the packet with the highest number came, which was not sent again
        self.stopped = False  # its publisher said so (RFC 7728 PAUSED), and nothing has come since
        self.width_px = self.height_px = 0
        self.duplicates = 0
        self.keyframes = 0
        self.keyframe_requests = 0
        self._meter = StreamMeter()
        self._began_at_s = float("-inf")  # after a pause
        self._before_pause_bps = 0.0
        self._sps = b""
        self.restarted = False  # the publisher has begun to number anew: another UpTrack has to go on
        self._restart = RestartDetector()
        self._unwrapper = Unwrapper16()
        self._capture_time_ext = capture_time_ext
        self._keyframe_wanted = False
        self._keyframe_wanted_after = -1
        self._keyframe_again_s = float("-inf")  # what was asked for and has not come is asked for again
        self._keyframe_came_at_s = float("-inf")
        self._keyframe_spacing_s = SPACING_S

    def receive(self, packet: RtpPacket, now: float, ntp_s: float) -> bool:
        """Take a packet; False when it was there before or is too old: see ``restarted`` then."""
        ext_seq = packet.ext_seq = self._unwrapper.unwrap(packet.seq)
        packet.received_at_s = now
        in_order = ext_seq > self.highest
        if in_order:
            packet.frame_start = packet.ts != self.last_ts or self.highest < 0
            if packet.frame_start:
                self.clock.arrived(packet.ts, ntp_s)
                captured_s = self.clock.captured_s(packet.ts)
                packet.capture_ntp = None if captured_s is None else seconds_to_ntp(captured_s)
        # One look a frame, and one at what comes late: that may be the first packet of its frame.
        if self._capture_time_ext and packet.extension_start and (packet.frame_start or not in_order):
            captured = extension(packet, self._capture_time_ext)
            if captured is not None and len(captured) >= 8:
                packet.captured_ntp = int.from_bytes(captured[:8], "big")
        if self.video:
            packet.keyframe_start = self._starts_keyframe(packet)
        if not in_order and self._is_of_another_count(packet):
            self.duplicates += 1
            self.restarted = self._restart.unknown(packet.seq)
            return False
        if not self.cache.add(packet):
            self.duplicates += 1
            return False
        self.reception.received(ext_seq, packet.ts, len(packet.data), now)
        if now - self.last_received_at_s > PAUSE_S and self.highest >= 0:
            self._before_pause_bps, self._began_at_s = self.bitrate_bps(now), now
            self._meter = StreamMeter()
        self._meter.add(len(packet.data), now, keyframe=packet.keyframe_start or packet.ts == self.keyframe_ts)
        if self.nack is not None:
            self.nack.received(ext_seq, now)
        if packet.keyframe_start:
            self.keyframes += 1
            self._keyframe_came_at_s = now
            self.keyframe_ts = packet.ts
            self._read_size(packet)
            if ext_seq > self._keyframe_wanted_after:  # not one from before that came late
                self._forget_keyframe_wish()
                self._keyframe_again_s = float("-inf")
        if in_order:
            self.stopped = False
            self.highest = ext_seq
            self.highest_at_s = now
            self.last_ts = packet.ts
            self.fresh.append(packet)
        else:
            self.late.append(packet)
        self.last_received_at_s = now
        return True

    def _is_of_another_count(self, packet: RtpPacket) -> bool:
        """Whether a packet that is not the next one cannot belong where its number says."""
        held = self.cache.get(packet.ext_seq)
        if held is not None:
            return held.ts != packet.ts
        too_old = packet.ext_seq <= self.highest - self.cache.capacity
        return too_old or distance32(packet.ts, self.last_ts) > self.clock_rate_hz

    @property
    def pixels(self) -> int:
        """The size of its pictures, by which layers are told apart; 0 while it is not known."""
        return self.width_px * self.height_px

    def bitrate_bps(self, now: float) -> float:
        """What it takes; while it is paused, and until that is known again, what it took before."""
        if self._before_pause_bps and now - self._began_at_s < WINDOW_S:
            return self._before_pause_bps
        return self._meter.bps(min(now, self.last_received_at_s))

    def _read_size(self, packet: RtpPacket) -> None:
        sps = sequence_parameter_set(packet.data, packet.payload_start, packet.payload_end)
        if sps is None or sps == self._sps:
            return
        self._sps = sps
        try:
            parsed = parse_sps(sps)
        except BadParameterSet:
            return  # its decoders will say so
        self.width_px, self.height_px = parsed.width_px, parsed.height_px

    def _starts_keyframe(self, packet: RtpPacket) -> bool:
        """Whether a keyframe starts here: at its first SPS, or at its first IDR slice when it has no SPS.

        What comes before an SPS (delimiter, SEI) may be left out. An IDR slice behind a hole is no start: the SPS
        may be in the hole.
        """
        part = begins_keyframe(packet.data, packet.payload_start, packet.payload_end)
        if not part:
            return False
        ext_seq = packet.ext_seq - 1
        while (previous := self.cache.get(ext_seq)) is not None and previous.ts == packet.ts:
            if previous.keyframe_start:
                return False
            ext_seq -= 1
        return part == NAL_SPS or previous is not None or self.highest < 0

    def want_keyframe(self, spacing_s: float = SPACING_S) -> None:
        """Somebody cannot go on without a keyframe; of several the shortest distance from the one before counts."""
        self._keyframe_wanted = self.video
        self._keyframe_wanted_after = self.highest
        self.hasten_keyframe(spacing_s)

    def hasten_keyframe(self, spacing_s: float) -> None:
        """Somebody who waits for a keyframe has nothing to show meanwhile."""
        self._keyframe_spacing_s = min(self._keyframe_spacing_s, spacing_s)

    def resumes(self, now: float, rtt_s: float = 0.0) -> None:
        """The publisher was told to go on, which it does with a keyframe: none need be asked for."""
        self._keyframe_again_s = now + KEYFRAME_REQUEST_INTERVAL_S + min(rtt_s, MAX_REQUEST_RTT_S)

    @property
    def _needs_keyframe(self) -> bool:
        return self._keyframe_wanted or (self.video and bool(self.waiting))

    @property
    def _keyframe_due_s(self) -> float:
        return max(self._keyframe_again_s, self._keyframe_came_at_s + self._keyframe_spacing_s)

    def take_keyframe_request(self, now: float, rtt_s: float = 0.0) -> bool:
        """Whether to ask the publisher now: wishes are merged, and repeated until a keyframe comes and nobody waits.

        Not within a round trip: a publisher far away would send several, through the thinnest of links. What is not
        sent any more is asked for only while somebody waits for it.
        """
        if not self.waiting and now > self.last_received_at_s + SILENCE_S:
            self._forget_keyframe_wish()
        if not self._needs_keyframe or now < self._keyframe_due_s:
            return False
        self._keyframe_again_s = now + KEYFRAME_REQUEST_INTERVAL_S + min(rtt_s, MAX_REQUEST_RTT_S)
        self.keyframe_requests += 1
        return True

    def _forget_keyframe_wish(self) -> None:
        self._keyframe_wanted, self._keyframe_spacing_s = False, SPACING_S

    def next_timeout(self) -> float | None:
        """When a NACK or a keyframe request is due."""
        times = []
        if self.nack is not None and (nack_at := self.nack.next_timeout()) is not None:
            times.append(nack_at)
        if self._needs_keyframe:
            times.append(self._keyframe_due_s)
        return min(times, default=None)

    def __repr__(self) -> str:
        name = f"{self.publication.name} {self.rid}".rstrip()
        return f"UpTrack({name}, ssrc={self.ssrc}, {len(self.downs)} downs, {len(self.waiting)} waiting)"
