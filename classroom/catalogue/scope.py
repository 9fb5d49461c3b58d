"""How far somebody reaches: every school, those of a district or a city, one school, none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import false, or_, select, true

from classroom.catalogue.region.schema import districts, schools
from classroom.model import ClassroomError

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement


class OutOfScope(ClassroomError):
    """What is asked for belongs to another school or district."""

    def __init__(self) -> None:
        super().__init__("这不在您的管理范围内。 This belongs to another school or district than yours.")


@dataclass(frozen=True, slots=True)
class Scope:
    """The schools within reach: those of ``districts``, where a city has all that are below it, and ``school_id``.

    Only ``districts=None`` reaches everything: who has neither a district nor a school reaches nothing.
    """

    districts: frozenset[int] | None
    school_id: int | None = None

    @property
    def everything(self) -> bool:
        """Whether nothing is out of reach."""
        return self.districts is None

    def covers_school(self, school_id: int, district_id: int) -> bool:
        """Whether a school, which is in this district, is within reach."""
        return self.covers_district(district_id) or school_id == self.school_id

    def covers_district(self, district_id: int | None) -> bool:
        """Whether all of a district is within reach; None is what is above all of them."""
        return self.districts is None or district_id in self.districts

    def require_school(self, school_id: int, district_id: int) -> None:
        """Raise OutOfScope unless the school is within reach."""
        if not self.covers_school(school_id, district_id):
            raise OutOfScope

    def require_district(self, district_id: int | None) -> None:
        """Raise OutOfScope unless all of the district is within reach."""
        if not self.covers_district(district_id):
            raise OutOfScope

    def require_everything(self) -> None:
        """Raise OutOfScope unless nothing is out of reach: terms, for example, are everybody's."""
        if not self.everything:
            raise OutOfScope


EVERYTHING = Scope(None)
NOTHING = Scope(frozenset())


def of_school(school_id: int) -> Scope:
    """One school alone."""
    return Scope(frozenset(), school_id)


def within(scope: Scope, school_id: ColumnElement[int]) -> ColumnElement[bool]:
    """The condition that a school is within reach."""
    if scope.districts is None:
        return true()
    conditions: list[ColumnElement[bool]] = [false()]
    if scope.districts:
        conditions.append(school_id.in_(select(schools.c.id).where(schools.c.district_id.in_(scope.districts))))
    if scope.school_id is not None:  # else the database would look for what is of no school
        conditions.append(school_id == scope.school_id)
    return or_(*conditions)


def with_below(district_id: int) -> ColumnElement[bool]:
    """The condition that a district is this one or below it."""
    found = select(districts.c.id).where(districts.c.id == district_id).cte("with_below", recursive=True)
    found = found.union(select(districts.c.id).join(found, districts.c.parent_id == found.c.id))
    return districts.c.id.in_(select(found.c.id))
