"""Publications in several layers, call by call."""

from classroom.model import Label, ParticipantId, TrackKind
from classroom.sfu.core import rtcp
from classroom.sfu.core.events import PublicationAdded, PublicationLive, PublicationRemoved
from classroom.sfu.core.lesson import LessonMedia
from classroom.sfu.core.peers import Encoding, IncomingMedia
from classroom.sfu.core.routing import Routes
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


def test_a_layer_that_was_paused_begins_with_its_next_keyframe_not_with_its_old_pictures():
    media = in_layers()
    down = with_receiver(media)
    feed(media, frame(1, IDR), frame(500, IDR, ssrc=78), frame(2), frame(501, ssrc=78))
    for n in range(3, 80):  # ten pictures a second of the better layer; the other one is paused
        feed(media, frame(n), now=n / 10)
        media.handle_timeout(n / 10)
    drained(media)
    (section,) = media.publishers[UP].media
    section.encodings[0].track.stopped = True  # the uplink carries it no more
    media.handle_timeout(8.1)
    assert (down.up, down.next_up.rid) == (None, "h")
    assert drained(media) == [], "what was seen eight seconds ago is not shown again"
    feed(media, frame(502, IDR, ssrc=78), now=8.3)
    assert drained(media) == [([502], 1)] and down.up.rid == "h"
