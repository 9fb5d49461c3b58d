"""The media server alone in a process of its own, driven by JSON lines: what the bench measures, and nothing else."""

import asyncio
import json
import sys
import time

import uvloop

from classroom.model import LessonId, ParticipantId
from classroom.sfu.server import MediaServer, MediaSettings

LESSON = LessonId("bench")


async def main() -> None:
    server = MediaServer(MediaSettings("127.0.0.1", 0), lambda lesson, event: None, time.time() - time.monotonic())
    await server.start()
    await server.open_lesson(LESSON)
    lines = asyncio.StreamReader(limit=1 << 20)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    async for line in lines:
        command = json.loads(line)
        if command["do"] == "publish":
            session = await server.publish(LESSON, ParticipantId("p"), command["offer"], lambda label: label.value)
            answer = {"answer": session.answer}
        elif command["do"] == "subscribe":
            session = await server.subscribe(LESSON, ParticipantId("r"), command["offer"])
            answer = {"answer": session.answer}
        else:
            answer = server.stats()
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
    await server.close()


if __name__ == "__main__":
    uvloop.run(main())
