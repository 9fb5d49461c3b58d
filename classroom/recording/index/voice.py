"""Tells speech from silence, noise and hum by its energy: sound in, spans out. Pure.

Speech stands out from the floor of its room, between 250 and 3800 Hz, and its loudness goes up and down with the
syllables. A fan, mains hum or a held note does not go up and down. Rhythmic music does, and is taken for speech.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    Floats = np.ndarray[Any, np.dtype[np.float32]]

RATE_HZ = 48_000
FRAME_S = 0.02
_FRAME = round(RATE_HZ * FRAME_S)
_BAND_HZ = (250.0, 3800.0)
_SILENCE_DB = -80.0  # digital silence says nothing about the floor of a room
_LEAST_DB = -55.0  # relative to full scale; below it nobody speaks to a class
_ABOVE_FLOOR_DB = 9.0
_SYLLABLES_DB = 4.0  # how much the loudness of speech scatters within _AROUND
_AROUND = round(0.6 / FRAME_S)  # frames on either side
_FLOOR = round(10.0 / FRAME_S)  # within so many there is a pause
_FLOOR_SHARE = 0.1
_JOIN_S, _SHORTEST_S, _MARGIN_S = 0.6, 0.25, 0.1


class VoiceDetector:
    """Takes one track of sound by time and collects the spans in which somebody speaks."""

    def __init__(self) -> None:
        self.spans: list[tuple[float, float]] = []
        self._levels: Floats = np.zeros(0, np.float32)  # dB of the latest frames, looked at and not yet
        self._next_s = 0.0  # where the frame after the last of them begins
        self._waiting = 0  # how many at the end are not yet looked at
        self._rest: Floats = np.zeros(0, np.float32)

    def add(self, at_s: float, sound: Floats) -> None:
        """Take mono sound at 48 kHz, ±1.0, that begins at ``at_s``; what is missing since the last is silence."""
        missing = round((at_s - self._next_s - len(self._rest) / RATE_HZ) / FRAME_S)
        if missing > 0:
            self._look(np.full(min(missing, _FLOOR + 2 * _AROUND), _SILENCE_DB, np.float32), at_s - missing * FRAME_S)
            self._rest = self._rest[:0]
        if missing != 0:
            self._next_s = at_s - len(self._rest) / RATE_HZ
        sound = np.concatenate([self._rest, sound])
        whole = len(sound) // _FRAME * _FRAME
        self._rest = sound[whole:]
        if whole:
            self._look(_levels(sound[:whole].reshape(-1, _FRAME)), self._next_s)

    def finish(self) -> list[tuple[float, float]]:
        """The spans up to the end, in seconds, in order, apart from each other; more may be added afterwards."""
        spans, waiting = list(self.spans), self._waiting
        self._decide(self._waiting)
        ended, self.spans, self._waiting = self.spans, spans, waiting
        return [(round(s, 2), round(e, 2)) for s, e in ended if e - s >= _SHORTEST_S + 2 * _MARGIN_S]

    def save(self) -> dict[str, np.ndarray[Any, Any]]:
        """The state as arrays by name."""
        return {
            "spans": np.array(self.spans, np.float64).reshape(-1, 2),
            "levels": self._levels,
            "rest": self._rest,
            "at": np.array([self._next_s, self._waiting], np.float64),
        }

    @classmethod
    def load(cls, arrays: Mapping[str, np.ndarray[Any, Any]]) -> VoiceDetector:
        """A detector that goes on as the saved one would. Raises KeyError."""
        detector = cls()
        detector.spans = [(float(start), float(end)) for start, end in arrays["spans"]]
        detector._levels, detector._rest = arrays["levels"], arrays["rest"]
        detector._next_s, detector._waiting = float(arrays["at"][0]), int(arrays["at"][1])
        return detector

    def _look(self, levels: Floats, at_s: float) -> None:
        self._levels = np.concatenate([self._levels, levels])
        self._next_s = at_s + len(levels) * FRAME_S
        self._waiting += len(levels)
        if self._waiting > _AROUND:
            self._decide(self._waiting - _AROUND)
            self._waiting = _AROUND
        self._levels = self._levels[-(_FLOOR + self._waiting) :]

    def _decide(self, count: int) -> None:
        """Decide on so many of the waiting frames, the earliest."""
        if not count:
            return
        levels = self._levels
        first = len(levels) - self._waiting
        heard = levels[: first + count]
        heard = heard[heard > _SILENCE_DB]
        floor_db = float(np.quantile(heard[-_FLOOR:], _FLOOR_SHARE)) if heard.size else _SILENCE_DB
        above = np.maximum(levels, max(floor_db, _LEAST_DB - _ABOVE_FLOOR_DB))
        padded = np.pad(above, (_AROUND, _AROUND), mode="edge")
        windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * _AROUND + 1)[first : first + count]
        speaks = (levels[first : first + count] >= max(floor_db + _ABOVE_FLOOR_DB, _LEAST_DB)) & (
            windows.std(axis=1) >= _SYLLABLES_DB
        )
        began_s = self._next_s - self._waiting * FRAME_S
        for index in np.flatnonzero(speaks):
            start_s = began_s + float(index) * FRAME_S - _MARGIN_S
            self._extend(max(0.0, start_s), start_s + FRAME_S + 2 * _MARGIN_S)

    def _extend(self, start_s: float, end_s: float) -> None:
        if self.spans and start_s - self.spans[-1][1] <= _JOIN_S:
            self.spans[-1] = (self.spans[-1][0], max(end_s, self.spans[-1][1]))
            return
        if self.spans and self.spans[-1][1] - self.spans[-1][0] < _SHORTEST_S + 2 * _MARGIN_S:
            self.spans.pop()  # a knock
        self.spans.append((start_s, end_s))


def union(spans: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """Spans that may overlap as spans that do not, in order."""
    joined: list[tuple[float, float]] = []
    for start_s, end_s in sorted(spans):
        if joined and start_s <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end_s))
        else:
            joined.append((start_s, end_s))
    return joined


def total_s(spans: Iterable[tuple[float, float]]) -> float:
    """How long spans are together."""
    return sum(end_s - start_s for start_s, end_s in spans)


def _levels(frames: Floats) -> Floats:
    """Energy of each frame (n, 960) between 250 and 3800 Hz, in dB of a full-scale sine."""
    spectrum = np.fft.rfft(frames * np.hanning(_FRAME).astype(np.float32), axis=1)
    hz = np.fft.rfftfreq(_FRAME, 1 / RATE_HZ)
    band = spectrum[:, (hz >= _BAND_HZ[0]) & (hz <= _BAND_HZ[1])]
    # A full-scale sine has (frame / 4)^2 in its bin and half as much in both beside it, with this window.
    power = (np.abs(band) ** 2).sum(axis=1) / (1.5 * (_FRAME / 4) ** 2)
    return np.asarray(np.maximum(10 * np.log10(power + 1e-12), _SILENCE_DB), np.float32)
