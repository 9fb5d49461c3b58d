"""What participants command: who may do what, and each command once, however often it is said."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from dataclasses import asdict
from typing import TYPE_CHECKING, Literal

from classroom.live.errors import Draining, MayNot, UnknownLesson, UnknownParticipant
from classroom.messages import (
    Ack,
    CallOn,
    Command,
    Direct,
    EndLesson,
    ErrorMessage,
    Mute,
    RaiseHand,
    Report,
    ReportView,
    ReturnFloor,
    SendNote,
    SetMode,
    SetVolume,
    Spotlight,
    StartLesson,
    TurnPage,
)
from classroom.model import ClassroomError, LessonId, ParticipantId, Role

if TYPE_CHECKING:
    from classroom.live.participant import Person
    from classroom.live.service import LessonService

logger = logging.getLogger(__name__)

MAX_ANSWERS = 256  # of one participant that are remembered
MAX_PARTICIPANTS = 2000  # whose answers are remembered; those who said nothing for the longest time are forgotten

_TEACHER = frozenset({Role.TEACHER})
MAY: dict[type[Command | Report], frozenset[Role]] = {
    StartLesson: _TEACHER,
    EndLesson: _TEACHER,
    Direct: _TEACHER,
    CallOn: _TEACHER,
    SetMode: _TEACHER,
    Mute: _TEACHER,
    Spotlight: _TEACHER,
    SendNote: _TEACHER,
    SetVolume: _TEACHER,
    TurnPage: frozenset({Role.TEACHER, Role.CAPTURE}),
    ReturnFloor: frozenset({Role.TEACHER, Role.CLASSROOM}),  # a classroom its own
    RaiseHand: frozenset({Role.TEACHER, Role.CLASSROOM}),  # a classroom its own; the teacher lowers that of another
    Report: frozenset({Role.CLASSROOM}),
}
"""Who may say what. Observers may say nothing."""

_ONLY_TEACHER = "只有主讲教师可以这样做。 Only a teacher may do this."
_NOT_YOURS = "只能举自己的手、交还自己的发言权。 A classroom may raise its own hand and give back its own floor only."
_NOT_HERS = "教师只能放下别人的手。 A teacher may lower the hand of a classroom only."

_Code = Literal["forbidden", "unknown_lesson", "unknown_participant", "busy", "internal"]
_CODES: dict[type[ClassroomError], _Code] = {
    MayNot: "forbidden",
    UnknownLesson: "unknown_lesson",
    UnknownParticipant: "unknown_participant",
    Draining: "busy",
}


class Commands:
    """Carries commands out and remembers the answers, so that one which is said again in another connection is
    answered again and not done again.

    A command goes on when the connection that it came from is gone.
    """

    def __init__(self, service: LessonService) -> None:
        self._service = service
        self._answers: OrderedDict[
            tuple[LessonId, ParticipantId], OrderedDict[str, asyncio.Task[Ack | ErrorMessage]]
        ] = OrderedDict()

    async def answer(self, lesson: LessonId, person: Person, command: Command) -> Ack | ErrorMessage:
        """Carry a command out, or say what came of it before."""
        answers = self._answers_of(lesson, person.id)
        task = answers.get(command.id)
        if task is None:
            task = answers[command.id] = asyncio.create_task(self._obey(lesson, person, command), name=command.type)
            if len(answers) > MAX_ANSWERS:
                answers.popitem(last=False)

            def forget_passing(done: asyncio.Task[Ack | ErrorMessage]) -> None:
                if _is_passing(done.result()) and answers.get(command.id) is done:
                    del answers[command.id]

            task.add_done_callback(forget_passing)
        return await asyncio.shield(task)

    def hear(self, lesson: LessonId, person: Person, report: Report) -> None:
        """Take what a terminal says of itself; that of others is nobody's business."""
        if person.role in MAY[Report]:
            said = {name: value for name, value in asdict(report).items() if name != "type"}
            self._service.report(lesson, person, ReportView(**said))

    def _answers_of(self, lesson: LessonId, who: ParticipantId) -> OrderedDict[str, asyncio.Task[Ack | ErrorMessage]]:
        answers = self._answers.setdefault((lesson, who), OrderedDict())
        self._answers.move_to_end((lesson, who))
        if len(self._answers) > MAX_PARTICIPANTS:
            self._answers.popitem(last=False)
        return answers

    async def _obey(self, lesson: LessonId, person: Person, command: Command) -> Ack | ErrorMessage:
        try:
            if person.role not in MAY[type(command)]:
                raise MayNot(_ONLY_TEACHER)
            await self._carry_out(lesson, person, command)
            await self._service.settle()  # what is acknowledged is not lost
        except ClassroomError as error:
            return ErrorMessage(_CODES.get(type(error), "internal"), str(error), command.id)
        except Exception:
            logger.exception("lesson=%s %s failed", lesson, command.type)
            return ErrorMessage("internal", "服务器内部错误。 The server has a fault; its log says more.", command.id)
        return Ack(command.id)

    async def _carry_out(self, lesson: LessonId, person: Person, command: Command) -> None:
        service = self._service
        match command:
            case StartLesson():
                await service.start(lesson)
            case EndLesson():
                await service.end(lesson)
            case Direct(_, programme, floor):
                service.direct(lesson, programme, floor)
            case CallOn(_, who, beside):
                service.change(lesson, lambda live, wall: live.call_on(ParticipantId(who), beside, wall))
            case ReturnFloor(_, whose):
                returning = _own(person, whose) if person.role is Role.CLASSROOM else _id(whose)
                service.change(lesson, lambda live, wall: live.return_floor(returning, wall))
            case SetMode(_, mode):
                service.change(lesson, lambda live, _: live.set_mode(mode))
            case Mute(_, whose, muted):
                muting = _id(whose)
                service.change(lesson, lambda live, wall: live.mute(muting, muted, wall))
            case Spotlight(_, programme):
                service.change(lesson, lambda live, _: live.spotlight(programme))
            case RaiseHand(_, raised, whose):
                if person.role is Role.TEACHER and (raised or whose is None):
                    raise MayNot(_NOT_HERS)
                hand = _own(person, whose) if person.role is Role.CLASSROOM else ParticipantId(whose or "")
                service.change(lesson, lambda live, _: live.raise_hand(hand, raised))
            case SendNote(_, text, to):
                service.send_note(lesson, text, _id(to))
            case TurnPage(_, page, ago_s):
                service.change(lesson, lambda live, wall: live.turn_page(page, wall, ago_s))
            case SetVolume(_, who, volume):
                service.set_volume(lesson, ParticipantId(who), volume)


def _is_passing(answer: Ack | ErrorMessage) -> bool:
    """Whether it may be answered otherwise the next time."""
    return isinstance(answer, ErrorMessage) and answer.code in ("busy", "internal")


def _own(person: Person, whose: str | None) -> ParticipantId:
    if whose not in (None, person.id):
        raise MayNot(_NOT_YOURS)
    return person.id


def _id(who: str | None) -> ParticipantId | None:
    return None if who is None else ParticipantId(who)
