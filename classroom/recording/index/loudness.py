"""Programme loudness of EBU R128 (ITU-R BS.1770) of what a meter measures, and the gain that evens it out. Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

TARGET_LUFS = -23.0  # EBU R128
MAX_GAIN_DB = 12.0
MAX_PEAK_DBTP = -1.0
_ABSOLUTE_GATE_LUFS, _RELATIVE_GATE_LU = -70.0, -10.0
_TOP_LUFS, _STEP_LU = 5.0, 0.1
_BINS = round((_TOP_LUFS - _ABSOLUTE_GATE_LUFS) / _STEP_LU)


class Loudness:
    """Momentary loudness in, integrated loudness out; however long the sound is, it is a histogram.

    A measurement covers 400 ms and there is one every 100 ms, as BS.1770 has its gating blocks.
    """

    def __init__(self, counts: np.ndarray[Any, Any] | None = None, true_peak: float = 0.0) -> None:
        self.counts = np.zeros(_BINS, np.int64) if counts is None else counts
        self.true_peak = true_peak  # of 1.0 as full scale

    def add(self, momentary_lufs: Iterable[float], true_peak: float) -> None:
        """Take measurements, and the highest peak so far."""
        for lufs in momentary_lufs:
            if lufs > _ABSOLUTE_GATE_LUFS:
                self.counts[min(int((lufs - _ABSOLUTE_GATE_LUFS) / _STEP_LU), _BINS - 1)] += 1
        self.true_peak = max(self.true_peak, true_peak)

    @property
    def integrated_lufs(self) -> float | None:
        """Loudness of the whole, gated; None when all was silence."""
        total = int(self.counts.sum())
        if not total:
            return None
        levels = _ABSOLUTE_GATE_LUFS + _STEP_LU * (np.arange(_BINS) + 0.5)
        power = 10 ** (levels / 10)
        gate = 10 * math.log10(float((power * self.counts).sum()) / total) + _RELATIVE_GATE_LU
        counts = np.where(levels >= gate, self.counts, 0)
        return round(10 * math.log10(float((power * counts).sum()) / int(counts.sum())), 2)

    @property
    def gain_db(self) -> float:
        """What brings it to the target, within ±12 dB and so that no true peak exceeds −1 dBTP."""
        lufs = self.integrated_lufs
        if lufs is None:
            return 0.0
        room_db = MAX_PEAK_DBTP - 20 * math.log10(self.true_peak) if self.true_peak > 0 else MAX_GAIN_DB
        gain_db = min(TARGET_LUFS - lufs, MAX_GAIN_DB, room_db)
        return round(max(gain_db, -MAX_GAIN_DB), 2)
