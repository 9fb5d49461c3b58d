"""The media server against those who replay, forge and claim what is not theirs, and against bad certificates."""

import asyncio
import socket
from contextlib import asynccontextmanager

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import crypto

from classroom.model import ParticipantId
from classroom.sfu.core import rtcp
from classroom.sfu.core.events import PublicationAdded, SessionClosed, SessionConnected
from classroom.sfu.transport import stun
from classroom.sfu.transport.certificate import Certificate
from classroom.sfu.transport.client import ClientTransport, RemoteDescription, TransportError
from tests.integration.test_sfu_transport import IDR, LESSON, SLICE, frame, media_server, offer, remote


class Nat(asyncio.DatagramProtocol):
    """Stands between one client and the server. ``rebind`` gives the client another address, as routers do."""

    def __init__(self, server: tuple[str, int]) -> None:
        self._server = server
        self._client = None
        self.dead = False  # nothing passes, either way
        self.to_client = 0  # datagrams that the server sent, whether or not they passed
        self.seen: list[bytes] = []  # from the client
        self.from_server_seen: list[bytes] = []  # when no client is known

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        self._inside, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", 0))
        await self.rebind()

    async def rebind(self) -> None:
        loop = asyncio.get_running_loop()
        if hasattr(self, "_outside"):
            self._outside.close()
        self._outside, _ = await loop.create_datagram_endpoint(lambda: _Outside(self), remote_addr=self._server)

    def datagram_received(self, data, addr) -> None:
        self._client = addr
        self.seen.append(data)
        if not self.dead:
            self._outside.sendto(data)

    def from_server(self, data) -> None:
        self.to_client += 1
        if self._client is None:
            self.from_server_seen.append(data)
        elif not self.dead:
            self._inside.sendto(data, self._client)

    def __call__(self, description: RemoteDescription) -> RemoteDescription:
        address = self._inside.get_extra_info("sockname")
        return RemoteDescription(
            description.ufrag, description.pwd, description.fingerprint, description.setup, (address,)
        )

    def close(self) -> None:
        self._inside.close()
        self._outside.close()


class _Outside(asyncio.DatagramProtocol):
    def __init__(self, nat: Nat) -> None:
        self._nat = nat

    def datagram_received(self, data, addr) -> None:
        self._nat.from_server(data)

    def error_received(self, exc) -> None:
        pass


@asynccontextmanager
async def behind_nat(server):
    nat = Nat(("127.0.0.1", server.media.port))
    await nat.open()
    try:
        yield nat
    finally:
        nat.close()


@asynccontextmanager
async def udp(port: int):
    """A socket that talks to the media port, and what it hears."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with sock:
        sock.setblocking(False)
        sock.connect(("127.0.0.1", port))
        yield sock


def drain(sock: socket.socket) -> list[bytes]:
    found = []
    while True:
        try:
            found.append(sock.recv(2048))
        except BlockingIOError:
            return found


async def until_dropped(server, count: int) -> None:
    async with asyncio.timeout(30):
        while server.media.stats()["datagrams_dropped_total"] < count:
            await asyncio.sleep(0.01)


async def test_a_check_sent_again_from_elsewhere_does_not_lead_the_media_there():
    got: asyncio.Queue[bytes] = asyncio.Queue()
    async with media_server() as server, behind_nat(server) as nat, udp(server.media.port) as thief:
        up, down = ClientTransport(), ClientTransport(on_rtp=got.put_nowait)
        await server.publish(up)
        session = await server.media.subscribe(LESSON, ParticipantId("v"), offer(down, "recvonly"))
        await down.connect(nat(remote(session.answer)))
        await server.until(SessionConnected, 2)
        checks = [data for data in nat.seen if data[0] == 0]
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(thief, checks[-1])
        await asyncio.wait_for(loop.sock_recv(thief, 2048), 30)  # the server has taken it
        up.send_rtp([frame(1, IDR)])
        await asyncio.wait_for(got.get(), 30)
        await loop.sock_sendall(thief, [data for data in nat.seen if 128 <= data[0] <= 191 or 20 <= data[0] < 64][-1])
        up.send_rtp([frame(2, SLICE)])
        await asyncio.wait_for(got.get(), 30)
        assert not [data for data in drain(thief) if data[0] >= 128]
        await asyncio.gather(up.close(), down.close())


async def test_a_receiver_whose_router_gives_it_another_address_goes_on():
    got: asyncio.Queue[bytes] = asyncio.Queue()
    async with media_server() as server, behind_nat(server) as nat:
        up, down = ClientTransport(), ClientTransport(on_rtp=got.put_nowait)
        await server.publish(up)
        session = await server.media.subscribe(LESSON, ParticipantId("v"), offer(down, "recvonly"))
        await down.connect(nat(remote(session.answer)))
        await server.until(SessionConnected, 2)
        up.send_rtp([frame(0, IDR)])
        await asyncio.wait_for(got.get(), 30)
        await nat.rebind()
        seq = 0
        async with asyncio.timeout(30):
            while got.empty():
                seq += 1
                up.send_rtp([frame(seq, SLICE)])
                down.send_rtcp(rtcp.build_rr(1, []))
                await asyncio.sleep(0.05)
        assert len(server.media._mux._by_address) == 2
        await asyncio.gather(up.close(), down.close())


async def test_an_address_claimed_by_another_session_is_won_back():
    async with media_server() as server, behind_nat(server) as nat:
        up, other = ClientTransport(), ClientTransport()
        session = await server.media.publish(LESSON, ParticipantId("t"), offer(up, "sendonly"), str)
        await up.connect(nat(remote(session.answer)))
        answer = remote((await server.media.subscribe(LESSON, ParticipantId("v"), offer(other, "recvonly"))).answer)
        check, _ = stun.build_check(other.ufrag, answer.ufrag, answer.pwd, 1)
        nat._outside.sendto(check)  # as if it came from the publisher
        seq = 0
        async with asyncio.timeout(30):
            while not [e for e in server.events if isinstance(e, PublicationAdded)]:
                seq += 1
                up.send_rtp([frame(seq, IDR)])
                await asyncio.sleep(0.05)
        await asyncio.gather(up.close(), other.close())


async def test_forged_media_from_the_right_address_is_dropped_and_counted_and_keeps_nobody_alive(monkeypatch):
    monkeypatch.setattr("classroom.sfu.transport.peer.QUIET_S", 60)  # it is not asked, and so answers nothing
    async with media_server() as server, behind_nat(server) as nat:
        up = ClientTransport()
        session = await server.media.publish(LESSON, ParticipantId("t"), offer(up, "sendonly"), str)
        await up.connect(nat(remote(session.answer)))
        peer = server.media._sessions[session.id].peer
        up._task.cancel()  # no more checks of its own; the last of them is in when the report behind it is
        up.send_rtcp(rtcp.build_rr(1, []))
        async with asyncio.timeout(30):
            while nat.seen[-1][0] < 128 or server.media.stats()["datagrams_received_total"] < len(nat.seen):
                await asyncio.sleep(0.01)
        heard_s = peer.last_heard_s
        for forged in (
            bytes([128, 96]) + bytes(60),
            bytes([128, 200]) + bytes(60),
            bytes([128]),
            bytes([23, 254, 253]),
        ):
            nat._outside.sendto(forged)
        nat._outside.sendto(b"\x7f")
        await until_dropped(server, 4)
        assert peer.last_heard_s == heard_s and peer.connected
        await up.close()


async def test_candidates_of_the_present_ice_session_do_not_restart_it():
    async with media_server() as server:
        up = ClientTransport()
        session = await server.publish(up)
        credentials = f"a=ice-ufrag:{up.ufrag}\r\na=ice-pwd:{up.pwd}\r\n"
        candidate = "a=candidate:1 1 udp 2130706431 0d1c.local 5000 typ host\r\n"
        for etag in (session.etag, "*"):
            patched = await server.media.patch(session.id, f"{credentials}m=video 9 X 0\r\n{candidate}", etag)
            assert patched.fragment is None and patched.etag == session.etag
        await up.close()


async def test_a_goodbye_behind_other_records_of_a_datagram_is_heard():
    async with media_server() as server:
        up = ClientTransport()
        await server.publish(up)
        connection = up._dtls._connection
        connection.send(b"nobody reads this")
        connection.shutdown()
        up._egress.send_plain(connection.bio_read(65536), up._address)
        (closed,) = await server.until(SessionClosed)
        assert closed.reason == "closed by the peer"
        await up.close()


async def test_a_certificate_that_only_openssl_can_read_is_refused(caplog):
    """cryptography refuses X.509 "version 5", OpenSSL does not care."""
    strange = Certificate()
    der = strange._certificate._cert.public_bytes(Encoding.DER)
    assert b"\xa0\3\2\1\2" in der
    with pytest.deprecated_call():
        strange.context.use_certificate(
            crypto.load_certificate(crypto.FILETYPE_ASN1, der.replace(b"\xa0\3\2\1\2", b"\xa0\3\2\1\4", 1))
        )
    async with media_server() as server:
        up = ClientTransport(certificate=strange)
        session = await server.media.publish(LESSON, ParticipantId("t"), offer(up, "sendonly"), str)
        try:
            await up.connect(remote(session.answer))
        except TransportError:
            pass
        (closed,) = await server.until(SessionClosed)
        assert "certificate" in closed.reason
        assert not caplog.records
        await up.close()


async def test_a_peer_that_is_refused_is_told_so():
    told: asyncio.Queue[str] = asyncio.Queue()
    async with media_server() as server:
        up, other = ClientTransport(on_close=told.put_nowait), ClientTransport()
        text = offer(up, "sendonly").replace(up.fingerprint, other.fingerprint)
        session = await server.media.publish(LESSON, ParticipantId("t"), text, str)
        try:
            await up.connect(remote(session.answer))
        except TransportError as error:
            told.put_nowait(str(error))
        assert "silent" not in await asyncio.wait_for(told.get(), 30)
        await up.close()


async def test_the_credentials_in_use_outlive_restarts_that_came_to_nothing():
    async with media_server() as server, udp(server.media.port) as sock:
        up = ClientTransport()
        session = await server.publish(up)
        for n in range(3):
            await server.media.patch(session.id, f"a=ice-ufrag:new{n}\r\na=ice-pwd:{'x' * 24}", "*")
        used = remote(session.answer)
        check, _ = stun.build_check(up.ufrag, used.ufrag, used.pwd, 1)
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(sock, check)
        assert stun.is_authentic(stun.parse(await asyncio.wait_for(loop.sock_recv(sock, 1500), 30)), used.pwd)
        assert len(server.media._mux._by_ufrag) == 2
        await up.close()
