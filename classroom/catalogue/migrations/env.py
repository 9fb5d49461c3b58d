"""Runs the steps on the connection that database.py hands over."""

from __future__ import annotations

from alembic import context

import classroom.catalogue.accounts.schema
import classroom.catalogue.region.schema  # noqa: F401 - the tables are known when they have been read
from classroom.catalogue.schema import tables

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=tables,
    render_as_batch=True,  # SQLite changes a table by making it anew
)
with context.begin_transaction():
    context.run_migrations()
