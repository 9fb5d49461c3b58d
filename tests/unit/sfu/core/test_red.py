"""Redundant sound, taken apart again by a reader of its own (RFC 2198 §3)."""

import pytest

from classroom.model import Label, ParticipantId, Publication, PublicationId, TrackKind
from classroom.sfu.core.capture_clock import CaptureClock, PublisherClock
from classroom.sfu.core.down_track import VOICE_TOO_LATE_S, DownTrack
from classroom.sfu.core.forwarding import Forwarding
from classroom.sfu.core.red import FAR_S, KEEP_S, LADDER, MAX_LENGTH, Redundancy, redundant
from classroom.sfu.core.rtp import build_rtp, parse_rtp
from classroom.sfu.core.up_track import UpTrack

OPUS, RED = 111, 63
FRAME = 960


def read(payload: bytes) -> list[tuple[int, int, bytes]]:
    """(payload type, timestamp offset, data) of each block, the primary one last."""
    heads, at = [], 0
    while payload[at] & 0x80:
        word = int.from_bytes(payload[at : at + 4], "big")
        heads.append((word >> 24 & 0x7F, word >> 10 & 0x3FFF, word & 0x3FF))
        at += 4
    primary = payload[at]
    at += 1
    blocks = []
    for pt, offset, size in heads:
        blocks.append((pt, offset, payload[at : at + size]))
        at += size
    return [*blocks, (primary, 0, payload[at:])]


def sound(seq: int, payload: bytes | None = None, ts: int | None = None):
    data = f"sound {seq}".encode() if payload is None else payload
    return parse_rtp(build_rtp(pt=96, seq=seq, ts=seq * FRAME if ts is None else ts, ssrc=1, payload=data))


def up_track(*packets) -> UpTrack:
    publication = Publication(PublicationId("p"), ParticipantId("t"), Label.MIC, TrackKind.AUDIO, "mic")
    up = UpTrack(publication, 1, 48_000, CaptureClock(PublisherClock(), 48_000), nack=True)
    for packet in packets:
        up.receive(packet, packet.seq / 50, 0.0)
    return up


@pytest.mark.parametrize(
    ("distances", "expected"),
    [
        pytest.param((), [], id="none"),
        pytest.param((1,), [(FRAME, b"sound 9")], id="one"),
        pytest.param(
            (2, 5, 9), [(9 * FRAME, b"sound 1"), (5 * FRAME, b"sound 5"), (2 * FRAME, b"sound 8")], id="three"
        ),
        pytest.param((2, 11), [(2 * FRAME, b"sound 8")], id="before the beginning"),
    ],
)
def test_copies_of_earlier_packets(distances, expected):
    packets = [sound(n) for n in range(11)]
    up = up_track(*packets)
    made = redundant(packets[10], up.cache, OPUS, distances)
    assert read(made.payload) == [*((OPUS, *copy) for copy in expected), (OPUS, 0, b"sound 10")]
    assert (made.ext_seq, made.ts, made.marker) == (packets[10].ext_seq, packets[10].ts, False)
    assert redundant(packets[10], up.cache, OPUS, distances) is made, "whoever takes it gets the same bytes"


@pytest.mark.parametrize(
    "earlier",
    [
        pytest.param(sound(8, b"x" * (MAX_LENGTH + 1)), id="too long for its head"),
        pytest.param(sound(8, b""), id="empty"),
        pytest.param(sound(8, ts=(10 * FRAME - (1 << 14)) & 0xFFFF_FFFF), id="too long ago"),
        pytest.param(sound(8, ts=10 * FRAME), id="at the same time"),
        pytest.param(sound(8, ts=11 * FRAME), id="later"),
    ],
)
def test_what_cannot_be_copied_is_left_out(earlier):
    last = sound(10)
    up = up_track(earlier, sound(9), last)
    assert read(redundant(last, up.cache, OPUS, (1, 2)).payload) == [(OPUS, FRAME, b"sound 9"), (OPUS, 0, b"sound 10")]


def sent(downs: list[DownTrack], packets, redundancy=()) -> list[list[bytes]]:
    """What each of the receivers gets; ``redundancy`` are distances by number of packet."""
    up, forwarding = up_track(), Forwarding()
    got: list[list[bytes]] = [[] for _ in downs]
    for down in downs:
        forwarding.plug(down, up, 0.0)
    for packet in packets:
        for down in downs:
            if down.redundancy is not None and packet.seq in dict(redundancy):
                down.redundancy.distances = dict(redundancy)[packet.seq]
        if not up.receive(packet, packet.seq / 50, 0.0):
            continue
        forwarding.touch(up)
        forwarding.plan()
        for burst in forwarding.take_bursts():
            for one in burst.packets:
                view = memoryview(bytearray(2000))
                size = burst.down.write(one, burst.seq_offset, burst.ts_offset, view, 0)
                got[downs.index(burst.down)].append(bytes(view[:size]))
    return got


def receiver(ssrc: int, **options) -> DownTrack:
    return DownTrack(None, ssrc=ssrc, pt=OPUS, clock_rate_hz=48_000, **options)


def test_each_receiver_gets_as_much_as_it_needs():
    plain, few, many = receiver(1), receiver(2, red_pt=RED), receiver(3, red_pt=RED)
    many.redundancy.distances = (1, 2)
    one, two, three = sent([plain, few, many], [sound(n) for n in range(5)])
    assert [parse_rtp(data).pt for data in (one[4], two[4], three[4])] == [OPUS, RED, RED]
    assert parse_rtp(one[4]).payload == b"sound 4"
    assert read(parse_rtp(two[4]).payload) == [(OPUS, 0, b"sound 4")]
    assert [data for _, _, data in read(parse_rtp(three[4]).payload)] == [b"sound 2", b"sound 3", b"sound 4"]


def test_a_packet_that_is_sent_again_is_the_same_whatever_has_changed():
    """Otherwise SRTP would encrypt two texts under one number."""
    down = receiver(2, red_pt=RED, first_seq=100)
    packets = [sound(n) for n in (0, 1, 2, 3, 4, 6, 7, 5, 8, 9)]
    (got,) = sent([down], packets, redundancy=((3, (1,)), (6, (2, 5)), (8, ())))
    assert len(got) == 10
    for data in got:
        assert down.retransmission(parse_rtp(data).seq, 0.5, 0.1) == data


def test_sound_that_is_too_late_is_not_sent_again():
    down = receiver(2, first_seq=100)
    (got,) = sent([down], [sound(0), sound(1)])
    seq = parse_rtp(got[1]).seq
    assert down.retransmission(seq, 0.02 + VOICE_TOO_LATE_S + 0.01, 0.1) is None
    assert down.retransmission(seq, 0.02 + VOICE_TOO_LATE_S, 0.1) == got[1]


def test_more_when_it_loses_and_less_after_a_while():
    control = Redundancy()
    assert control.distances == ()
    steps = []
    for now, share in enumerate((0.0, 0.02, 0.05, 0.0, 0.2, 0.04)):
        control.lost(share, 0.05, float(now))
        steps.append(control.distances)
    assert steps == [(), (1,), (2, 5), (2, 5), (2, 5, 9), (2, 5, 9)]
    control.lost(0.02, 0.05, 4.0 + KEEP_S)
    assert control.distances == (2, 5, 9)
    control.lost(0.02, 0.05, 4.1 + KEEP_S)
    assert control.distances == (1,)


@pytest.mark.parametrize(("share", "step"), [(0.0, 0), (0.001, 1), (0.02, 2), (0.5, 3)])
def test_far_away_one_step_more(share, step):
    control = Redundancy()
    control.lost(share, FAR_S + 0.01, 0.0)
    assert control.distances == LADDER[step][1]
