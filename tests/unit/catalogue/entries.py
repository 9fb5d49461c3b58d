"""Recordings as the cataloguer reads them, for tests that have no disk, and catalogues in both databases."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from classroom.catalogue.catalogue import Catalogue, RecordingEntry
from classroom.catalogue.database import Database, database_url
from classroom.catalogue.metadata import DatedMetadata, Metadata
from classroom.catalogue.passages import Kind, Passage
from classroom.model import LessonId
from tests.databases import postgres

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

DATABASES = ("sqlite", "postgresql")
BEGAN = datetime(2026, 9, 1, 2, 0, tzinfo=UTC)


def new_url(kind: str) -> str | None:
    """The ``database_url`` of an empty database; None for SQLite in the data directory."""
    return None if kind == "sqlite" else postgres().new_database()


@asynccontextmanager
async def open_catalogue(url: str | None, state: Path) -> AsyncIterator[Catalogue]:
    catalogue = Catalogue(Database(database_url(url, state)))
    try:
        await catalogue.open()
        yield catalogue
    finally:
        await catalogue.close()


def entry(lesson: str, *, day: int = 0, said: dict[str, Any] | None = None, **changed: Any) -> RecordingEntry:
    """A recording of a lesson; ``said`` is the metadata beside it, ``slides`` and ``captions`` are texts."""
    passages = [Passage(Kind.SLIDE, 60.0 * n, text) for n, text in enumerate(changed.pop("slides", ()))]
    passages += [Passage(Kind.CAPTION, 5.0 * n, text) for n, text in enumerate(changed.pop("captions", ()))]
    passages += [Passage(Kind.PEOPLE, None, name) for name in changed.pop("people", ())]
    holding = changed.pop("holding", "2026-09-1")
    year, month, number = holding.split("-")
    values: dict[str, Any] = {
        "lesson": LessonId(lesson),
        "holding": holding,
        "folder": f"{year}/{month}/{lesson}" + ("" if number == "1" else f".{number}"),
        "title": lesson,
        "started_at": BEGAN + timedelta(days=day),
        "ended_at": BEGAN + timedelta(days=day, minutes=40),
        "duration_s": 2400.0,
        "state": "complete",
        "detail": None,
        "progress": None,
        "gaps": 0,
        "cover": "index/cover.webp",
        "seen": "1",
        "passages": tuple(passages),
        "metadata": None if said is None else DatedMetadata(Metadata(**said), BEGAN),
    }
    return RecordingEntry(**{**values, **changed})
