"""The devices that were paired, by what they show and where they stand."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, insert, select, update

from classroom.catalogue.accounts.credentials import hash_of, is_credential
from classroom.catalogue.accounts.schema import devices
from classroom.catalogue.region.errors import NotFound
from classroom.catalogue.region.schema import classrooms, schools
from classroom.model import DeviceKind, ParticipantId

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Row, Select

    from classroom.catalogue.database import Database


@dataclass(frozen=True, slots=True)
class Device:
    """A device that stands in a classroom and may act."""

    id: ParticipantId
    kind: DeviceKind
    classroom_id: int
    name: str


@dataclass(frozen=True, slots=True)
class Room:
    """A classroom as its devices and their operators know it; ``school`` is the name that stands on tiles."""

    id: int
    name: str
    school: str
    school_id: int
    district_id: int


@dataclass(frozen=True, slots=True)
class PairedDevice:
    """A device with where it stands and what it last said of itself; ``report`` as it came."""

    device: Device
    room: Room
    paired_at: datetime
    seen_at: datetime | None
    version: str
    report: Mapping[str, Any] | None
    volume: int | None


@dataclass(frozen=True, slots=True)
class Sighting:
    """What a device was last seen with."""

    id: ParticipantId
    seen_at: datetime
    version: str
    report: Mapping[str, Any] | None


class Devices:
    """The devices of a region. Methods may raise CatalogueUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, credential: str) -> Device | None:
        """The device with this credential; None when it was revoked, which counts from then on."""
        if not is_credential(credential):
            return None
        columns = devices.c.id, devices.c.kind, devices.c.classroom_id, devices.c.name
        known = devices.c.credential_hash == hash_of(credential), devices.c.revoked_at.is_(None)
        statement: Select[Any] = select(*columns).where(*known)
        async with self._database.reading() as connection:
            row = (await connection.execute(statement)).one_or_none()
        return None if row is None else _device(row)

    async def room(self, classroom_id: int) -> Room:
        """A classroom that a device may stand in. Raises NotFound."""
        statement: Select[Any] = (
            select(*_ROOM).join(schools, schools.c.id == classrooms.c.school_id).where(classrooms.c.id == classroom_id)
        )
        async with self._database.reading() as connection:
            row = (await connection.execute(statement)).one_or_none()
        if row is None:
            raise NotFound("没有这间教室。 There is no such classroom.")
        return _room(row)

    async def paired(self) -> list[PairedDevice]:
        """Every device that has not been revoked, by school, classroom and name."""
        async with self._database.reading() as connection:
            return [_paired(row) for row in await connection.execute(_paired_rows())]

    async def revoked_since(self, instant: datetime) -> dict[ParticipantId, datetime]:
        """The devices that were revoked lately, and when."""
        statement = select(devices.c.id, devices.c.revoked_at).where(devices.c.revoked_at >= instant)
        async with self._database.reading() as connection:
            return {ParticipantId(row.id): row.revoked_at for row in await connection.execute(statement)}

    async def add(
        self, kind: DeviceKind, room: Room, name: str, credential: str, paired_by: int | None, at: datetime
    ) -> PairedDevice:
        """Keep a device that shows this credential from now on."""
        device = Device(ParticipantId(secrets.token_hex(8)), kind, room.id, name)
        values = {
            "id": device.id,
            "kind": kind,
            "name": name,
            "classroom_id": room.id,
            "credential_hash": hash_of(credential),
            "paired_at": at,
            "paired_by": paired_by,
        }
        async with self._database.writing() as connection:
            await connection.execute(insert(devices).values(values))
        return PairedDevice(device, room, at, None, "", None, None)

    async def revoke(self, device: ParticipantId, at: datetime) -> None:
        """Let the credential of a device be void."""
        await self._set(device, revoked_at=at)

    async def set_volume(self, device: ParticipantId, volume: int | None) -> None:
        """Keep how loud a device is to be, 0 to 100."""
        await self._set(device, volume=volume)

    async def see(self, sightings: Sequence[Sighting]) -> None:
        """Keep what devices were last seen with, all in one transaction."""
        statement = (
            update(devices)
            .where(devices.c.id == bindparam("device"))
            .values(seen_at=bindparam("at"), version=bindparam("said"), report=bindparam("told"))
        )
        rows = [{"device": one.id, "at": one.seen_at, "said": one.version, "told": one.report} for one in sightings]
        async with self._database.writing() as connection:
            await connection.execute(statement, rows)

    async def _set(self, device: ParticipantId, **values: Any) -> None:
        async with self._database.writing() as connection:
            await connection.execute(update(devices).where(devices.c.id == device).values(values))


_ROOM = (
    classrooms.c.id.label("room_id"),
    classrooms.c.name.label("room"),
    classrooms.c.school_id,
    schools.c.name.label("school"),
    schools.c.short_name,
    schools.c.district_id,
)


def _paired_rows() -> Select[Any]:
    joined = devices.join(classrooms, classrooms.c.id == devices.c.classroom_id).join(
        schools, schools.c.id == classrooms.c.school_id
    )
    return (
        select(devices, *_ROOM)
        .select_from(joined)
        .where(devices.c.revoked_at.is_(None))
        .order_by(schools.c.name, classrooms.c.name, devices.c.name, devices.c.id)
    )


def _device(row: Row[Any]) -> Device:
    return Device(ParticipantId(row.id), DeviceKind(row.kind), row.classroom_id, row.name)


def _room(row: Row[Any]) -> Room:
    return Room(row.room_id, row.room, row.short_name or row.school, row.school_id, row.district_id)


def _paired(row: Row[Any]) -> PairedDevice:
    return PairedDevice(
        device=_device(row),
        room=_room(row),
        paired_at=row.paired_at,
        seen_at=row.seen_at,
        version=row.version,
        report=row.report,
        volume=row.volume,
    )
