"""A long lesson through the core of the SFU to a recording, in virtual time: a bad uplink and clocks that are wrong.

Pictures and sound only look as if they were coded: each carries its number, so that what is stored can be compared with
when it was taken.
"""

from __future__ import annotations

import heapq
import struct
from dataclasses import dataclass, field
from itertools import count, pairwise
from random import Random
from typing import TYPE_CHECKING

import av

from classroom.media.packetize import packetize_h264
from classroom.model import Label, ParticipantId, RecordingState, SessionId, TrackKind
from classroom.recording.recorder import POLL_S
from classroom.sfu.core.lesson import LessonMedia
from classroom.sfu.core.ntp import unix_to_ntp
from classroom.sfu.core.peers import IncomingMedia
from classroom.sfu.core.rtcp import Nack, PictureLoss, SenderReport, build_sdes, build_sr, parse_rtcp
from classroom.sfu.core.rtp import build_rtp
from tests.unit.recording.lesson_source import EPOCH_S, encode_video, open_recording

if TYPE_CHECKING:
    from pathlib import Path

    from classroom.sfu.core.down_track import DownTrack
    from classroom.sfu.core.sink import Burst

SKEW = 100e-6  # the publisher's clock runs fast by so much, all of it: capture, timestamps, reports
CLOCK_ERROR_S = 1234.5
STEP_S = 0.02
LOSS = 0.10
NEVER_AGAIN = 0.05  # of what was lost: the publisher does not have it any more
REPORTS_LOST = 0.3
REPORT_DELAY_S = 2.5  # at most, for a tenth of them: they are overtaken by later ones
NUMBER = struct.Struct(">I")


@dataclass
class Media:
    """One publication; ``every_s`` on the publisher's clock."""

    name: str
    label: Label
    every_s: float
    rate_hz: int
    bytes_each: int
    keyframe_every: int = 0  # 0 for sound
    ssrc: int = 0
    seq: int = 65_000
    first_ts: int = 2**32 - 90_000
    number: int = 0
    rtx_seq: int = 1
    keyframe_wanted: bool = False
    sent: dict[int, tuple[bytes, bool]] = field(default_factory=dict)
    taken_s: list[float] = field(default_factory=list)  # when each frame was taken, on the true clock


def lesson_media() -> list[Media]:
    return [
        Media("camera", Label.CAMERA, 0.1, 90_000, 2000, keyframe_every=20),
        Media("slides", Label.SLIDES, 0.5, 90_000, 900, keyframe_every=4),
        Media("mic", Label.MIC, 0.02, 48_000, 60),
    ]


class Publisher:
    """Sends all media of a lesson over a bad uplink."""

    def __init__(self, world: World, media: list[Media], first_ssrc: int, began_s: float, session: str) -> None:
        self.world = world
        self.media = media
        self.session = SessionId(session)
        self.began_s = began_s  # the true time of zero on its media clock
        self.clock_error_s = CLOCK_ERROR_S
        parameters = encode_video(0.1, width=160, height=120)[0].nals
        self.parameters = tuple(nal for nal in parameters if nal[0] & 0x1F in (7, 8))
        for n, each in enumerate(media):
            each.ssrc, each.seq, each.first_ts = (
                first_ssrc + 2 * n,
                world.random.getrandbits(16),
                2**32 - 90_000 * n - 1,
            )
        incoming = [
            IncomingMedia(
                str(n),
                TrackKind.VIDEO if each.keyframe_every else TrackKind.AUDIO,
                each.label,
                pt=96 + 2 * n,
                clock_rate_hz=each.rate_hz,
                rtx_pt=97 + 2 * n,
                ssrc=each.ssrc,
                rtx_ssrc=each.ssrc + 1,
                nack=True,
            )
            for n, each in enumerate(media)
        ]
        world.core.add_publisher(self.session, ParticipantId("teacher"), self, incoming, str, world.now_s)
        for n, each in enumerate(media):
            world.at(began_s, self.capture, n, each, 0)
            world.at(began_s + 0.001, self.report, each)

    def capture(self, n: int, media: Media, tick: int) -> None:
        """Take a frame and send it; plan the next one."""
        if self.world.publisher is not self:
            return
        media.taken_s.append(self.world.now_s)
        ts = (media.first_ts + round(tick * media.every_s * media.rate_hz)) & 0xFFFF_FFFF
        number = NUMBER.pack(media.number)
        random = self.world.random
        if media.keyframe_every:
            keyframe = media.keyframe_wanted or media.number % media.keyframe_every == 0 or tick == 0
            media.keyframe_wanted = False
            slice_head = b"\x65\x88" if keyframe else b"\x41\x9a"
            nal = slice_head + number + b"\x5a" * media.bytes_each
            payloads = packetize_h264((*self.parameters, nal) if keyframe else (nal,))
        else:  # 20 ms of CELT; some of it is a pause
            payloads = [b"\xf8" + number + b"\x5a" * (media.bytes_each if media.number // 40 % 4 else 5)]
        delay_s = 0.03 + 0.03 * random.random()
        for index, payload in enumerate(payloads):
            marker = index == len(payloads) - 1 and media.keyframe_every > 0
            data = build_rtp(pt=96 + 2 * n, seq=media.seq, ts=ts, ssrc=media.ssrc, payload=payload, marker=marker)
            lost = random.random() < LOSS
            media.sent[media.seq] = (data, not (lost and random.random() < NEVER_AGAIN))
            media.sent.pop((media.seq - 1000) & 0xFFFF, None)
            media.seq = (media.seq + 1) & 0xFFFF
            if not lost:
                self.world.arrive(self.world.now_s + delay_s, self.session, data)
        media.number += 1
        next_s = self.began_s + (tick + 1) * media.every_s / (1 + SKEW)
        self.world.at(next_s, self.capture, n, media, tick + 1)

    def report(self, media: Media) -> None:
        """Send a sender report, unless it is lost; plan the next one."""
        if self.world.publisher is not self:
            return
        world = self.world
        own_s = (world.now_s - self.began_s) * (1 + SKEW)
        ts = (media.first_ts + round(own_s * media.rate_hz)) & 0xFFFF_FFFF
        ntp = unix_to_ntp(world.unix(self.began_s) + own_s + self.clock_error_s)
        data = build_sr(SenderReport(media.ssrc, ntp, ts, 0, 0)) + build_sdes(media.ssrc, "teacher")
        if world.random.random() >= REPORTS_LOST:
            late_s = REPORT_DELAY_S * world.random.random() if world.random.random() < 0.1 else 0.0
            world.arrive(world.now_s + 0.03 + 0.02 * world.random.random() + late_s, self.session, data)
        world.at(world.now_s + 0.7 + 0.6 * world.random.random(), self.report, media)

    def send_rtcp(self, data: bytes) -> None:
        """Answer what the server asks for, after a round trip."""
        for packet in parse_rtcp(data):
            media = next((m for m in self.media if m.ssrc == getattr(packet, "media_ssrc", None)), None)
            if media is None:
                continue
            if isinstance(packet, PictureLoss):
                media.keyframe_wanted = True
            elif isinstance(packet, Nack):
                for seq in packet.seqs:
                    sent, again = media.sent.get(seq, (b"", False))
                    if again and self.world.random.random() >= LOSS:
                        self.world.arrive(self.world.now_s + 0.08, self.session, self.rtx(media, seq, sent))

    def rtx(self, media: Media, seq: int, sent: bytes) -> bytes:
        """Packet ``sent`` once more (RFC 4588)."""
        media.rtx_seq = (media.rtx_seq + 1) & 0xFFFF
        return build_rtp(
            pt=(sent[1] & 0x7F) + 1,
            seq=media.rtx_seq,
            ts=int.from_bytes(sent[4:8], "big"),
            ssrc=media.ssrc + 1,
            payload=seq.to_bytes(2, "big") + sent[12:],
            marker=bool(sent[1] & 0x80),
        )

    def close(self, reason: str) -> None:
        """The publisher does not mind."""


class World:
    """Virtual time: the core as the server drives it, and the archive as the recorder's thread does."""

    def __init__(self, root: Path, seed: int) -> None:
        self.random = Random(seed)
        self.now_s = 1000.0
        self.core = LessonMedia(lambda: self.random.getrandbits(32), EPOCH_S - 1000.0, "room")
        self.archive = open_recording(root, EPOCH_S, self.feedback)
        self.core.add_receiver(SessionId("recorder"), ParticipantId(""), self, [], self.now_s, follow_all=True)
        self.publisher: Publisher | None = None
        self._known: set[int] = set()
        self._feedback: list[bytes] = []
        self._plan: list[tuple[float, int, object]] = []
        self._count = count()

    def unix(self, now_s: float) -> float:
        return now_s + EPOCH_S - 1000.0

    def at(self, at_s: float, call, *arguments) -> None:
        heapq.heappush(self._plan, (at_s, next(self._count), (call, arguments)))

    def arrive(self, at_s: float, session: SessionId, data: bytes) -> None:
        self.at(at_s, lambda: self.core.receive(session, data, self.now_s))

    def run(self, until_s: float) -> None:
        next_poll_s = self.now_s
        step_s = self.now_s
        while step_s < until_s:
            step_s += STEP_S
            while self._plan and self._plan[0][0] <= step_s:
                self.now_s, _, (call, arguments) = heapq.heappop(self._plan)
                call(*arguments)
            self.now_s = step_s
            self.core.handle_timeout(step_s)
            for sink, data in self.core.take_rtcp():
                sink.send_rtcp(data)
            for burst in self.core.take_bursts():
                burst.down.sink.send(burst)
            self.core.take_resends()
            self.core.take_events()
            if step_s >= next_poll_s:
                next_poll_s += POLL_S
                self.archive.advance(self.unix(step_s))
                for data in self._feedback:
                    self.core.receive(SessionId("recorder"), data, step_s)
                self._feedback.clear()

    def finish(self) -> Path:
        self.archive.finish(RecordingState.COMPLETE, self.unix(self.now_s))
        return self.archive.folder

    # --- the recorder ------------------------------------------------------------------------------------------

    def send(self, burst: Burst) -> None:
        down, packets, seq_offset, ts_offset = burst
        now_s = self.unix(self.now_s)
        if down.ssrc not in self._known:
            self._known.add(down.ssrc)
            self.archive.open_stream(down.ssrc, down.publication, down.clock_rate_hz, now_s)
        taken = [
            (
                (packet.ext_seq + seq_offset) & 0xFFFF,
                (packet.ts + ts_offset) & 0xFFFF_FFFF,
                packet.marker,
                packet.data[packet.payload_start : packet.payload_end],
                packet.captured_ntp,
            )
            for packet in packets
        ]
        self.archive.packets(down.ssrc, taken, now_s)

    def send_rtcp(self, data: bytes) -> None:
        self.archive.rtcp(data, self.unix(self.now_s))

    def resend(self, down: DownTrack, data: bytes) -> None:
        raise AssertionError("a recorder asks for nothing again")

    def close(self, reason: str) -> None:
        """The archive is finished by the test."""

    def feedback(self, data: bytes) -> None:
        self._feedback.append(data)


def stored(folder: Path, media: Media) -> list[tuple[float, int]]:
    """(time in the file, number of the frame) of what is stored, filling silence left out, by FFmpeg's reader."""
    found = []
    options = {"allowed_extensions": "ALL", "probesize": "32", "analyzeduration": "0"}
    with av.open(str(folder / "index.m3u8"), options=options) as container:
        for packet in container.demux(0):
            data = bytes(packet)
            if media.keyframe_every and data:
                at = len(data) - media.bytes_each - NUMBER.size
                found.append((float(packet.pts * packet.time_base), NUMBER.unpack_from(data, at)[0]))
            elif len(data) > 5:
                found.append((float(packet.pts * packet.time_base), NUMBER.unpack_from(data, 1)[0]))
    return found


def apart_s(one: list[tuple[float, float]], other: list[tuple[float, float]]) -> list[float]:
    """How much later ``one`` is than ``other``, at each point of it; both (time, how late)."""
    result, at = [], 0
    for time_s, late_s in one:
        while at + 1 < len(other) and other[at + 1][0] <= time_s:
            at += 1
        if abs(other[at][0] - time_s) < 2.0:
            result.append(late_s - other[at][1])
    return result


def holes_s(found: list[tuple[float, int]], usual_s: float) -> list[tuple[float, float]]:
    """The stretches without frames of their own, longer than two and a half usual frames."""
    return [(a, b) for (a, _), (b, _) in pairwise(found) if b - a > 2.5 * usual_s]
