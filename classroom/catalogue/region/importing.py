"""Tables become changes of a region, or a list of every row that is bad and why. Pure."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, fields
from itertools import chain
from typing import TYPE_CHECKING, Any

from classroom.catalogue.region.arrangements import entry_of
from classroom.catalogue.region.cells import CellError
from classroom.catalogue.region.conflicts import Bookings, ResourceKind, explain
from classroom.catalogue.region.errors import BadValue
from classroom.catalogue.region.import_rows import BUILDERS, Built, Finder, Told, above_first
from classroom.catalogue.region.rules import fit
from classroom.catalogue.region.sheets import SHEETS
from classroom.catalogue.region.values import (
    Classroom,
    Person,
    School,
    SchoolClass,
    Subscription,
    TimetableEntry,
    checked,
)
from classroom.catalogue.region.world import Known, World, key_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import date

    from classroom.catalogue.region.conflicts import Booking, Resource
    from classroom.catalogue.region.sheets import Sheet
    from classroom.catalogue.region.student_numbers import StudentNumbers
    from classroom.catalogue.region.tables import RawRow, Tables
    from classroom.catalogue.scope import Scope

FIRST_NEW_ID = 1 << 52  # of what has no id of the database yet


@dataclass(frozen=True, slots=True)
class BadRow:
    """What is wrong, where, and what to do. ``row`` is that of the file, None: the sheet as a whole."""

    place: str
    row: int | None
    column: str | None
    why: str


@dataclass(frozen=True, slots=True)
class Change:
    """A value that an import creates, or changes: then ``fields`` are those that differ."""

    kind: type[Any]
    sheet: str
    place: str
    row: int
    name: str
    known: Known[Any]
    fields: tuple[str, ...]  # empty: it is new

    @property
    def is_new(self) -> bool:
        """Whether it is not there yet."""
        return not self.fields


@dataclass(frozen=True, slots=True)
class Count:
    """How many of the values of a kind of sheet are new, changed, or there already."""

    sheet: Sheet
    created: int
    changed: int
    same: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an import would do; it does nothing when there is a bad row."""

    bad: Sequence[BadRow]
    changes: Sequence[Change]
    counts: Sequence[Count]


@dataclass(frozen=True, slots=True)
class Occupied:
    """What the timetable must leave alone from a day on: lessons planned by hand; days on which it gave way."""

    since: date
    by_hand: Sequence[Booking] = ()
    instead: Mapping[int, Collection[date]] = field(default_factory=dict)  # by entry


@dataclass
class _Progress:
    world: World
    bad: list[BadRow] = field(default_factory=list)
    changes: dict[tuple[type[Any], int], Change] = field(default_factory=dict)
    said: dict[tuple[type[Any], int], Told] = field(default_factory=dict)  # where each value was said first
    same: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    next_id: int = FIRST_NEW_ID


def plan_import(tables: Tables, world: World, numbers: StudentNumbers, scope: Scope, occupied: Occupied) -> Outcome:
    """What the tables would change. ``world`` is taken and becomes what it would be."""
    progress = _Progress(world)
    for fault in tables.faults:
        progress.bad.append(BadRow(fault.place, None, fault.column, _both(fault.zh, fault.en)))
    finder = Finder(world, numbers)
    for sheet in SHEETS:
        rows = [(raw.place, row) for raw in tables.sheets if raw.sheet == sheet for row in raw.rows]
        _take_rows(sheet, rows, finder, scope, progress)
    _refuse_shared_rooms(progress)
    _refuse_conflicts(progress, occupied)
    counts = [
        Count(
            sheet,
            sum(change.is_new for change in progress.changes.values() if change.sheet == sheet.name),
            sum(not change.is_new for change in progress.changes.values() if change.sheet == sheet.name),
            progress.same[sheet.name],
        )
        for sheet in SHEETS
        if any(raw.sheet == sheet for raw in tables.sheets)
    ]
    order = {raw.place: number for number, raw in enumerate(tables.sheets)}
    bad = sorted(progress.bad, key=lambda row: (order.get(row.place, -1), row.row or 0))
    return Outcome(bad, list(progress.changes.values()), counts)


def _take_rows(
    sheet: Sheet, rows: Sequence[tuple[str, RawRow]], finder: Finder, scope: Scope, progress: _Progress
) -> None:
    builder = BUILDERS[sheet.name]
    groups: dict[Any, list[Told]] = {}
    for told in above_first([_read(sheet, place, row, progress) for place, row in rows]):
        try:
            groups.setdefault(builder.group(told, finder), []).append(told)
        except CellError as error:
            _note(progress, told, told.at, error.zh, error.en)
    for of_one in groups.values():
        try:
            built = builder.build(of_one, finder)
        except CellError as error:
            told = next((each for each in of_one if each.at is not None), of_one[0])
            _note(progress, told, told.at, error.zh, error.en)
            continue
        try:
            _take(sheet, of_one[0], built, scope, progress)
        except CellError as error:
            _note(progress, of_one[0], None, error.zh, error.en)
        except BadValue as error:
            column = sheet.column_of(error.field)
            part = error.field.split(".")[1] if error.field.startswith("listeners.") else None
            told = of_one[0] if part is None else built.parts[int(part)]
            progress.bad.append(BadRow(told.place, told.row, None if column is None else column.zh, str(error)))


def _read(sheet: Sheet, place: str, row: RawRow, progress: _Progress) -> Told | None:
    """The cells of a row as values; every bad one is noted."""
    values: dict[str, Any] = {}
    good = True
    for column in sheet.columns:
        if column.name in row.cells:
            try:
                values[column.name] = column.read(row.cells[column.name])
            except CellError as error:
                good = False
                progress.bad.append(BadRow(place, row.number, column.zh, _both(error.zh, error.en)))
        elif column.required:
            good = False
            why = "这一格不能为空，请填写。 This cell must not be empty; fill it in."
            progress.bad.append(BadRow(place, row.number, column.zh, why))
    return Told(sheet, place, row.number, values) if good else None


def _take(sheet: Sheet, first: Told, built: Built, scope: Scope, progress: _Progress) -> None:
    """Compare a value with what there is; raises CellError, BadValue."""
    world = progress.world
    value, student = checked(built.value), built.student
    kind = type(value)
    before = world.find(kind, *key_of(value, student))
    other = None if before is None else progress.said.setdefault((kind, before.id), first)
    if before is not None and other is not None and other is not first:
        if before.value == value:
            return  # said twice
        raise CellError(
            f"与 {other.place} 第 {other.row} 行是同一个，但内容不同，请只留一行",
            f"it is the same as row {other.row} of {other.place}, but says something else; keep one of them",
        )
    fit(value, world.facts, None if before is None else before.id)
    if before is not None and before.value == value:
        progress.same[sheet.name] += 1
        return
    if not world.may_put(scope, value, None if before is None else before.value):
        raise CellError("不在您管理的范围内，请删去这一行", "it is not yours to change; remove this row")
    changed: tuple[str, ...] = ()
    if before is None:
        known = Known(progress.next_id, value, student)
        progress.next_id += 1
        progress.said[kind, known.id] = first
    else:
        known = Known(before.id, value, student)
        changed = tuple(
            each.name for each in fields(value) if getattr(before.value, each.name) != getattr(value, each.name)
        )
    world.put(known)
    progress.changes[kind, known.id] = Change(kind, sheet.name, first.place, first.row, built.name, known, changed)


def _refuse_shared_rooms(progress: _Progress) -> None:
    """A lesson tells one class of each of its classrooms."""
    seen: dict[Any, Known[Subscription]] = {}
    for known in progress.world.all(Subscription):
        said = known.value
        other = seen.setdefault((said.term_id, said.main_class_id, said.subject, said.classroom_id), known)
        change = progress.changes.get((Subscription, known.id)) or progress.changes.get((Subscription, other.id))
        if other is not known and change is not None:
            name = _name(progress.world, other.value.class_id)
            progress.bad.append(
                BadRow(
                    change.place,
                    change.row,
                    "听讲教室",
                    f"{name}已在这间教室听这门课，请换一间教室。 "
                    f"{name} listens to these lessons in this classroom already; choose another one.",
                )
            )


def _refuse_conflicts(progress: _Progress, occupied: Occupied) -> None:
    """Every entry that the import brings, and every one that gets a listener by it, must meet no other lesson."""
    world, changes = progress.world, progress.changes
    subscribed: dict[Any, Change] = {}
    for change in changes.values():
        if change.kind is Subscription:
            said = change.known.value
            subscribed.setdefault((said.term_id, said.main_class_id, said.subject), change)
    arrangements = world.arrangements()
    bookings = {
        each.id: each.bookings(occupied.since, instead=occupied.instead.get(each.id, ())) for each in arrangements
    }
    everything = Bookings([*chain.from_iterable(bookings.values()), *occupied.by_hand])
    for each in arrangements:
        entry = each.entry
        source = changes.get((TimetableEntry, each.id))
        source = source or subscribed.get((entry.term_id, entry.class_id, entry.subject))
        if source is None:
            continue
        for clash in everything.clashes(*bookings[each.id]):
            why = explain(clash, {clash.resource: _resource_name(world, clash.resource)})
            other = changes.get((TimetableEntry, entry_of(clash.other) or 0))
            if other is not None and other is not source:
                zh, _, en = why.partition("。 ")
                why = f"{zh}（{other.place} 第 {other.row} 行）。 {en} It is row {other.row} of {other.place}."
            progress.bad.append(BadRow(source.place, source.row, None, why))


def _resource_name(world: World, resource: Resource) -> str:
    match resource.kind:
        case ResourceKind.TEACHER:
            return world.get(Person, resource.id).name
        case ResourceKind.CLASS:
            return _name(world, resource.id)
        case ResourceKind.CLASSROOM:
            room = world.get(Classroom, resource.id)
            school = world.get(School, room.school_id)
            return f"{school.short_name or school.name} {room.name}"


def _name(world: World, class_id: int) -> str:
    said = world.get(SchoolClass, class_id)
    school = world.get(School, said.school_id)
    return f"{school.short_name or school.name} {said.grade}{said.name}"


def _note(progress: _Progress, told: Told, column: str | None, zh: str, en: str) -> None:
    name = None if column is None else told.sheet.column(column).zh
    progress.bad.append(BadRow(told.place, told.row, name, _both(zh, en)))


def _both(zh: str, en: str) -> str:
    return f"{zh}。 {en[0].upper()}{en[1:]}."
