"""Which layer each slot takes, and why not a better one."""

import pytest

from classroom.model import Label, ParticipantId, Publication, PublicationId, SessionId, SlotWish, TrackKind
from classroom.sfu.core.assignment import Direction, assign
from classroom.sfu.core.capture_clock import CaptureClock, PublisherClock
from classroom.sfu.core.down_track import DownTrack
from classroom.sfu.core.downlink import Downlink
from classroom.sfu.core.layers import Reason
from classroom.sfu.core.pacer import Priority
from classroom.sfu.core.peers import IncomingMedia, Receiver, Slot
from classroom.sfu.core.rtp import build_rtp, parse_rtp
from classroom.sfu.core.send_log import SendLog
from classroom.sfu.core.steering import GRACE_S, LAYER_SILENT_S, RESUME_S, Supplies, choose_layers
from classroom.sfu.core.up_track import UpTrack

RATES_BPS = {"h": 1_200_000, "m": 400_000, "l": 120_000}
NOW = 10.0


def media(label: Label = Label.CAMERA, rids: str = "hml", until_s: float = NOW) -> IncomingMedia:
    """A publication whose layers have come until then."""
    kind = TrackKind.AUDIO if label is Label.MIC else TrackKind.VIDEO
    made = IncomingMedia("0", kind, label, 96, 90_000, rids=tuple(rids))
    made.publication = Publication(PublicationId(label), ParticipantId("t"), label, kind, label)
    for encoding in made.encodings:
        encoding.track = fed(made.publication, encoding.rid, until_s)
    return made


def fed(publication: Publication, rid: str, until_s: float) -> UpTrack:
    track = UpTrack(publication, 1, 90_000, CaptureClock(PublisherClock(), 90_000), nack=False, rid=rid)
    size = RATES_BPS[rid] // 8 // 50
    first = round((until_s - 3) * 50)
    for n in range(first, round(until_s * 50) + 1):
        data = build_rtp(pt=96, seq=n & 0xFFFF, ts=n * 1800, ssrc=1, payload=b"\x41" + bytes(size - 13))
        track.receive(parse_rtp(data), n / 50, 0.0)
    return track


def slot(shown: IncomingMedia | None, wish: SlotWish = SlotWish.CAMERA) -> Slot:
    kind = TrackKind.AUDIO if wish in (SlotWish.MIC, SlotWish.SPEAKER) else TrackKind.VIDEO
    return Slot(kind, wish, DownTrack(None, ssrc=1, pt=96, clock_rate_hz=90_000), media=shown)


def receiver(*slots: Slot, estimate_bps: float | None = None, added_at_s: float = 0.0) -> Receiver:
    made = Receiver(SessionId("r"), ParticipantId("v"), None, list(slots), added_at_s)
    if estimate_bps is not None:
        made.downlink = Downlink(SendLog())
        made.downlink.remb(estimate_bps, NOW)
    return made


def chosen(to: Receiver, now: float = NOW) -> list[str | None]:
    """RIDs by slot, when everything that was chosen flows at once."""
    there = [s.media for s in to.slots if s.media is not None]
    for s in to.slots:
        s.pinned = PublicationId("nothing") if s.media is None else s.media.publication.id
        assign(
            Receiver(to.session_id, to.participant_id, None, [s], 0.0),
            [m for m in there if m is s.media],
            Direction(),
            [],
        )
    for changed, up in choose_layers(to, Supplies(now)):
        assert up is not changed.down.up
        changed.down.up = up
    assert choose_layers(to, Supplies(now)) == []
    return [None if s.down.up is None else s.down.up.rid for s in to.slots]


def test_without_a_measured_path_everything_at_its_best():
    to = receiver(slot(media()), slot(media(Label.SLIDES, "hm")), slot(None))
    assert chosen(to) == ["h", "h", None]
    assert [s.reason for s in to.slots] == [Reason.NONE] * 3


@pytest.mark.parametrize(
    ("estimate_bps", "expected", "reason"),
    [
        (2_000_000, "h", Reason.NONE),
        (600_000, "m", Reason.BANDWIDTH),
        (200_000, "l", Reason.BANDWIDTH),
        (100_000, None, Reason.BANDWIDTH),
    ],
)
def test_what_the_link_carries(estimate_bps, expected, reason):
    to = receiver(slot(media()), estimate_bps=estimate_bps)
    assert chosen(to) == [expected] and to.slots[0].reason is reason


def test_in_the_first_moments_the_smallest_is_sent_whatever_was_guessed():
    to = receiver(slot(media()), estimate_bps=60_000, added_at_s=NOW)
    assert chosen(to) == ["l"]
    assert chosen(to, NOW + GRACE_S) == [None]


def test_slides_then_the_teacher_then_others():
    slots = [
        slot(media(), SlotWish.FLOOR), slot(media(), SlotWish.CAMERA), slot(media(Label.SLIDES), SlotWish.SLIDES),
    ]  # fmt: skip
    assert chosen(receiver(*slots, estimate_bps=1_650_000)) == [None, "l", "h"]
    assert [s.down.priority for s in slots] == [Priority.PICTURE, Priority.PICTURE, Priority.SLIDES]


def test_a_tile_takes_the_smallest_whatever_the_link_carries():
    tiles = [slot(media(), SlotWish.TILE), slot(media(), SlotWish.TILE)]
    assert chosen(receiver(*tiles, estimate_bps=9e6)) == ["l", "l"]
    assert chosen(receiver(slot(media(), SlotWish.TILE))) == ["l"]
    assert [s.reason for s in tiles] == [Reason.NONE] * 2


def test_tiles_are_given_up_before_who_has_the_floor():
    slots = [slot(media(), SlotWish.TILE), slot(media(), SlotWish.FLOOR)]
    assert chosen(receiver(*slots, estimate_bps=200_000)) == [None, "l"]


def test_sound_is_not_weighed():
    sound = slot(media(Label.MIC, "l"), SlotWish.MIC)
    to = receiver(sound, slot(media()), estimate_bps=60_000)
    assert chosen(to) == ["l", None] and sound.down.priority is Priority.VOICE


def test_without_room_to_spare_the_smallest_is_better_than_nothing():
    assert chosen(receiver(slot(media()), estimate_bps=130_000)) == ["l"]


def test_a_layer_that_has_stopped_coming_is_not_chosen():
    shown = media()
    shown.encodings[0].track.last_received_at_s = NOW - LAYER_SILENT_S
    to = receiver(slot(shown), estimate_bps=9e6)
    assert chosen(to) == ["m"] and to.slots[0].reason is Reason.UPLINK
    shown.encodings[0].paused = True
    assert chosen(receiver(slot(shown), estimate_bps=9e6)) == ["h"], "it would come if it was asked for"


def test_a_layer_that_its_publisher_stopped_is_not_chosen():
    shown = media()
    shown.encodings[0].track.stopped = True
    to = receiver(slot(shown), estimate_bps=9e6)
    assert chosen(to) == ["m"] and to.slots[0].reason is Reason.UPLINK


def test_what_stands_still_as_a_whole_is_no_layer_that_stopped():
    assert chosen(receiver(slot(media()), estimate_bps=9e6), NOW + LAYER_SILENT_S + 0.5) == ["h"]


def test_a_layer_that_was_told_to_go_on_is_waited_for_but_not_for_ever():
    shown = media()
    best = shown.encodings[0]
    best.track.last_received_at_s, best.resumed_at_s = NOW - 1.5, NOW - 1.0
    assert chosen(receiver(slot(shown), estimate_bps=99e6)) == ["h"]
    best.resumed_at_s = NOW - RESUME_S
    assert chosen(receiver(slot(shown), estimate_bps=99e6)) == ["m"]


def test_who_has_a_layer_that_is_gone_gets_another_one_at_once():
    shown = media()
    to = receiver(slot(shown), estimate_bps=9e6)
    assert chosen(to) == ["h"]
    shown.encodings[0].track.stopped = True
    assert chosen(to) == ["m"]


def test_when_nothing_comes_the_choice_stays():
    to = receiver(slot(media()), estimate_bps=9e6)
    assert chosen(to, NOW + 60) == ["h"]


def test_another_publication_is_not_weighed_against_the_former_one():
    to = receiver(slot(media()), estimate_bps=9e6)
    assert chosen(to) == ["h"]
    to.slots[0].media = media()
    assert chosen(to) == ["h"]


def test_probing_reaches_for_everything_at_its_best():
    to = receiver(slot(media()), estimate_bps=600_000)
    chosen(to)
    assert 1_200_000 < to.downlink.estimator.wanted_bps < 2_000_000
