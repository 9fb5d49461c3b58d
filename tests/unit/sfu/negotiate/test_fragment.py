"""Trickle ICE fragments."""

import pytest

from classroom.sfu.negotiate import BadFragment, Fragment, LocalTransport, build_fragment, parse_fragment

CANDIDATE = "a=candidate:1 1 udp 2113937151 192.0.2.2 34937 typ host"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(f"a=mid:0\r\n{CANDIDATE}\r\n", Fragment(None, None, 1), id="a candidate"),
        pytest.param(f"m=audio 9 RTP/AVP 0\r\n{CANDIDATE}\r\n{CANDIDATE}", Fragment(None, None, 2), id="two"),
        pytest.param("a=end-of-candidates\r\n", Fragment(None, None, 0), id="no more of them"),
        pytest.param("a=ice-ufrag:new \r\na=ice-pwd: secret\r\n\r\n", Fragment("new", "secret", 0), id="ICE restart"),
        pytest.param(f"a=ice-ufrag:new\na=ice-pwd:secret\n{CANDIDATE}", Fragment("new", "secret", 1), id="both"),
    ],
)  # fmt: skip
def test_fragments(text, expected):
    assert parse_fragment(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "neither"),
        ("a=mid:0\r\n", "neither"),
        ("hello", "x=…"),
        ("a\r\n", "x=…"),
        ("a=ice-ufrag:new\r\n", "both"),
        ("a=ice-pwd:new\r\n" + CANDIDATE, "both"),
        ("a=ice-ufrag:\r\na=ice-pwd:new", "256 signs"),
        ("a=ice-ufrag:new\r\na=ice-pwd:" + "p" * 257, "256 signs"),
    ],
)
def test_what_is_no_fragment(text, message):
    with pytest.raises(BadFragment, match=message):
        parse_fragment(text)


def test_ours_is_read_back():
    local = LocalTransport("ufrag", "pwd", "sha-256 AB", (("192.0.2.1", 8189), ("2001:db8::1", 8189)))
    text = build_fragment(local)
    assert parse_fragment(text) == Fragment("ufrag", "pwd", 2)
    assert text.startswith("a=ice-lite\r\n") and text.endswith("a=end-of-candidates\r\n")
