"""The newest direction on its way to a worker that is slow, refuses, or is gone."""

from __future__ import annotations

import asyncio

from classroom.model import LessonId
from classroom.sfu.core.assignment import Direction
from classroom.sfu.session import UnknownLesson
from classroom.sfu.workers.directing import Directing

MATHS, MUSIC = LessonId("maths"), LessonId("music")


class Worker:
    """Follows one direction each time that it is let."""

    def __init__(self) -> None:
        self.told: asyncio.Queue[tuple[str, str | None]] = asyncio.Queue()
        self.followed = asyncio.Semaphore(0)
        self.refuses = False

    async def ask(self, request) -> None:
        self.told.put_nowait((request.lesson, request.direction.programme))
        await self.followed.acquire()
        if self.refuses:
            raise UnknownLesson("it is not held here")

    async def next(self) -> tuple[str, str | None]:
        async with asyncio.timeout(30):
            return await self.told.get()


async def test_while_a_worker_follows_one_direction_the_newest_of_each_lesson_waits():
    worker = Worker()
    directing = Directing(worker.ask)
    directing.tell(MATHS, Direction("1"))
    assert await worker.next() == (MATHS, "1")
    for programme in ("2", "3", "4"):
        directing.tell(MATHS, Direction(programme))
        directing.tell(MUSIC, Direction(programme))
    worker.followed.release()
    assert await worker.next() == (MATHS, "4")
    worker.followed.release()
    assert await worker.next() == (MUSIC, "4")
    worker.followed.release()
    directing.tell(MATHS, Direction("5"))
    assert await worker.next() == (MATHS, "5")
    directing.close()


async def test_a_lesson_that_a_worker_holds_no_longer_keeps_none_of_the_others_waiting():
    worker = Worker()
    worker.refuses = True
    directing = Directing(worker.ask)
    directing.tell(MATHS, Direction("1"))
    directing.tell(MUSIC, Direction("2"))
    assert await worker.next() == (MATHS, "1")
    worker.followed.release()
    assert await worker.next() == (MUSIC, "2")
    directing.close()


async def test_nothing_is_told_to_a_worker_that_is_gone():
    worker = Worker()
    directing = Directing(worker.ask)
    directing.tell(MATHS, Direction("1"))
    assert await worker.next() == (MATHS, "1")
    directing.tell(MATHS, Direction("2"))
    directing.close()
    worker.followed.release()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert worker.told.empty()
