"""How far somebody sees: everything, a district with those below it, or one school."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select, true

from classroom.catalogue.region.schema import districts, schools

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement


@dataclass(frozen=True, slots=True)
class Scope:
    """Both empty: everything. A school is narrower than its district."""

    district_id: int | None = None
    school_id: int | None = None


EVERYTHING = Scope()


def within(scope: Scope, school_id: ColumnElement[int]) -> ColumnElement[bool]:
    """The condition that a school is in the scope."""
    if scope.school_id is not None:
        return school_id == scope.school_id
    if scope.district_id is not None:
        return school_id.in_(select(schools.c.id).where(within_district(scope.district_id, schools.c.district_id)))
    return true()


def within_district(district_id: int, column: ColumnElement[int]) -> ColumnElement[bool]:
    """The condition that a district is this one or below it."""
    below = select(districts.c.id).where(districts.c.id == district_id).cte("below", recursive=True)
    below = below.union(select(districts.c.id).join(below, districts.c.parent_id == below.c.id))
    return column.in_(select(below.c.id))
