"""A whole region in memory, by its keys in the world: what an import is compared with, and what is exported."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from sqlalchemy import select

from classroom.catalogue.region import kinds
from classroom.catalogue.region.arrangements import NO_BELLS, About, Arrangement, Held, all_listeners
from classroom.catalogue.region.beside import beside
from classroom.catalogue.region.calendar import Bells
from classroom.catalogue.region.rows import to_value
from classroom.catalogue.region.rules import Facts, Room
from classroom.catalogue.region.school_calendar import SchoolCalendars
from classroom.catalogue.region.storage import rows_of
from classroom.catalogue.region.student_numbers import StudentKey
from classroom.catalogue.region.values import (
    BellSchedule,
    CalendarDay,
    Classroom,
    District,
    Listener,
    Person,
    PersonKind,
    School,
    SchoolClass,
    Subscription,
    Term,
    TimetableEntry,
    Value,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import CursorResult
    from sqlalchemy.ext.asyncio import AsyncConnection

    from classroom.catalogue.region.kinds import Kind
    from classroom.catalogue.scope import Scope

V = TypeVar("V", bound=Value)
Key = tuple[Hashable, ...]


@dataclass(frozen=True, slots=True)
class Known(Generic[V]):
    """A value with its id and, of a student, what is stored of the number."""

    id: int
    value: V
    student: StudentKey | None = None


def key_of(value: Value, student: StudentKey | None = None) -> Key:
    """By what a value is recognised when it is imported again."""
    match value:
        case District(code=code) | School(code=code):
            return (code,)
        case Classroom():
            return (value.school_id, value.name)
        case SchoolClass():
            return (value.school_id, value.grade, value.name)
        case Person():
            return (value.school_id, value.staff_number) if student is None else (student.hash,)
        case Term():
            return (value.name,)
        case CalendarDay():
            return (value.on_date, value.district_id, value.school_id)
        case BellSchedule():
            return (value.school_id, value.valid_from)
        case Subscription():
            return (value.term_id, value.class_id, value.main_class_id, value.subject)
        case TimetableEntry():
            weeks = (value.weeks, value.first_week, value.last_week)
            return (value.term_id, value.weekday, value.period, value.classroom_id, *weeks)


@dataclass
class World:
    """Everything by kind and key, and by kind and id."""

    by_key: dict[type[Any], dict[Key, Known[Any]]] = field(default_factory=lambda: defaultdict(dict))
    by_id: dict[type[Any], dict[int, Known[Any]]] = field(default_factory=lambda: defaultdict(dict))
    facts: Facts = field(default_factory=Facts)
    _schedules: dict[int, dict[int, BellSchedule]] = field(default_factory=lambda: defaultdict(dict))  # of schools

    def put(self, known: Known[Any]) -> None:
        """Take a value in, in the place of one with the same id."""
        kind = type(known.value)
        before = self.by_id[kind].get(known.id)
        if before is not None:
            self.by_key[kind].pop(key_of(before.value, before.student), None)
        self.by_id[kind][known.id] = known
        self.by_key[kind][key_of(known.value, known.student)] = known
        self._note(known)

    def find(self, kind: type[V], *key: Hashable) -> Known[V] | None:
        """The value with a key."""
        return self.by_key[kind].get(key)

    def get(self, kind: type[V], identity: int) -> V:
        """The value with an id."""
        found: V = self.by_id[kind][identity].value
        return found

    def all(self, kind: type[V]) -> Iterator[Known[V]]:
        """All values of a kind."""
        return iter(self.by_id[kind].values())

    def arrangements(self) -> list[Arrangement]:
        """The timetable with its terms, bells and names."""
        subscribed: dict[Key, list[Listener]] = defaultdict(list)
        for known in self.all(Subscription):
            one = known.value
            listener = Listener(one.classroom_id, one.class_id, one.assistant_id)
            subscribed[one.term_id, one.main_class_id, one.subject].append(listener)
        calendars = SchoolCalendars(
            (known.value for known in self.all(CalendarDay)),
            {known.id: known.value.district_id for known in self.all(School)},
            self.facts.districts,
        )
        found = []
        for entry in self.all(TimetableEntry):
            said = entry.value
            school_id = self.get(Classroom, said.classroom_id).school_id
            school = self.get(School, school_id)
            grade = "" if said.class_id is None else self.get(SchoolClass, said.class_id).grade
            district = self.get(District, school.district_id).name
            about = About(self.get(Person, said.teacher_id).name, grade, school.name, school.code, district)
            listeners = all_listeners(said, subscribed.get((said.term_id, said.class_id, said.subject), ()))
            bells = self.facts.bells.get(school_id, NO_BELLS)
            elsewhere = {
                each.classroom_id: calendars.of(self.get(Classroom, each.classroom_id).school_id) for each in listeners
            }
            held = Held(self.get(Term, said.term_id), bells, calendars.of(school_id), elsewhere)
            found.append(Arrangement(entry.id, said, held, about, listeners))
        return found

    def may_put(self, scope: Scope, value: V, before: V | None) -> bool:
        """Whether somebody with this scope may keep a value, in the place of another one: as ``Repository`` does it."""
        if before is None or not self.is_within(scope, value):
            return self.is_within(scope, value)
        inside, kind = self._inside(scope), next(kind for kind in kinds.KINDS if kind.type is type(value))
        return self.is_within(scope, before) and (inside is None or {*kind.moves(before, value)} <= inside)

    def is_within(self, scope: Scope, value: Value) -> bool:
        """Whether somebody with this scope owns the value: the same as ``Kind.owns`` says of rows."""
        match value:
            case District():
                inside = self._inside(scope)
                return inside is None or value.parent_id in inside or value.code in self._codes(inside)
            case Term():
                return scope.everything
            case CalendarDay():
                if value.school_id is not None:
                    return self._has_school(scope, value.school_id)
                inside = self._inside(scope)
                return inside is None or value.district_id in inside
            case School():
                known = self.find(School, value.code)
                return self._has(scope, None if known is None else known.id, value.district_id)
            case Subscription():
                return any(self._has_class(scope, each) for each in (value.class_id, value.main_class_id))
            case TimetableEntry():
                return self._has_school(scope, self.get(Classroom, value.classroom_id).school_id)
            case _:
                return self._has_school(scope, value.school_id)

    def _has_class(self, scope: Scope, class_id: int) -> bool:
        return self._has_school(scope, self.get(SchoolClass, class_id).school_id)

    def _has_school(self, scope: Scope, school_id: int) -> bool:
        return self._has(scope, school_id, self.get(School, school_id).district_id)

    def _has(self, scope: Scope, school_id: int | None, district_id: int) -> bool:
        inside = self._inside(scope)
        return inside is None or district_id in inside or (school_id is not None and school_id == scope.school_id)

    def _codes(self, district_ids: set[int]) -> set[str]:
        return {self.get(District, each).code for each in district_ids}

    def _inside(self, scope: Scope) -> set[int] | None:
        """The districts within reach with those that are new below them; None: all."""
        if scope.districts is None:
            return None
        inside, more = set(scope.districts), bool(scope.districts)
        while more:
            below = {known.id for known in self.all(District) if known.value.parent_id in inside}
            more = not below <= inside
            inside |= below
        return inside

    def _note(self, known: Known[Any]) -> None:
        facts: Any = self.facts
        value, identity = known.value, known.id
        match value:
            case District():
                facts.districts[identity] = value.parent_id
            case School():
                facts.schools[identity] = None
            case Classroom():
                facts.classrooms[identity] = Room(value.school_id, value.leads)
            case SchoolClass():
                facts.classes[identity] = value.school_id
            case Person():
                facts.people[identity] = PersonKind(value.kind)
            case Term():
                facts.terms[identity] = value
            case BellSchedule():
                of_school = self._schedules[value.school_id]
                of_school[identity] = value
                facts.bells[value.school_id] = Bells((each.valid_from, each.bells) for each in of_school.values())
            case _:
                pass


async def load_world(connection: AsyncConnection) -> World:
    """The region as it is in the database."""
    world = World()
    for kind in kinds.KINDS:
        told = await connection.execute(select(kind.table).order_by(kind.table.c.id))
        parts = None
        if kind.part is not None:
            parts = await connection.execute(select(kind.part.table).order_by(*kind.part.table.primary_key))
        await beside(_put_all, world, kind, told, parts)
    return world


def _put_all(world: World, kind: Kind[Any], told: CursorResult[Any], parts: CursorResult[Any] | None) -> None:
    of: dict[int, list[Any]] = defaultdict(list)
    if kind.part is not None and parts is not None:
        for row in rows_of(parts):
            of[getattr(row, kind.part.owner)].append(row)
    for row in rows_of(told):
        student = None
        if kind is kinds.PEOPLE and row.student_hash is not None:
            student = StudentKey(row.student_hash, row.student_masked)
        world.put(Known(row.id, to_value(kind, row, of.get(row.id, ())), student))
