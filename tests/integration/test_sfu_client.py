"""The client transport: nothing of it is left whatever happens, and strange answers are no trouble."""

import asyncio
import os
import socket
import time
from dataclasses import replace

import pytest
import uvloop

from classroom.model import ParticipantId
from classroom.sfu.core.events import SessionClosed, SessionConnected
from classroom.sfu.server import MediaServer
from classroom.sfu.session import MediaSettings
from classroom.sfu.transport.client import REFUSED_S, ClientTransport, TransportError
from tests.integration.test_sfu_transport import IDR, LESSON, frame, media_server, offer, remote
from tests.stopwatch import Stopwatch


def open_sockets() -> int:
    found = 0
    for fd in os.listdir("/proc/self/fd"):
        try:
            found += os.readlink(f"/proc/self/fd/{fd}").startswith("socket:")
        except OSError:
            pass
    return found


async def until_closed(sockets: int) -> None:
    """Until no more are open than there were: the server, in this process too, reads the end of its own."""
    async with asyncio.timeout(30):
        while open_sockets() != sockets:
            await asyncio.sleep(0.01)


async def described(server, transport: ClientTransport):
    session = await server.media.publish(LESSON, ParticipantId("t"), offer(transport, "sendonly"), str)
    return remote(session.answer)


async def test_a_connect_that_is_cancelled_leaves_nothing():
    async with media_server() as server:
        before, tasks = open_sockets(), len(asyncio.all_tasks())
        up = ClientTransport()
        good = await described(server, up)
        connecting = asyncio.create_task(up.connect(replace(good, pwd="0" * 32)))
        async with asyncio.timeout(30):
            while open_sockets() == before:
                await asyncio.sleep(0.01)
        connecting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await connecting
        assert len(asyncio.all_tasks()) == tasks
        await until_closed(before)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_server_that_is_gone_is_noticed_long_before_the_silence_is(host):
    """With uvloop, as the agent runs: an error on a socket stops its reader there."""

    async def lose() -> float:
        lost = asyncio.get_running_loop().create_future()
        up = ClientTransport(on_close=lost.set_result)
        async with media_server(host) as server:
            await server.publish(up)
            await server.until(SessionConnected)
            server.media._mux.close()  # as the kernel does it for a process that is killed: without a goodbye
            server.media._tcp.close()
            async with asyncio.timeout(30), Stopwatch() as watch:
                while not lost.done():
                    up.send_rtp([frame(1, IDR)])
                    await asyncio.sleep(0.02)
            return watch.s

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(lose()) < 1.5


async def test_a_forged_refusal_does_no_harm(monkeypatch):
    lost = asyncio.get_running_loop().create_future()
    up = ClientTransport(on_close=lost.set_result)
    async with media_server() as server:
        await server.publish(up)
        monkeypatch.setattr("classroom.sfu.transport.client.take_refusals", lambda _: [up._address])
        for sock, egress in up._sockets.values():
            up._hear_refusals(sock, egress)
        await asyncio.sleep(REFUSED_S + 0.2)
        assert not lost.done()
        await up.close()


async def test_two_addresses_of_a_server_do_not_lead_it_astray():
    """Whichever answers first is taken by both ends; the handshake never has to repeat a flight, which takes 1 s."""
    async with media_server("127.0.0.1") as first:
        port = first.media.port
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as second:
            second.bind(("127.0.0.2", port))
            second.setblocking(False)
            took_s = []
            for _ in range(3):
                up = ClientTransport()
                good = await described(first, up)
                relaying = asyncio.create_task(relay_udp(second, ("127.0.0.1", port)))
                async with Stopwatch() as watch:
                    both = (("127.0.0.2", port), *good.candidates)
                    await up.connect(replace(good, candidates=both, tcp_candidates=()))
                took_s.append(watch.s)
                relaying.cancel()
                await asyncio.gather(relaying, up.close(), return_exceptions=True)
            assert min(took_s) < 0.9


async def relay_udp(near: socket.socket, far: tuple[str, int]) -> None:
    """A second way to the same server, as its second network card would be."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.setblocking(False)
        other.bind(("127.0.0.1", 0))
        client = None

        async def back() -> None:
            while True:
                data = await loop.sock_recv(other, 2048)
                await loop.sock_sendto(near, data, client)

        returning = asyncio.create_task(back())
        try:
            while True:
                data, client = await loop.sock_recvfrom(near, 2048)
                await loop.sock_sendto(other, data, far)
        finally:
            returning.cancel()
            await asyncio.gather(returning, return_exceptions=True)


async def test_close_ends_a_connect_at_once_and_a_closed_transport_does_not_connect():
    async with media_server() as server:
        before = open_sockets()
        up = ClientTransport()
        good = await described(server, up)
        connecting = asyncio.create_task(up.connect(replace(good, pwd="0" * 32), timeout_s=50))
        async with asyncio.timeout(30):
            while open_sockets() == before:
                await asyncio.sleep(0.01)
            await asyncio.gather(up.close(), up.close())
            with pytest.raises(TransportError, match="closed"):
                await connecting
        with pytest.raises(TransportError, match="closed"):
            await up.connect(good)
        await up.close()
        up.send_rtp([frame(1, IDR)])  # is no error
        assert len(asyncio.all_tasks()) == 1
        await until_closed(before)


async def test_candidates_that_are_no_addresses_are_passed_over():
    async with media_server() as server:
        up = ClientTransport()
        good = await described(server, up)
        ((_, port),) = good.candidates
        strange = (("4f0d4a1c-87d2.local", port), ("localhost", port), ("127.0.0.1", 99999), ("127.0.0.1", 0), ("", 1))
        many = tuple(("127.0.0.1", port + n % 2) for n in range(1000))
        await up.connect(replace(good, candidates=strange + good.candidates + many))
        assert len(up._checks) < 100
        await up.close()
        none = ClientTransport()
        with pytest.raises(TransportError, match="reached"):
            await none.connect(replace(await described(server, none), candidates=strange, tcp_candidates=strange[:2]))
        await none.close()


async def test_a_link_local_address_keeps_its_interface(monkeypatch):
    scoped = link_local()
    if scoped is None:
        pytest.skip("this machine has no link-local address")
    monkeypatch.setattr("classroom.sfu.transport.client.CONSENT_INTERVAL_S", 0.1)
    monkeypatch.setattr("classroom.sfu.transport.client.SILENCE_S", 2.0)
    closed: asyncio.Queue[str] = asyncio.Queue()
    async with media_server("::") as server:
        up = ClientTransport(on_close=closed.put_nowait)
        good = await described(server, up)
        await up.connect(replace(good, candidates=((scoped, good.candidates[0][1]),)))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(closed.get(), 3.0)
        await up.close()


def link_local() -> str | None:
    try:
        with open("/proc/net/if_inet6") as file:
            for line in file:
                address, _, _, scope, _, name = line.split()
                if scope == "20":
                    return socket.inet_ntop(socket.AF_INET6, bytes.fromhex(address)) + "%" + name
    except OSError:
        pass
    return None


async def test_a_server_that_starts_again_on_its_port_is_found_silent_not_wrong(monkeypatch):
    monkeypatch.setattr("classroom.sfu.transport.client.CONSENT_INTERVAL_S", 0.1)
    monkeypatch.setattr("classroom.sfu.transport.client.SILENCE_S", 0.5)
    closed: asyncio.Queue[str] = asyncio.Queue()
    async with media_server() as server:
        up = ClientTransport(on_close=closed.put_nowait)
        await server.publish(up)
        port = server.media.port
        server.media._mux.close()  # as a crash does: no goodbye
        again = MediaServer(MediaSettings("127.0.0.1", port), lambda *_: None, time.time() - time.monotonic())
        await again.start()
        assert await asyncio.wait_for(closed.get(), 30) == "the media path is silent"
        assert again.stats()["datagrams_dropped_total"] > 0
        await again.close()
        await up.close()


async def test_closing_from_the_callbacks_is_allowed():
    async with media_server() as server:
        done = asyncio.Event()
        closing: set[asyncio.Task[None]] = set()

        def on_close(_: str) -> None:
            task = asyncio.create_task(up.close())
            closing.add(task)
            task.add_done_callback(lambda _: done.set())

        up = ClientTransport(on_close=on_close)
        await server.publish(up)
        await server.until(SessionConnected)
        await server.media.close_lesson(LESSON, "over")
        await asyncio.wait_for(done.wait(), 30)
        assert not up.connected


def test_the_same_on_uvloop():
    async def main() -> None:
        async with media_server() as server:
            up = ClientTransport()
            await server.publish(up)
            await up.close()
            (closed,) = await server.until(SessionClosed)
            assert closed.reason == "closed by the peer"

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
