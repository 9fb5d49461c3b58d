"""libdatachannel, in which OBS Studio publishes, does so as OBS would; aiortc receives what it sent."""

from __future__ import annotations

import asyncio
import re
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import av
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection

from classroom.media.packetize import packetize_h264
from tests.integration.red_and_tone import (
    FRAMES_PER_S,
    SAMPLES,
    SAMPLES_PER_S,
    X264_OPTIONS,
    pictures,
    receive,
    sounds,
    until_red,
    until_the_tone,
)
from tests.running import LESSON, published, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

CLIENTS = Path(__file__).parents[1] / "clients"
AUDIO_PT, AUDIO_SSRC, VIDEO_PT, VIDEO_SSRC = 111, 1111, 96, 2222  # as publish.mjs says in its offer


def rtp(pt: int, marker: bool, seq: int, ts: int, ssrc: int, payload: bytes) -> bytes:
    fields = (seq & 0xFFFF).to_bytes(2, "big") + (ts & 0xFFFFFFFF).to_bytes(4, "big") + ssrc.to_bytes(4, "big")
    return bytes((0x80, marker << 7 | pt)) + fields + payload


def video_packets() -> Iterator[list[bytes]]:
    """The RTP packets of each picture."""
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt, encoder.framerate = 320, 240, "yuv420p", FRAMES_PER_S
    encoder.options = X264_OPTIONS
    seq = 0
    for number, frame in enumerate(pictures()):
        stream = b"".join(bytes(packet) for packet in encoder.encode(frame))
        payloads = packetize_h264([nal for nal in re.split(b"\0\0\0?\1", stream) if nal])
        ts = number * 90_000 // FRAMES_PER_S
        last = len(payloads) - 1
        yield [rtp(VIDEO_PT, n == last, seq + n, ts, VIDEO_SSRC, payload) for n, payload in enumerate(payloads)]
        seq += len(payloads)


def audio_packets() -> Iterator[list[bytes]]:
    """The RTP packet of each 20 ms."""
    encoder = av.CodecContext.create("libopus", "w")
    encoder.sample_rate, encoder.layout, encoder.format = SAMPLES_PER_S, "stereo", "s16"
    seq = 0
    for sound in sounds():
        packets = encoder.encode(sound)
        yield [rtp(AUDIO_PT, False, seq + n, (seq + n) * SAMPLES, AUDIO_SSRC, bytes(p)) for n, p in enumerate(packets)]
        seq += len(packets)


async def feed(stdin: asyncio.StreamWriter) -> None:
    """Write packets as fast as time goes."""
    start_s, frames, samples = time.monotonic(), 0, 0
    video, audio = video_packets(), audio_packets()
    while True:
        due: list[bytes] = []
        elapsed_s = time.monotonic() - start_s
        while frames / FRAMES_PER_S <= elapsed_s:
            due += next(video)
            frames += 1
        while samples / SAMPLES_PER_S <= elapsed_s:
            due += next(audio)
            samples += SAMPLES
        stdin.writelines(len(packet).to_bytes(2, "big") + packet for packet in due)
        await stdin.drain()
        await asyncio.sleep(0.01)


@pytest.mark.timeout(120)
async def test_libdatachannel_publishes_as_obs_does(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        observer, path = await server.token("observer"), f"/api/lessons/{LESSON}"
        command = ["node", "publish.mjs", f"{server.url}/whip/{LESSON}", await server.token("capture")]
        publisher = await asyncio.create_subprocess_exec(*command, cwd=CLIENTS, stdin=subprocess.PIPE)
        assert publisher.stdin is not None
        feeding = asyncio.create_task(feed(publisher.stdin))
        down = RTCPeerConnection(RTCConfiguration([]))
        try:
            await server.until(lambda answer: set(published(answer)) == {"camera", "mic"}, path, observer)
            await receive(server, down)
            async with asyncio.timeout(30):
                await asyncio.gather(until_red(down), until_the_tone(down))
        finally:
            feeding.cancel()
            publisher.stdin.close()
            await asyncio.gather(publisher.wait(), down.close())
        assert publisher.returncode == 0
        await server.until(lambda answer: published(answer) == {}, path, observer)
