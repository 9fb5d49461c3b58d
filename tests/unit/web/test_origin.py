"""Whom rate limits go by."""

from __future__ import annotations

import pytest
from aiohttp.test_utils import make_mocked_request

from classroom.web.origin import network_of


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("fe80::1%eth0", "fe80::2%eth0", True),
    ],
)
def test_who_has_a_whole_network_of_addresses_is_one(one, other, same):
    first, second = (network_of(make_mocked_request("GET", "/").clone(remote=address)) for address in (one, other))
    assert (first == second) == same
