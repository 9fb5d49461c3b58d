"""The steps lead to the schema that the code has, from nothing and back."""

from __future__ import annotations

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text

from classroom.catalogue.database import CatalogueUnavailable, Database, alembic_config, database_url
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
