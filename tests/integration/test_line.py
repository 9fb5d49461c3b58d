"""What the server takes for a word from a client, on real sockets and without the ways of a test server."""

import asyncio

import aiohttp
import pytest
from aiohttp import web

from classroom.web.line import Line


@pytest.fixture
async def line(monkeypatch):
    """A connection whose client answers no pings: the client's end, and what is heard of it at the server's."""
    monkeypatch.setattr("classroom.web.line.ASK_S", 0.1)
    heard: asyncio.Queue[object] = asyncio.Queue()

    async def serve(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(autoping=False)
        await socket.prepare(request)
        line = Line(socket, request.transport)
        line.on_silence = heard.put_nowait
        try:
            await line.receive()
        finally:
            heard.put_nowait("farewell" if line.farewell else "end")
        return socket

    app = web.Application()
    app.add_routes([web.get("/", serve)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    [(host, port)] = runner.addresses
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"http://{host}:{port}/", autoping=False) as client,
    ):
        yield client, heard
    await runner.cleanup()


async def until_end(heard: asyncio.Queue[object]) -> list[object]:
    async with asyncio.timeout(30):
        told = [await heard.get()]
        while told[-1] not in ("end", "farewell"):
            told.append(await heard.get())
    return told


async def test_the_end_of_a_silent_connection_is_no_word_from_who_is_cut_off(line):
    """A terminal that had no power starts again: its system refuses what it knows nothing of."""
    client, heard = line
    async with asyncio.timeout(30):
        assert await heard.get() is True
    client._conn.transport.abort()
    assert await until_end(heard) == ["end"]


async def test_a_farewell_is_a_word(line):
    client, heard = line
    async with asyncio.timeout(30):
        assert await heard.get() is True
    closing = asyncio.create_task(client.close())
    assert await until_end(heard) == [False, "farewell"]
    await closing
