"""A whole lesson under sequences of packets that a fuzzer chooses; what must hold whatever comes."""

from __future__ import annotations

import random
import struct
from typing import TYPE_CHECKING

from classroom.model import Label, ParticipantId, SessionId, SlotWish, TrackKind
from classroom.sfu.core import rtcp
from classroom.sfu.core.assignment import Direction
from classroom.sfu.core.down_track import DownTrack
from classroom.sfu.core.downlink import Downlink
from classroom.sfu.core.lesson import LessonMedia
from classroom.sfu.core.nack import MAX_MISSING
from classroom.sfu.core.pacer import MAX_QUEUE_BYTES
from classroom.sfu.core.pause import PauseResume, PauseType, build_pause
from classroom.sfu.core.peers import RESEND_BURST_BYTES, RESEND_RATE_BPS, IncomingMedia, Slot
from classroom.sfu.core.reports import MAX_EARLY_REPORTS
from classroom.sfu.core.rtp import build_extensions, build_rtp, parse_rtp
from classroom.sfu.core.send_log import SendLog
from classroom.sfu.core.twcc import build_transport_feedback
from tests.fuzz.choices import Choices

if TYPE_CHECKING:
    from collections.abc import Sequence

PAYLOADS = (
    b"\x67\x42", b"\x65\x91", b"\x41\x9a", b"\x7c\x85\x91", b"\x7c\x05\x01", b"\x7c\x45\x02", b"\x5c\x81\x91",
    b"\x78\x00\x02\x67\x42\x00\x02\x68\xce", b"\x78\x00\x00", b"\x06\x05\x01", b"",
)  # fmt: skip
TEACHER, VILLAGE = SessionId("teacher"), SessionId("village")  # two publishers
SCREEN, FAR, RECORDER = SessionId("screen"), SessionId("far"), SessionId("recorder")  # FAR has a path that is measured
SESSIONS = (TEACHER, VILLAGE, SCREEN, FAR, RECORDER)
DOWN_SSRCS = (9, 10, 11, 12)
TWCC, MID, RID, RRID, LEVEL = 3, 4, 5, 6, 7  # header extensions
RIDS = ("h", "m", "l")
STEPS = 200
# What one datagram of at most 1500 bytes may lead to at once, a retransmission apart.
MAX_ANSWERS = 1500


class Watched:
    """A sink that looks at everything: well formed, no number used for two packets."""

    def __init__(self) -> None:
        self.view = memoryview(bytearray(4096))
        self.left: dict[tuple[int, int], tuple[int, bytes]] = {}
        self.resent_bytes = 0
        self.now = 0.0

    def send(self, burst) -> None:
        for packet in burst.packets:
            size = burst.down.write(packet, burst.seq_offset, burst.ts_offset, self.view, 0)
            written = parse_rtp(bytes(self.view[:size]))
            assert written.ssrc == burst.down.ssrc and written.payload == packet.payload
            if burst.down.send_log is not None:
                burst.down.send_log.add(self.now, size)
            self._keep(written.ssrc, packet.ext_seq + burst.seq_offset, written.ts, written.payload)

    def _keep(self, ssrc: int, ext_seq: int, ts: int, payload: bytes) -> None:
        assert self.left.setdefault((ssrc, ext_seq), (ts, payload)) == (ts, payload), "one number, two packets"

    def resend(self, down, data) -> None:
        self.resent_bytes += len(data)
        if down.send_log is not None:
            down.send_log.add(self.now, len(data))
        again = parse_rtp(data)
        if again.payload_start == again.payload_end:
            return  # padding that measures the path
        seqs = {ext_seq & 0xFFFF for ssrc, ext_seq in self.left if ssrc == down.ssrc}
        assert (again.seq if again.ssrc == down.ssrc else int.from_bytes(again.payload[:2], "big")) in seqs

    def send_rtcp(self, data) -> None:
        assert len(data) <= 1500 and rtcp.parse_rtcp(data)

    def close(self, reason: str) -> None:
        raise AssertionError("the core closes nobody")


class Play:
    """One lesson and what has been chosen so far."""

    def __init__(self) -> None:
        rng = random.Random(1)
        self.media = LessonMedia(lambda: rng.getrandbits(32), 1_700_000_000.0, "sfu")
        self.sinks = {session: Watched() for session in SESSIONS}
        self.now = 100.0
        self.seqs = {1: 65_530, 3: 65_500, 5: 7}
        self.ts = 2**32 - 9000
        self.joined_s = self.now
        self.log = SendLog()
        for session in SESSIONS:
            self.join(session)

    def join(self, session: SessionId) -> None:
        sink = self.sinks[session]
        if session == TEACHER:
            incoming = [
                IncomingMedia(
                    "0", TrackKind.VIDEO, Label.CAMERA, 96, 90_000, rtx_pt=97, ssrc=1, nack=True, mid_ext=MID,
                    twcc_ext=TWCC,
                ),
                IncomingMedia("1", TrackKind.AUDIO, Label.MIC, 111, 48_000, mid_ext=MID, audio_level_ext=LEVEL),
            ]  # fmt: skip
            self.media.add_publisher(session, ParticipantId(session), sink, incoming, str, self.now)
        elif session == VILLAGE:  # in layers; its SSRCs come to be known by MID and RID, and may be the teacher's
            incoming = [
                IncomingMedia(
                    "0", TrackKind.VIDEO, Label.CAMERA, 96, 90_000, rtx_pt=97, rids=RIDS, nack=True, pause=True,
                    mid_ext=MID, rid_ext=RID, rrid_ext=RRID,
                ),
                IncomingMedia("1", TrackKind.AUDIO, Label.MIC, 111, 48_000, mid_ext=MID, audio_level_ext=LEVEL),
            ]  # fmt: skip
            self.media.add_publisher(session, ParticipantId(session), sink, incoming, str, self.now)
        elif session in (SCREEN, FAR):
            sink.left.clear()
            sink.resent_bytes = 0
            log, far = SendLog(), session == FAR
            if far:
                self.log = log
            else:
                self.joined_s = self.now
            downlink: Downlink | None = Downlink(log) if far else None
            downs = [
                DownTrack(
                    sink, ssrc=12 if far else 10, pt=111, clock_rate_hz=48_000, first_seq=1, red_pt=63 if far else None
                ),
                DownTrack(
                    sink, ssrc=11 if far else 9, pt=102, clock_rate_hz=90_000, rtx_ssrc=19, rtx_pt=103,
                    capture_time_ext=3, playout_delay_ext=6, first_seq=65_000, first_ts=2**32 - 20_000,
                    twcc_ext=1 if far else 0, send_log=log if far else None,
                ),
            ]  # fmt: skip
            wishes = (SlotWish.SPEAKER, SlotWish.FLOOR) if far else (SlotWish.MIC, SlotWish.PROGRAMME)
            slots = [Slot(kind, wish, down) for kind, wish, down in zip(TrackKind, wishes, downs, strict=True)]
            self.media.add_receiver(session, ParticipantId(session), sink, slots, self.now, downlink=downlink)
        else:
            self.media.add_receiver(session, ParticipantId(session), sink, [], self.now, follow_all=True)

    def receive(self, session: SessionId, data: bytes) -> None:
        before = len(self.media._rtcp)
        self.media.receive(session, data, self.now)
        assert len(self.media._rtcp) - before <= MAX_ANSWERS

    def drain(self) -> None:
        for sink in self.sinks.values():
            sink.now = self.now
        for sink, data in self.media.take_rtcp():
            sink.send_rtcp(data)
        for burst in self.media.take_bursts():
            burst.down.sink.send(burst)
        for down, data in self.media.take_resends():
            down.sink.resend(down, data)
        self.media.take_events()

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.media.handle_timeout(self.now)
        self.drain()

    def check_bounds(self) -> None:
        """Whatever came, what is kept is bounded."""
        for up in self.media.tracks():
            assert up.nack is None or len(up.nack._missing) <= MAX_MISSING
        for publisher in self.media.publishers.values():
            assert len(publisher.early_reports) <= MAX_EARLY_REPORTS
            assert len(publisher.routes._by_ssrc) <= 2 * sum(len(media.encodings) for media in publisher.media)
        for receiver in self.media.receivers.values():
            assert receiver.downlink is None or receiver.downlink.queued_bytes <= MAX_QUEUE_BYTES
        assert len(self.media.publications) <= 4
        allowed = RESEND_BURST_BYTES + RESEND_RATE_BPS / 8 * (self.now - self.joined_s) + 1500
        assert self.sinks[SCREEN].resent_bytes <= allowed

    # --- what may happen ---------------------------------------------------------------------------------------

    def media_packet(self, choices: Choices) -> None:
        how = choices.number(1)
        session = VILLAGE if how & 1 else TEACHER
        ssrc = (1, 1, 3, 5, 9, 2)[choices.below(6)] if how & 2 else (1, 3)[how >> 2 & 1]
        pt = (96, 111, 97, 50)[choices.below(4)] if how & 8 else (111 if ssrc == 3 else 96)
        seq = choices.near(self.seqs.get(ssrc, 0), 16)
        if how & 0x10:
            self.ts = choices.near(self.ts + 3000, 32)
        payload = choices.some(20) if how & 0x20 else PAYLOADS[choices.below(len(PAYLOADS))]
        if pt == 97:
            payload = struct.pack("!H", choices.near(self.seqs.get(1, 0), 16)) + payload
        elements, other_form = [], b""
        if how & 0x40:
            which = choices.number(1)
            elements += [(MID, (b"0", b"1", b"7")[which % 3])] if which & 4 else []
            elements += [(RRID if pt == 97 else RID, RIDS[(which >> 3) % 3].encode())] if which & 0x20 else []
            elements += [(TWCC, struct.pack("!H", seq)), (LEVEL, bytes([which]))] if which & 0x40 else []
            other_form = two_byte_form([(ext, choices.some(3)) for ext in (TWCC, LEVEL)]) if which & 0x80 else b""
        extensions = other_form or build_extensions(elements)
        self.seqs[ssrc] = (seq + 1) & 0xFFFF
        self.receive(
            session,
            build_rtp(
                pt=pt, seq=seq, ts=self.ts, ssrc=ssrc, payload=payload, marker=how >= 0x80, extensions=extensions
            ),
        )

    def feedback(self, choices: Choices) -> None:
        session = SESSIONS[choices.below(len(SESSIONS))]
        ssrc = (*DOWN_SSRCS, 1, 3)[choices.below(6)]
        match choices.below(11):
            case 0 | 1:
                first = choices.near(65_000, 16)
                data = rtcp.build_nack(7, ssrc, [(first + n) & 0xFFFF for n in range(1 + choices.below(64))])
            case 2:
                data = rtcp.build_pli(7, ssrc)
            case 3:
                data = rtcp.build_sr(rtcp.SenderReport(ssrc, choices.number(8), choices.number(4), 0, 0))
            case 4:
                block = rtcp.ReportBlock(ssrc, choices.number(1), -1, 0, 0, choices.number(4), choices.number(2))
                data = rtcp.build_rr(7, [block])
            case 5:
                data = rtcp.build_rr(7, []) + rtcp.build_rrtr(7, choices.number(8)) * (1 + choices.below(80))
            case 6:
                data = rtcp.build_bye([ssrc])
            case 7 | 8:
                ticks = [None if choices.below(5) == 0 else 8 * n for n in range(choices.below(30))] + [999]
                base = self.log.next_seq - len(ticks) - choices.below(3)
                data, _ = build_transport_feedback(7, ssrc, base & 0xFFFF, choices.below(256), ticks)
            case 9:
                data = build_pause(PauseResume(7, ssrc, PauseType(choices.below(4)), choices.below(256)))
            case _:
                data = struct.pack("!BBHII4sBBHI", 0x8F, 206, 5, 7, 0, b"REMB", 1, choices.number(1), 7, ssrc)
        self.receive(session, data)

    def raw(self, choices: Choices) -> None:
        self.receive(SESSIONS[choices.below(len(SESSIONS))], choices.some(80))

    def raw_rtcp(self, choices: Choices) -> None:
        kind, count, body = 200 + choices.below(8), choices.below(32), choices.some(80)
        body = body[: len(body) // 4 * 4]
        self.receive(
            SESSIONS[choices.below(len(SESSIONS))], struct.pack("!BBH", 0x80 | count, kind, len(body) // 4) + body
        )

    def direct(self, choices: Choices) -> None:
        how = choices.number(1)
        floor = frozenset(ParticipantId(s) for n, s in enumerate((TEACHER, VILLAGE)) if how >> n & 1)
        shown = [None, *self.media.publications]
        self.media.direct(Direction(shown[(how >> 2) % len(shown)], floor), self.now)

    def come_or_go(self, choices: Choices) -> None:
        session = SESSIONS[choices.below(len(SESSIONS))]
        if session in self.media.publishers or session in self.media.receivers:
            self.media.remove(session, "left", self.now)
            self.drain()
        else:
            self.join(session)


def two_byte_form(elements: Sequence[tuple[int, bytes]]) -> bytes:
    """An extension block whose elements may be empty (RFC 8285 §4.3)."""
    body = b"".join(bytes((ext_id, len(value))) + value for ext_id, value in elements)
    body += bytes(-len(body) % 4)
    return struct.pack("!HH", 0x1000, len(body) // 4) + body


def play(data: bytes) -> None:
    """Read ``data`` as what happens in a lesson; raises when something that must hold does not."""
    choices, playing = Choices(data), Play()
    for _ in range(STEPS):
        if not choices:
            break
        match choices.below(16):
            case 0 | 1 | 2 | 3 | 4 | 5 | 6:
                playing.media_packet(choices)
            case 7 | 8:
                playing.feedback(choices)
            case 9:
                playing.raw(choices)
            case 10:
                playing.raw_rtcp(choices)
            case 11:
                playing.come_or_go(choices)
            case 12:
                playing.pass_time(choices.number(1) / 10)
            case 13:
                playing.pass_time(0.02)
            case 14:
                playing.direct(choices)
            case _:
                playing.drain()
    playing.drain()
    playing.pass_time(1.0)
    playing.check_bounds()
    for session in SESSIONS:
        playing.media.remove(session, "the end", playing.now)
    playing.drain()
    assert not playing.media.publications and playing.media.next_timeout() is None
