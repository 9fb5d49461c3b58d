"""The built-in lesson as sources: it needs no file, no camera and no microphone."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import av

from classroom.capture.frames import Probe
from classroom.capture.sample import presenter, slides
from classroom.capture.sample.speech import SAMPLE_RATE_HZ, speech

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator

    from classroom.capture.sources.source import Outputs

_SOUND_S = 0.020


class SampleCamera:
    """The teacher. ``stamped``: the wall clock in milliseconds is in the picture, see presenter.stamp."""

    is_recorded = False

    def __init__(self, *, stamped: bool = False) -> None:
        self.name = "sample camera"
        self._stamped = stamped

    def probe(self) -> Probe:
        """Compute what can be computed beforehand."""
        speech()
        return Probe(has_picture=True, has_sound=False)

    def run(self, outputs: Outputs, start_s: float, stop: threading.Event) -> None:
        """Draw until ``stop`` is set."""
        if outputs.video is None:
            return
        drawn, voice = presenter.Presenter(), speech()
        for number in _ticks(start_s, 1 / presenter.FPS, stop):
            at_s = number / presenter.FPS
            picture = drawn.draw(at_s, voice.loudness(at_s))
            if self._stamped:
                presenter.stamp(picture, time.time_ns() // 1_000_000)
            outputs.video.picture(av.VideoFrame.from_ndarray(picture, "yuv420p"), start_s + at_s, presenter.FPS)


class SampleSlides:
    """The slides, a new one every 8 s."""

    name = "sample slides"
    is_recorded = False

    def probe(self) -> Probe:
        """Draw the first one."""
        slides.slide_i420(0)
        return Probe(has_picture=True, has_sound=False)

    def run(self, outputs: Outputs, start_s: float, stop: threading.Event) -> None:
        """Show them until ``stop`` is set."""
        if outputs.video is None:
            return
        shown, frame = -1, None
        for number in _ticks(start_s, 1 / slides.FPS, stop):
            at_s = number / slides.FPS
            if frame is None or slides.slide_number(at_s) != shown:
                shown = slides.slide_number(at_s)
                frame = av.VideoFrame.from_ndarray(slides.slide_i420(shown), "yuv420p")
            outputs.video.picture(frame, start_s + at_s, slides.FPS)


class SampleMic:
    """The teacher's voice."""

    name = "sample mic"
    is_recorded = False

    def probe(self) -> Probe:
        """Compute it."""
        speech()
        return Probe(has_picture=False, has_sound=True)

    def run(self, outputs: Outputs, start_s: float, stop: threading.Event) -> None:
        """Speak until ``stop`` is set."""
        if outputs.audio is None:
            return
        voice = speech()
        count = round(_SOUND_S * SAMPLE_RATE_HZ)
        for number in _ticks(start_s, _SOUND_S, stop):
            samples = voice.samples(number * count, count).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
            frame.sample_rate = SAMPLE_RATE_HZ
            outputs.audio.sound(frame, start_s + number * _SOUND_S)


def _ticks(start_s: float, interval_s: float, stop: threading.Event) -> Iterator[int]:
    """0, 1, 2… each when it is due; those that were missed by more than a second are left out."""
    number = 0
    while True:
        early_s = start_s + number * interval_s - time.monotonic()
        if early_s < -1.0:
            number += int(-early_s / interval_s)
        if stop.wait(max(early_s, 0.0)):
            return
        yield number
        number += 1
