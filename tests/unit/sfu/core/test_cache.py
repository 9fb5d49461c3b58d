"""The packet cache."""

import pytest

from classroom.sfu.core.cache import PacketCache
from classroom.sfu.core.rtp import build_rtp, parse_rtp


def packet(ext_seq: int, keyframe_start: bool = False):
    made = parse_rtp(build_rtp(pt=96, seq=ext_seq & 0xFFFF, ts=0, ssrc=1, payload=b"p"))
    made.ext_seq, made.keyframe_start = ext_seq, keyframe_start
    return made


def filled(numbers, keyframes=(), capacity=16) -> PacketCache:
    cache = PacketCache(capacity)
    for number in numbers:
        assert cache.add(packet(number, number in keyframes))
    return cache


@pytest.mark.parametrize("capacity", [3, 1000])
def test_capacity_is_a_power_of_two(capacity):
    with pytest.raises(ValueError, match="power of two"):
        PacketCache(capacity)


def test_an_empty_cache_has_nothing():
    cache = PacketCache(16)
    assert cache.highest == -1 and cache.get(0) is None and cache.since_keyframe(10) == []


def test_what_was_added_is_found_until_the_ring_has_turned():
    cache = filled(range(100, 116))
    assert [cache.get(n).ext_seq for n in range(100, 116)] == list(range(100, 116))
    assert cache.get(99) is None and cache.get(116) is None
    cache.add(packet(116))
    assert cache.get(100) is None and cache.get(101).ext_seq == 101 and cache.highest == 116


@pytest.mark.parametrize(
    ("number", "accepted"),
    [
        pytest.param(111, True, id="next"),
        pytest.param(110, False, id="duplicate of the latest"),
        pytest.param(105, False, id="duplicate"),
        pytest.param(103, True, id="hole"),
        pytest.param(95, True, id="oldest that the ring reaches"),
        pytest.param(94, False, id="older than the ring reaches"),
        pytest.param(100_000, True, id="far ahead"),
    ],
)
def test_add(number, accepted):
    cache = filled([100, 101, 102, 104, 105, 106, 107, 108, 109, 110])
    assert cache.add(packet(number)) is accepted


def test_an_old_packet_does_not_displace_a_newer_one():
    cache = filled([100])
    assert not cache.add(packet(84))  # the same place in a ring of 16
    assert cache.get(100) is not None and cache.get(84) is None


@pytest.mark.parametrize(
    ("numbers", "keyframes", "limit", "expected"),
    [
        pytest.param(range(10), [4], 16, [4, 5, 6, 7, 8, 9], id="from the keyframe to now"),
        pytest.param(range(10), [2, 6], 16, [6, 7, 8, 9], id="from the latest"),
        pytest.param(range(10), [9], 16, [9], id="the keyframe is the latest packet"),
        pytest.param(range(10), [], 16, [], id="no keyframe"),
        pytest.param([4, 5, 7], [4], 16, [], id="one is missing"),
        pytest.param([4, 5, 7, 6], [4], 16, [4, 5, 6, 7], id="the missing one came late"),
        pytest.param([6, 5, 7], [5], 16, [5, 6, 7], id="the keyframe came late"),
        pytest.param([6, 7, 3], [6, 3], 16, [6, 7], id="an older keyframe came late"),
        pytest.param(range(10), [4], 6, [4, 5, 6, 7, 8, 9], id="as many as the limit"),
        pytest.param(range(10), [4], 5, [], id="more than the limit"),
        pytest.param(range(17), [1], 99, list(range(1, 17)), id="as many as the ring holds"),
        pytest.param(range(18), [1], 99, [], id="the keyframe has left the ring"),
    ],
)
def test_since_keyframe(numbers, keyframes, limit, expected):
    cache = filled(numbers, keyframes)
    assert [p.ext_seq for p in cache.since_keyframe(limit)] == expected
