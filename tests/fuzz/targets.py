"""What is fuzzed: functions of bytes that raise when something but acceptance or a documented error comes of them."""

from __future__ import annotations

import contextlib
import itertools
import struct
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from classroom.media.depacketize import H264Depacketizer, OpusDepacketizer
from classroom.sfu.core import rtcp
from classroom.sfu.core.pause import PauseResume, PauseType, build_pause
from classroom.sfu.core.payload import begins_keyframe
from classroom.sfu.core.rtp import RtpError, build_extensions, build_rtp, header_extensions, parse_rtp
from classroom.sfu.core.twcc import build_transport_feedback
from classroom.sfu.negotiate import (
    BadFragment,
    BadOffer,
    LocalTransport,
    UnacceptableOffer,
    answer_offer,
    parse_fragment,
    parse_offer,
)
from classroom.sfu.transport import stun
from tests.fuzz.choices import Choices
from tests.fuzz.whole_lesson import PAYLOADS, play

if TYPE_CHECKING:
    from collections.abc import Callable

OFFERS = [path.read_bytes() for path in sorted((Path(__file__).parents[1] / "data" / "offers").glob("*.sdp"))]
LOCAL = LocalTransport("u", "p", "sha-256 " + ":".join(["AB"] * 32), (("192.0.2.1", 8189),))
PASSWORD = "a password of twenty-two"


@dataclass(frozen=True, slots=True)
class Target:
    """``run`` takes any bytes; ``seeds`` are inputs that reach far into it."""

    run: Callable[[bytes], None]
    seeds: tuple[bytes, ...]
    max_bytes: int = 512


def _stun(data: bytes) -> None:
    try:
        message = stun.parse(data)
    except stun.BadStun:
        return
    with contextlib.suppress(stun.BadStun):
        check = stun.parse_check(message)
        assert check.local_ufrag is not None
        if stun.is_authentic(check.message, PASSWORD):
            stun.build_success(check, ("192.0.2.1", 1), PASSWORD)


def _rtp(data: bytes) -> None:
    try:
        packet = parse_rtp(data)
    except RtpError:
        return
    assert 12 <= packet.payload_start <= packet.payload_end <= len(data)
    carried = 0
    for ext_id, value in header_extensions(packet):
        assert 1 <= ext_id <= 255
        carried += 1 + len(value)
    assert carried <= len(data) - 12
    begins_keyframe(packet.data, packet.payload_start, packet.payload_end)


def _rtcp(data: bytes) -> None:
    try:
        packets = rtcp.parse_rtcp(data)
    except rtcp.RtcpError:
        return
    assert len(packets) <= len(data) // 4
    for packet in packets:
        if isinstance(packet, rtcp.Nack):
            assert len(packet.seqs) <= 17 * len(data) // 4 and all(0 <= seq <= 0xFFFF for seq in packet.seqs)
        elif isinstance(packet, rtcp.Remb):
            assert packet.bitrate_bps < 2**81
        elif isinstance(packet, rtcp.TransportFeedback):
            assert len(packet.arrivals) <= 8192
        elif isinstance(packet, PauseResume):
            assert rtcp.parse_rtcp(build_pause(packet)) == [packet]


def _h264(data: bytes) -> None:
    choices, depacketizer = Choices(data), H264Depacketizer()
    seq, ts, now_s = 0, 0, 0.0
    lost = 0
    while choices:
        how = choices.number(1)
        seq += (1, 1, 1, 1, 2, -1, 0, 40)[how & 7]
        ts += 3000 * (how >> 3 & 1)
        now_s += (how >> 4 & 3) * 0.02
        payload = choices.some(40) if how & 0x40 else PAYLOADS[choices.below(len(PAYLOADS))]
        assert begins_keyframe(payload, 0, len(payload)) in (0, 5, 7)
        for unit in depacketizer.push(seq, ts, how >= 0x80, payload, now_s):
            lost += _check_unit(unit)
    for unit in [*depacketizer.advance(now_s + 5), *depacketizer.flush()]:
        lost += _check_unit(unit)
    assert lost <= 40 * len(data)


def _check_unit(unit: object) -> int:
    if hasattr(unit, "packets"):
        return int(unit.packets)
    assert unit.nals and all(unit.nals)  # type: ignore[attr-defined]
    return 0


def _opus(data: bytes) -> None:
    choices, depacketizer = Choices(data), OpusDepacketizer()
    seq = 0
    frames = []
    while choices:
        seq += choices.below(5) - 1
        frames += depacketizer.push(seq, 960 * seq, choices.some(8), seq * 0.02)
    frames += depacketizer.flush()
    assert all(0 < frame.duration <= 5760 for frame in frames if hasattr(frame, "duration"))


def _offer(data: bytes) -> None:
    try:
        offer = parse_offer(data.decode("utf-8", "replace"))
    except (BadOffer, UnacceptableOffer):
        return
    for publishing in (True, False):
        with contextlib.suppress(UnacceptableOffer):
            made = answer_offer(
                offer, LOCAL, publishing=publishing, cname="sfu", random32=partial(next, itertools.count(1))
            )  # fmt: skip
            assert made.answer.count("\r\nm=") == len(offer.media)


def _fragment(data: bytes) -> None:
    try:
        fragment = parse_fragment(data.decode("utf-8", "replace"))
    except BadFragment:
        return
    assert (fragment.ufrag is None) == (fragment.pwd is None) and fragment.candidates >= 0


def _planted(data: bytes) -> None:
    with contextlib.suppress(RtpError):
        packet = parse_rtp(data)
        if packet.extension_start and packet.payload_end < len(data):
            raise ValueError("the planted fault")


_FRAGMENT = b"a=ice-ufrag:abcd\r\na=ice-pwd:efghijklmnopqrstuvwxyz\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n"
_BLOCK = rtcp.ReportBlock(9, 3, -1, 70_000, 4, 5, 6)
_RTCP = (
    rtcp.build_sr(rtcp.SenderReport(1, 2, 3, 4, 5, [_BLOCK])) + rtcp.build_sdes(1, "cname"),
    rtcp.build_rr(1, [_BLOCK]) + rtcp.build_rrtr(1, 7) + rtcp.build_dlrr(1, 2, 3, 4),
    rtcp.build_nack(1, 9, [1, 2, 3, 40]) + rtcp.build_pli(1, 9) + rtcp.build_bye([1, 2]),
    struct.pack("!BBHIIIBBBB", 0x84, 206, 4, 1, 0, 9, 7, 0, 0, 0),  # FIR
    struct.pack("!BBHII4sBBHI", 0x8F, 206, 5, 1, 0, b"REMB", 1, 0x2F, 0x1234, 9),
    build_transport_feedback(1, 9, 65_530, 3, [1000, None, 1004, 1300, None, *range(1400, 1500, 3)])[0],
    build_pause(PauseResume(1, 9, PauseType.PAUSE, 3)) + build_pause(PauseResume(1, 9, PauseType.PAUSED, 3, 99)),
)

TARGETS: dict[str, Target] = {
    "stun": Target(_stun, (stun.build_check("theirs", "ours", PASSWORD, 1)[0],)),
    "rtp": Target(
        _rtp,
        (
            build_rtp(pt=96, seq=1, ts=2, ssrc=3, payload=b"\x65\x11\x22", extensions=build_extensions([(1, b"ab")])),
            build_rtp(
                pt=96, seq=1, ts=2, ssrc=3, payload=b"\x67", extensions=b"\x10\x00\x00\x02\x01\x02ab\x00\x07\x01c"
            ),
            b"\xa2" + build_rtp(pt=111, seq=1, ts=2, ssrc=3, payload=b"\0" * 12 + b"\x04")[1:],
        ),
    ),
    "rtcp": Target(_rtcp, _RTCP),
    "h264": Target(_h264, (bytes([1, 0, 0x81, 1, 8, 3, 0, 4, 0, 5, 0x80, 6]), bytes([0x40, 5]) + b"\x78\0\1\x67\0")),
    "opus": Target(_opus, (b"\x02\x03\xf8\xff\xfe\x01\x02\x03ab\x02\x01\x07",)),
    "sdp": Target(_offer, tuple(OFFERS), max_bytes=8192),
    "fragment": Target(_fragment, (_FRAGMENT + b"a=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\na=end-of-candidates",)),
    "lesson": Target(play, (bytes(range(0, 200, 3)), bytes([0, 1, 0, 0, 1] * 20 + [9, 0, 3, 8, 0, 1]))),
}

PLANTED = Target(_planted, TARGETS["rtp"].seeds)  # shows that a hunt finds what there is
