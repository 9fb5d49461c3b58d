"""The catalogue: lessons and recordings, kept and found."""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any
from unicodedata import normalize

from sqlalchemy import and_, bindparam, delete, func, insert, literal, or_, select, text, union_all, update

from classroom.catalogue.excerpt import excerpt
from classroom.catalogue.library import (
    FACETS,
    MISSING,
    FacetValue,
    Hit,
    LibraryItem,
    LibraryPage,
    LibraryQuery,
    Sort,
    in_order,
)
from classroom.catalogue.metadata import DatedMetadata, Metadata, MetadataChanged
from classroom.catalogue.passages import Kind, Passage, id_range, numbered, storable
from classroom.catalogue.schema import lessons, passages, recordings
from classroom.catalogue.terms import phrases, terms

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement, Row, Select
    from sqlalchemy.ext.asyncio import AsyncConnection

    from classroom.catalogue.database import Database
    from classroom.catalogue.terms import Phrase
    from classroom.model import LessonId

HITS = 5  # shown of one recording
_WEIGHT = {Kind.TITLE: 8.0, Kind.PEOPLE: 4.0, Kind.SLIDE: 2.0, Kind.CAPTION: 1.0}
_GONE = "录像文件夹不见了，请检查磁盘或备份。 The folder of this recording is gone; check the disk or the backup."
_FIELDS = tuple(field.name for field in fields(Metadata))
_PLANNED = ("title", "subject", "teacher")  # which a planned lesson has
_TITLE = func.coalesce(func.nullif(lessons.c.title, ""), recordings.c.title)


@dataclass(frozen=True, slots=True)
class RecordingEntry:
    """A recording as it is on disk. ``folder`` is its place in the data directory, ``seen`` tells its files' state.

    ``passages`` are people, slides and captions; the title and the lesson's own people are added here.
    """

    lesson: LessonId
    holding: str
    folder: str
    title: str
    started_at: datetime
    ended_at: datetime | None
    duration_s: float
    state: str
    detail: str | None
    progress: float | None
    gaps: int
    cover: str | None
    seen: str
    passages: tuple[Passage, ...]
    metadata: DatedMetadata | None  # as found beside the recording


class Catalogue:
    """What there is to find. Every method may raise CatalogueUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def open(self) -> None:
        """Bring the schema up to date; to be called again when it failed."""
        await self._database.open()

    async def close(self) -> None:
        """Let go of the database."""
        await self._database.close()

    # --- what people say -----------------------------------------------------------------------------------------

    async def metadata(self, lesson: LessonId) -> DatedMetadata | None:
        """What was said about a lesson; None when nobody has said anything."""
        async with self._database.reading() as connection:
            return await _metadata(connection, lesson)

    async def set_metadata(
        self, lesson: LessonId, metadata: Metadata, at: datetime, over: Collection[str] | None = None
    ) -> None:
        """Say something about a lesson, recorded or not. Its recordings are found by it when they are put again.

        ``over`` are tags of what may be written over, None: whatever is there. Raises MetadataChanged.
        """
        async with self._database.writing() as connection:
            known = await _metadata(connection, lesson)
            there = Metadata() if known is None else known.metadata
            if over is not None and there.tag not in over:
                raise MetadataChanged(
                    "这节课的信息刚刚被别人改过，请重新打开后再改。 "
                    "Somebody else has just changed what is said about this lesson; open it again."
                )
            await _set_metadata(connection, lesson, DatedMetadata(metadata, at))

    # --- what is on disk -----------------------------------------------------------------------------------------

    async def seen(self) -> dict[str, str]:
        """The folders of all recordings that are known and not missing, with the ``seen`` that they were put with."""
        async with self._database.reading() as connection:
            query = select(recordings.c.folder, recordings.c.seen).where(~recordings.c.missing)
            return {row.folder: row.seen for row in await connection.execute(query)}

    async def put(self, entry: RecordingEntry) -> DatedMetadata | None:
        """Note what is on disk. Of the metadata beside it and those here the newer count; returns them."""
        async with self._database.writing() as connection:
            known = await _metadata(connection, entry.lesson)
            if entry.metadata is not None and (known is None or entry.metadata.updated_at > known.updated_at):
                known = entry.metadata
                await _set_metadata(connection, entry.lesson, known)
            elif known is None:
                known = await _as_planned(connection, entry)
            said = Metadata() if known is None else known.metadata
            told = _passages(entry, said)
            words = _digest(told)
            identity, before = await _put_recording(connection, entry, said, words)
            if before != words:
                await self._put_passages(connection, identity, told)
            return known

    async def mark_missing(self, folders: Collection[str]) -> None:
        """The folders of these recordings are gone; they come back when they are put again."""
        async with self._database.writing() as connection:
            for folder in folders:
                await connection.execute(
                    update(recordings).where(recordings.c.folder == folder).values(missing=True, seen="")
                )

    async def forget_recordings(self) -> None:
        """Forget all recordings, as before the first look at the disk. What was said about lessons stays."""
        async with self._database.writing() as connection:
            await connection.execute(text("DELETE FROM passage_terms"))
            await connection.execute(delete(passages))
            await connection.execute(delete(recordings))

    async def _put_passages(self, connection: AsyncConnection, recording: int, told: Sequence[Passage]) -> None:
        fulltext = self._database.fulltext

        def prepare() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
            rows, documents = [], []
            for identity, passage in numbered(recording, told):
                kind, start_s, words = passage
                rows.append(
                    {"id": identity, "recording_id": recording, "kind": kind, "start_s": start_s, "text": words}
                )
                documents.append({"id": identity, "terms": fulltext.document(terms(words))})
            return rows, documents

        rows, documents = await asyncio.to_thread(prepare)
        first, last = id_range(recording)
        await connection.execute(fulltext.delete, {"first": first, "last": last})
        await connection.execute(delete(passages).where(passages.c.recording_id == recording))
        if rows:
            await connection.execute(insert(passages), rows)
            await connection.execute(fulltext.insert, documents)

    # --- what is found -------------------------------------------------------------------------------------------

    async def library(self, query: LibraryQuery) -> LibraryPage:
        """One page of the recordings that are wanted, with the facets to narrow it."""
        wanted = phrases(query.text)
        if query.text.strip() and not wanted:
            return LibraryPage(0, {facet: [] for facet in FACETS}, [])  # signs only: nothing is called so
        async with self._database.reading() as connection:
            scores = await self._search(connection, wanted) if wanted else None
            conditions = self._conditions(query, scores)
            facets = await self._facets(connection, query, conditions)
            everything = [*conditions, *(_filter(facet, query) for facet in FACETS if facet in query.filters)]
            total, rows = await self._page(connection, query, scores, everything)
            hits = await self._hits(connection, [row.id for row in rows], wanted) if wanted else {}
        return LibraryPage(total, facets, [_item(row, hits.get(row.id, [])) for row in rows])

    async def _search(self, connection: AsyncConnection, wanted: Sequence[Phrase]) -> dict[int, float]:
        """The recordings that have all phrases, with how well they match: the best kind counts, then how often."""
        fulltext = self._database.fulltext
        scores: dict[int, float] | None = None
        for phrase in wanted:
            found = await connection.execute(fulltext.found, {"query": fulltext.query([phrase])})
            these = {row.recording_id: _WEIGHT[Kind(row.kind)] + math.log10(row.passages) / 10 for row in found}
            scores = (
                these
                if scores is None
                else {recording: scores[recording] + these[recording] for recording in scores.keys() & these.keys()}
            )
            if not scores:
                break
        return scores or {}

    def _conditions(self, query: LibraryQuery, scores: dict[int, float] | None) -> list[ColumnElement[bool]]:
        """Everything but the facets."""
        conditions: list[ColumnElement[bool]] = []
        if query.since is not None:
            conditions.append(recordings.c.started_at >= query.since)
        if query.until is not None:
            conditions.append(recordings.c.started_at < query.until)
        if scores is not None:
            among = text(self._database.fulltext.among("recordings.id", "found"))
            conditions.append(among.bindparams(bindparam("found", json.dumps(list(scores)))))  # type: ignore[arg-type]
        return conditions

    async def _facets(
        self, connection: AsyncConnection, query: LibraryQuery, conditions: Sequence[ColumnElement[bool]]
    ) -> dict[str, list[FacetValue]]:
        counted: list[Select[Any]] = []
        narrowed = list(conditions)
        for facet in FACETS:
            column = lessons.c[facet]
            counted.append(
                select(literal(facet).label("facet"), column.label("value"), func.count().label("recordings"))
                .select_from(recordings.join(lessons))
                .where(column != "", *narrowed)
                .group_by(column)
            )
            if facet in query.filters:
                narrowed.append(_filter(facet, query))
        found: dict[str, list[FacetValue]] = {facet: [] for facet in FACETS}
        for row in await connection.execute(union_all(*counted)):
            found[row.facet].append(FacetValue(row.value, row.recordings))
        return {facet: in_order(facet, values) for facet, values in found.items()}

    async def _page(
        self,
        connection: AsyncConnection,
        query: LibraryQuery,
        scores: dict[int, float] | None,
        conditions: Sequence[ColumnElement[bool]],
    ) -> tuple[int, Sequence[Row[Any]]]:
        """How many there are, and the rows of the page that is wanted."""
        joined = recordings.join(lessons)
        sort = query.sort or (Sort.NEWEST if scores is None else Sort.RELEVANCE)
        offset = (query.page - 1) * query.page_size
        shown = select(
            recordings, *(lessons.c[facet] for facet in FACETS), lessons.c.district, _TITLE.label("shown_title")
        )
        if sort is Sort.RELEVANCE and scores is not None:
            narrowed = select(recordings.c.id, recordings.c.started_at).select_from(joined).where(*conditions)
            ranked = sorted(
                await connection.execute(narrowed),
                key=lambda row: (-round(scores[row.id], 6), -row.started_at.timestamp(), row.id),
            )
            ids = [row.id for row in ranked[offset : offset + query.page_size]]
            found = await connection.execute(shown.select_from(joined).where(recordings.c.id.in_(ids)))
            by_id = {row.id: row for row in found}
            return len(ranked), [by_id[identity] for identity in ids if identity in by_id]
        order: dict[Sort, tuple[Any, ...]] = {
            Sort.OLDEST: (recordings.c.started_at, recordings.c.id),
            Sort.TITLE: (recordings.c.sort_title, recordings.c.started_at, recordings.c.id),
        }
        newest = (recordings.c.started_at.desc(), recordings.c.id.desc())
        page = shown.select_from(joined).where(*conditions).order_by(*order.get(sort, newest))
        total = await connection.scalar(select(func.count()).select_from(joined).where(*conditions))
        rows = (await connection.execute(page.limit(query.page_size).offset(offset))).all()
        return total or 0, rows

    async def _hits(
        self, connection: AsyncConnection, identities: Sequence[int], wanted: Sequence[Phrase]
    ) -> dict[int, list[Hit]]:
        found: dict[int, list[Hit]] = {}
        if identities:
            fulltext = self._database.fulltext
            statement, parameters = fulltext.hits(identities, HITS)
            for row in await connection.execute(statement, {**parameters, "query": fulltext.query(wanted)}):
                shown, spans = excerpt(row.text, wanted)
                found.setdefault(row.recording_id, []).append(Hit(Kind(row.kind), row.start_s, shown, spans))
        return found


def title_key(title: str) -> bytes:
    """By what titles are sorted: GB 18030 has the usual characters in the order of their pronunciation."""
    return normalize("NFKC", title).casefold().encode("gb18030", "replace")[:200]


def _filter(facet: str, query: LibraryQuery) -> ColumnElement[bool]:
    return lessons.c[facet] == query.filters[facet]


def _item(row: Row[Any], hits: list[Hit]) -> LibraryItem:
    return LibraryItem(
        lesson=row.lesson_id,
        holding=row.holding,
        title=row.shown_title,
        stage=row.stage,
        grade=row.grade,
        subject=row.subject,
        edition=row.edition,
        volume=row.volume,
        chapter=row.chapter,
        teacher=row.teacher,
        school=row.school,
        district=row.district,
        started_at=row.started_at,
        duration_s=row.duration_s,
        state=MISSING if row.missing else row.state,
        detail=_GONE if row.missing else row.detail,
        progress=None if row.missing else row.progress,
        gaps=row.gaps,
        cover=None if row.missing else row.cover,
        hits=hits,
    )


def _passages(entry: RecordingEntry, said: Metadata) -> list[Passage]:
    """All passages of a recording: what people say about its lesson, and what is in it."""
    about = (said.title or entry.title, said.chapter, " ".join(said.keywords), said.description)
    told = [Passage(Kind.TITLE, None, words) for words in about]
    told += [Passage(Kind.PEOPLE, None, words) for words in (said.teacher, said.school, said.district)]
    return [*told, *entry.passages]


def _digest(told: Iterable[Passage]) -> str:
    text_of_all = json.dumps([(int(kind), start_s, words) for kind, start_s, words in told])
    return hashlib.sha256(text_of_all.encode()).hexdigest()


async def _metadata(connection: AsyncConnection, lesson: LessonId) -> DatedMetadata | None:
    row = (await connection.execute(select(lessons).where(lessons.c.id == lesson))).one_or_none()
    if row is None or row.updated_at is None:
        return None
    values = {name: getattr(row, name) for name in _FIELDS}
    return DatedMetadata(Metadata(**{**values, "keywords": tuple(row.keywords)}), row.updated_at)


async def _as_planned(connection: AsyncConnection, entry: RecordingEntry) -> DatedMetadata | None:
    """What the timetable says of a lesson counts as said when it began; None when it says nothing."""
    await _ensure_lesson(connection, entry.lesson)
    told = and_(lessons.c.id == entry.lesson, or_(*(lessons.c[name] != "" for name in _PLANNED)))
    await connection.execute(update(lessons).where(told).values(updated_at=entry.started_at))
    return await _metadata(connection, entry.lesson)


async def _ensure_lesson(connection: AsyncConnection, lesson: LessonId) -> None:
    if await connection.scalar(select(lessons.c.id).where(lessons.c.id == lesson)) is None:
        await connection.execute(insert(lessons).values(id=lesson, keywords=[]))


async def _set_metadata(connection: AsyncConnection, lesson: LessonId, said: DatedMetadata) -> None:
    await _ensure_lesson(connection, lesson)
    values = {**said.metadata.as_json(), "updated_at": said.updated_at}
    await connection.execute(update(lessons).where(lessons.c.id == lesson).values(values))


async def _put_recording(
    connection: AsyncConnection, entry: RecordingEntry, said: Metadata, words: str
) -> tuple[int, str | None]:
    """Write the row; returns its id and what its passages were made of before, None for a new one."""
    values = {
        "lesson_id": entry.lesson,
        "holding": entry.holding,
        "folder": entry.folder,
        "title": storable(entry.title)[:200],
        "sort_title": title_key(said.title or entry.title),
        "started_at": entry.started_at,
        "ended_at": entry.ended_at,
        "duration_s": entry.duration_s,
        "state": entry.state,
        "detail": None if entry.detail is None else storable(entry.detail),
        "progress": entry.progress,
        "gaps": entry.gaps,
        "cover": entry.cover,
        "missing": False,
        "seen": entry.seen,
        "words": words,
    }
    known = select(recordings.c.id, recordings.c.words).where(recordings.c.folder == entry.folder)
    row = (await connection.execute(known)).one_or_none()
    if row is not None:
        await connection.execute(update(recordings).where(recordings.c.id == row.id).values(values))
        return row.id, row.words
    identity = await connection.scalar(insert(recordings).values(values).returning(recordings.c.id))
    assert isinstance(identity, int)
    return identity, None
