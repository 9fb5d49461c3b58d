"""Classrooms: what stands in them goes with them once it is nobody's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete

from classroom.catalogue.accounts.schema import devices
from classroom.catalogue.region.repository import Repository
from classroom.catalogue.region.values import Classroom

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from classroom.catalogue.region.repository import Stored


class Classrooms(Repository[Classroom]):
    """A room with a device in use stays; one that was revoked, which nobody is shown any more, does not keep it."""

    async def _leaving(self, connection: AsyncConnection, before: Stored[Classroom]) -> None:
        # A room that can be removed had no lessons, so that its devices have no tokens that would have to be refused.
        gone = devices.c.classroom_id == before.id, devices.c.revoked_at.is_not(None)
        await connection.execute(delete(devices).where(*gone))
