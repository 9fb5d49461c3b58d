"""One sent stream: what flows into one slot of one receiver. Its SSRC never changes, what flows in it does."""

from __future__ import annotations

import struct
from collections import deque
from typing import TYPE_CHECKING

from classroom.sfu.core.pacer import Priority
from classroom.sfu.core.red import Distances, Redundancy, redundant
from classroom.sfu.core.renumber import Renumberer
from classroom.sfu.core.rtp import HEADER_BYTES, build_extensions
from classroom.sfu.core.serial import distance32
from classroom.sfu.core.sink import Burst, Resend

if TYPE_CHECKING:
    from collections.abc import Sequence

    from classroom.model import Publication
    from classroom.sfu.core.cache import PacketCache
    from classroom.sfu.core.capture_clock import CaptureClock
    from classroom.sfu.core.downlink import Downlink
    from classroom.sfu.core.rtp import RtpPacket
    from classroom.sfu.core.send_log import SendClock, SendLog
    from classroom.sfu.core.sink import Sink
    from classroom.sfu.core.up_track import UpTrack

_HEADER = struct.Struct("!BBHII")
_NTP = struct.Struct("!Q")
STAMP_AT = HEADER_BYTES + 5  # behind the heads of the extension block and of its first element
_SEQ = struct.Struct("!H")
# A joiner gets the pictures since the last keyframe as if they had been taken this far apart, so that it is at the
# live edge at once and not behind by a whole group of pictures.
CATCH_UP_S = 0.001
CATCH_UP_INTERVAL_S = 1.0  # a receiver that asks more often than this needs a new keyframe, not the old one again
MIN_RESEND_INTERVAL_S = 0.02  # whatever round trip a receiver claims
_RESENT_KEPT = 512
_DISTANCES_KEPT = 64
VOICE_TOO_LATE_S = 1.0
MAX_REPEATED = 256  # packets that are looked at for a probe
PADDING_BYTES = 255
# What was captured so much longer or shorter ago than it took to come is timed by its arrival: a clock was set. Where
# one clock has told both times that would be known; encoders, queues and outages take longer than a second.
MAX_CAPTURE_SKEW_S, MAX_DELAY_S = 1.0, 5.0
STALE_S = 0.5  # so much behind, the latest pictures of a layer are not those of another one of the same camera

INSIDE, FRAME_START, TIMED = range(3)  # places of a packet in a frame, by the extensions that it carries


def extensions_of(packet: RtpPacket) -> int:
    """Which of a DownTrack's extensions go on the packet."""
    if not packet.frame_start:
        return INSIDE
    return FRAME_START if packet.capture_ntp is None else TIMED


class DownTrack:
    """Numbers, header and retransmission of one sent stream.

    ``up`` is what flows, ``next_up`` what is to flow from its next keyframe on; see Forwarding, which sets both.
    ``twcc_ext``, ``send_time_ext``, ``capture_time_ext`` and ``playout_delay_ext`` are negotiated extension ids, 0 for
    none: one of the first two is on every packet and needs ``send_log``, the others on the first packet of every
    frame. With ``red_pt`` all leaves as redundant sound. ``realtime`` is False for a sink that wants the true
    timestamps of cached pictures (a recorder).
    """

    def __init__(
        self,
        sink: Sink,
        *,
        ssrc: int,
        pt: int,
        clock_rate_hz: int,
        rtx_ssrc: int | None = None,
        rtx_pt: int | None = None,
        twcc_ext: int = 0,
        send_time_ext: int = 0,
        capture_time_ext: int = 0,
        playout_delay_ext: int = 0,
        red_pt: int | None = None,
        send_log: SendLog | SendClock | None = None,
        first_seq: int = 0,
        first_ts: int = 0,
        realtime: bool = True,
    ) -> None:
        self.sink = sink
        self.ssrc = ssrc
        self.clock_rate_hz = clock_rate_hz
        self.realtime = realtime
        self.send_log = send_log
        self.up: UpTrack | None = None
        self.next_up: UpTrack | None = None
        self.priority = Priority.PICTURE
        self.catch_up_bytes = float("inf")  # what it may get from the cache at once
        self.downlink: Downlink[Burst | Resend] | None = None  # all that it sends passes there
        self.packets = 0  # written, for sender reports
        self.octets = 0
        self.resent_packets = 0
        self.numbers = Renumberer(first_seq, first_ts)
        self._begun_seq = 0  # the first number, unwrapped, behind what was begun with
        self.unsent_seq = self.numbers.next_seq  # the first number, unwrapped, that has not passed the downlink
        self.pt = pt if red_pt is None else red_pt
        self.redundancy = None if red_pt is None else Redundancy()
        self._codec_pt = pt
        self._distances: deque[tuple[int, Distances]] = deque([(0, ())], maxlen=_DISTANCES_KEPT)  # from which number on
        self.prepared: object | None = None  # what a sender works out once and keeps with this track
        self._rtx_ssrc = rtx_ssrc
        self._rtx_pt = rtx_pt
        self._rtx_seq = first_seq
        self._resent: dict[int, float] = {}
        self._last_out_at_s: float | None = None
        self._last: tuple[CaptureClock, int] | None = None  # the latest picture of what flowed before: clock, timestamp
        self.started_at_s = float("-inf")
        always: list[tuple[int, bytes]] = []
        if send_log is not None and (twcc_ext or send_time_ext):
            always = [(twcc_ext, bytes(2)) if twcc_ext else (send_time_ext, bytes(3))]
        # Minimum and maximum of 0: show it as soon as it is there.
        delay = [(playout_delay_ext, bytes(3))] if playout_delay_ext else []
        time = [(capture_time_ext, bytes(8))] if capture_time_ext else []
        self.extensions = (  # by extensions_of
            build_extensions(always),
            build_extensions(always + delay),
            build_extensions(always + time + delay),
        )
        stamp_bytes = sum(1 + len(value) for _, value in always)
        self.time_at = STAMP_AT + stamp_bytes if time else 0

    @property
    def publication(self) -> Publication | None:
        """What flows in it now."""
        return None if self.up is None else self.up.publication

    def write(self, packet: RtpPacket, seq_offset: int, ts_offset: int, view: memoryview, at: int) -> int:
        """Write the packet as this receiver gets it to view[at:] and return its size in bytes.

        The transport-wide number or the time, the first extension of a track with a ``send_log``, is not in it: see
        ``stamp``.
        """
        self.packets += 1
        self.octets += packet.payload_end - packet.payload_start
        seq, ts = packet.ext_seq + seq_offset, packet.ts + ts_offset
        return self._write(packet, seq & 0xFFFF, ts & 0xFFFF_FFFF, view, at)

    def stamp(self, view: memoryview, at: int, now: float, size_bytes: int) -> None:
        """Stamp the packet of this track at view[at:], which leaves now, where it is to be stamped."""
        if self.send_log is not None:
            _SEQ.pack_into(view, at + STAMP_AT, self.send_log.add(now, size_bytes))

    def _write(self, packet: RtpPacket, seq: int, ts: int, view: memoryview, at: int) -> int:
        start = at
        marker_pt = self.pt | 0x80 if packet.marker else self.pt
        which = extensions_of(packet)
        extensions = self.extensions[which]
        _HEADER.pack_into(view, at, 0x90 if extensions else 0x80, marker_pt, seq, ts, self.ssrc)
        at += HEADER_BYTES
        if extensions:
            view[at : at + len(extensions)] = extensions
            if which == TIMED and self.time_at:
                _NTP.pack_into(view, start + self.time_at, packet.capture_ntp)
            at += len(extensions)
        size = packet.payload_end - packet.payload_start
        view[at : at + size] = packet.data[packet.payload_start : packet.payload_end]
        return at + size - start

    def copies_from(self, out_seq: int) -> tuple[int, Distances]:
        """The payload type and distances of the copies in what leaves from number ``out_seq`` on."""
        assert self.redundancy is not None
        distances = self.redundancy.distances
        if distances != self._distances[-1][1]:
            self._distances.append((out_seq, distances))
        return self._codec_pt, distances

    def with_copies(self, packet: RtpPacket, cache: PacketCache, out_seq: int) -> RtpPacket:
        """The packet as this receiver gets it or got it, which takes redundant sound.

        By number alone: sent again it must have the same copies, or SRTP would encrypt two texts under one number.
        """
        distances = next((distances for first, distances in reversed(self._distances) if first <= out_seq), ())
        return redundant(packet, cache, self._codec_pt, distances)

    def start(self, up: UpTrack, packets: Sequence[RtpPacket], now: float, *, catch_up: bool = False) -> list[Burst]:
        """Begin to send ``up`` with these packets; the result is what is to be sent.

        With ``catch_up`` they come from the cache: the latest picture is the present one and those before it are moved
        together behind it (see CATCH_UP_S), unless the sink wants their true times.
        """
        self.up = up
        self.started_at_s = now
        numbers = self.numbers
        runs = _pictures(packets) if catch_up and self.realtime else [packets]
        # All of these may have been sent again; what came last was not, and tells when they were on their way.
        at_s = now
        if not self.realtime:
            at_s = up.highest_at_s - distance32(up.last_ts, packets[0].ts) / self.clock_rate_hz
        out_ts = self._resumed_ts(up, runs[-1][0], at_s, pictures_before=len(runs) - 1)
        step = round(CATCH_UP_S * self.clock_rate_hz)
        bursts = []
        for run in runs:
            numbers.begin(up, run[0].ext_seq, run[0].ts, out_ts)
            bursts.append(Burst(self, run, numbers.seq_offset, numbers.ts_offset))
            numbers.next_seq = run[-1].ext_seq + numbers.seq_offset + 1
            out_ts = (out_ts + step) & 0xFFFF_FFFF
        self._begun_seq = numbers.next_seq
        return bursts

    @property
    def beginning(self) -> bool:
        """Whether what it began with has not left yet, all of it."""
        return self.downlink is not None and self.unsent_seq < self._begun_seq

    def _resumed_ts(self, up: UpTrack, packet: RtpPacket, now: float, *, pictures_before: int) -> int:
        """The outgoing timestamp of the first picture when ``packet`` is of the present one.

        By capture time, so that what a receiver knows of this stream's clock stays true whatever flows in it.
        """
        next_ts = self.numbers.next_ts
        if self._last_out_at_s is None:
            return next_ts
        elapsed_s = now - self._last_out_at_s
        if self._last is not None:
            clock, last_ts = self._last
            captured_s, last_captured_s = up.clock.captured_s(packet.ts), clock.captured_s(last_ts)
            if captured_s is not None and last_captured_s is not None:
                between_s = captured_s - last_captured_s
                most_s = MAX_DELAY_S if clock.agrees_with(up.clock) else MAX_CAPTURE_SKEW_S
                if abs(between_s - elapsed_s) < most_s:
                    elapsed_s = between_s
        elapsed_s -= pictures_before * CATCH_UP_S
        # A keyframe of another layer may come later than pictures that were taken after it. True times say so: else all
        # that follows would be late by as much. No two pictures that follow each other have the same time.
        if self.realtime or not up.video or abs(elapsed_s) < CATCH_UP_S:
            elapsed_s = max(CATCH_UP_S, elapsed_s)
        return (next_ts + round(elapsed_s * self.clock_rate_hz)) & 0xFFFF_FFFF

    def stop(self, now: float, *, rewind: bool = False) -> None:
        """Nothing of the present UpTrack follows; the numbers go on where they are when something else begins.

        With ``rewind`` those go on that were given to packets which never left.
        """
        up = self.up
        if up is not None:
            self.numbers.end(up.highest)
            if rewind:
                self.numbers.rewind(self.unsent_seq)
            self.numbers.next_ts = self.outgoing_ts(up.last_ts)
            self._last_out_at_s = min(now, up.highest_at_s)
            self._last = (up.clock, up.last_ts)
            self.up = None

    def can_begin_with(self, up: UpTrack, cached: Sequence[RtpPacket]) -> bool:
        """Whether these pictures in the cache of ``up``, from a keyframe to its latest, are of use.

        Not where other layers of the same camera have shown later ones: it was stopped then. A sink that wants true
        times must not have had any that is later than the first of them.
        """
        newest_s = self._last_out_at_s if self.up is None else self.up.last_received_at_s
        if newest_s is None or not self.numbers.runs:
            return True  # it has shown nothing: what was begun may have been dropped before any of it left
        if not self.realtime:
            return cached[0].received_at_s >= newest_s
        other_layer = self.numbers.runs[-1].up.publication is up.publication
        return not other_layer or cached[-1].received_at_s >= newest_s - STALE_S

    def may_catch_up(self, now: float) -> bool:
        """Whether a lost picture is to be mended from the cache."""
        return self.realtime and now >= self.started_at_s + CATCH_UP_INTERVAL_S

    def outgoing_ts(self, up_ts: int) -> int:
        """The timestamp under which ``up_ts`` of the present UpTrack leaves."""
        return (up_ts + self.numbers.ts_offset) & 0xFFFF_FFFF

    def retransmission(self, seq: int, now: float, rtt_s: float) -> bytes | None:
        """The packet that left under ``seq`` once more, as RTX (RFC 4588) where negotiated.

        None when it is not there any more, waits in the pacer, or was sent again less than a round trip ago.
        """
        found = self.numbers.source(seq)
        if found is None or (self.downlink is not None and self.numbers.unwrap(seq) >= self.unsent_seq):
            return None
        up, ext_seq, ts_offset = found
        packet = up.cache.get(ext_seq)
        if packet is not None and not up.video and now - packet.received_at_s > VOICE_TOO_LATE_S:
            return None  # what is heard so late is noise; after an outage there would be much of it
        if packet is None or now < self._resent.get(seq, float("-inf")) + max(rtt_s, MIN_RESEND_INTERVAL_S):
            return None
        if len(self._resent) >= _RESENT_KEPT:
            del self._resent[next(iter(self._resent))]
        self._resent.pop(seq, None)
        self._resent[seq] = now
        self.resent_packets += 1
        if self.redundancy is not None:
            packet = self.with_copies(packet, up.cache, self.numbers.unwrap(seq))
        buffer = bytearray(packet.payload_end - packet.payload_start + 64)
        size = self._write(packet, seq, (packet.ts + ts_offset) & 0xFFFF_FFFF, memoryview(buffer), 0)
        if self._rtx_ssrc is None or self._rtx_pt is None:
            return bytes(buffer[:size])  # the very bytes that were sent before: SRTP may send them again
        header = size - (packet.payload_end - packet.payload_start)
        buffer[1] = (buffer[1] & 0x80) | self._rtx_pt
        _SEQ.pack_into(buffer, 2, self._rtx_seq)
        self._rtx_seq = (self._rtx_seq + 1) & 0xFFFF
        buffer[8:12] = self._rtx_ssrc.to_bytes(4, "big")
        return bytes(buffer[:header]) + _SEQ.pack(seq) + bytes(buffer[header:size])

    def repeats(self, size_bytes: int, now: float) -> list[bytes]:
        """About so many bytes of what was sent last, as RTX: to probe a path with something useful.

        Where nothing can be repeated, padding (RFC 3550 §5.1) on the RTX stream. Empty without RTX.
        """
        if self._rtx_ssrc is None or self._rtx_pt is None:
            return []
        packets: list[bytes] = []
        seq = self.numbers.next_seq - 1 if self.up is None else self.up.highest + self.numbers.seq_offset
        oldest = seq - MAX_REPEATED
        while size_bytes > 0 and seq > oldest:
            again = self.retransmission(seq & 0xFFFF, now, 0.0)
            seq -= 1
            if again is not None:
                packets.append(again)
                size_bytes -= len(again)
        while size_bytes > 0:
            packets.append(self._padding())
            size_bytes -= len(packets[-1])
        return packets

    def _padding(self) -> bytes:
        assert self._rtx_ssrc is not None
        extensions = self.extensions[INSIDE]
        header = _HEADER.pack(
            0xB0 if extensions else 0xA0, self._rtx_pt or 0, self._rtx_seq, self.numbers.next_ts, self._rtx_ssrc
        )
        self._rtx_seq = (self._rtx_seq + 1) & 0xFFFF
        return header + extensions + bytes(PADDING_BYTES - 1) + bytes((PADDING_BYTES,))

    def __repr__(self) -> str:
        flowing = "nothing" if self.up is None else self.up.publication.name
        return f"DownTrack(ssrc={self.ssrc}, {flowing}{', waiting' if self.next_up else ''})"


def _pictures(packets: Sequence[RtpPacket]) -> list[list[RtpPacket]]:
    """Packets in order, grouped by picture."""
    pictures: list[list[RtpPacket]] = []
    for packet in packets:
        if pictures and pictures[-1][0].ts == packet.ts:
            pictures[-1].append(packet)
        else:
            pictures.append([packet])
    return pictures
