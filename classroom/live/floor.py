"""Who is seen and heard in a lesson beside its teacher: hands, calls, discussion. Pure: ``wall`` is passed in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from classroom.model import FloorMode, ParticipantId
from classroom.sfu.core.assignment import Direction

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

MAX_METERS = 1000  # of a lesson; the oldest of those who do not have the floor is forgotten


@dataclass(slots=True)
class Meter:
    """How much of the floor somebody was given: the fair-floor meter.

    ``last_asked_at`` is when it got or lost the floor; whoever has it has spoken for the time since then, too. A
    discussion, in which everybody has the floor, does not count: there nobody was asked.
    """

    asked: int = 0
    spoke_s: float = 0.0
    last_asked_at: datetime | None = None


class Floor:
    """What the teacher gave and the classrooms asked for. Repeating a call changes nothing.

    The floor is *given* to those whom the teacher asked, in that order. The programme shows the camera of the one asked
    last as soon as it has one; when it gives the floor back, that of the one before, and in the end what the teacher
    had *chosen*. In a discussion all classrooms that are online and not muted have the floor; those asked are shown.
    """

    def __init__(self) -> None:
        self.mode = FloorMode.LISTEN
        self.hands: list[ParticipantId] = []
        self.muted: set[ParticipantId] = set()
        self.given: list[ParticipantId] = []
        self._shown: list[ParticipantId] = []  # those of them whose camera is wanted, the last before all
        self._chosen: str | None = None
        self._all_muted = False  # who comes now is muted, too
        self._meters: dict[ParticipantId, Meter] = {}

    # --- what the teacher does ---------------------------------------------------------------------------------

    def call_on(self, who: ParticipantId, beside: bool, wall: datetime) -> None:
        """Give the floor to a classroom, alone or beside those who have it, and show it."""
        self.lower_hand(who)
        kept = [other for other in self.given if other != who] if beside else []
        shown = [*(other for other in self._shown if other in kept), who]
        if ([*kept, who], shown) == (self.given, self._shown):
            return
        self.muted.discard(who)
        self._give([*kept, who], wall)
        self._shown = shown
        self._meter(who).asked += 1

    def take_back(self, who: ParticipantId | None, wall: datetime) -> None:
        """Take the floor back from one, from all with None; then the programme is what was chosen, too."""
        self._give([] if who is None else [other for other in self.given if other != who], wall)

    def direct(self, programme: str | None, floor: Sequence[ParticipantId], wall: datetime) -> None:
        """Choose the programme, by name, and who has the floor, both at once."""
        given = list(dict.fromkeys(floor))
        self.muted.difference_update(given)
        self._give(given, wall)
        self.spotlight(programme)

    def spotlight(self, programme: str | None) -> None:
        """Choose the programme, by name, and leave the floor as it is."""
        self._chosen, self._shown = programme, []

    def set_mode(self, mode: FloorMode) -> None:
        """Begin or end a discussion. One that begins lifts the muting of all, not that of single ones."""
        if mode is FloorMode.DISCUSS and self._all_muted:
            self._all_muted, self.muted = False, set()
        self.mode = mode

    def mute(self, who: ParticipantId, muted: bool, wall: datetime) -> None:
        """Let one not be heard, which takes the floor from it, or let it be heard again."""
        if muted:
            self.muted.add(who)
            self.take_back(who, wall)
        else:
            self.muted.discard(who)

    def mute_all(self, muted: bool, classrooms: Iterable[ParticipantId], wall: datetime) -> None:
        """Let nobody be heard, nor those who come later, or let all be heard again."""
        self._all_muted = muted
        self.muted = set(classrooms) if muted else set()
        if muted:
            self.take_back(None, wall)

    # --- what the classrooms do --------------------------------------------------------------------------------

    def raise_hand(self, who: ParticipantId) -> None:
        """Queue for the floor; who waits already keeps its place."""
        if who not in self.hands:
            self.hands.append(who)

    def lower_hand(self, who: ParticipantId) -> None:
        """Leave the queue."""
        if who in self.hands:
            self.hands.remove(who)

    def admit(self, who: ParticipantId) -> None:
        """A classroom came that was not there yet."""
        if self._all_muted and who not in self.given:
            self.muted.add(who)

    def forget(self, who: ParticipantId, wall: datetime) -> None:
        """A classroom is gone for good; its meter is kept, for the case that it comes back after all."""
        self.lower_hand(who)
        self.take_back(who, wall)
        self.muted.discard(who)

    def clear(self, wall: datetime) -> None:
        """The lesson is over: nobody speaks any more."""
        self.take_back(None, wall)
        self.spotlight(None)
        self.hands.clear()
        self.mode = FloorMode.LISTEN

    # --- what follows from it ----------------------------------------------------------------------------------

    def direction(self, online: Iterable[ParticipantId], cameras: Mapping[ParticipantId, str]) -> Direction:
        """What to show and whom to hear, given the classrooms that are online and the names of their cameras."""
        shown = next((cameras[who] for who in reversed(self._shown) if who in cameras), self._chosen)
        if self.mode is FloorMode.DISCUSS:
            return Direction(shown, frozenset(online) - self.muted)
        return Direction(shown, frozenset(self.given))

    def meter(self, who: ParticipantId) -> Meter:
        """How much of the floor somebody was given; not to be changed."""
        return self._meters.get(who) or Meter()

    def _give(self, given: list[ParticipantId], wall: datetime) -> None:
        for who in self.given:
            if who not in given:
                meter = self._meter(who)
                if meter.last_asked_at is not None:
                    meter.spoke_s += max(0.0, (wall - meter.last_asked_at).total_seconds())
                meter.last_asked_at = wall
        for who in given:
            if who not in self.given:
                self._meter(who).last_asked_at = wall
        self.given = given
        self._shown = [who for who in self._shown if who in given]

    def _meter(self, who: ParticipantId) -> Meter:
        meter = self._meters.get(who)
        if meter is None:
            if len(self._meters) >= MAX_METERS:
                oldest = next((other for other in self._meters if other not in self.given), who)
                self._meters.pop(oldest, None)
            meter = self._meters[who] = Meter()
        return meter

    # --- on disk -----------------------------------------------------------------------------------------------

    def saved(self) -> dict[str, Any]:
        """All of it as JSON has it."""
        return {
            "mode": self.mode.value,
            "hands": list(self.hands),
            "muted": sorted(self.muted),
            "all_muted": self._all_muted,
            "given": list(self.given),
            "shown": list(self._shown),
            "chosen": self._chosen,
            "meters": {
                who: {
                    "asked": meter.asked,
                    "spoke_s": round(meter.spoke_s, 3),
                    "last_asked_at": meter.last_asked_at and meter.last_asked_at.isoformat(),
                }
                for who, meter in self._meters.items()
            },
        }

    @classmethod
    def restored(cls, saved: Mapping[str, Any]) -> Floor:
        """What ``saved`` gave; raises KeyError, TypeError, ValueError for what it cannot have given."""
        floor = cls()
        floor.mode = FloorMode(saved["mode"])
        floor.hands, floor.muted = _ids(saved["hands"]), set(_ids(saved["muted"]))
        floor.given, floor._shown = _ids(saved["given"]), _ids(saved["shown"])
        floor._chosen = None if saved["chosen"] is None else str(saved["chosen"])
        floor._all_muted = bool(saved["all_muted"])
        for who, meter in saved["meters"].items():
            at = meter["last_asked_at"]
            floor._meters[ParticipantId(who)] = Meter(
                int(meter["asked"]), float(meter["spoke_s"]), None if at is None else datetime.fromisoformat(at)
            )
        return floor


def _ids(saved: Iterable[Any]) -> list[ParticipantId]:
    return [ParticipantId(str(who)) for who in saved]
