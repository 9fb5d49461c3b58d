"""The log of what left by transport-wide number."""

import pytest

from classroom.sfu.core.send_log import SendClock, SendLog


def filled(count: int) -> SendLog:
    log = SendLog()
    for seq in range(count):
        assert log.add(seq / 1000, 100 + seq % 1000) == seq & 0xFFFF
    return log


def test_a_packet_is_found_by_its_number():
    log = filled(10)
    assert log.next_seq == 10
    assert (log.times_s[7], log.sizes_bytes[7]) == (0.007, 107)


@pytest.mark.parametrize("count", [1, SendLog.CAPACITY, 65_536, 65_537, 200_000])
def test_numbers_on_the_wire_are_found_again_over_wraps(count):
    log = filled(count)
    for seq in range(max(0, count - SendLog.CAPACITY), count, 37):
        assert log.unwrap(seq & 0xFFFF) == seq
        assert log.holds(seq)
        assert log.times_s[seq & log.MASK] == seq / 1000


@pytest.mark.parametrize(
    ("count", "seq"),
    [
        pytest.param(0, -1, id="nothing was sent"),
        pytest.param(5, 5, id="not sent yet"),
        pytest.param(5, -1, id="before the first"),
        pytest.param(5000, 5000 - SendLog.CAPACITY - 1, id="forgotten"),
    ],
)
def test_what_the_log_does_not_hold(count, seq):
    assert not filled(count).holds(seq)


def test_a_number_that_was_never_sent_is_not_taken_for_one():
    log = filled(10)
    assert not log.holds(log.unwrap(10)) and not log.holds(log.unwrap(65_535))


@pytest.mark.parametrize(
    ("now", "stamp"),
    [(0.0, 0), (1.0, 1024), (1.5, 1536), (63.9999, 65_535), (64.0, 0), (65.25, 1280)],
)
def test_the_time_is_stamped_in_64ths_of_a_wrap(now, stamp):
    assert SendClock().add(now, 1200) == stamp
    assert (stamp << 8) / (1 << 18) == pytest.approx(now % 64, abs=1 / 1024)  # 6.18 fixed point with its last 8 bits
