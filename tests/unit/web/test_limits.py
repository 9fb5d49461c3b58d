"""How often a stranger may try."""

from classroom.web import limits
from classroom.web.limits import Pace, RateLimit


def test_a_bucket_empties_and_fills_again():
    limit = RateLimit(20)
    assert [limit.spend("a", 0.0) for _ in range(21)] == [None] * 20 + [3]
    assert limit.spend("a", 2.9) == 1
    assert limit.spend("a", 3.1) is None
    assert limit.spend("a", 3.2) == 3


def test_addresses_do_not_share_a_bucket():
    limit = RateLimit(1)
    assert limit.spend("a", 0.0) is None
    assert limit.spend("a", 0.0) == 60
    assert limit.spend("b", 0.0) is None


def test_a_bucket_never_holds_more_than_its_limit():
    limit = RateLimit(2)
    limit.spend("a", 0.0)
    assert [limit.spend("a", 1e6) for _ in range(3)] == [None, None, 30]


def test_the_table_is_bounded():
    limit = RateLimit(1)
    limit.spend("first", 0.0)
    for number in range(limits._MAX_KEYS):
        limit.spend(str(number), 0.0)
    assert len(limit._buckets) == limits._MAX_KEYS
    assert limit.spend("first", 0.0) is None  # it was forgotten


def test_who_says_much_at_once_is_read_and_who_goes_on_is_read_later():
    pace = Pace(per_s=20, burst=3, now=0.0)
    assert [pace.wait_s(0.0) for _ in range(5)] == [0.0, 0.0, 0.0, 0.05, 0.1]
    assert pace.wait_s(10.0) == 0.0, "it has been quiet"
    assert [pace.wait_s(10.0) for _ in range(3)] == [0.0, 0.0, 0.05]
