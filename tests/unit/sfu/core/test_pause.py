"""PAUSE and RESUME on the wire; the bytes are written out by hand after RFC 7728 §8."""

import struct

import pytest

from classroom.sfu.core import rtcp
from classroom.sfu.core.pause import PauseResume, PauseType, build_pause, parse_pause

MESSAGES = [
    pytest.param("89cd0004 00000001 00000000 00000002 00000003", PauseResume(1, 2, PauseType.PAUSE, 3), id="pause"),
    pytest.param(
        "89cd0004 00000001 00000000 00000002 1000ffff", PauseResume(1, 2, PauseType.RESUME, 65535), id="resume"
    ),
    pytest.param(
        "89cd0005 00000001 00000000 00000002 20010003 00012345",
        PauseResume(1, 2, PauseType.PAUSED, 3, 0x12345), id="paused",
    ),
    pytest.param("89cd0004 00000001 00000000 00000002 30000003", PauseResume(1, 2, PauseType.REFUSED, 3), id="refused"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "message"), MESSAGES)
def test_messages_both_ways(data, message):
    assert build_pause(message) == bytes.fromhex(data)
    assert rtcp.parse_rtcp(bytes.fromhex(data)) == [message]


def test_several_messages_in_a_packet_and_unknown_ones_between():
    body = bytes.fromhex("00000001 00000000 00000002 00000003 00000009 40010003 ffffffff 00000004 10000005")
    assert parse_pause(body) == [PauseResume(1, 2, PauseType.PAUSE, 3), PauseResume(1, 4, PauseType.RESUME, 5)]


def test_paused_without_its_number_and_pause_with_parameters():
    body = bytes.fromhex("00000001 00000000 00000002 20000003 00000004 00010005 00000006")
    assert parse_pause(body) == [PauseResume(1, 2, PauseType.PAUSED, 3), PauseResume(1, 4, PauseType.PAUSE, 5)]


@pytest.mark.parametrize(
    "body", ["00000001", "0000000100000000000000", "000000010000000000000002", "00000001000000000000000220010003"]
)
def test_what_is_cut(body):
    with pytest.raises(struct.error):
        parse_pause(bytes.fromhex(body))
