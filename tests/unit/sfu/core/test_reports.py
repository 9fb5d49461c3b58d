"""Reports in both directions; aiortc reads what we build."""

import pytest
from aiortc.rtp import RtcpPacket, RtcpRrPacket, RtcpSdesPacket, RtcpSrPacket

from classroom.model import Label, ParticipantId, Publication, PublicationId, SessionId, SlotWish, TrackKind
from classroom.sfu.core import rtcp
from classroom.sfu.core.capture_clock import CaptureClock, PublisherClock
from classroom.sfu.core.down_track import DownTrack
from classroom.sfu.core.ntp import FRACTION
from classroom.sfu.core.peers import DEFAULT_RTT_S, IncomingMedia, Publisher, Receiver, Slot
from classroom.sfu.core.reports import (
    MAX_EARLY_REPORTS,
    REPORTS_IN_A_PACKET,
    answer_reference_times,
    read_reports,
    receiver_report,
    sender_reports,
)
from classroom.sfu.core.rtp import build_rtp, parse_rtp
from classroom.sfu.core.up_track import UpTrack

NTP_S = 3_900_000_000.0


def publisher(count: int = 1) -> Publisher:
    made = Publisher(SessionId("s"), ParticipantId("t"), None, [], str, ssrc=99)
    for number in range(count):
        media = IncomingMedia(str(number), TrackKind.VIDEO, Label.CAMERA, 96, 90_000, ssrc=number)
        media.encodings[0].track = up_track(made.clock, number)
        made.media.append(media)
    return made


def up_track(clock: PublisherClock, ssrc: int) -> UpTrack:
    publication = Publication(PublicationId("p"), ParticipantId("t"), Label.CAMERA, TrackKind.VIDEO, "camera")
    return UpTrack(publication, ssrc, 90_000, CaptureClock(clock, 90_000), nack=True)


def fed(up: UpTrack, count: int = 1) -> UpTrack:
    for seq in range(count):
        packet = parse_rtp(build_rtp(pt=96, seq=seq, ts=90_000, ssrc=up.ssrc, payload=b"\x41"))
        up.receive(packet, 5.0, NTP_S)
    return up


def down_track(up: UpTrack | None, ssrc: int = 7) -> DownTrack:
    down = DownTrack(None, ssrc=ssrc, pt=96, clock_rate_hz=90_000, first_ts=1000)
    if up is not None and up.fresh:
        down.start(up, up.fresh[:1], 5.0)
    return down


def test_a_sender_report_for_each_track_that_has_begun():
    up = fed(up_track(PublisherClock(), 1))
    one, two, waiting, empty = down_track(up, 7), down_track(up, 8), down_track(None, 9), down_track(None, 10)
    one.packets, one.octets, waiting.next_up = 5, 500, up
    (report,) = sender_reports([empty, one, waiting, two], "the server", NTP_S + 2.0)
    packets = RtcpPacket.parse(report)
    assert [type(p) for p in packets] == [RtcpSrPacket, RtcpSrPacket, RtcpSdesPacket]
    assert [p.ssrc for p in packets[:2]] == [7, 8]
    info = packets[0].sender_info
    assert info.ntp_timestamp == int((NTP_S + 2.0) * FRACTION)
    assert info.rtp_timestamp == 1000 + 2 * 90_000  # two seconds after the first picture, which left at 1000
    assert (info.packet_count, info.octet_count) == (5, 500)
    assert packets[2].chunks[0].ssrc == 7 and packets[2].chunks[0].items == [(1, b"the server")]


def test_nothing_to_report():
    up = up_track(PublisherClock(), 1)
    unknown = down_track(up)
    unknown.up = up  # but no packet has told the time
    assert list(sender_reports([unknown, down_track(None)], "c", NTP_S)) == []


def test_reports_of_many_slots_each_fit_a_datagram_and_none_is_left_out():
    up = fed(up_track(PublisherClock(), 1))
    reports = list(sender_reports([down_track(up, ssrc) for ssrc in range(100, 164)], "c" * 16, NTP_S + 1))
    assert len(reports) == -(-64 // REPORTS_IN_A_PACKET) and max(map(len, reports)) < 1200
    packets = [packet for report in reports for packet in RtcpPacket.parse(report)]
    assert [p.ssrc for p in packets if isinstance(p, RtcpSrPacket)] == list(range(100, 164))


def test_a_report_in_the_second_era_of_ntp():
    up = fed(up_track(PublisherClock(), 1))
    (report,) = sender_reports([down_track(up)], "c", 2.0**32 + 5)
    (sender, _) = RtcpPacket.parse(report)
    assert sender.sender_info.ntp_timestamp == 5 * FRACTION


def test_a_receiver_report_tells_of_all_streams_and_asks_for_the_round_trip():
    made = publisher(2)
    fed(made.media[0].encodings[0].track, 3)
    made.media[1].encodings[0].track = None
    data = receiver_report(made, "c", 5.0, NTP_S)
    receiver, names = RtcpPacket.parse(data)[:2]
    assert isinstance(receiver, RtcpRrPacket) and receiver.ssrc == 99
    assert [(r.ssrc, r.highest_sequence, r.packets_lost) for r in receiver.reports] == [(0, 2, 0)]
    assert names.chunks[0].ssrc == 99
    assert rtcp.parse_rtcp(data)[-1] == rtcp.ReferenceTime(99, int(NTP_S * FRACTION))


def test_a_receiver_report_has_room_for_31_streams():
    made = publisher(40)
    report = rtcp.parse_rtcp(receiver_report(made, "c", 5.0, NTP_S))[0]
    assert len(report.blocks) == 31


def test_a_sender_report_ties_the_stream_to_our_clock_and_is_echoed():
    made = publisher()
    track = fed(made.media[0].encodings[0].track)
    report = rtcp.SenderReport(0, int(1000.5 * FRACTION), 45_000, 1, 1)
    assert read_reports(made, [report], 6.0, NTP_S) == set()
    assert track.clock.captured_s(45_000) == pytest.approx(NTP_S)
    assert track.reception.block(6.5).lsr == rtcp.ntp_middle(report.ntp)
    assert track.reception.block(6.5).dlsr == 32768


def test_reports_ahead_of_the_media_are_kept_within_bounds():
    made = publisher(0)
    for ssrc in range(2 * MAX_EARLY_REPORTS):
        read_reports(made, [rtcp.SenderReport(ssrc, 1, ssrc, 0, 0)], 6.0, NTP_S)
    assert len(made.early_reports) == MAX_EARLY_REPORTS and made.clock.era is not None


def test_a_later_early_report_replaces_the_former():
    made = publisher(0)
    for rtp_ts in (1, 2):
        read_reports(made, [rtcp.SenderReport(5, FRACTION * rtp_ts, rtp_ts, 0, 0)], 6.0, NTP_S)
    assert made.early_reports[5][:2] == (2, 2.0)


def middle(ntp_s: float) -> int:
    return int(ntp_s * 65536) & 0xFFFF_FFFF


def receiver() -> Receiver:
    return Receiver(SessionId("r"), ParticipantId("v"), None, [], 0.0)


@pytest.mark.parametrize("kind", ["RR", "SR"])
def test_round_trip_and_loss_of_a_receiver(kind):
    blocks = [
        rtcp.ReportBlock(7, 64, 3, 0, 0, middle(NTP_S - 1), middle(0.75)),
        rtcp.ReportBlock(8, 128, 3, 0, 0, middle(NTP_S - 1), middle(0.75)),
    ]
    report = rtcp.ReceiverReport(1, blocks) if kind == "RR" else rtcp.SenderReport(1, 0, 0, 0, 0, blocks)
    made = receiver()
    read_reports(made, [report], 6.0, NTP_S)
    assert made.rtt_s == pytest.approx(0.25, abs=1e-4) and made.fraction_lost == 0.5


def test_reports_that_echo_nothing_leave_the_round_trip_alone():
    made = receiver()
    read_reports(made, [rtcp.ReceiverReport(1, []), rtcp.ReceiverReport(1, [rtcp.ReportBlock(7, 0, 0, 0, 0, 0, 0)])],
                 6.0, NTP_S)  # fmt: skip
    assert made.rtt_s == DEFAULT_RTT_S and made.fraction_lost == 0.0


def test_the_round_trip_to_a_publisher_comes_from_dlrr():
    made = publisher()
    read_reports(made, [rtcp.DelaySinceLastRr(1, 99, middle(NTP_S - 0.5), middle(0.25))], 6.0, NTP_S)
    assert made.rtt_s == pytest.approx(0.25, abs=1e-4)
    read_reports(made, [rtcp.ReceiverReport(1, [rtcp.ReportBlock(7, 255, 0, 0, 0, 0, 0)])], 6.0, NTP_S)
    assert made.rtt_s == pytest.approx(0.25, abs=1e-4)


def test_who_said_bye_and_what_is_none_of_our_business():
    packets = [rtcp.Bye([1, 2]), rtcp.SourceDescription({}), rtcp.Remb(1, 1, []), rtcp.Bye([3])]
    assert read_reports(receiver(), packets, 6.0, NTP_S) == {1, 2, 3}


def test_reference_times_are_answered():
    packets = [rtcp.ReferenceTime(5, 0x0123_4567_89AB_CDEF), rtcp.Bye([1])]
    (answer,) = answer_reference_times(9, packets)
    assert rtcp.parse_rtcp(answer) == [
        rtcp.ReceiverReport(9, []), rtcp.DelaySinceLastRr(9, 5, 0x4567_89AB, 0),
    ]  # fmt: skip


def test_losses_of_sound_ask_for_redundancy():
    downs = [DownTrack(None, ssrc=n, pt=111, clock_rate_hz=48_000, red_pt=63 if n == 8 else None) for n in (7, 8)]
    peer = Receiver(
        SessionId("r"), ParticipantId("v"), None, [Slot(TrackKind.AUDIO, SlotWish.SPEAKER, down) for down in downs], 0.0
    )
    blocks = [rtcp.ReportBlock(ssrc, 40, 0, 0, 0, 0, 0) for ssrc in (7, 8, 9)]
    read_reports(peer, [rtcp.ReceiverReport(1, blocks)], 0.0, NTP_S)
    assert downs[1].redundancy.distances == (2, 5, 9) and downs[0].redundancy is None
