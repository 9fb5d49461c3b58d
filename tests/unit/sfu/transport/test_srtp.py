"""SRTP in place: both directions, forgeries, replays, and a bound on the SSRCs of a peer."""

import pytest

from classroom.sfu.core import rtcp
from classroom.sfu.core.rtp import build_rtp
from classroom.sfu.transport.certificate import PROFILES
from classroom.sfu.transport.dtls import SrtpKeys
from classroom.sfu.transport.srtp import MAX_SSRCS, Buffer, Srtp


def pair() -> tuple[Srtp, Srtp]:
    profile = PROFILES[0]
    size = profile.key_length + profile.salt_length
    one, other = bytes(range(size)), bytes(range(100, 100 + size))
    return Srtp(SrtpKeys(profile.libsrtp_profile, one, other)), Srtp(SrtpKeys(profile.libsrtp_profile, other, one))


def packet(ssrc: int, seq: int = 1) -> bytes:
    return build_rtp(pt=96, seq=seq, ts=2, ssrc=ssrc, payload=b"media")


def protected(srtp: Srtp, data: bytes) -> bytes:
    buffer = Buffer(2048)
    buffer.view[: len(data)] = data
    protect = srtp.protect_rtcp if rtcp.is_rtcp(data) else (lambda b, size: srtp.protect(b, 0, size))
    return bytes(buffer.view[: protect(buffer, len(data))])


def taken(srtp: Srtp, wire: bytes) -> bytes:
    buffer = Buffer(2048)
    buffer.view[: len(wire)] = wire
    size = (srtp.unprotect_rtcp if rtcp.is_rtcp(wire) else srtp.unprotect)(buffer, len(wire))
    return bytes(buffer.view[:size])


@pytest.mark.parametrize("data", [packet(7), rtcp.build_nack(7, 9, [1])], ids=["RTP", "RTCP"])
def test_what_one_end_protects_the_other_takes_once_and_intact(data):
    here, there = pair()
    wire = protected(here, data)
    assert data not in wire
    for at in range(len(wire)):
        forged = wire[:at] + bytes([wire[at] ^ 1]) + wire[at + 1 :]
        assert taken(there, forged) == b""
    assert taken(there, wire) == data
    assert taken(there, wire) == b""  # a replay


def test_a_peer_has_so_many_ssrcs_and_no_more():
    here, there = pair()
    for ssrc in range(MAX_SSRCS):
        assert taken(there, protected(here, packet(ssrc)))
    assert taken(there, protected(here, packet(MAX_SSRCS))) == b""
    assert taken(there, protected(here, rtcp.build_rr(MAX_SSRCS + 1, []))) == b""
    assert taken(there, protected(here, packet(0, seq=2))) == packet(0, seq=2)  # the others go on
    assert taken(there, protected(here, rtcp.build_rr(1, []))) == rtcp.build_rr(1, [])


def test_what_is_forged_takes_nobodys_place():
    here, there = pair()
    for ssrc in range(2 * MAX_SSRCS):
        assert taken(there, packet(ssrc) + bytes(10)) == b""
    assert taken(there, protected(here, packet(1))) == packet(1)


def test_a_packet_is_sent_again_as_it_was_within_a_second_of_picture():
    here, _ = pair()
    sent = [protected(here, packet(7, seq)) for seq in range(1000)]
    assert protected(here, packet(7, 999 - 250)) == sent[999 - 250]
    assert protected(here, packet(7, 999 - 300)) == b"", "libsrtp remembers no more"
