"""Devices as they are stored, on SQLite and on PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from classroom.catalogue.accounts.credentials import new_credential
from classroom.catalogue.accounts.devices import Devices, Sighting
from classroom.catalogue.database import Database, database_url
from classroom.catalogue.region.errors import NotFound
from classroom.model import DeviceKind
from tests.unit.catalogue.entries import DATABASES, new_url
from tests.unit.web.school_day import DISTRICT, HAMLET, VILLAGE, fill_database

NOW = datetime(2026, 9, 1, 1, 0, tzinfo=UTC)


@pytest.fixture(params=DATABASES)
async def devices(request, tmp_path):
    database = Database(database_url(new_url(request.param), tmp_path))
    await fill_database(database)
    yield Devices(database)
    await database.close()


async def test_a_device_is_found_by_its_credential_until_it_is_revoked(devices):
    room = await devices.room(VILLAGE)
    assert (room.name, room.school, room.district_id) == ("三年级教室", "山坪小学", DISTRICT)
    credential = new_credential()
    paired = await devices.add(DeviceKind.TERMINAL, room, "一体机", credential, None, NOW)
    assert await devices.find(credential) == paired.device
    assert await devices.find(new_credential()) is None
    assert await devices.find("' OR 1=1 --") is None
    await devices.revoke(paired.device.id, NOW)
    assert await devices.find(credential) is None
    assert await devices.paired() == []
    assert await devices.revoked_since(NOW - timedelta(hours=1)) == {paired.device.id: NOW}
    assert await devices.revoked_since(NOW + timedelta(hours=1)) == {}


async def test_what_devices_say_is_kept_for_all_at_once(devices):
    made = [
        await devices.add(DeviceKind.TERMINAL, await devices.room(room), "一体机", new_credential(), None, NOW)
        for room in (VILLAGE, HAMLET)
    ]
    report = {"children": 17, "checks": {"camera": {"ok": False, "text": "没有画面"}}}
    await devices.see([Sighting(each.device.id, NOW + timedelta(minutes=1), "1.0", report) for each in made])
    await devices.set_volume(made[0].device.id, 40)
    seen = {each.device.id: each for each in await devices.paired()}
    assert [seen[each.device.id].report for each in made] == [report, report]
    assert {each.seen_at for each in seen.values()} == {NOW + timedelta(minutes=1)}
    assert [seen[each.device.id].volume for each in made] == [40, None]


async def test_there_is_no_device_without_a_room(devices):
    with pytest.raises(NotFound):
        await devices.room(99)
