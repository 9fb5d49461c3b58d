"""Import and export of a whole region: all of an import or nothing."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, func, insert, select, update

from classroom.catalogue.region.apart import Spreadsheets
from classroom.catalogue.region.beside import beside
from classroom.catalogue.region.demo_data import demo_tables
from classroom.catalogue.region.errors import RegionError
from classroom.catalogue.region.exporting import export_rows
from classroom.catalogue.region.importing import FIRST_NEW_ID, Change, Occupied, Outcome, plan_import
from classroom.catalogue.region.kinds import DISTRICTS, KINDS
from classroom.catalogue.region.occupancy import gave_way, planned_by_hand
from classroom.catalogue.region.rows import part_rows, to_row
from classroom.catalogue.region.rules import FIELD_TABLES
from classroom.catalogue.region.schema import districts
from classroom.catalogue.region.storage import region_reading, region_writing
from classroom.catalogue.region.values import TimetableEntry
from classroom.catalogue.region.world import load_world
from classroom.catalogue.scope import EVERYTHING, Scope

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import PurePath
    from zoneinfo import ZoneInfo

    from sqlalchemy import Table
    from sqlalchemy.ext.asyncio import AsyncConnection

    from classroom.catalogue.database import Database
    from classroom.catalogue.region.kinds import Kind
    from classroom.catalogue.region.planning import Planning
    from classroom.catalogue.region.student_numbers import StudentNumbers
    from classroom.catalogue.region.tables import Tables


class NotEmpty(RegionError):
    """There is a region already."""


class Exchange:
    """Takes tables in and gives them out. Every method may raise CatalogueUnavailable."""

    def __init__(self, database: Database, numbers: StudentNumbers, planning: Planning, zone: ZoneInfo) -> None:
        self._database = database
        self._numbers = numbers
        self._planning = planning
        self._zone = zone
        self._spreadsheets = Spreadsheets()

    async def check(self, files: Sequence[tuple[PurePath, bytes]], scope: Scope = EVERYTHING) -> Outcome:
        """What an import would do, with every row that is bad; does nothing. Raises BadFile."""
        tables = await self._spreadsheets.read(files)
        async with region_reading(self._database) as connection:
            return await self._outcome(connection, tables, scope)

    async def take_in(self, files: Sequence[tuple[PurePath, bytes]], scope: Scope = EVERYTHING) -> Outcome:
        """Import: everything, when no row is bad; then the lessons of the coming days are planned. Raises BadFile."""
        return await self._take_in(await self._spreadsheets.read(files), scope)

    async def take_in_demo(self, *, into_existing: bool = False) -> Outcome:
        """Import a believable district. Raises NotEmpty when there is a region already, unless that is meant."""
        async with region_reading(self._database) as connection:
            there = await connection.scalar(select(func.count()).select_from(districts))
        if there and not into_existing:
            raise NotEmpty(
                "这里已经有区划和学校；要把演示数据加进去，请用 --into-existing。 "
                "There is a region already; to add the demo data to it, say --into-existing."
            )
        return await self._take_in(demo_tables(self._planning.today), EVERYTHING)

    async def _take_in(self, tables: Tables, scope: Scope) -> Outcome:
        async with region_writing(self._database) as connection:
            outcome = await self._outcome(connection, tables, scope)
            if not outcome.bad:
                await _apply(connection, outcome.changes, self._numbers)
        if not outcome.bad and outcome.changes:
            await self._planning.materialise()
        return outcome

    async def give_out(self, scope: Scope = EVERYTHING) -> bytes:
        """A workbook with everything that is in the scope, as ``take_in`` reads it."""
        async with region_reading(self._database) as connection:
            world = await load_world(connection)
        return await self._spreadsheets.write(await beside(export_rows, world, scope))

    async def template(self) -> bytes:
        """An empty workbook to be filled in, with an example in each sheet, which an import skips, and notes."""
        return await self._spreadsheets.template()

    async def _outcome(self, connection: AsyncConnection, tables: Tables, scope: Scope) -> Outcome:
        world = await load_world(connection)
        today = self._planning.today
        by_hand = await planned_by_hand(connection, self._zone, today)
        occupied = Occupied(today, by_hand, await gave_way(connection, today))
        return await beside(plan_import, tables, world, self._numbers, scope, occupied)


async def _apply(connection: AsyncConnection, changes: Sequence[Change], numbers: StudentNumbers) -> None:
    ids: dict[Table, dict[int, int]] = defaultdict(dict)  # of the database, for what was new
    by_kind: dict[type[Any], list[Change]] = defaultdict(list)
    for change in changes:
        by_kind[change.kind].append(change)
    for kind in KINDS:
        await _apply_kind(connection, kind, by_kind[kind.type], numbers, ids)


async def _apply_kind(
    connection: AsyncConnection,
    kind: Kind[Any],
    changes: Sequence[Change],
    numbers: StudentNumbers,
    ids: dict[Table, dict[int, int]],
) -> None:
    new = [change for change in changes if change.is_new]
    # A district may be below another one that is new: one by one.
    for some in [[change] for change in new] if kind is DISTRICTS else [new] if new else []:
        rows = [_row(kind, change, numbers, ids) for change in some]
        query = insert(kind.table).returning(kind.table.c.id, sort_by_parameter_order=True)
        made = (await connection.execute(query, rows)).scalars().all()
        ids[kind.table] |= dict(zip((change.known.id for change in some), made, strict=True))
    for change in changes:
        if not change.is_new:
            row = _row(kind, change, numbers, ids)
            await connection.execute(update(kind.table).where(kind.table.c.id == change.known.id).values(row))
    if kind.part is not None and changes:
        await _apply_parts(connection, kind, changes, ids)


async def _apply_parts(
    connection: AsyncConnection, kind: Kind[Any], changes: Sequence[Change], ids: dict[Table, dict[int, int]]
) -> None:
    assert kind.part is not None
    rows: list[dict[str, Any]] = []
    for change in changes:
        identity = ids[kind.table].get(change.known.id, change.known.id)
        if not change.is_new:
            owner = kind.part.table.c[kind.part.owner]
            await connection.execute(delete(kind.part.table).where(owner == identity))
        rows += part_rows(kind, identity, _with_ids(change.known.value, ids))
    if rows:
        await connection.execute(insert(kind.part.table), rows)


def _row(kind: Kind[Any], change: Change, numbers: StudentNumbers, ids: dict[Table, dict[int, int]]) -> dict[str, Any]:
    return to_row(kind, _with_ids(change.known.value, ids), numbers, change.known.student)


def _with_ids(value: Any, ids: dict[Table, dict[int, int]]) -> Any:
    """The value with the ids of the database in the place of those that it was planned with."""
    said: dict[str, Any] = {}
    for name, table in FIELD_TABLES.items():
        identity = getattr(value, name, None)
        if identity is not None and identity >= FIRST_NEW_ID:
            said[name] = ids[table][identity]
    if isinstance(value, TimetableEntry):
        said["listeners"] = tuple(_with_ids(listener, ids) for listener in value.listeners)
    return replace(value, **said)
