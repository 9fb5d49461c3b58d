"""The RTP sender of one stream: numbering, reports, retransmission. No socket and no clock of its own."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from classroom.media.packetize import MAX_PAYLOAD_BYTES, packetize_h264, packetize_opus
from classroom.model import TrackKind
from classroom.sfu.core.rtcp import ReportBlock, SenderReport, build_sdes, build_sr, ntp_middle
from classroom.sfu.core.rtp import HEADER_BYTES, build_extensions, build_rtp
from classroom.sfu.core.serial import distance16

if TYPE_CHECKING:
    from collections.abc import Iterable

    from classroom.capture.clock import CaptureClock
    from classroom.capture.frames import CodedFrame

HISTORY_S = 3.0
HISTORY_PACKETS = 16_384  # a bound for a rate that no school has; 16-bit numbers stay unique in it
MIN_RESEND_INTERVAL_S = 0.020
TRANSPORT_SEQ_AT = HEADER_BYTES + 5  # behind the head of the block and of its first element
_EXTENSION_ROOM_BYTES = 16  # of pictures, beyond what MAX_PAYLOAD_BYTES leaves
_FIRST_RTT_S = 0.050
_TRANSPORT_SEQ_TO_COME = b"\x00\x00"


@dataclass(frozen=True, slots=True)
class Extensions:
    """Ids of header extensions (RFC 8285); 0 when not negotiated."""

    mid: int = 0
    rid: int = 0
    repaired_rid: int = 0
    transport_seq: int = 0
    capture_time: int = 0
    audio_level: int = 0


@dataclass(frozen=True, slots=True)
class RtpParameters:
    """What offer and answer have settled for one stream. ``rid`` is empty where a section has only one."""

    mid: str
    rid: str
    kind: TrackKind
    pt: int
    clock_rate_hz: int
    ssrc: int
    rtx_pt: int | None
    rtx_ssrc: int | None
    extensions: Extensions


@dataclass(frozen=True, slots=True)
class Timestamps:
    """The RTP timestamps of a publication, the same for all its layers: one picture, one timestamp.

    ``first`` is random (RFC 3550 §5.1), given so that tests can choose.
    """

    clock_rate_hz: int
    origin_s: float
    first: int

    def at(self, capture_s: float) -> int:
        """The timestamp of an instant on the capture clock."""
        return (self.first + round((capture_s - self.origin_s) * self.clock_rate_hz)) & 0xFFFF_FFFF


@dataclass(slots=True)
class _Sent:
    seq: int
    sent_s: float
    packet: bytes
    header_bytes: int
    capture_time: bytes
    resent_s: float = float("-inf")


class RtpSender:
    """Turns frames into RTP packets on the capture clock and answers what the receiver says of them.

    RTP timestamps and the NTP times of sender reports come from ``CodedFrame.capture_s`` through one clock, never
    from the time of sending. Where transport-wide numbers were negotiated every packet has room for one at
    TRANSPORT_SEQ_AT: who sends it fills it in.
    """

    def __init__(
        self, parameters: RtpParameters, clock: CaptureClock, timestamps: Timestamps, cname: str, *, first_seq: int
    ) -> None:
        self.parameters = parameters
        self.packets_sent = 0
        self.frames_sent = 0
        self.octets_sent = 0
        self.packets_resent = 0
        self.rtt_s = _FIRST_RTT_S
        self.fraction_lost = 0.0
        self._clock = clock
        self._timestamps = timestamps
        self._cname = cname
        self._first_seq = first_seq & 0xFFFF
        self._next_rtx_seq = first_seq & 0xFFFF
        self._sent: deque[_Sent] = deque()  # oldest first; what is older than HISTORY_S is forgotten
        self._by_seq: dict[int, _Sent] = {}
        self._acknowledged_seq: int | None = None
        self._missing: deque[tuple[float, int]] = deque()  # by each report of the last HISTORY_S and one before

    @property
    def highest_ext_seq(self) -> int:
        """The number of the last packet, counted on where 16 bits wrap."""
        return self._first_seq + self.packets_sent - 1

    def packetize(self, frame: CodedFrame, now_s: float) -> list[bytes]:
        """Number and remember the packets of a frame; the caller sends them in this order."""
        parameters = self.parameters
        video = parameters.kind is TrackKind.VIDEO
        payloads = (
            packetize_h264(frame.units, MAX_PAYLOAD_BYTES - _EXTENSION_ROOM_BYTES)
            if video
            else packetize_opus(frame.units[0])
        )
        ts = self._timestamps.at(frame.capture_s)
        capture_time = self._clock.ntp(frame.capture_s).to_bytes(8, "big")
        # Until the server has said that it knows the stream every packet tells which one it is (RFC 8852 §3.1);
        # afterwards keyframes still do, for a server that has forgotten a stream which was silent for long.
        named = self._acknowledged_seq is None
        packets = []
        for index, payload in enumerate(payloads):
            seq = (self.highest_ext_seq + 1) & 0xFFFF
            extensions = self._extensions(
                named=named or (index == 0 and frame.keyframe),
                repaired=False,
                capture_time=capture_time if index == 0 else b"",
                level=frame.level,
            )
            packet = build_rtp(
                pt=parameters.pt,
                seq=seq,
                ts=ts,
                ssrc=parameters.ssrc,
                payload=payload,
                # In Opus the marker is for the start of a talkspurt, and without DTX there is only one.
                marker=index == len(payloads) - 1 if video else self.packets_sent == 0,
                extensions=extensions,
            )
            self._remember(
                _Sent(seq, now_s, packet, HEADER_BYTES + len(extensions), capture_time if index == 0 else b"")
            )
            self.packets_sent += 1
            self.octets_sent += len(payload)
            packets.append(packet)
        self.frames_sent += 1
        return packets

    def sender_report(self) -> bytes:
        """A compound SR + SDES that ties the RTP timestamps to the capture clock, as of now."""
        now_s = self._clock.now_s()
        report = SenderReport(
            ssrc=self.parameters.ssrc,
            ntp=self._clock.ntp(now_s),
            rtp_ts=self._timestamps.at(now_s),
            packets=self.packets_sent,
            octets=self.octets_sent,
        )
        return build_sr(report) + build_sdes(self.parameters.ssrc, self._cname)

    @property
    def ssrcs(self) -> list[int]:
        """That of the stream, and that of its retransmissions if it has one."""
        rtx_ssrc = self.parameters.rtx_ssrc
        return [self.parameters.ssrc] if rtx_ssrc is None else [self.parameters.ssrc, rtx_ssrc]

    def resend(self, seqs: Iterable[int], now_s: float) -> list[bytes]:
        """The packets to send again: what is still known, each at most once in a round trip, at least 20 ms apart.

        As RTX (RFC 4588 §4) when that was negotiated, otherwise as they were.
        """
        packets = []
        interval_s = max(self.rtt_s, MIN_RESEND_INTERVAL_S)
        for seq in seqs:
            sent = self._by_seq.get(seq)
            if sent is None or now_s - sent.resent_s < interval_s:
                continue
            sent.resent_s = now_s
            packets.append(self._rtx(sent))
        self.packets_resent += len(packets)
        return packets

    def repeat_latest(self, size_bytes: int) -> list[bytes]:
        """At least ``size_bytes`` of the latest packets once more as RTX if there are so many, newest first."""
        packets: list[bytes] = []
        if self.parameters.rtx_ssrc is None:
            return packets
        for sent in reversed(self._sent):
            if size_bytes <= 0:
                break
            packets.append(self._rtx(sent))
            size_bytes -= len(packets[-1])
        return packets

    def repeat_last(self) -> list[bytes]:
        """The very last packet once more, so that the receiver sees what is missing before it; none before the first.

        As RTX when that was negotiated, otherwise as it was.
        """
        return [self._rtx(self._sent[-1])] if self._sent else []

    def report(self, block: ReportBlock, now_s: float) -> None:
        """Take what the receiver says of this stream: loss, the highest number it has, the round trip."""
        self.fraction_lost = block.fraction_lost / 256
        self._acknowledged_seq = block.highest_ext_seq & 0xFFFF
        self._missing.append((now_s, block.cumulative_lost))
        while len(self._missing) > 1 and now_s - self._missing[1][0] >= HISTORY_S:
            self._missing.popleft()
        if block.lsr:
            ticks = (ntp_middle(self._clock.ntp(now_s)) - block.lsr - block.dlsr) & 0xFFFF_FFFF
            if ticks < 0x8000_0000:  # else it would be negative: clocks of finite precision on a short path
                self.rtt_s = ticks / 65536

    @property
    def acknowledged(self) -> bool:
        """Whether a report has named the last packet sent so far; what is missing before it is being asked for."""
        if not self.packets_sent:
            return True
        acknowledged = self._acknowledged_seq
        return acknowledged is not None and distance16(acknowledged, self.highest_ext_seq & 0xFFFF) >= 0

    @property
    def complete(self) -> bool:
        """Whether a report has said that all that can still be sent again arrived, what was sent again included."""
        if not self.acknowledged or not self._missing:
            return self.acknowledged
        (first_s, _), (last_s, missing) = self._missing[0], self._missing[-1]
        # What every report has counted for as long as a packet is remembered, nobody can send again.
        lasting = min(count for _, count in self._missing) if last_s - first_s >= HISTORY_S else 0
        return missing <= lasting

    def _extensions(self, *, named: bool, repaired: bool, capture_time: bytes, level: int | None) -> bytes:
        ids, parameters = self.parameters.extensions, self.parameters
        elements = []
        if ids.transport_seq:
            elements.append((ids.transport_seq, _TRANSPORT_SEQ_TO_COME))
        if named and ids.mid:
            elements.append((ids.mid, parameters.mid.encode()))
        rid_ext = ids.repaired_rid if repaired else ids.rid
        if named and rid_ext and parameters.rid:
            elements.append((rid_ext, parameters.rid.encode()))
        if capture_time and ids.capture_time:
            elements.append((ids.capture_time, capture_time))
        if level is not None and ids.audio_level:
            elements.append((ids.audio_level, bytes([level])))
        return build_extensions(elements)

    def _remember(self, sent: _Sent) -> None:
        self._sent.append(sent)
        self._by_seq[sent.seq] = sent
        while self._sent[0].sent_s < sent.sent_s - HISTORY_S or len(self._sent) > HISTORY_PACKETS:
            del self._by_seq[self._sent.popleft().seq]

    def _rtx(self, sent: _Sent) -> bytes:
        parameters, packet = self.parameters, sent.packet
        if parameters.rtx_pt is None or parameters.rtx_ssrc is None:
            return packet
        seq = self._next_rtx_seq
        self._next_rtx_seq = (seq + 1) & 0xFFFF
        return build_rtp(
            pt=parameters.rtx_pt,
            seq=seq,
            ts=int.from_bytes(packet[4:8], "big"),
            ssrc=parameters.rtx_ssrc,
            payload=sent.seq.to_bytes(2, "big") + packet[sent.header_bytes :],
            marker=packet[1] >= 0x80,
            # They are few, so each tells what it repeats: the server reports on no RTX stream.
            extensions=self._extensions(named=True, repaired=True, capture_time=sent.capture_time, level=None),
        )
