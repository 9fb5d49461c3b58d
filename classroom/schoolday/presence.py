"""The paired devices: which of them are there, and what they say of themselves."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from classroom.catalogue.accounts.devices import PairedDevice, Sighting
from classroom.catalogue.database import CatalogueUnavailable
from classroom.catalogue.passages import storable
from classroom.model import DeviceKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime

    from classroom.catalogue.accounts.devices import Devices
    from classroom.model import ParticipantId
    from classroom.schoolday.feed import DeviceFeed
    from classroom.schoolday.messages import Checks, DeviceReport

logger = logging.getLogger(__name__)

_REMEMBER_REVOKED = timedelta(days=31)  # longer than any token of theirs: that for deliveries is good for 30 days
_NAMES = {
    "camera": "摄像机 camera",
    "slides": "课件画面 slides",
    "microphone": "话筒 microphone",
    "loudspeaker": "音箱 loudspeaker",
    "link": "网络 network",
}


@dataclass(slots=True)
class KnownDevice:
    """A device that was paired: what is stored of it, and how it is now."""

    stored: PairedDevice
    feeds: set[DeviceFeed] = field(default_factory=set)  # of its connections; one, but for a moment
    report: DeviceReport | None = None  # since it was connected
    unsaved: bool = False

    @property
    def online(self) -> bool:
        """Whether it is connected."""
        return bool(self.feeds)


@dataclass(frozen=True, slots=True)
class RoomState:
    """How a room is, by its device of one kind."""

    device_id: ParticipantId | None = None
    online: bool = False
    ready: bool = False
    faults: tuple[str, ...] = ()
    children: int | None = None


class Presence:
    """What is known of all devices, in memory; what they say is stored now and then. ``on_change`` gets a room's id."""

    def __init__(self, repository: Devices, on_change: Callable[[int], None], wall: Callable[[], datetime]) -> None:
        self._repository = repository
        self._on_change = on_change
        self._wall = wall
        self._known: dict[ParticipantId, KnownDevice] = {}
        self._rooms: dict[tuple[int, DeviceKind], dict[ParticipantId, KnownDevice]] = {}
        self._revoked: dict[ParticipantId, datetime] = {}

    # --- which there are -----------------------------------------------------------------------------------------

    async def load(self) -> None:
        """Learn of all devices. Raises CatalogueUnavailable."""
        stored = await self._repository.paired()
        revoked = await self._repository.revoked_since(self._wall() - _REMEMBER_REVOKED)
        for device_id in revoked.keys() - self._revoked.keys():
            self._forget(device_id, revoked[device_id])
        for paired in stored:
            if paired.device.id not in self._revoked:  # it may have been, after we asked
                self._learn(paired)

    def find(self, device_id: ParticipantId) -> KnownDevice | None:
        """A device that may act."""
        return self._known.get(device_id)

    def all(self) -> Iterable[KnownDevice]:
        """Every device."""
        return self._known.values()

    def feeds_in(self, classroom_id: int) -> Iterator[DeviceFeed]:
        """The connections of all devices of a room."""
        for kind in DeviceKind:
            for known in self._rooms.get((classroom_id, kind), {}).values():
                yield from known.feeds

    def add(self, paired: PairedDevice) -> None:
        """A device was paired this moment."""
        self._learn(paired)
        self._on_change(paired.room.id)

    def replaced_by(self, device_id: ParticipantId) -> list[ParticipantId]:
        """The devices that this one stands in for: of its room and kind, and away."""
        place = self._known[device_id].stored
        others = self._rooms[place.room.id, place.device.kind]
        return [other for other, known in others.items() if other != device_id and not known.online]

    def revoke(self, device_id: ParticipantId, at: datetime) -> None:
        """A device may act no more: its connections are told so, its tokens are void."""
        self._forget(device_id, at)

    def is_revoked(self, participant_id: ParticipantId) -> bool:
        """Whether this is a device whose tokens are void."""
        return participant_id in self._revoked

    def set_volume(self, device_id: ParticipantId, volume: int | None) -> None:
        """Tell a device how loud to be, now or when it comes."""
        known = self._known.get(device_id)
        if known is not None:
            known.stored = replace(known.stored, volume=volume)
            for feed in known.feeds:
                feed.configure(volume)

    def _learn(self, paired: PairedDevice) -> None:
        known = self._known.get(paired.device.id)
        if known is None:
            known = self._known[paired.device.id] = KnownDevice(paired)
        else:
            self._rooms[known.stored.room.id, known.stored.device.kind].pop(paired.device.id)
            # What it was seen with is newer here.
            old = known.stored
            known.stored = replace(paired, seen_at=old.seen_at, version=old.version, report=old.report)
            if paired.room != old.room:  # it has another name
                for feed in known.feeds:
                    feed.agenda_changed()
        self._rooms.setdefault((paired.room.id, paired.device.kind), {})[paired.device.id] = known

    def _forget(self, device_id: ParticipantId, at: datetime) -> None:
        self._revoked[device_id] = at
        known = self._known.pop(device_id, None)
        if known is not None:
            self._rooms[known.stored.room.id, known.stored.device.kind].pop(device_id)
            for feed in known.feeds:
                feed.close(revoked=True)
            self._on_change(known.stored.room.id)

    # --- how they are --------------------------------------------------------------------------------------------

    def connect(self, known: KnownDevice, feed: DeviceFeed) -> None:
        """A device has opened a connection."""
        came = not known.feeds
        known.feeds.add(feed)
        self._see(known)
        if came:
            self._on_change(known.stored.room.id)

    def disconnect(self, known: KnownDevice, feed: DeviceFeed) -> None:
        """A connection of a device is closed."""
        known.feeds.discard(feed)
        self._see(known)
        if not known.feeds:
            known.report = None
            self._on_change(known.stored.room.id)

    def report(self, known: KnownDevice, report: DeviceReport) -> None:
        """A device says how it is."""
        where = known.stored.room.id, known.stored.device.kind
        before = self.room(*where)
        known.report = report
        known.stored = replace(known.stored, version=storable(report.version), report=asdict(report))
        self._see(known)
        if self.room(*where) != before:
            self._on_change(known.stored.room.id)

    def _see(self, known: KnownDevice) -> None:
        known.stored = replace(known.stored, seen_at=self._wall())
        known.unsaved = True

    def room(self, classroom_id: int, kind: DeviceKind) -> RoomState:
        """How a room is; of several devices one that is there counts, and of those the one that was paired last.

        Not the one that was heard last: a room with two would be another one with each report.
        """
        found = self._rooms.get((classroom_id, kind))
        if not found:
            return RoomState()
        known = max(found.values(), key=_weight)
        report = known.report
        faults = () if report is None else faults_of(report.checks)
        return RoomState(
            device_id=known.stored.device.id,
            online=known.online,
            ready=report is not None and not faults,
            faults=faults,
            children=None if report is None else report.children,
        )

    # --- on disk -------------------------------------------------------------------------------------------------

    async def save(self) -> None:
        """Store what has changed since the last time; what cannot be stored now will be. To be called regularly."""
        now = self._wall()
        self._revoked = {device: at for device, at in self._revoked.items() if now - at < _REMEMBER_REVOKED}
        unsaved = [known for known in self._known.values() if known.unsaved]
        if not unsaved:
            return
        for known in unsaved:
            known.unsaved = False
        try:
            await self._repository.see([_sighting(known.stored) for known in unsaved])
        except CatalogueUnavailable:
            for known in unsaved:
                known.unsaved = True


def _weight(known: KnownDevice) -> tuple[bool, datetime]:
    stored = known.stored
    return known.online, stored.paired_at if known.online else stored.seen_at or stored.paired_at


def faults_of(checks: Checks) -> tuple[str, ...]:
    """What has failed, in sentences for people."""
    found = ((name, getattr(checks, key)) for key, name in _NAMES.items())
    return tuple(
        check.text or f"{name} 有故障。 It does not work."
        for name, check in found
        if check is not None and check.ok is False
    )


def _sighting(stored: PairedDevice) -> Sighting:
    assert stored.seen_at is not None
    return Sighting(stored.device.id, stored.seen_at, stored.version, stored.report)
