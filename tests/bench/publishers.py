"""The publishers of the load, in a process of their own: paced like browsers, each packet stamped with its time."""

from __future__ import annotations

import asyncio
import contextlib
import random
import struct
import time
from collections import deque
from typing import Any

from classroom.sfu.core.ntp import unix_to_ntp
from classroom.sfu.core.rtcp import PictureLoss, SenderReport, build_sdes, build_sr, parse_rtcp
from classroom.sfu.core.rtp import build_rtp
from classroom.sfu.transport.srtp import Buffer
from tests.bench.doors import H264_PT, Door, PeerTransport, gcm_certificate, open_door
from tests.bench.figures import percentile
from tests.bench.process import Answers, run
from tests.bench.source import FPS, encoded_frames

BURST_S = 0.005  # Chromium's pacer
PACING_FACTOR = 2.5
MAX_BURST_S = 0.02  # what is caught up at once after a late tick
MAX_BURST_PACKETS = 64
REPORT_S = 1.0
KEYFRAME_INTERVAL_S = 0.5  # between keyframes that are asked for
STAMP = struct.Struct("!q")  # wall clock, ns: comparable with the kernel's stamp on arrival
PACKET_ROOM_BYTES = 1600


class Publisher(PeerTransport):
    """Sends frames over and over, each packet by a call of its own as browsers do; jumps to a keyframe when asked."""

    def __init__(self, frames: list[list[bytes]], bitrate_bps: int) -> None:
        super().__init__(gcm_certificate(), self._on_feedback)
        self._frames = frames
        self._bytes_per_s = bitrate_bps * PACING_FACTOR / 8
        self._queue: deque[tuple[bytes, int, bool]] = deque()
        self.ssrc = random.getrandbits(32)
        self._buffer = Buffer(MAX_BURST_PACKETS * PACKET_ROOM_BYTES)
        self._keyframe_at_s = 0.0
        self._keyframe_wanted = False
        self._seq = self._octets = self.sent = 0
        self.lateness_s: list[float] = []

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        epoch_s = loop.time() + random.random() / FPS
        ticks, position, report_at_s, last_s = 0, 0, 0.0, 0.0
        while self.connected:
            now = loop.time()
            while epoch_s + ticks / FPS <= now:
                if self._keyframe_wanted and now - self._keyframe_at_s >= KEYFRAME_INTERVAL_S:
                    position, self._keyframe_wanted, self._keyframe_at_s = 0, False, now
                self._enqueue(self._frames[position % len(self._frames)], ticks * 90_000 // FPS & 0xFFFF_FFFF)
                ticks += 1
                position += 1
            if now >= report_at_s:
                report_at_s = now + REPORT_S
                self._report(ticks * 90_000 // FPS & 0xFFFF_FFFF)
            if self._queue:
                self._send_burst(self._bytes_per_s * min(max(now - last_s, BURST_S), MAX_BURST_S))
                last_s = now
            due_s = now + BURST_S if self._queue else epoch_s + ticks / FPS
            await asyncio.sleep(due_s - loop.time())
            self.lateness_s.append(loop.time() - due_s)

    def _enqueue(self, payloads: list[bytes], ts: int) -> None:
        self._queue += [(payload, ts, payload is payloads[-1]) for payload in payloads]

    def _send_burst(self, budget_bytes: float) -> None:
        """Protect a burst, then send it: one call per packet, nothing between the calls."""
        srtp, buffer, sealed = self._srtp, self._buffer, []
        assert srtp is not None and self._address is not None
        stamp = STAMP.pack(time.time_ns())
        at = 0
        while self._queue and budget_bytes > 0 and len(sealed) < MAX_BURST_PACKETS:
            payload, ts, marker = self._queue.popleft()
            stamped = payload[: -STAMP.size] + stamp
            packet = build_rtp(pt=H264_PT, seq=self._seq, ts=ts, ssrc=self.ssrc, payload=stamped, marker=marker)
            buffer.view[at : at + len(packet)] = packet
            sealed.append(buffer.view[at : at + srtp.protect(buffer, at, len(packet))])
            at += PACKET_ROOM_BYTES
            self._seq = (self._seq + 1) & 0xFFFF
            self._octets += len(stamped)
            budget_bytes -= len(stamped)
        ((sock, _),) = self._sockets.values()
        for packet in sealed:
            with contextlib.suppress(OSError):
                sock.sendto(packet, self._address)
        self.sent += len(sealed)

    def _report(self, ts: int) -> None:
        report = SenderReport(self.ssrc, unix_to_ntp(time.time()), ts, self.sent, self._octets)
        self.send_rtcp(build_sr(report) + build_sdes(self.ssrc, "bench"))

    def _on_feedback(self, data: bytes) -> None:
        self._keyframe_wanted |= any(isinstance(item, PictureLoss) for item in parse_rtcp(data))


class Publishers:
    """All of them."""

    def __init__(self) -> None:
        self._frames: dict[int, list[list[bytes]]] = {}
        self._doors: dict[str, Door] = {}
        self._running: list[tuple[Publisher, asyncio.Task[None]]] = []

    def answers(self) -> Answers:
        return {"start": self.start, "read": self.read, "stop": self.stop}

    async def start(self, door: str, lesson: int, bitrate_bps: int) -> dict[str, Any]:
        """Publish in a lesson, which begins with that."""
        if bitrate_bps not in self._frames:
            self._frames[bitrate_bps] = encoded_frames(bitrate_bps)
        if door not in self._doors:
            self._doors[door] = await open_door(door)
        publisher = Publisher(self._frames[bitrate_bps], bitrate_bps)
        await publisher.connect((await self._doors[door].publish(publisher, lesson, publisher.ssrc)).remote)
        self._running.append((publisher, asyncio.create_task(publisher.run())))
        return {}

    async def read(self) -> dict[str, Any]:
        """What all have sent so far, and how late bursts were since the last reading."""
        lateness_s = sorted(late_s for publisher, _ in self._running for late_s in publisher.lateness_s)
        for publisher, _ in self._running:
            publisher.lateness_s.clear()
        sent = sum(publisher.sent for publisher, _ in self._running)
        return {"sent": sent, "late_p99_s": percentile(lateness_s, 99), "cpu_s": time.process_time()}

    async def stop(self) -> dict[str, Any]:
        """End all."""
        for publisher, task in self._running:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await publisher.close()
        self._running.clear()
        return {}


if __name__ == "__main__":
    run(lambda: Publishers().answers())
