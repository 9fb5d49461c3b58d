"""What the link of each classroom carried when it was last measured: where the next lesson begins."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING

from classroom.files import replace_file
from classroom.model import ParticipantId

if TYPE_CHECKING:
    from pathlib import Path

logger = logging.getLogger(__name__)

MAX_LINKS = 10_000  # the longest unheard of are forgotten


class LinkMemory:
    """A small JSON file, written when something has changed. Losing it costs a few seconds of picture quality."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._links_bps: dict[ParticipantId, float] = {}
        self._changed = False

    async def load(self) -> None:
        """Read what was saved; nothing when there is no file or it cannot be read."""
        try:
            text = await asyncio.to_thread(self._path.read_text, "utf-8")
            self._links_bps = {ParticipantId(key): float(value) for key, value in json.loads(text).items()}
        except FileNotFoundError:
            pass
        except (OSError, ValueError, TypeError, AttributeError) as error:
            logger.warning("%s cannot be read, all links begin anew: %s", self._path, error)

    def last_time_bps(self, participant: ParticipantId) -> float | None:
        """What the link of a participant carried, None when that is not known."""
        return self._links_bps.get(participant)

    def measured(self, participant: ParticipantId, bps: float) -> None:
        """Note a measurement."""
        self._links_bps.pop(participant, None)
        self._links_bps[participant] = round(bps)
        if len(self._links_bps) > MAX_LINKS:
            del self._links_bps[next(iter(self._links_bps))]
        self._changed = True

    async def save(self) -> None:
        """Write what has changed since; a disk that refuses is logged."""
        if not self._changed:
            return
        self._changed = False
        text = json.dumps(self._links_bps)
        try:
            await asyncio.to_thread(self._write, text)
        except OSError as error:
            logger.warning("%s cannot be written: %s", self._path, error)

    def _write(self, text: str) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(self._path, text.encode(), durable=False)
