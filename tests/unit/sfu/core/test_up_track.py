"""One received stream."""

import pytest

from classroom.media.packetize import packetize_h264
from classroom.model import Label, ParticipantId, Publication, PublicationId, TrackKind
from classroom.sfu.core.capture_clock import CaptureClock, PublisherClock
from classroom.sfu.core.down_track import DownTrack
from classroom.sfu.core.nack import REORDER_GRACE_S
from classroom.sfu.core.rtp import build_extensions, build_rtp, parse_rtp
from classroom.sfu.core.up_track import (
    DIRECTED_SPACING_S,
    KEYFRAME_REQUEST_INTERVAL_S,
    MAX_REQUEST_RTT_S,
    SILENCE_S,
    SPACING_S,
    URGENT_SPACING_S,
    VIDEO_CACHE_PACKETS,
    UpTrack,
)

AUD, SPS, PPS, IDR, SLICE = b"\x09\x10", b"\x67\x42", b"\x68\xce", b"\x65" + bytes(9), b"\x41" + bytes(9)


def up_track(kind: TrackKind = TrackKind.VIDEO, nack: bool = True, capture_time_ext: int = 0) -> UpTrack:
    publication = Publication(PublicationId("p"), ParticipantId("t"), Label.CAMERA, kind, "camera")
    return UpTrack(publication, 1, 90_000, CaptureClock(PublisherClock(), 90_000), nack, "", capture_time_ext)


def packet(seq: int, ts: int = 0, payload: bytes = SLICE, extensions=()):
    block = build_extensions(extensions)
    return parse_rtp(build_rtp(pt=96, seq=seq & 0xFFFF, ts=ts, ssrc=1, payload=payload, extensions=block))


def feed(up: UpTrack, *packets, now: float = 0.0) -> list[bool]:
    return [up.receive(p, now, 1000.0 + now) for p in packets]


def test_it_names_itself():
    assert repr(up_track()) == "UpTrack(camera, ssrc=1, 0 downs, 0 waiting)"


def test_in_order_packets_are_fresh_and_fillers_of_holes_late():
    up = up_track()
    feed(up, packet(65534), packet(0), packet(65535), packet(1))
    assert [p.seq for p in up.fresh] == [65534, 0, 1]
    assert [p.seq for p in up.late] == [65535]
    assert up.highest & 0xFFFF == 1 and up.highest - up.fresh[0].ext_seq == 3


def test_duplicates_and_what_is_too_old_are_counted_and_refused():
    up = up_track()
    assert feed(up, packet(2000), packet(2000), packet(2001)) == [True, False, True]
    assert feed(up, packet(2001 - VIDEO_CACHE_PACKETS)) == [False]
    assert up.duplicates == 2 and len(up.fresh) == 2 and not up.late
    assert up.reception.packets == 2


def test_the_first_packet_of_each_picture_carries_its_time():
    up = up_track()
    packets = [packet(1, 0), packet(2, 0), packet(3, 3000), packet(5, 6000), packet(4, 3000)]
    feed(up, *packets)
    assert [p.frame_start for p in packets] == [True, False, True, True, False]
    assert [p.capture_ntp is not None for p in packets] == [True, False, True, True, False]
    assert packets[2].capture_ntp - packets[0].capture_ntp == pytest.approx((1 << 32) / 30, abs=1 << 12)


def test_the_time_that_the_publisher_wrote_stays_as_it_is_also_when_its_packet_comes_late():
    up = up_track(capture_time_ext=3)
    told = {ts: (7 << 60 | ts).to_bytes(8, "big") for ts in (0, 3000, 6000)}
    packets = [
        packet(1, 0, extensions=[(3, told[0])]),
        packet(2, 0),
        packet(4, 3000),
        packet(5, 6000, extensions=[(3, told[6000] + bytes(8))]),  # with the offset of its clock
        packet(3, 3000, extensions=[(3, told[3000])]),
    ]
    feed(up, *packets)
    captured = [int.from_bytes(told[ts], "big") for ts in (0, 6000, 3000)]
    assert [p.captured_ntp for p in packets] == [captured[0], 0, 0, captured[1], captured[2]]
    cut = packet(6, 9000, extensions=[(3, told[6000][:4])])
    feed(up, cut)
    assert cut.captured_ntp == 0, "half a time is none"
    other = up_track()
    again = packet(1, 0, extensions=[(3, told[0])])
    feed(other, again)
    assert again.captured_ntp == 0, "nobody has agreed what extension 3 is"


def test_a_first_picture_with_timestamp_0_begins_all_the_same():
    up = up_track()
    first = packet(1, ts=0)
    feed(up, first)
    assert first.frame_start


FRAME, NEXT = 3000, 6000


@pytest.mark.parametrize(
    ("arrivals", "starts"),
    [
        pytest.param([(1, 0, SLICE), (2, FRAME, SPS), (3, FRAME, PPS), (4, FRAME, IDR)], [2], id="a packet each"),
        pytest.param([(1, 0, SLICE), (2, FRAME, AUD), (3, FRAME, SPS), (4, FRAME, IDR)], [3], id="delimiter first"),
        pytest.param([(1, 0, SLICE), (2, FRAME, IDR), (3, FRAME, IDR)], [2], id="two slices without SPS"),
        pytest.param([(1, 0, SLICE), (2, FRAME, SPS), (3, FRAME, IDR), (4, NEXT, SPS), (5, NEXT, IDR)], [2, 4],
                     id="two keyframes in a row"),
        pytest.param([(1, FRAME, IDR), (2, FRAME, IDR)], [1], id="the first packet of all"),
        pytest.param([(1, 0, SLICE), (3, FRAME, IDR)], [], id="IDR behind a hole: its SPS may be in it"),
        pytest.param([(1, 0, SLICE), (3, FRAME, IDR), (2, FRAME, SPS)], [2], id="the SPS comes late"),
        pytest.param([(1, 0, SLICE), (4, FRAME, IDR), (3, FRAME, SPS), (2, FRAME, AUD)], [3], id="all in reverse"),
        pytest.param([(1, 0, SLICE), (3, FRAME, SPS), (4, FRAME, IDR)], [3], id="SPS behind a hole"),
        pytest.param([(1, 0, SLICE), (2, FRAME, SLICE)], [], id="no keyframe"),
    ],
)  # fmt: skip
def test_where_keyframes_start(arrivals, starts):
    up = up_track()
    packets = [packet(seq, ts, payload) for seq, ts, payload in arrivals]
    feed(up, *packets)
    assert [p.seq for p in packets if p.keyframe_start] == starts
    assert up.keyframes == len(starts)


def test_a_keyframe_of_many_packets_and_slices_starts_once():
    up = up_track()
    payloads = packetize_h264([AUD, SPS, PPS, b"\x65" + bytes(4000), b"\x65" + bytes(4000)])
    feed(up, packet(0), *(packet(1 + n, FRAME, payload) for n, payload in enumerate(payloads)))
    assert up.keyframes == 1 and [p.keyframe_start for p in up.fresh].index(True) == 1


def test_sound_has_no_keyframes():
    up = up_track(TrackKind.AUDIO)
    first = packet(1, 0, SPS)
    feed(up, first)
    up.want_keyframe()
    assert not first.keyframe_start and not up.take_keyframe_request(0.0)


def test_wishes_for_a_keyframe_are_merged_and_repeated_until_it_comes():
    up = up_track()
    feed(up, packet(1))
    for _ in range(50):
        up.want_keyframe()
    assert up.take_keyframe_request(1.0)
    for _ in range(50):
        up.want_keyframe()
    assert not up.take_keyframe_request(1.0 + KEYFRAME_REQUEST_INTERVAL_S - 0.01)
    assert up.next_timeout() == 1.0 + KEYFRAME_REQUEST_INTERVAL_S
    assert up.take_keyframe_request(1.0 + KEYFRAME_REQUEST_INTERVAL_S)
    feed(up, packet(2, FRAME, SPS))
    assert not up.take_keyframe_request(9.0)
    assert up.keyframe_requests == 2 and up.next_timeout() is None


def test_a_keyframe_from_before_the_wish_does_not_fulfil_it():
    up = up_track()
    feed(up, packet(1), packet(3, NEXT))
    up.want_keyframe()
    feed(up, packet(2, FRAME, SPS))
    assert up.take_keyframe_request(SPACING_S)


def test_of_what_is_not_sent_any_more_nothing_is_asked_unless_somebody_waits():
    """A browser answers a request for any of its layers with a keyframe in all of them."""
    up = up_track()
    feed(up, packet(1))
    up.want_keyframe()
    assert up.take_keyframe_request(SILENCE_S)
    assert not up.take_keyframe_request(SILENCE_S + KEYFRAME_REQUEST_INTERVAL_S) and up.next_timeout() is None
    up.waiting.append(DownTrack(None, ssrc=1, pt=96, clock_rate_hz=90_000))
    assert up.take_keyframe_request(SILENCE_S + KEYFRAME_REQUEST_INTERVAL_S)


def test_as_long_as_somebody_waits_a_keyframe_is_wanted():
    up = up_track()
    up.waiting.append(DownTrack(None, ssrc=1, pt=96, clock_rate_hz=90_000))
    feed(up, packet(1, 0, SPS))
    assert up.take_keyframe_request(SPACING_S) and up.take_keyframe_request(SPACING_S + 1.0)


@pytest.mark.parametrize("spacing_s", [DIRECTED_SPACING_S, URGENT_SPACING_S, SPACING_S])
def test_keyframes_keep_their_distance(spacing_s):
    up = up_track()
    feed(up, packet(1, 0, SPS))
    up.want_keyframe(spacing_s)
    up.want_keyframe()
    assert not up.take_keyframe_request(spacing_s - 0.01) and up.next_timeout() == spacing_s
    assert up.take_keyframe_request(spacing_s)


def test_haste_is_over_when_a_keyframe_has_come():
    up = up_track()
    feed(up, packet(1, 0, SPS))
    up.want_keyframe(DIRECTED_SPACING_S)
    feed(up, packet(2, 3000, SPS), now=1.0)
    up.want_keyframe()
    assert up.next_timeout() == 1.0 + SPACING_S


def test_what_was_answered_holds_up_no_other_request():
    up = up_track()
    feed(up, packet(1))
    up.want_keyframe(DIRECTED_SPACING_S)
    assert up.take_keyframe_request(1.0)
    feed(up, packet(2, 3000, SPS), now=1.05)
    up.want_keyframe(DIRECTED_SPACING_S)
    assert up.next_timeout() == 1.05 + DIRECTED_SPACING_S < 1.0 + KEYFRAME_REQUEST_INTERVAL_S


@pytest.mark.parametrize(("rtt_s", "counted_s"), [(0.6, 0.6), (3600.0, MAX_REQUEST_RTT_S)])
def test_a_publisher_far_away_is_not_asked_again_before_it_can_have_answered(rtt_s, counted_s):
    up = up_track()
    feed(up, packet(1))
    up.want_keyframe()
    assert up.take_keyframe_request(1.0, rtt_s)
    again_s = 1.0 + KEYFRAME_REQUEST_INTERVAL_S + counted_s
    assert not up.take_keyframe_request(again_s - 0.01, rtt_s) and up.next_timeout() == again_s
    assert up.take_keyframe_request(again_s, rtt_s)


def test_who_resumes_sends_a_keyframe_unasked():
    up = up_track()
    up.waiting.append(DownTrack(None, ssrc=1, pt=96, clock_rate_hz=90_000))
    up.want_keyframe(URGENT_SPACING_S)
    up.resumes(5.0)
    assert not up.take_keyframe_request(5.0 + KEYFRAME_REQUEST_INTERVAL_S - 0.01)
    assert up.take_keyframe_request(5.0 + KEYFRAME_REQUEST_INTERVAL_S)


@pytest.mark.parametrize(
    ("sps", "size"),
    [
        pytest.param(bytes.fromhex("6742c01e8c8d40501ed00f08846a"), (640, 480), id="as it is"),
        pytest.param(bytes.fromhex("78000e6742c01e8c8d40501ed00f08846a"), (640, 480), id="in a STAP-A"),
        pytest.param(bytes.fromhex("780002090f000e6742c01e8c8d40501ed00f08846a"), (640, 480), id="behind a delimiter"),
        pytest.param(bytes.fromhex("6742c01e"), (0, 0), id="cut"),
        pytest.param(bytes.fromhex("7800036588ff"), (0, 0), id="a keyframe without one"),
    ],
)
def test_the_size_of_the_picture(sps, size):
    up = up_track()
    feed(up, packet(1, 0, sps), packet(2, 3000, sps))
    assert (up.width_px, up.height_px, up.pixels) == (*size, size[0] * size[1])


def test_what_is_silent_takes_what_it_took_before():
    up = up_track()
    for n in range(100):
        up.receive(packet(n, n * 3000, SLICE + bytes(978)), n / 25, 0.0)
    assert up.bitrate_bps(4.0) == pytest.approx(1000 * 8 * 25, rel=0.05)
    assert up.bitrate_bps(60.0) == pytest.approx(1000 * 8 * 25, rel=0.05)


def test_the_next_timeout_is_the_earlier_of_nack_and_keyframe_request():
    up = up_track()
    assert up.next_timeout() is None
    feed(up, packet(1), now=1.0)
    feed(up, packet(3), now=1.0)
    assert up.next_timeout() == 1.0 + REORDER_GRACE_S
    up.want_keyframe()
    assert up.next_timeout() == float("-inf")


def test_without_nack_holes_are_left():
    up = up_track(nack=False)
    assert feed(up, packet(1), packet(3)) == [True, True]
    assert up.nack is None and up.next_timeout() is None


@pytest.mark.parametrize(
    ("seq", "ts", "taken", "restarted"),
    [
        pytest.param(5000, 3000 * 4990, True, False, id="fills a hole"),
        pytest.param(4990, 3000 * 4990, False, False, id="was there before"),
        pytest.param(4990, 77, False, True, id="another one under a known number"),
        pytest.param(5000, 3000 * 5040, False, True, id="later than those that follow it"),
        pytest.param(5000, 3000 * 5015, True, False, id="a little later, as pictures out of order are"),
        pytest.param(3000, 3000 * 3000, False, True, id="older than what is kept"),
    ],
)
def test_what_cannot_belong_where_its_number_says_tells_of_a_new_count(seq, ts, taken, restarted):
    up = up_track()
    feed(up, *(packet(n, 3000 * n) for n in (*range(4000, 5000), *range(5004, 5010))))
    more = [packet(seq + n, ts + 3000 * n if taken else ts) for n in range(4)]
    if not restarted and not taken:
        more = [packet(seq + n, 3000 * (seq + n)) for n in range(4)]
    assert feed(up, *more) == [taken] * 4
    assert up.restarted is restarted and up.duplicates == (0 if taken else 4)
