"""Commands that are said again: carried out once, answered each time."""

import asyncio

import pytest

from classroom.live.commands import MAY, Commands
from classroom.live.errors import Draining
from classroom.live.participant import Person
from classroom.messages import Ack, Command, EndLesson, StartLesson
from classroom.model import LessonId, ParticipantId, Role

MATHS = LessonId("maths")
TEACHER, ANOTHER = (Person(ParticipantId(name), Role.TEACHER, "") for name in ("t", "u"))


class Service:
    """Counts what it is asked, and takes as long as it is told."""

    def __init__(self) -> None:
        self.asked = 0
        self.may_go = asyncio.Event()
        self.may_go.set()
        self.refuse: Exception | None = None

    async def end(self, lesson):
        self.asked += 1
        await self.may_go.wait()
        if self.refuse is not None:
            raise self.refuse

    start = end

    async def settle(self) -> None:
        """Nothing here is to be kept."""


@pytest.fixture
async def service():
    return Service()


def test_every_command_is_in_the_table():
    assert set(Command.__args__) <= set(MAY)


async def test_a_command_is_carried_out_once_also_while_it_is_at_work(service):
    commands = Commands(service)
    service.may_go.clear()
    first = asyncio.create_task(commands.answer(MATHS, TEACHER, EndLesson("1")))
    await asyncio.sleep(0)
    second = asyncio.create_task(commands.answer(MATHS, TEACHER, EndLesson("1")))
    await asyncio.sleep(0)
    first.cancel()  # its connection is gone
    service.may_go.set()
    assert await second == Ack("1")
    assert await commands.answer(MATHS, TEACHER, EndLesson("1")) == Ack("1")
    assert service.asked == 1


async def test_ids_are_of_one_participant_in_one_lesson(service):
    commands = Commands(service)
    for lesson, person in ((MATHS, TEACHER), (MATHS, ANOTHER), (LessonId("music"), TEACHER)):
        await commands.answer(lesson, person, StartLesson("1"))
    assert service.asked == 3


async def test_what_passes_is_tried_again_and_a_refusal_stands(service):
    commands = Commands(service)
    service.refuse = Draining("later")
    assert (await commands.answer(MATHS, TEACHER, StartLesson("1"))).code == "busy"
    service.refuse = None
    assert await commands.answer(MATHS, TEACHER, StartLesson("1")) == Ack("1")
    village = Person(ParticipantId("v"), Role.CLASSROOM, "")
    assert (await commands.answer(MATHS, village, StartLesson("1"))).code == "forbidden"
    assert service.asked == 2


async def test_the_latest_answers_are_remembered(service, monkeypatch):
    monkeypatch.setattr("classroom.live.commands.MAX_ANSWERS", 3)
    monkeypatch.setattr("classroom.live.commands.MAX_PARTICIPANTS", 2)
    commands = Commands(service)
    for number in range(5):
        await commands.answer(MATHS, TEACHER, StartLesson(str(number)))
    await commands.answer(MATHS, TEACHER, StartLesson("2"))
    assert service.asked == 5
    await commands.answer(MATHS, TEACHER, StartLesson("1"))
    assert service.asked == 6
    for name in "abc":
        await commands.answer(MATHS, Person(ParticipantId(name), Role.TEACHER, ""), StartLesson("1"))
    assert len(commands._answers) == 2


async def test_a_fault_of_ours_is_an_answer(service, caplog):
    service.refuse = RuntimeError("a bug")
    assert (await Commands(service).answer(MATHS, TEACHER, StartLesson("1"))).code == "internal"
    assert "a bug" in caplog.text
