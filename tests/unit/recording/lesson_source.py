"""A synthetic lesson: real H.264 and Opus made by PyAV, as RTP packets and sender reports with true times.

The camera flashes white for 0.1 s at every whole second; at the same moment the microphone beeps.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from typing import TYPE_CHECKING

import av
import numpy as np

from classroom.media.packetize import packetize_h264
from classroom.model import Label, ParticipantId, Publication, PublicationId, RecordingState, TrackKind
from classroom.recording.holding import open_archive
from classroom.sfu.core.ntp import unix_to_ntp
from classroom.sfu.core.rtcp import SenderReport, build_bye, build_sdes, build_sr
from classroom.sfu.core.rtp import RtpPacket, build_rtp, parse_rtp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from classroom.recording.archive import LessonArchive

EPOCH_S = 1_800_000_000.0  # when the lessons of the tests begin
FLASH_S = 0.1
VIDEO_HZ, AUDIO_HZ = 90_000, 48_000


@dataclass(frozen=True)
class Frame:
    """A coded frame: when it was taken (seconds since the source began), its NAL units or the Opus packet."""

    at_s: float
    nals: tuple[bytes, ...]
    keyframe: bool = True


def split_annexb(data: bytes) -> tuple[bytes, ...]:
    """The NAL units of a byte stream."""
    parts = data.replace(b"\x00\x00\x00\x01", b"\x00\x00\x01").split(b"\x00\x00\x01")
    return tuple(part for part in parts if part)


@cache
def encode_video(
    duration_s: float, width=320, height=240, rate=30, gop_s=2.0, bit_rate=400_000, flash=True
) -> tuple[Frame, ...]:
    """H.264 as the capture agent sends it: zero latency, no B frames, parameter sets in every keyframe."""
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, rate), Fraction(rate)
    encoder.bit_rate = bit_rate
    encoder.options = {
        "preset": "ultrafast", "tune": "zerolatency", "profile": "baseline", "threads": "1",
        "x264-params": f"keyint={round(gop_s * rate)}:scenecut=0:repeat-headers=1",
    }  # fmt: skip
    frames = []
    noise = np.random.default_rng(1).integers(0, 60, (height, width), np.uint8)
    for index in range(round(duration_s * rate)):
        bright = flash and (index / rate) % 1.0 < FLASH_S - 1e-6
        luma = np.roll(noise, index * 3, axis=1) + np.uint8(190 if bright else 16)
        picture = np.full((height * 3 // 2, width), 128, np.uint8)
        picture[:height] = luma
        frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
        frame.pts = index
        (packet,) = encoder.encode(frame)  # no delay: each picture comes out at once
        frames.append(Frame(index / rate, split_annexb(bytes(packet)), packet.is_keyframe))
    return tuple(frames)


@cache
def encode_audio(duration_s: float, beep=True) -> tuple[Frame, ...]:
    """Opus, mono, 20 ms, variable bit rate: a quiet hum, and a beep while the picture flashes.

    The encoder looks ahead: what is heard at the beginning of a packet is 6.5 ms older than its time.
    """
    encoder = av.CodecContext.create("libopus", "w")
    encoder.sample_rate, encoder.format, encoder.layout = AUDIO_HZ, "s16", "mono"
    encoder.bit_rate = 32_000
    encoder.options = {"application": "audio", "frame_duration": "20", "vbr": "on"}
    time = np.arange(round(duration_s * AUDIO_HZ)) / AUDIO_HZ
    loud = (time % 1.0 < FLASH_S) if beep else np.zeros_like(time, bool)
    sound = np.where(loud, 0.7 * np.sin(2 * np.pi * 1000 * time), 0.004 * np.sin(2 * np.pi * 200 * time))
    samples = (sound * 32767).astype(np.int16)
    frames = []
    for at in range(0, len(samples) - 959, 960):
        frame = av.AudioFrame.from_ndarray(samples[None, at : at + 960], format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = AUDIO_HZ, at, Fraction(1, AUDIO_HZ)
        for packet in encoder.encode(frame):
            frames.append(Frame(len(frames) * 0.02, (bytes(packet),)))
    return tuple(frames)


def publication(name: str) -> Publication:
    """A publication that is called like its label, or label and a number."""
    label = Label(name.split("-")[0])
    kind = TrackKind.AUDIO if label is Label.MIC else TrackKind.VIDEO
    return Publication(PublicationId(f"id-{name}"), ParticipantId("teacher"), label, kind, name)


@dataclass
class FakeDown:
    """What the recorder sees of a DownTrack."""

    publication: Publication
    ssrc: int
    clock_rate_hz: int


@dataclass
class Wire:
    """RTP and RTCP of one stream on its way to the recorder; things to deliver with their arrival (seconds)."""

    name: str
    frames: tuple[Frame, ...]
    starts_s: float  # on the server's clock, seconds since 1970
    ssrc: int
    skew: float = 0.0  # how much too fast the sender's media clock runs
    latency_s: float = 0.03
    first_seq: int = 65_500
    first_ts: int = 0xFFFF_0000
    report_error_s: float = 0.0
    capture_clock_s: float | None = None  # with it packets say when they were captured, on a clock that is so wrong
    deliveries: list[tuple[float, RtpPacket | bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        kind = publication(self.name).kind
        self.rate_hz = VIDEO_HZ if kind is TrackKind.VIDEO else AUDIO_HZ
        self.down = FakeDown(publication(self.name), self.ssrc, self.rate_hz)
        seq = self.first_seq
        video = kind is TrackKind.VIDEO
        next_report_s = arrives_s = 0.0
        for frame in self.frames:
            # A fast clock counts the same ticks in less true time.
            at_s = self.starts_s + frame.at_s / (1 + self.skew)
            arrives_s = max(arrives_s, at_s + self.latency_s)  # moments that were shown before come again at once
            if frame.at_s >= next_report_s:
                self.deliveries.append((arrives_s - 0.001, self.report(at_s)))
                next_report_s += 1.0
            ts = self.timestamp(frame.at_s)
            payloads = packetize_h264(frame.nals) if video else list(frame.nals)
            for index, payload in enumerate(payloads):
                marker = video and index == len(payloads) - 1
                data = build_rtp(pt=96, seq=seq & 0xFFFF, ts=ts, ssrc=self.ssrc, payload=payload, marker=marker)
                packet = parse_rtp(data)
                if index == 0 and self.capture_clock_s is not None:
                    packet.captured_ntp = self.captured_ntp(frame)  # as the UpTrack reads it from the extension
                self.deliveries.append((arrives_s, packet))
                seq += 1

    def captured_ntp(self, frame: Frame) -> int:
        """When a frame was captured, on the publisher's clock."""
        assert self.capture_clock_s is not None
        return unix_to_ntp(self.starts_s + frame.at_s + self.capture_clock_s)

    def timestamp(self, media_s: float) -> int:
        return (self.first_ts + round(media_s * self.rate_hz)) & 0xFFFF_FFFF

    def report(self, at_s: float) -> bytes:
        """A sender report that is true at ``at_s``."""
        ts = self.timestamp((at_s - self.starts_s) * (1 + self.skew))
        report = SenderReport(self.ssrc, unix_to_ntp(at_s + self.report_error_s), ts, 0, 0)
        return build_sr(report) + build_sdes(self.ssrc, "lesson")

    def bye(self) -> tuple[float, bytes]:
        """BYE right after the last packet."""
        return self.deliveries[-1][0], build_bye([self.ssrc])


Event = tuple[float, Wire, RtpPacket | bytes]


def in_order(wires: Iterable[Wire], extra: Iterable[Event] = ()) -> list[Event]:
    """Everything that arrives, by time."""
    everything = [(at_s, wire, thing) for wire in wires for at_s, thing in wire.deliveries]
    return sorted([*everything, *extra], key=lambda event: event[0])


def feed(archive: LessonArchive, events: Iterable[Event]) -> float:
    """Let a recording happen in virtual time, as the writer thread would do it; returns the time of the last event."""
    opened: set[int] = set()
    now_s = next_s = 0.0
    for now_s, wire, thing in events:
        while now_s >= next_s:
            archive.advance(now_s if next_s == 0 else next_s)
            next_s = now_s + 0.1 if next_s == 0 else next_s + 0.1
        if isinstance(thing, bytes):
            archive.rtcp(thing, now_s)
            continue
        if wire.ssrc not in opened:
            opened.add(wire.ssrc)
            archive.open_stream(wire.ssrc, wire.down.publication, wire.rate_hz, now_s)
        packet = (thing.seq, thing.ts, thing.marker, thing.payload, thing.captured_ntp)
        archive.packets(wire.ssrc, [packet], now_s)
    return now_s


def open_recording(root: Path, now_s: float, feedback: Callable[[bytes], None] = lambda data: None, resume=False):
    """The archive of a lesson called ``maths``."""
    return open_archive(root, "maths", "数学课", now_s, resume, feedback)


def record(root: Path, wires: Iterable[Wire], extra: Iterable[Event] = (), began_s: float = EPOCH_S) -> Path:
    """Record a whole lesson and return its folder."""
    archive = open_recording(root, began_s)
    archive.finish(RecordingState.COMPLETE, feed(archive, in_order(wires, extra)) + 0.02)
    return archive.folder
