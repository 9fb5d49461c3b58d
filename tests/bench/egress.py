"""`python -m tests.bench.egress`: what writing, protecting and sending a packet costs, compiled and in Python."""

from __future__ import annotations

import os
import socket
import time

from classroom.sfu.core.down_track import DownTrack
from classroom.sfu.core.rtp import build_rtp, parse_rtp
from classroom.sfu.core.send_log import SendLog
from classroom.sfu.core.sink import Burst
from classroom.sfu.transport.certificate import PROFILES
from classroom.sfu.transport.compiled_egress import CompiledEgress
from classroom.sfu.transport.dtls import SrtpKeys
from classroom.sfu.transport.egress import BUFFER_BYTES, Egress
from classroom.sfu.transport.kernel import load
from classroom.sfu.transport.srtp import Buffer, Srtp

PAYLOAD_BYTES = 1140
ROUNDS, BURSTS_A_ROUND = 60, 5


def measure(egress: Egress, receivers: int, packets_a_burst: int) -> float:
    """CPU microseconds per packet, the median of ROUNDS; the sockets are emptied between the rounds."""
    profile = PROFILES[0]
    key = bytes(range(profile.key_length + profile.salt_length))
    ends = []
    for _ in range(receivers):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        sock.bind(("127.0.0.1", 0))
        sock.setblocking(False)
        down = DownTrack(None, ssrc=1, pt=96, clock_rate_hz=90_000, twcc_ext=3, send_log=SendLog())
        ends.append((sock, sock.getsockname(), down, Srtp(SrtpKeys(profile.libsrtp_profile, key, key))))
    seq = 0
    costs_s = []
    for _ in range(ROUNDS):
        fan_outs = []
        for _ in range(BURSTS_A_ROUND):
            packets = []
            for _ in range(packets_a_burst):
                packets.append(
                    parse_rtp(build_rtp(pt=96, seq=seq & 0xFFFF, ts=0, ssrc=7, payload=bytes(PAYLOAD_BYTES)))
                )
                packets[-1].ext_seq = seq
                seq += 1
            fan_outs.append(packets)
        began_s = time.process_time()
        for packets in fan_outs:
            for _, address, down, srtp in ends:
                egress.send_burst(Burst(down, packets, 0, 0), srtp, address, 1.0)
            egress.flush()
        costs_s.append(time.process_time() - began_s)
        for sock, *_ in ends:
            while True:
                try:
                    sock.recv(2048)
                except BlockingIOError:
                    break
    for sock, *_ in ends:
        sock.close()
    return sorted(costs_s)[ROUNDS // 2] / (BURSTS_A_ROUND * packets_a_burst * receivers) * 1e6


def main() -> None:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    kernel = load()
    print("receivers  packets a burst  compiled us  Python us")
    for receivers in (10, 50, 100):
        for packets_a_burst in (1, 3, 8):
            costs = []
            for compiled in (True, False):
                if compiled and kernel is None:
                    costs.append("        -")
                    continue
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 22)
                    sock.setblocking(False)
                    buffer = Buffer(BUFFER_BYTES)
                    egress = CompiledEgress(sock, buffer, kernel) if compiled and kernel else Egress(sock, buffer)
                    costs.append(f"{measure(egress, receivers, packets_a_burst):9.2f}")
            print(f"{receivers:9}  {packets_a_burst:15}  {costs[0]:>11}  {costs[1]:>9}")


if __name__ == "__main__":
    main()
