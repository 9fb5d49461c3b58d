"""Numbering, reports and retransmission of a publication."""

from __future__ import annotations

import pytest

from classroom.capture.clock import CaptureClock
from classroom.capture.frames import CodedFrame
from classroom.capture.pacer import MAX_QUEUE_PACKETS, Pacer
from classroom.capture.sender import HISTORY_S, RtpParameters, RtpSender
from classroom.model import TrackKind
from classroom.sfu.core.ntp import ntp_to_unix, unix_to_ntp
from classroom.sfu.core.rtcp import Bye, ReportBlock, SenderReport, SourceDescription, ntp_middle, parse_rtcp
from classroom.sfu.core.rtp import header_extensions, parse_rtp


class Time:
    """A monotonic clock and a wall clock in the hand of the test."""

    def __init__(self) -> None:
        self.now_s = 5000.0

    def clock(self) -> CaptureClock:
        return CaptureClock(lambda: self.now_s, lambda: self.now_s + 1_700_000_000)


def parameters(kind: TrackKind = TrackKind.VIDEO, *, rtx: bool = True, ssrc: int = 0x1111) -> RtpParameters:
    video = kind is TrackKind.VIDEO
    return RtpParameters(
        mid="0", kind=kind, pt=96 if video else 111, clock_rate_hz=90_000 if video else 48_000, ssrc=ssrc,
        rtx_pt=97 if rtx else None, rtx_ssrc=0x2222 if rtx else None, mid_ext=1, capture_time_ext=2,
    )  # fmt: skip


def picture(capture_s: float, size: int = 5000) -> CodedFrame:
    return CodedFrame(capture_s, (b"\x65" + bytes(size),), True)


def test_a_frame_is_numbered_marked_and_carries_its_extensions_once() -> None:
    time = Time()
    clock = time.clock()
    sender = RtpSender(parameters(), clock, "c", first_seq=65534, first_ts=0xFFFF_FFF0)
    packets = [parse_rtp(data) for data in sender.packetize(picture(5000.04), 5000.1)]
    assert [packet.seq for packet in packets] == [65534, 65535, 0, 1, 2]
    assert [packet.marker for packet in packets] == [False] * 4 + [True]
    assert {packet.ts for packet in packets} == {(0xFFFF_FFF0 + 3600) & 0xFFFF_FFFF}
    extensions = dict(header_extensions(packets[0]))
    assert extensions[1] == b"0"
    assert ntp_to_unix(int.from_bytes(extensions[2], "big")) == pytest.approx(1_700_005_000.04, abs=1e-6)
    assert not any(packet.extension_start for packet in packets[1:])


def test_reports_tie_sound_and_picture_to_one_clock() -> None:
    """From SR and RTP timestamps alone a receiver must find the instants of capture again, to a tick."""
    time = Time()
    clock = time.clock()
    senders = []
    for kind, ssrc in ((TrackKind.VIDEO, 1), (TrackKind.AUDIO, 2)):
        time.now_s += 0.123
        senders.append(RtpSender(parameters(kind, ssrc=ssrc), clock, "c", first_seq=1, first_ts=ssrc * 777_777))
    captured_s = 5003.25
    for sender in senders:
        time.now_s += 0.4  # the reports are made at different times
        report, description = parse_rtcp(sender.sender_report())
        assert isinstance(report, SenderReport)
        assert description == SourceDescription({sender.parameters.ssrc: "c"})
        unit = b"\x41x" if sender.parameters.kind is TrackKind.VIDEO else b"opus"
        [data] = sender.packetize(CodedFrame(captured_s, (unit,), False), time.now_s)
        ticks = (parse_rtp(data).ts - report.rtp_ts + 2**31) % 2**32 - 2**31
        found_s = ntp_to_unix(report.ntp) + ticks / sender.parameters.clock_rate_hz
        assert found_s == pytest.approx(1_700_000_000 + captured_s, abs=3e-5)


def test_a_lost_packet_is_sent_again_as_rtx_once_in_a_round_trip() -> None:
    sender = RtpSender(parameters(), Time().clock(), "c", first_seq=10, first_ts=0)
    originals = [parse_rtp(data) for data in sender.packetize(picture(5000.0), 5000.0)]
    [again] = [parse_rtp(data) for data in sender.resend([11], 5000.1)]
    assert (again.pt, again.ssrc, again.ts) == (97, 0x2222, originals[1].ts)
    assert again.payload == (11).to_bytes(2, "big") + originals[1].payload
    assert sender.resend([11], 5000.1 + sender.rtt_s / 2) == []
    [third] = [parse_rtp(data) for data in sender.resend([11], 5000.1 + sender.rtt_s)]
    assert third.seq == again.seq + 1, "RTX is a stream with numbers of its own"
    [first] = [parse_rtp(data) for data in sender.resend([10], 5000.1)]
    assert dict(header_extensions(first))[1] == b"0"
    assert first.payload[2:] == originals[0].payload
    [last] = [parse_rtp(data) for data in sender.resend([14], 5000.1)]
    assert last.marker


def test_without_rtx_the_packet_is_sent_again_as_it_was() -> None:
    sender = RtpSender(parameters(rtx=False), Time().clock(), "c", first_seq=10, first_ts=0)
    originals = sender.packetize(picture(5000.0), 5000.0)
    assert sender.resend([12, 999], 5000.1) == [originals[2]]


def test_history_lasts_three_seconds() -> None:
    sender = RtpSender(parameters(), Time().clock(), "c", first_seq=0, first_ts=0)
    for number in range(100):
        sender.packetize(picture(5000 + number * 0.1, 100), 5000 + number * 0.1)
    now_s = 5000 + 9.9
    oldest = round((9.9 - HISTORY_S) / 0.1)
    assert len(sender.resend([oldest], now_s)) == 1
    assert sender.resend([oldest - 1], now_s) == []


def test_the_round_trip_is_taken_from_reports() -> None:
    time = Time()
    sender = RtpSender(parameters(), time.clock(), "c", first_seq=100, first_ts=0)
    sender.packetize(picture(5000.0), 5000.0)
    lsr = ntp_middle(unix_to_ntp(1_700_000_000 + 5000.0))
    time.now_s = 5000.75
    assert not sender.acknowledged
    sender.report(ReportBlock(0x1111, 64, 1, 65536 + 104, 0, lsr, round(0.5 * 65536)), time.now_s)
    assert sender.rtt_s == pytest.approx(0.25, abs=0.001)
    assert sender.fraction_lost == 0.25
    assert sender.acknowledged
    sender.packetize(picture(5000.8), 5000.8)
    assert not sender.acknowledged
    assert sender.resend([104], 5001.0) and not sender.resend([104], 5001.2), "a long way: asked again later"


def test_goodbye_names_both_streams() -> None:
    sender = RtpSender(parameters(), Time().clock(), "c", first_seq=0, first_ts=0)
    assert parse_rtcp(sender.bye())[-1] == Bye([0x1111, 0x2222])


class Timer:
    def __init__(self, loop: Loop, at_s: float, callback) -> None:  # type: ignore[no-untyped-def]
        self.loop, self.at_s, self.callback = loop, at_s, callback

    def cancel(self) -> None:
        self.loop.timers.remove(self)


class Loop:
    """call_later in virtual time."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.timers: list[Timer] = []

    def call_later(self, delay_s: float, callback) -> Timer:  # type: ignore[no-untyped-def]
        self.timers.append(Timer(self, self.now_s + delay_s, callback))
        return self.timers[-1]

    def run(self) -> None:
        while self.timers:
            timer = min(self.timers, key=lambda timer: timer.at_s)
            self.timers.remove(timer)
            self.now_s = timer.at_s
            timer.callback()


@pytest.mark.parametrize("count", [1, 8, 9, 100, 380])
def test_a_frame_leaves_within_30_ms_in_order(count: int) -> None:
    loop, sent = Loop(), []
    pacer = Pacer(loop, lambda packets: sent.append((loop.now_s, list(packets))), lambda: None)  # type: ignore[arg-type]
    packets = [number.to_bytes(2, "big") for number in range(count)]
    pacer.push(packets)
    loop.run()
    assert [packet for _, burst in sent for packet in burst] == packets
    assert pacer.idle and sent[-1][0] <= 0.030
    assert count <= 8 or max(len(burst) for _, burst in sent) < count, "not in one blast"
    assert (len(sent) == 1) == (count <= 8)


def test_a_second_frame_waits_behind_the_first() -> None:
    loop, sent = Loop(), []
    pacer = Pacer(loop, lambda packets: sent.extend(packets), lambda: None)  # type: ignore[arg-type]
    pacer.push([b"a"] * 60)
    pacer.push([b"b"])
    loop.run()
    assert sent == [b"a"] * 60 + [b"b"]


def test_an_overflow_drops_everything_and_asks_for_a_keyframe() -> None:
    loop, sent, asked = Loop(), [], []
    pacer = Pacer(loop, lambda packets: sent.extend(packets), lambda: asked.append(1))  # type: ignore[arg-type]
    pacer.push([b"a"] * (MAX_QUEUE_PACKETS - 1))
    pacer.push([b"b"] * 100)
    loop.run()
    assert asked == [1] and b"b" not in sent
