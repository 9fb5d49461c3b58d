"""Receiver statistics; aiortc's StreamStatistics and the algorithms of RFC 3550 A.3 and A.8 are the oracles."""

import random

import pytest
from aiortc.rtcrtpreceiver import StreamStatistics
from aiortc.rtp import RtpPacket

from classroom.sfu.core.ntp import FRACTION
from classroom.sfu.core.reception import Reception, ntp_seconds, round_trip_s
from classroom.sfu.core.serial import Unwrapper16

CLOCK_HZ = 90_000


class Stream:
    """Feeds 16-bit numbers the way an UpTrack does."""

    def __init__(self) -> None:
        self.reception = Reception(7, CLOCK_HZ)
        self._unwrap = Unwrapper16().unwrap

    def feed(self, seqs, transit_s: float = 0.0):
        for seq in seqs:
            ext_seq = self._unwrap(seq)
            self.reception.received(ext_seq, ext_seq * 3000 & 0xFFFF_FFFF, 100, ext_seq * 3000 / CLOCK_HZ + transit_s)
        return self.reception.block(0.0)


def test_before_the_first_packet():
    block = Reception(7, CLOCK_HZ).block(5.0)
    assert (block.ssrc, block.fraction_lost, block.cumulative_lost, block.highest_ext_seq) == (7, 0, 0, 0)
    assert (block.jitter, block.lsr, block.dlsr) == (0, 0, 0)
    assert Reception(7, CLOCK_HZ).lost == 0


@pytest.mark.parametrize(
    ("seqs", "fraction", "cumulative", "highest"),
    [
        pytest.param(range(10), 0, 0, 9, id="nothing lost"),
        pytest.param([0, 1, 3], 64, 1, 3, id="one of four"),
        pytest.param([0, 255], 254, 254, 255, id="254 of 256"),
        pytest.param([0, 2, 1], 0, 0, 2, id="reordered"),
        pytest.param([65534, 65535, 1], 64, 1, 0x10001, id="one of four over the wrap: one cycle"),
        pytest.param([5, 3, 6], 0, -1, 6, id="one from before the first: fewer than none lost"),
        pytest.param([0] * 1 + [1000], 255, 999, 1000, id="nearly all lost: at most 255/256"),
    ],
)
def test_loss(seqs, fraction, cumulative, highest):
    stream = Stream()
    block = stream.feed(seqs)
    assert (block.fraction_lost, block.cumulative_lost, block.highest_ext_seq) == (fraction, cumulative, highest)
    assert stream.reception.lost == max(0, cumulative)


def test_the_fraction_is_that_since_the_last_report():
    stream = Stream()
    assert stream.feed([0, 1, 3]).fraction_lost == 64
    assert stream.feed([4, 5, 6, 7]).fraction_lost == 0
    block = stream.feed([])
    assert (block.fraction_lost, block.cumulative_lost) == (0, 1)


def test_a_repair_that_comes_after_the_report_makes_the_fraction_zero_not_negative():
    stream = Stream()
    stream.feed([0, 1, 3])
    block = stream.feed([2])
    assert (block.fraction_lost, block.cumulative_lost) == (0, 0)


def test_cumulative_loss_stays_within_24_bits():
    reception = Reception(7, CLOCK_HZ)
    reception.received(0x10000, 0, 100, 0.0)
    reception.received(0x10000 + 0x90_0000, 0, 100, 0.0)
    assert reception.block(0.0).cumulative_lost == 0x7F_FFFF


def test_jitter_as_rfc_3550_a8_computes_it():
    reception = Reception(7, CLOCK_HZ)
    rng = random.Random(3)
    jitter, last = 0.0, None
    for number in range(500):
        ts = number * 3000
        arrival_s = ts / CLOCK_HZ + 0.05 + rng.uniform(0, 0.02)
        reception.received(0x10000 + number, ts, 100, arrival_s)
        transit = arrival_s * CLOCK_HZ - ts
        if last is not None:
            jitter += (abs(transit - last) - jitter) / 16
        last = transit
    assert reception.block(0.0).jitter == round(jitter) > 100


def test_neither_a_wrap_of_the_timestamp_nor_a_late_packet_is_jitter():
    reception = Reception(7, CLOCK_HZ)
    for number in range(20):
        ts = (2**32 - 30_000 + number * 3000) & 0xFFFF_FFFF
        reception.received(0x10000 + number, ts, 100, 1 + number * 3000 / CLOCK_HZ)
    reception.received(0x10000 - 1, 0, 100, 9.0)
    assert reception.block(0.0).jitter == 0


def test_numbers_agree_with_aiortc():
    rng = random.Random(11)
    numbers = [n for n in range(65_000, 67_000) if rng.random() > 0.05]
    for at in range(0, len(numbers) - 1, 37):
        numbers[at], numbers[at + 1] = numbers[at + 1], numbers[at]
    theirs, ours = StreamStatistics(CLOCK_HZ), Stream()
    for end in range(200, len(numbers), 200):
        chunk = [n & 0xFFFF for n in numbers[end - 200 : end]]
        for seq in chunk:
            theirs.add(RtpPacket(sequence_number=seq, timestamp=0))
        block = ours.feed(chunk)
        assert block.fraction_lost == theirs.fraction_lost
        assert block.cumulative_lost == theirs.packets_lost
        assert block.highest_ext_seq == theirs.cycles + theirs.max_seq
    assert block.highest_ext_seq > 0x10000


def test_the_last_sender_report_is_echoed_with_its_age():
    reception = Reception(7, CLOCK_HZ)
    reception.sender_report(0x0123_4567_89AB_CDEF, 10.0)
    block = reception.block(10.5)
    assert (block.lsr, block.dlsr) == (0x4567_89AB, 32768)
    assert reception.block(1e9).dlsr == 0xFFFF_FFFF


def middle(seconds: float) -> int:
    return int(seconds * 65536) & 0xFFFF_FFFF


@pytest.mark.parametrize(
    ("sent_s", "held_s", "now_s", "expected_s"),
    [
        pytest.param(100.0, 0.5, 100.75, 0.25, id="plain"),
        pytest.param(65535.9, 0.0, 65536.1, 0.2, id="the middle 32 bits wrap"),
        pytest.param(100.0, 0.001, 100.0009, 0.0, id="just below zero on loopback"),
        pytest.param(100.0, 0.0, 131.0, None, id="absurd"),
    ],
)
def test_round_trip(sent_s, held_s, now_s, expected_s):
    rtt_s = round_trip_s(int(now_s * FRACTION), middle(sent_s), middle(held_s))
    assert rtt_s == (None if expected_s is None else pytest.approx(expected_s, abs=1e-4))


def test_without_an_echo_there_is_no_round_trip():
    assert round_trip_s(123 << 32, 0, 5) is None


def test_ntp_seconds():
    assert ntp_seconds(3 * FRACTION + FRACTION // 2) == 3.5
