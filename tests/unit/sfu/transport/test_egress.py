"""Datagrams leave whole and in order, whatever the kernel thinks of segmentation offload."""

import os
import random
import shutil
import socket
import subprocess
import sys

import pytest

from classroom.sfu.core.rtp import build_rtp
from classroom.sfu.transport.certificate import PROFILES
from classroom.sfu.transport.dtls import SrtpKeys
from classroom.sfu.transport.egress import BUFFER_BYTES, Egress
from classroom.sfu.transport.srtp import Buffer, Srtp


def keys() -> SrtpKeys:
    profile = PROFILES[0]
    key = bytes(range(profile.key_length + profile.salt_length))
    return SrtpKeys(profile.libsrtp_profile, key, key)


def send_and_receive(sizes: list[int]) -> tuple[list[bytes], list[bytes], Egress]:
    """Send RTP packets with payloads of these sizes; what was sent, what came, and the sender."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver,
    ):
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        receiver.bind(("127.0.0.1", 0))
        receiver.setblocking(False)
        sender.setblocking(False)
        egress, incoming, srtp = Egress(sender, Buffer(BUFFER_BYTES)), Buffer(2048), Srtp(keys())
        packets = [build_rtp(pt=96, seq=seq, ts=0, ssrc=1, payload=os.urandom(size)) for seq, size in enumerate(sizes)]
        egress.send_batch(packets, srtp, receiver.getsockname())
        got = []
        while True:
            try:
                size = receiver.recv_into(incoming.view)
            except BlockingIOError:
                return packets, got, egress
            plain = srtp.unprotect(incoming, size)
            got.append(bytes(incoming.view[:plain]))


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


def test_a_path_with_a_small_mtu_gets_every_packet():
    """Kernels since 6.13 say EMSGSIZE, earlier ones EINVAL, when a segment does not fit the path."""
    unshare = shutil.which("unshare")
    alone = [unshare, "--map-root-user", "--net"] if unshare else []
    if not unshare or not shutil.which("ip") or subprocess.run([*alone, "true"], capture_output=True).returncode:
        pytest.skip("needs a network namespace")
    script = f"ip link set lo up mtu 1280 && exec {sys.executable} {__file__}"
    done = subprocess.run(
        [*alone, "sh", "-c", script],
        capture_output=True,
        text=True,
        timeout=30,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 0, done.stderr


if __name__ == "__main__":
    sent, came, _ = send_and_receive([1300] * 8)
    assert came == sent, f"{len(came)} of {len(sent)} arrived"
