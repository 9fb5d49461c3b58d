"""Media tokens of accounts that are void before they run out."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from classroom.model import ParticipantId

KEPT_S = 31 * 24 * 3600  # longer than any token of theirs: that for deliveries is good for 30 days


class Withdrawn:
    """Who has lost what their tokens were given for, and when: what was given before is void.

    In memory: a server that starts anew takes a token for the minutes that are left of it. Bounded by what
    administrators do in 31 days.
    """

    def __init__(self) -> None:
        self._at_s: dict[ParticipantId, float] = {}

    def withdraw(self, participant: ParticipantId, wall_s: float) -> None:
        """Let all tokens be void that somebody has now."""
        self._at_s = {who: at_s for who, at_s in self._at_s.items() if wall_s - at_s < KEPT_S}
        self._at_s[participant] = wall_s

    def has(self, participant: ParticipantId, issued_at_s: int) -> bool:
        """Whether a token that was given then is void."""
        at_s = self._at_s.get(participant)
        return at_s is not None and issued_at_s <= at_s
