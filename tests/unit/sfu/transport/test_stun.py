"""Answers that we write by hand are those that the codec would write."""

import pytest
from aioice import stun as codec

from classroom.sfu.transport import stun


@pytest.mark.parametrize(
    "address", [("127.0.0.1", 9), ("203.0.113.255", 65535), ("2001:db8::ff00:42:8329", 8189), ("::1", 1)]
)
def test_an_answer_is_what_the_codec_would_write(address):
    check = stun.parse_check(stun.parse(stun.build_check("abcd", "efgh", "secret", 1)[0]))
    expected = codec.Message(
        message_method=codec.Method.BINDING,
        message_class=codec.Class.RESPONSE,
        transaction_id=check.message.transaction_id,
    )
    expected.attributes["XOR-MAPPED-ADDRESS"] = address
    expected.add_message_integrity(b"secret")
    answer = stun.build_success(check, address, "secret")
    assert answer == bytes(expected)
    assert stun.is_authentic(stun.parse(answer), "secret") and not stun.is_authentic(stun.parse(answer), "other")
