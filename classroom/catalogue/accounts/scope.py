"""Whose schools somebody may look at and change: all, those of a district or a city, one."""

from __future__ import annotations

from dataclasses import dataclass

from classroom.model import ClassroomError


class OutOfScope(ClassroomError):
    """What is asked for belongs to another school or district."""

    def __init__(self) -> None:
        super().__init__("这不在您的管理范围内。 This belongs to another school or district than yours.")


@dataclass(frozen=True, slots=True)
class Scope:
    """The schools within reach. A city has its districts in ``districts``; None: every district there is."""

    districts: frozenset[int] | None
    school_id: int | None = None

    @property
    def everything(self) -> bool:
        """Whether nothing is out of reach."""
        return self.districts is None

    def covers_school(self, school_id: int, district_id: int) -> bool:
        """Whether a school, which is in this district, is within reach."""
        return self.covers_district(district_id) or school_id == self.school_id

    def covers_district(self, district_id: int) -> bool:
        """Whether all of a district is within reach."""
        return self.districts is None or district_id in self.districts

    def require_school(self, school_id: int, district_id: int) -> None:
        """Raise OutOfScope unless the school is within reach."""
        if not self.covers_school(school_id, district_id):
            raise OutOfScope

    def require_district(self, district_id: int) -> None:
        """Raise OutOfScope unless all of the district is within reach."""
        if not self.covers_district(district_id):
            raise OutOfScope

    def require_everything(self) -> None:
        """Raise OutOfScope unless nothing is out of reach: terms, for example, are everybody's."""
        if not self.everything:
            raise OutOfScope


EVERYTHING = Scope(None)
NOTHING = Scope(frozenset())
