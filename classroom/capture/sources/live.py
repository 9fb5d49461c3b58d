"""What FFmpeg receives as it happens: RTSP cameras and ALSA microphones."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import av

from classroom.capture.clock import LiveTimeline
from classroom.capture.frames import Probe, SourceError
from classroom.capture.sources.routes import (
    DecodedPicture,
    Packet,
    PassedPicture,
    Route,
    frame_rate,
    picture_of,
    sound_of,
    sound_route,
)
from classroom.capture.sources.source import Outputs, failure, require_media

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterable, Iterator

_ALSA_CONFIG = Path("/usr/share/alsa/alsa.conf")
_OPEN_TIMEOUT_S = 5.0
_READ_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Address:
    """What to open, and how FFmpeg is to open it."""

    name: str
    url: str
    format: str | None = None
    options: dict[str, str] = field(default_factory=dict)


def rtsp(url: str) -> Address:
    """An RTSP camera over TCP: a school's Wi-Fi loses too much UDP, and one lost packet spoils a whole GOP."""
    parts = urlsplit(url)
    name = f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}{parts.path}"
    options = {
        "rtsp_transport": "tcp",
        "analyzeduration": "1000000",
        "probesize": "500000",
    }
    return Address(name, url, options=options)


def alsa(device: str) -> Address:
    """A microphone by its ALSA name: ``default``, ``hw:1``, ``pulse``; a bare number is a sound card's."""
    if "ALSA_CONFIG_PATH" not in os.environ and _ALSA_CONFIG.exists():
        os.environ["ALSA_CONFIG_PATH"] = str(_ALSA_CONFIG)  # the ALSA inside PyAV looks where it was built
    return Address(f"mic {device}", f"plughw:{device}" if device.isdigit() else device, format="alsa")


class LiveSource:
    """Receives until it is stopped; its timestamps are mapped onto the capture clock (LiveTimeline)."""

    is_recorded = False

    def __init__(self, address: Address) -> None:
        self.name = address.name
        self._address = address

    def probe(self) -> Probe:
        """Connect and look; raises SourceError."""
        with self._open() as container:
            return Probe(picture_of(container) is not None, sound_of(container) is not None)

    def run(self, outputs: Outputs, start_s: float, stop: threading.Event) -> None:
        """Receive until ``stop`` is set; raises SourceError when nothing more comes."""
        with self._open() as container:
            routes: dict[int, Route] = {}
            picture, sound = picture_of(container), sound_of(container)
            require_media(self.name, outputs, has_picture=picture is not None, has_sound=sound is not None)
            if picture is not None and outputs.video is not None:
                if picture.codec_context.name == "h264":
                    routes[picture.index] = PassedPicture(picture, outputs.video, self.name)
                else:
                    routes[picture.index] = DecodedPicture(picture, outputs.video)
            if sound is not None and outputs.audio is not None:
                routes[sound.index] = sound_route(sound, outputs.audio)
            timeline = LiveTimeline()
            try:
                for packet in _with_times(container.demux([container.streams[index] for index in routes])):
                    if stop.is_set():
                        return
                    arrived_s = time.monotonic()
                    for at_s, action in routes[packet.stream_index].take(packet):
                        action(timeline.place(at_s, arrived_s))
            except av.error.FFmpegError as error:
                raise failure(self.name, error) from error
        raise SourceError(f"{self.name}：信号中断 / {self.name}: the signal ended")

    def _open(self) -> av.container.InputContainer:
        address = self._address
        try:
            return av.open(
                address.url,
                format=address.format,
                options=address.options,
                timeout=(_OPEN_TIMEOUT_S, _READ_TIMEOUT_S),
            )
        except av.error.FFmpegError as error:
            raise failure(self.name, error) from error
        except ValueError as error:  # a format that this build of FFmpeg lacks
            raise SourceError(f"{self.name}：{error} / {self.name}: {error}") from error


def _with_times(packets: Iterable[Packet]) -> Iterator[Packet]:
    """Only packets that have a time.

    RTSP gives its first packet none, and that is the keyframe: it gets one that suits the packet behind it.
    """
    first: dict[int, Packet] = {}
    seen: set[int] = set()
    for packet in packets:
        index = packet.stream_index
        if packet.pts is None and packet.dts is None:
            if index not in seen and packet.size:
                first[index] = packet
            continue
        seen.add(index)
        early = first.pop(index, None)
        if early is not None and isinstance(packet.stream, av.VideoStream):
            ticks = round(1 / (frame_rate(packet.stream) * packet.time_base))
            early.pts = early.dts = (packet.pts if packet.pts is not None else packet.dts or 0) - ticks
            yield early
        yield packet
