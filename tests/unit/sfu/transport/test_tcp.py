"""One TCP connection on real sockets: frames whatever the pieces, and its end."""

import asyncio
import socket
import struct
from contextlib import asynccontextmanager

import pytest

from classroom.sfu.transport.backlog import MAX_CONTROL_BYTES
from classroom.sfu.transport.egress import BUFFER_BYTES
from classroom.sfu.transport.srtp import Buffer
from classroom.sfu.transport.tcp import MAX_FRAME_BYTES, MAX_STRANGER_BYTES, TcpConnection


class Ends:
    """A connection under test, the plain socket at its other end, and what the connection tells."""

    def __init__(self, ours: socket.socket, theirs: socket.socket) -> None:
        self.frames: list[bytes] = []
        self.closed: list[str] = []
        self.theirs = theirs
        self.connection = TcpConnection(
            ours,
            Buffer(BUFFER_BYTES),
            lambda _, frames: self.frames.extend(frames),
            lambda _, reason: self.closed.append(reason),
        )

    async def until(self, condition) -> None:
        async with asyncio.timeout(30):
            while not condition():
                await asyncio.sleep(0.005)


@asynccontextmanager
async def connected():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        theirs = socket.create_connection(listening.getsockname())
        ours, _ = listening.accept()
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    ends = Ends(ours, theirs)
    try:
        yield ends
    finally:
        ends.connection.close()
        theirs.close()


def framed(*frames: bytes) -> bytes:
    return b"".join(struct.pack("!H", len(frame)) + frame for frame in frames)


@pytest.mark.parametrize("size", [1, 2, 3, 100, 10_000])
async def test_frames_are_the_same_whatever_the_pieces_they_come_in(size):
    frames = [bytes([n]) * (n + 1) for n in range(100)]
    data = framed(*frames)
    async with connected() as ends:
        ends.theirs.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(0, len(data), size):
            ends.theirs.sendall(data[at : at + size])
            if at % 50 == 0:
                await asyncio.sleep(0)
        await ends.until(lambda: len(ends.frames) == 100)
    assert ends.frames == frames and not ends.closed


async def test_a_stranger_may_send_little_at_a_time_and_who_is_trusted_a_datagram():
    async with connected() as ends:
        ends.connection.trust()
        ends.theirs.sendall(framed(bytes(MAX_FRAME_BYTES)))
        await ends.until(lambda: ends.frames)
        ends.theirs.sendall(struct.pack("!H", MAX_FRAME_BYTES + 1))
        await ends.until(lambda: ends.closed)
        assert ends.closed == ["bad framing"] and ends.connection.closed
    async with connected() as ends:
        ends.theirs.sendall(framed(bytes(MAX_STRANGER_BYTES + 1)))
        await ends.until(lambda: ends.closed)
        assert ends.closed == ["bad framing"] and not ends.frames


async def test_who_takes_no_control_frames_is_given_up_and_that_is_told_later_and_once():
    async with connected() as ends:
        most = 0
        while not ends.connection.closed:
            ends.connection.send_plain(bytes(1000))
            most = max(most, ends.connection.waiting_bytes)
        assert not ends.closed, "whoever is sending does not find its path gone in the middle of it"
        assert most < MAX_CONTROL_BYTES + 5000
        ends.connection.send_plain(b"into the void")
        await asyncio.sleep(0.05)
    assert ends.closed == ["the peer takes nothing"]


async def test_what_waits_arrives_whole_when_the_other_end_reads_again():
    frames = [bytes([n]) * 1000 for n in range(60)]
    async with connected() as ends:
        for frame in frames:
            ends.connection.send_plain(frame)
        assert ends.connection.waiting_bytes
        data, loop = b"", asyncio.get_running_loop()
        ends.theirs.setblocking(False)
        async with asyncio.timeout(30):
            while len(data) < len(framed(*frames)):
                data += await loop.sock_recv(ends.theirs, 777)
        assert data == framed(*frames) and not ends.connection.waiting_bytes and not ends.connection.dropped


@pytest.mark.parametrize("reset", [True, False])
async def test_the_end_of_the_other_side_is_told(reset):
    async with connected() as ends:
        if reset:
            ends.theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        ends.theirs.close()
        await ends.until(lambda: ends.closed)
        assert ends.connection.closed
        ends.connection.close()  # is no error
    assert len(ends.closed) == 1
