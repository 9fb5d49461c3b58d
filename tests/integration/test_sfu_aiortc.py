"""aiortc, an independent WebRTC implementation, publishes to the media server and receives from it."""

import asyncio
import time
from contextlib import asynccontextmanager

import numpy as np
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpSender, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, VideoStreamTrack
from av import VideoFrame

from classroom.model import Label, LessonId, ParticipantId
from classroom.sfu.core.events import PublicationAdded, PublicationRemoved, SessionClosed, SessionConnected
from classroom.sfu.negotiate import UnacceptableOffer
from classroom.sfu.server import MediaServer, MediaSettings

LESSON = LessonId("maths")
TEACHER, VILLAGE = ParticipantId("teacher"), ParticipantId("village")


class ColourTrack(VideoStreamTrack):
    """A picture whose colour nobody makes by accident."""

    async def recv(self):
        pts, time_base = await self.next_timestamp()
        picture = np.zeros((240, 320, 3), np.uint8)
        picture[:, :, 0] = 230  # red
        picture[:, : (pts // 3000) % 320, 1] = 60
        frame = VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts, frame.time_base = pts, time_base
        return frame


@asynccontextmanager
async def media_server():
    events = []
    server = MediaServer(
        MediaSettings(host="0.0.0.0", port=0),
        on_event=lambda lesson, event: events.append(event),
        wall_offset_s=time.time() - time.monotonic(),
    )
    await server.start()
    await server.open_lesson(LESSON)
    try:
        yield server, events
    finally:
        await server.close()


def connection() -> RTCPeerConnection:
    return RTCPeerConnection(RTCConfiguration(iceServers=[]))


def prefer_h264(transceiver) -> None:
    codecs = RTCRtpSender.getCapabilities("video").codecs
    transceiver.setCodecPreferences([c for c in codecs if c.mimeType in ("video/H264", "video/rtx")])


async def publish(server: MediaServer, pc: RTCPeerConnection):
    prefer_h264(pc.addTransceiver(ColourTrack(), direction="sendonly"))
    pc.addTransceiver(AudioStreamTrack(), direction="sendonly")
    await pc.setLocalDescription(await pc.createOffer())
    session = await server.publish(LESSON, TEACHER, pc.localDescription.sdp, lambda label: label.value)
    await pc.setRemoteDescription(RTCSessionDescription(session.answer, "answer"))
    return session


async def receive(server: MediaServer, pc: RTCPeerConnection):
    prefer_h264(pc.addTransceiver("video", direction="recvonly"))
    pc.addTransceiver("audio", direction="recvonly")
    await pc.setLocalDescription(await pc.createOffer())
    session = await server.subscribe(LESSON, VILLAGE, pc.localDescription.sdp)
    await pc.setRemoteDescription(RTCSessionDescription(session.answer, "answer"))
    return session


async def until(condition, timeout_s: float = 10.0):
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.02)


async def next_red_frame(pc: RTCPeerConnection, timeout_s: float = 10.0):
    track = next(t.receiver.track for t in pc.getTransceivers() if t.kind == "video")
    async with asyncio.timeout(timeout_s):
        while True:
            frame = await track.recv()
            pixels = frame.to_ndarray(format="rgb24")
            if pixels[120, 310, 0] > 180 and pixels[120, 310, 2] < 90:
                return frame


async def test_a_picture_and_sound_travel_from_publisher_to_receiver():
    async with media_server() as (server, events):
        up, down = connection(), connection()
        try:
            await publish(server, up)
            await until(lambda: sum(isinstance(e, PublicationAdded) for e in events) == 2)
            await receive(server, down)
            frame = await next_red_frame(down)
            assert (frame.width, frame.height) == (320, 240)
            sound = next(t.receiver.track for t in down.getTransceivers() if t.kind == "audio")
            assert (await asyncio.wait_for(sound.recv(), 5)).sample_rate == 48000
            labels = {e.publication.label for e in events if isinstance(e, PublicationAdded)}
            assert labels == {Label.CAMERA, Label.MIC}
            assert {e.publishing for e in events if isinstance(e, SessionConnected)} == {True, False}
        finally:
            await asyncio.gather(up.close(), down.close())
        await until(lambda: sum(isinstance(e, SessionClosed) for e in events) == 2)
        assert sum(isinstance(e, PublicationRemoved) for e in events) == 2


async def test_a_receiver_that_is_there_first_gets_the_picture_when_it_comes():
    async with media_server() as (server, _):
        up, down = connection(), connection()
        try:
            await receive(server, down)
            await publish(server, up)
            await next_red_frame(down)
        finally:
            await asyncio.gather(up.close(), down.close())


async def test_an_offer_without_h264_or_opus_is_refused():
    async with media_server() as (server, _):
        pc = connection()
        try:
            transceiver = pc.addTransceiver("video", direction="recvonly")
            codecs = RTCRtpSender.getCapabilities("video").codecs
            transceiver.setCodecPreferences([c for c in codecs if c.mimeType == "video/VP8"])
            await pc.setLocalDescription(await pc.createOffer())
            with pytest.raises(UnacceptableOffer, match=r"H\.264"):
                await server.subscribe(LESSON, VILLAGE, pc.localDescription.sdp)
        finally:
            await pc.close()
