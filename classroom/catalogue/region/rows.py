"""Values as rows of the database, and back. Pure."""

from __future__ import annotations

from dataclasses import asdict, fields
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from classroom.catalogue.region.calendar import Bell, Weeks
from classroom.catalogue.region.student_numbers import MASK
from classroom.catalogue.region.values import Listener, Person, PersonKind, T, bad

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

    from sqlalchemy import Row, Table

    from classroom.catalogue.region.kinds import Kind
    from classroom.catalogue.region.student_numbers import StudentKey, StudentNumbers

_ENUMS = {"weeks": Weeks}
_PARTS: dict[str, tuple[type[Any], tuple[str, ...]]] = {
    "bells": (Bell, ("period", "starts", "ends")),
    "listeners": (Listener, ("classroom_id", "class_id", "assistant_id")),
}


def to_row(kind: Kind[T], value: T, numbers: StudentNumbers, known: StudentKey | None = None) -> dict[str, Any]:
    """The columns of a value but its id. ``known`` is what is stored of a student's number. Raises BadValue."""
    row: dict[str, Any] = {field.name: getattr(value, field.name) for field in fields(value)}
    if kind.part is not None:
        del row[kind.part.field]
    if isinstance(value, Person):
        del row["student_number"]
        key = _student_key(value, numbers, known)
        row["student_hash"], row["student_masked"] = (None, "") if key is None else (key.hash, key.masked)
    return {name: str(said) if isinstance(said, PersonKind | Weeks) else said for name, said in row.items()}


def part_rows(kind: Kind[T], identity: int, value: T) -> list[dict[str, Any]]:
    """The rows that belong to a value."""
    if kind.part is None:
        return []
    return [{kind.part.owner: identity, **asdict(part)} for part in getattr(value, kind.part.field)]


def to_value(kind: Kind[T], row: Row[Any], parts: Iterable[Row[Any]] = ()) -> T:
    """A value of its row and of the rows that belong to it, which are in order."""
    said = {name: getattr(row, name) for name in _columns(kind.table, cast("Hashable", kind.type))}
    if kind.type is Person:
        said |= {"kind": PersonKind(row.kind), "student_number": row.student_masked or None}
    for name, enum in _ENUMS.items():
        if name in said:
            said[name] = enum(said[name])
    if kind.part is not None:
        part_type, names = _PARTS[kind.part.field]
        said[kind.part.field] = tuple(part_type(*(getattr(part, name) for name in names)) for part in parts)
    return kind.type(**said)


@cache
def _columns(table: Table, kind: Any) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind) if field.name in table.c)


def _student_key(person: Person, numbers: StudentNumbers, known: StudentKey | None) -> StudentKey | None:
    number = person.student_number
    if number is None or MASK not in number:
        return None if number is None else numbers.key_of(number)
    if known is None or known.masked != number:
        raise bad("student_number", "请填写完整的学籍号，不带“*”", "give the whole number, without *")
    return known
