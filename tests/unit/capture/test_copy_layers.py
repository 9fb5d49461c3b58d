"""The largest layer while a copy is kept: encoded all the time, at one rate, and sent as it is kept."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import TYPE_CHECKING

import pytest

from classroom.capture.clock import CaptureClock
from classroom.capture.frames import CodedFrame
from classroom.capture.sender import Extensions, RtpParameters, RtpSender, Timestamps
from classroom.capture.video_encoder import Content, VideoFormat
from classroom.capture.video_layer import LOWEST_SHARE
from classroom.media.depacketize import H264Depacketizer
from classroom.media.h264 import to_length_prefixed
from classroom.model import TrackKind
from classroom.sfu.core.rtp import header_extensions, parse_rtp
from tests.unit.capture.test_capture_layers import FPS, GATE, Camera, decoded_size, keyframes, moving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Kept(Camera):
    """A camera whose copy is kept."""

    def __init__(self, layers: int = 3) -> None:
        super().__init__(layers)
        self.kept: list[CodedFrame] = []
        self.track.keep(self.kept.append)


@pytest.fixture
async def camera() -> AsyncIterator[Kept]:
    camera = Kept()
    yield camera
    await asyncio.to_thread(camera.track.close)


async def test_what_is_paused_is_kept_all_the_same(camera: Kept) -> None:
    await camera.show(5)
    camera.layer["h"].send_at(None, GATE)
    await camera.show(5)
    camera.layer["h"].send_at(1_200_000)
    await camera.show(5)
    assert [frame.capture_s for frame in camera.kept] == [100 + number / FPS for number in range(15)]
    assert decoded_size(camera.kept) == (1280, 720), "every frame of it can be decoded"
    sent = camera.frames["h"]
    assert len(sent) == 10 and set(map(id, sent)) <= set(map(id, camera.kept)), "what was sent is what was kept"
    assert keyframes(sent) == [0, 5], "and can be decoded from where it went on"
    assert "1280x720 25 fps 1200 kbit/s" in camera.track.description


async def test_with_every_layer_paused_the_largest_is_still_encoded(camera: Kept) -> None:
    for layer in camera.track.streams:
        layer.send_at(None, GATE)
    for number in range(10):
        camera.track.picture(moving(number), 100 + number / FPS, FPS)
        async with asyncio.timeout(30):
            while len(camera.kept) <= number:
                await asyncio.sleep(0.002)
    assert not any(camera.frames.values())


async def test_a_thin_uplink_stops_it_but_does_not_lower_it(camera: Kept) -> None:
    top, middle = camera.layer["h"], camera.layer["m"]
    await camera.show(2)
    demand, smaller = top.demand(), middle.demand()
    assert demand is not None and demand.lowest_bps == demand.full_bps == 1_200_000
    assert smaller is not None and smaller.lowest_bps == round(LOWEST_SHARE * smaller.full_bps), "this one may"
    await camera.show(38)
    full = sum(frame.size_bytes for frame in camera.kept[-20:])
    top.send_at(300_000, GATE)  # which no allocation does
    await camera.show(40)
    assert sum(frame.size_bytes for frame in camera.kept[-20:]) > 0.75 * full


async def test_without_a_copy_it_costs_nothing_again(camera: Kept) -> None:
    await camera.show(3)
    camera.track.keep(None)
    camera.layer["h"].send_at(None, GATE)
    await camera.show(5)
    assert len(camera.kept) == 3 and len(camera.frames["h"]) == 3
    demand = camera.layer["h"].demand()
    assert demand is not None and demand.lowest_bps < demand.full_bps


async def test_a_stream_that_is_passed_through_is_kept_as_it_is_and_its_opening_is_no_other(camera: Kept) -> None:
    form = VideoFormat(640, 480, 25, Content.MOTION)
    for number in range(30):
        units = (b"\x67abc", b"\x68d", b"\x65" + bytes([number])) if number % 25 == 0 else (b"\x41" + bytes([number]),)
        camera.track.coded(CodedFrame(100 + number / 25, units, number % 25 == 0), form, "passed")
    await asyncio.sleep(0)
    assert [frame.units[-1][1] for frame in camera.kept] == list(range(30))
    assert camera.layer["h"].opening() == camera.kept[25:], "a new session gets what is on disk"


async def test_the_wire_carries_a_frame_byte_for_byte_with_its_instant() -> None:
    """From the encoder over packets to what a recorder makes of them: the sample and its time are those kept."""
    camera = Kept(1)
    camera.layer[""].send_at(1_200_000)
    await camera.show(30)
    await asyncio.to_thread(camera.track.close)
    clock = CaptureClock()
    parameters = RtpParameters(
        "0", "h", TrackKind.VIDEO, 96, 90_000, 7, 97, 8, Extensions(mid=1, capture_time=2, transport_seq=3, rid=4)
    )
    sender = RtpSender(parameters, clock, Timestamps(90_000, 0.0, 5), "c", first_seq=0)
    depacketizer, arrived, instants = H264Depacketizer(), [], defaultdict(list)
    for frame in camera.kept:
        for data in sender.packetize(frame, frame.capture_s):
            packet = parse_rtp(data)
            told = dict(header_extensions(packet)).get(2)
            if told is not None:
                instants[packet.ts].append(int.from_bytes(told, "big"))
            arrived += depacketizer.push(packet.seq, packet.ts, packet.marker, packet.payload, frame.capture_s)
    arrived += depacketizer.flush()
    assert [to_length_prefixed(unit.nals) for unit in arrived] == [
        to_length_prefixed(frame.units) for frame in camera.kept
    ]
    assert [instants[unit.ts] for unit in arrived] == [[clock.ntp(frame.capture_s)] for frame in camera.kept]
