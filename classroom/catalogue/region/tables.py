"""Rows of tables as they stand in files, and the limits of what is taken. Values only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from classroom.catalogue.region.errors import RegionError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from classroom.catalogue.region.cells import Cell
    from classroom.catalogue.region.sheets import Sheet

MAX_FILE_BYTES = 10 << 20
MAX_UNPACKED_BYTES = 150 << 20
MAX_MEMBERS = 500
MAX_ROWS = 50_000  # of all sheets of an import
MAX_COLUMNS = 64


class BadFile(RegionError):
    """A file cannot be read as tables; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class RawRow:
    """A row as it stands there, by the code's names of the columns; empty cells are left out. ``number`` from 1."""

    number: int
    cells: Mapping[str, Cell]


@dataclass(frozen=True, slots=True)
class RawSheet:
    """The rows of a sheet. ``place`` is what people call it: of which file, and which sheet of it."""

    sheet: Sheet
    place: str
    rows: Sequence[RawRow]


@dataclass(frozen=True, slots=True)
class HeaderFault:
    """A sheet that is not what it should be as a whole; ``column`` is the header in question."""

    place: str
    column: str | None
    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class Tables:
    """Everything that was read."""

    sheets: Sequence[RawSheet]
    faults: Sequence[HeaderFault]
