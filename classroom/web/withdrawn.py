"""Media tokens of accounts and devices that are void before they run out, and who is shown out because of that."""

from __future__ import annotations

import asyncio
import json
import logging
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from classroom.catalogue.accounts.withdrawals import KEPT
from classroom.catalogue.database import CatalogueUnavailable
from classroom.files import replace_file, sync_folder
from classroom.model import ClassroomError, ParticipantId
from classroom.schoolday.admission import participant_of_account

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from classroom.catalogue.accounts.devices import Devices
    from classroom.catalogue.accounts.withdrawals import Withdrawals

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 2.0
RETRY_S = 5.0  # while the database does not answer
_OVERLAP = timedelta(minutes=10)  # what was said earlier may be committed later, and clocks differ


class Withdrawn:
    """Who has lost what their tokens were given for, and when: what was given before is void.

    ``classroom account`` and other servers withdraw, too: the catalogue is looked at every two seconds. One of each
    account that was changed, its password included, and of each device that was revoked in 31 days.

    A server opens its doors after the first look. A database that does not answer holds up no lesson, though: then
    tokens are judged by what was known when this server looked last, which is kept in ``memory``. Who is let in that
    should not be is somebody from whom it was withdrawn after that, by another process, while the server was stopped;
    the first look shows them out.
    """

    def __init__(
        self,
        accounts: Withdrawals,
        devices: Devices,
        show_out: Callable[[ParticipantId, str], Awaitable[None]],
        memory: Path,
    ) -> None:
        self._accounts = accounts
        self._devices = devices
        self._show_out = show_out
        self._memory = memory
        self._remembering = asyncio.Lock()
        self._at: dict[ParticipantId, datetime] = {}
        self._looked_at: datetime | None = None
        self._tried = asyncio.Event()
        self._unsaved = False

    async def recall(self) -> bool:
        """Know what was known when the server stopped; False when there is no file or it cannot be read."""
        self._unsaved = True
        try:
            text = await asyncio.to_thread(self._memory.read_text, "utf-8")
            self._at = {ParticipantId(who): datetime.fromtimestamp(at, UTC) for who, at in json.loads(text).items()}
        except FileNotFoundError:
            return False
        except (OSError, ValueError, TypeError, AttributeError, OverflowError) as error:
            logger.warning("%s cannot be read; the database says what tokens are void: %s", self._memory, error)
            return False
        self._unsaved = False
        return True

    async def tried(self) -> bool:
        """Wait for the first look; False when the database did not answer."""
        await self._tried.wait()
        return self._looked_at is not None

    async def follow(self) -> None:
        """Look until cancelled, whatever becomes of the database."""
        while True:
            try:
                await self.look()
            except CatalogueUnavailable:
                await asyncio.sleep(RETRY_S)
            except Exception:  # a fault of ours must not let everybody in from now on
                logger.exception("what tokens are void could not be found out")
                await asyncio.sleep(RETRY_S)
            else:
                await asyncio.sleep(LOOK_EVERY_S)
            finally:
                self._tried.set()

    async def look_at_once(self) -> None:
        """Look now, for what was withdrawn this moment; without a database it is seen when that is back."""
        with suppress(CatalogueUnavailable):
            await self.look()

    async def look(self) -> None:
        """Learn what was withdrawn, and show those out whom it concerns; who still may comes back with another token.

        Raises CatalogueUnavailable.
        """
        now = datetime.now(UTC)
        since = now - KEPT if self._looked_at is None else self._looked_at - _OVERLAP
        found = {participant_of_account(account): at for account, at in (await self._accounts.since(since)).items()}
        found |= await self._devices.revoked_since(since)
        new = {who: at for who, at in found.items() if who not in self._at or self._at[who] < at}
        self._at = {who: at for who, at in (self._at | new).items() if now - at < KEPT}
        self._looked_at = now
        self._unsaved = self._unsaved or bool(new)
        self._tried.set()
        for who in new:
            try:
                await self._show_out(who, "what its token was given for was withdrawn")
            except ClassroomError:  # a worker that dies shows everybody out
                logger.exception("participant=%s could not be shown out", who)
        if self._unsaved:
            await self._remember()

    def has(self, participant: ParticipantId, issued_at_s: int) -> bool:
        """Whether a token that was given then is void."""
        at = self._at.get(participant)
        return at is not None and issued_at_s <= at.timestamp()

    async def _remember(self) -> None:
        async with self._remembering:  # one after the other, so that the last is the newest
            self._unsaved = False
            data = json.dumps({who: at.timestamp() for who, at in self._at.items()}).encode()
            try:
                await asyncio.to_thread(self._write, data)
            except OSError as error:
                self._unsaved = True  # the next look tries again
                logger.warning("%s cannot be written: %s", self._memory, error)

    def _write(self, data: bytes) -> None:
        replace_file(self._memory, data)
        sync_folder(self._memory.parent)
