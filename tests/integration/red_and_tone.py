"""A red picture and a tone: made for a publisher, and recognized by aiortc at the other end of a server."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import av
import numpy as np
from aiohttp import ClientSession
from aiortc import RTCPeerConnection, RTCRtpSender, RTCSessionDescription

from tests.running import LESSON

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.running import Server

FRAMES_PER_S, SAMPLES_PER_S, SAMPLES = 25, 48_000, 960
TONE_HZ = 440
X264_OPTIONS = {"profile": "baseline", "tune": "zerolatency", "g": "25"}


def pictures() -> Iterator[av.VideoFrame]:
    """320x240, 25 a second."""
    picture = np.zeros((240, 320, 3), np.uint8)
    picture[:, :, 0] = 230
    number = 0
    while True:
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts, frame.time_base = number, Fraction(1, FRAMES_PER_S)
        yield frame
        number += 1


def sounds() -> Iterator[av.AudioFrame]:
    """20 ms each, stereo."""
    at = 0
    while True:
        phase = 2 * np.pi * TONE_HZ * (np.arange(SAMPLES) + at) / SAMPLES_PER_S
        tone = np.repeat((8000 * np.sin(phase)).astype(np.int16), 2).reshape(1, -1)
        sound = av.AudioFrame.from_ndarray(tone, format="s16", layout="stereo")
        sound.sample_rate, sound.pts, sound.time_base = SAMPLES_PER_S, at, Fraction(1, SAMPLES_PER_S)
        yield sound
        at += SAMPLES


async def receive(server: Server, pc: RTCPeerConnection) -> None:
    video = pc.addTransceiver("video", direction="recvonly")
    codecs = RTCRtpSender.getCapabilities("video").codecs
    video.setCodecPreferences([c for c in codecs if c.mimeType in ("video/H264", "video/rtx")])
    pc.addTransceiver("audio", direction="recvonly")
    await pc.setLocalDescription(await pc.createOffer())
    headers = {"Authorization": f"Bearer {await server.token('classroom')}", "Content-Type": "application/sdp"}
    async with (
        ClientSession(headers=headers) as http,
        http.post(f"{server.url}/whep/{LESSON}", data=pc.localDescription.sdp) as response,
    ):
        assert response.status == 201
        await pc.setRemoteDescription(RTCSessionDescription(await response.text(), "answer"))


async def until_red(pc: RTCPeerConnection) -> None:
    while True:
        pixels = (await pc.getTransceivers()[0].receiver.track.recv()).to_ndarray(format="rgb24")
        if pixels[120, 160, 0] > 180 and pixels[120, 160, 2] < 90:
            assert pixels.shape == (240, 320, 3)
            return


async def until_the_tone(pc: RTCPeerConnection) -> None:
    heard = np.zeros(0, np.int16)
    while True:
        heard = np.append(heard, (await pc.getTransceivers()[1].receiver.track.recv()).to_ndarray()[0, ::2])[-24_000:]
        spectrum = np.abs(np.fft.rfft(heard * np.hanning(len(heard))))
        if len(heard) == 24_000 and spectrum.max() > 1e6:
            assert abs(int(spectrum.argmax()) * 2 - TONE_HZ) <= 4  # bins of 2 Hz
            return
