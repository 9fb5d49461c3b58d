"""The steps to the present schema, taken by Alembic. A server whose database has it already need not load this."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from alembic import command
from alembic.config import Config
from alembic.util import CommandError

from classroom.catalogue.database import STEPS, UnknownSchema

if TYPE_CHECKING:
    from sqlalchemy import Connection

logging.getLogger("alembic").setLevel(logging.WARNING)  # every step would be told


def upgrade(connection: Connection) -> None:
    """Take the steps that are missing, within the transaction of ``connection``. Raises UnknownSchema."""
    try:
        command.upgrade(alembic_config(connection), "head")
    except CommandError as error:
        raise UnknownSchema(str(error)) from error


def alembic_config(connection: Connection) -> Config:
    """What Alembic is told: where the steps are, and the connection to take them on."""
    config = Config()
    config.set_main_option("script_location", str(STEPS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
