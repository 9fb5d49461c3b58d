"""What a lesson leaves in events.jsonl, and what the timeline of the replay makes of it."""

import json
from datetime import UTC, datetime, timedelta

from classroom.live.lesson import LiveLesson
from classroom.live.minutes import Minutes
from classroom.live.participant import Person
from classroom.messages import ReportView
from classroom.model import FloorMode, LessonId, ParticipantId, Role
from classroom.recording.happenings import read_events

NOON = datetime(2026, 9, 1, 12, 0, tzinfo=UTC)
EAST, WEST = (Person(ParticipantId(f"id-{name}"), Role.CLASSROOM, name) for name in ("大足二小", "山坪小学"))


def hold(lesson: LiveLesson, minutes: Minutes) -> list:
    """A short lesson."""
    said = []
    for happens in (
        lambda: lesson.join(WEST, NOON),
        lambda: lesson.raise_hand(WEST.id, True),
        lambda: lesson.report(WEST.id, ReportView(children=31)),
        lambda: lesson.call_on(WEST.id, False, NOON),
        lambda: lesson.call_on(EAST.id, True, NOON),
        lambda: lesson.return_floor(None, NOON),
        lambda: lesson.set_mode(FloorMode.DISCUSS),
        lambda: lesson.turn_page(2, NOON),
        lambda: lesson.spotlight("camera-east"),
    ):
        said += minutes.follow(lesson, happens(), NOON)
    return said


def test_every_change_is_said_once_and_shown_with_names(tmp_path):
    lesson, minutes = LiveLesson(LessonId("maths")), Minutes()
    lesson.start(NOON)
    lesson.join(EAST, NOON)
    said = [*minutes.begin(lesson, NOON, resume=False), *hold(lesson, minutes)]
    said.append(("note", {"text": "请看课件", "to": []}))
    assert [event for event, _ in said] == [
        "participant", "participant", "hand", "hand", "floor", "floor", "floor", "mode", "page", "programme", "note"
    ]  # fmt: skip
    lines = [json.dumps({"event": event, "at_s": at_s, **data}) for at_s, (event, data) in enumerate(said)]
    (tmp_path / "events.jsonl").write_text("\n".join(lines))
    assert [(event["kind"], event.get("name", event.get("page"))) for event in read_events(tmp_path, 0.0)] == [
        ("participant", "大足二小"),
        ("participant", "山坪小学"),
        ("hand", "山坪小学"),
        ("floor", "山坪小学"),
        ("floor", "山坪小学、大足二小"),
        ("floor", ""),
        ("mode", "discuss"),
        ("page", 2),
        ("programme", "camera-east"),
        ("note", ""),
    ]


def test_after_a_restart_nothing_is_said_again_but_since_when_the_page_is_shown():
    lesson = LiveLesson(LessonId("maths"))
    lesson.start(NOON)
    lesson.join(EAST, NOON)
    hold(lesson, Minutes())
    minutes = Minutes()
    later = NOON + timedelta(seconds=7)
    said = list(minutes.begin(lesson, later, resume=True))
    assert [event for event, _ in said] == ["participant", "participant", "page"]
    assert said[-1] == ("page", {"page": 2, "ago_s": 7.0}), "its turn may have died with the recorder"
    assert list(minutes.follow(lesson, lesson.turn_page(3, later, 2.0), later)) == [("page", {"page": 3, "ago_s": 2.0})]
