"""Runs the steps on the connection that database.py hands over."""

from __future__ import annotations

from alembic import context

from classroom.catalogue.schema import tables

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=tables,
    render_as_batch=True,  # SQLite changes a table by making it anew
)
with context.begin_transaction():
    context.run_migrations()
