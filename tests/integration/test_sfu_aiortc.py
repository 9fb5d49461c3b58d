"""aiortc, an independent WebRTC implementation, publishes to the media server and receives from it."""

import asyncio
import time
from contextlib import asynccontextmanager

import numpy as np
import pytest
from aiortc import RTCBundlePolicy, RTCConfiguration, RTCPeerConnection, RTCRtpSender, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, VideoStreamTrack
from av import VideoFrame

from classroom.model import Label, LessonId, ParticipantId
from classroom.sfu.core.bandwidth.estimator import DEFAULT_START_BPS
from classroom.sfu.core.events import PublicationAdded, PublicationRemoved, SessionClosed, SessionConnected
from classroom.sfu.negotiate import UnacceptableOffer
from classroom.sfu.server import MediaServer
from classroom.sfu.session import MediaSettings

LESSON = LessonId("maths")
TEACHER, VILLAGE = ParticipantId("teacher"), ParticipantId("village")


class ColourTrack(VideoStreamTrack):
    """A picture whose colour nobody makes by accident: red (channel 0), or blue (2)."""

    def __init__(self, channel: int = 0) -> None:
        super().__init__()
        self._channel = channel

    async def recv(self):
        pts, time_base = await self.next_timestamp()
        picture = np.zeros((240, 320, 3), np.uint8)
        picture[:, :, self._channel] = 230
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


def connection(policy: RTCBundlePolicy = RTCBundlePolicy.BALANCED) -> RTCPeerConnection:
    return RTCPeerConnection(RTCConfiguration(iceServers=[], bundlePolicy=policy))


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


async def receive(server: MediaServer, pc: RTCPeerConnection, pictures: int = 1):
    for _ in range(pictures):
        prefer_h264(pc.addTransceiver("video", direction="recvonly"))
    pc.addTransceiver("audio", direction="recvonly")
    await pc.setLocalDescription(await pc.createOffer())
    session = await server.subscribe(LESSON, VILLAGE, pc.localDescription.sdp)
    await pc.setRemoteDescription(RTCSessionDescription(session.answer, "answer"))
    return session


async def until(condition, timeout_s: float = 30.0):
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.02)


async def next_red_frame(pc: RTCPeerConnection, timeout_s: float = 30.0):
    return await next_frame(pc, 0, 0, timeout_s)


async def next_frame(pc: RTCPeerConnection, nth: int, channel: int, timeout_s: float = 30.0):
    """The next picture of the nth video in the colour of a channel."""
    track = [t.receiver.track for t in pc.getTransceivers() if t.kind == "video"][nth]
    async with asyncio.timeout(timeout_s):
        while True:
            frame = await track.recv()
            pixel = frame.to_ndarray(format="rgb24")[120, 310]
            if pixel[channel] > 180 and pixel[2 - channel] < 90:
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
            assert (await asyncio.wait_for(sound.recv(), 30)).sample_rate == 48000
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


async def test_two_slots_show_two_publications():
    async with media_server() as (server, _):
        camera, slides = connection(), connection()
        # Of two m-lines that share a transport from the start aiortc forgets the candidates of the first.
        down = connection(RTCBundlePolicy.MAX_COMPAT)
        try:
            await publish(server, camera)
            prefer_h264(slides.addTransceiver(ColourTrack(channel=2), direction="sendonly"))
            await slides.setLocalDescription(await slides.createOffer())
            offer = slides.localDescription.sdp.replace("a=sendonly", "a=sendonly\r\na=label:slides")
            session = await server.publish(LESSON, TEACHER, offer, lambda label: label.value)
            await slides.setRemoteDescription(RTCSessionDescription(session.answer, "answer"))
            await receive(server, down, pictures=2)
            await asyncio.gather(next_frame(down, nth=0, channel=0), next_frame(down, nth=1, channel=2))
        finally:
            await asyncio.gather(camera.close(), slides.close(), down.close())


class LossyPath:
    """Loses every 20th packet of pictures that goes by, and counts those that are sent again (RTX)."""

    def __init__(self, answer: str) -> None:
        codecs = {line.split()[1]: int(line.split()[0][9:]) for line in answer.splitlines() if "a=rtpmap:" in line}
        self._pt, self._rtx_pt = codecs["H264/90000"], codecs["rtx/90000"]
        self._seen = self.lost = self.repaired = 0

    def loses(self, datagram: bytes) -> bool:
        if not 128 <= datagram[0] <= 191:
            return False
        self.repaired += datagram[1] & 127 == self._rtx_pt
        self._seen += datagram[1] & 127 == self._pt
        lost = datagram[1] & 127 == self._pt and self._seen % 20 == 10
        self.lost += lost
        return lost


async def test_lost_packets_are_sent_again_from_publisher_and_to_receiver():
    async with media_server() as (server, _):
        up, down = connection(), connection()
        try:
            up_path = LossyPath((await publish(server, up)).answer)
            down_path = LossyPath((await receive(server, down)).answer)
            sending = up.getTransceivers()[0].sender.transport.transport
            receiving = down.getTransceivers()[0].receiver.transport.transport
            send, take = sending._send, receiving._recv

            async def send_lossy(datagram):
                if not up_path.loses(datagram):
                    await send(datagram)

            async def take_lossy():
                while down_path.loses(datagram := await take()):
                    pass
                return datagram

            sending._send, receiving._recv = send_lossy, take_lossy
            await next_red_frame(down)
            await until(lambda: up_path.lost >= 5 and down_path.lost >= 5)
            await until(lambda: up_path.repaired >= up_path.lost - 1 and down_path.repaired >= down_path.lost - 1)
            await next_red_frame(down)
        finally:
            await asyncio.gather(up.close(), down.close())


async def test_the_estimate_of_a_receiver_is_heeded():
    """aiortc has no transport-wide feedback: it tells an estimate, for which it must know when packets left."""
    async with media_server() as (server, _):
        up, down = connection(), connection()
        try:
            await publish(server, up)
            await receive(server, down)
            await next_red_frame(down)
            async with asyncio.timeout(30):
                while (await server.observe(LESSON)).receivers[0].estimate_bps == DEFAULT_START_BPS:
                    await asyncio.sleep(0.05)
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
