"""What is asked of the library and what it answers: filters, facets, pages. Values only."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from classroom.catalogue.metadata import GRADES, STAGES, VOLUMES

if TYPE_CHECKING:
    from datetime import datetime

    from classroom.catalogue.passages import Kind

FACETS = ("stage", "grade", "subject", "edition", "volume", "chapter", "school", "teacher")
"""学段→年级→学科→版本→册次→章节, then school and teacher: each is counted within what those before it leave."""
MAX_PAGE_SIZE = 100
MAX_FACET_VALUES = 200
MISSING = "missing"  # the state of a recording whose folder is gone
_KNOWN_ORDER = {"stage": STAGES, "grade": GRADES, "volume": VOLUMES}


class Sort(StrEnum):
    """In which order the library answers."""

    NEWEST = "newest"
    OLDEST = "oldest"
    TITLE = "title"
    RELEVANCE = "relevance"


@dataclass(frozen=True, slots=True)
class LibraryQuery:
    """What is wanted: ``filters`` by facet, aware times with ``until`` left out, ``page`` from 1."""

    filters: dict[str, str] = field(default_factory=dict)
    since: datetime | None = None
    until: datetime | None = None
    text: str = ""
    sort: Sort | None = None  # None: by relevance when there is a text, else the newest first
    page: int = 1
    page_size: int = 24


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage that was found, cut to what stands around it; ``marks`` count UTF-16 units, as JavaScript does."""

    kind: Kind
    at_s: float | None
    text: str
    marks: list[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class LibraryItem:
    """A recording as a card shows it. ``cover`` is a path in its folder; ``progress`` of indexing or repair, 0 to 1."""

    lesson: str
    holding: str
    title: str
    stage: str
    grade: str
    subject: str
    edition: str
    volume: str
    chapter: str
    teacher: str
    school: str
    district: str
    started_at: datetime
    duration_s: float
    state: str
    detail: str | None
    progress: float | None
    gaps: int
    cover: str | None
    hits: list[Hit]


@dataclass(frozen=True, slots=True)
class FacetValue:
    """A value that a facet has, and how many recordings have it."""

    value: str
    count: int


@dataclass(frozen=True, slots=True)
class LibraryPage:
    """One page of the library; ``total`` is the number of recordings on all of them."""

    total: int
    facets: dict[str, list[FacetValue]]
    items: list[LibraryItem]


def in_order(facet: str, values: list[FacetValue]) -> list[FacetValue]:
    """Values as people expect them: 一年级 before 二年级; what has no known order by how often it occurs."""
    known = {value: number for number, value in enumerate(_KNOWN_ORDER.get(facet, ()))}
    values = sorted(values, key=lambda found: (known.get(found.value, len(known)), -found.count, found.value))
    return values[:MAX_FACET_VALUES]
