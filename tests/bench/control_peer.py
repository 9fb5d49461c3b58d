"""A bare broadcast, the fastest that the library `websockets` has: what one client says is told to all.

Each is told a message of the size that ours has when a page is turned.
"""

from __future__ import annotations

import asyncio
import sys

import uvloop
from websockets.asyncio.server import ServerConnection, broadcast, serve

from classroom.live.lesson import LiveLesson
from classroom.messages import LessonChanged
from classroom.model import LessonId
from classroom.web.wire import text_of


async def main(port: int) -> None:
    everybody: set[ServerConnection] = set()

    async def take(connection: ServerConnection) -> None:
        everybody.add(connection)
        try:
            async for said in connection:
                if '"page"' in str(said):
                    broadcast(everybody, text_of(LessonChanged(0, LiveLesson(LessonId("maths")).view())))
                else:
                    await connection.send(said)
        finally:
            everybody.discard(connection)

    async with serve(take, "127.0.0.1", port, ping_interval=None):
        await asyncio.Future()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
