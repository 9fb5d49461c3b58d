"""The media server alone in a process of its own: what the bench measures, and nothing else.

Asked by JSON lines on the Unix socket given as its argument; ends when its standard input does.
"""

import asyncio
import contextlib
import ctypes
import gc
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import psutil
import uvloop

from classroom.model import LessonId, ParticipantId, SessionId
from classroom.sfu.server import MediaServer
from classroom.sfu.session import MediaSettings
from tests.bench.process import LINE_LIMIT_BYTES, Answers, answer_lines


class Signalling:
    """What a load process may ask of the media server."""

    def __init__(self, server: MediaServer) -> None:
        self._server = server

    def answers(self) -> Answers:
        return {
            "publish": self.publish,
            "subscribe": self.subscribe,
            "leave": self.leave,
            "stats": self.stats,
            "census": self.census,
        }

    async def publish(self, lesson: str, offer: str) -> dict[str, Any]:
        await self._server.open_lesson(LessonId(lesson))
        session = await self._server.publish(LessonId(lesson), ParticipantId("p"), offer, lambda label: label.value)
        return {"session": session.id, "answer": session.answer}

    async def subscribe(self, lesson: str, offer: str) -> dict[str, Any]:
        session = await self._server.subscribe(LessonId(lesson), ParticipantId("r"), offer)
        return {"session": session.id, "answer": session.answer}

    async def leave(self, session: str) -> dict[str, Any]:
        await self._server.close_session(SessionId(session), "left")
        return {}

    async def stats(self) -> dict[str, Any]:
        return dict(self._server.stats())

    async def census(self) -> dict[str, Any]:
        """What is alive after a garbage collection: memory, tasks, descriptors, timers, our own objects by type."""
        gc.collect()
        ctypes.CDLL(None).malloc_trim(0)
        process = psutil.Process()
        kinds = Counter(f"{type(item).__module__}.{type(item).__qualname__}" for item in gc.get_objects())
        return {
            "rss_bytes": process.memory_info().rss,
            "sessions": self._server.stats()["sessions"],
            "tasks": len(asyncio.all_tasks()),
            "descriptors": process.num_fds(),
            "timers": sum(count for kind, count in kinds.items() if kind.endswith(".TimerHandle")),
            "objects": {kind: count for kind, count in kinds.items() if kind.startswith("classroom.")},
        }


async def main(path: Path) -> None:
    server = MediaServer(MediaSettings("127.0.0.1", 0), lambda lesson, event: None, time.time() - time.monotonic())
    await server.start()
    answers = Signalling(server).answers()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.CancelledError):  # the end of the bench: nobody waits for this task
            await answer_lines(reader, answers, writer.write)
        writer.close()

    async with await asyncio.start_unix_server(serve, path, limit=LINE_LIMIT_BYTES):
        stdin = asyncio.StreamReader()
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stdin), sys.stdin)
        await stdin.read()
    await server.close()


if __name__ == "__main__":
    uvloop.run(main(Path(sys.argv[1])))
