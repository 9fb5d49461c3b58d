"""Sound that is clearly a voice and clearly nobody's: syllables of a source-filter model (Fant), four a second."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

SAMPLE_RATE_HZ = 48_000
ENVELOPE_HZ = 100
_PERIOD_S = 24.0
_SEED = 1107
_HARMONICS_UP_TO_HZ = 4200.0
# First three formants of the vowels a, e, i, o, u and their width in Hz, a woman's voice.
_FORMANTS_HZ = ((850, 1610, 2900), (530, 1500, 2700), (320, 2500, 3200), (560, 960, 2700), (370, 800, 2650))
_WIDTHS_HZ = (90.0, 120.0, 170.0)
# The four tones of Mandarin: pitch at the start, middle and end of the syllable, relative to the speaker's own.
_TONES = ((1.18, 1.18, 1.18), (0.95, 1.02, 1.22), (0.92, 0.80, 0.98), (1.25, 1.05, 0.82))
_PITCH_HZ = 205.0

Samples = np.ndarray[Any, np.dtype[np.int16]]


class Speech:
    """Sentences of several syllables with pauses between them; repeats after 24 s."""

    def __init__(self) -> None:
        rng = np.random.default_rng(_SEED)
        signal = np.zeros(round(_PERIOD_S * SAMPLE_RATE_HZ))
        at_s = 0.25
        while True:
            syllables = int(rng.integers(5, 12))
            if at_s + syllables * 0.27 > _PERIOD_S - 0.3:
                break
            for index in range(syllables):
                length_s = float(rng.uniform(0.17, 0.24))
                fall = 1.0 - 0.16 * index / syllables  # a sentence sinks towards its end
                sound = _syllable(rng, length_s, fall)
                start = round(at_s * SAMPLE_RATE_HZ)
                signal[start : start + len(sound)] += sound
                at_s += length_s + float(rng.uniform(0.02, 0.06))
            at_s += float(rng.uniform(0.35, 0.9))
        signal *= 0.5 / np.abs(signal).max()
        self._samples: Samples = np.round(signal * 32767).astype(np.int16)
        blocks = np.abs(signal).reshape(-1, SAMPLE_RATE_HZ // ENVELOPE_HZ).max(axis=1)
        self._envelope = np.convolve(blocks, np.full(5, 0.2), "same") / blocks.max()

    def samples(self, first: int, count: int) -> Samples:
        """``count`` samples, mono, from number ``first`` on, as if it went on forever."""
        return np.take(self._samples, np.arange(first, first + count), mode="wrap")

    def loudness(self, at_s: float) -> float:
        """How loud it is at a time, 0…1; opens the mouth of the one who is drawn speaking."""
        return float(self._envelope[int(at_s * ENVELOPE_HZ) % len(self._envelope)])


def _syllable(rng: np.random.Generator, length_s: float, fall: float) -> np.ndarray[Any, np.dtype[np.float64]]:
    count = round(length_s * SAMPLE_RATE_HZ)
    x = np.linspace(0.0, 1.0, count)
    pitch_hz = _PITCH_HZ * fall * np.interp(x, (0.0, 0.5, 1.0), _TONES[int(rng.integers(len(_TONES)))])
    phase = 2 * np.pi * np.cumsum(pitch_hz) / SAMPLE_RATE_HZ
    begin, end = (_FORMANTS_HZ[int(rng.integers(len(_FORMANTS_HZ)))] for _ in range(2))
    voice = np.zeros(count)
    for harmonic in range(1, int(_HARMONICS_UP_TO_HZ / _PITCH_HZ) + 1):
        frequency_hz = harmonic * pitch_hz
        gain = np.full(count, 0.02)
        for first, last, width_hz in zip(begin, end, _WIDTHS_HZ, strict=True):
            centre_hz = first + (last - first) * x  # a diphthong glides from one vowel to the other
            gain += 1.0 / (1.0 + ((frequency_hz - centre_hz) / width_hz) ** 2)
        voice += gain / harmonic * np.sin(harmonic * phase)  # the glottis falls by 6 dB an octave after the lips
    voice *= np.minimum(1.0, np.minimum(x / 0.18, (1.0 - x) / 0.3))
    onset = round(0.03 * SAMPLE_RATE_HZ)
    noise = rng.standard_normal(onset)
    consonant = np.diff(noise, prepend=0.0) * np.hanning(onset)  # s, sh, t: noise without its low end
    voice[:onset] += 0.12 * float(rng.uniform(0.2, 1.0)) * np.abs(voice).max() * consonant
    return voice


@lru_cache(maxsize=1)
def speech() -> Speech:
    """The one voice of this process; the first call computes it (about half a second)."""
    return Speech()
