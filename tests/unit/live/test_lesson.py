"""The state of a lesson: what each happening changes, and what others are told of it."""

from datetime import UTC, datetime, timedelta

from classroom.live.lesson import FORGET_AFTER, LiveLesson, Person
from classroom.messages import LessonChanged, ParticipantChanged, ParticipantLeft, PublicationRemoved
from classroom.model import (
    Label,
    LessonId,
    LessonState,
    ParticipantId,
    Publication,
    PublicationId,
    RecordingState,
    Role,
    SessionId,
    TrackKind,
)

NOON = datetime(2026, 9, 1, 12, 0, tzinfo=UTC)
TEACHER = Person(ParticipantId("teacher1"), Role.TEACHER, "王老师")
CAPTURE = Person(ParticipantId("capture1"), Role.CAPTURE, "")
VILLAGE = Person(ParticipantId("village12345"), Role.CLASSROOM, "三小")
UP, DOWN = SessionId("up"), SessionId("down")


def lesson() -> LiveLesson:
    return LiveLesson(LessonId("maths"))


def camera(person: Person, name: str = "camera", id: str = "p1") -> Publication:
    return Publication(PublicationId(id), person.id, Label.CAMERA, TrackKind.VIDEO, name)


def test_a_lesson_starts_ends_and_starts_again():
    live = lesson()
    assert live.view().state is LessonState.PLANNED
    [told] = live.start(NOON)
    assert isinstance(told, LessonChanged)
    assert (told.lesson.state, told.lesson.started_at) == (LessonState.LIVE, "2026-09-01T12:00:00.000Z")
    [told] = live.end(NOON + timedelta(minutes=40))
    assert (told.lesson.state, told.lesson.ended_at) == (LessonState.ENDED, "2026-09-01T12:40:00.000Z")
    [told] = live.start(NOON + timedelta(minutes=50))
    assert (told.lesson.state, told.lesson.ended_at) == (LessonState.LIVE, None)


def test_repeating_a_command_tells_nothing():
    live = lesson()
    assert live.end(NOON) == []
    live.start(NOON)
    assert live.start(NOON + timedelta(seconds=1)) == []
    assert live.started_at == NOON
    assert len(live.set_recording(RecordingState.FAILED, "disk full")) == 1
    assert live.set_recording(RecordingState.FAILED, "disk full") == []


def test_starting_again_forgets_how_the_last_recording_went():
    live = lesson()
    live.start(NOON)
    live.set_recording(RecordingState.FAILED, "disk full")
    live.end(NOON)
    live.start(NOON)
    assert (live.view().recording, live.view().recording_detail) == (RecordingState.OFF, None)


def test_a_participant_is_online_with_a_connection_or_connected_media():
    live = lesson()
    [told] = live.join(VILLAGE, NOON)
    assert isinstance(told, ParticipantChanged)
    assert (told.participant.online, told.participant.receiving) == (True, False)
    assert live.join(VILLAGE, NOON) == []  # a second page with the same token
    assert live.open_session(DOWN, VILLAGE, False, NOON) == []
    [told] = live.connect_session(DOWN, VILLAGE.id, NOON)
    assert (told.participant.receiving, told.participant.publishing) == (True, False)
    assert live.leave(VILLAGE.id, NOON) == []
    assert live.leave(VILLAGE.id, NOON) == []  # media still flows
    [told] = live.close_session(DOWN, VILLAGE.id, NOON)
    assert (told.participant.online, told.participant.receiving) == (False, False)


def test_a_machine_that_only_publishes_is_a_participant():
    live = lesson()
    [told] = live.open_session(UP, CAPTURE, True, NOON)
    assert not told.participant.online
    [told] = live.connect_session(UP, CAPTURE.id, NOON)
    assert (told.participant.online, told.participant.publishing) == (True, True)


def test_happenings_of_strangers_change_nothing():
    live = lesson()
    assert live.leave(VILLAGE.id, NOON) == []
    assert live.connect_session(DOWN, VILLAGE.id, NOON) == []
    assert live.close_session(DOWN, VILLAGE.id, NOON) == []
    assert live.set_publication_live(PublicationId("?"), True) == []
    assert live.remove_publication(PublicationId("?")) == []


def test_an_offline_participant_is_shown_for_a_while_and_then_let_go():
    live = lesson()
    live.join(VILLAGE, NOON)
    live.leave(VILLAGE.id, NOON)
    assert live.forget_absent(NOON + FORGET_AFTER - timedelta(seconds=1)) == []
    assert live.forget_absent(NOON + FORGET_AFTER) == [ParticipantLeft(0, VILLAGE.id)]
    assert live.participants() == []


def test_who_is_there_is_never_let_go():
    live = lesson()
    live.join(VILLAGE, NOON)
    live.open_session(UP, CAPTURE, True, NOON)
    assert live.forget_absent(NOON + 10 * FORGET_AFTER) == []


def test_publications_appear_pause_and_go():
    live = lesson()
    [told] = live.add_publication(camera(CAPTURE))
    assert (told.publication.name, told.publication.live) == ("camera", True)
    assert live.set_publication_live(PublicationId("p1"), True) == []
    [told] = live.set_publication_live(PublicationId("p1"), False)
    assert not told.publication.live
    assert live.remove_publication(PublicationId("p1")) == [PublicationRemoved(0, "p1")]
    assert live.publications() == []


def test_publication_names_are_unique_and_stay_with_their_publisher():
    live = lesson()
    assert live.publication_name(CAPTURE, Label.CAMERA) == "camera"
    assert live.publication_name(VILLAGE, Label.CAMERA) == "camera-village1"
    live.add_publication(camera(CAPTURE))
    assert live.publication_name(CAPTURE, Label.CAMERA) == "camera"  # it comes back before it is known to be gone
    assert live.publication_name(TEACHER, Label.CAMERA) == "camera-teacher1"
    assert live.publication_name(TEACHER, Label.MIC) == "mic"


def test_the_snapshot_is_the_whole_state():
    live = lesson()
    live.start(NOON)
    live.join(TEACHER, NOON)
    live.add_publication(camera(CAPTURE))
    snapshot = live.snapshot(TEACHER.id, NOON)
    assert (snapshot.you, snapshot.server_time) == ("teacher1", "2026-09-01T12:00:00.000Z")
    assert snapshot.lesson == live.view()
    assert [participant.name for participant in snapshot.participants] == ["王老师"]
    assert [publication.id for publication in snapshot.publications] == ["p1"]


def test_whose_media_are_interrupted_is_shown_as_not_receiving_until_it_is_heard_again():
    live = lesson()
    live.start(NOON)
    live.open_session(DOWN, VILLAGE, False, NOON)
    live.connect_session(DOWN, VILLAGE.id, NOON)
    [told] = live.connect_session(DOWN, VILLAGE.id, NOON, connected=False)
    assert isinstance(told, ParticipantChanged)
    assert (told.participant.receiving, told.participant.online) == (False, False)
    assert live.connect_session(DOWN, VILLAGE.id, NOON, connected=False) == []
    [told] = live.connect_session(DOWN, VILLAGE.id, NOON)
    assert (told.participant.receiving, told.participant.online) == (True, True)
