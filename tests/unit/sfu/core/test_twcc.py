"""Transport-wide feedback; the bytes are written out by hand after the draft §3.1."""

import random
import struct

import pytest

from classroom.sfu.core import rtcp, twcc
from classroom.sfu.core.twcc import (
    INTERVAL_S,
    MAX_SPAN,
    TICKS_PER_S,
    Arrivals,
    FeedbackError,
    build_transport_feedback,
    parse_transport_feedback,
)

HEAD = "00000001 00000002"


def parsed(data: bytes) -> twcc.TransportFeedback:
    (feedback,) = rtcp.parse_rtcp(data)
    assert isinstance(feedback, twcc.TransportFeedback)
    return feedback


@pytest.mark.parametrize(
    ("rest", "arrivals"),
    [
        pytest.param("2003 0a 00 ff", [10, 10, 265], id="all small, in one run"),
        pytest.param("0003", [None] * 3, id="nothing arrived"),
        pytest.param("4003 ffff 7fff 8000", [-1, 32766, -2], id="all large"),
        pytest.param("b000 01 02", [1, 3, None], id="one-bit vector: small, small, lost"),
        pytest.param("a800 01 02", [1, None, 3], id="one-bit vector: small, lost, small"),
        pytest.param("d900 05 fff0 07", [5, -11, -4], id="two-bit vector: small, large, small"),
        pytest.param("2001 4001 0001 01 0100", [1, 257, None], id="three runs"),
        pytest.param("2fff 01 01 01", [1, 2, 3], id="a run beyond the count"),
    ],
)
def test_what_the_bytes_mean(rest, arrivals):
    body = bytes.fromhex(f"{HEAD} fffe 0003 ffffff 07 {rest}")
    feedback = parse_transport_feedback(body)
    assert (feedback.sender_ssrc, feedback.media_ssrc, feedback.base_seq) == (1, 2, 0xFFFE)
    assert (feedback.reference_64ms, feedback.feedback_count) == (0xFFFFFF, 7)
    assert feedback.arrivals == arrivals


@pytest.mark.parametrize(
    "rest",
    [
        pytest.param("0002 000000 00", id="no chunk"),
        pytest.param("0002 000000 00 2002 01", id="a delta too few in a run"),
        pytest.param("0002 000000 00 2001 2001 01", id="a delta too few"),
        pytest.param("0002 000000 00 4002 0001 01", id="half of a large delta"),
        pytest.param("0002 000000 00 2001", id="a chunk too few"),
        pytest.param("0001 000000 00 6001 00", id="the reserved symbol"),
        pytest.param("1001 000000 00 1fff", id="more packets than anybody sends"),
    ],
)
def test_what_is_no_feedback(rest):
    with pytest.raises((FeedbackError, struct.error)):
        parse_transport_feedback(bytes.fromhex(f"{HEAD} 0000 {rest}"))


@pytest.mark.parametrize(
    "ticks",
    [
        pytest.param([1000], id="one"),
        pytest.param(list(range(1000, 1020)), id="a long run"),
        pytest.param([1000, None, 1001, None, 1002], id="one-bit vector"),
        pytest.param([1000, 2000, None, 1500, 1501, None, None, 1502], id="two-bit vectors"),
        pytest.param([None] * 20 + [1000] * 8 + [5000], id="a run of seven before a large delta"),
        pytest.param([1000, *[None] * 3000, 1010], id="a long run of losses"),
        pytest.param([1000, *[None] * 4093, 1010, 1500], id="the longest run of losses"),
        pytest.param([1000, 1000 + 0x7FFF, 1000 + 0x7FFF - 0x8000], id="the largest deltas"),
        pytest.param([2**40, 2**40 + 3], id="a clock that has run for years"),
    ],
)
def test_what_is_built_is_read(ticks):
    data, covered = build_transport_feedback(1, 2, 70_000, 259, ticks)
    feedback = parsed(data)
    assert covered == len(ticks) and len(data) % 4 == 0
    assert (feedback.sender_ssrc, feedback.media_ssrc) == (1, 2)
    assert (feedback.base_seq, feedback.feedback_count) == (70_000 & 0xFFFF, 3)
    first = next(tick for tick in ticks if tick is not None) // 256
    assert feedback.reference_64ms == first & 0xFFFFFF
    assert [tick if tick is None else tick + first * 256 for tick in feedback.arrivals] == ticks


@pytest.mark.parametrize("late", [40_000, -40_000])
def test_a_delta_that_cannot_be_said_ends_the_report(late):
    data, covered = build_transport_feedback(1, 2, 0, 0, [100_000, None, 100_000 + late, 5])
    assert covered == 2 and parsed(data).arrivals == [100_000 % 256, None]


@pytest.mark.parametrize("seed", range(20))
def test_reports_of_any_pattern_are_read_as_built(seed):
    dice = random.Random(seed)
    tick, ticks = 10_000, []
    for _ in range(dice.randrange(1, 400)):
        tick += dice.choice([0, 1, 4, 255, 256, 3000, -20])
        ticks.append(None if dice.random() < dice.choice([0.05, 0.9]) else tick)
    ticks.append(tick)
    data, covered = build_transport_feedback(1, 2, 0, 0, ticks)
    first = next(t for t in ticks if t is not None) // 256 * 256
    assert [t if t is None else t + first for t in parsed(data).arrivals] == ticks[:covered] == ticks


# --- the receiving side -----------------------------------------------------------------------------------------


def told(packets: list[bytes]) -> dict[int, float | None]:
    """Number (16 bits): arrival in seconds."""
    arrivals: dict[int, float | None] = {}
    for data in packets:
        feedback = parsed(data)
        for place, tick in enumerate(feedback.arrivals):
            seconds = None if tick is None else (feedback.reference_64ms * 256 + tick) / TICKS_PER_S
            arrivals[(feedback.base_seq + place) & 0xFFFF] = seconds
    return arrivals


def test_arrivals_are_told_each_interval():
    arrivals = Arrivals(9)
    assert arrivals.next_timeout() is None and arrivals.take(5.0) == []
    arrivals.received(65_534, 77, 10.0)
    assert arrivals.next_timeout() == 10.0
    assert told(arrivals.take(10.0)) == {65_534: 10.0}
    arrivals.received(65_535, 77, 10.01)
    arrivals.received(1, 77, 10.02)
    assert arrivals.next_timeout() == 10.0 + INTERVAL_S
    assert arrivals.take(10.05) == []
    packets = arrivals.take(10.06)
    assert told(packets) == {65_535: 10.01, 0: None, 1: 10.02}
    feedback = parsed(packets[0])
    assert (feedback.sender_ssrc, feedback.media_ssrc, feedback.feedback_count) == (9, 77, 1)
    assert arrivals.next_timeout() is None


def test_after_silence_the_first_arrival_is_told_at_once():
    arrivals = Arrivals(9)
    arrivals.received(1, 77, 10.0)
    arrivals.take(10.0)
    arrivals.received(2, 77, 20.0)
    assert arrivals.next_timeout() == 20.0


def test_what_comes_late_is_told_together_with_what_came_after_it():
    arrivals = Arrivals(9)
    for number, at in ((1, 10.0), (3, 10.01)):
        arrivals.received(number, 77, at)
    assert told(arrivals.take(10.1)) == {1: 10.0, 2: None, 3: 10.01}
    arrivals.received(2, 77, 10.15)
    arrivals.received(2, 77, 10.16)  # a duplicate says nothing
    assert told(arrivals.take(10.2)) == {2: 10.15, 3: 10.01}
    arrivals.received(4, 77, 10.9)
    arrivals.take(10.9)
    arrivals.received(3, 77, 10.95)  # forgotten by now: counts as new
    assert told(arrivals.take(11.0)) == {3: 10.95, 4: 10.9}


def test_many_arrivals_do_not_wait_for_the_interval():
    arrivals = Arrivals(9)
    arrivals.received(0, 77, 10.0)
    arrivals.take(10.0)
    for number in range(1, MAX_SPAN // 2 + 1):
        arrivals.received(number, 77, 10.001)
    assert len(told(arrivals.take(10.001))) == MAX_SPAN // 2


def test_a_jump_of_the_numbers_is_no_flood_of_losses():
    arrivals = Arrivals(9)
    arrivals.received(0, 77, 10.0)
    arrivals.received(30_000, 77, 10.01)
    packets = arrivals.take(10.1)
    assert len(packets) == 1 and len(packets[0]) < 60
    assert told(packets)[30_000] == 10.01 and len(told(packets)) == MAX_SPAN


def test_a_gap_in_time_that_no_delta_can_say_makes_two_reports():
    arrivals = Arrivals(9)
    arrivals.received(0, 77, 10.0)
    arrivals.received(1, 77, 20.0)
    packets = arrivals.take(20.0)
    assert len(packets) == 2 and told(packets) == {0: 10.0, 1: 20.0}


def test_a_number_that_comes_later_than_a_report_reaches_is_not_reported():
    arrivals = Arrivals(1)
    arrivals.received(5000, 9, 10.0)
    assert len(arrivals.take(10.0)) == 1
    arrivals.received(5001, 9, 11.0)
    assert len(arrivals.take(11.0)) == 1
    arrivals.received(5001 - MAX_SPAN, 9, 12.0)
    assert parsed(arrivals.take(12.0)[0]).arrivals[:-1] == [None] * (MAX_SPAN - 1)  # 5001 again, which is forgotten now
    arrivals.received(5000 - MAX_SPAN, 9, 13.0)
    assert arrivals.take(13.0) == []
    arrivals.received(5002, 9, 13.5)
    (packet,) = arrivals.take(13.5)
    report = parsed(packet)
    assert report.base_seq == 5002 and len(report.arrivals) == 1
