"""Arbitrary and almost right bytes: every parser accepts them or says its documented error, nothing else."""

import contextlib
import random
import struct

from hypothesis import example, given, settings
from hypothesis import strategies as st

from classroom.model import Label, ParticipantId, SessionId, SlotWish, TrackKind
from classroom.sfu.core import rtcp
from classroom.sfu.core.down_track import DownTrack
from classroom.sfu.core.lesson import LessonMedia
from classroom.sfu.core.payload import begins_keyframe
from classroom.sfu.core.peers import IncomingMedia, Slot
from classroom.sfu.core.rtp import RtpError, build_extensions, build_rtp, header_extensions, parse_rtp
from classroom.sfu.transport import stun

SEQ, TS, SSRC = st.integers(0, 0xFFFF), st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1)
# The same examples in every run of the suite; a hunt for new ones raises max_examples and drops derandomize.
quick = settings(max_examples=200, deadline=None, derandomize=True)

# Bytes whose first ones pass the first checks, so that what comes behind is reached.
rtp_like = st.builds(
    lambda first, second, rest: bytes([0x80 | first, second]) + rest,
    st.integers(0, 63), st.integers(0, 255), st.binary(max_size=120),
)  # fmt: skip
rtcp_like = st.lists(
    st.builds(
        lambda first, kind, body, lie: struct.pack("!BBH", 0x80 | first, kind, max(0, len(body) // 4 + lie))
        + body[: len(body) // 4 * 4],
        st.integers(0, 63), st.sampled_from([200, 201, 202, 203, 204, 205, 206, 207]), st.binary(max_size=60),
        st.sampled_from([0, 0, 0, 0, 1, -1]),
    ),
    min_size=1, max_size=4,
).map(b"".join)  # fmt: skip


@quick
@given(st.binary(max_size=100) | rtp_like)
def test_parse_rtp(data):
    try:
        packet = parse_rtp(data)
    except RtpError:
        return
    assert 12 <= packet.payload_start <= packet.payload_end <= len(data)
    for ext_id, value in header_extensions(packet):
        assert 1 <= ext_id <= 255 and len(value) <= 255
    begins_keyframe(packet.data, packet.payload_start, packet.payload_end)


@quick
@given(st.sampled_from([0xBEDE, 0x1000, 0x100F]), st.binary(max_size=64))
def test_header_extensions_stay_within_their_block(profile, body):
    body = body[: len(body) // 4 * 4]
    block = struct.pack("!HH", profile, len(body) // 4) + body
    packet = parse_rtp(build_rtp(pt=96, seq=0, ts=0, ssrc=0, payload=b"\xff" * 300, extensions=block))
    elements = list(header_extensions(packet))
    assert sum(1 + len(value) for _, value in elements) <= len(body)
    assert all(value in body for _, value in elements)


@quick
@given(st.lists(st.tuples(st.integers(1, 14), st.binary(min_size=1, max_size=16)), max_size=14), SEQ, TS, SSRC,
       st.integers(0, 127), st.booleans(), st.binary(max_size=50))  # fmt: skip
def test_what_is_built_is_read_back(elements, seq, ts, ssrc, pt, marker, payload):
    data = build_rtp(
        pt=pt, seq=seq, ts=ts, ssrc=ssrc, payload=payload, marker=marker, extensions=build_extensions(elements)
    )  # fmt: skip
    packet = parse_rtp(data)
    assert (packet.pt, packet.seq, packet.ts, packet.ssrc, packet.marker) == (pt, seq, ts, ssrc, marker)
    assert packet.payload == payload and list(header_extensions(packet)) == elements


@quick
@given(st.binary(max_size=80), st.integers(0, 10), st.integers(0, 10))
@example(b"\x78\x00", 0, 0)
def test_begins_keyframe_looks_at_nothing_beyond_the_payload(payload, before, after):
    expected = begins_keyframe(payload, 0, len(payload))
    assert expected in (0, 5, 7)
    for around in (b"\x65\x00", b"\xff\xff"):
        data = (around * 5)[:before] + payload + (around * 5)[:after]
        assert begins_keyframe(data, before, before + len(payload)) == expected


@quick
@given(st.binary(max_size=100) | rtcp_like)
def test_parse_rtcp(data):
    with contextlib.suppress(rtcp.RtcpError):
        rtcp.parse_rtcp(data)


@quick
@given(st.lists(SEQ, min_size=1, max_size=300, unique=True))
def test_nacks_are_read_back(numbers):
    first = numbers[0]
    seqs = sorted(numbers, key=lambda seq: (seq - first) & 0xFFFF)  # ascending on the circle from somewhere
    assert rtcp.parse_rtcp(rtcp.build_nack(1, 2, seqs)) == [rtcp.Nack(1, 2, seqs)]


@quick
@given(
    st.binary(max_size=120)
    | st.binary(max_size=100).map(lambda body: struct.pack("!HHI", 1, len(body), 0x2112A442) + body)
)
def test_stun(datagram):
    try:
        message = stun.parse(datagram)
    except stun.BadStun:
        return
    with contextlib.suppress(stun.BadStun):
        check = stun.parse_check(message)
        assert not stun.is_authentic(check.message, "a password that nobody knows")


@quick
@given(st.binary(max_size=200), st.integers(0, 150))
def test_a_damaged_check_is_not_authentic(noise, at):
    datagram, _ = stun.build_check("theirs", "ours", "password", 1)
    damaged = datagram[:at] + noise + datagram[at + len(noise) :]
    try:
        message = stun.parse(damaged)
    except stun.BadStun:
        return
    # The fingerprint is not ours to check; the integrity is, of everything before it.
    assert not stun.is_authentic(message, "password") or damaged[:-28] == datagram[:-28]


# --- the whole lesson ------------------------------------------------------------------------------------------------

UP, DOWN = SessionId("up"), SessionId("down")


class CheckedSink:
    """Takes everything and looks that it is well formed, and that no number is used for two packets."""

    def __init__(self) -> None:
        self.view = memoryview(bytearray(4096))
        self.left: dict[int, bytes] = {}

    def send(self, burst) -> None:
        down, packets, seq_offset, ts_offset = burst
        for packet in packets:
            size = down.write(packet, seq_offset, ts_offset, self.view, 0)
            written = parse_rtp(bytes(self.view[:size]))
            assert written.ssrc == down.ssrc and written.payload == packet.payload
            assert self.left.setdefault(written.seq, written.data) == written.data

    def resend(self, down, data) -> None:
        again = parse_rtp(data)
        assert self.left.get(again.seq) == data

    def send_rtcp(self, data) -> None:
        rtcp.parse_rtcp(data)


def lesson() -> tuple[LessonMedia, CheckedSink]:
    rng, sink = random.Random(1), CheckedSink()
    media = LessonMedia(lambda: rng.getrandbits(32), 1_700_000_000.0, "sfu")
    incoming = [
        IncomingMedia("0", TrackKind.VIDEO, Label.CAMERA, 96, 90_000, rtx_pt=97, ssrc=1, rtx_ssrc=2, nack=True),
        IncomingMedia("1", TrackKind.AUDIO, Label.MIC, 111, 48_000, mid_ext=4),
    ]
    media.add_publisher(UP, ParticipantId("t"), sink, incoming, str, 0.0)
    down = DownTrack(sink, ssrc=9, pt=102, clock_rate_hz=90_000, capture_time_ext=3)
    media.add_receiver(DOWN, ParticipantId("v"), sink, [Slot(TrackKind.VIDEO, SlotWish.PROGRAMME, down)], 0.0)
    return media, sink


def drain(media: LessonMedia) -> None:
    for sink, data in media.take_rtcp():
        sink.send_rtcp(data)
    for burst in media.take_bursts():
        burst.down.sink.send(burst)
    for down, data in media.take_resends():
        down.sink.resend(down, data)
    media.take_events()


payloads = st.sampled_from(
    [b"\x67\x42", b"\x65\x11", b"\x41\x9a", b"\x7c\x85\x01", b"\x78\x00\x02\x67\x42", b""]
) | st.binary(max_size=20)
near = st.integers(65_500, 65_600).map(lambda seq: seq & 0xFFFF)
media_packets = st.builds(
    lambda pt, seq, ts, ssrc, payload: build_rtp(pt=pt, seq=seq, ts=ts, ssrc=ssrc, payload=payload),
    st.sampled_from([96, 96, 96, 97, 111, 50]), near | SEQ, st.integers(0, 5).map(lambda n: n * 3000) | TS,
    st.sampled_from([1, 1, 1, 2, 3]), payloads,
)  # fmt: skip
feedback = st.one_of(
    st.lists(near, min_size=1, max_size=9).map(lambda seqs: rtcp.build_nack(1, 9, seqs)),
    st.lists(st.integers(0, 60), min_size=1, max_size=9).map(lambda seqs: rtcp.build_nack(1, 9, seqs)),
    st.just(rtcp.build_pli(1, 9)),
    st.builds(lambda ntp, ts: rtcp.build_sr(rtcp.SenderReport(1, ntp, ts, 0, 0)), st.integers(0, 2**64 - 1), TS),
    st.builds(lambda lsr, dlsr: rtcp.build_rr(1, [rtcp.ReportBlock(9, 255, -1, 0, 0, lsr, dlsr)]), TS, TS),
    st.builds(rtcp.build_rrtr, SSRC, st.integers(0, 2**64 - 1)),
    st.sampled_from([[1], [2], [1, 2, 3]]).map(rtcp.build_bye),
)
steps = st.lists(
    st.tuples(
        st.sampled_from([UP, UP, UP, DOWN]),
        media_packets | feedback | rtp_like | rtcp_like | st.binary(max_size=40),
        st.sampled_from(["", "", "drain", "time", "long time"]),
    ),
    max_size=60,
)


@settings(quick, max_examples=150)
@given(steps)
def test_a_lesson_survives_whatever_comes_and_never_uses_a_number_twice(arrivals):
    media, _ = lesson()
    now = 0.0
    for session, data, then in arrivals:
        media.receive(session, data, now)
        if then == "drain":
            drain(media)
        elif then:
            now += 0.05 if then == "time" else 2.0
            media.handle_timeout(now)
            drain(media)
    drain(media)
    assert media.next_timeout() is not None
    media.remove(UP, "gone", now)
    media.remove(DOWN, "gone", now)
    drain(media)
    assert not media.publications
