"""The load: one publisher paced like a browser, and receivers that take packets without decrypting them."""

import asyncio
import random
import struct
import time

import av
import numpy as np

from classroom.capture.h264 import split_annexb
from classroom.media.packetize import packetize_h264
from classroom.sfu.core.rtp import build_rtp, parse_rtp
from classroom.sfu.transport.certificate import Certificate
from classroom.sfu.transport.client import ClientTransport, RemoteDescription

BURST_S = 0.005  # Chromium's pacer
PACING_FACTOR = 2.5
STAMP = struct.Struct("!d")


def offer(transport: ClientTransport, direction: str) -> str:
    return "\r\n".join(
        [
            "v=0", "o=- 1 1 IN IP4 0.0.0.0", "s=-", "t=0 0", "a=group:BUNDLE 0",
            "m=video 9 UDP/TLS/RTP/SAVPF 96 97", "c=IN IP4 0.0.0.0", "a=mid:0", f"a={direction}", "a=rtcp-mux",
            f"a=ice-ufrag:{transport.ufrag}", f"a=ice-pwd:{transport.pwd}",
            f"a=fingerprint:{transport.fingerprint}", "a=setup:actpass",
            "a=rtpmap:96 H264/90000", "a=fmtp:96 packetization-mode=1;profile-level-id=42e01f",
            "a=rtcp-fb:96 nack", "a=rtcp-fb:96 nack pli", "a=rtpmap:97 rtx/90000", "a=fmtp:97 apt=96", "",
        ]
    )  # fmt: skip


def remote(answer: str) -> RemoteDescription:
    fields = dict(line[2:].split(":", 1) for line in answer.splitlines() if line.startswith("a=") and ":" in line)
    candidate = fields["candidate"].split()
    return RemoteDescription(
        fields["ice-ufrag"], fields["ice-pwd"], fields["fingerprint"], "passive", ((candidate[4], int(candidate[5])),)
    )


def encoded_frames(bitrate_bps: int, seconds: float = 4, fps: int = 25) -> list[list[bytes]]:
    """RTP payloads of each frame of a 720p stream of the given bitrate, as x264 makes it for us."""
    context = av.CodecContext.create("libx264", "w")
    context.width, context.height, context.pix_fmt = 1280, 720, "yuv420p"
    context.bit_rate, context.framerate = bitrate_bps, fps
    context.options = {
        "preset": "superfast", "tune": "zerolatency", "profile": "baseline", "g": str(fps * 2),
        "maxrate": str(bitrate_bps), "bufsize": str(bitrate_bps // 2), "nal-hrd": "cbr",
    }  # fmt: skip
    noise = np.random.default_rng(1)
    frames = []
    for number in range(round(seconds * fps)):
        picture = np.full((1080, 1280), 128, np.uint8)
        left = number * 12 % 1000
        picture[200:520, left : left + 280] = noise.integers(0, 255, (320, 280), np.uint8)
        frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
        frame.pts = number
        frames += [packetize_h264(split_annexb(bytes(packet))) for packet in context.encode(frame)]
    return frames


class LightReceiver(ClientTransport):
    """Counts media packets as they arrive; only ``open_eyes`` makes it decrypt them and note their delay."""

    def __init__(self, certificate: Certificate, open_eyes: bool) -> None:
        super().__init__(certificate=certificate, on_rtp=self._note if open_eyes else None)
        self.open_eyes = open_eyes
        self.count = 0
        self.first_s: float | None = None
        self.last_s = 0.0
        self.longest_gap_s = 0.0
        self.delays_s: list[float] = []

    def stop_listening(self) -> None:
        """From now on somebody calls ``poll``: a wake-up per packet would be charged to the sender on loopback."""
        for sock, _ in self._sockets.values():
            asyncio.get_running_loop().remove_reader(sock)

    def poll(self) -> None:
        """Take what has arrived."""
        for sock, egress in self._sockets.values():
            self._readable(sock, egress)

    def _receive_srtp(self, buffer, size) -> None:
        if buffer.view[1] & 0x7F == 96:
            now = time.monotonic()
            if self.first_s is None:
                self.first_s = now
            else:
                self.longest_gap_s = max(self.longest_gap_s, now - self.last_s)
            self.last_s = now
            self.count += 1
            self._heard_s = now
        if self.open_eyes:
            super()._receive_srtp(buffer, size)

    def _note(self, data: bytes) -> None:
        packet = parse_rtp(data)
        (sent_s,) = STAMP.unpack(data[packet.payload_end - STAMP.size : packet.payload_end])
        self.delays_s.append(time.monotonic() - sent_s)


class Publisher:
    """Sends frames over and over in bursts of 5 ms at 2.5 times their rate, each packet stamped with its time."""

    def __init__(self, transport: ClientTransport, frames: list[list[bytes]], fps: int, bitrate_bps: int) -> None:
        self._transport = transport
        self._frames = frames
        self._fps = fps
        self._burst_bytes = bitrate_bps * PACING_FACTOR * BURST_S / 8
        self._ssrc = random.getrandbits(32)
        self.sent = 0

    async def run(self) -> None:
        seq, started_s, number = 0, time.monotonic(), 0
        while True:
            payloads = self._frames[number % len(self._frames)]
            ts = number * 90000 // self._fps
            at = 0
            while at < len(payloads):
                burst, size = [], 0
                while at < len(payloads) and size < self._burst_bytes:
                    payload = payloads[at][: -STAMP.size] + STAMP.pack(time.monotonic())
                    last = at == len(payloads) - 1
                    burst.append(build_rtp(pt=96, seq=seq, ts=ts, ssrc=self._ssrc, payload=payload, marker=last))
                    seq, at, size = (seq + 1) & 0xFFFF, at + 1, size + len(payload)
                self._transport.send_rtp(burst)
                self.sent += len(burst)
                if at < len(payloads):
                    await asyncio.sleep(BURST_S)
            number += 1
            await asyncio.sleep(max(0, started_s + number / self._fps - time.monotonic()))
