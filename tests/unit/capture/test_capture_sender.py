"""Numbering, reports and retransmission of a publication."""

from __future__ import annotations

import pytest

from classroom.capture.clock import CaptureClock
from classroom.capture.frames import CodedFrame
from classroom.capture.sender import HISTORY_S, Extensions, RtpParameters, RtpSender, Timestamps
from classroom.model import TrackKind
from classroom.sfu.core.ntp import ntp_to_unix, unix_to_ntp
from classroom.sfu.core.rtcp import ReportBlock, SenderReport, SourceDescription, ntp_middle, parse_rtcp
from classroom.sfu.core.rtp import header_extensions, parse_rtp


class Time:
    """A monotonic clock and a wall clock in the hand of the test."""

    def __init__(self) -> None:
        self.now_s = 5000.0

    def clock(self) -> CaptureClock:
        return CaptureClock(lambda: self.now_s, lambda: self.now_s + 1_700_000_000)


PLAIN = Extensions(mid=1, capture_time=2)
LAYERED = Extensions(mid=1, capture_time=2, transport_seq=3, rid=4, repaired_rid=5)


def parameters(
    kind: TrackKind = TrackKind.VIDEO, *, rtx: bool = True, ssrc: int = 0x1111, rid: str = "", extensions=PLAIN
) -> RtpParameters:
    video = kind is TrackKind.VIDEO
    return RtpParameters(
        mid="0", rid=rid, kind=kind, pt=96 if video else 111, clock_rate_hz=90_000 if video else 48_000, ssrc=ssrc,
        rtx_pt=97 if rtx else None, rtx_ssrc=0x2222 if rtx else None, extensions=extensions,
    )  # fmt: skip


def sender_of(
    given: RtpParameters, clock: CaptureClock | None = None, *, first_seq: int = 0, first_ts: int = 0
) -> RtpSender:
    clock = clock or Time().clock()
    return RtpSender(given, clock, Timestamps(given.clock_rate_hz, clock.now_s(), first_ts), "c", first_seq=first_seq)


def picture(capture_s: float, size: int = 5000) -> CodedFrame:
    return CodedFrame(capture_s, (b"\x65" + bytes(size),), True)


def test_a_frame_is_numbered_marked_and_carries_its_extensions_once() -> None:
    time = Time()
    clock = time.clock()
    sender = sender_of(parameters(), clock, first_seq=65534, first_ts=0xFFFF_FFF0)
    packets = [parse_rtp(data) for data in sender.packetize(picture(5000.04), 5000.1)]
    assert [packet.seq for packet in packets] == [65534, 65535, 0, 1, 2]
    assert [packet.marker for packet in packets] == [False] * 4 + [True]
    assert {packet.ts for packet in packets} == {(0xFFFF_FFF0 + 3600) & 0xFFFF_FFFF}
    extensions = dict(header_extensions(packets[0]))
    assert extensions[1] == b"0"
    assert ntp_to_unix(int.from_bytes(extensions[2], "big")) == pytest.approx(1_700_005_000.04, abs=1e-6)
    assert all(dict(header_extensions(packet)) == {1: b"0"} for packet in packets[1:])


def test_reports_tie_sound_and_picture_to_one_clock() -> None:
    """From SR and RTP timestamps alone a receiver must find the instants of capture again, to a tick."""
    time = Time()
    clock = time.clock()
    senders = []
    for kind, ssrc in ((TrackKind.VIDEO, 1), (TrackKind.AUDIO, 2)):
        time.now_s += 0.123
        senders.append(sender_of(parameters(kind, ssrc=ssrc), clock, first_seq=1, first_ts=ssrc * 777_777))
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
    sender = sender_of(parameters(), first_seq=10)
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
    sender = sender_of(parameters(rtx=False), first_seq=10)
    originals = sender.packetize(picture(5000.0), 5000.0)
    assert sender.resend([12, 999], 5000.1) == [originals[2]]


def test_history_lasts_three_seconds() -> None:
    sender = sender_of(parameters(), first_seq=0)
    for number in range(100):
        sender.packetize(picture(5000 + number * 0.1, 100), 5000 + number * 0.1)
    now_s = 5000 + 9.9
    oldest = round((9.9 - HISTORY_S) / 0.1)
    assert len(sender.resend([oldest], now_s)) == 1
    assert sender.resend([oldest - 1], now_s) == []


def test_the_round_trip_is_taken_from_reports() -> None:
    time = Time()
    sender = sender_of(parameters(), time.clock(), first_seq=100)
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


def test_it_is_complete_when_a_report_names_the_last_packet_and_none_is_missing_before_it() -> None:
    sender = sender_of(parameters(), first_seq=100)
    assert sender.complete
    sender.packetize(picture(5000.0), 5000.0)
    last = 65536 + sender.highest_ext_seq
    for lost, highest, acknowledged, complete in (
        (0, last - 1, False, False), (1, last, True, False), (0, last, True, True), (-1, last, True, True)
    ):  # fmt: skip
        sender.report(ReportBlock(0x1111, 0, lost, highest, 0, 0, 0), 5000.5)
        assert (sender.acknowledged, sender.complete) == (acknowledged, complete)


def test_what_has_been_missing_for_longer_than_packets_are_remembered_is_not_waited_for() -> None:
    sender = sender_of(parameters(), first_seq=100)
    sender.packetize(picture(5000.0), 5000.0)

    def told(lost: int, now_s: float) -> bool:
        sender.report(ReportBlock(0x1111, 0, lost, 65536 + sender.highest_ext_seq, 0, 0, 0), now_s)
        return sender.complete

    assert [told(2, 5000.0 + each) for each in range(4)] == [False, False, False, True]
    assert not told(3, 5004.0), "one more, which can still be sent again"
    assert told(2, 5005.0)
    assert not told(3, 5006.0)
    # The receiver counts one too many: what it took for the first packet was not.
    assert [told(-1, 5010.0 + each) for each in range(5)][-1]
    assert not told(0, 5015.0)


def test_its_ssrcs_are_those_of_the_stream_and_of_what_is_sent_again() -> None:
    assert sender_of(parameters()).ssrcs == [0x1111, 0x2222]
    assert sender_of(parameters(rtx=False)).ssrcs == [0x1111]


def reported(sender: RtpSender, ext_seq: int = 0) -> None:
    sender.report(ReportBlock(sender.parameters.ssrc, 0, 0, ext_seq, 0, 0, 0), 5000.0)


def test_every_packet_names_its_layer_until_the_server_reports_on_it() -> None:
    """RFC 8852: a server that has lost the first packet knows the stream from the second."""
    sender = sender_of(parameters(rid="m", extensions=LAYERED))
    packets = [parse_rtp(data) for data in sender.packetize(picture(5000.0), 5000.0)]
    for packet in packets:
        extensions = list(header_extensions(packet))
        assert extensions[0] == (3, b"\0\0"), "the transport-wide number comes first: it is filled in at a fixed place"
        assert dict(extensions)[1] == b"0" and dict(extensions)[4] == b"m"
        assert 5 not in dict(extensions)
    reported(sender)
    keyframe = [parse_rtp(data) for data in sender.packetize(picture(5000.1), 5000.1)]
    assert dict(header_extensions(keyframe[0]))[4] == b"m", "a server that has forgotten a silent stream"
    delta = [parse_rtp(data) for data in sender.packetize(CodedFrame(5000.2, (b"\x41" + bytes(3000),), False), 5000.2)]
    for packet in [*keyframe[1:], *delta[1:]]:
        assert set(dict(header_extensions(packet))) == {3}
    assert set(dict(header_extensions(delta[0]))) == {2, 3}


def test_rtx_says_which_layer_it_repairs() -> None:
    sender = sender_of(parameters(rid="m", extensions=LAYERED))
    sender.packetize(picture(5000.0), 5000.0)
    reported(sender)
    [first, second] = [dict(header_extensions(parse_rtp(data))) for data in sender.resend([0, 1], 5000.1)]
    assert (second[5], second[1], second[3]) == (b"m", b"0", b"\0\0")
    assert 4 not in second and 2 not in second
    assert 2 in first, "the time of capture is in the packet that had it"


def test_layers_of_a_picture_have_one_timestamp() -> None:
    clock = Time().clock()
    timestamps = Timestamps(90_000, 4999.5, 77)
    captured_s = 5000.033_333
    seen = set()
    for number, rid in enumerate("hml"):
        given = parameters(rid=rid, ssrc=number + 1, extensions=LAYERED)
        sender = RtpSender(given, clock, timestamps, "c", first_seq=number * 999)
        seen |= {parse_rtp(data).ts for data in sender.packetize(picture(captured_s), 5000.1)}
    assert seen == {77 + round(0.533_333 * 90_000)}


def test_the_largest_packet_fits_into_an_ipv6_path_of_1280_bytes() -> None:
    sender = sender_of(parameters(rid="m", extensions=LAYERED))
    srtp_tag, udp, ipv6 = 16, 8, 40
    packets = sender.packetize(picture(5000.0, 50_000), 5000.0)
    packets += sender.resend(range(len(packets)), 5000.1)
    assert max(map(len, packets)) + srtp_tag + udp + ipv6 <= 1280


def test_the_level_of_a_voice_is_told_where_it_is_known() -> None:
    sender = sender_of(parameters(TrackKind.AUDIO, rtx=False, extensions=Extensions(mid=1, audio_level=6)))
    [loud] = sender.packetize(CodedFrame(5000.0, (b"opus",), True, 17), 5000.0)
    [unknown] = sender.packetize(CodedFrame(5000.02, (b"opus",), True), 5000.02)
    assert dict(header_extensions(parse_rtp(loud)))[6] == b"\x11"
    assert 6 not in dict(header_extensions(parse_rtp(unknown)))
    assert sender.resend([0], 5000.1) == [loud], "byte for byte: the same number may not be encrypted in two ways"


def test_the_latest_packets_are_repeated_to_probe() -> None:
    sender = sender_of(parameters(rid="m", extensions=LAYERED))
    originals = [parse_rtp(data) for data in sender.packetize(picture(5000.0, 20_000), 5000.0)]
    probes = [parse_rtp(data) for data in sender.repeat_latest(5000)]
    assert [probe.payload[2:] for probe in probes] == [packet.payload for packet in originals[:-6:-1]]
    assert {probe.ssrc for probe in probes} == {0x2222}
    assert len(sender.repeat_latest(1 << 20)) == len(originals)
    assert sender_of(parameters(rtx=False)).repeat_latest(100) == []


@pytest.mark.parametrize("rtx", [True, False])
def test_the_very_last_packet_is_repeated(rtx: bool) -> None:
    sender = sender_of(parameters(rtx=rtx))
    assert sender.repeat_last() == []
    last = sender.packetize(picture(5000.0, 20_000), 5000.0)[-1]
    [again] = sender.repeat_last()
    assert (parse_rtp(again).ssrc, parse_rtp(again).marker) == (0x2222 if rtx else 0x1111, True)
    assert parse_rtp(again).payload[2 * rtx :] == parse_rtp(last).payload
