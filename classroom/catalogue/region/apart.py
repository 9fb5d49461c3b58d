"""Spreadsheets are read and written in a process of their own.

What a file brings the parser to, it does not bring the server to: the process has a limit of memory and of time. And a
large table holds up no lesson, nor does the server load what only spreadsheets need.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import resource
import sys
from typing import TYPE_CHECKING, Any

from classroom.catalogue.region.tables import BadFile

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import PurePath

    from classroom.catalogue.region.sheets import Sheet
    from classroom.catalogue.region.tables import Tables

TIME_S = 60.0
MEMORY_BYTES = 2 << 30
_COMMAND = (sys.executable, "-m", "classroom.catalogue.region.apart")
_AT_ONCE = 2  # processes; who comes later waits


class Spreadsheets:
    """Reads and writes tables, at most two at a time."""

    def __init__(self) -> None:
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def read(self, files: Sequence[tuple[PurePath, bytes]]) -> Tables:
        """The tables of files, as ``workbook.read_tables``. Raises BadFile."""
        found: Tables = await self._do("read_tables", files)
        return found

    async def write(self, tables: Sequence[tuple[Sheet, Sequence[Mapping[str, str]]]]) -> bytes:
        """A workbook, as ``workbook.write_tables``."""
        found: bytes = await self._do("write_tables", tables)
        return found

    async def template(self) -> bytes:
        """An empty workbook, as ``workbook.write_template``."""
        found: bytes = await self._do("write_template")
        return found

    async def _do(self, name: str, *arguments: object) -> Any:
        pipe = asyncio.subprocess.PIPE
        # NumPy, which openpyxl loads where it finds it, would start a thread for every core.
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
        async with self._turns:
            child = await asyncio.create_subprocess_exec(*_COMMAND, stdin=pipe, stdout=pipe, env=environment)
            try:
                async with asyncio.timeout(TIME_S):
                    out, _ = await child.communicate(await asyncio.to_thread(pickle.dumps, (name, arguments)))
            except TimeoutError:
                out = b""
            finally:
                if child.returncode is None:
                    child.kill()
                    await child.wait()
        if child.returncode != 0:
            raise BadFile(
                "表格太大或已损坏，无法处理，请分成几个文件，或另存为 .xlsx。 "
                "The tables are too large or broken; split the file, or save it as .xlsx again."
            )
        found = await asyncio.to_thread(pickle.loads, out)
        if isinstance(found, BadFile):
            raise found
        return found


def _main() -> None:
    """The process: one piece of work from standard input, its result to standard output."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    from classroom.catalogue.region import workbook

    name, arguments = pickle.load(sys.stdin.buffer)
    try:
        found: object = getattr(workbook, name)(*arguments)
    except BadFile as error:
        found = error
    sys.stdout.buffer.write(pickle.dumps(found))


if __name__ == "__main__":
    _main()
