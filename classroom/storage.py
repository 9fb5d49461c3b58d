"""The database that is set: all that a command needs of the composition of a server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from classroom.catalogue.database import Database, database_url
from classroom.web.secret import STATE

if TYPE_CHECKING:
    from classroom.config import Settings


def open_database(settings: Settings) -> Database:
    """The database that is set, or SQLite in the data directory; it opens itself. Raises BadDatabaseUrl."""
    given = None if settings.database_url is None else settings.database_url.get_secret_value()
    return Database(database_url(given, settings.recordings / STATE))
