"""How a load process gets its media connections: the signalling of our SFU and that of Janus behind one interface."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import websockets

from classroom.sfu.negotiate.agreed import EXT_TRANSPORT_CC
from classroom.sfu.transport import stun
from classroom.sfu.transport.certificate import Certificate
from classroom.sfu.transport.client import ClientTransport, RemoteDescription
from tests.bench.process import LINE_LIMIT_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

    from classroom.sfu.transport.egress import Address, Egress

H264_PT = 96
TRANSPORT_CC_ID = 3


class PeerTransport(ClientTransport):
    """A client that offers AES-128-GCM alone and answers the checks of a full ICE agent, as Janus is."""

    def __init__(self, certificate: Certificate, on_rtcp: Callable[[bytes], None] | None = None) -> None:
        super().__init__(certificate=certificate, on_rtcp=on_rtcp)
        self._tie_breaker = (1 << 64) - 1  # we nominate, also where the other side made the offer

    def _receive_stun(self, datagram: bytes, address: Address, egress: Egress) -> None:
        try:
            check = stun.parse_check(stun.parse(datagram))
        except stun.BadStun:
            super()._receive_stun(datagram, address, egress)
        else:
            egress.send_plain(stun.build_success(check, address[:2], self.pwd), address)


class Agreed(NamedTuple):
    """A session as the SFU agreed to it. ``pt`` is the payload type of the media."""

    session: str
    remote: RemoteDescription
    pt: int


class Door(Protocol):
    """Where media sessions are opened and ended."""

    async def publish(self, transport: ClientTransport, lesson: int, ssrc: int) -> Agreed:
        """Publish H.264 in a lesson of its own."""

    async def subscribe(self, transport: ClientTransport, lesson: int, *, transport_cc: bool) -> Agreed:
        """Receive what a lesson's publisher sends."""

    async def leave(self, session: str) -> None:
        """End a session by signalling."""


async def open_door(address: str) -> Door:
    """``address`` is a path of a Unix socket (ours) or a ws:// URL (Janus)."""
    return await (JanusDoor.open(address) if address.startswith("ws://") else OwnDoor.open(address))


def gcm_certificate() -> Certificate:
    """One that offers AES-128-GCM alone, so that every SFU protects with the same cipher."""
    certificate = Certificate()
    certificate.context.set_tlsext_use_srtp(b"SRTP_AEAD_AES_128_GCM")
    return certificate


def description(
    transport: ClientTransport, direction: str, setup: str, *, pt: int = H264_PT, mid: str = "0", ssrc: int = 0,
    transport_cc: bool = False,
) -> str:  # fmt: skip
    """An offer or answer of one H.264 stream with NACK and RTX, as a browser's."""
    congestion = [f"a=extmap:{TRANSPORT_CC_ID} {EXT_TRANSPORT_CC}", f"a=rtcp-fb:{pt} transport-cc"]
    return "\r\n".join(
        [
            "v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0", f"a=group:BUNDLE {mid}",
            f"m=video 9 UDP/TLS/RTP/SAVPF {pt} {pt + 1}", "c=IN IP4 127.0.0.1",
            f"a=mid:{mid}", f"a={direction}", "a=rtcp-mux",
            f"a=ice-ufrag:{transport.ufrag}", f"a=ice-pwd:{transport.pwd}",
            f"a=fingerprint:{transport.fingerprint}", f"a=setup:{setup}",
            f"a=rtpmap:{pt} H264/90000", f"a=fmtp:{pt} packetization-mode=1;profile-level-id=42e01f",
            f"a=rtcp-fb:{pt} nack", f"a=rtcp-fb:{pt} nack pli",
            f"a=rtpmap:{pt + 1} rtx/90000", f"a=fmtp:{pt + 1} apt={pt}",
            *([f"a=ssrc:{ssrc} cname:bench"] if ssrc else []),
            *(congestion if transport_cc else []), "",
        ]
    )  # fmt: skip


def read_description(session: str, sdp: str) -> Agreed:
    """What we need of the other side's SDP."""
    fields: dict[str, str] = {}
    candidates: list[tuple[str, int]] = []
    pt = None
    for line in sdp.splitlines():
        name, _, value = line.removeprefix("a=").partition(":")
        if name == "candidate":
            parts = value.split()
            if parts[2].lower() == "udp" and ":" not in parts[4]:
                candidates.append((parts[4], int(parts[5])))
        elif name == "rtpmap" and "H264/90000" in value and pt is None:
            pt = int(value.split()[0])
        else:
            fields.setdefault(name, value)
    assert pt is not None, sdp
    setup = "active" if fields["setup"] == "active" else "passive"
    remote = RemoteDescription(
        fields["ice-ufrag"], fields["ice-pwd"], fields["fingerprint"], setup, tuple(dict.fromkeys(candidates))
    )
    return Agreed(session, remote, pt)


class OwnDoor:
    """Ours: the client offers, as in WHIP and WHEP."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._lock = asyncio.Lock()

    @classmethod
    async def open(cls, path: str) -> OwnDoor:
        return cls(*await asyncio.open_unix_connection(path, limit=LINE_LIMIT_BYTES))

    async def publish(self, transport: ClientTransport, lesson: int, ssrc: int) -> Agreed:
        return await self._offer("publish", description(transport, "sendonly", "actpass", ssrc=ssrc), lesson)

    async def subscribe(self, transport: ClientTransport, lesson: int, *, transport_cc: bool) -> Agreed:
        offer = description(transport, "recvonly", "actpass", transport_cc=transport_cc)
        return await self._offer("subscribe", offer, lesson)

    async def leave(self, session: str) -> None:
        await self.ask("leave", session=session)

    async def ask(self, do: str, **command: Any) -> dict[str, Any]:
        """Ask the measured process; raises RuntimeError with its error."""
        async with self._lock:
            self._writer.write(json.dumps({"do": do, **command}).encode() + b"\n")
            answer: dict[str, Any] = json.loads(await self._reader.readline())
        if "error" in answer:
            raise RuntimeError(f"{do}: {answer['error']}")
        return answer

    async def _offer(self, do: str, offer: str, lesson: int) -> Agreed:
        answer = await self.ask(do, lesson=str(lesson), offer=offer)
        return read_description(answer["session"], answer["answer"])


class JanusDoor:
    """Janus' video rooms over its WebSocket API: a publisher offers, a subscriber is offered."""

    def __init__(self, socket: websockets.ClientConnection) -> None:
        self._socket = socket
        self._waiting: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._reading = asyncio.get_running_loop().create_task(self._read(), name="janus")
        self._session = 0

    @classmethod
    async def open(cls, url: str) -> JanusDoor:
        protocol = websockets.Subprotocol("janus-protocol")
        door = cls(await websockets.connect(url, subprotocols=[protocol], ping_interval=None))
        door._session = (await door._ask({"janus": "create"}))["data"]["id"]
        return door

    async def publish(self, transport: ClientTransport, lesson: int, ssrc: int) -> Agreed:
        handle = await self._attach()
        room = {
            "request": "create", "room": lesson, "publishers": 1, "videocodec": "h264", "h264_profile": "42e01f",
            "bitrate": 0, "fir_freq": 0,
        }  # fmt: skip
        await self._message(handle, room)
        request = {"request": "joinandconfigure", "ptype": "publisher", "room": lesson, "id": lesson, "video": True}
        offer = {"type": "offer", "sdp": description(transport, "sendonly", "actpass", ssrc=ssrc)}
        event = await self._message(handle, request, offer)
        return read_description(str(handle), event["jsep"]["sdp"])

    async def subscribe(self, transport: ClientTransport, lesson: int, *, transport_cc: bool) -> Agreed:
        assert not transport_cc, "Janus estimates no receiver's link"
        handle = await self._attach()
        join = {"request": "join", "ptype": "subscriber", "room": lesson, "streams": [{"feed": lesson}]}
        event = await self._message(handle, join)
        agreed = read_description(str(handle), event["jsep"]["sdp"])
        mid = next(line for line in event["jsep"]["sdp"].splitlines() if line.startswith("a=mid:"))[6:]
        answer = {"type": "answer", "sdp": description(transport, "recvonly", "active", pt=agreed.pt, mid=mid)}
        await self._message(handle, {"request": "start"}, answer)
        return agreed

    async def leave(self, session: str) -> None:
        await self._ask({"janus": "detach", "handle_id": int(session)})

    async def _attach(self) -> int:
        answer = await self._ask({"janus": "attach", "plugin": "janus.plugin.videoroom"})
        return int(answer["data"]["id"])

    async def _message(self, handle: int, body: dict[str, Any], jsep: dict[str, str] | None = None) -> dict[str, Any]:
        answer = await self._ask(
            {"janus": "message", "handle_id": handle, "body": body} | ({"jsep": jsep} if jsep else {})
        )
        if "error" in answer["plugindata"]["data"]:
            raise RuntimeError(f"{body['request']}: {answer['plugindata']['data']['error']}")
        return answer

    async def _ask(self, message: dict[str, Any]) -> dict[str, Any]:
        transaction = secrets.token_hex(8)
        future = self._waiting[transaction] = asyncio.get_running_loop().create_future()
        if self._session:
            message["session_id"] = self._session
        await self._socket.send(json.dumps(message | {"transaction": transaction}))
        try:
            answer = await asyncio.wait_for(future, 10)
        finally:
            del self._waiting[transaction]
        if answer["janus"] == "error":
            raise RuntimeError(f"{message['janus']}: {answer['error']['reason']}")
        return answer

    async def _read(self) -> None:
        with contextlib.suppress(websockets.ConnectionClosed):
            async for text in self._socket:
                message = json.loads(text)
                future = self._waiting.get(message.get("transaction", ""))
                # An "ack" says only that the answer will come as an event.
                if future is not None and message["janus"] != "ack" and not future.done():
                    future.set_result(message)
