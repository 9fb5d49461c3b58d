"""FFmpeg publishes with its own WHIP muxer; aiortc receives what it sent, and it is recorded."""

from __future__ import annotations

import asyncio
import datetime
import threading
import time
from typing import TYPE_CHECKING

import av
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

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
    from pathlib import Path


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
        video = whip.add_stream("libx264", rate=FRAMES_PER_S, options=X264_OPTIONS)
        video.width, video.height, video.pix_fmt = 320, 240, "yuv420p"
        audio = whip.add_stream("libopus", rate=SAMPLES_PER_S, layout="stereo")
        start_s, frames, samples = time.monotonic(), 0, 0
        picture, sound = pictures(), sounds()
        while not stopped.wait(0.005):
            elapsed_s = time.monotonic() - start_s
            while frames / FRAMES_PER_S <= elapsed_s:
                whip.mux(video.encode(next(picture)))
                frames += 1
            while samples / SAMPLES_PER_S <= elapsed_s:
                whip.mux(audio.encode(next(sound)))
                samples += SAMPLES


@pytest.mark.timeout(120)
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
            async with asyncio.timeout(30):
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
