"""LessonMedia call by call; tests/sim has the scenarios."""

import random
from itertools import groupby

import pytest

from classroom.model import Label, ParticipantId, PublicationId, SessionId, SlotWish, TrackKind
from classroom.sfu.core import rtcp
from classroom.sfu.core.assignment import Direction
from classroom.sfu.core.down_track import DownTrack
from classroom.sfu.core.downlink import Downlink
from classroom.sfu.core.events import LinkMeasured, PublicationAdded, PublicationLive, PublicationRemoved
from classroom.sfu.core.lesson import MAX_NACK_SEQS, MEASURE_INTERVAL_S, REPORT_INTERVAL_S, TICK_S, LessonMedia
from classroom.sfu.core.nack import REORDER_GRACE_S
from classroom.sfu.core.peers import RESEND_BURST_BYTES, RESEND_RATE_BPS, Encoding, IncomingMedia, Slot
from classroom.sfu.core.routing import Routes
from classroom.sfu.core.rtp import build_extensions, build_rtp
from classroom.sfu.core.send_log import SendLog
from classroom.sfu.core.twcc import TransportFeedback, build_transport_feedback
from classroom.sfu.core.up_track import URGENT_SPACING_S

UP, DOWN = SessionId("up"), SessionId("down")
IDR, SLICE = b"\x65" + bytes(9), b"\x41" + bytes(9)
SINK = object()


def lesson() -> LessonMedia:
    rng = random.Random(1)
    return LessonMedia(lambda: rng.getrandbits(32), 1_700_000_000.0, "sfu")


def with_publisher(**options) -> LessonMedia:
    media = lesson()
    section = {"ssrc": 77, "nack": True} | options
    incoming = IncomingMedia("0", TrackKind.VIDEO, Label.CAMERA, 96, 90_000, **section)
    media.add_publisher(UP, ParticipantId("t"), SINK, [incoming], str, 0.0)
    return media


def with_receiver(media: LessonMedia, wish: SlotWish = SlotWish.PROGRAMME) -> DownTrack:
    down = DownTrack(SINK, ssrc=9, pt=102, clock_rate_hz=90_000)
    media.add_receiver(DOWN, ParticipantId("v"), SINK, [Slot(TrackKind.VIDEO, wish, down)], 0.0)
    return down


def frame(seq: int, payload: bytes = SLICE, ssrc: int = 77, pt: int = 96) -> bytes:
    return build_rtp(pt=pt, seq=seq, ts=seq * 3000, ssrc=ssrc, payload=payload, marker=True)


def feed(media: LessonMedia, *packets: bytes, now: float = 0.0) -> None:
    for data in packets:
        media.receive(UP, data, now)


def drained(media: LessonMedia) -> list[tuple[list[int], int]]:
    """(sequence numbers, how many get them) of each batch."""
    media.take_rtcp()
    batches = groupby(media.take_bursts(), key=lambda burst: [packet.seq for packet in burst.packets])
    return [(seqs, len(list(bursts))) for seqs, bursts in batches]


def feedback(media: LessonMedia) -> list[rtcp.Rtcp]:
    return [packet for _, data in media.take_rtcp() for packet in rtcp.parse_rtcp(data)]


def test_a_lesson_without_anybody_sleeps():
    media = lesson()
    assert media.next_timeout() is None
    media.handle_timeout(5.0)
    assert drained(media) == [] and media.take_resends() == [] and media.take_events() == []
    assert repr(media) == "LessonMedia(0 publishers, 0 receivers, 0 publications)"


def test_who_is_there_wakes_it_up():
    media = with_publisher()
    assert media.next_timeout() == 0.0
    media.handle_timeout(0.0)
    assert media.next_timeout() == TICK_S
    media.remove(UP, "gone", 1.0)
    assert media.next_timeout() is None


@pytest.mark.parametrize(
    ("session", "data", "malformed", "unroutable"),
    [
        pytest.param(UP, b"", 1, 0, id="empty"),
        pytest.param(UP, b"\x80" * 11, 1, 0, id="no RTP"),
        pytest.param(UP, b"\x80\xc9\x00\xff" + bytes(4), 1, 0, id="no RTCP"),
        pytest.param(DOWN, b"\x80\xc9\x00\xff" + bytes(4), 1, 0, id="no RTCP from a receiver"),
        pytest.param(SessionId("?"), b"\x80\xc9\x00\xff" + bytes(4), 1, 0, id="no RTCP from nobody"),
        pytest.param(SessionId("?"), rtcp.build_pli(1, 9), 0, 0, id="RTCP from nobody"),
        pytest.param(SessionId("?"), frame(1), 0, 1, id="RTP from nobody"),
        pytest.param(DOWN, frame(1), 0, 1, id="RTP from a receiver"),
        pytest.param(UP, frame(1, ssrc=78, pt=50), 0, 1, id="RTP of no section"),
    ],
)
def test_what_makes_no_sense_is_counted_and_forgotten(session, data, malformed, unroutable):
    media = with_publisher()
    with_receiver(media)
    media.receive(session, data, 0.0)
    assert (media.malformed, media.unroutable) == (malformed, unroutable)
    assert media.take_events() == [] and drained(media) == [] and not media.publications


def test_the_first_packet_makes_the_publication():
    media = with_publisher()
    feed(media, frame(1, IDR))
    (added,) = media.take_events()
    assert isinstance(added, PublicationAdded)
    publication = added.publication
    assert (publication.label, publication.kind, publication.name) == (Label.CAMERA, TrackKind.VIDEO, "camera")
    assert publication.participant_id == "t" and list(media.publications) == [publication.id]
    feed(media, frame(2))
    assert media.take_events() == []


def test_packets_of_one_batch_leave_together():
    media = with_publisher()
    with_receiver(media)
    feed(media, frame(1, IDR), frame(2), frame(3))
    assert drained(media) == [([1, 2, 3], 1)]
    feed(media, frame(4), frame(6), frame(5))
    assert drained(media) == [([5], 1), ([4, 6], 1)]  # what filled a hole first
    assert drained(media) == []


def test_what_is_older_than_the_start_is_not_sent():
    media = with_publisher()
    with_receiver(media)
    feed(media, frame(5), frame(6, IDR))
    assert drained(media) == [([6], 1)]
    feed(media, frame(4))
    assert drained(media) == []


def test_a_batch_that_fills_a_hole_behind_the_keyframe_is_complete_for_those_who_start_with_it():
    media = with_publisher()
    with_receiver(media)
    feed(media, frame(4), frame(5, IDR), frame(7), frame(6), frame(3))
    assert drained(media) == [([5, 7], 1), ([6], 1)]


def test_rtx_from_a_publisher_is_unwrapped():
    media = with_publisher(rtx_pt=97)
    with_receiver(media)
    feed(media, frame(1, IDR), frame(3))
    feed(media, build_rtp(pt=97, seq=900, ts=6000, ssrc=500, payload=b"\x00\x02" + SLICE))
    feed(media, build_rtp(pt=97, seq=901, ts=6000, ssrc=500, payload=b""))  # a probe
    assert drained(media) == [([1, 3], 1), ([2], 1)]


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


def test_a_helping_from_the_cache_follows_what_came_in_the_same_batch():
    media = with_publisher()
    down = with_receiver(media)
    feed(media, frame(1, IDR), frame(2))
    drained(media)
    feed(media, frame(3), now=2.0)
    media.receive(DOWN, rtcp.build_pli(1, down.ssrc), 2.0)  # to be mended from the cache
    assert drained(media) == [([3], 1), ([1], 1), ([2], 1), ([3], 1)]
    assert down.numbers.next_seq & 0xFFFF == 6
    feed(media, frame(4), now=2.01)
    (burst,) = (media.take_rtcp(), media.take_bursts())[1]
    assert (burst.packets[0].ext_seq + burst.seq_offset) & 0xFFFF == 6


def test_silence_and_return():
    media = with_publisher()
    feed(media, frame(1, IDR))
    publication = media.take_events()[0].publication
    media.handle_timeout(3.05)
    media.handle_timeout(3.2)
    assert media.take_events() == [PublicationLive(publication.id, False)]
    feed(media, frame(2), now=4.0)
    assert media.take_events() == [PublicationLive(publication.id, True)]


def in_layers() -> LessonMedia:
    """A camera in two layers, f under SSRC 77 and h under 78, that can pause them."""
    media = with_publisher(ssrc=None, rids=("f", "h"), pause=True)
    (section,) = media.publishers[UP].media
    section.encodings[0].ssrc, section.encodings[1].ssrc = 77, 78
    media.publishers[UP].routes = Routes([section])
    return media


def test_a_layer_whose_first_packet_was_lost_is_asked_for_a_keyframe_although_nobody_takes_it():
    """Until its size is known it passes for the smallest: nobody would ever take it."""
    media = in_layers()
    down = with_receiver(media)
    feed(media, frame(1, bytes.fromhex("6742c01e8c8d40501ed00f08846a"), ssrc=78), frame(1))
    media.handle_timeout(0.0)
    assert [p.media_ssrc for p in feedback(media) if isinstance(p, rtcp.PictureLoss)] == [77]
    assert down.up.rid == "h"
    media.handle_timeout(1.0)
    assert len([p for p in feedback(media) if isinstance(p, rtcp.PictureLoss)]) == 1
    feed(media, frame(2, IDR), now=1.0)
    media.handle_timeout(2.0)
    assert not [p for p in feedback(media) if isinstance(p, rtcp.PictureLoss)]


def test_a_paused_layer_does_not_make_the_silence_of_the_others_seem_wanted():
    media = in_layers()
    down = with_receiver(media)
    feed(media, frame(1, IDR), frame(1, IDR, ssrc=78))
    for n in range(2, 80):  # ten pictures a second
        feed(media, frame(n), now=n / 10)
        media.handle_timeout(n / 10)
        drained(media)
    (section,) = media.publishers[UP].media
    assert down.up.rid == "f" and [encoding.paused for encoding in section.encodings] == [False, True]
    publication = media.take_events()[0].publication
    for n in range(80, 120):
        media.handle_timeout(n / 10)
        drained(media)
    assert media.take_events() == [PublicationLive(publication.id, False)]


@pytest.mark.parametrize(
    ("ssrcs", "gone"),
    [
        pytest.param([77], True, id="its SSRC"),
        pytest.param([78], False, id="another"),
        pytest.param([], False, id="none"),
    ],
)
def test_bye(ssrcs, gone):
    media = with_publisher()
    down = with_receiver(media)
    feed(media, frame(1, IDR))
    media.take_events()
    media.receive(UP, rtcp.build_rr(1, []) + rtcp.build_bye(ssrcs), 0.5)
    assert [type(e) for e in media.take_events()] == ([PublicationRemoved] if gone else [])
    assert drained(media) == [([1], 1)]  # what came before goes out
    assert (down.up is None) is gone


def test_who_is_unknown_cannot_leave():
    media = with_publisher()
    media.remove(SessionId("?"), "gone", 0.0)
    assert UP in media.publishers


def test_a_publisher_that_leaves_before_its_first_packet():
    media = with_publisher()
    media.remove(UP, "gone", 1.0)
    assert media.take_events() == [] and not media.publishers


def test_a_receiver_that_leaves_is_forgotten():
    media = with_publisher()
    with_receiver(media)
    feed(media, frame(1, IDR))
    drained(media)
    media.remove(DOWN, "gone", 1.0)
    feed(media, frame(2))
    assert drained(media) == []
    media.receive(DOWN, rtcp.build_pli(1, 9), 1.0)


def test_reports_that_came_before_the_media_are_used():
    media = with_publisher()
    early = rtcp.SenderReport(77, 1000 << 32, 3000, 0, 0)
    media.receive(UP, rtcp.build_sr(early), 5.0)
    feed(media, frame(1, IDR), now=9.0)
    (up,) = media.tracks()
    assert up.clock.captured_s(3000) == pytest.approx(5.0 + 1_700_000_000.0 + 2_208_988_800, abs=1e-5)


def test_a_recorder_that_comes_late_and_one_that_is_there():
    media = with_publisher()
    media.add_receiver(SessionId("r1"), ParticipantId(""), SINK, [], 0.0, follow_all=True)
    feed(media, frame(1, IDR), frame(2))
    media.add_receiver(SessionId("r2"), ParticipantId(""), SINK, [], 0.0, follow_all=True)
    assert drained(media) == [([1, 2], 2)]
    feed(media, frame(3))
    media.remove(UP, "gone", 1.0)
    assert not [p for p in feedback(media) if isinstance(p, rtcp.Bye)]
    assert len(media.take_bursts()) == 2  # the last packets first
    byes = [p for p in feedback(media) if isinstance(p, rtcp.Bye)]
    assert len(byes) == 2 and all(not r.slots for r in media.receivers.values())


def test_another_worker_gets_every_layer_and_publishes_them_as_they_are_here():
    media = with_publisher(ssrc=None, rids=("f", "h"))
    (section,) = media.publishers[UP].media
    section.encodings[0].ssrc, section.encodings[1].ssrc = 77, 78
    media.publishers[UP].routes = Routes([section])
    media.add_receiver(DOWN, ParticipantId(""), SINK, [], 0.0, follow_all=True, every_layer=True)
    feed(media, frame(1, IDR), frame(500, IDR, ssrc=78), frame(2))
    media.take_rtcp()
    sent = [(burst.down.up.rid, packet.seq) for burst in media.take_bursts() for packet in burst.packets]
    assert sorted(sent) == [("f", 1), ("f", 2), ("h", 500)]
    (publication,) = (event.publication for event in media.take_events())

    far = lesson()
    relayed = IncomingMedia("", TrackKind.VIDEO, Label.CAMERA, 96, 90_000, nack=True, relayed=publication)
    relayed.encodings = [Encoding("f", 1)]
    far.add_publisher(UP, publication.participant_id, SINK, [relayed], str, 0.0)
    feed(far, frame(1, IDR, ssrc=1), frame(500, IDR, ssrc=2))
    assert far.unroutable == 1
    far.add_encoding(UP, Encoding("h", 2))
    feed(far, frame(501, IDR, ssrc=2))
    assert far.take_events() == [PublicationAdded(publication)]
    assert [track.rid for track in far.tracks()] == ["f", "h"]
    media.remove(UP, "gone", 1.0)
    told = feedback(media) + feedback(media)  # goodbyes leave after the last packets
    assert len([packet for packet in told if isinstance(packet, rtcp.Bye)]) == 2


def test_a_slot_that_is_pinned_to_nothing_falls_silent():
    media = with_publisher()
    down = with_receiver(media)
    feed(media, frame(1, IDR))
    assert drained(media) == [([1], 1)]
    media.receivers[DOWN].slots[0].pinned = PublicationId("nobody's")
    other = IncomingMedia("0", TrackKind.VIDEO, Label.SLIDES, 96, 90_000, ssrc=78)
    media.add_publisher(SessionId("up 2"), ParticipantId("t 2"), SINK, [other], str, 0.0)
    media.receive(SessionId("up 2"), frame(1, IDR, ssrc=78), 0.0)  # slots are looked at again
    feed(media, frame(2))
    assert down.up is None and drained(media) == []


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


# --- layers, levels, arrivals -----------------------------------------------------------------------------------

LEVEL_EXT, TWCC_EXT = 1, 3


def stamped(seq: int, ssrc: int, pt: int, ext_id: int, value: bytes, payload: bytes = b"sound") -> bytes:
    return build_rtp(
        pt=pt, seq=seq, ts=seq * 960, ssrc=ssrc, payload=payload, extensions=build_extensions([(ext_id, value)])
    )


def test_arrivals_are_told_to_whoever_numbers_its_packets():
    media = with_publisher(twcc_ext=TWCC_EXT)
    for seq in range(5):
        feed(media, stamped(seq, 77, 96, TWCC_EXT, (700 + seq).to_bytes(2, "big"), SLICE), now=seq / 100)
    feed(media, stamped(5, 77, 96, TWCC_EXT, b"?", SLICE), frame(6), now=0.05)  # no number
    assert media.next_timeout() <= 0.1
    media.handle_timeout(0.1)
    (told,) = [packet for packet in feedback(media) if isinstance(packet, TransportFeedback)]
    assert (told.base_seq, len(told.arrivals)) == (700, 5)


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


def test_who_says_goodbye_to_one_layer_goes_on_with_the_others():
    media = lesson()
    section = IncomingMedia("0", TrackKind.VIDEO, Label.CAMERA, 96, 90_000, rids=("h", "l"))
    for ssrc, encoding in enumerate(section.encodings, 70):
        encoding.ssrc = ssrc
    media.add_publisher(UP, ParticipantId("t"), SINK, [section], str, 0.0)
    down = with_receiver(media)
    feed(media, frame(1, IDR, 70), frame(1, IDR, 71))
    drained(media)
    assert down.up.ssrc == 70
    media.receive(UP, rtcp.build_rr(1, []) + rtcp.build_bye([70]), 0.5)
    media.handle_timeout(0.5)
    drained(media)
    assert down.up.ssrc == 71 and not [e for e in media.take_events() if isinstance(e, PublicationRemoved)]
    media.receive(UP, rtcp.build_rr(1, []) + rtcp.build_bye([71]), 0.6)
    assert [e.reason for e in media.take_events() if isinstance(e, PublicationRemoved)] == ["bye"]


def test_who_waits_for_a_layer_that_goes_away_keeps_the_one_it_has():
    media = lesson()
    section = IncomingMedia("0", TrackKind.VIDEO, Label.CAMERA, 96, 90_000, rids=("h", "l"))
    for ssrc, encoding in enumerate(section.encodings, 70):
        encoding.ssrc = ssrc
    media.add_publisher(UP, ParticipantId("t"), SINK, [section], str, 0.0)
    down = with_receiver(media)
    feed(media, frame(1, IDR, 71))
    drained(media)
    assert down.up.ssrc == 71
    feed(media, frame(1, SLICE, 70), frame(2, SLICE, 71), now=0.1)
    drained(media)
    assert down.next_up is not None and down.next_up.ssrc == 70
    media.receive(UP, rtcp.build_rr(1, []) + rtcp.build_bye([70]), 0.2)
    feed(media, frame(3, SLICE, 71), now=0.3)
    assert drained(media) == [([3], 1)] and down.next_up is None


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
