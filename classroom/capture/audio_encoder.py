"""Opus for speech, on a timeline without holes."""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, Any

import av
import numpy as np

from classroom.capture.frames import CodedFrame

if TYPE_CHECKING:
    from collections.abc import Iterable

SAMPLE_RATE_HZ = 48_000
FRAME_SAMPLES = 960  # 20 ms
BITRATE_BPS = 32_000
_TOLERANCE_S = 0.003  # timestamps in milliseconds round by 1 ms; sound and picture may differ by 5 ms
_LONGEST_FILL_S = 1.0
SILENCE = 127  # -dBov


def level(samples: np.ndarray[Any, np.dtype[np.int16]]) -> int:
    """How loud 16-bit samples are in -dBov, 0 (as loud as can be) to 127 (RFC 6464 §3, appendix A)."""
    power = float(np.mean(np.square(samples, dtype=np.float32))) / 32767.0**2
    return min(max(round(-10 * math.log10(power)), 0), SILENCE) if power > 0 else SILENCE


class AudioEncoder:
    """Sound of any format in, 20 ms Opus packets out: 48 kHz mono, 32 kbit/s, in-band FEC.

    Counts samples, as a sound card does. Where the timestamps of the source leave a gap of up to a second it is
    filled with silence, an overlap is cut; a longer jump starts a new count. Not thread-safe.
    """

    def __init__(self, bitrate_bps: int = BITRATE_BPS) -> None:
        self._bitrate_bps = bitrate_bps
        self._resampler: av.AudioResampler | None = None
        self._input: tuple[int, str, str] | None = None
        self._pending = np.zeros(0, np.int16)
        self._origin_s: float | None = None  # of sample 0
        self._encoded_samples = 0
        self._levels: deque[int] = deque()  # of what the encoder holds
        self._context = self._open()

    def encode(self, frame: av.AudioFrame, capture_s: float) -> list[CodedFrame]:
        """Take sound whose first sample was captured at ``capture_s``; returns the packets that are complete."""
        coded: list[CodedFrame] = []
        if self._origin_s is None:
            self._origin_s = capture_s
        gap_s = capture_s - (self._origin_s + (self._encoded_samples + len(self._pending)) / SAMPLE_RATE_HZ)
        if abs(gap_s) > _LONGEST_FILL_S:
            coded = self.flush()
            self._restart(capture_s)
            gap_s = 0.0
        samples = self._resample(frame)
        if abs(gap_s) > _TOLERANCE_S:
            gap_samples = round(gap_s * SAMPLE_RATE_HZ)
            if gap_samples > 0:
                samples = np.concatenate([np.zeros(gap_samples, np.int16), samples])
            else:
                samples = samples[-gap_samples:]
        self._pending = np.concatenate([self._pending, samples])
        whole = len(self._pending) // FRAME_SAMPLES * FRAME_SAMPLES
        for at in range(0, whole, FRAME_SAMPLES):
            coded += self._encode(self._pending[at : at + FRAME_SAMPLES])
        self._pending = self._pending[whole:]
        return coded

    def flush(self) -> list[CodedFrame]:
        """Pad what is left to a whole packet and give out everything; the count starts anew afterwards."""
        coded: list[CodedFrame] = []
        if self._origin_s is None:
            return coded
        if len(self._pending):
            coded += self._encode(np.pad(self._pending, (0, FRAME_SAMPLES - len(self._pending))))
        coded += self._coded(self._context.encode(None))
        self._context = self._open()
        self._origin_s = None
        self._pending = self._pending[:0]
        self._levels.clear()
        return coded

    def _restart(self, capture_s: float) -> None:
        self._origin_s = capture_s
        self._encoded_samples = 0

    def _open(self) -> av.AudioCodecContext:
        context = av.CodecContext.create("libopus", "w")
        context.sample_rate, context.layout, context.format = SAMPLE_RATE_HZ, "mono", "s16"
        context.bit_rate = self._bitrate_bps
        # FEC is only written when loss is expected; 10 % is what a bad school link has.
        context.options = {
            "application": "voip",
            "frame_duration": "20",
            "fec": "1",
            "packet_loss": "10",
            "compression_level": "5",
        }
        context.open()
        self._encoded_samples = 0
        return context

    def _resample(self, frame: av.AudioFrame) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
        input_format = (frame.sample_rate, frame.format.name, frame.layout.name)
        if self._resampler is None or input_format != self._input:
            self._resampler = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE_HZ)
            self._input = input_format
        frame.pts = None  # samples are counted here; the resampler must not fill anything itself
        parts = [resampled.to_ndarray().reshape(-1) for resampled in self._resampler.resample(frame)]
        return np.concatenate(parts).astype(np.int16, copy=False) if parts else np.zeros(0, np.int16)

    def _encode(self, samples: np.ndarray[tuple[int], np.dtype[np.int16]]) -> list[CodedFrame]:
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = SAMPLE_RATE_HZ
        frame.pts = self._encoded_samples
        self._encoded_samples += FRAME_SAMPLES
        self._levels.append(level(samples))
        return self._coded(self._context.encode(frame))

    def _coded(self, packets: Iterable[av.Packet[av.AudioStream]]) -> list[CodedFrame]:
        # The encoder gives its first packet a negative pts: what a decoder plays is late by its look-ahead (6.5 ms).
        assert self._origin_s is not None
        return [
            CodedFrame(
                self._origin_s + (packet.pts or 0) / SAMPLE_RATE_HZ,
                (bytes(packet),),
                keyframe=True,
                level=self._levels.popleft() if self._levels else SILENCE,  # the look-ahead's rest at the end
            )
            for packet in packets
        ]
