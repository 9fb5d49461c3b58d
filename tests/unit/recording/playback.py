"""Plays recordings with PyAV (FFmpeg's HLS and MP4 readers): an opinion that is not ours."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import av
import numpy as np

if TYPE_CHECKING:
    from pathlib import Path


def as_it_is_now(playlist: Path) -> Path:
    """A copy of a playlist that still grows, closed: FFmpeg would wait for more."""
    text = playlist.read_text()
    assert "#EXT-X-ENDLIST" not in text
    copy = playlist.with_name("now.m3u8")
    copy.write_text(text + "#EXT-X-ENDLIST\n")
    return copy


def pictures(playlist: Path) -> list[tuple[float, float]]:
    """(time in seconds, mean luma) of every picture of a playlist; decoding errors raise."""
    with av.open(str(playlist), options={"allowed_extensions": "ALL", "err_detect": "explode"}) as container:
        stream = container.streams.video[0]
        return [
            (float(f.pts * f.time_base), float(f.to_ndarray(format="gray").mean())) for f in container.decode(stream)
        ]


def sound(playlist: Path) -> tuple[float, np.ndarray]:
    """(time of the first sample in seconds, samples at 48 kHz) of a playlist, timestamps checked for holes."""
    with av.open(str(playlist), options={"allowed_extensions": "ALL"}) as container:
        stream = container.streams.audio[0]
        start_s, pieces, expected = None, [], None
        for frame in container.decode(stream):
            at_s = float(frame.pts * frame.time_base)
            if start_s is None:
                start_s = at_s
            else:
                assert abs(at_s - expected) < 0.002, f"hole or overlap at {at_s}: expected {expected}"
            expected = at_s + frame.samples / frame.sample_rate
            array = frame.to_ndarray()
            pieces.append(array[0] if array.dtype == np.float32 else array[0].astype(np.float32) / 32768)
        return start_s, np.concatenate(pieces)


def flashes(found: list[tuple[float, float]]) -> list[float]:
    """When the picture turns bright."""
    return [at_s for (_, before), (at_s, luma) in pairwise(found) if luma > 150 and before < 100]


def beeps(start_s: float, samples: np.ndarray) -> list[float]:
    """When the sound turns loud."""
    loud = np.convolve(np.abs(samples), np.ones(48) / 48, "same") > 0.15
    edges = np.flatnonzero(loud[1:] & ~loud[:-1]) + 1
    times, last = [], -1.0
    for edge in edges:
        at_s = start_s + edge / 48_000
        if at_s - last > 0.5:
            times.append(at_s)
        last = at_s
    return times
