"""Media over TCP: the same lesson for who has no UDP, and nothing for who has no business here."""

import asyncio
import os
import resource
import socket
import struct
from contextlib import ExitStack
from dataclasses import replace

import pytest

from classroom.model import ParticipantId
from classroom.sfu.core import rtcp
from classroom.sfu.core.events import PublicationAdded, SessionClosed, SessionConnected
from classroom.sfu.core.rtp import parse_rtp
from classroom.sfu.server import MediaServer
from classroom.sfu.session import MediaSettings
from classroom.sfu.transport import stun, tcp_listener
from classroom.sfu.transport.client import ClientTransport, RemoteDescription
from classroom.sfu.transport.ports import MediaPortTaken
from classroom.sfu.transport.tcp import MAX_FRAME_BYTES, MAX_STRANGER_BYTES
from tests.integration.test_sfu_transport import IDR, LESSON, SLICE, collect, frame, media_server, offer, remote
from tests.stopwatch import Stopwatch


def only_tcp(description: RemoteDescription) -> RemoteDescription:
    return replace(description, candidates=())


async def publish(server, transport: ClientTransport, how=only_tcp):
    session = await server.media.publish(LESSON, ParticipantId("t"), offer(transport, "sendonly"), str)
    await transport.connect(how(remote(session.answer)))
    return session


async def receive(server, transport: ClientTransport, how=only_tcp):
    session = await server.media.subscribe(LESSON, ParticipantId("v"), offer(transport, "recvonly"))
    await transport.connect(how(remote(session.answer)))
    return session


async def until(condition) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.01)


def stranger(server) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", server.media.tcp_port))
    sock.setblocking(False)
    return sock


async def gone(sock: socket.socket) -> None:
    """Until the server has closed a connection on which it said nothing."""
    try:
        assert await asyncio.wait_for(asyncio.get_running_loop().sock_recv(sock, 10), 30) == b""
    except ConnectionError:
        pass


def framed(*frames: bytes) -> bytes:
    return b"".join(struct.pack("!H", len(frame)) + frame for frame in frames)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_a_lesson_flows_over_tcp_in_both_directions(host):
    got: asyncio.Queue[bytes] = asyncio.Queue()
    asked: asyncio.Queue[bytes] = asyncio.Queue()
    async with media_server(host) as server:
        up, down = ClientTransport(on_rtcp=asked.put_nowait), ClientTransport(on_rtp=got.put_nowait)
        await publish(server, up)
        await receive(server, down)
        await server.until(SessionConnected, 2)
        assert up.over_tcp and down.over_tcp
        up.send_rtp([frame(65534, IDR), frame(65535, SLICE), frame(0, SLICE, ts=65536 * 3600)])
        packets = [parse_rtp(data) for data in await collect(got, 3)]
        down.send_rtcp(rtcp.build_rr(1, []) + rtcp.build_pli(1, packets[0].ssrc))
        seq, plis = 0, []
        async with asyncio.timeout(30):
            while not plis:
                seq += 1
                up.send_rtp([frame(seq, SLICE, ts=(65536 + seq) * 3600)])  # who sends nothing is asked for nothing
                await asyncio.sleep(0.02)
                while not asked.empty():
                    plis += [p for p in rtcp.parse_rtcp(asked.get_nowait()) if isinstance(p, rtcp.PictureLoss)]
        stats = server.media.stats()
        await asyncio.gather(up.close(), down.close())
        await server.until(SessionClosed, 2)
        await until(lambda: server.media.stats()["tcp_connections"] == 0)
    assert [p.payload for p in packets] == [IDR, SLICE, SLICE]
    assert stats["tcp_connections"] == 2 and stats["datagrams_received_total"] == 0


async def test_udp_is_taken_where_there_is_udp():
    async with media_server() as server:
        up = ClientTransport()
        await publish(server, up, how=lambda description: description)
        assert not up.over_tcp and server.media.stats()["tcp_connections"] == 0
        await up.close()


async def test_tcp_is_taken_when_udp_is_blocked():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as hole:
        hole.bind(("127.0.0.1", 0))
        async with media_server() as server, Stopwatch() as watch:
            up = ClientTransport()
            await publish(server, up, how=lambda description: replace(description, candidates=(hole.getsockname(),)))
            assert up.over_tcp and watch.s < 2
            await up.close()


async def test_thousands_of_packets_arrive_whole_although_the_kernel_takes_them_in_pieces():
    got: asyncio.Queue[bytes] = asyncio.Queue()
    async with media_server() as server:
        up, down = ClientTransport(), ClientTransport(on_rtp=got.put_nowait)
        await publish(server, up)
        await receive(server, down)
        await server.until(SessionConnected, 2)
        payloads = [IDR + os.urandom(700)] + [SLICE + os.urandom(n % 1000) for n in range(3000)]
        for n in range(0, len(payloads), 60):
            up.send_rtp([frame(n + k, payload) for k, payload in enumerate(payloads[n : n + 60])])
            await asyncio.sleep(0.005)
        packets = [parse_rtp(data) for data in await collect(got, len(payloads))]
        assert server.media.stats()["tcp_frames_dropped_total"] == 0
        await asyncio.gather(up.close(), down.close())
    assert [p.payload for p in packets] == payloads


async def test_a_receiver_that_reads_too_slowly_loses_pictures_and_not_its_voice_nor_the_server_its_memory(monkeypatch):
    """Two megabytes go to who reads nothing for a while; then it hears all that was said meanwhile."""
    for name in ("DOUBT_S", "SILENCE_S"):  # it is not to look for another path, as who reads no answers would
        monkeypatch.setattr(f"classroom.sfu.transport.client.{name}", 60)
    got: asyncio.Queue[bytes] = asyncio.Queue()
    said: asyncio.Queue[bytes] = asyncio.Queue()
    async with media_server() as server:
        up, voice, down = ClientTransport(), ClientTransport(), ClientTransport(on_rtp=got.put_nowait)
        await publish(server, up)
        await publish_voice(server, voice)
        session = await server.media.subscribe(LESSON, ParticipantId("v"), two_slots(down))
        await down.connect(only_tcp(remote(session.answer)))
        sock = down._egress._sock
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        await server.until(SessionConnected, 3)
        loop = asyncio.get_running_loop()
        loop.remove_reader(sock)  # it reads nothing
        most = 0
        for n in range(1000):
            up.send_rtp([frame(2 * n, IDR + bytes(1000)), frame(2 * n + 1, SLICE + bytes(1000), ts=2 * n * 3600)])
            if n % 20 == 0:
                voice.send_rtp([opus(n // 20)], voice=True)
            await asyncio.sleep(0.001)
            most = max(most, server.media.stats()["tcp_waiting_bytes"])
        await until(lambda: server.media.stats()["tcp_frames_dropped_total"] > 500)
        assert most < 400_000
        loop.add_reader(sock, down._egress._readable)
        async with asyncio.timeout(30):
            while said.qsize() < 50:
                packet = parse_rtp(await got.get())
                if packet.payload.startswith(b"voice"):
                    said.put_nowait(packet.payload)
        await asyncio.gather(up.close(), voice.close(), down.close())
    assert [said.get_nowait() for _ in range(50)] == [b"voice%d" % n for n in range(50)]


def opus(seq: int) -> bytes:
    return frame(seq, b"voice%d" % seq, ts=seq * 960).replace(bytes([0x80, 0x80 | 96]), bytes([0x80, 111]), 1)


async def publish_voice(server, transport: ClientTransport) -> None:
    session = await server.media.publish(LESSON, ParticipantId("a"), offer(transport, "sendonly", audio=True), str)
    await transport.connect(only_tcp(remote(session.answer)))


def two_slots(transport: ClientTransport) -> str:
    video, audio = offer(transport, "recvonly"), offer(transport, "recvonly", audio=True)
    section = audio[audio.index("m=audio") :].replace("a=mid:0", "a=mid:1")
    return video.replace("BUNDLE 0", "BUNDLE 0 1") + section


async def test_strangers_are_closed_when_they_say_nothing_or_nonsense(monkeypatch):
    monkeypatch.setattr(tcp_listener, "FIRST_CHECK_S", 0.5)
    async with media_server() as server:
        up = ClientTransport()
        session = await server.media.publish(LESSON, ParticipantId("t"), offer(up, "sendonly"), str)
        good = remote(session.answer)
        check, _ = stun.build_check(up.ufrag, good.ufrag, good.pwd, 1)
        forged, _ = stun.build_check(up.ufrag, good.ufrag, "0" * 32, 1)
        unknown, _ = stun.build_check(up.ufrag, "nobody", good.pwd, 1)
        said = {
            "nothing": b"",
            "half a length": b"\0",
            "half a check": framed(check)[:-1],
            "no STUN": framed(bytes([22, 254, 253]) + bytes(40)),
            "HTTP": b"GET / HTTP/1.1\r\nHost: media\r\n\r\n",
            "TLS": bytes.fromhex("160301020001fc0303") + bytes(500),
            "empty frame": b"\0\0",
            "a frame as large as no check": struct.pack("!H", MAX_STRANGER_BYTES + 1),
            "a forged check": framed(forged),
            "a check for nobody": framed(unknown),
        }
        with ExitStack() as stack:
            socks = {name: stack.enter_context(stranger(server)) for name in said}
            for name, text in said.items():
                socks[name].sendall(text)
            for sock in socks.values():
                await gone(sock)
        assert server.media.stats()["tcp_strangers"] == 0
        assert server.media._tcp._strangers_of.total() == 0
        await up.connect(only_tcp(good))  # still at work
        await up.close()


async def test_strangers_have_few_places_and_leave_room_for_those_who_belong_here(monkeypatch):
    monkeypatch.setattr(tcp_listener, "MAX_STRANGERS_PER_HOST", 5)
    monkeypatch.setattr(tcp_listener, "FIRST_CHECK_S", 60)  # however long it takes until the others have come
    async with media_server() as server:
        with ExitStack() as stack:
            first = [stack.enter_context(stranger(server)) for _ in range(5)]
            await until(lambda: server.media.stats()["tcp_strangers"] == 5)
            await gone(stack.enter_context(stranger(server)))
            monkeypatch.setattr(tcp_listener, "MAX_STRANGERS_PER_HOST", 100)
            monkeypatch.setattr(tcp_listener, "MAX_STRANGERS", 5)
            up = ClientTransport()
            await publish(server, up)  # the oldest has made room
            await gone(first[0])
            assert server.media.stats()["tcp_strangers"] == 4
            await up.close()


async def test_frames_that_are_too_large_break_the_connection_of_a_peer_and_its_session_finds_another():
    async with media_server() as server:
        up = ClientTransport()
        await publish(server, up)
        up._egress._sock.sendall(struct.pack("!H", MAX_FRAME_BYTES + 1) + bytes(100))
        seq = 0
        async with asyncio.timeout(30):
            while not [e for e in server.events if isinstance(e, PublicationAdded)]:
                seq += 1
                up.send_rtp([frame(seq, IDR)])
                await asyncio.sleep(0.02)
        assert not [e for e in server.events if isinstance(e, SessionClosed)]
        assert server.media.stats()["tcp_connections"] == 1
        await up.close()


async def test_a_connection_serves_one_session_only():
    async with media_server() as server:
        up, other = ClientTransport(), ClientTransport()
        await publish(server, up)
        session = await server.media.publish(LESSON, ParticipantId("x"), offer(other, "sendonly"), str)
        good = remote(session.answer)
        check, _ = stun.build_check(other.ufrag, good.ufrag, good.pwd, 1)
        before = server.media.stats()["datagrams_dropped_total"]
        up._egress.send_plain(check)
        await until(lambda: server.media.stats()["datagrams_dropped_total"] > before)
        up.send_rtp([frame(1, IDR)])
        await server.until(PublicationAdded)
        await up.close()


async def test_a_peer_has_few_connections_and_keeps_the_one_in_use():
    async with media_server() as server:
        up = ClientTransport()
        session = await publish(server, up)
        good = remote(session.answer)
        with ExitStack() as stack:
            for _ in range(2 * tcp_listener.MAX_PER_PEER):
                sock = stack.enter_context(stranger(server))
                check, _ = stun.build_check(up.ufrag, good.ufrag, good.pwd, 1)
                sock.sendall(framed(check))
                answer = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(sock, 1500), 30)
                first = answer[2 : 2 + int.from_bytes(answer[:2], "big")]  # a question follows
                assert stun.is_authentic(stun.parse(first), good.pwd)
            assert server.media.stats()["tcp_connections"] == tcp_listener.MAX_PER_PEER
            up.send_rtp([frame(1, IDR)])
            await server.until(PublicationAdded)
        await up.close()


async def test_a_client_whose_connection_breaks_goes_on_over_a_new_one():
    got: asyncio.Queue[bytes] = asyncio.Queue()
    async with media_server() as server:
        up, down = ClientTransport(), ClientTransport(on_rtp=got.put_nowait)
        await publish(server, up)
        await receive(server, down)
        await server.until(SessionConnected, 2)
        up.send_rtp([frame(1, IDR)])
        await collect(got, 1)
        for transport in (up, down):  # as a router that forgets its connections does
            sock = transport._egress._sock
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            transport._egress._break("reset")
        seq = 1
        async with asyncio.timeout(30), Stopwatch() as watch:
            while got.empty():
                seq += 1
                up.send_rtp([frame(seq, SLICE)])
                down.send_rtcp(rtcp.build_rr(1, []))
                await asyncio.sleep(0.01)
        assert watch.s < 1.5
        assert up.over_tcp and down.over_tcp and not [e for e in server.events if isinstance(e, SessionClosed)]
        await asyncio.gather(up.close(), down.close())


async def test_who_uses_no_tcp_announces_none_and_a_taken_port_is_told():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        media = MediaServer(MediaSettings("127.0.0.1", 0, tcp_port=port), lambda *_: None, 0.0)
        with pytest.raises(MediaPortTaken, match=f"{port}/TCP"):
            await media.start()
        await media.close()
    media = MediaServer(MediaSettings("127.0.0.1", 0, tcp=False), lambda *_: None, 0.0)
    await media.start()
    await media.open_lesson(LESSON)
    up = ClientTransport()
    session = await media.publish(LESSON, ParticipantId("t"), offer(up, "sendonly"), str)
    assert " tcp " not in session.answer and " udp " in session.answer and media.tcp_port is None
    await media.close()


async def test_without_free_files_it_waits_and_takes_people_in_later(monkeypatch):
    monkeypatch.setattr(tcp_listener, "_PAUSE_S", 0.2)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    async with media_server() as server:
        up = ClientTransport()
        session = await server.media.publish(LESSON, ParticipantId("t"), offer(up, "sendonly"), str)
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
            resource.setrlimit(resource.RLIMIT_NOFILE, (sock.fileno() + 1, hard))
            try:
                sock.connect(("127.0.0.1", server.media.tcp_port))
                await until(lambda: server.media._tcp.refused["no more files"] >= 1)
                await asyncio.sleep(0.5)
                assert server.media._tcp.refused["no more files"] < 5, "it does not try all the time"
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            await until(lambda: server.media.stats()["tcp_strangers"] == 1)
        await up.connect(only_tcp(remote(session.answer)))
        await up.close()
