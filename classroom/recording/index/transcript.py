"""What the teacher says, written down span by span as captions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from classroom.media.webvtt import Cue, write_webvtt
from classroom.recording.index.media import DamagedMedia, load_segment, sound
from classroom.recording.index.voice import RATE_HZ

if TYPE_CHECKING:
    from collections.abc import Callable

    from classroom.recording.index.dictation import Dictation
    from classroom.recording.index.media import SegmentFile
    from classroom.recording.index.state import WrittenDown

    Floats = np.ndarray[Any, np.dtype[np.float32]]

SETTLED_S = 2.0  # a span of speech that ended so long ago does not go on
_AT_ONCE_S = 60.0


class Transcript:
    """Follows the spans in which somebody speaks; ``find`` gives the segment of the track that holds a time."""

    def __init__(self, dictation: Dictation, find: Callable[[float], SegmentFile | None], written: WrittenDown) -> None:
        self._dictation = dictation
        self._find = find
        self._written = written

    def follow(self, spans: list[tuple[float, float]], until_s: float) -> None:
        """Write down the spans that end before ``until_s`` and have not been. Raises OSError."""
        for start_s, end_s in spans:
            if start_s < self._written.to_s or end_s > until_s:
                continue
            while start_s < end_s and self._dictation.ready:
                heard = self._hear(start_s, min(end_s, start_s + _AT_ONCE_S))
                for cue in self._dictation.cues(start_s, heard):
                    self._written.cues.append((cue.start_s, cue.end_s, cue.text))
                start_s += _AT_ONCE_S
            self._written.to_s = end_s

    def captions(self) -> bytes | None:
        """All of it as WebVTT; None when nothing was said."""
        return write_webvtt(Cue(*cue) for cue in self._written.cues) if self._written.cues else None

    def _hear(self, start_s: float, end_s: float) -> Floats:
        """The sound between two times, mono; what is damaged or missing is silence."""
        heard = np.zeros(round((end_s - start_s) * RATE_HZ), np.float32)
        at_s = start_s
        while at_s < end_s:
            file = self._find(at_s)
            if file is None:
                break
            try:
                segment = load_segment(file, video=False)
                part = sound(segment).mean(axis=0)
            except DamagedMedia:
                at_s += 1.0
                continue
            offset = round((segment.start_s - start_s) * RATE_HZ)
            target = heard[max(0, offset) : max(0, offset + len(part))]
            target[:] = part[max(0, -offset) :][: len(target)]
            at_s = max(segment.end_s + 1e-3, at_s + 0.1)
        return heard
