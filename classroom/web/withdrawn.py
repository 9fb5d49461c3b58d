"""Media tokens of accounts that are void before they run out, and who is shown out because of that."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from classroom.catalogue.accounts.withdrawals import KEPT
from classroom.catalogue.database import CatalogueUnavailable
from classroom.schoolday.admission import participant_of_account

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from classroom.catalogue.accounts.withdrawals import Withdrawals
    from classroom.model import ParticipantId

LOOK_EVERY_S = 2.0
RETRY_S = 5.0  # while the database does not answer
_OVERLAP = timedelta(minutes=10)  # what was said earlier may be committed later, and clocks differ


class Withdrawn:
    """Who has lost what their tokens were given for, and when: what was given before is void.

    ``classroom account`` and other servers withdraw, too: the catalogue is looked at every two seconds. One of each
    account that was changed in 31 days, its password included.
    """

    def __init__(self, stored: Withdrawals, show_out: Callable[[ParticipantId, str], Awaitable[None]]) -> None:
        self._stored = stored
        self._show_out = show_out
        self._at: dict[ParticipantId, datetime] = {}
        self._looked_at: datetime | None = None

    async def follow(self) -> None:
        """Look until cancelled, whatever becomes of the database."""
        while True:
            try:
                await self.look()
            except CatalogueUnavailable:
                await asyncio.sleep(RETRY_S)
            else:
                await asyncio.sleep(LOOK_EVERY_S)

    async def look(self) -> None:
        """Learn what was withdrawn, and show those out whom it concerns; who still may comes back with another token.

        Raises CatalogueUnavailable.
        """
        now = datetime.now(UTC)
        since = now - KEPT if self._looked_at is None else self._looked_at - _OVERLAP
        found = {participant_of_account(account): at for account, at in (await self._stored.since(since)).items()}
        new = {who: at for who, at in found.items() if who not in self._at or self._at[who] < at}
        self._at = {who: at for who, at in (self._at | new).items() if now - at < KEPT}
        self._looked_at = now
        for who in new:
            await self._show_out(who, "the account is not what it was")

    def has(self, participant: ParticipantId, issued_at_s: int) -> bool:
        """Whether a token that was given then is void."""
        at = self._at.get(participant)
        return at is not None and issued_at_s <= at.timestamp()
