"""Datagrams leave whole and in order, whatever the kernel thinks of segmentation offload; compiled or not."""

import os
import random
import shutil
import socket
import subprocess
import sys

import pytest

from classroom.sfu.core.down_track import DownTrack
from classroom.sfu.core.rtp import RtpPacket, build_rtp, header_extensions, parse_rtp
from classroom.sfu.core.send_log import SendClock, SendLog
from classroom.sfu.core.sink import Burst
from classroom.sfu.transport import compiled_egress
from classroom.sfu.transport.certificate import PROFILES
from classroom.sfu.transport.compiled_egress import CompiledEgress
from classroom.sfu.transport.dtls import SrtpKeys
from classroom.sfu.transport.egress import BUFFER_BYTES, Egress
from classroom.sfu.transport.kernel import LIBRARY, load
from classroom.sfu.transport.srtp import Buffer, Srtp

KINDS = ("python", "compiled")
TWCC, TIME, DELAY = 3, 4, 5


def keys(number: int = 0) -> SrtpKeys:
    profile = PROFILES[0]
    key = bytes(range(number, number + profile.key_length + profile.salt_length))
    return SrtpKeys(profile.libsrtp_profile, key, key)


def make_egress(kind: str, sock: socket.socket) -> Egress:
    if kind == "python":
        return Egress(sock, Buffer(BUFFER_BYTES))
    kernel = load()
    if kernel is None:
        pytest.skip("the kernel was not built: no C compiler")
    return CompiledEgress(sock, Buffer(BUFFER_BYTES), kernel)


class End:
    """Where datagrams arrive."""

    def __init__(self, host: str = "127.0.0.1", number: int = 0) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.sock = socket.socket(family, socket.SOCK_DGRAM)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self.sock.bind((host, 0))
        self.sock.setblocking(False)
        self.address = self.sock.getsockname()
        self.srtp = Srtp(keys(number))  # of the sender; the same keys serve both ways here
        self._receiving = Srtp(keys(number))
        self._incoming = Buffer(2048)

    def got(self) -> list[bytes]:
        """The packets that arrived, without their protection."""
        packets = []
        while True:
            try:
                size = self.sock.recv_into(self._incoming.view)
            except BlockingIOError:
                return packets
            plain = self._receiving.unprotect(self._incoming, size)
            packets.append(bytes(self._incoming.view[:plain]))


class World:
    def __init__(self, kind: str, host: str = "127.0.0.1") -> None:
        self.host = host
        self.sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.setblocking(False)
        self.egress = make_egress(kind, self.sock)
        self.ends: list[End] = []

    def end(self) -> End:
        self.ends.append(End(self.host, len(self.ends)))
        return self.ends[-1]

    def close(self) -> None:
        for sock in (self.sock, *(end.sock for end in self.ends)):
            sock.close()


@pytest.fixture(params=KINDS)
def world(request):
    world = World(request.param)
    yield world
    world.close()


def media(sizes: list[int], *, first: int = 0xFFFE, ts: int = 0xFFFF_FF00) -> list[RtpPacket]:
    """Packets of one picture, as an UpTrack hands them out; the numbers wrap."""
    packets = []
    for index, size in enumerate(sizes):
        data = build_rtp(
            pt=96,
            seq=(first + index) & 0xFFFF,
            ts=ts,
            ssrc=7,
            payload=random.Random(index).randbytes(size),
            marker=index == len(sizes) - 1,
            extensions=b"\xbe\xde\x00\x01\x10\x01\x00\x00" if index % 2 else b"",
        )
        packet = parse_rtp(data)
        packet.ext_seq = first + index
        packet.frame_start = index == 0
        packet.capture_ntp = 0x0123_4567_89AB_CDEF if index == 0 else None
        packets.append(packet)
    return packets


def track(**options) -> DownTrack:
    return DownTrack(None, ssrc=0xA1B2C3D4, pt=101, clock_rate_hz=90_000, **options)


def rtx(seq: int, size: int = 300) -> bytes:
    return build_rtp(pt=97, seq=seq, ts=1, ssrc=9, payload=os.urandom(size))


# --- bursts ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "extensions",
    [
        {},
        {"twcc_ext": TWCC, "send_log": True},
        {"capture_time_ext": TIME, "playout_delay_ext": DELAY},
        {"twcc_ext": TWCC, "send_log": True, "capture_time_ext": TIME, "playout_delay_ext": DELAY},
        {"twcc_ext": TWCC, "send_log": True, "playout_delay_ext": DELAY},
    ],
    ids=lambda extensions: "+".join(extensions) or "none",
)
def test_a_burst_arrives_as_the_down_track_writes_it(world, extensions):
    log = SendLog() if extensions.pop("send_log", False) else None
    if log is not None:
        log.next_seq = 0xFFFF
    down, end, packets = track(send_log=log, **extensions), world.end(), media([1100, 1100, 1000, 700, 701, 702, 0])
    untimed = media([40], first=0x1_0005)
    untimed[0].capture_ntp = None
    for burst in (packets, untimed):
        world.egress.send_burst(Burst(down, burst, -5, 0x200), end.srtp, end.address, 12.5)
    world.egress.flush()
    expected, buffer = [], bytearray(2048)
    for index, packet in enumerate(packets + untimed):
        size = down.write(packet, -5, 0x200, memoryview(buffer), 0)
        if log is not None:
            buffer[17:19] = ((0xFFFF + index) & 0xFFFF).to_bytes(2, "big")
        expected.append(bytes(buffer[:size]))
    got = end.got()
    assert got == expected
    assert parse_rtp(got[2]).seq == (0xFFFE - 5 + 2) & 0xFFFF and parse_rtp(got[0]).ts == 0x100
    assert world.egress.datagrams == 8 and world.egress.dropped == 0
    if "capture_time_ext" in extensions:
        assert dict(header_extensions(parse_rtp(got[0])))[TIME].hex() == "0123456789abcdef"
    if log is not None:
        assert log.next_seq == 0xFFFF + 8
        for index, packet in enumerate(expected):
            at = (0xFFFF + index) & log.MASK
            assert (log.times_s[at], log.sizes_bytes[at]) == (12.5, len(packet))


def test_time_stamps_are_those_of_the_clock(world):
    clock = SendClock()
    down, end = track(send_log=clock, send_time_ext=TIME), world.end()
    world.egress.send_burst(Burst(down, media([900, 900]), 0, 0), end.srtp, end.address, 1.5)
    again = build_rtp(pt=97, seq=1, ts=1, ssrc=9, payload=b"again", extensions=b"\xbe\xde\x00\x01\x42\x00\x00\x00")
    world.egress.resend(down, again, end.srtp, end.address, 100.25)
    world.egress.flush()
    stamps = [dict(header_extensions(parse_rtp(data)))[TIME] for data in end.got()]
    assert stamps == [bytes.fromhex("060000")] * 2 + [((100 % 64 * 1024 + 256) << 8).to_bytes(3, "big")]


def test_what_a_sender_report_counts(world):
    down, end = track(capture_time_ext=TIME), world.end()
    world.egress.send_burst(Burst(down, media([100, 50, 7]), 0, 0), end.srtp, end.address, 0.0)
    assert (down.packets, down.octets) == (3, 157)


def test_everybody_gets_the_same_packets_under_numbers_and_keys_of_their_own(world):
    ends, packets = [world.end() for _ in range(5)], media([1000] * 6)
    downs = [track(send_log=SendLog(), twcc_ext=TWCC) for _ in ends]
    for number, (down, end) in enumerate(zip(downs, ends, strict=True)):
        world.egress.send_burst(Burst(down, packets, 100 * number, 7 * number), end.srtp, end.address, 1.0)
    world.egress.flush()
    for number, end in enumerate(ends):
        got = [parse_rtp(data) for data in end.got()]
        assert [packet.payload for packet in got] == [packet.payload for packet in packets]
        assert [packet.seq for packet in got] == [(0xFFFE + 100 * number + index) & 0xFFFF for index in range(6)]
        assert [dict(header_extensions(packet))[TWCC] for packet in got] == [bytes([0, index]) for index in range(6)]


def test_media_and_retransmissions_leave_in_order_with_numbers_in_order(world):
    log = SendLog()
    down, end = track(send_log=log, twcc_ext=TWCC), world.end()
    again = build_rtp(pt=97, seq=1, ts=1, ssrc=9, payload=b"again", extensions=b"\xbe\xde\x00\x01\x31\x00\x00\x00")
    world.egress.send_burst(Burst(down, media([900, 900]), 0, 0), end.srtp, end.address, 1.0)
    world.egress.resend(down, again, end.srtp, end.address, 2.0)
    world.egress.send_burst(Burst(down, media([900], first=0x3_0000), 0, 0), end.srtp, end.address, 3.0)
    world.egress.flush()
    got = [parse_rtp(data) for data in end.got()]
    assert [packet.ssrc for packet in got] == [down.ssrc, down.ssrc, 9, down.ssrc]
    assert [dict(header_extensions(packet))[TWCC][1] for packet in got] == [0, 1, 2, 3]
    assert got[2].payload == b"again"
    assert log.next_seq == 4 and log.sizes_bytes[2] == len(again)


def test_a_retransmission_without_numbering_is_repeated_byte_for_byte(world):
    end, packet = world.end(), rtx(5)
    world.egress.resend(track(), packet, end.srtp, end.address, 0.0)
    world.egress.flush()
    assert end.got() == [packet]


def test_a_track_follows_its_peer_to_another_address_and_to_other_keys(world):
    down, before, after = track(), world.end(), world.end()
    world.egress.send_burst(Burst(down, media([10]), 0, 0), before.srtp, before.address, 0.0)
    world.egress.send_burst(Burst(down, media([20], first=0x2_0000), 0, 0), after.srtp, after.address, 0.0)
    world.egress.flush()
    assert [len(parse_rtp(data).payload) for data in before.got()] == [10]
    assert [len(parse_rtp(data).payload) for data in after.got()] == [20]


def test_more_bursts_packets_and_bytes_than_are_noted_at_once(world, monkeypatch):
    monkeypatch.setattr(compiled_egress, "MAX_PACKETS", 20)
    monkeypatch.setattr(compiled_egress, "MAX_BURSTS", 8)
    down, end = track(), world.end()
    sizes = random.Random(3).choices([1, 600, 1200], k=300)
    packets = media(sizes)
    at = 0
    for count in [1] * 30 + [19, 20, 21, 60, 100, 50]:
        world.egress.send_burst(Burst(down, packets[at : at + count], 0, 0), end.srtp, end.address, 0.0)
        at += count
    world.egress.flush()
    assert [parse_rtp(data).payload for data in end.got()] == [packet.payload for packet in packets]


def test_a_flush_with_nothing_to_send(world):
    world.egress.flush()
    assert world.egress.calls == 0


def test_what_is_too_large_for_a_datagram_is_dropped_and_the_rest_is_not():
    world = World("compiled")
    end = world.end()
    world.egress.send_burst(Burst(track(), media([10, 2000, 30]), 0, 0), end.srtp, end.address, 0.0)
    world.egress.flush()
    assert [len(parse_rtp(data).payload) for data in end.got()] == [10, 30]
    assert world.egress.dropped == 1
    world.close()


def test_what_the_kernel_does_not_take_is_dropped_and_counted(world):
    world.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
    end, ends = world.end(), [world.end() for _ in range(3)]
    nowhere = ("255.255.255.255", 9)  # not allowed without SO_BROADCAST
    packets = media([1000] * 3)
    world.egress.send_burst(Burst(track(), packets, 0, 0), end.srtp, nowhere, 0.0)
    for other in ends:
        world.egress.send_burst(Burst(track(), media([50]), 0, 0), other.srtp, other.address, 0.0)
    world.egress.flush()
    assert world.egress.dropped >= 3
    assert [len(other.got()) for other in ends] == [1, 1, 1]


@pytest.mark.parametrize("kind", KINDS)
def test_ipv6(kind):
    try:
        world = World(kind, "::1")
        end = world.end()
    except OSError:
        pytest.skip("no IPv6 here")
    world.egress.send_burst(Burst(track(), media([500] * 4), 0, 0), end.srtp, end.address, 0.0)
    world.egress.flush()
    assert len(end.got()) == 4
    world.close()


@pytest.mark.parametrize("seed", range(5))
def test_bursts_of_any_size_arrive_whole_and_in_order(world, seed):
    sizes = random.Random(seed).choices([0, 1, 700, 1187, 1188, 1400], k=300)
    packets, end = media(sizes), world.end()
    world.egress.send_burst(Burst(track(), packets, 0, 0), end.srtp, end.address, 0.0)
    world.egress.flush()
    assert [parse_rtp(data).payload for data in end.got()] == [packet.payload for packet in packets]


def test_equal_packets_leave_in_few_calls(world):
    packets, end = media([100] * 130), world.end()
    world.egress.send_burst(Burst(track(), packets, 0, 0), end.srtp, end.address, 0.0)
    world.egress.flush()
    assert len(end.got()) == 130
    if sys.platform == "linux":
        assert world.egress.calls <= 3  # 64 + 64 + 2; the compiled one gives all to one call


def test_without_segmentation_each_datagram_leaves_by_itself(world):
    """As where a device refuses UDP_SEGMENT: a checksum that the socket does not make is such a reason (EIO)."""
    so_no_check = 11
    world.sock.setsockopt(socket.SOL_SOCKET, so_no_check, 1)
    packets, end = media([100] * 10), world.end()
    for first in (0, 5):
        part = packets[first : first + 5]
        world.egress.send_burst(Burst(track(), part, 0, 0), end.srtp, end.address, 0.0)
        world.egress.flush()
    assert [parse_rtp(data).payload for data in end.got()] == [packet.payload for packet in packets]
    assert world.egress.datagrams == 10 and world.egress.dropped == 0


def test_the_kernel_is_there_where_a_compiler_is():
    if shutil.which("cc") is None or sys.platform != "linux":
        pytest.skip("no C compiler")
    assert LIBRARY.exists() and load() is not None


def test_a_library_that_does_not_suit_is_not_used(tmp_path, monkeypatch):
    other = tmp_path / "_kernel.so"
    monkeypatch.setattr("classroom.sfu.transport.kernel.LIBRARY", other)
    assert load() is None
    other.write_bytes(b"not a library")
    assert load() is None


# --- complete packets --------------------------------------------------------------------------------------------


def send_and_receive(sizes: list[int], kind: str = "python") -> tuple[list[bytes], list[bytes], Egress]:
    """Send RTP packets with payloads of these sizes; what was sent, what came, and the sender."""
    world = World(kind)
    end = world.end()
    packets = [build_rtp(pt=96, seq=seq, ts=0, ssrc=1, payload=os.urandom(size)) for seq, size in enumerate(sizes)]
    world.egress.send_batch(packets, end.srtp, end.address)
    got = end.got()
    world.close()
    return packets, got, world.egress


@pytest.mark.parametrize("seed", range(5))
def test_packets_of_any_size_arrive_whole_and_in_order(seed):
    sizes = random.Random(seed).choices([0, 1, 700, 1187, 1188, 1472], k=90)
    packets, got, egress = send_and_receive(sizes)
    assert got == packets
    assert egress.datagrams == 90 and egress.dropped == 0


def test_more_packets_than_one_call_may_take():
    packets, got, egress = send_and_receive([100] * 130)
    assert got == packets
    if sys.platform == "linux":
        assert egress.calls == 3  # 64 + 64 + 2


def test_the_largest_packets_do_not_overrun_the_buffer():
    packets, got, _ = send_and_receive([1488] * 80)
    assert got == packets


@pytest.mark.parametrize("kind", KINDS)
def test_a_path_with_a_small_mtu_gets_every_packet(kind):
    """Kernels since 6.13 say EMSGSIZE, earlier ones EINVAL, when a segment does not fit the path."""
    unshare = shutil.which("unshare")
    alone = [unshare, "--map-root-user", "--net"] if unshare else []
    if not unshare or not shutil.which("ip") or subprocess.run([*alone, "true"], capture_output=True).returncode:
        pytest.skip("needs a network namespace")
    script = f"ip link set lo up mtu 1280 && exec {sys.executable} {__file__} {kind}"
    done = subprocess.run(
        [*alone, "sh", "-c", script],
        capture_output=True,
        text=True,
        timeout=30,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 0, done.stderr


if __name__ == "__main__":
    alone = World(sys.argv[1])
    there, sent = alone.end(), media([1300] * 8)
    for once in range(2):  # the second time the first refusal is known
        alone.egress.send_burst(Burst(track(), sent, 8 * once, 0), there.srtp, there.address, 0.0)
        alone.egress.flush()
        came = [parse_rtp(data).payload for data in there.got()]
        assert came == [packet.payload for packet in sent], f"{len(came)} of {len(sent)} arrived"
