"""A picture in its layers, with real encoders; the layers are decoded again to see what they are."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from fractions import Fraction
from typing import TYPE_CHECKING

import av
import numpy as np
import pytest

from classroom.capture.tracks import VideoTrack
from classroom.capture.video_encoder import Content, VideoEncoder
from classroom.model import Label

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from classroom.capture.frames import CodedFrame
    from classroom.capture.video_layer import Picture

RNG = np.random.default_rng(3)
TEXTURE = RNG.integers(30, 220, (1080, 1280)).astype(np.uint8)
FPS = 25
GATE = "上行带宽只有 1.0 Mbit/s / the way to the server carries 1.0 Mbit/s"


def moving(number: int, height_px: int = 720) -> av.VideoFrame:
    rows = height_px * 3 // 2
    return av.VideoFrame.from_ndarray(np.roll(TEXTURE[:rows], 4 * number, axis=1), "yuv420p")


class Camera:
    """A track on the loop of a test and what came out of its layers, by RID."""

    def __init__(self, layers: int) -> None:
        self.track = VideoTrack(Label.CAMERA, asyncio.get_running_loop(), Content.MOTION, layers)
        self.frames: dict[str, list[CodedFrame]] = defaultdict(list)
        self.layer = {layer.rid: layer for layer in self.track.streams}
        self._at_work: Counter[str] = Counter()
        for rid, layer in self.layer.items():
            layer.on_frame = self.frames[rid].append
            layer._take = self._watched(rid, layer._take)
        self.number = 0

    def _watched(self, rid: str, take: Callable[[Picture], None]) -> Callable[[Picture], None]:
        def watched(picture: Picture) -> None:
            self._at_work[rid] += 1
            try:
                take(picture)
            finally:
                self._at_work[rid] -= 1

        return watched

    async def show(self, count: int, height_px: int = 720) -> None:
        """Show pictures one by one: each has gone down the ladder before the next comes."""
        for _ in range(count):
            smallest = [layer for layer in self.track.streams if layer.wanted and layer.demand()][-1]
            came = len(self.frames[smallest.rid])
            self.track.picture(moving(self.number, height_px), 100 + self.number / FPS, FPS)
            self.number += 1
            async with asyncio.timeout(30):
                while len(self.frames[smallest.rid]) == came:
                    await asyncio.sleep(0.002)
        async with asyncio.timeout(30):
            while any(self._at_work.values()):  # the layers above, which had it first, may take longer
                await asyncio.sleep(0.002)
        await asyncio.sleep(0)  # what they have made is on its way to the loop

    def clear(self) -> None:
        for frames in self.frames.values():
            frames.clear()


@pytest.fixture
async def camera() -> AsyncIterator[Camera]:
    camera = Camera(3)
    yield camera
    await asyncio.to_thread(camera.track.close)


def decoded_size(frames: list[CodedFrame]) -> tuple[int, int]:
    decoder = av.CodecContext.create("h264", "r")
    decoder.thread_count = 1
    pictures = []
    for frame in frames:
        packet = av.Packet(b"".join(b"\0\0\0\1" + unit for unit in frame.units))
        packet.pts, packet.time_base = round(frame.capture_s * 90_000), Fraction(1, 90_000)
        pictures += decoder.decode(packet)
    assert len(pictures) == len(frames)
    return pictures[-1].width, pictures[-1].height


def keyframes(frames: list[CodedFrame]) -> list[int]:
    return [number for number, frame in enumerate(frames) if frame.keyframe]


async def test_three_layers_of_every_picture_with_one_instant(camera: Camera) -> None:
    await camera.show(12)
    sizes = {rid: decoded_size(frames) for rid, frames in camera.frames.items()}
    assert sizes == {"h": (1280, 720), "m": (640, 360), "l": (320, 180)}
    times = {rid: [frame.capture_s for frame in frames] for rid, frames in camera.frames.items()}
    assert times["h"] == times["m"] == times["l"] == [100 + number / FPS for number in range(12)]
    assert {rid: keyframes(frames) for rid, frames in camera.frames.items()} == {"h": [0], "m": [0], "l": [0]}
    assert camera.track.description == (
        "1280x720 25 fps 1200 kbit/s · 640x360 25 fps 396 kbit/s · 320x180 25 fps 131 kbit/s"
    )


async def test_a_keyframe_is_made_for_the_layer_that_is_asked_for_one(camera: Camera) -> None:
    await camera.show(4)
    camera.layer["m"].request_keyframe()
    await camera.show(4)
    assert {rid: keyframes(frames) for rid, frames in camera.frames.items()} == {"h": [0], "m": [0, 4], "l": [0]}


async def test_a_layer_that_is_not_sent_is_not_encoded_and_comes_back_with_one_keyframe(
    camera: Camera, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded_px: Counter[int] = Counter()
    encode = VideoEncoder.encode

    def counted(encoder: VideoEncoder, frame: av.VideoFrame, capture_s: float) -> list[CodedFrame]:
        encoded_px[frame.width] += 1
        return encode(encoder, frame, capture_s)

    monkeypatch.setattr(VideoEncoder, "encode", counted)
    await camera.show(2)
    assert encoded_px == {1280: 2, 640: 2, 320: 2}
    camera.layer["h"].send_at(None, GATE)
    camera.clear()
    encoded_px.clear()
    await camera.show(25)
    assert not camera.frames["h"] and len(camera.frames["m"]) == len(camera.frames["l"]) == 25
    assert encoded_px == {640: 25, 320: 25}, "the largest costs two thirds of all"
    camera.clear()
    camera.layer["h"].send_at(1_000_000, GATE)
    await camera.show(10)
    assert keyframes(camera.frames["h"]) == [0] and len(camera.frames["h"]) == 10
    assert not camera.frames["m"][0].keyframe and not camera.frames["l"][0].keyframe


async def test_nothing_is_scaled_for_layers_that_nobody_wants(camera: Camera) -> None:
    for rid in "ml":
        camera.layer[rid].send_at(None, GATE)
    await camera.show(3)
    assert {rid for rid, frames in camera.frames.items() if frames} == {"h"}
    camera.layer["l"].send_at(100_000)
    await camera.show(3)
    assert decoded_size(camera.frames["l"]) == (320, 180), "scaled past the layer between them"
    assert [frame.capture_s for frame in camera.frames["l"]] == [frame.capture_s for frame in camera.frames["h"][3:]]


async def test_a_source_that_becomes_small_has_fewer_layers(camera: Camera) -> None:
    await camera.show(2)
    camera.clear()
    camera.track.picture(av.VideoFrame.from_ndarray(np.zeros((360, 320), np.uint8), "yuv420p"), 200.0, FPS)
    async with asyncio.timeout(30):
        while not camera.frames["h"]:
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.2)  # smaller ones would have come
    assert {rid: len(frames) for rid, frames in camera.frames.items() if frames} == {"h": 1}
    assert [layer.demand() is None for layer in camera.track.streams] == [False, True, True]
    assert camera.track.description == "320x240 25 fps 164 kbit/s"


async def test_what_was_lowered_is_told_with_its_reason(camera: Camera) -> None:
    await camera.show(2)
    camera.layer["h"].send_at(None, GATE)
    camera.layer["m"].send_at(330_000, GATE)
    assert camera.track.description == (
        f"1280x720 暂停 paused · 640x360 25 fps ↓297 kbit/s · 320x180 25 fps 131 kbit/s（{GATE}）"
    )
    before = camera.track.description
    camera.layer["m"].send_at(325_000, GATE)
    assert camera.track.description == before, "rates are told in steps"
    camera.layer["m"].send_at(396_000)
    camera.layer["h"].send_at(None, "没有教室需要 / nobody needs it")
    assert camera.track.description.startswith("1280x720 暂停 paused · 640x360 25 fps 396 kbit/s · ")


async def test_a_lowered_rate_is_followed(camera: Camera) -> None:
    """The rate of a live encoder goes down and up again without a keyframe."""

    def size(count: int) -> int:
        return sum(frame.size_bytes for frame in camera.frames["m"][-count:])

    for rid in "hl":
        camera.layer[rid].send_at(None, GATE)
    await camera.show(40)
    full = size(20)
    camera.layer["m"].send_at(200_000, GATE)
    await camera.show(40)
    assert size(20) < 0.75 * full
    assert keyframes(camera.frames["m"]) == [0]
