"""The tables. What is stored here and nowhere else is the metadata of lessons; the rest can be read from disk again.

Every table of lessons refers to ``lessons.id``, the id that the lesson has everywhere.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)

if TYPE_CHECKING:
    from sqlalchemy import Dialect

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}


class UtcDateTime(TypeDecorator[datetime]):
    """Aware times in UTC; SQLite, which knows no zones, keeps them without one."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To the database."""
        if value is None:
            return None
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """From the database."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


tables = MetaData(naming_convention=NAMES)
BigId = BigInteger().with_variant(Integer(), "sqlite")  # SQLite counts up in INTEGER keys only


def _words(name: str, limit: int) -> Column[str]:
    return Column(name, String(limit), nullable=False, server_default="")


lessons = Table(
    "lessons",
    tables,
    Column("id", String(64), primary_key=True),
    _words("title", 200),
    _words("stage", 60),
    _words("grade", 60),
    _words("subject", 60),
    _words("edition", 60),
    _words("volume", 60),
    _words("chapter", 200),
    _words("teacher", 200),
    _words("school", 200),
    _words("school_code", 10),
    _words("district", 200),
    _words("lesson_type", 60),
    Column("keywords", JSON, nullable=False),
    Column("description", Text, nullable=False, server_default=""),
    _words("language", 40),
    _words("licence", 200),
    Column("updated_at", UtcDateTime),  # when somebody last said something about it; empty: nobody did
)

recordings = Table(
    "recordings",
    tables,
    Column("id", BigId, primary_key=True),
    Column("lesson_id", String(64), ForeignKey("lessons.id", ondelete="CASCADE"), nullable=False),
    Column("holding", String(32), nullable=False),
    Column("folder", String(200), nullable=False, unique=True),  # in the data directory
    Column("title", String(200), nullable=False),  # shown while the lesson has none
    Column("sort_title", LargeBinary, nullable=False),  # of the title that is shown: see catalogue.title_key
    Column("started_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
    Column("duration_s", Float, nullable=False),
    Column("state", String(20), nullable=False),
    Column("detail", Text),
    Column("progress", Float),
    Column("gaps", Integer, nullable=False),
    Column("cover", String(200)),  # in the folder
    Column("missing", Boolean, nullable=False),  # the folder is gone
    Column("seen", String(64), nullable=False),  # what the files were when they were read
    Column("words", String(64), nullable=False),  # what its passages were made of
    UniqueConstraint("lesson_id", "holding"),
    Index(None, "started_at"),
)

passages = Table(
    "passages",
    tables,
    Column("id", BigId, primary_key=True, autoincrement=False),  # see passages.py
    Column("recording_id", BigId, ForeignKey("recordings.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("kind", SmallInteger, nullable=False),
    Column("start_s", Float),
    Column("text", Text, nullable=False),
)
