"""The steps lead to the schema that the code has, from nothing and back."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text

from classroom.catalogue.database import CatalogueUnavailable, Database, database_url
from classroom.catalogue.migration import alembic_config
from classroom.catalogue.schema import tables
from tests.unit.catalogue.entries import DATABASES, new_url


@pytest.fixture(params=DATABASES)
async def database(request, tmp_path):
    database = Database(database_url(new_url(request.param), tmp_path))
    await database.open()
    yield database
    await database.close()


async def test_the_steps_lead_to_the_schema(database):
    def differences(connection):
        context = MigrationContext.configure(connection, opts={"include_object": ours, "compare_type": True})
        return compare_metadata(context, tables)

    def ours(thing, name, kind, reflected, other):
        return not (kind == "table" and name.startswith("passage_terms"))

    async with database.reading() as connection:
        assert await connection.run_sync(differences) == []


async def test_the_steps_can_be_taken_back(database):
    async with database.writing() as connection:
        await connection.run_sync(lambda sync: command.downgrade(alembic_config(sync), "base"))
        assert await connection.run_sync(lambda sync: inspect(sync).get_table_names()) == ["alembic_version"]
    await database.open()
    async with database.reading() as connection:
        assert "recordings" in await connection.run_sync(lambda sync: inspect(sync).get_table_names())


async def test_a_database_of_a_newer_server_is_left_alone(database):
    async with database.writing() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(CatalogueUnavailable):
        await database.open()
    async with database.reading() as connection:
        assert await connection.scalar(text("SELECT version_num FROM alembic_version")) == "9999"


OPENED = """
import asyncio, sys
from pathlib import Path
from classroom.catalogue.database import Database, database_url

async def main():
    database = Database(database_url(None, Path(sys.argv[1])))
    await database.open()
    await database.close()
    print("alembic" in sys.modules)

asyncio.run(main())
"""


async def test_a_server_that_comes_back_to_its_own_schema_takes_no_steps_and_loads_nothing_for_them(tmp_path):
    async def steps_taken():
        opening = [sys.executable, "-c", OPENED, str(tmp_path)]
        return (await asyncio.to_thread(subprocess.check_output, opening, text=True)).strip()

    assert await steps_taken() == "True"
    assert await steps_taken() == "False"
    database = Database(database_url(None, tmp_path))
    await database.open()
    async with database.writing() as connection:
        await connection.run_sync(lambda sync: command.downgrade(alembic_config(sync), "0001"))
    await database.close()
    assert await steps_taken() == "True"
    assert await steps_taken() == "False"
