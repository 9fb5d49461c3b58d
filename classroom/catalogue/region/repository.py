"""One kind of a region's values in the database: find, get, create, update, delete."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Generic

from sqlalchemy import delete, func, insert, or_, select, update

from classroom.catalogue.region.errors import BadValue, Duplicate, InUse, NotFound, ValueChanged
from classroom.catalogue.region.naming import names, referring
from classroom.catalogue.region.rows import part_rows, to_row, to_value
from classroom.catalogue.region.rules import fit, references
from classroom.catalogue.region.schema import people
from classroom.catalogue.region.storage import facts_of, region_reading, region_writing
from classroom.catalogue.region.student_numbers import StudentKey
from classroom.catalogue.region.values import FIELD_NAMES, T, checked
from classroom.catalogue.scope import EVERYTHING, Scope

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from sqlalchemy import ColumnElement, Row
    from sqlalchemy.ext.asyncio import AsyncConnection

    from classroom.catalogue.database import Database
    from classroom.catalogue.region.kinds import Kind
    from classroom.catalogue.region.student_numbers import StudentNumbers

MAX_PAGE_SIZE = 500


@dataclass(frozen=True, slots=True)
class Stored(Generic[T]):
    """A value with its id. ``names`` has what its references are called, by path: ``listeners.0.class_id``."""

    id: int
    value: T
    names: Mapping[str, str]

    @property
    def tag(self) -> str:
        """The same for the same value: who changes it says with it what they saw."""
        return hashlib.sha256(json.dumps(asdict(self.value), default=str).encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some of the values; ``total`` is the number of all that were asked for."""

    total: int
    items: list[Stored[T]]


def not_found(kind: Kind[Any]) -> NotFound:
    """There is no value of this kind, or none within the scope: which of both is not told."""
    return NotFound(f"没有这个{kind.zh}，或者不归您管。 There is no such {kind.en}, or it is not yours to see.")


class Repository(Generic[T]):
    """The values of one kind. A value out of the scope is not found. Every method may raise CatalogueUnavailable."""

    def __init__(self, database: Database, kind: Kind[T], numbers: StudentNumbers) -> None:
        self._database = database
        self._numbers = numbers
        self.kind = kind

    async def find(
        self,
        scope: Scope = EVERYTHING,
        *,
        text: str = "",
        where: Mapping[str, object] | None = None,
        also: Collection[ColumnElement[bool]] = (),
        page: int = 1,
        page_size: int = 100,
    ) -> Page[T]:
        """Those whose names have the text in them and whose columns have these values, ``page`` from 1.

        They meet the conditions of ``also``, too; there are at most MAX_PAGE_SIZE of them. Raises BadValue for a
        column that there is not.
        """
        table = self.kind.table
        conditions: list[ColumnElement[bool]] = [self.kind.sees(scope), *also]
        if text.strip():
            conditions.append(or_(*(found.icontains(text.strip(), autoescape=True) for found in self.kind.searched)))
        for name, said in (where or {}).items():
            if name not in table.c or name not in FIELD_NAMES:
                raise BadValue(name, f"不能按“{name}”筛选。 It cannot be narrowed by {name}.")
            conditions.append(table.c[name] == said)
        size = min(page_size, MAX_PAGE_SIZE)
        query = select(table).where(*conditions).order_by(*self.kind.order, table.c.id)
        async with region_reading(self._database) as connection:
            total = await connection.scalar(select(func.count()).select_from(table).where(*conditions))
            rows = (await connection.execute(query.limit(size).offset((page - 1) * size))).all()
            return Page(total or 0, await self._stored(connection, rows))

    async def get(self, identity: int, scope: Scope = EVERYTHING) -> Stored[T]:
        """The value with this id. Raises NotFound."""
        async with region_reading(self._database) as connection:
            return await self._get(connection, identity, self.kind.sees(scope))

    async def create(self, value: T, scope: Scope = EVERYTHING) -> Stored[T]:
        """Keep a new value. Raises BadValue, Duplicate, Conflict; NotFound when it would be out of the scope."""
        value = checked(value)
        async with region_writing(self._database) as connection:
            row = to_row(self.kind, value, self._numbers)
            await self._check(connection, value, row, None)
            identity = await connection.scalar(insert(self.kind.table).values(row).returning(self.kind.table.c.id))
            assert isinstance(identity, int)
            await self._put_parts(connection, identity, value)
            created = await self._get(connection, identity, self.kind.owns(scope))
            await self._saved(connection, None, created)
            return created

    async def update(
        self, identity: int, value: T, scope: Scope = EVERYTHING, over: Collection[str] | None = None
    ) -> Stored[T]:
        """Put a value in the place of another. ``over`` are tags of what may be written over, None: whatever is there.

        Raises NotFound, OutOfScope, ValueChanged, BadValue, Duplicate, Conflict.
        """
        value = checked(value)
        async with region_writing(self._database) as connection:
            before = await self._get(connection, identity, self.kind.owns(scope))
            if over is not None and before.tag not in over:
                raise ValueChanged(
                    "这一项刚刚被别人改过，请重新打开后再改。 Somebody else has just changed this; open it again."
                )
            for district in self.kind.moves(before.value, value):
                scope.require_district(district)
            row = to_row(self.kind, value, self._numbers, await self._student_key(connection, identity))
            await self._check(connection, value, row, identity)
            await connection.execute(update(self.kind.table).where(self.kind.table.c.id == identity).values(row))
            await self._put_parts(connection, identity, value)
            after = await self._get(connection, identity, self.kind.owns(scope))
            await self._saved(connection, before, after)
            return after

    async def delete(self, identity: int, scope: Scope = EVERYTHING) -> None:
        """Remove a value. Raises NotFound, InUse."""
        async with region_writing(self._database) as connection:
            before = await self._get(connection, identity, self.kind.owns(scope))
            await self._leaving(connection, before)
            others = await referring(connection, self.kind.table, identity)
            if others:
                zh, en = "、".join(other[0] for other in others), "; ".join(other[1] for other in others)
                raise InUse(
                    f"不能删除，还有这些在用：{zh}。请先改动它们。 "
                    f"It cannot be removed; these refer to it: {en}. Change them first."
                )
            await connection.execute(delete(self.kind.table).where(self.kind.table.c.id == identity))
            await self._left(connection, before)

    # --- what a kind may add -------------------------------------------------------------------------------------

    async def _saved(self, connection: AsyncConnection, before: Stored[T] | None, after: Stored[T]) -> None:
        """Called when a value was written, in the same transaction: to refuse it, or to follow it."""

    async def _leaving(self, connection: AsyncConnection, before: Stored[T]) -> None:
        """Called before a value is removed, in the same transaction."""

    async def _left(self, connection: AsyncConnection, before: Stored[T]) -> None:
        """Called when a value was removed, in the same transaction."""

    # --- rows ----------------------------------------------------------------------------------------------------

    async def _get(self, connection: AsyncConnection, identity: int, inside: ColumnElement[bool]) -> Stored[T]:
        query = select(self.kind.table).where(self.kind.table.c.id == identity, inside)
        found = await self._stored(connection, (await connection.execute(query)).all())
        if not found:
            raise not_found(self.kind)
        return found[0]

    async def _stored(self, connection: AsyncConnection, rows: Sequence[Row[Any]]) -> list[Stored[T]]:
        parts: dict[int, list[Row[Any]]] = defaultdict(list)
        if self.kind.part is not None and rows:
            table, owner = self.kind.part.table, self.kind.part.table.c[self.kind.part.owner]
            query = select(table).where(owner.in_([row.id for row in rows])).order_by(*table.primary_key)
            for part in await connection.execute(query):
                parts[getattr(part, self.kind.part.owner)].append(part)
        values = {row.id: to_value(self.kind, row, parts[row.id]) for row in rows}
        wanted = defaultdict(set)
        for value in values.values():
            for reference in references(value):
                wanted[reference.table].add(reference.id)
        called = {table: await names(connection, table, ids) for table, ids in wanted.items()}
        return [
            Stored(identity, value, {path: called[table].get(other, "") for path, table, other in references(value)})
            for identity, value in values.items()
        ]

    async def _check(self, connection: AsyncConnection, value: T, row: dict[str, Any], identity: int | None) -> None:
        fit(value, await facts_of(connection, value), identity)
        table = self.kind.table
        for key in self.kind.keys:
            if not self.kind.empty_is_key and any(row[name] is None for name in key):
                continue
            same = select(table.c.id).where(*(table.c[name] == row[name] for name in key))
            other = await connection.scalar(same if identity is None else same.where(table.c.id != identity))
            if other is not None:
                name = (await names(connection, table, [other])).get(other, "")
                raise Duplicate(
                    f"已有相同的{self.kind.zh}：{name}。请改动，或修改已有的那个。 "
                    f"There is the same {self.kind.en} already: {name}. Change this one, or edit the other."
                )

    async def _put_parts(self, connection: AsyncConnection, identity: int, value: T) -> None:
        part = self.kind.part
        if part is not None:
            await connection.execute(delete(part.table).where(part.table.c[part.owner] == identity))
            rows = part_rows(self.kind, identity, value)
            if rows:
                await connection.execute(insert(part.table), rows)

    async def _student_key(self, connection: AsyncConnection, identity: int) -> StudentKey | None:
        if self.kind.table is not people:
            return None
        query = select(people.c.student_hash, people.c.student_masked).where(people.c.id == identity)
        row = (await connection.execute(query)).one()
        return None if row.student_hash is None else StudentKey(row.student_hash, row.student_masked)
