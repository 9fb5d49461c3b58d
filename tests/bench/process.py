"""A process of the load: a module of this package driven by JSON lines, pinned to the cores of the load."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import uvloop

LINE_LIMIT_BYTES = 1 << 22
NICENESS = -20
Answers = dict[str, Callable[..., Awaitable[dict[str, Any]]]]


def pin(cores: set[int], *, hurried: bool) -> None:
    """Bind this process to cores; ``hurried`` lets little else on the machine disturb it, where that is allowed."""
    os.sched_setaffinity(0, cores)
    if hurried:
        with contextlib.suppress(OSError):
            os.setsid()  # Linux weighs sessions against each other (sched(7), autogroup): niceness counts only within
            os.nice(NICENESS)
            Path("/proc/self/autogroup").write_text(str(NICENESS))


class LineProcess:
    """``python -m module`` on the given cores; asked one thing at a time."""

    def __init__(self, module: str, cores: set[int], *arguments: str, hurried: bool = False) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: pin(cores, hurried=hurried),
        )
        self.pid = self._process.pid

    async def ask(self, do: str, **command: Any) -> dict[str, Any]:
        """Send a command, wait for its answer; raises RuntimeError with what went wrong over there."""

        def exchange() -> str:
            assert self._process.stdin is not None and self._process.stdout is not None
            self._process.stdin.write(json.dumps({"do": do, **command}) + "\n")
            self._process.stdin.flush()
            return self._process.stdout.readline()

        line = await asyncio.to_thread(exchange)
        answer: dict[str, Any] = json.loads(line) if line else {"error": "the process has ended"}
        if "error" in answer:
            raise RuntimeError(f"{do}: {answer['error']}")
        return answer

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None and self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()


async def answer_lines(lines: asyncio.StreamReader, answers: Answers, write: Callable[[bytes], None]) -> None:
    """Answer commands until the other side closes; what goes wrong is an answer, too."""
    async for line in lines:
        command = json.loads(line)
        try:
            answer = await answers[command.pop("do")](**command)
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        write(json.dumps(answer).encode() + b"\n")


def run(answers: Callable[[], Answers]) -> None:
    """The main function of such a process."""

    async def main() -> None:
        lines = asyncio.StreamReader(limit=LINE_LIMIT_BYTES)
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)

        def write(line: bytes) -> None:
            sys.stdout.buffer.write(line)
            sys.stdout.buffer.flush()

        await answer_lines(lines, answers(), write)

    uvloop.run(main())
