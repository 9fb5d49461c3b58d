"""How often a stranger may try."""

from classroom.web import limits
from classroom.web.limits import RateLimit


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
