"""The state of a lesson: what each happening changes, and what others are told of it."""

from datetime import UTC, datetime, timedelta

import pytest

from classroom.live.errors import UnknownParticipant
from classroom.live.lesson import DESERTED_AFTER, FORGET_AFTER, LONGEST_OVERRUN, LiveLesson
from classroom.live.participant import Person
from classroom.messages import (
    LessonChanged,
    LinkView,
    ParticipantChanged,
    ParticipantLeft,
    PublicationRemoved,
    ReportView,
)
from classroom.model import (
    FloorMode,
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


def test_a_call_is_told_with_the_meter_and_the_picture_when_it_comes():
    live = lesson()
    live.start(NOON)
    live.join(VILLAGE, NOON)
    person, told = live.call_on(VILLAGE.id, False, NOON)
    assert (person.participant.asked, told.lesson.floor, told.lesson.programme) == (1, [VILLAGE.id], None)
    assert live.call_on(VILLAGE.id, False, NOON) == []
    _, told = live.add_publication(camera(VILLAGE, "camera-village1"))
    assert told.lesson.programme == "camera-village1"
    _, told = live.remove_publication(PublicationId("p1"))
    assert told.lesson.programme is None
    person, told = live.return_floor(None, NOON + timedelta(seconds=30))
    assert (person.participant.spoke_s, told.lesson.floor) == (30, [])


def test_only_a_classroom_that_is_there_can_be_called_on():
    live = lesson()
    live.start(NOON)
    live.join(TEACHER, NOON)
    for who in (VILLAGE, TEACHER):
        with pytest.raises(UnknownParticipant):
            live.call_on(who.id, False, NOON)
    with pytest.raises(UnknownParticipant):
        live.mute(VILLAGE.id, True, NOON)
    with pytest.raises(UnknownParticipant):
        live.raise_hand(VILLAGE.id, True)


def test_who_comes_into_a_discussion_is_heard_and_who_goes_is_not():
    live = lesson()
    live.start(NOON)
    live.set_mode(FloorMode.DISCUSS)
    _, told = live.join(VILLAGE, NOON)
    assert told.lesson.floor == [VILLAGE.id]
    _, told = live.leave(VILLAGE.id, NOON)
    assert told.lesson.floor == []


def test_in_a_discussion_it_is_told_who_was_called_on_so_that_it_can_be_taken_back():
    live = lesson()
    live.start(NOON)
    live.set_mode(FloorMode.DISCUSS)
    live.join(VILLAGE, NOON)
    told = live.call_on(VILLAGE.id, False, NOON)[-1]
    assert (told.lesson.floor, told.lesson.called) == ([VILLAGE.id], [VILLAGE.id])
    told = live.return_floor(VILLAGE.id, NOON)[-1]
    assert (told.lesson.floor, told.lesson.called) == ([VILLAGE.id], []), "it goes on discussing"


def test_who_is_heard_on_no_line_is_cut_off_and_has_not_left():
    live = lesson()

    def presence():
        [view] = live.participants()
        return view.online, view.cut

    live.join(VILLAGE, NOON)
    live.join(VILLAGE, NOON)  # it has come back in another connection; the first one is dead
    live.hear(VILLAGE.id, NOON, silent=True)
    assert presence() == (True, False)
    live.hear(VILLAGE.id, NOON, silent=True)
    assert presence() == (False, True)
    live.leave(VILLAGE.id, NOON, silent=True)
    live.hear(VILLAGE.id, NOON, silent=False)
    assert presence() == (True, False)
    live.open_session(UP, VILLAGE, True, NOON)
    live.connect_session(UP, VILLAGE.id, NOON)
    live.hear(VILLAGE.id, NOON, silent=True)
    assert presence() == (True, False), "its media are heard: the other line is held up, not cut"
    live.connect_session(UP, VILLAGE.id, NOON, connected=False)
    assert presence() == (False, True)
    live.join(VILLAGE, NOON)
    live.leave(VILLAGE.id, NOON)
    assert presence() == (False, False), "it has taken its leave"
    live.connect_session(UP, VILLAGE.id, NOON)
    live.connect_session(UP, VILLAGE.id, NOON, connected=False)
    assert presence() == (False, False), "and its media end because of that"
    live.leave(VILLAGE.id, NOON, silent=True, cut=True)
    assert presence() == (False, False), "and the line that was dead is given up"
    live.join(VILLAGE, NOON)
    live.connect_session(UP, VILLAGE.id, NOON)
    live.leave(VILLAGE.id, NOON, cut=True)
    live.close_session(UP, VILLAGE.id, NOON)
    assert presence() == (False, True), "its process has died"
    live.open_session(DOWN, VILLAGE, False, NOON)
    live.connect_session(DOWN, VILLAGE.id, NOON)
    live.connect_session(DOWN, VILLAGE.id, NOON, connected=False)
    assert presence() == (False, True), "only its media were there, as those of a machine that only publishes"


def test_the_end_gives_the_floor_back_and_the_next_start_forgets_it():
    live = lesson()
    live.start(NOON)
    live.join(VILLAGE, NOON)
    live.call_on(VILLAGE.id, False, NOON)
    live.turn_page(3, NOON)
    person, told = live.end(NOON + timedelta(seconds=5))
    assert (person.participant.spoke_s, told.lesson.floor, told.lesson.state) == (5, [], LessonState.ENDED)
    person, told = live.start(NOON)
    assert (person.participant.asked, told.lesson.page) == (0, None)


def test_a_hand_goes_down_with_whoever_is_gone_for_good():
    live = lesson()
    live.start(NOON)
    live.join(VILLAGE, NOON)
    live.raise_hand(VILLAGE.id, True)
    live.leave(VILLAGE.id, NOON)
    left, told = live.forget_absent(NOON + FORGET_AFTER)
    assert (left.type, told.lesson.hands) == ("participant_left", [])


def test_who_is_dismissed_leaves_no_hand_and_no_floor_behind():
    live = lesson()
    live.start(NOON)
    live.join(VILLAGE, NOON)
    live.call_on(VILLAGE.id, False, NOON)
    live.raise_hand(VILLAGE.id, True)
    left, told = live.dismiss(VILLAGE.id, NOON)
    assert (left.type, told.lesson.hands, told.lesson.floor) == ("participant_left", [], [])
    assert live.dismiss(VILLAGE.id, NOON) == live.leave(VILLAGE.id, NOON) == []


def test_small_changes_of_links_and_reports_are_not_told():
    live = lesson()
    live.join(VILLAGE, NOON)
    good = LinkView("good", "none", 50, 0.1, 4000)
    assert len(live.set_links({VILLAGE.id: good, TEACHER.id: good})) == 1
    for same in (LinkView("good", "none", 69, 1.0, 3100), good):
        assert live.set_links({VILLAGE.id: same}) == []
    for other in (LinkView("fair", "loss", 50, 0.1, 4000), LinkView("fair", "loss", 90, 0.1, 4000)):
        [told] = live.set_links({VILLAGE.id: other})
        assert told.participant.link == other
    [told] = live.set_links({})
    assert told.participant.link is None
    assert len(live.report(VILLAGE.id, ReportView(behind_s=1.0))) == 1
    assert live.report(VILLAGE.id, ReportView(behind_s=1.9)) == []
    assert len(live.report(VILLAGE.id, ReportView(behind_s=2.1))) == 1
    assert live.report(TEACHER.id, ReportView()) == []


def test_a_lesson_is_deserted_when_long_past_the_bell_nobody_was_there():
    live = lesson()
    live.start(NOON)
    assert not live.is_deserted(NOON + 10 * DESERTED_AFTER), "nobody said when it ends"
    bell = NOON + timedelta(minutes=40)
    live.plan("数学", bell, True)
    live.join(VILLAGE, NOON)
    assert not live.is_deserted(bell + 2 * DESERTED_AFTER), "somebody is there"
    late = bell + 2 * DESERTED_AFTER
    live.leave(VILLAGE.id, late)
    live.join(Person(ParticipantId("o"), Role.OBSERVER, ""), late)
    assert not live.is_deserted(late + DESERTED_AFTER - timedelta(seconds=1))
    assert live.is_deserted(late + DESERTED_AFTER)
    live.end(late)
    assert not live.is_deserted(late + 2 * DESERTED_AFTER)


def test_a_lesson_that_nobody_ends_is_over_in_the_end_though_its_devices_are_there():
    live, bell = lesson(), NOON + timedelta(minutes=40)
    live.plan("数学", bell, True)
    live.start(NOON)
    for person in (VILLAGE, TEACHER):
        live.join(person, NOON)
    assert not live.is_deserted(bell + LONGEST_OVERRUN - timedelta(seconds=1))
    late = bell + LONGEST_OVERRUN
    assert live.is_deserted(late)
    live.end(late)
    live.start(late)
    assert not live.is_deserted(late + LONGEST_OVERRUN - timedelta(seconds=1)), "it was wanted after all"


def test_the_plan_is_told():
    live = lesson()
    [told] = live.plan("长方形的面积", NOON, False)
    assert (told.lesson.title, told.lesson.interactive) == ("长方形的面积", False)
    assert told.lesson.ends_at == "2026-09-01T12:00:00.000Z"
    assert live.plan("长方形的面积", NOON, False) == []
