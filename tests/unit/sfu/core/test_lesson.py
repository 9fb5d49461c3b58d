"""LessonMedia call by call: who is there and what flows; tests/sim has the scenarios."""

import pytest

from classroom.model import Label, ParticipantId, PublicationId, SessionId, TrackKind
from classroom.sfu.core import rtcp
from classroom.sfu.core.events import PublicationAdded, PublicationLive, PublicationRemoved
from classroom.sfu.core.lesson import TICK_S
from classroom.sfu.core.peers import IncomingMedia
from classroom.sfu.core.rtp import build_extensions, build_rtp
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


def test_a_publisher_that_changes_its_ssrc_is_followed():
    """RFC 3550 §8.2: after a collision. Numbers and picture of the receiver go on."""
    media = with_publisher(mid_ext=4)
    down = with_receiver(media)
    feed(media, frame(1, IDR), frame(2))
    drained(media)
    mid = build_extensions([(4, b"0")])

    def renamed(seq: int, payload: bytes) -> bytes:
        return build_rtp(pt=96, seq=seq, ts=seq * 3000, ssrc=99, payload=payload, marker=True, extensions=mid)

    feed(media, renamed(500, IDR), now=0.5)
    assert media.unroutable == 1, "a stray, for all we know"
    feed(media, renamed(501, IDR), renamed(502, SLICE), now=2.0)
    assert drained(media) == [([501, 502], 1)] and down.numbers.next_seq & 0xFFFF == 4
    assert [type(event) for event in media.take_events()] == [PublicationAdded], "it is the same publication"
