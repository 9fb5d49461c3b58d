"""A whole server in this process, on real sockets, with a client for its doors."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from aiohttp import DummyCookieJar
from aiohttp.test_utils import TestClient, TestServer
from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpSender
from aiortc.mediastreams import AudioStreamTrack, VideoStreamTrack

from classroom.composition import UI, Node
from classroom.config import Settings
from classroom.model import LessonId, ParticipantId, Role
from classroom.sfu.server import MediaServer
from classroom.sfu.session import MediaSettings
from classroom.sfu.workers.recording import record
from classroom.web.auth import issue_token, new_claims
from classroom.worker import recorders_in

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from aiohttp import ClientResponse

SECRET = "s" * 32
SDP, FRAGMENT = "application/sdp", "application/trickle-ice-sdpfrag"


class MediaHere(MediaServer):
    """The media of a node without processes: the SFU itself."""

    @property
    def ports(self) -> tuple[int, ...]:
        return (self.port,)

    async def publish(self, lesson: Any, participant: Any, offer: str, names: Any) -> Any:
        return await super().publish(lesson, participant, offer, names.__getitem__)


class Doors:
    """The doors of a running node."""

    def __init__(self, node: Node, media: MediaHere, client: TestClient[Any, Any]) -> None:
        self.node = node
        self.media = media
        self.client = client

    def token(self, role: str, lesson: str = "maths", ttl_s: int = 3600, participant: str = "") -> str:
        claims = new_claims(LessonId(lesson), Role(role), ttl_s, f"{role} of {lesson}", time.time())
        if participant:
            claims = replace(claims, participant=ParticipantId(participant))
        return issue_token(SECRET, claims)

    async def ask(self, method: str, path: str, token: str | None = None, **options: Any) -> ClientResponse:
        headers = dict(options.pop("headers", {}))
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        response = await self.client.request(method, path, headers=headers, **options)
        await response.read()
        return response

    async def offer(self, door: str, token: str, sdp: str) -> ClientResponse:
        return await self.ask("POST", f"/{door}/maths", token, data=sdp, headers={"Content-Type": SDP})


@asynccontextmanager
async def running(folder: Path, ui: Path = UI, **settings: Any) -> AsyncIterator[Doors]:
    """A node that is drained and closed afterwards, as SIGTERM does it."""
    given = Settings(recordings=folder, media_host="127.0.0.1", media_port=0, **settings)
    wall_offset_s = time.time() - time.monotonic()
    media = MediaHere(
        MediaSettings(given.media_host, given.media_port),
        lambda lesson, event: node.service.on_event(lesson, event),
        wall_offset_s,
    )
    await media.start()
    recording = partial(record, media, recorders_in(folder, wall_offset_s)) if given.record else None
    node = Node(given, SECRET, media, recording, ui)
    await node.open()
    async with TestClient(TestServer(node.app), cookie_jar=DummyCookieJar()) as client:
        try:
            yield Doors(node, media, client)
        finally:
            await node.service.drain()
    await media.close()
    await node.close()


async def until_patience_ends(attempt: Callable[[], Awaitable[ClientResponse]]) -> list[int]:
    """The answers before 429; a slow machine gets more of them, as patience comes back with time."""
    statuses: list[int] = []
    async with asyncio.timeout(50):
        while (response := await attempt()).status != 429:
            statuses.append(response.status)
    assert int(response.headers["Retry-After"]) >= 1
    return statuses


async def make_offer(*, sending: bool = False, codec: str = "video/H264") -> str:
    """What aiortc offers for one video and one audio; nobody will connect it."""
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    try:
        if sending:
            video = pc.addTransceiver(VideoStreamTrack(), direction="sendonly")
            pc.addTransceiver(AudioStreamTrack(), direction="sendonly")
        else:
            video = pc.addTransceiver("video", direction="recvonly")
            if codec == "video/H264":
                pc.addTransceiver("audio", direction="recvonly")
        codecs = RTCRtpSender.getCapabilities("video").codecs
        video.setCodecPreferences([c for c in codecs if c.mimeType == codec])
        await pc.setLocalDescription(await pc.createOffer())
        return pc.localDescription.sdp
    finally:
        await pc.close()
