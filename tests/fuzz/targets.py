"""What is fuzzed: functions of bytes that raise when something but acceptance or a documented error comes of them."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import math
import socket
import struct
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from classroom.media.depacketize import H264Depacketizer, OpusDepacketizer
from classroom.sfu.core import rtcp
from classroom.sfu.core.cache import PacketCache
from classroom.sfu.core.downlink import Downlink
from classroom.sfu.core.pacer import Priority
from classroom.sfu.core.pause import PauseResume, PauseType, build_pause
from classroom.sfu.core.payload import begins_keyframe
from classroom.sfu.core.red import LADDER, redundant
from classroom.sfu.core.rtp import RtpError, build_extensions, build_rtp, header_extensions, parse_rtp
from classroom.sfu.core.send_log import SendLog
from classroom.sfu.core.sps import BadParameterSet, parse_sps
from classroom.sfu.core.twcc import Arrivals, FeedbackError, build_transport_feedback, parse_transport_feedback
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
from classroom.sfu.transport.egress import BUFFER_BYTES
from classroom.sfu.transport.srtp import Buffer
from classroom.sfu.transport.tcp import MAX_FRAME_BYTES, TcpConnection
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


def _sps(data: bytes) -> None:
    try:
        parsed = parse_sps(data)
    except BadParameterSet:
        return
    assert 0 < parsed.width_px <= 16384 and 0 < parsed.height_px <= 16384
    assert parsed.frame_rate_hz is None or parsed.frame_rate_hz > 0


def _feedback(data: bytes) -> None:
    """Transport-wide feedback, true and false, to a receiver's path; and what arrives to the writer of our own."""
    choices = Choices(data)
    log, arrivals = SendLog(), Arrivals(1)
    path: Downlink[int] = Downlink(log, 1e6 if choices.below(2) else None)
    now, base, reports = 10.0, 0, 0
    for number in range(200):
        if not choices:
            break
        match choices.below(8):
            case 0 | 1 | 2:
                for _ in range(choices.below(32)):
                    if path.push(number, 1200, Priority(choices.below(5)), choices.below(3), now):
                        log.add(now, 1200)
                for item in path.due(now):
                    log.add(now, 1200)
                    assert 0 <= item <= number
                path.take_stalled()
                assert path.take_probe_bytes() >= 0
            case 3 | 4:
                ticks = [None if choices.below(4) == 0 else 1000 + 8 * n for n in range(1 + choices.below(40))]
                if all(tick is None for tick in ticks):
                    continue
                report, covered = build_transport_feedback(
                    1, 9, (log.next_seq - len(ticks)) & 0xFFFF, reports & 0xFF, ticks
                )
                reports, base = reports + 1, base + covered
                (parsed,) = rtcp.parse_rtcp(report)
                path.feedback(parsed, now)
            case 5:
                body = choices.some(60)
                with contextlib.suppress(FeedbackError, struct.error):
                    path.feedback(parse_transport_feedback(body), now)
            case 6:
                arrivals.received(choices.near(65_530 + number, 16), 9, now)
                for packet in arrivals.take(now):
                    rtcp.parse_rtcp(packet)
            case _:
                now += choices.number(1) / 100
        assert 10_000 <= path.estimate_bps <= 1e10 and path.queued_bytes <= 500_000
        assert math.isfinite(path.estimator.queue_delay_s) and 0 <= path.estimator.loss <= 1


def _red(data: bytes) -> None:
    """Sound with copies, read back as RFC 2198 says."""
    choices, cache = Choices(data), PacketCache(64)
    sent: dict[int, set[bytes]] = {}  # by timestamp; a bad publisher may use one twice
    seq, ts = 65_500, 2**32 - 9000
    pt = choices.below(128)
    while choices:
        how = choices.number(1)
        seq += 1 + (how & 3 == 3) * choices.below(9)
        ts = choices.near(ts + 960, 32) if how & 4 else (ts + 960) & 0xFFFF_FFFF
        payload = choices.some(60) * (1 + (how >> 3 & 1) * 30)
        packet = parse_rtp(build_rtp(pt=111, seq=seq & 0xFFFF, ts=ts, ssrc=1, payload=payload))
        packet.ext_seq = seq
        cache.add(packet)
        sent.setdefault(ts, set()).add(payload)
        distances = LADDER[how >> 4 & 3][1]
        made = redundant(packet, cache, pt, distances)
        blocks, at = [], 0
        while made.payload[at] & 0x80:
            (head,) = struct.unpack_from("!I", made.payload, at)
            blocks.append((head >> 24 & 0x7F, head >> 10 & 0x3FFF, head & 0x3FF))
            at += 4
        assert made.payload[at] == pt and len(blocks) <= len(distances)
        at += 1
        for block_pt, offset, size in blocks:
            assert block_pt == pt and size and offset
            assert made.payload[at : at + size] in sent[(ts - offset) & 0xFFFF_FFFF]
            at += size
        assert made.payload[at:] == payload and made.ts == ts and made.ext_seq == seq


class _Framing:
    """One listening socket for all inputs, one event loop."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._runner = asyncio.Runner()
        self._outgoing = Buffer(BUFFER_BYTES)

    def __call__(self, data: bytes) -> None:
        self._runner.run(self._take(Choices(data)))

    async def _take(self, choices: Choices) -> None:
        client = socket.create_connection(self._listener.getsockname())
        server, _ = self._listener.accept()
        server.setblocking(False)
        frames: list[bytes] = []
        connection = TcpConnection(server, self._outgoing, lambda _, got: frames.extend(got), lambda *_: None)
        trusted = choices.below(2)
        if trusted:
            connection.trust()
        sent = bytearray()
        try:
            while choices and not connection.closed:
                frame = choices.some(200) * (1 + choices.below(8))
                chunk = frame if choices.below(4) == 0 else struct.pack("!H", len(frame)) + frame
                sent += chunk
                client.sendall(chunk)
                connection._readable()
            connection._readable()
            client.close()
            for _ in range(2 + len(sent) // 500):
                if not connection.closed:
                    connection._readable()
            assert connection.closed
            assert all(0 < len(frame) <= MAX_FRAME_BYTES for frame in frames)
            told = b"".join(struct.pack("!H", len(frame)) + frame for frame in frames)
            assert bytes(sent).startswith(told)
        finally:
            client.close()
            connection.close()


def _planted(data: bytes) -> None:
    with contextlib.suppress(RtpError):
        packet = parse_rtp(data)
        if packet.extension_start and packet.payload_end < len(data):
            raise ValueError("the planted fault")


SPS = tuple(
    map(
        bytes.fromhex,
        (
            "6742c01e8c8d40501ed00f08846a",
            "6764001facd9405005bb016a02020280000003008000001e078c18cb",
            "67640028ad00d903c0113f2e0220000003002000000f01e30632a0",
        ),
    )
)
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
    "h264": Target(
        _h264, (bytes([1, 0, 0x81, 1, 8, 3, 0, 4, 0, 5, 0x80, 6]), bytes([0x40, 5]) + b"\x78\0\1\x67\0"), max_bytes=160
    ),
    "sps": Target(_sps, SPS),
    "feedback": Target(_feedback, (bytes([1, 0, 9, 1, 1, 7, 5, 3, 6, *range(40)]) * 3, bytes(range(7, 120)))),
    "framing": Target(_Framing(), (bytes([1, 5, *b"hello", 0, 1, 3, *b"abc", 2, 3]), bytes([0, 200, *range(200)]))),
    "red": Target(_red, (bytes([111, *([0x20, 9, *b"some sound"] * 12)]), bytes([63, *range(16, 200, 3)]))),
    "opus": Target(_opus, (b"\x02\x03\xf8\xff\xfe\x01\x02\x03ab\x02\x01\x07",)),
    "sdp": Target(_offer, tuple(OFFERS), max_bytes=8192),
    "fragment": Target(_fragment, (_FRAGMENT + b"a=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\na=end-of-candidates",)),
    "lesson": Target(play, (bytes(range(0, 200, 3)), bytes([0, 1, 0, 0, 1] * 20 + [9, 0, 3, 8, 0, 1]))),
}

PLANTED = Target(_planted, TARGETS["rtp"].seeds)  # shows that a hunt finds what there is
