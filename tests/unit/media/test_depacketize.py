"""RTP payloads back to frames: order, loss, malformed packets."""

import random
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from classroom.media.depacketize import (
    MAX_UNIT_PACKETS,
    REORDER_WINDOW_S,
    AccessUnit,
    H264Depacketizer,
    Lost,
    OpusDepacketizer,
    OpusFrame,
    opus_duration,
)
from classroom.media.packetize import packetize_h264

SPS, PPS = b"\x67\x42\xc0\x1e" + bytes(8), b"\x68\xce\x3c\x80"


def slice_nal(kind, size, fill, first_mb=True):
    return bytes([0x60 | kind, 0x80 if first_mb else 0x40]) + bytes([fill]) * size


def picture(index, size=300):
    """Every tenth picture is a keyframe."""
    fill = 1 + index % 200
    if index % 10 == 0:
        return [SPS, PPS, slice_nal(5, size * 4, fill)]
    return [slice_nal(1, size, fill)]


def packets_of(pictures, first_seq=70_000, max_payload=200):
    """(ext_seq, ts, marker, payload) of pictures 3000 ticks apart."""
    packets = []
    for index, nals in enumerate(pictures):
        payloads = packetize_h264(nals, max_payload)
        for number, payload in enumerate(payloads):
            packets.append((first_seq + len(packets), 3000 * index, number == len(payloads) - 1, payload))
    return packets


def push_all(depacketizer, packets, step_s=0.001):
    out, now_s = [], 0.0
    for packet in packets:
        now_s += step_s
        out += depacketizer.push(*packet, now_s)
    return out, now_s


def test_units_come_out_as_they_went_in_and_at_once():
    pictures = [picture(n) for n in range(25)]
    depacketizer = H264Depacketizer()
    for index, nals in enumerate(pictures):
        payloads = packetize_h264(nals, 200)
        out = []
        for number, payload in enumerate(payloads):
            assert out == []
            seq = 1000 * index + number
            # Not one packet is missing, so nothing waits for the next picture.
            depacketizer._order._next = seq
            out = depacketizer.push(seq, 3000 * index, number == len(payloads) - 1, payload, 0.0)
        assert out == [AccessUnit(3000 * index, nals, index % 10 == 0)]


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 1 << 30), loss=st.booleans())
def test_disorder_within_the_window_changes_nothing_and_what_is_handed_out_is_whole(seed, loss):
    rng = random.Random(seed)
    pictures = [picture(n, rng.randrange(1, 900)) for n in range(60)]
    packets = packets_of(pictures)
    arrivals = []
    for index, packet in enumerate(packets):
        if index and loss and rng.random() < 0.02:
            continue
        at_s = index * 0.005 + (rng.uniform(0, REORDER_WINDOW_S * 0.9) if index and rng.random() < 0.1 else 0.0)
        arrivals += [(at_s, packet)] * rng.choice((1, 1, 1, 2))
    depacketizer = H264Depacketizer()
    out = []
    for at_s, packet in sorted(arrivals, key=lambda arrival: arrival[0]):
        out += depacketizer.push(*packet, at_s)
    out += depacketizer.flush()
    units = [result for result in out if isinstance(result, AccessUnit)]
    lost = sum(result.packets for result in out if isinstance(result, Lost))
    whole = {3000 * n: nals for n, nals in enumerate(pictures)}
    assert [unit.ts for unit in units] == sorted(unit.ts for unit in units)
    for unit in units:
        # A keyframe may have lost its parameter sets: the former ones are still good.
        assert unit.nals == whole[unit.ts] or (loss and unit.nals == whole[unit.ts][-1:])
    arrived = {packet[0] for _, packet in arrivals}
    tail = packets[-1][0] - max(arrived)
    assert lost == len(packets) - len(arrived) - tail
    if not loss:
        assert len(units) == len(pictures)
    # Whatever comes after a hole begins with a keyframe.
    followed_by = {n: n + 1 for n in range(59)}
    for former, unit in zip([None, *units], units, strict=False):
        assert unit.keyframe or followed_by[former.ts // 3000] * 3000 == unit.ts


def test_a_hole_is_waited_for_then_given_up_and_said():
    pictures = [picture(n) for n in range(12)]
    packets = packets_of(pictures)
    hole = next(n for n, packet in enumerate(packets) if packet[1] == 9000)
    depacketizer = H264Depacketizer()
    out, now_s = push_all(depacketizer, packets[:hole] + packets[hole + 1 :])
    assert [unit.ts for unit in out] == [0, 3000, 6000]
    assert depacketizer.advance(now_s) == []
    given_up = depacketizer.advance(now_s + REORDER_WINDOW_S)
    assert given_up[0] == Lost(1)
    assert [unit.ts for unit in given_up[1:]] == [30_000, 33_000], "from the next keyframe on"


def test_needs_keyframe_until_one_comes():
    depacketizer = H264Depacketizer()
    assert depacketizer.needs_keyframe
    assert push_all(depacketizer, packets_of([picture(n) for n in range(1, 10)]))[0] == []
    assert depacketizer.needs_keyframe
    out, _ = push_all(depacketizer, packets_of([picture(10)], first_seq=70_000 + 18))
    assert len(out) == 1 and not depacketizer.needs_keyframe


def test_a_keyframe_whose_beginning_is_missing_does_not_count():
    depacketizer = H264Depacketizer()
    later_slice = slice_nal(5, 50, 3, first_mb=False)
    assert depacketizer.push(1, 0, True, later_slice, 0.0) == []
    assert depacketizer.needs_keyframe
    both = [slice_nal(5, 50, 3), later_slice]
    assert depacketizer.push(2, 1, False, both[0], 0.0) == []
    assert depacketizer.push(3, 1, True, both[1], 0.0) == [AccessUnit(1, both, True)]


def test_a_picture_also_ends_where_the_next_time_begins():
    depacketizer = H264Depacketizer()
    assert depacketizer.push(1, 0, False, slice_nal(5, 9, 1), 0.0) == []
    out = depacketizer.push(2, 3000, False, slice_nal(1, 9, 2), 0.0)
    assert out == [AccessUnit(0, [slice_nal(5, 9, 1)], True)]
    assert depacketizer.flush() == [AccessUnit(3000, [slice_nal(1, 9, 2)], False)]


def test_parameter_sets_under_a_time_of_their_own_go_to_the_next_picture():
    depacketizer = H264Depacketizer()
    assert depacketizer.push(1, 0, True, SPS, 0.0) == []
    assert depacketizer.push(2, 0, True, PPS, 0.0) == []
    keyframe = slice_nal(5, 9, 1)
    assert depacketizer.push(3, 90, True, keyframe, 0.0) == [AccessUnit(90, [SPS, PPS, keyframe], True)]


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\x1c",  # FU-A without a head
        b"\x7c\x05abc",  # fragment without its beginning
        b"\x78\x00\xff\x65",  # STAP-A longer than the packet
        b"\x78\x00\x00",  # STAP-A with nothing in it
        b"\x79\x00\x00\x00",  # STAP-B
        b"\x60abc",  # type 0
    ],
)
def test_malformed_payloads_cost_their_picture_only(payload):
    depacketizer = H264Depacketizer()
    good = slice_nal(5, 9, 1)
    depacketizer.push(1, 0, True, good, 0.0)
    depacketizer.push(2, 3000, False, payload, 0.0)
    assert depacketizer.push(3, 3000, True, b"", 0.0) == []
    assert depacketizer.push(4, 6000, True, good, 0.0) == [AccessUnit(6000, [good], True)]


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 9), st.booleans(), st.binary(max_size=20)), max_size=40))
def test_no_bytes_raise(packets):
    for depacketizer in (H264Depacketizer(), OpusDepacketizer()):
        for seq, ts, marker, payload in packets:
            if isinstance(depacketizer, H264Depacketizer):
                depacketizer.push(seq, ts, marker, payload, 0.0)
            else:
                depacketizer.push(seq, ts, payload, 0.0)
        depacketizer.flush()


def test_what_is_held_back_is_bounded():
    depacketizer = OpusDepacketizer()
    depacketizer.push(0, 0, b"\xf8a", 0.0)
    out = []
    for n in range(2, 5000):
        out += depacketizer.push(n, 960 * n, b"\xf8a", 0.0)
    assert out[0] == Lost(1) and len(out) == 4999


@pytest.mark.parametrize(
    "payload", [b"\x41" + b"x" * 999, b"\x7c\x01" + b"x" * 998], ids=["slices", "fragments of one slice"]
)
def test_a_picture_that_never_ends_is_dropped_and_held_no_longer(payload):
    depacketizer = H264Depacketizer()
    first = depacketizer.push(0, 0, False, b"\x7c\x85\x80", 0.0)
    tracemalloc.start()
    try:
        for n in range(1, 3 * MAX_UNIT_PACKETS):
            first += depacketizer.push(n, 0, False, payload[:2] + bytes(payload[2:]), 0.0)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert not first and peak_bytes < 1.2 * MAX_UNIT_PACKETS * (len(payload) + 100)
    after = depacketizer.push(3 * MAX_UNIT_PACKETS, 3000, True, b"\x65\x80", 0.0)
    assert after == [AccessUnit(3000, [b"\x65\x80"], True)]


def test_opus_frames_in_order_with_what_is_lost():
    depacketizer = OpusDepacketizer()
    out = []
    for now_s, seq in ((0.0, 5), (0.02, 6), (0.06, 8), (0.08, 7), (0.1, 11), (2.0, 12)):
        out += depacketizer.push(seq, 960 * seq, b"\x78" + bytes([seq]), now_s)
    frames = [OpusFrame(960 * n, b"\x78" + bytes([n]), 960) for n in (5, 6, 7, 8, 11, 12)]
    assert out == [*frames[:4], Lost(2), *frames[4:]]


@pytest.mark.parametrize(
    ("packet", "duration_ms"),
    [
        (b"\x08", 20),  # SILK 20 ms
        (b"\x18", 60),
        (b"\x60", 10),  # hybrid
        (b"\xe0", 2.5),  # CELT
        (b"\xf8", 20),
        (b"\xf9", 40),  # two frames
        (b"\xfb\x03", 60),  # three frames
        (b"\xfb\x86", 120),  # six, with different sizes
        (b"\xfb\x07", 0),  # more than 120 ms
        (b"\xfb", 0),
        (b"", 0),
    ],
)
def test_opus_durations(packet, duration_ms):
    assert opus_duration(packet) == duration_ms * 48
