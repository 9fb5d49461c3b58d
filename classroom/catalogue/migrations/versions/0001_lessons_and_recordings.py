"""Lessons, their recordings, and the words in them.

Revision ID: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from classroom.catalogue.schema import BigId, UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def _words(name: str, limit: int) -> sa.Column[str]:
    return sa.Column(name, sa.String(limit), nullable=False, server_default="")


def upgrade() -> None:
    """From nothing."""
    op.create_table(
        "lessons",
        sa.Column("id", sa.String(64), nullable=False),
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
        sa.Column("keywords", sa.JSON, nullable=False),
        sa.Column("description", sa.Text, nullable=False, server_default=""),
        _words("language", 40),
        _words("licence", 200),
        sa.Column("updated_at", UtcDateTime),
        sa.PrimaryKeyConstraint("id", name="pk_lessons"),
    )
    op.create_table(
        "recordings",
        sa.Column("id", BigId, nullable=False),
        sa.Column("lesson_id", sa.String(64), nullable=False),
        sa.Column("holding", sa.String(32), nullable=False),
        sa.Column("folder", sa.String(200), nullable=False),
        sa.Column("title", sa.String(200), nullable=False),
        sa.Column("sort_title", sa.LargeBinary, nullable=False),
        sa.Column("started_at", UtcDateTime, nullable=False),
        sa.Column("ended_at", UtcDateTime),
        sa.Column("duration_s", sa.Float, nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("detail", sa.Text),
        sa.Column("progress", sa.Float),
        sa.Column("gaps", sa.Integer, nullable=False),
        sa.Column("cover", sa.String(200)),
        sa.Column("missing", sa.Boolean, nullable=False),
        sa.Column("seen", sa.String(64), nullable=False),
        sa.Column("words", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_recordings"),
        sa.ForeignKeyConstraint(["lesson_id"], ["lessons.id"], name="fk_recordings_lesson_id", ondelete="CASCADE"),
        sa.UniqueConstraint("folder", name="uq_recordings_folder"),
        sa.UniqueConstraint("lesson_id", "holding", name="uq_recordings_lesson_id_holding"),
    )
    op.create_index("ix_recordings_started_at", "recordings", ["started_at"])
    op.create_table(
        "passages",
        sa.Column("id", BigId, autoincrement=False, nullable=False),
        sa.Column("recording_id", BigId, nullable=False),
        sa.Column("kind", sa.SmallInteger, nullable=False),
        sa.Column("start_s", sa.Float),
        sa.Column("text", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_passages"),
        sa.ForeignKeyConstraint(
            ["recording_id"], ["recordings.id"], name="fk_passages_recording_id", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_passages_recording_id", "passages", ["recording_id"])
    if op.get_bind().dialect.name == "sqlite":
        # prefix='1': a single character is looked up, not searched for among all terms.
        op.execute("CREATE VIRTUAL TABLE passage_terms USING fts5(terms, tokenize='ascii', prefix='1')")
    else:
        op.execute("CREATE TABLE passage_terms (id bigint PRIMARY KEY, terms tsvector NOT NULL)")
        op.execute("CREATE INDEX ix_passage_terms_terms ON passage_terms USING gin (terms)")


def downgrade() -> None:
    """To nothing."""
    for table in ("passage_terms", "passages", "recordings", "lessons"):
        op.drop_table(table)
