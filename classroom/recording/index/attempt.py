"""Where in a recording the indexing process is, written down, so that what kills it there is known to the next one.

A decoder that crashes, or takes all memory, takes the process along: nobody is left to say which recording it was, and
the next process would die of it, too.
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError

from classroom.model import ClassroomError

if TYPE_CHECKING:
    from pathlib import Path

logger = logging.getLogger(__name__)

ATTEMPT_FILE = "attempt.json"
MOST_DEATHS = 2  # in the same place


class Poisonous(ClassroomError):
    """Processes have died of this recording; the text says where."""


@dataclass(slots=True)
class _Note:
    """The file. ``at`` is None while nothing is being done; ``parent`` is whose child the process was."""

    parent: int
    at: str | None = None
    died_at: str | None = None
    deaths: int = 0


_NOTE = TypeAdapter(_Note)


class Attempt:
    """The work of this process on one recording. Everything blocks and may raise OSError."""

    def __init__(self, index: Path, changed_ns: int) -> None:
        """Look what became of earlier ones. Raises Poisonous, until the recording has changed (``changed_ns``)."""
        self._path = index / ATTEMPT_FILE
        before = self._before()
        self._note = _Note(os.getppid())
        if before is None:
            return
        self._note.died_at, self._note.deaths = before.died_at, before.deaths
        # When the server was killed, its child was, too: that says nothing about the recording.
        if before.at is not None and before.parent == self._note.parent:
            again = before.at == before.died_at
            self._note.died_at, self._note.deaths = before.at, before.deaths + 1 if again else 1
            logger.warning("an index process died at %s of %s", before.at, index.parent)
        if self._note.deaths >= MOST_DEATHS and changed_ns > self._path.stat().st_mtime_ns:
            self._note.died_at, self._note.deaths = None, 0
        self._write()
        if self._note.deaths >= MOST_DEATHS:
            raise Poisonous(
                f"处理到 {self._note.died_at} 时程序两次中断，已跳过这个录像。 "
                f"The process died twice at {self._note.died_at}; the recording is skipped."
            )

    def at(self, place: str) -> None:
        """Say what is done next; what was done before has been survived."""
        self._survived()
        self._note.at = place
        self._write()

    def rest(self) -> None:
        """Nothing is being done for now: a process that ends here did not die of the recording."""
        self._survived()
        self._note.at = None
        if self._note.deaths:
            self._write()
        else:
            self._path.unlink(missing_ok=True)

    def _survived(self) -> None:
        if self._note.at is not None and self._note.at == self._note.died_at:
            self._note.died_at, self._note.deaths = None, 0

    def _before(self) -> _Note | None:
        try:
            return _NOTE.validate_json(self._path.read_bytes())
        except (FileNotFoundError, ValidationError):  # it is written in one call, but not durably
            return None

    def _write(self) -> None:
        self._path.write_bytes(_NOTE.dump_json(self._note))
