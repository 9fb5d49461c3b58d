"""The publishers of the load, in a process of their own: paced like browsers, each packet stamped with its time."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import struct
import time
from typing import Any

from classroom.sfu.core.ntp import unix_to_ntp
from classroom.sfu.core.rtcp import PictureLoss, SenderReport, build_sdes, build_sr, parse_rtcp
from classroom.sfu.core.rtp import build_rtp
from classroom.sfu.transport.client import ClientTransport
from classroom.sfu.transport.srtp import Buffer
from tests.bench.doors import H264_PT, Door, gcm_certificate, open_door
from tests.bench.process import Answers, run
from tests.bench.source import FPS, encoded_frames

BURST_S = 0.005  # Chromium's pacer
PACING_FACTOR = 2.5
REPORT_S = 1.0
KEYFRAME_INTERVAL_S = 0.5  # between keyframes that are asked for
STAMP = struct.Struct("!q")  # wall clock, ns: comparable with the kernel's stamp on arrival
NICENESS = -10  # the pace is part of the load's description, so the receivers must not disturb it
PACKET_ROOM_BYTES = 1600


class Publisher(ClientTransport):
    """Sends frames over and over, each packet by a call of its own as browsers do; jumps to a keyframe when asked."""

    def __init__(self, frames: list[list[bytes]], bitrate_bps: int) -> None:
        super().__init__(certificate=gcm_certificate(), on_rtcp=self._on_feedback)
        self._frames = frames
        self._burst_bytes = bitrate_bps * PACING_FACTOR * BURST_S / 8
        self._ssrc = random.getrandbits(32)
        self._buffer = Buffer(64 * PACKET_ROOM_BYTES)
        self._keyframe_at_s = 0.0
        self._keyframe_wanted = False
        self._seq = 0
        self.sent = 0
        self.octets = 0
        self.lateness_s = 0.0

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        started_s = loop.time() + random.random() / FPS
        ticks, position, report_at_s = 0, 0, 0.0
        while self.connected:
            due_s = started_s + ticks / FPS
            await asyncio.sleep(max(0.0, due_s - loop.time()))
            now = loop.time()
            self.lateness_s = max(self.lateness_s, now - due_s)
            if self._keyframe_wanted and now - self._keyframe_at_s >= KEYFRAME_INTERVAL_S:
                position, self._keyframe_wanted, self._keyframe_at_s = 0, False, now
            ts = ticks * 90_000 // FPS & 0xFFFF_FFFF
            if now >= report_at_s:
                report_at_s = now + REPORT_S
                report = SenderReport(self._ssrc, unix_to_ntp(time.time()), ts, self.sent, self.octets)
                self.send_rtcp(build_sr(report) + build_sdes(self._ssrc, "bench"))
            await self._send_frame(self._frames[position % len(self._frames)], ts)
            ticks += 1
            position += 1

    async def _send_frame(self, payloads: list[bytes], ts: int) -> None:
        at = 0
        while at < len(payloads) and self.connected:
            first, size = at, 0
            while at < len(payloads) and size < self._burst_bytes:
                size += len(payloads[at])
                at += 1
            self._send_singly(payloads[first:at], ts, marked=at == len(payloads))
            if at < len(payloads):
                await asyncio.sleep(BURST_S)

    def _send_singly(self, payloads: list[bytes], ts: int, *, marked: bool) -> None:
        """Protect a burst, then send it: one call per packet, nothing between the calls."""
        srtp, buffer, sealed = self._srtp, self._buffer, []
        assert srtp is not None and self._address is not None
        stamp = STAMP.pack(time.time_ns())
        for number, payload in enumerate(payloads):
            marker = marked and number == len(payloads) - 1
            stamped = payload[: -STAMP.size] + stamp
            packet = build_rtp(pt=H264_PT, seq=self._seq, ts=ts, ssrc=self._ssrc, payload=stamped, marker=marker)
            at = number * PACKET_ROOM_BYTES
            buffer.view[at : at + len(packet)] = packet
            sealed.append(buffer.view[at : at + srtp.protect(buffer, at, len(packet))])
            self._seq = (self._seq + 1) & 0xFFFF
            self.octets += len(stamped)
        ((sock, _),) = self._sockets.values()
        for packet in sealed:
            with contextlib.suppress(OSError):
                sock.sendto(packet, self._address)
        self.sent += len(sealed)

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
        await publisher.connect((await self._doors[door].publish(publisher, lesson)).remote)
        self._running.append((publisher, asyncio.create_task(publisher.run())))
        return {}

    async def read(self) -> dict[str, Any]:
        """What all have sent so far, and the greatest lateness of a frame since the last reading."""
        late_s = max((publisher.lateness_s for publisher, _ in self._running), default=0.0)
        for publisher, _ in self._running:
            publisher.lateness_s = 0.0
        sent = sum(publisher.sent for publisher, _ in self._running)
        return {"sent": sent, "late_s": late_s, "cpu_s": time.process_time()}

    async def stop(self) -> dict[str, Any]:
        """End all."""
        for publisher, task in self._running:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await publisher.close()
        self._running.clear()
        return {}


if __name__ == "__main__":
    with contextlib.suppress(PermissionError):
        os.nice(NICENESS)
    run(lambda: Publishers().answers())
