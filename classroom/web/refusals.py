"""Refused sign-ins in the audit log: counted by the hour, so that strangers cannot fill it. Pure: time is passed in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

MAX_KEYS = 1000  # in an hour; what is beyond that is counted together


@dataclass(frozen=True, slots=True)
class Refused:
    """What is counted together. A login that nobody has is not kept: it is often a password in the wrong field."""

    action: str
    account_id: int | None
    actor: str
    network: str


@dataclass(slots=True)
class Tally:
    """How often, and where the log has it; ``entry_id`` None: not yet."""

    refused: Refused
    count: int = 0
    entry_id: int | None = None


class Refusals:
    """The tallies of the present hour."""

    def __init__(self) -> None:
        self._hour: datetime | None = None
        self._tallies: dict[Refused, Tally] = {}

    def tally(self, refused: Refused, now: datetime) -> Tally:
        """The one that counts this, which is the caller's to do."""
        hour = now.replace(minute=0, second=0, microsecond=0)
        if hour != self._hour:
            self._hour, self._tallies = hour, {}
        if refused not in self._tallies and len(self._tallies) >= MAX_KEYS:
            refused = Refused(refused.action, None, "-", "*")
        return self._tallies.setdefault(refused, Tally(refused))
