"""The region in both databases."""

from __future__ import annotations

import pytest

from classroom.catalogue.database import Database, database_url
from tests.unit.catalogue.accounts.offices import Catalogue
from tests.unit.catalogue.entries import DATABASES, new_url


@pytest.fixture(params=DATABASES)
async def catalogue(request, tmp_path):
    database = Database(database_url(new_url(request.param), tmp_path))
    await database.open()
    catalogue = Catalogue(database)
    await catalogue.fill()
    yield catalogue
    await database.close()
    catalogue.passwords.close()
