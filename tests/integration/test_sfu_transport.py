"""The media server against our own client transport and against hostile datagrams, over real sockets."""

import asyncio
import os
import socket
import time
from contextlib import asynccontextmanager

import pytest

from classroom.model import LessonId, ParticipantId
from classroom.sfu.core import rtcp
from classroom.sfu.core.events import PublicationAdded, SessionClosed, SessionConnected
from classroom.sfu.core.rtp import build_rtp, parse_rtp
from classroom.sfu.server import MediaServer
from classroom.sfu.session import EtagMismatch, MediaSettings, UnknownLesson, UnknownSession
from classroom.sfu.transport import stun
from classroom.sfu.transport.client import ClientTransport, RemoteDescription, TransportError

LESSON = LessonId("maths")
IDR = bytes([0x65]) + bytes(50)
SLICE = bytes([0x41]) + bytes(50)


class Server:
    def __init__(self, media: MediaServer) -> None:
        self.media = media
        self.events = []

    async def until(self, kind: type, count: int = 1):
        async with asyncio.timeout(30):
            while len(found := [e for e in self.events if isinstance(e, kind)]) < count:
                await asyncio.sleep(0.01)
        return found

    async def publish(self, transport: ClientTransport, name: str = "teacher"):
        session = await self.media.publish(LESSON, ParticipantId(name), offer(transport, "sendonly"), str)
        await transport.connect(remote(session.answer))
        return session

    async def receive(self, transport: ClientTransport, audio: bool = False):
        session = await self.media.subscribe(LESSON, ParticipantId("v"), offer(transport, "recvonly", audio))
        await transport.connect(remote(session.answer))
        return session


@asynccontextmanager
async def media_server(host: str = "127.0.0.1", port: int = 0):
    server = Server(None)
    server.media = MediaServer(
        MediaSettings(host, port), lambda _, event: server.events.append(event), time.time() - time.monotonic()
    )
    await server.media.start()
    await server.media.open_lesson(LESSON)
    try:
        yield server
    finally:
        await server.media.close()


def offer(transport: ClientTransport, direction: str, audio: bool = False) -> str:
    codec = (
        ["m=audio 9 UDP/TLS/RTP/SAVPF 111", "a=rtpmap:111 opus/48000/2", "a=rtcp-fb:111 nack"]
        if audio
        else [
            "m=video 9 UDP/TLS/RTP/SAVPF 96 97", "a=rtpmap:96 H264/90000",
            "a=fmtp:96 packetization-mode=1;profile-level-id=42e01f", "a=rtcp-fb:96 nack", "a=rtcp-fb:96 nack pli",
            "a=rtpmap:97 rtx/90000", "a=fmtp:97 apt=96",
        ]
    )  # fmt: skip
    lines = [
        "v=0", "o=- 1 1 IN IP4 0.0.0.0", "s=-", "t=0 0", "a=group:BUNDLE 0", codec[0], "c=IN IP4 0.0.0.0", *codec[1:],
        "a=mid:0", f"a={direction}", "a=rtcp-mux", f"a=ice-ufrag:{transport.ufrag}", f"a=ice-pwd:{transport.pwd}",
        f"a=fingerprint:{transport.fingerprint}", "a=setup:actpass", "",
    ]  # fmt: skip
    return "\r\n".join(lines)


def remote(answer: str) -> RemoteDescription:
    fields = {}
    candidates = {"udp": [], "tcp": []}
    for line in answer.splitlines():
        name, _, value = line[2:].partition(":")
        fields[name] = value
        if name == "candidate":
            candidates[value.split()[2]].append((value.split()[4], int(value.split()[5])))
    return RemoteDescription(
        fields["ice-ufrag"], fields["ice-pwd"], fields["fingerprint"], "passive",
        tuple(candidates["udp"]), tuple(candidates["tcp"]),
    )  # fmt: skip


def frame(seq: int, nal: bytes, ts: int | None = None) -> bytes:
    return build_rtp(pt=96, seq=seq, ts=seq * 3600 if ts is None else ts, ssrc=77, payload=nal, marker=True)


async def collect(queue: asyncio.Queue, count: int) -> list:
    async with asyncio.timeout(30):
        return [await queue.get() for _ in range(count)]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_packets_arrive_with_the_numbers_of_the_slot(host):
    got: asyncio.Queue[bytes] = asyncio.Queue()
    async with media_server(host) as server:
        up, down = ClientTransport(), ClientTransport(on_rtp=got.put_nowait)
        try:
            await server.publish(up)
            await server.receive(down)
            await server.until(SessionConnected, 2)
            up.send_rtp([frame(65534, IDR), frame(65535, SLICE), frame(0, SLICE, ts=65536 * 3600)])
            packets = [parse_rtp(data) for data in await collect(got, 3)]
        finally:
            await asyncio.gather(up.close(), down.close())
    assert [p.payload for p in packets] == [IDR, SLICE, SLICE]
    assert [(p.seq - packets[0].seq) & 0xFFFF for p in packets] == [0, 1, 2]
    assert [(p.ts - packets[0].ts) & 0xFFFFFFFF for p in packets] == [0, 3600, 7200]
    assert len({p.ssrc for p in packets}) == 1 and packets[0].ssrc != 77


async def test_a_lost_packet_is_sent_again_as_rtx_and_a_hole_is_asked_for():
    got: asyncio.Queue[bytes] = asyncio.Queue()
    asked: asyncio.Queue[bytes] = asyncio.Queue()
    async with media_server() as server:
        up, down = ClientTransport(on_rtcp=asked.put_nowait), ClientTransport(on_rtp=got.put_nowait)
        try:
            await server.publish(up)
            await server.receive(down)
            await server.until(SessionConnected, 2)
            up.send_rtp([frame(10, IDR), frame(12, SLICE)])  # 11 is missing
            first, _ = [parse_rtp(data) for data in await collect(got, 2)]
            async with asyncio.timeout(30):
                while not (nacks := [p for p in rtcp.parse_rtcp(await asked.get()) if isinstance(p, rtcp.Nack)]):
                    pass
            assert nacks[0].seqs == [11] and nacks[0].media_ssrc == 77
            up.send_rtp([frame(11, SLICE)])
            late = parse_rtp((await collect(got, 1))[0])
            assert late.seq == (first.seq + 1) & 0xFFFF
            down.send_rtcp(rtcp.build_rr(1, []) + rtcp.build_nack(1, first.ssrc, [first.seq]))
            again = parse_rtp((await collect(got, 1))[0])
        finally:
            await asyncio.gather(up.close(), down.close())
    assert again.pt == 97 and again.payload == first.seq.to_bytes(2, "big") + IDR


async def test_a_late_joiner_begins_with_the_cached_keyframe_and_asks_nobody():
    got: asyncio.Queue[bytes] = asyncio.Queue()
    asked: asyncio.Queue[bytes] = asyncio.Queue()
    async with media_server() as server:
        up, down = ClientTransport(on_rtcp=asked.put_nowait), ClientTransport(on_rtp=got.put_nowait)
        try:
            await server.publish(up)
            up.send_rtp([frame(1, IDR), frame(2, SLICE)])
            await server.until(PublicationAdded)
            await server.receive(down)
            packets = [parse_rtp(data) for data in await collect(got, 2)]
        finally:
            await asyncio.gather(up.close(), down.close())
    assert packets[0].payload == IDR
    assert 0 < (packets[1].ts - packets[0].ts) & 0xFFFFFFFF < 3600  # moved together: at the live edge at once
    feedback = [p for _ in range(asked.qsize()) for p in rtcp.parse_rtcp(asked.get_nowait())]
    assert not [p for p in feedback if isinstance(p, rtcp.PictureLoss)]


async def test_noise_on_the_media_port_is_dropped_and_counted():
    async with media_server() as server:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with sock:
            sock.connect(("127.0.0.1", server.media.port))
            for first in range(256):
                sock.send(bytes([first]) + os.urandom(first))
            sock.send(bytes([0, 1]) + bytes(1600))
        async with asyncio.timeout(30):
            while server.media.stats()["datagrams_dropped_total"] < 257:
                await asyncio.sleep(0.01)
        assert server.media.stats()["datagrams_received_total"] == 257
        up = ClientTransport()
        await server.publish(up)  # still at work
        await up.close()


async def test_a_check_with_a_wrong_password_is_not_answered():
    async with media_server() as server:
        up = ClientTransport()
        session = await server.media.publish(LESSON, ParticipantId("t"), offer(up, "sendonly"), str)
        good = remote(session.answer)
        bad = RemoteDescription(good.ufrag, "0" * 32, good.fingerprint, good.setup, good.candidates)
        with pytest.raises(TransportError, match="UDP"):
            await up.connect(bad, timeout_s=0.5)
        assert server.media.stats()["datagrams_dropped_total"] > 0


async def test_a_certificate_that_was_not_announced_is_refused():
    async with media_server() as server:
        up, other = ClientTransport(), ClientTransport()
        text = offer(up, "sendonly").replace(up.fingerprint, other.fingerprint)
        session = await server.media.publish(LESSON, ParticipantId("t"), text, str)
        try:
            await up.connect(remote(session.answer), timeout_s=5)
        except TransportError:
            pass
        (closed,) = await server.until(SessionClosed)
        assert "certificate" in closed.reason
        await up.close()


async def test_ice_restart_moves_a_session_to_new_credentials_without_a_new_one():
    async with media_server() as server:
        up = ClientTransport()
        session = await server.publish(up)
        with pytest.raises(EtagMismatch):
            await server.media.patch(session.id, "a=ice-ufrag:abcd\r\na=ice-pwd:" + "x" * 24, '"9"')
        patched = await server.media.patch(session.id, "a=ice-ufrag:abcd\r\na=ice-pwd:" + "x" * 24, "*")
        assert patched.fragment is not None and patched.etag != session.etag
        fields = dict(line[2:].split(":", 1) for line in patched.fragment.splitlines() if ":" in line)
        loop = asyncio.get_running_loop()
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with sock:
            sock.setblocking(False)
            sock.connect(("127.0.0.1", server.media.port))
            check, transaction = stun.build_check("abcd", fields["ice-ufrag"], fields["ice-pwd"], 1)
            await loop.sock_sendall(sock, check)
            answer = stun.parse(await asyncio.wait_for(loop.sock_recv(sock, 1500), 30))
            assert answer.transaction_id == transaction and stun.is_authentic(answer, fields["ice-pwd"])
            old, _ = stun.build_check("abcd", remote(session.answer).ufrag, remote(session.answer).pwd, 1)
            await loop.sock_sendall(sock, old)
            await loop.sock_sendall(sock, check)
            async with asyncio.timeout(30):  # who says nothing for a second is asked whether it is there
                while not stun.is_success(later := stun.parse(await loop.sock_recv(sock, 1500))):
                    pass
            assert later.transaction_id == transaction  # the old credentials are not answered any more
        await up.close()


async def test_goodbye_of_a_peer_closes_its_session_and_unknown_things_are_errors():
    async with media_server() as server:
        up = ClientTransport()
        session = await server.publish(up)
        await up.close()
        (closed,) = await server.until(SessionClosed)
        assert closed.session_id == session.id and closed.publishing
        with pytest.raises(UnknownSession):
            await server.media.close_session(session.id, "again")
        with pytest.raises(UnknownLesson):
            await server.media.subscribe(LessonId("other"), ParticipantId("v"), offer(up, "recvonly"))


async def test_a_server_that_goes_away_is_told_to_the_client():
    closed: asyncio.Queue[str] = asyncio.Queue()
    async with media_server() as server:
        up = ClientTransport(on_close=closed.put_nowait)
        await server.publish(up)
    assert "closed" in await asyncio.wait_for(closed.get(), 30)
    await up.close()
