"""What LessonMedia tells and is told by RTCP and header extensions, call by call."""

import pytest

from classroom.model import Label, ParticipantId, SessionId, SlotWish, TrackKind
from classroom.sfu.core import rtcp
from classroom.sfu.core.assignment import Direction
from classroom.sfu.core.down_track import DownTrack
from classroom.sfu.core.downlink import Downlink
from classroom.sfu.core.events import LinkMeasured
from classroom.sfu.core.lesson import MAX_NACK_SEQS, MEASURE_INTERVAL_S, REPORT_INTERVAL_S, TICK_S
from classroom.sfu.core.nack import REORDER_GRACE_S
from classroom.sfu.core.peers import RESEND_BURST_BYTES, RESEND_RATE_BPS, IncomingMedia, Slot
from classroom.sfu.core.rtp import build_extensions, build_rtp
from classroom.sfu.core.send_log import SendLog
from classroom.sfu.core.twcc import TransportFeedback, build_transport_feedback
from classroom.sfu.core.up_track import DIRECTED_SPACING_S, SPACING_S, URGENT_SPACING_S
from tests.unit.sfu.core.lesson_calls import (
    DOWN,
    IDR,
    SINK,
    SLICE,
    UP,
    drained,
    feed,
    feedback,
    frame,
    lesson,
    with_publisher,
    with_receiver,
)

LEVEL_EXT, TWCC_EXT = 1, 3


def stamped(seq: int, ssrc: int, pt: int, ext_id: int, value: bytes, payload: bytes = b"sound") -> bytes:
    return build_rtp(
        pt=pt, seq=seq, ts=seq * 960, ssrc=ssrc, payload=payload, extensions=build_extensions([(ext_id, value)])
    )


def test_a_report_precedes_the_first_packet():
    media = with_publisher()
    down = with_receiver(media)
    feed(media, frame(1, IDR))
    ((sink, data),) = media.take_rtcp()
    report, names = rtcp.parse_rtcp(data)
    assert sink is SINK and report.ssrc == down.ssrc and names.cnames == {9: "sfu"}
    assert report.packets == 0


def test_holes_are_asked_for_when_the_timer_says_so():
    media = with_publisher()
    feed(media, frame(1, IDR), frame(4))
    media.handle_timeout(0.0)
    assert media.next_timeout() == REORDER_GRACE_S
    media.handle_timeout(REORDER_GRACE_S)
    (nack,) = feedback(media)
    assert (nack.media_ssrc, nack.seqs) == (77, [2, 3])


def test_many_holes_are_asked_for_in_packets_that_fit_a_datagram():
    media = with_publisher()
    feed(media, *(frame(seq) for seq in range(0, 800, 2)))
    media.handle_timeout(0.05)
    nacks = [data for _, data in media.take_rtcp() if data[1] == rtcp.RTPFB]
    assert len(nacks) == 2 and all(len(data) <= 1200 for data in nacks)
    assert sum(len(rtcp.parse_rtcp(data)[0].seqs) for data in nacks) == 399 > MAX_NACK_SEQS


def test_a_jump_has_a_keyframe_asked_for():
    media = with_publisher()
    feed(media, frame(1, IDR), frame(5000))
    media.handle_timeout(0.05)
    assert rtcp.PictureLoss not in [type(p) for p in feedback(media)], "one has just come"
    media.handle_timeout(URGENT_SPACING_S)
    assert rtcp.PictureLoss in [type(p) for p in feedback(media)]


@pytest.mark.parametrize(
    ("every_layer", "spacing_s"),
    [
        pytest.param(True, DIRECTED_SPACING_S, id="another worker, which keeps the distance itself"),
        pytest.param(False, SPACING_S, id="a sink that lost a picture"),
    ],
)
def test_who_follows_all_has_a_keyframe_asked_for(every_layer, spacing_s):
    media = with_publisher()
    media.add_receiver(DOWN, ParticipantId(""), SINK, [], 0.0, follow_all=True, every_layer=every_layer)
    feed(media, frame(1, IDR), frame(2))
    drained(media)
    (slot,) = media.receivers[DOWN].slots
    media.receive(DOWN, rtcp.build_pli(1, slot.down.ssrc), 0.1)
    media.handle_timeout(spacing_s - 0.01)
    assert rtcp.PictureLoss not in [type(p) for p in feedback(media)]
    media.handle_timeout(spacing_s)
    assert rtcp.PictureLoss in [type(p) for p in feedback(media)]


def test_what_the_teacher_directs_does_not_wait_as_long_as_what_a_link_does():
    """A keyframe of 0.4 s ago is too old for the cache: who is called on is not to wait for the end of a second."""
    media = with_publisher()
    down = with_receiver(media)
    down.realtime = False  # nothing of the past: as if it were too large for the path
    other = IncomingMedia("0", TrackKind.VIDEO, Label.CAMERA, 96, 90_000, ssrc=78)
    media.add_publisher(SessionId("east"), ParticipantId("east"), SINK, [other], lambda label: f"{label}-east", 0.0)
    feed(media, frame(1, IDR))
    media.receive(SessionId("east"), frame(1, IDR, ssrc=78), 0.0)
    feed(media, frame(2), now=0.4)
    feedback(media)
    media.direct(Direction("camera-east"), 0.4)
    media.handle_timeout(0.4)
    assert [p.media_ssrc for p in feedback(media) if isinstance(p, rtcp.PictureLoss)] == [78]


def test_reports_are_due_every_second():
    media = with_publisher()
    with_receiver(media)
    feed(media, frame(1, IDR))
    feedback(media)
    media.handle_timeout(REPORT_INTERVAL_S)
    kinds = [type(packet) for packet in feedback(media)]
    assert kinds == [
        rtcp.ReceiverReport, rtcp.SourceDescription, rtcp.ReferenceTime, rtcp.SenderReport, rtcp.SourceDescription,
    ]  # fmt: skip
    media.handle_timeout(REPORT_INTERVAL_S + TICK_S)
    assert feedback(media) == []


def test_nack_of_a_receiver():
    media = with_publisher()
    down = with_receiver(media)
    feed(media, frame(1, IDR), frame(2))
    drained(media)
    media.receive(DOWN, rtcp.build_nack(1, down.ssrc, [0, 1, 2]) + rtcp.build_nack(1, 555, [0]), 0.5)
    resends = media.take_resends()
    assert [(to is down, int.from_bytes(data[2:4], "big")) for to, data in resends] == [(True, 0), (True, 1)]
    media.receive(DOWN, rtcp.build_nack(1, down.ssrc, [0]), 0.51)
    assert media.take_resends() == []  # less than a round trip ago


def test_picture_loss_of_what_is_empty_or_unknown():
    media = with_publisher()
    down = with_receiver(media, SlotWish.SLIDES)
    media.receive(DOWN, rtcp.build_pli(1, down.ssrc) + rtcp.build_pli(1, 12345), 0.5)
    media.handle_timeout(0.5)
    assert [p for p in feedback(media) if isinstance(p, rtcp.PictureLoss)] == []


def test_picture_loss_while_waiting_is_no_second_wish():
    media = with_publisher()
    down = with_receiver(media)
    feed(media, frame(1))
    media.receive(DOWN, rtcp.build_pli(1, down.ssrc), 0.0)
    media.handle_timeout(0.0)
    media.receive(DOWN, rtcp.build_pli(1, down.ssrc), 0.1)
    media.handle_timeout(0.1)
    assert [type(p) for p in feedback(media)].count(rtcp.PictureLoss) == 1


def test_reports_that_came_before_the_media_are_used():
    media = with_publisher()
    early = rtcp.SenderReport(77, 1000 << 32, 3000, 0, 0)
    media.receive(UP, rtcp.build_sr(early), 5.0)
    feed(media, frame(1, IDR), now=9.0)
    (up,) = media.tracks()
    assert up.clock.captured_s(3000) == pytest.approx(5.0 + 1_700_000_000.0 + 2_208_988_800, abs=1e-5)


def test_feedback_to_a_publisher_that_also_asks_for_the_time():
    media = with_publisher()
    media.receive(UP, rtcp.build_rrtr(5, 7 << 16), 0.0)
    assert feedback(media)[1].lrr == 7


def test_nacks_cannot_draw_more_than_their_share():
    media = with_publisher()
    with_receiver(media)
    feed(media, frame(0, IDR + bytes(1000)), *(frame(seq, SLICE + bytes(1000)) for seq in range(1, 200)))
    drained(media)
    drawn = 0
    for number in range(1000):  # ten seconds of asking for everything, a hundred times a second
        now = number / 100
        seqs = [(down_seq) & 0xFFFF for down_seq in range(200)]
        media.receive(DOWN, rtcp.build_nack(1, 9, seqs), now)
        drawn += sum(len(data) for _, data in media.take_resends())
    allowed = RESEND_BURST_BYTES + 10 * RESEND_RATE_BPS / 8
    assert 0.9 * allowed < drawn < 1.1 * allowed


def test_arrivals_are_told_to_whoever_numbers_its_packets():
    media = with_publisher(twcc_ext=TWCC_EXT)
    for seq in range(5):
        feed(media, stamped(seq, 77, 96, TWCC_EXT, (700 + seq).to_bytes(2, "big"), SLICE), now=seq / 100)
    feed(media, stamped(5, 77, 96, TWCC_EXT, b"?", SLICE), frame(6), now=0.05)  # no number
    assert media.next_timeout() <= 0.1
    media.handle_timeout(0.1)
    (told,) = [packet for packet in feedback(media) if isinstance(packet, TransportFeedback)]
    assert (told.base_seq, len(told.arrivals)) == (700, 5)


def test_sound_whose_level_is_not_said_is_sound():
    media = lesson()
    section = IncomingMedia("0", TrackKind.AUDIO, Label.MIC, 111, 48_000, ssrc=7, audio_level_ext=LEVEL_EXT)
    media.add_publisher(UP, ParticipantId("t"), SINK, [section], str, 0.0)
    for seq in range(2):
        media.receive(UP, stamped(seq, 7, 111, LEVEL_EXT + 1, b"?"), 0.0)
    assert media.unroutable == media.malformed == 0 and section.layers[0].highest & 0xFFFF == 1


def test_a_level_that_is_empty_is_none():
    """The two-byte form (RFC 8285 §4.3) has elements of no bytes."""
    media = lesson()
    section = IncomingMedia("0", TrackKind.AUDIO, Label.MIC, 111, 48_000, ssrc=7, audio_level_ext=LEVEL_EXT)
    media.add_publisher(UP, ParticipantId("t"), SINK, [section], str, 0.0)
    empty = b"\x10\x00\x00\x01" + bytes((LEVEL_EXT, 0, 0, 0))
    for seq in range(2):
        media.receive(UP, build_rtp(pt=111, seq=seq, ts=seq * 960, ssrc=7, payload=b"opus", extensions=empty), 0.0)
    assert section.layers[0].highest & 0xFFFF == 1


def test_the_loudest_of_the_floor_is_played():
    media = lesson()
    slot = Slot(TrackKind.AUDIO, SlotWish.SPEAKER, DownTrack(SINK, ssrc=9, pt=111, clock_rate_hz=48_000))
    media.add_receiver(DOWN, ParticipantId("v"), SINK, [slot], 0.0)
    for number, name in enumerate(("east", "west")):
        section = IncomingMedia("0", TrackKind.AUDIO, Label.MIC, 111, 48_000, ssrc=number, audio_level_ext=LEVEL_EXT)
        media.add_publisher(SessionId(name), ParticipantId(name), SINK, [section], lambda _, n=name: f"mic-{n}", 0.0)
    media.direct(Direction(floor=frozenset({ParticipantId("east"), ParticipantId("west")})), 0.0)
    for n in range(200):
        now = n / 50
        for number, (name, level) in enumerate((("east", 90 if n > 100 else 20), ("west", 25))):
            media.receive(SessionId(name), stamped(n, number, 111, LEVEL_EXT, bytes((level,))), now)
        media.receive(SessionId("east"), build_rtp(pt=111, seq=1000 + n, ts=0, ssrc=50 + n, payload=b"x"), now)
        media.handle_timeout(now)
        if n == 100:
            assert slot.media.publication.name == "mic-east"
    assert slot.media.publication.name == "mic-west"


def test_what_a_receiver_estimates_itself_counts_where_arrivals_are_not_told():
    media = with_publisher()
    downlink = Downlink(SendLog())
    down = DownTrack(SINK, ssrc=9, pt=102, clock_rate_hz=90_000)
    media.add_receiver(
        DOWN, ParticipantId("v"), SINK, [Slot(TrackKind.VIDEO, SlotWish.PROGRAMME, down)], 0.0, downlink=downlink
    )
    remb = bytes.fromhex("8fce0005 00000001 00000000") + b"REMB" + bytes.fromhex("01 0649f0 00000009")  # 300 kbit/s
    media.receive(DOWN, rtcp.build_rr(1, []) + remb, 0.1)
    assert downlink.estimate_bps == pytest.approx(300_000, rel=0.01)
    media.receive(DOWN, rtcp.build_rr(1, []) + remb[:-4] + b"\0\0\0\7", 0.2)  # of a stream that it does not get
    assert downlink.estimate_bps == pytest.approx(300_000, rel=0.01)


def test_a_link_that_was_measured_is_told_now_and_then():
    media = with_publisher()
    log = SendLog()
    downlink = Downlink(log)
    down = DownTrack(SINK, ssrc=9, pt=102, clock_rate_hz=90_000, rtx_ssrc=10, rtx_pt=103, twcc_ext=5, send_log=log)
    media.add_receiver(
        DOWN, ParticipantId("v"), SINK, [Slot(TrackKind.VIDEO, SlotWish.PROGRAMME, down)], 0.0, downlink=downlink
    )
    media.handle_timeout(MEASURE_INTERVAL_S)
    assert not [e for e in media.take_events() if isinstance(e, LinkMeasured)], "nothing is known yet"
    for n in range(20):
        log.add(10.0 + n / 100, 1000)
    told, _ = build_transport_feedback(1, 9, 0, 0, [int((10.05 + n / 100) * 4000) for n in range(20)])
    media.receive(DOWN, told, 10.3)
    media.handle_timeout(10.4)
    (measured,) = [e for e in media.take_events() if isinstance(e, LinkMeasured)]
    assert measured == LinkMeasured(ParticipantId("v"), downlink.estimate_bps)
    media.handle_timeout(10.6)
    assert not [e for e in media.take_events() if isinstance(e, LinkMeasured)]
    before_bps = downlink.estimate_bps
    log.add(10.6, 1000)
    for n in range(40):  # the link is dead
        media.handle_timeout(11.0 + n / 4)
    measured = [e for e in media.take_events() if isinstance(e, LinkMeasured)]
    assert measured and {e.estimate_bps for e in measured} == {before_bps}, "what it carried, not that it is dead"
    assert downlink.estimate_bps < before_bps / 4


def test_arrivals_that_nobody_asked_for_are_ignored():
    media = with_publisher()
    down = with_receiver(media)
    feed(media, frame(1, IDR))
    told, _ = build_transport_feedback(1, 9, 0, 0, [4, 8])
    media.receive(DOWN, told, 0.1)
    assert drained(media) == [([1], 1)] and down.up is not None and media.malformed == 0
