"""One sent stream: what flows into one slot of one receiver. Its SSRC never changes, what flows in it does."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from classroom.sfu.core.renumber import Renumberer
from classroom.sfu.core.rtp import HEADER_BYTES, build_extensions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from classroom.model import Publication
    from classroom.sfu.core.rtp import RtpPacket
    from classroom.sfu.core.sink import Sink
    from classroom.sfu.core.up_track import UpTrack

_HEADER = struct.Struct("!BBHII")
_NTP = struct.Struct("!Q")
_SEQ = struct.Struct("!H")
# A joiner gets the pictures since the last keyframe as if they had been taken this far apart, so that it is at the
# live edge at once and not behind by a whole group of pictures.
CATCH_UP_S = 0.001
CATCH_UP_INTERVAL_S = 1.0  # a receiver that asks more often than this needs a new keyframe, not the old one again
MIN_RESEND_INTERVAL_S = 0.02  # whatever round trip a receiver claims
_RESENT_KEPT = 512


class DownTrack:
    """Numbers, header and retransmission of one sent stream.

    ``capture_time_ext`` and ``playout_delay_ext`` are negotiated extension ids, 0 for none; they go on the first packet
    of every frame. ``realtime`` is False for a sink that wants the true timestamps of cached pictures (a recorder).
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
        capture_time_ext: int = 0,
        playout_delay_ext: int = 0,
        first_seq: int = 0,
        first_ts: int = 0,
        realtime: bool = True,
    ) -> None:
        self.sink = sink
        self.ssrc = ssrc
        self.clock_rate_hz = clock_rate_hz
        self.realtime = realtime
        self.up: UpTrack | None = None
        self.packets = 0  # written, for sender reports
        self.octets = 0
        self.resent_packets = 0
        self.numbers = Renumberer(first_seq, first_ts)
        self.started = False
        self._pt = pt
        self._rtx_ssrc = rtx_ssrc
        self._rtx_pt = rtx_pt
        self._rtx_seq = first_seq
        self._resent: dict[int, float] = {}
        self._last_out_at_s: float | None = None
        self._started_at_s = float("-inf")
        elements = []
        if playout_delay_ext:
            elements.append((playout_delay_ext, bytes(3)))  # min = max = 0: show it as soon as it is there
        self._extensions_without_time = build_extensions(elements)
        if capture_time_ext:
            elements.insert(0, (capture_time_ext, bytes(8)))
        self._extensions = build_extensions(elements)
        self._time_at = HEADER_BYTES + 5 if capture_time_ext else 0  # block head 4, element head 1

    @property
    def publication(self) -> Publication | None:
        """What flows in it now."""
        return None if self.up is None else self.up.publication

    def rewrite(self, packet: RtpPacket) -> tuple[int, int]:
        """The (seq, ts) under which a packet leaves; the packet must be one that the core handed out for this track."""
        offsets = self.numbers.offsets(packet.ext_seq)
        assert offsets is not None
        return (packet.ext_seq + offsets[0]) & 0xFFFF, (packet.ts + offsets[1]) & 0xFFFF_FFFF

    def write(self, packet: RtpPacket, view: memoryview, at: int) -> int:
        """Write the packet as this receiver gets it to view[at:] and return its size in bytes."""
        numbers = self.numbers
        self.packets += 1
        self.octets += packet.payload_end - packet.payload_start
        if packet.ext_seq >= numbers.start:
            seq, ts = packet.ext_seq + numbers.seq_offset, packet.ts + numbers.ts_offset
        else:
            seq, ts = self.rewrite(packet)
        return self._write(packet, seq & 0xFFFF, ts & 0xFFFF_FFFF, view, at)

    def _write(self, packet: RtpPacket, seq: int, ts: int, view: memoryview, at: int) -> int:
        start = at
        marker_pt = self._pt | 0x80 if packet.marker else self._pt
        if packet.frame_start and self._extensions:
            extensions = self._extensions if packet.capture_ntp is not None else self._extensions_without_time
        else:
            extensions = b""
        if extensions:
            _HEADER.pack_into(view, at, 0x90, marker_pt, seq, ts, self.ssrc)
            at += HEADER_BYTES
            view[at : at + len(extensions)] = extensions
            if self._time_at and packet.capture_ntp is not None:
                _NTP.pack_into(view, start + self._time_at, packet.capture_ntp)
            at += len(extensions)
        else:
            _HEADER.pack_into(view, at, 0x80, marker_pt, seq, ts, self.ssrc)
            at += HEADER_BYTES
        size = packet.payload_end - packet.payload_start
        view[at : at + size] = packet.data[packet.payload_start : packet.payload_end]
        return at + size - start

    def start(self, up: UpTrack, packets: Sequence[RtpPacket], now: float) -> None:
        """Begin to send ``up`` with these packets, the first of which may be a keyframe from the cache.

        Pictures from the cache are moved together (see CATCH_UP_S) unless the sink wants their true times.
        """
        out_ts = self._next_ts(now)
        self._started_at_s = now
        previous_ts: int | None = None
        step = round(CATCH_UP_S * self.clock_rate_hz)
        for packet in packets:
            if packet.ts == previous_ts:
                continue
            if previous_ts is None:
                self.numbers.begin(up, packet.ext_seq, packet.ts, out_ts)
            elif self.realtime:
                out_ts = (out_ts + step) & 0xFFFF_FFFF
                self.numbers.next_seq = packet.ext_seq + self.numbers.seq_offset
                self.numbers.begin(up, packet.ext_seq, packet.ts, out_ts)
            else:
                break
            previous_ts = packet.ts
        self.started = True

    def stop(self, now: float) -> None:
        """Nothing of the present UpTrack follows; the numbers go on where they are when something else begins."""
        if self.up is not None and self.started:
            self.numbers.end(self.up.highest)
            self.numbers.next_ts = (self.up.last_ts + self.numbers.ts_offset) & 0xFFFF_FFFF
            self._last_out_at_s = min(now, self.up.last_received_at_s)
        self.started = False

    def may_catch_up(self, now: float) -> bool:
        """Whether a lost picture is to be mended from the cache."""
        return self.realtime and now >= self._started_at_s + CATCH_UP_INTERVAL_S

    def _next_ts(self, now: float) -> int:
        if self._last_out_at_s is None:
            return self.numbers.next_ts
        elapsed = max(CATCH_UP_S, now - self._last_out_at_s)
        return (self.numbers.next_ts + round(elapsed * self.clock_rate_hz)) & 0xFFFF_FFFF

    def outgoing_ts(self, up_ts: int) -> int:
        """The timestamp under which ``up_ts`` of the present UpTrack leaves."""
        return (up_ts + self.numbers.ts_offset) & 0xFFFF_FFFF

    def retransmission(self, seq: int, now: float, rtt_s: float) -> bytes | None:
        """The packet that left under ``seq`` once more, as RTX (RFC 4588) where negotiated.

        None when it is not there any more, or was sent again less than a round trip ago.
        """
        found = self.numbers.source(seq)
        if found is None:
            return None
        up, ext_seq, ts_offset = found
        packet = up.cache.get(ext_seq)
        if packet is None or now < self._resent.get(seq, float("-inf")) + max(rtt_s, MIN_RESEND_INTERVAL_S):
            return None
        if len(self._resent) >= _RESENT_KEPT:
            del self._resent[next(iter(self._resent))]
        self._resent.pop(seq, None)
        self._resent[seq] = now
        self.resent_packets += 1
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

    def __repr__(self) -> str:
        flowing = "nothing" if self.up is None else self.up.publication.name
        return f"DownTrack(ssrc={self.ssrc}, {flowing}, {'started' if self.started else 'waiting'})"
