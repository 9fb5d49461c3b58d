"""What kinds of things a region has, as addresses name them, and which of their columns narrow a list."""

from __future__ import annotations

from dataclasses import dataclass, field
from operator import attrgetter
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field
from sqlalchemy import BigInteger, Integer

from classroom.catalogue.region import kinds
from classroom.catalogue.region.involved import INVOLVED

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy import ColumnElement

    from classroom.catalogue.region.kinds import Kind
    from classroom.catalogue.region.region import Region
    from classroom.catalogue.region.repository import Repository


Identity = Annotated[int, Field(ge=0, lt=1 << 53)]


@dataclass(frozen=True, slots=True)
class Resource:
    """``name`` is that of the address and of the repository in Region.

    Lists are ``narrowed_by`` columns, and by conditions about an id (``involving``).
    """

    name: str
    kind: Kind[Any]
    narrowed_by: tuple[str, ...]
    involving: Mapping[str, Callable[[int], ColumnElement[bool]]] = field(default_factory=dict)

    @property
    def narrowing(self) -> tuple[str, ...]:
        """The names in a query that narrow the list."""
        return *self.narrowed_by, *self.involving

    def column_type(self, column: str) -> Any:
        """What a name that narrows the list may be asked for: no number that no database can hold."""
        if column in self.involving:
            return Identity
        kind = self.kind.table.c[column].type
        if isinstance(kind, BigInteger):
            return Identity
        return Annotated[int, Field(ge=0, lt=1 << 31)] if isinstance(kind, Integer) else kind.python_type

    @property
    def path(self) -> str:
        """Where all of them are."""
        return f"/api/region/{self.name}"

    def of(self, region: Region) -> Repository[Any]:
        """Where they are kept."""
        repository: Repository[Any] = attrgetter(self.name)(region)
        return repository


RESOURCES = (
    Resource("districts", kinds.DISTRICTS, ("parent_id",)),
    Resource("schools", kinds.SCHOOLS, ("district_id",)),
    Resource("classrooms", kinds.CLASSROOMS, ("school_id", "leads")),
    Resource("classes", kinds.CLASSES, ("school_id", "grade")),
    Resource("people", kinds.PEOPLE, ("school_id", "kind", "class_id", "subject")),
    Resource("terms", kinds.TERMS, ()),
    Resource("calendar", kinds.CALENDAR, ("on_date", "district_id", "school_id")),
    Resource("bells", kinds.BELLS, ("school_id",)),
    Resource("subscriptions", kinds.SUBSCRIPTIONS, ("term_id", "class_id", "main_class_id", "subject")),
    Resource(
        "timetable",
        kinds.TIMETABLE,
        ("term_id", "weekday", "period", "classroom_id", "class_id", "teacher_id", "subject"),
        INVOLVED,
    ),
)
