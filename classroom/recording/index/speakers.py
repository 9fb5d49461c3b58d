"""Loudness and voice activity of the sound tracks, segment by segment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from classroom.recording.index.loudness import Loudness
from classroom.recording.index.media import LoudnessMeter, sound
from classroom.recording.index.voice import VoiceDetector, total_s, union
from classroom.recording.index_file import Speaker, TrackLoudness, Voice
from classroom.recording.master import MIC

if TYPE_CHECKING:
    from collections.abc import Mapping

    from classroom.recording.index.media import MediaSegment


METER_STEP = 4800  # samples between two measurements
WARM_UP_SAMPLES = 10 * METER_STEP  # a measurement covers four steps, its filter rings for a few more


class SoundTrack:
    """What is measured of one sound track."""

    def __init__(self, loudness: Loudness, voice: VoiceDetector, samples: int = 0) -> None:
        self.loudness = loudness
        self.voice = voice
        self.samples = samples  # measured so far
        self._meter = LoudnessMeter()

    def add(self, segment: MediaSegment) -> None:
        """Take the next segment. Raises DamagedMedia."""
        heard = sound(segment)
        self.loudness.add(*self._meter.measure(heard))
        self.voice.add(segment.start_s, heard.mean(axis=0))
        self.samples += heard.shape[1]

    def warm_up(self, segment: MediaSegment) -> None:
        """Let the meter hear the end of the segment before the next one again, as it did before it was stopped.

        Raises DamagedMedia.
        """
        over = self.samples % METER_STEP
        self._meter.measure(sound(segment)[:, -(WARM_UP_SAMPLES + over) :])

    def save(self) -> dict[str, np.ndarray[Any, Any]]:
        """The state as arrays by name."""
        levels = {
            "counts": self.loudness.counts,
            "peak": np.array(self.loudness.true_peak),
            "samples": np.array(self.samples),
        }
        return {**levels, **self.voice.save()}

    @classmethod
    def load(cls, arrays: Mapping[str, np.ndarray[Any, Any]]) -> SoundTrack:
        """A track that goes on as the saved one would; a new one without arrays. Raises KeyError."""
        if not arrays:
            return cls(Loudness(), VoiceDetector())
        loudness = Loudness(arrays["counts"].copy(), float(arrays["peak"]))
        return cls(loudness, VoiceDetector.load(arrays), int(arrays["samples"]))


def loudness_of(tracks: Mapping[str, SoundTrack]) -> dict[str, TrackLoudness]:
    """Loudness and gain of each track that is not silent."""
    measured = {name: track.loudness for name, track in tracks.items()}
    return {
        name: TrackLoudness(lufs, each.gain_db)
        for name, each in measured.items()
        if (lufs := each.integrated_lufs) is not None
    }


def voice_of(tracks: Mapping[str, SoundTrack], start_s: float, end_s: float) -> Voice | None:
    """Who speaks when between two times, the track ``mic`` being the teacher's; None without sound."""
    if not tracks:
        return None
    teacher = [span for name, track in tracks.items() if name == MIC for span in track.voice.finish()]
    classroom = union(span for name, track in tracks.items() if name != MIC for span in track.voice.finish())
    spans = [(*span, Speaker.TEACHER) for span in teacher] + [(*span, Speaker.CLASSROOM) for span in classroom]
    spoken_s = total_s(union([*teacher, *classroom]))
    return Voice(
        sorted(spans),
        round(total_s(teacher), 2),
        round(total_s(classroom), 2),
        round(max(0.0, end_s - start_s - spoken_s), 2),
    )
