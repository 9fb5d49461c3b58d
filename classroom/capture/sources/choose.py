"""From what the user wrote after --camera, --slides and --mic to sources and the labels they feed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from classroom.capture.sources.camera import CameraSource
from classroom.capture.sources.file import FileSource
from classroom.capture.sources.live import LiveSource, alsa, rtsp
from classroom.capture.sources.sample import SampleCamera, SampleMic, SampleSlides
from classroom.model import Label

if TYPE_CHECKING:
    from classroom.capture.sources.source import Source

SAMPLE = "sample"
STAMPED = "sample:stamped"  # the sample camera with the time in its picture, for measuring latency


@dataclass(frozen=True, slots=True)
class Assignment:
    """A source, the label of its picture, and whether its sound is the microphone.

    ``sound_is_certain``: the user asked for it; otherwise a camera may bring it along.
    """

    source: Source
    video: Label | None
    sound: bool
    sound_is_certain: bool = False


def assign(*, camera: str | None, slides: str | None, mic: str | None, loop: bool) -> list[Assignment]:
    """The sources of an agent. Without ``mic`` the camera's sound is the microphone, if it has any."""
    assignments = []
    if camera is not None:
        source = _picture_source(camera, Label.CAMERA, loop=loop)
        brings_sound = mic is None and isinstance(source, FileSource | LiveSource)
        assignments.append(Assignment(source, Label.CAMERA, brings_sound))
        if mic is None and camera in (SAMPLE, STAMPED):
            mic = SAMPLE
    if slides is not None:
        assignments.append(Assignment(_picture_source(slides, Label.SLIDES, loop=loop), Label.SLIDES, sound=False))
    if mic is not None:
        assignments.append(Assignment(_sound_source(mic, loop=loop), None, sound=True, sound_is_certain=True))
    return assignments


def _picture_source(text: str, label: Label, *, loop: bool) -> Source:
    if text in (SAMPLE, STAMPED):
        return SampleSlides() if label is Label.SLIDES else SampleCamera(stamped=text == STAMPED)
    if text.isdigit():
        return CameraSource(int(text))
    if text.startswith(("rtsp://", "rtsps://")):
        return LiveSource(rtsp(text))
    return FileSource(Path(text), loop=loop)


def _sound_source(text: str, *, loop: bool) -> Source:
    if text == SAMPLE:
        return SampleMic()
    if text.startswith(("rtsp://", "rtsps://")):
        return LiveSource(rtsp(text))
    if Path(text).is_file() or "/" in text or Path(text).suffix:
        return FileSource(Path(text), loop=loop)
    return LiveSource(alsa(text))
