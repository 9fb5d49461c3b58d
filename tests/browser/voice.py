"""Somebody who never stops talking, for Chromium's made-up microphone: that by itself beeps twice a second."""

from __future__ import annotations

import math
import struct
import wave
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

RATE_HZ = 48_000
# Beats with pauses between them: what sounds without any is noise to a browser, which takes it out.
BEAT_S, BEATS_S, TONE_HZ = 0.015, 0.040, 400
LENGTH_S = 1.0


def voice(folder: Path) -> str:
    """The flag with which a Chromium's microphone gives this voice, from a file in the folder."""
    path = folder / "voice.wav"
    samples = (
        int(16_000 * math.sin(2 * math.pi * TONE_HZ * n / RATE_HZ)) if n / RATE_HZ % BEATS_S < BEAT_S else 0
        for n in range(int(LENGTH_S * RATE_HZ))
    )
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(b"".join(struct.pack("<h", sample) for sample in samples))
    return f"--use-file-for-fake-audio-capture={path}"
