"""The devices that were paired, by what they show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select

from classroom.catalogue.accounts.credentials import hash_of, is_credential
from classroom.catalogue.accounts.schema import devices
from classroom.model import DeviceKind, ParticipantId

if TYPE_CHECKING:
    from classroom.catalogue.database import Database


@dataclass(frozen=True, slots=True)
class Device:
    """A device that stands in a classroom and may act."""

    id: ParticipantId
    kind: DeviceKind
    classroom_id: int
    name: str


class Devices:
    """Devices by their credentials. Methods may raise CatalogueUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, credential: str) -> Device | None:
        """The device with this credential; None when it was revoked, which counts from then on."""
        if not is_credential(credential):
            return None
        async with self._database.reading() as connection:
            columns = devices.c.id, devices.c.kind, devices.c.classroom_id, devices.c.name
            known = devices.c.credential_hash == hash_of(credential), devices.c.revoked_at.is_(None)
            row = (await connection.execute(select(*columns).where(*known))).one_or_none()
        if row is None:
            return None
        return Device(ParticipantId(row.id), DeviceKind(row.kind), row.classroom_id, row.name)
