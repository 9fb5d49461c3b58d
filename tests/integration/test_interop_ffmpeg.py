"""FFmpeg publishes with its own WHIP muxer; aiortc receives what it sent, and it is recorded."""

from __future__ import annotations

import asyncio
import datetime
import threading
import time
from fractions import Fraction
from typing import TYPE_CHECKING

import av
import numpy as np
from aiohttp import ClientSession
from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpSender, RTCSessionDescription
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.running import LESSON, Server, published, serving

if TYPE_CHECKING:
    from pathlib import Path

TONE_HZ = 440
SAMPLES = 960  # 20 ms


def certificate(folder: Path) -> dict[str, str]:
    """Options with a certificate for DTLS. FFmpeg with GnuTLS makes one on P-224, which RFC 8422 took out of TLS."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ffmpeg")])
    now = datetime.datetime.now(datetime.UTC)
    until = now + datetime.timedelta(days=1)
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, until)
    signed = made.sign(key, hashes.SHA256())
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "cert.pem").write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(key.private_bytes(*form))
    return {"cert_file": str(folder / "cert.pem"), "key_file": str(folder / "key.pem")}


def stream(url: str, options: dict[str, str], stopped: threading.Event) -> None:
    """Red pictures and a tone, as fast as time goes; what `ffmpeg -re … -f whip` does."""
    with av.open(url, "w", format="whip", options=options) as whip:
        video = whip.add_stream("libx264", rate=25, options={"profile": "baseline", "tune": "zerolatency", "g": "25"})
        video.width, video.height, video.pix_fmt = 320, 240, "yuv420p"
        audio = whip.add_stream("libopus", rate=48_000, layout="stereo")
        picture = np.zeros((240, 320, 3), np.uint8)
        picture[:, :, 0] = 230
        start_s, frames, samples = time.monotonic(), 0, 0
        while not stopped.wait(0.005):
            elapsed_s = time.monotonic() - start_s
            while frames / 25 <= elapsed_s:
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
                frame.pts, frame.time_base = frames, Fraction(1, 25)
                whip.mux(video.encode(frame))
                frames += 1
            while samples / 48_000 <= elapsed_s:
                phase = 2 * np.pi * TONE_HZ * (np.arange(SAMPLES) + samples) / 48_000
                tone = np.repeat((8000 * np.sin(phase)).astype(np.int16), 2).reshape(1, -1)
                sound = av.AudioFrame.from_ndarray(tone, format="s16", layout="stereo")
                sound.sample_rate, sound.pts, sound.time_base = 48_000, samples, Fraction(1, 48_000)
                whip.mux(audio.encode(sound))
                samples += SAMPLES


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


async def test_ffmpeg_publishes_with_its_whip_muxer(tmp_path: Path) -> None:
    async with serving(tmp_path / "recordings") as server:
        observer = await server.token("observer")
        down, stopped = RTCPeerConnection(RTCConfiguration([])), threading.Event()
        options = {"authorization": await server.token("capture"), **certificate(tmp_path)}
        streaming = asyncio.create_task(asyncio.to_thread(stream, f"{server.url}/whip/{LESSON}", options, stopped))
        path = f"/api/lessons/{LESSON}"
        try:
            await server.until(lambda answer: set(published(answer)) == {"camera", "mic"}, path, observer)
            await receive(server, down)
            async with asyncio.timeout(15):
                await asyncio.gather(until_red(down), until_the_tone(down))
        finally:
            stopped.set()
            await asyncio.gather(streaming, down.close())
        # The muxer deletes its session, as RFC 9725 wants.
        await server.until(lambda answer: published(answer) == {}, path, observer)
        await server.post(f"{path}/end", await server.token("teacher"))
        recorded = (await server.get(f"{path}/recording", observer))["tracks"]
        assert {(track["label"], track["codec"].split(".")[0]) for track in recorded} == {
            ("camera", "avc1"),
            ("mic", "opus"),
        }
        assert all(track["duration_s"] > 1 for track in recorded)
