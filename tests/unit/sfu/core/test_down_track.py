"""What leaves: header, timestamps, retransmission."""

import pytest
from aiortc.rtp import RtpPacket as OraclePacket
from aiortc.rtp import unwrap_rtx

from classroom.model import Label, ParticipantId, Publication, PublicationId, TrackKind
from classroom.sfu.core.capture_clock import CaptureClock, PublisherClock
from classroom.sfu.core.down_track import CATCH_UP_INTERVAL_S, CATCH_UP_S, DownTrack
from classroom.sfu.core.downlink import Downlink
from classroom.sfu.core.rtp import build_extensions, build_rtp, header_extensions, parse_rtp
from classroom.sfu.core.send_log import SendClock, SendLog
from classroom.sfu.core.up_track import UpTrack

SSRC, RTX_SSRC = 0xAABBCCDD, 0x01020304


def up_track(
    kind: TrackKind = TrackKind.VIDEO, clock_rate_hz: int = 90_000, publisher: PublisherClock | None = None
) -> UpTrack:
    publication = Publication(PublicationId("p"), ParticipantId("t"), Label.CAMERA, kind, "camera")
    clock = CaptureClock(publisher or PublisherClock(), clock_rate_hz)
    return UpTrack(publication, 1, clock_rate_hz, clock, nack=True)


def feed(up: UpTrack, seq: int, ts: int, now: float, payload: bytes = b"\x41pp", marker: bool = False):
    packet = parse_rtp(build_rtp(pt=100, seq=seq, ts=ts, ssrc=1, payload=payload, marker=marker))
    assert up.receive(packet, now, 1000.0 + now)
    return packet


def down_track(**options) -> DownTrack:
    return DownTrack(None, ssrc=SSRC, pt=96, clock_rate_hz=90_000, **options)


def started(up: UpTrack, first, **options) -> DownTrack:
    down = down_track(**options)
    down.start(up, [first], 0.0)
    return down


def written(down: DownTrack, packet, at: int = 3) -> bytes:
    buffer = bytearray(b"\xee" * 2048)
    size = down.write(packet, *down.numbers.offsets(packet.ext_seq), memoryview(buffer), at)
    assert buffer[:at] == b"\xee" * at and buffer[at + size :] == b"\xee" * (2048 - at - size)  # nothing beside it
    return bytes(buffer[at : at + size])


def test_what_flows_in_it():
    down, up = down_track(), up_track()
    assert down.publication is None and "nothing" in repr(down)
    down.next_up = up
    assert "waiting" in repr(down)
    first = feed(up, 1, 0, 0.0)
    down.start(up, [first], 0.0)
    assert down.publication is up.publication and "camera" in repr(down)


def test_a_plain_header_byte_by_byte():
    up = up_track()
    first, second = feed(up, 500, 10_000, 0.0), feed(up, 501, 10_000, 0.0, marker=True)
    down = started(up, first, first_seq=0xFFFF, first_ts=0xFFFF_FFFE)
    assert written(down, first).hex() == "8060fffffffffffe" + "aabbccdd" + "417070"
    assert written(down, second).hex() == "80e00000fffffffe" + "aabbccdd" + "417070"
    third = feed(up, 502, 10_003, 0.1)
    assert written(down, third).hex() == "8060000100000001" + "aabbccdd" + "417070"


def test_extensions_go_on_the_first_packet_of_a_picture_only():
    up = up_track()
    first, second = feed(up, 1, 0, 0.25), feed(up, 2, 0, 0.25)
    down = started(up, first, capture_time_ext=3, playout_delay_ext=5)
    assert written(down, first).hex() == (
        "9060000000000000aabbccdd"
        "bede000437000003e84000000052000000000000417070"
    )  # fmt: skip
    assert first.capture_ntp == 0x3E840000000
    assert written(down, second)[0] == 0x80


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param({}, [], id="none"),
        pytest.param({"playout_delay_ext": 5}, [(5, bytes(3))], id="playout delay"),
        pytest.param({"capture_time_ext": 3}, [(3, (1000 << 32).to_bytes(8, "big"))], id="capture time"),
        pytest.param({"capture_time_ext": 3, "playout_delay_ext": 14},
                     [(3, (1000 << 32).to_bytes(8, "big")), (14, bytes(3))], id="both"),
        pytest.param({"twcc_ext": 4, "send_log": SendLog(), "capture_time_ext": 3},
                     [(4, bytes(2)), (3, (1000 << 32).to_bytes(8, "big"))], id="a number, then the capture time"),
        pytest.param({"send_time_ext": 2, "send_log": SendClock(), "capture_time_ext": 3},
                     [(2, bytes(3)), (3, (1000 << 32).to_bytes(8, "big"))], id="the time, then the capture time"),
        pytest.param({"twcc_ext": 4, "send_time_ext": 2}, [], id="nothing that is stamped without who notes it"),
        pytest.param({"send_log": SendLog()}, [], id="who notes without an extension"),
    ],
)  # fmt: skip
def test_negotiated_extensions(options, expected):
    up = up_track()
    first = feed(up, 1, 0, 0.0)
    packet = parse_rtp(written(started(up, first, **options), first))
    assert list(header_extensions(packet)) == expected and packet.payload == b"\x41pp"


@pytest.mark.parametrize("playout_delay_ext", [0, 5])
def test_a_time_that_is_not_known_is_left_out(playout_delay_ext):
    up = up_track()
    first = feed(up, 1, 0, 0.0)
    first.capture_ntp = None
    down = started(up, first, capture_time_ext=3, playout_delay_ext=playout_delay_ext)
    packet = parse_rtp(written(down, first))
    assert [ext_id for ext_id, _ in header_extensions(packet)] == ([5] if playout_delay_ext else [])


def test_extensions_and_padding_of_the_publisher_are_not_passed_on():
    up = up_track()
    data = build_rtp(pt=100, seq=1, ts=0, ssrc=1, payload=b"\x41pp" + b"\0\0\3",
                     extensions=build_extensions([(1, b"mid")]))  # fmt: skip
    packet = parse_rtp(bytes([data[0] | 0x20]) + data[1:])
    up.receive(packet, 0.0, 0.0)
    assert written(started(up, packet), packet)[12:] == b"\x41pp"


def test_an_empty_packet_keeps_its_number():
    up = up_track()
    first = feed(up, 1, 0, 0.0)
    empty = feed(up, 2, 0, 0.0, payload=b"")
    assert parse_rtp(written(started(up, first), empty)).seq == 1


def test_pictures_from_the_cache_are_moved_together():
    up = up_track()
    packets = [feed(up, n, n // 2 * 3000, n / 60) for n in range(10)]  # five pictures of two packets
    down = down_track(first_seq=40, first_ts=7)
    down.start(up, packets, 1.0, catch_up=True)
    step = round(CATCH_UP_S * 90_000)
    sent = [parse_rtp(written(down, packet)) for packet in packets]
    assert [p.seq for p in sent] == list(range(40, 50))
    assert [p.ts for p in sent] == [7 + n // 2 * step for n in range(10)]
    live = feed(up, 10, 5 * 3000, 1.01)
    assert parse_rtp(written(down, live)).ts == 7 + 4 * step + 3000  # from there in true time
    assert down.outgoing_ts(5 * 3000) == 7 + 4 * step + 3000


def test_a_recorder_gets_true_timestamps_from_the_cache():
    up = up_track()
    packets = [feed(up, n, n // 2 * 3000, n / 60) for n in range(10)]
    down = down_track(realtime=False)
    down.start(up, packets, 1.0, catch_up=True)
    assert [parse_rtp(written(down, p)).ts for p in packets] == [n // 2 * 3000 for n in range(10)]
    assert not down.may_catch_up(99.0)


def test_numbers_and_time_go_on_when_something_else_flows():
    one, two = up_track(), up_track()
    first = feed(one, 100, 90_000, 0.0)
    down = started(one, first, first_seq=10, first_ts=500)
    last = feed(one, 101, 93_000, 2.0)
    assert parse_rtp(written(down, last)).ts == 3500
    down.stop(2.5)
    assert down.up is None
    other = feed(two, 9000, 7, 4.0)
    down.start(two, [other], 4.0)
    packet = parse_rtp(written(down, other))
    assert (packet.seq, packet.ts) == (12, 3500 + 2 * 90_000)  # two seconds after the last one came


def test_what_is_switched_to_keeps_its_place_in_time():
    """So that sound and picture stay in sync whatever flows, and however long the ways are."""
    one, two = up_track(), up_track()
    down = started(one, feed(one, 100, 90_000, 0.0), first_ts=500)
    down.stop(0.1)
    two.clock.arrived(0, 1000.0 + 0.02)  # its first picture was taken 20 ms after the other one's
    late = feed(two, 9000, 45_000, 0.9)  # half a second later, and 380 ms on the way
    down.start(two, [late], 0.9)
    assert parse_rtp(written(down, late)).ts == 500 + round(0.52 * 90_000)


def test_a_clock_that_was_set_does_not_move_the_picture():
    one, two = up_track(), up_track()
    down = started(one, feed(one, 100, 90_000, 0.0), first_ts=500)
    down.stop(0.1)
    two.clock.arrived(0, 2000.0)
    other = feed(two, 9000, 0, 0.5)
    down.start(two, [other], 0.5)
    assert parse_rtp(written(down, other)).ts == 500 + 45_000


def test_without_a_clock_what_follows_is_timed_by_its_arrival():
    one, two = up_track(), up_track()
    down = started(one, feed(one, 1, 0, 10.0), first_ts=0)
    down.stop(10.0)
    other = feed(two, 1, 0, 10.5)
    two.clock.captured_s = lambda ts: None  # nothing has told the time
    down.start(two, [other], 10.5)
    assert parse_rtp(written(down, other)).ts == 45_000


def test_the_latest_picture_from_the_cache_is_the_present_one():
    one, two = up_track(), up_track()
    down = started(one, feed(one, 1, 0, 10.0), first_ts=0)
    down.stop(10.0)
    cached = [feed(two, n, n * 3000, 10 + n / 30) for n in range(16)]
    down.start(two, cached, 10.5, catch_up=True)
    sent = [parse_rtp(written(down, packet)).ts for packet in cached]
    assert sent[-1] == 45_000 and sent == sorted(sent) and sent[0] == 45_000 - 15 * 90


def test_time_never_stands_still():
    one, two = up_track(), up_track()
    first = feed(one, 100, 0, 1.0)
    down = started(one, first)
    down.stop(1.0)
    other = feed(two, 1, 0, 1.0)
    down.start(two, [other], 1.0)
    assert parse_rtp(written(down, other)).ts == round(CATCH_UP_S * 90_000)


@pytest.mark.parametrize(("realtime", "expected"), [(True, round(CATCH_UP_S * 90_000)), (False, -18_000)])
def test_to_a_recorder_a_keyframe_that_came_late_has_its_true_time(realtime, expected):
    """Else all that follows would be late by as much; what is shown never goes back."""
    one, two = up_track(), up_track()
    down = started(one, feed(one, 100, 0, 1.0), realtime=realtime, first_ts=90_000)
    down.stop(1.0)
    two.clock.arrived(0, 1000.8)  # taken 200 ms before what the other layer showed last, and lost at first
    late = feed(two, 1, 0, 1.1)
    down.start(two, [late], 1.1)
    assert parse_rtp(written(down, late)).ts == 90_000 + expected


def test_to_a_recorder_what_an_outage_delayed_as_a_whole_has_its_true_time():
    """Taken 1.3 s before it came: no clock was set, all of it was sent again."""
    one, two = up_track(), up_track()
    down = started(one, feed(one, 100, 0, 1.0), realtime=False, first_ts=90_000)
    down.stop(1.0)
    two.clock.arrived(0, 1000.8)
    feed(two, 9, 108_000, 2.0)  # the first that came after the outage: 1.2 s later than the keyframe
    again = [feed(two, seq, seq * 9000, 2.1) for seq in range(9)]
    down.start(two, again, 2.1, catch_up=True)
    assert parse_rtp(written(down, again[0])).ts == 90_000 - 18_000


def test_what_is_sent_again_of_one_layer_does_not_make_another_one_late():
    one, two = up_track(), up_track()
    feed(one, 98, 0, 0.9)
    down = started(one, feed(one, 100, 9_000, 1.0), realtime=False, first_ts=90_000)
    feed(one, 99, 9_000, 2.4)
    down.stop(2.4)
    late = feed(two, 1, 0, 2.5)
    down.start(two, [late], 2.5)
    assert parse_rtp(written(down, late)).ts == 90_000 + round(1.5 * 90_000)


@pytest.mark.parametrize(("both_told", "expected_s"), [(True, 0.5), (False, 2.1)])
def test_one_clock_that_tells_of_both_layers_is_right_however_long_one_was_on_its_way(both_told, expected_s):
    """A busy encoder has let it wait for a second and a half."""
    publisher = PublisherClock()
    one, two = up_track(publisher=publisher), up_track(publisher=publisher)
    for up in [one, two] if both_told else [one]:
        publisher.report(5000.0, 1000.0)
        up.clock.report(0, 5000.0)
    publisher.report(5001.0, 1000.9)  # the way is shorter than it seemed: that moves both
    down = started(one, feed(one, 100, 9_000, 0.1), realtime=False, first_ts=90_000)
    down.stop(0.1)
    late = feed(two, 1, 54_000, 2.1)
    down.start(two, [late], 2.1)
    assert parse_rtp(written(down, late)).ts == 90_000 + round(expected_s * 90_000)


def test_stopping_what_has_not_started_changes_nothing():
    down = down_track(first_seq=10)
    down.stop(1.0)
    down.next_up = up_track()
    down.stop(1.0)
    assert down.numbers.next_seq & 0xFFFF == 10


def test_pictures_are_mended_from_the_cache_once_in_a_while():
    up = up_track()
    down = down_track()
    assert down.may_catch_up(0.0)
    down.start(up, [feed(up, 1, 0, 5.0)], 5.0)
    assert not down.may_catch_up(5.0 + CATCH_UP_INTERVAL_S - 0.01)
    assert down.may_catch_up(5.0 + CATCH_UP_INTERVAL_S)


EXTENSIONS = {"capture_time_ext": 3, "playout_delay_ext": 5}


@pytest.mark.parametrize("options", [{}, EXTENSIONS], ids=["plain", "with extensions"])
def test_without_rtx_the_very_same_bytes_leave_again(options):
    """SRTP would otherwise encrypt two plaintexts under one number."""
    up = up_track()
    packets = [feed(up, n, n // 3 * 3000, n / 90, marker=n % 3 == 2) for n in range(9)]
    down = started(up, packets[0], first_seq=65533, **options)
    first_time = [written(down, packet) for packet in packets]
    down.stop(1.0)
    other = up_track()
    down.start(other, [feed(other, 1, 0, 1.5)], 1.5)  # whatever flows meanwhile
    for n, data in enumerate(first_time):
        seq = (65533 + n) & 0xFFFF
        assert down.retransmission(seq, 2.0, 0.1) == data
        assert down.retransmission(seq, 2.2, 0.1) == data
    assert down.resent_packets == 18


@pytest.mark.parametrize("options", [{}, EXTENSIONS], ids=["plain", "with extensions"])
def test_with_rtx_aiortc_finds_the_original_again(options):
    up = up_track()
    packets = [feed(up, n, 0, 0.0, marker=n == 2) for n in range(3)]
    down = started(up, packets[0], first_seq=65534, rtx_ssrc=RTX_SSRC, rtx_pt=97, **options)
    for n, packet in enumerate(packets):
        original = OraclePacket.parse(written(down, packet))
        again = OraclePacket.parse(down.retransmission((65534 + n) & 0xFFFF, 1.0, 0.1))
        assert (again.ssrc, again.payload_type) == (RTX_SSRC, 97)
        assert again.sequence_number == (65534 + n) & 0xFFFF  # a sequence of its own that begins with first_seq
        restored = unwrap_rtx(again, payload_type=96, ssrc=SSRC)
        assert restored.serialize() == original.serialize()


def test_again_only_after_a_round_trip():
    up = up_track()
    down = started(up, feed(up, 1, 0, 0.0))
    assert down.retransmission(0, 1.0, 0.2) is not None
    assert down.retransmission(0, 1.19, 0.2) is None
    assert down.retransmission(0, 1.2, 0.2) is not None


def test_what_is_not_there_is_not_sent_again():
    up = up_track()
    down = down_track()
    assert down.retransmission(0, 0.0, 0.1) is None  # nothing was ever sent
    down = started(up, feed(up, 1, 0, 0.0))
    feed(up, 3, 0, 0.1)
    assert down.retransmission(1, 1.0, 0.1) is None  # never came
    feed(up, 2, 0, 0.2)
    assert down.retransmission(1, 1.0, 0.1) is not None
    feed(up, 3 + 1024, 0, 0.3)
    assert down.retransmission(2, 1.0, 0.1) is None  # gone from the cache


def test_what_waits_in_the_pacer_is_not_sent_again():
    """Its number may yet be given to another packet."""
    up = up_track()
    down = started(up, feed(up, 1, 0, 0.0), rtx_ssrc=RTX_SSRC, rtx_pt=97)
    for seq in (2, 3):
        feed(up, seq, 0, 0.0)
    down.downlink = Downlink(SendLog())
    down.unsent_seq = down.numbers.unwrap(2)  # of 0, 1, 2 the last one waits
    assert [down.retransmission(seq, 1.0, 0.1) is None for seq in (0, 1, 2)] == [False, False, True]
    down.unsent_seq += 1
    assert down.retransmission(2, 1.0, 0.1) is not None


def test_what_it_remembers_of_retransmissions_is_bounded():
    up = up_track()
    down = started(up, feed(up, 0, 0, 0.0))
    for n in range(1, 1000):
        feed(up, n, 0, 0.0)
    for n in range(1000):
        assert down.retransmission(n, 1.0, 9.0) is not None
    assert len(down._resent) == 512
    assert down.retransmission(999, 1.1, 9.0) is None
