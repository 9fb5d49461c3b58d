"""Drives the school day: holds the plans of today, follows lessons, devices and the clock, and tells the devices."""

from __future__ import annotations

import asyncio
import logging
from contextlib import contextmanager
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING

from classroom.catalogue.database import CatalogueUnavailable
from classroom.catalogue.region.errors import NotFound
from classroom.catalogue.region.plans import PlanState
from classroom.live.errors import UnknownLesson
from classroom.live.instant import iso
from classroom.model import ClassroomError, LessonState
from classroom.schoolday.agenda import NOT_HELD, Held, Moment, bell, moment, next_change, role_of, rooms_of
from classroom.schoolday.feed import DeviceFeed
from classroom.schoolday.messages import Agenda, AgendaLesson, ClassroomView, Phase, RoomRole
from classroom.schoolday.presence import Presence
from classroom.schoolday.view import lesson_view

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Sequence
    from datetime import date
    from zoneinfo import ZoneInfo

    from classroom.catalogue.accounts.devices import Devices
    from classroom.catalogue.region.plans import Plan, Plans
    from classroom.live.lesson import LiveLesson
    from classroom.live.service import LessonService
    from classroom.model import LessonId, ParticipantId
    from classroom.schoolday.presence import KnownDevice

logger = logging.getLogger(__name__)

REFRESH_S = 60.0  # what nobody told us of is seen by then
PLAN_EVERY = timedelta(hours=1)
GATHER_S = 0.1  # what changes together is read together
FIRST_RETRY_S, LAST_RETRY_S = 0.25, 5.0  # while the database does not answer
_OVERRUN = timedelta(hours=4)  # a lesson that runs past midnight is of yesterday
_IDLE = Moment(Phase.IDLE, None, None)


class UnknownDevice(ClassroomError):
    """The device was not paired here, or has been revoked."""


class SchoolDay:
    """Today, for every room. State changes are made without an await in between; devices are told by their feeds.

    ``materialise`` plans the lessons of the timetable for the coming days; it is called when a day begins, every hour,
    and when somebody has changed something.
    """

    def __init__(
        self,
        plans: Plans,
        devices: Devices,
        lessons: LessonService,
        zone: ZoneInfo,
        materialise: Callable[[], Awaitable[object]],
        wall: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._stored = plans
        self._lessons = lessons
        self._zone = zone
        self._materialise = materialise
        self._wall = wall
        self.presence = Presence(devices, self._room_changed, wall)
        self._plans: dict[LessonId, Plan] = {}
        self._held: dict[LessonId, Held] = {}
        self._of_room: dict[int, list[Plan]] = {}  # in order of their times
        self._moments: dict[int, Moment] = {}
        self._shown_in: dict[LessonId, set[int]] = {}  # the rooms whose moment has the lesson
        self._planned_at: datetime | None = None  # when the plans were last made of the timetable
        self._changed = asyncio.Event()
        self._ready = asyncio.Event()
        self._loading = asyncio.Lock()
        self._timer: asyncio.TimerHandle | None = None
        lessons.follow(self._lesson_changed)

    # --- life ----------------------------------------------------------------------------------------------------

    async def follow(self) -> None:
        """Keep the day in step with the database until cancelled, whatever becomes of that."""
        retry_s = FIRST_RETRY_S
        try:
            while True:
                wait_s = REFRESH_S
                try:
                    await self._refresh()
                    retry_s = FIRST_RETRY_S
                except CatalogueUnavailable:
                    wait_s, retry_s = retry_s, min(2 * retry_s, LAST_RETRY_S)
                except Exception:
                    logger.exception("the plans of the day could not be read")
                await self.presence.save()
                try:
                    async with asyncio.timeout(wait_s):
                        await self._changed.wait()
                except TimeoutError:
                    continue
                await asyncio.sleep(GATHER_S)
                self._changed.clear()
        finally:
            if self._timer is not None:
                self._timer.cancel()

    async def close(self) -> None:
        """Store what is known of devices; the database is still open."""
        await self.presence.save()

    def close_feeds(self) -> None:
        """Let every device look for the server that comes next."""
        for known in self.presence.all():
            for feed in known.feeds:
                feed.close()

    def plans_changed(self) -> None:
        """Somebody has changed lessons, the timetable, or what their names are: read them again."""
        self._planned_at = None
        self._changed.set()

    async def _refresh(self) -> None:
        if not self._ready.is_set():
            await self._read()  # what has been planned before is told first: who comes back waits for no planning
        now = self._wall()
        today = self._day_of(now)
        if self._planned_at is None or today != self._day_of(self._planned_at) or now - self._planned_at > PLAN_EVERY:
            self._planned_at = now
            try:
                await self._materialise()
            except BaseException:
                self._planned_at = None
                raise
        await self._read()

    async def _read(self) -> None:
        now = self._wall()
        await self.presence.load()
        midnight = datetime.combine(self._day_of(now) + timedelta(days=1), time(), self._zone)
        plans = await self._stored.plans_of_classrooms(None, now - _OVERRUN, midnight)
        self._adopt([*plans, *await self._of_other_days({plan.lesson_id for plan in plans})])

    async def _of_other_days(self, known: Collection[LessonId]) -> list[Plan]:
        """The plans of lessons that are held today though their day or hour was another one."""
        found: list[Plan] = []
        for lesson in self._lessons.lessons():
            if lesson.state is LessonState.LIVE and lesson.id not in known:
                try:
                    found.append(await self._stored.plan(lesson.id))
                except NotFound:
                    pass  # it is in no timetable
        return found

    # --- what changes --------------------------------------------------------------------------------------------

    def _adopt(self, plans: Sequence[Plan]) -> None:
        """Take over the plans as they are now; a lesson that is live stays, even if its plan has gone."""
        self._held = {lesson.id: _held(lesson) for lesson in self._lessons.lessons()}
        before, self._plans = self._plans, {plan.lesson_id: plan for plan in plans}
        for plan in before.values():
            if self._held_of(plan).state is LessonState.LIVE:
                self._plans.setdefault(plan.lesson_id, plan)
        changed = [
            plan
            for lesson in before.keys() | self._plans.keys()
            if before.get(lesson) != self._plans.get(lesson)
            for plan in (before.get(lesson), self._plans.get(lesson))
            if plan is not None
        ]
        self._of_room = {}
        for plan in sorted(self._plans.values(), key=lambda one: (one.starts_at, one.lesson_id)):
            for room in rooms_of(plan):
                self._of_room.setdefault(room, []).append(plan)
        self._look(self._of_room.keys() | self._moments.keys())
        self._shown_in = {lesson: rooms for lesson, rooms in self._shown_in.items() if rooms}
        self._tell({room for plan in changed for room in rooms_of(plan)})
        self._arm()
        self._ready.set()
        for plan in self._plans.values():
            if before.get(plan.lesson_id) != plan and self._is_ahead(plan):
                self._announce(plan)

    def _announce(self, plan: Plan) -> None:
        """Tell whoever holds the lesson what the timetable says of it."""
        is_live = self._held_of(plan).state is LessonState.LIVE
        started_at = self._lessons.find(plan.lesson_id).started_at if is_live else None
        self._lessons.plan(plan.lesson_id, plan.title or plan.subject, bell(plan, started_at), plan.interactive)

    def _is_ahead(self, plan: Plan) -> bool:
        """Whether somebody may still hold this lesson, or does."""
        if self._held_of(plan).state is LessonState.LIVE:
            return True
        return plan.state is PlanState.PLANNED and self._wall() < plan.ends_at

    def _lesson_changed(self, lesson: LiveLesson) -> None:
        """The lesson service says that something about a lesson is different."""
        held = _held(lesson)
        if self._held.get(lesson.id, NOT_HELD) == held:
            return
        self._held[lesson.id] = held
        plan = self._plans.get(lesson.id)
        if plan is None and held.state is LessonState.LIVE:
            self._changed.set()  # it may be planned for another day
        if plan is not None:
            if held.state is LessonState.LIVE:
                self._announce(plan)  # begun long after its end it is not waited for any more
            rooms = rooms_of(plan)
            self._look(rooms)
            self._tell(rooms | self._shown_in.get(lesson.id, set()))
            self._arm()

    def _room_changed(self, classroom_id: int) -> None:
        """A device of a room came, went, or is in another state: who is shown its lessons is told."""
        rooms = {classroom_id}
        for plan in self._of_room.get(classroom_id, ()):
            rooms |= self._shown_in.get(plan.lesson_id, set())
        self._tell(rooms)

    def _on_time(self) -> None:
        self._look(self._moments.keys())
        self._arm()

    def _arm(self) -> None:
        """Wake when time alone changes something."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        now = self._wall()
        at = next_change(self._plans.values(), self._held, now)
        if at is not None:
            delay_s = min((at - now).total_seconds(), 24 * 3600)
            self._timer = asyncio.get_running_loop().call_later(delay_s, self._on_time)

    def _look(self, rooms: Iterable[int]) -> None:
        """Find out what these rooms are doing now, and tell those that are doing something else than before."""
        now = self._wall()
        for room in list(rooms):
            before = self._moments.get(room, _IDLE)
            plans = self._of_room.get(room, ())
            after = self._moments[room] = moment(plans, self._held, now)
            if not plans:
                del self._moments[room]
            if after == before:
                continue
            for plan in (before.lesson, before.next):
                if plan is not None:
                    self._shown_in.get(plan.lesson_id, set()).discard(room)
            for plan in (after.lesson, after.next):
                if plan is not None:
                    self._shown_in.setdefault(plan.lesson_id, set()).add(room)
            self._tell((room,))

    def _tell(self, rooms: Iterable[int]) -> None:
        for room in rooms:
            for feed in self.presence.feeds_in(room):
                feed.agenda_changed()

    # --- what is asked -------------------------------------------------------------------------------------------

    async def ready(self) -> None:
        """Wait until the plans were read once: a room that is told before that it has no lesson would leave it."""
        await self._ready.wait()

    async def know(self, device_id: ParticipantId) -> KnownDevice:
        """A paired device, also one that was paired while we did not look.

        Raises UnknownDevice, CatalogueUnavailable.
        """
        if self.presence.find(device_id) is None:
            async with self._loading:  # a thousand who come at once are looked for once
                if self.presence.find(device_id) is None:
                    await self.presence.load()
        known = self.presence.find(device_id)
        if known is None:
            raise UnknownDevice("这台设备没有绑定，或已被解除绑定。 This device is not paired, or not any more.")
        return known

    @contextmanager
    def connect(self, known: KnownDevice) -> Iterator[DeviceFeed]:
        """A connection of a device: yields what it is to be told."""
        feed = DeviceFeed(lambda: self._agenda(known), known.stored.volume)
        self.presence.connect(known, feed)
        try:
            yield feed
        finally:
            self.presence.disconnect(known, feed)

    def _agenda(self, known: KnownDevice) -> Agenda:
        room = known.stored.room
        now = self._moments.get(room.id, _IDLE)

        def seen(plan: Plan | None) -> AgendaLesson | None:
            return None if plan is None else self._view(plan, role_of(plan, room.id) or RoomRole.LINKED)

        return Agenda(
            you=known.stored.device.id,
            classroom=ClassroomView(room.id, room.name, room.school),
            server_time=iso(self._wall()),
            phase=now.phase,
            lesson=seen(now.lesson),
            next=seen(now.next),
        )

    async def plan(self, lesson: LessonId) -> Plan:
        """The plan of a lesson, of whatever day. Raises NotFound, CatalogueUnavailable."""
        return self._plans.get(lesson) or await self._stored.plan(lesson)

    def is_live(self, lesson: LessonId) -> bool:
        """Whether a lesson is being held; also before the plans were read."""
        try:
            return self._lessons.find(lesson).state is LessonState.LIVE
        except UnknownLesson:
            return False

    def today(self) -> date:
        """The day that it is where the schools are."""
        return self._day_of(self._wall())

    def _day_of(self, wall: datetime) -> date:
        return wall.astimezone(self._zone).date()

    def views(self, plans: Sequence[Plan], is_main: Callable[[Plan], bool]) -> list[AgendaLesson]:
        """Plans as a person is told of them; ``is_main`` says on which side of a lesson that person is."""
        return [self._view(plan, RoomRole.MAIN if is_main(plan) else RoomRole.LINKED) for plan in plans]

    def current(self, plans: Sequence[Plan]) -> LessonId | None:
        """Which of somebody's lessons is the present one: live, near, or over this moment."""
        found = moment(plans, self._held, self._wall()).lesson
        return None if found is None else found.lesson_id

    def next_lesson(self, classroom_id: int) -> AgendaLesson | None:
        """What a room is in, or is in next."""
        now = self._moments.get(classroom_id, _IDLE)
        plan = now.next if now.phase in (Phase.IDLE, Phase.OVER) else now.lesson
        return None if plan is None else self._view(plan, role_of(plan, classroom_id) or RoomRole.LINKED)

    def _view(self, plan: Plan, role: RoomRole) -> AgendaLesson:
        return lesson_view(plan, self._held_of(plan), role, self.presence.room)

    def _held_of(self, plan: Plan) -> Held:
        return self._held.get(plan.lesson_id, NOT_HELD)


def _held(lesson: LiveLesson) -> Held:
    return Held(lesson.state, lesson.ended_at if lesson.state is LessonState.ENDED else None)
