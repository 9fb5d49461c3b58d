"""A publisher that behaves like a real one: captures, sends, answers NACK and PLI, reports once a second."""

from __future__ import annotations

import struct
from collections import OrderedDict
from dataclasses import dataclass

from classroom.model import Label, TrackKind
from classroom.sfu.core import rtcp
from classroom.sfu.core.ntp import seconds_to_ntp
from classroom.sfu.core.pause import PauseResume, PauseType
from classroom.sfu.core.peers import Encoding, IncomingMedia
from classroom.sfu.core.rtp import build_rtp
from tests.sim.netem import Conditions, Link

HISTORY_PACKETS = 2000
MIN_KEYFRAME_INTERVAL_S = 0.3
PAYLOAD_BYTES = 200
_IDENTITY = struct.Struct("!BIHH")


@dataclass(frozen=True, slots=True)
class Identity:
    """What a simulated payload says of itself."""

    stream: int
    frame: int
    index: int
    total: int
    keyframe: bool


def identity(payload: bytes) -> Identity:
    """Read the identity that a payload carries behind its two header bytes."""
    stream, frame, index, total = _IDENTITY.unpack_from(payload, 2)
    return Identity(stream & 0x7F, frame, index, total, bool(stream & 0x80))


@dataclass(slots=True)
class Stream:
    """One sent stream. ``skew_s`` shifts its RTP timestamps: every stream begins at a random one."""

    number: int
    label: Label
    ssrc: int
    pt: int
    clock_rate_hz: int
    interval_s: float
    packets_per_frame: int = 1
    packets_per_keyframe: int = 1
    keyframe_every: int = 0  # frames; 0 for only the first and on request
    first_seq: int = 0
    first_ts: int = 0
    rtx_pt: int | None = None
    rtx_ssrc: int | None = None
    nack: bool = True
    payload_bytes: int = PAYLOAD_BYTES
    rid: str = ""

    @property
    def video(self) -> bool:
        return self.clock_rate_hz == 90_000

    def media(self) -> IncomingMedia:
        """The m-section as negotiation would have made it."""
        return IncomingMedia(
            mid=str(self.number),
            kind=TrackKind.VIDEO if self.video else TrackKind.AUDIO,
            label=self.label,
            pt=self.pt,
            clock_rate_hz=self.clock_rate_hz,
            rtx_pt=self.rtx_pt,
            ssrc=self.ssrc,
            rtx_ssrc=self.rtx_ssrc,
            nack=self.nack,
        )


def incoming(streams: list[Stream]) -> list[IncomingMedia]:
    """The m-sections: layers of one number share theirs, the best first."""
    made: dict[int, list[Stream]] = {}
    for stream in streams:
        made.setdefault(stream.number, []).append(stream)
    sections = []
    for layers in made.values():
        media = layers[0].media()
        if layers[0].rid:
            media.pause = True
            media.encodings = [Encoding(s.rid, s.ssrc, s.rtx_ssrc) for s in layers]
        sections.append(media)
    return sections


def layers(ssrc: int = 1000, **options) -> list[Stream]:
    """A picture in three layers of about 1.2, 0.4 and 0.12 Mbit/s, the best first; 25 pictures a second."""
    shapes = {"h": (5, 30, 1180), "m": (2, 12, 950), "l": (1, 6, 560)}
    return [
        camera(
            ssrc + 10 * n, rid=rid, packets_per_frame=per_frame, packets_per_keyframe=per_keyframe,
            payload_bytes=size, interval_s=1 / 25, **({"keyframe_every": 0} | options),
        )
        for n, (rid, (per_frame, per_keyframe, size)) in enumerate(shapes.items())
    ]  # fmt: skip


def camera(ssrc: int = 1000, **options) -> Stream:
    """30 pictures a second of three packets, a keyframe of twelve every two seconds, RTX."""
    defaults = {
        "number": 1, "label": Label.CAMERA, "pt": 96, "clock_rate_hz": 90_000, "interval_s": 1 / 30,
        "packets_per_frame": 3, "packets_per_keyframe": 12, "keyframe_every": 60,
        "first_seq": 65_000, "first_ts": 2**32 - 90_000, "rtx_pt": 97, "rtx_ssrc": ssrc + 1,
    }  # fmt: skip
    return Stream(ssrc=ssrc, **(defaults | options))


def slides(ssrc: int = 2000, **options) -> Stream:
    """Five pictures a second of one packet, keyframes only when asked for."""
    defaults = {
        "number": 2, "label": Label.SLIDES, "interval_s": 0.2, "packets_per_frame": 1, "packets_per_keyframe": 20,
        "keyframe_every": 0, "pt": 98, "rtx_pt": 99,
    }  # fmt: skip
    return camera(ssrc, **(defaults | options))


def mic(ssrc: int = 3000, **options) -> Stream:
    """Fifty packets of sound a second, NACK without RTX."""
    defaults = {
        "number": 3, "label": Label.MIC, "pt": 111, "clock_rate_hz": 48_000, "interval_s": 0.02,
        "first_seq": 65_500, "first_ts": 12_345,
    }  # fmt: skip
    return Stream(ssrc=ssrc, **(defaults | options))


class _Sending:
    """A stream under way."""

    def __init__(self, stream: Stream, now: float) -> None:
        self.stream = stream
        self.next_s = now
        self.seq = stream.first_seq
        self.rtx_seq = 7
        self.frame = 0
        self.since_keyframe = 0
        self.keyframe_at_s = float("-inf")
        self.keyframe_wanted = True
        self.history: OrderedDict[int, bytes] = OrderedDict()
        self.packets = self.octets = 0
        self.plis = self.nacked = self.keyframes = 0
        self.paused = False
        self.pauses: list[tuple[float, PauseType]] = []
        self.captured_s: dict[int, float] = {}  # frame: time
        self.sent_packets: dict[tuple[int, int], bytes] = {}  # (frame, index): payload


class Publisher:
    """``uplink`` carries to the server, ``downlink`` back. ``ntp_offset_s`` is its clock's error.

    As a Sink it is only sent RTCP.
    """

    def __init__(
        self, streams: list[Stream], up: Conditions, down: Conditions, seed: int, now: float,
        *, ntp_s: float, early_report: bool = False,
    ) -> None:  # fmt: skip
        self.uplink, self.downlink = Link(up, seed), Link(down, seed + 1)
        self.streams = {s.ssrc: _Sending(s, now) for s in streams}
        self.ntp_s = ntp_s  # its NTP time at virtual time 0
        self.sending = True
        self._next_report_s = now if early_report else now + 0.35
        self.closed = ""

    # --- as a Sink ---------------------------------------------------------------------------------------------

    def send_rtcp(self, data: bytes) -> None:
        self.downlink.send(data, self.now)

    def send(self, burst) -> None:
        raise AssertionError("a publisher is sent no media")

    def resend(self, down, data) -> None:
        raise AssertionError("a publisher is sent no media")

    now = 0.0

    def close(self, reason: str) -> None:
        self.closed = reason

    # --- time --------------------------------------------------------------------------------------------------

    def next_timeout(self) -> float:
        times = [self._next_report_s, *(s.next_s for s in self.streams.values())] if self.sending else [float("inf")]
        if (at := self.downlink.next_timeout()) is not None:
            times.append(at)
        return min(times)

    def advance(self, now: float) -> None:
        """Capture and send what is due, answer what has come."""
        self.now = now
        for data in self.downlink.receive(now):
            self._feedback(data, now)
        if not self.sending:
            return
        if now >= self._next_report_s:
            self._next_report_s += 1.0
            for sending in self.streams.values():
                self.uplink.send(self._report(sending, now), now)
        for sending in self.streams.values():
            while sending.next_s <= now:
                self._capture(sending, sending.next_s, now)
                sending.next_s += sending.stream.interval_s

    def ts(self, sending: _Sending, at_s: float) -> int:
        return round(sending.stream.first_ts + at_s * sending.stream.clock_rate_hz) & 0xFFFF_FFFF

    def _report(self, sending: _Sending, now: float) -> bytes:
        ntp = seconds_to_ntp(self.ntp_s + now)
        report = rtcp.SenderReport(
            sending.stream.ssrc, ntp, self.ts(sending, now), sending.packets, sending.octets
        )  # fmt: skip
        return rtcp.build_sr(report) + rtcp.build_sdes(sending.stream.ssrc, "sim")

    def _capture(self, sending: _Sending, at_s: float, now: float) -> None:
        stream = sending.stream
        if sending.paused:
            sending.frame += 1
            return
        wanted = sending.keyframe_wanted and at_s >= sending.keyframe_at_s + MIN_KEYFRAME_INTERVAL_S
        due = stream.keyframe_every and sending.since_keyframe >= stream.keyframe_every
        keyframe = stream.video and (wanted or bool(due))
        if keyframe:
            sending.keyframe_wanted, sending.keyframe_at_s, sending.since_keyframe = False, at_s, 0
        sending.since_keyframe += 1
        sending.keyframes += keyframe
        sending.captured_s[sending.frame] = at_s
        total = stream.packets_per_keyframe if keyframe else stream.packets_per_frame
        for index in range(total):
            self._packet(sending, at_s, now, index, total, keyframe)
        sending.frame += 1

    def _packet(self, sending: _Sending, at_s: float, now: float, index: int, total: int, keyframe: bool) -> None:
        stream = sending.stream
        payload = _head(stream.video, index, total, keyframe) + _IDENTITY.pack(
            stream.number | (0x80 if keyframe else 0), sending.frame, index, total
        )
        payload += bytes(stream.payload_bytes - len(payload))
        data = build_rtp(
            pt=stream.pt, seq=sending.seq, ts=self.ts(sending, at_s), ssrc=stream.ssrc, payload=payload,
            marker=stream.video and index == total - 1,
        )  # fmt: skip
        sending.sent_packets[sending.frame, index] = payload
        sending.history[sending.seq] = data
        if len(sending.history) > HISTORY_PACKETS:
            sending.history.popitem(last=False)
        sending.seq = (sending.seq + 1) & 0xFFFF
        sending.packets += 1
        sending.octets += len(payload)
        self.uplink.send(data, now)

    def _feedback(self, data: bytes, now: float) -> None:
        for packet in rtcp.parse_rtcp(data):
            if isinstance(packet, rtcp.PictureLoss):
                sending = self.streams[packet.media_ssrc]
                sending.plis += 1
                sending.keyframe_wanted = True
            elif isinstance(packet, PauseResume):
                sending = self.streams[packet.target_ssrc]
                sending.pauses.append((now, packet.type))
                if sending.paused and packet.type is PauseType.RESUME:
                    sending.keyframe_wanted = True
                sending.paused = packet.type is PauseType.PAUSE
            elif isinstance(packet, rtcp.Nack):
                sending = self.streams[packet.media_ssrc]
                for seq in packet.seqs:
                    sending.nacked += 1
                    if (sent := sending.history.get(seq)) is not None:
                        self.uplink.send(_again(sending, sent), now)
            elif isinstance(packet, rtcp.ReferenceTime):
                answer = rtcp.build_dlrr(1, packet.ssrc, rtcp.ntp_middle(packet.ntp), 0)
                self.uplink.send(rtcp.build_rr(1, []) + answer, now)


def _head(video: bool, index: int, total: int, keyframe: bool) -> bytes:
    if not video:
        return b"\xf8\x00"
    if keyframe and index == 0:
        return b"\x67\x42"  # SPS; the IDR slice follows in fragments
    first, last = index == (1 if keyframe else 0), index == total - 1
    if first and last:
        return (b"\x65" if keyframe else b"\x41") + b"\x00"
    return bytes([0x7C, (0x80 if first else 0) | (0x40 if last else 0) | (5 if keyframe else 1)])


def _again(sending: _Sending, sent: bytes) -> bytes:
    stream = sending.stream
    if stream.rtx_pt is None or stream.rtx_ssrc is None:
        return sent
    seq, sending.rtx_seq = sending.rtx_seq, (sending.rtx_seq + 1) & 0xFFFF
    return build_rtp(
        pt=stream.rtx_pt, seq=seq, ts=int.from_bytes(sent[4:8], "big"), ssrc=stream.rtx_ssrc,
        payload=sent[2:4] + sent[12:], marker=bool(sent[1] & 0x80),
    )  # fmt: skip
