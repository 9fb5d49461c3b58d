"""Who is shown out when tokens become void, with a real catalogue."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from classroom.catalogue.accounts.devices import Devices
from classroom.catalogue.accounts.withdrawals import Withdrawals, withdraw
from classroom.catalogue.database import Database, database_url
from classroom.model import ClassroomError, ParticipantId
from classroom.web.withdrawn import Withdrawn

LI, WANG = ParticipantId("a1"), ParticipantId("a2")


@pytest.fixture
async def database(tmp_path):
    database = Database(database_url(None, tmp_path))
    await database.open()
    yield database
    await database.close()


class Doors:
    """Notes who is shown out; with the first it fails."""

    def __init__(self, database: Database, memory) -> None:
        self.shown_out: list[ParticipantId] = []
        self.withdrawn = Withdrawn(Withdrawals(database), Devices(database), self.show_out, memory)

    async def show_out(self, who, reason):
        self.shown_out.append(who)
        if len(self.shown_out) == 1:
            raise ClassroomError("its worker has died")


async def test_who_cannot_be_shown_out_keeps_nobody_else_in_and_all_are_remembered(database, tmp_path):
    doors = Doors(database, tmp_path / "withdrawn.json")
    assert not await doors.withdrawn.recall(), "nothing is known yet"
    now = datetime.now(UTC)
    async with database.writing() as connection:
        for account_id in (1, 2):
            await withdraw(connection, account_id, now)
    await doors.withdrawn.look()
    assert doors.shown_out == [LI, WANG]
    again = Doors(database, tmp_path / "withdrawn.json")
    assert await again.withdrawn.recall()
    before = (now - timedelta(seconds=5)).timestamp()
    assert all(again.withdrawn.has(who, int(before)) for who in (LI, WANG))


async def test_what_could_not_be_written_is_written_with_the_next_look(database, tmp_path):
    folder = tmp_path / "state"
    doors = Doors(database, folder / "withdrawn.json")
    await doors.withdrawn.recall()
    await doors.withdrawn.look()
    assert not folder.exists()
    folder.mkdir()
    await doors.withdrawn.look()
    assert await Doors(database, folder / "withdrawn.json").withdrawn.recall()
