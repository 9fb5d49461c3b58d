"""The region: its schools, people, timetable and plans, kept in the catalogue's database."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from classroom.catalogue.region.calendar_days import CalendarDays
from classroom.catalogue.region.classrooms import Classrooms
from classroom.catalogue.region.exchange import Exchange
from classroom.catalogue.region.kinds import CLASSES, CLASSROOMS, PEOPLE
from classroom.catalogue.region.planning import Planning
from classroom.catalogue.region.plans import Plans
from classroom.catalogue.region.repository import Repository
from classroom.catalogue.region.student_numbers import StudentNumbers
from classroom.catalogue.region.timetable import (
    BellSchedules,
    Districts,
    Schools,
    Subscriptions,
    Terms,
    Timetable,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from zoneinfo import ZoneInfo

    from classroom.catalogue.database import Database


def _now() -> datetime:
    return datetime.now(UTC)


class Region:
    """Everything of a region. ``secret`` is the server's; the database is opened and closed by whoever made it."""

    def __init__(self, database: Database, secret: str, zone: ZoneInfo, now: Callable[[], datetime] = _now) -> None:
        numbers = StudentNumbers(secret)
        self.database = database
        self.numbers = numbers
        self.zone = zone
        self.plans = Plans(database)
        self.planning = planning = Planning(database, zone, now)
        self.districts = Districts(database, numbers, planning, zone)
        self.schools = Schools(database, numbers, planning, zone)
        self.classrooms = Classrooms(database, CLASSROOMS, numbers)
        self.classes = Repository(database, CLASSES, numbers)
        self.people = Repository(database, PEOPLE, numbers)
        self.terms = Terms(database, numbers, planning, zone)
        self.calendar = CalendarDays(database, numbers, planning)
        self.bells = BellSchedules(database, numbers, planning, zone)
        self.subscriptions = Subscriptions(database, numbers, planning, zone)
        self.timetable = Timetable(database, numbers, planning, zone)
        self.exchange = Exchange(database, numbers, planning, zone)
