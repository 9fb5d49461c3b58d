"""The RTP sender of one publication: numbering, reports, retransmission. No socket and no clock of its own."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from classroom.media.packetize import packetize_h264, packetize_opus
from classroom.model import TrackKind
from classroom.sfu.core.rtcp import ReportBlock, SenderReport, build_bye, build_sdes, build_sr, ntp_middle
from classroom.sfu.core.rtp import HEADER_BYTES, build_extensions, build_rtp
from classroom.sfu.core.serial import distance16

if TYPE_CHECKING:
    from collections.abc import Iterable

    from classroom.capture.clock import CaptureClock
    from classroom.capture.frames import CodedFrame

HISTORY_S = 3.0
HISTORY_PACKETS = 16_384  # a bound for a rate that no school has; 16-bit numbers stay unique in it
MIN_RESEND_INTERVAL_S = 0.020
_FIRST_RTT_S = 0.050


@dataclass(frozen=True, slots=True)
class RtpParameters:
    """What offer and answer have settled for one m-section. Extension ids are 0 when not negotiated."""

    mid: str
    kind: TrackKind
    pt: int
    clock_rate_hz: int
    ssrc: int
    rtx_pt: int | None
    rtx_ssrc: int | None
    mid_ext: int
    capture_time_ext: int


@dataclass(slots=True)
class _Sent:
    seq: int
    sent_s: float
    packet: bytes
    header_bytes: int
    resent_s: float = float("-inf")


class RtpSender:
    """Turns frames into RTP packets on the capture clock and answers what the receiver says of them.

    RTP timestamps and the NTP times of sender reports come from ``CodedFrame.capture_s`` through one clock, never
    from the time of sending. ``first_seq`` and ``first_ts`` are random (RFC 3550 §5.1), given so that tests can choose.
    """

    def __init__(
        self, parameters: RtpParameters, clock: CaptureClock, cname: str, *, first_seq: int, first_ts: int
    ) -> None:
        self.parameters = parameters
        self.packets_sent = 0
        self.frames_sent = 0
        self.octets_sent = 0
        self.packets_resent = 0
        self.rtt_s = _FIRST_RTT_S
        self.fraction_lost = 0.0
        self._clock = clock
        self._cname = cname
        self._origin_s = clock.now_s()
        self._first_ts = first_ts
        self._next_seq = first_seq & 0xFFFF
        self._next_rtx_seq = first_seq & 0xFFFF
        self._sent: deque[_Sent] = deque()  # oldest first; what is older than HISTORY_S is forgotten
        self._by_seq: dict[int, _Sent] = {}
        self._acknowledged_seq: int | None = None

    def timestamp(self, capture_s: float) -> int:
        """The RTP timestamp of an instant on the capture clock."""
        ticks = round((capture_s - self._origin_s) * self.parameters.clock_rate_hz)
        return (self._first_ts + ticks) & 0xFFFF_FFFF

    def packetize(self, frame: CodedFrame, now_s: float) -> list[bytes]:
        """Number and remember the packets of a frame; the caller sends them in this order."""
        parameters = self.parameters
        video = parameters.kind is TrackKind.VIDEO
        payloads = packetize_h264(frame.units) if video else packetize_opus(frame.units[0])
        ts = self.timestamp(frame.capture_s)
        extensions = self._extensions(frame)
        packets = []
        for index, payload in enumerate(payloads):
            seq = self._next_seq
            self._next_seq = (seq + 1) & 0xFFFF
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
            self._remember(_Sent(seq, now_s, packet, HEADER_BYTES + len(extensions)))
            self.packets_sent += 1
            self.octets_sent += len(payload)
            packets.append(packet)
            extensions = b""
        self.frames_sent += 1
        return packets

    def sender_report(self) -> bytes:
        """A compound SR + SDES that ties the RTP timestamps to the capture clock, as of now."""
        now_s = self._clock.now_s()
        report = SenderReport(
            ssrc=self.parameters.ssrc,
            ntp=self._clock.ntp(now_s),
            rtp_ts=self.timestamp(now_s),
            packets=self.packets_sent,
            octets=self.octets_sent,
        )
        return build_sr(report) + build_sdes(self.parameters.ssrc, self._cname)

    def bye(self) -> bytes:
        """A compound SR + SDES + BYE (RFC 3550 §6.6)."""
        ssrcs = [self.parameters.ssrc]
        if self.parameters.rtx_ssrc is not None:
            ssrcs.append(self.parameters.rtx_ssrc)
        return self.sender_report() + build_bye(ssrcs)

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

    def report(self, block: ReportBlock, now_s: float) -> None:
        """Take what the receiver says of this stream: loss, the highest number it has, the round trip."""
        self.fraction_lost = block.fraction_lost / 256
        self._acknowledged_seq = block.highest_ext_seq & 0xFFFF
        if block.lsr:
            ticks = (ntp_middle(self._clock.ntp(now_s)) - block.lsr - block.dlsr) & 0xFFFF_FFFF
            if ticks < 0x8000_0000:  # else it would be negative: clocks of finite precision on a short path
                self.rtt_s = ticks / 65536

    @property
    def acknowledged(self) -> bool:
        """Whether a report has said that everything sent so far arrived (or is being asked for again)."""
        if not self.packets_sent:
            return True
        acknowledged = self._acknowledged_seq
        return acknowledged is not None and distance16(acknowledged, self._next_seq) >= -1

    def _extensions(self, frame: CodedFrame) -> bytes:
        elements = []
        if self.parameters.mid_ext:
            elements.append((self.parameters.mid_ext, self.parameters.mid.encode()))
        if self.parameters.capture_time_ext:
            ntp = self._clock.ntp(frame.capture_s)
            elements.append((self.parameters.capture_time_ext, ntp.to_bytes(8, "big")))
        return build_extensions(elements)

    def _remember(self, sent: _Sent) -> None:
        self._sent.append(sent)
        self._by_seq[sent.seq] = sent
        while self._sent[0].sent_s < sent.sent_s - HISTORY_S or len(self._sent) > HISTORY_PACKETS:
            del self._by_seq[self._sent.popleft().seq]

    def _rtx(self, sent: _Sent) -> bytes:
        parameters = self.parameters
        if parameters.rtx_pt is None or parameters.rtx_ssrc is None:
            return sent.packet
        packet = sent.packet
        seq = self._next_rtx_seq
        self._next_rtx_seq = (seq + 1) & 0xFFFF
        marker = packet[1] & 0x80
        return b"".join(
            (
                packet[:1],
                bytes([marker | parameters.rtx_pt]),
                seq.to_bytes(2, "big"),
                packet[4:8],
                parameters.rtx_ssrc.to_bytes(4, "big"),
                packet[HEADER_BYTES : sent.header_bytes],
                sent.seq.to_bytes(2, "big"),
                packet[sent.header_bytes :],
            )
        )
